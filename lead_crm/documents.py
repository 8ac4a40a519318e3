"""What every document and every message is made of: base models, shared types, time and ids."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    MISSING,
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic.json_schema import WithJsonSchema

T = TypeVar("T")

MAX_INT = 2**53 - 1  # what every JSON client reads exactly


def now() -> datetime:
    """The time, in the milliseconds that BSON keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_uid() -> str:
    return secrets.token_hex(8)


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)

    def changed(self, **values: Any) -> Self:
        """A validated copy (`model_copy` would not validate)."""
        return type(self).model_validate(dict(self) | values)


class Document(Model):
    """Something stored under its identity `{type, uid}`, written whole, one version at a time."""

    uid: str
    version: int = 1
    created_at: datetime
    updated_at: datetime


class In(Model):
    """What a client sends."""


def partial(name: str, model: type[BaseModel], *, leave_out: frozenset[str] = frozenset()) -> Any:
    """The merge-patch of `model`: every attribute may be left out, which is not the same as null."""
    attributes: dict[str, Any] = {
        key: (info.rebuild_annotation() | MISSING, Field(default=MISSING, description=info.description))
        for key, info in model.model_fields.items()
        if key not in leave_out
    }
    return create_model(name, __base__=In, __module__=model.__module__, **attributes)


class Out(Model):
    """What a client gets. Written to describe and to check answers; rows are sent without passing through it."""


MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _iso_moment(value: object) -> object:
    """Exactly what the schema calls a date-time; Pydantic would also take numbers for seconds since 1970."""
    if not isinstance(value, str):
        return value
    if not MOMENT.fullmatch(value):
        raise ValueError("write the time as 2026-01-31T09:30:00Z, with its offset")
    return datetime.fromisoformat(value.upper())


def _utc(moment: datetime) -> datetime:
    if _is_usual(moment) and _is_usual(moment := moment.astimezone(UTC)):  # what is read back is checked again
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    raise ValueError("write a time between the years 1900 and 9000")


def _is_usual(moment: datetime) -> bool:
    return 1900 <= moment.year <= 9000


def day(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("write the date as YYYY-MM-DD")
    return date.fromisoformat(text).isoformat()


def _iso_day(value: object) -> object:
    return day(value) if isinstance(value, str) else value


def _relative_day(value: object) -> object:
    """In a query string, a + that nobody has escaped arrives as a blank."""
    if isinstance(value, str):
        value = value.replace(" ", "+")
        if not re.fullmatch(RELATIVE, value):
            raise ValueError("write the day as today, today+7 or today-30")
    return value


def _one_fault(accepted: str) -> Callable[[object, ValidatorFunctionWrapHandler], Any]:
    """Of a time that may be written in several ways: not what each of them has against it, but what there is."""

    def read(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, str | datetime):
            try:
                return handler(value)
            except ValidationError:
                pass
        raise ValueError(f"Write {accepted}; between the years 1900 and 9000.")

    return read


def _decimal_text(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


# One printable line that is not only blanks; JSON Schema says the same as the validator does.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=PRINTABLE)]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Uid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:\-]{1,64}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .\-]{0,62}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Color = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_moment), AfterValidator(_utc)]
Day = Annotated[
    str, BeforeValidator(_iso_day), WithJsonSchema({"type": "string", "format": "date"}), Field(max_length=10)
]
RELATIVE = r"^today([+\-][0-9]{1,4})?$"
RelativeDay = Annotated[
    str, BeforeValidator(_relative_day), WithJsonSchema({"type": "string", "pattern": RELATIVE}), Field(max_length=10)
]
A_DAY, A_MOMENT = "a day such as 2026-11-21", "a moment such as 2026-11-21T10:00:00Z"
MomentOrDay = Annotated[Moment | Day, WrapValidator(_one_fault(f"{A_DAY}, or {A_MOMENT}"))]
When = Annotated[Moment | Day | RelativeDay, WrapValidator(_one_fault(f"{A_DAY}, {A_MOMENT}, or today+7"))]
DECIMAL = r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$"
DecimalText = Annotated[
    str,
    BeforeValidator(
        _decimal_text,
        json_schema_input_type=Annotated[int, Field(ge=1 - 10**15, le=10**15 - 1)]
        | Annotated[str, Field(pattern=DECIMAL)],
    ),
    StringConstraints(pattern=DECIMAL),
]
CommaList = Annotated[list[T], BeforeValidator(_split)]


class Money(Model):
    amount: Annotated[int, Field(ge=-MAX_INT, le=MAX_INT, description="In minor units (cents).")]
    currency: Currency


class Page(Out, Generic[T]):
    """One page of a longer list."""

    results: list[T]
    next: str | None = Field(description="Address of the next page.")
    previous: str | None = Field(description="Address of the page before.")
    count: int | None = Field(description="How many there are; null when counting would have been slow.")
    count_capped: bool = Field(description="True when there are more than `count`, or nobody counted.")
    partial: bool = Field(
        default=False, description="True when only the first candidates, 10,000 at most, were examined for this page."
    )


class Problem(Out):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=False)

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list["ProblemFault"] | MISSING = Field(default=MISSING, description="Every fault of the input, at once.")


class ProblemFault(Out):
    model_config = ConfigDict(extra="allow")

    pointer: str = Field(description="JSON pointer into the body, or / and the query parameter.")
    code: str
    detail: str
