"""What each type makes of one value: checked, and in the one spelling in which it is kept. Pure."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, LiteralString

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError as Wrong
from pydantic_core import SchemaError

from lead_crm import contact
from lead_crm.documents import MAX_INT, Money, day
from lead_crm.errors import Fault, Invalid, escape

if TYPE_CHECKING:
    from workflow.fields import FieldDefinition

CODES = {"extra_forbidden": "unknown_key", "missing": "required"}
NOTHING: Mapping[str, object] = MappingProxyType({})
MAX_INT64 = 2**63 - 1
MAX_JSON_BYTES = 16 * 1024
MAX_JSON_DEPTH = 8
LARGEST_DECIMAL = 10**20 - 1
DECIMAL = r"^-?[0-9]{1,20}(\.[0-9]{1,10})?$"
PHONE_LENGTH = contact.PHONE_LENGTH
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
# Half of a surrogate pair counts as one: no database and no answer can hold it.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
CONTROL_IN_LONG_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
NOT_IN_URL = re.compile(r'[\s\x00-\x1f\x7f-\x9f\ud800-\udfff"<>\\^`{|}]')


def _without(characters: re.Pattern[str]) -> AfterValidator:
    def check(text: str) -> str:
        if characters.search(text):
            raise Wrong("control_character", "Control characters are not allowed here.")
        return text

    return AfterValidator(check)


def _integer(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    return value


def _decimal(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_DECIMAL:
        value = str(value)
    if not (isinstance(value, str) and re.fullmatch(DECIMAL[1:-1], value)):
        raise Wrong("not_a_decimal", 'Write a string such as "12.50": up to 20 digits and 10 decimals.')
    number = Decimal(value)
    return format(number if number else number.copy_abs(), "f")  # no leading zeros, no minus zero


def _boolean(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _checked(check: Callable[[str], str], code: LiteralString, detail: LiteralString) -> AfterValidator:
    """As attributes of a lead are, under a code of its own."""

    def run(text: str) -> str:
        try:
            return check(text)
        except ValueError:
            raise Wrong(code, detail) from None

    return AfterValidator(run)


def _moment(text: str) -> str:
    try:
        if MOMENT.fullmatch(text):
            utc = datetime.fromisoformat(text).astimezone(UTC)
            return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except (ValueError, OverflowError):
        pass
    raise Wrong("not_a_datetime", "Write a time with its offset, such as 2026-01-31T09:30:00Z.")


_http_url = TypeAdapter(HttpUrl)


def _url(text: str) -> str:
    try:
        if re.match(r"https?://", text, re.IGNORECASE) and not NOT_IN_URL.search(text):
            _http_url.validate_python(text)
            return text
    except ValidationError:
        pass
    raise Wrong("not_a_url", "Write an address that starts with http:// or https://.")


def _json_value(value: object) -> object:
    _walk(value, 0)
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_JSON_BYTES:
        raise Wrong("too_large", f"At most {MAX_JSON_BYTES} bytes as JSON.")
    return value


def _walk(value: object, depth: int) -> None:
    match value:
        case list() | dict() if depth == MAX_JSON_DEPTH:
            raise Wrong("too_deep", f"Nested deeper than {MAX_JSON_DEPTH} levels.")
        case list():
            for item in value:
                _walk(item, depth + 1)
        case dict():
            for key, item in value.items():
                _check_key(key)
                _walk(item, depth + 1)
        case _:
            _check_scalar(value)


def _check_key(key: object) -> None:
    if not isinstance(key, str) or key.startswith("$") or "." in key or "\x00" in key:
        raise Wrong("forbidden_key", "Keys must not start with $ or contain . or NUL.")
    _check_scalar(key)


def _check_scalar(value: object) -> None:
    match value:
        case None | bool():
            storable = True
        case int():
            storable = -MAX_INT64 - 1 <= value <= MAX_INT64
        case float():
            storable = math.isfinite(value)
        case str():
            storable = not re.search("[\ud800-\udfff]", value)
        case _:
            storable = False
    if not storable:
        raise Wrong("not_json", "JSON only: finite numbers, integers of 64 bits, valid Unicode.")


def usable_pattern(pattern: str) -> str:
    """Bare first: wrapped, `a)|(b` would compile and match what it should not."""
    try:
        for expression in (pattern, whole(pattern)):
            TypeAdapter(Annotated[str, StringConstraints(pattern=expression)])
    except SchemaError as error:
        reason = "it is too large" if "size limit" in str(error) else "it does not compile"
        raise Wrong(
            "not_a_pattern",
            "Not a usable regular expression, {reason}. Look-around and back-references are not supported.",
            {"reason": reason},
        ) from None
    return pattern


def whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def pattern_size(pattern: str) -> int:
    counts = re.findall(r"\{\s*([0-9]+)\s*,?\s*([0-9]*)\s*\}", pattern)
    return math.prod(max(1, int(low), int(high or 0)) for low, high in counts)


def different(items: list[str]) -> list[str]:
    if len(set(items)) < len(items):
        raise Wrong("repeated", "Each may be named once.")
    return items


# What is sent, and what is kept: plain JSON both times.
Int64 = Annotated[int, Field(ge=-MAX_INT64 - 1, le=MAX_INT64)]
Cents = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
IntegerValue = Annotated[Int64, BeforeValidator(_integer, json_schema_input_type=Int64 | str)]
DecimalInput = Annotated[str, Field(pattern=DECIMAL)] | Annotated[int, Field(ge=-LARGEST_DECIMAL, le=LARGEST_DECIMAL)]
DecimalValue = Annotated[str, BeforeValidator(_decimal, json_schema_input_type=DecimalInput)]
DayValue = Annotated[
    str, _checked(day, "not_a_date", "Write a date that exists as YYYY-MM-DD."),
    WithJsonSchema({"type": "string", "format": "date"}),
]  # fmt: skip
MomentValue = Annotated[str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
CONTROL_FREE = _without(CONTROL)
LINES_ALLOWED = _without(CONTROL_IN_LONG_TEXT)
TextValue = Annotated[str, CONTROL_FREE]
LongTextValue = Annotated[str, LINES_ALLOWED]
EmailValue = Annotated[
    str, Field(max_length=254, json_schema_extra={"format": "email"}),
    _checked(contact.email, "not_an_email", "Write an e-mail address such as name@example.com."),
]  # fmt: skip
PhoneValue = Annotated[
    str, Field(json_schema_extra={"pattern": contact.PHONE_PATTERN, "minLength": 5, "maxLength": PHONE_LENGTH}),
    _checked(contact.phone, "not_a_phone", "Write the number with 5 to 20 digits, for example +49 30 123456."),
]  # fmt: skip
UrlValue = Annotated[str, Field(max_length=2000, json_schema_extra={"format": "uri"}), AfterValidator(_url)]
MoneyValue = Annotated[Money, AfterValidator(Money.model_dump)]
JsonValue = Annotated[Any, AfterValidator(_json_value)]
AskedBoolean = Annotated[bool, BeforeValidator(_boolean)]


def converted(adapter: TypeAdapter[Any], value: object, pointer: str) -> tuple[Any, list[Fault]]:
    """A fault names the rule; Pydantic's `input` is never repeated."""
    try:
        return adapter.validate_python(value, strict=True), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return None, [_fault(one["type"], one["msg"], [pointer, *map(escape, one["loc"])]) for one in found]


def _fault(kind: str, message: str, path: list[str]) -> Fault:
    return Fault("/".join(path), CODES.get(kind, kind), message)


def controllers(definitions: "Mapping[str, FieldDefinition]", key: str) -> list[str]:
    """The field that decides whether this one is shown, the one that decides about that, and so on."""
    chain: list[str] = []
    condition = definitions[key].visible_if
    while condition and condition.field in definitions and condition.field not in chain:
        chain.append(condition.field)
        condition = definitions[condition.field].visible_if
    return chain


def _empty(value: object) -> bool:
    return value is None or value == "" or value == []


def _same(one: object, other: object) -> bool:
    """To Python True equals 1; here it does not."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


@dataclass(frozen=True)
class Compiled:
    definition: "FieldDefinition"
    adapter: TypeAdapter[Any]
    asked: TypeAdapter[Any] | None
    controllers: Sequence[str]
    shown_for: object = None

    @property
    def pointer(self) -> str:
        return f"/fields/{self.definition.field_key}"

    def belongs(self, values: Mapping[str, object], lead_type: str | None) -> bool:
        """By itself: whether its controllers belong too is not asked here."""
        field = self.definition
        shown = field.visible_if is None or _same(values.get(field.visible_if.field), self.shown_for)
        return shown and not field.archived and (not field.lead_types or lead_type in field.lead_types)


class FieldValues:
    """The fields of one workflow version, made ready for many leads."""

    def __init__(self, definitions: "Sequence[FieldDefinition]") -> None:
        known = {definition.field_key: definition for definition in definitions}
        adapters = {key: TypeAdapter[Any](definition.value_type()) for key, definition in known.items()}
        self._fields = {
            key: Compiled(
                definition=definition,
                adapter=adapters[key],
                asked=TypeAdapter(definition.asked) if definition.asked else None,
                controllers=controllers(known, key),
                shown_for=_shown_for(definition, adapters),
            )
            for key, definition in known.items()
        }

    def convert(
        self,
        values: Mapping[str, object],
        *,
        lead_type: str | None,
        current: Mapping[str, object] = NOTHING,
        lead_type_changed: bool = False,
    ) -> tuple[dict[str, object], list[Fault]]:
        """A merge patch: null clears; what is left out stays as it is, unless this very patch hides it."""
        new, faults = self._each(values)
        cleared = {key for key, value in new.items() if value is None}
        result = {key: value for key, value in (dict(current) | new).items() if key not in cleared}
        for key, field in self._fields.items():
            if key not in result or field.definition.archived or self._applies(field, result, lead_type):
                continue
            if new.get(key) is not None and not faults.keys() & set(field.controllers):
                faults[key] = [_not_applicable(field)]
            elif key not in values and (lead_type_changed or values.keys() & set(field.controllers)):
                del result[key]
        return result, [fault for key in values for fault in faults.get(key, ())]

    def _each(self, values: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, list[Fault]]]:
        both = {key: self._one(key, value) for key, value in values.items()}
        faults = {key: wrong for key, (_, wrong) in both.items() if wrong}
        return {key: canonical for key, (canonical, wrong) in both.items() if not wrong}, faults

    def _one(self, key: str, value: object) -> tuple[Any, list[Fault]]:
        field = self._fields.get(key)
        if field is None:
            return None, [Fault(f"/fields/{escape(key)}", "unknown_field", "There is no such field.")]
        if field.definition.archived:
            return None, [Fault(field.pointer, "archived_field", "This field is archived; leave it out.")]
        return (None, []) if value is None else converted(field.adapter, value, field.pointer)

    def _applies(self, field: Compiled, values: Mapping[str, object], lead_type: str | None) -> bool:
        chain = [field, *(self._fields[key] for key in field.controllers)]
        return all(link.belongs(values, lead_type) for link in chain)

    def with_defaults(self, values: Mapping[str, object], *, lead_type: str | None) -> dict[str, object]:
        """For a new lead, before or after converting. A field given as null stays empty."""
        result = dict(values)
        known = self._each(values)[0]
        for key, field in sorted(self._fields.items(), key=lambda item: len(item[1].controllers)):
            default = field.definition.model_dump(include={"default"})["default"]
            if key not in values and default is not None and self._applies(field, known, lead_type):
                result[key] = known[key] = field.adapter.validate_python(default, strict=True)
        return result

    def missing(
        self,
        current: Mapping[str, object],
        *,
        lead_type: str | None,
        keys: Iterable[str] | None = None,
        public_only: bool = False,
    ) -> list[Fault]:
        """Required fields that are empty; or, if `keys` are given, those of them that are."""
        wanted = None if keys is None else set(keys)
        return [
            Fault(field.pointer, "required", f"{field.definition.label} must be filled in.")
            for key, field in self._fields.items()
            if _empty(current.get(key))
            and (field.definition.required if wanted is None else key in wanted)
            and (field.definition.public or not public_only)
            and self._applies(field, current, lead_type)
        ]

    def _filled(self, values: Mapping[str, object]) -> list[tuple["FieldDefinition", object]]:
        fields = [field.definition for key, field in self._fields.items() if not _empty(values.get(key))]
        return [(definition, values[definition.field_key]) for definition in fields]

    def claims(self, values: Mapping[str, object]) -> list[str]:
        """What no other lead may claim."""
        return [f"{d.field_key}:{d.normal(value)}" for d, value in self._filled(values) if d.unique]

    def searchable(self, values: Mapping[str, object]) -> list[str]:
        return [value for d, value in self._filled(values) if d.searchable and isinstance(value, str)]

    def comparable(self, key: str, text: str) -> object:
        """A query string's value as it is stored. Not held to bounds or options: older values count too."""
        pointer = f"/field.{escape(key)}"
        field = self._fields.get(key)
        if field is None:
            raise Invalid([Fault(pointer, "unknown_field", "There is no such field.")])
        if field.asked is None:
            raise Invalid([Fault(pointer, "not_comparable", "Fields of this type cannot be filtered by.")])
        value, faults = converted(field.asked, text, pointer)
        if faults:
            raise Invalid(faults)
        return value


def _shown_for(definition: "FieldDefinition", adapters: Mapping[str, TypeAdapter[Any]]) -> object:
    """Never None: what is not known or cannot be has to stay hidden, not equal an empty field."""
    condition = definition.visible_if
    if condition is None or condition.field not in adapters:
        return condition and condition.equals
    canonical, faults = converted(adapters[condition.field], condition.equals, "")
    return condition.equals if faults else canonical


def _not_applicable(field: Compiled) -> Fault:
    return Fault(field.pointer, "not_applicable", "This field does not belong to such a lead; leave it out.")
