"""What custom fields there are, and what a lead's values become under them. Pure."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lead_crm.documents import PRINTABLE, Model, Money, Uid
from lead_crm.errors import Fault
from workflow import values
from workflow.values import FieldValues as FieldValues

# A Rust regex takes time in proportion to text length times pattern size, and counts such as {400} multiply
# that size; this much is a fraction of a second.
MAX_PATTERN_WORK = 20_000_000

FieldKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]
OptionValue = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PRINTABLE)]
Help = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(values.usable_pattern)]
Names = Annotated[
    list[Label],
    Field(max_length=50, json_schema_extra={"uniqueItems": True}),
    AfterValidator(values.different),
]
EqualText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


def _fault_at(attribute: str, code: str, message: str) -> ValidationError:
    """Raised in a model's validator, it is merged by Pydantic, and so the fault points at the attribute."""
    error = PydanticCustomError(code, message)
    return ValidationError.from_exception_data("field", [{"type": error, "loc": (attribute,), "input": None}])


T = TypeVar("T")


class Labelled(Model):
    model_config = ConfigDict(strict=True)
    named_by: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _label(cls, data: object) -> object:
        if isinstance(data, dict) and "label" not in data and isinstance(name := data.get(cls.named_by), str):
            return data | {"label": name.replace("_", " ").strip()[:100].capitalize() or "-"}
        return data


class FieldOption(Labelled):
    named_by = "value"

    value: OptionValue
    label: Label = Field(default_factory=str, description="Made from the value where left out.")


class VisibleIf(Model):
    """The field belongs to the lead only while another field has this value."""

    model_config = ConfigDict(strict=True)

    field: FieldKey
    equals: EqualText | bool | values.Int64 | Annotated[list[EqualText], Field(max_length=500)]


class Definition(Labelled, Generic[T]):
    """What all fields have in common."""

    named_by = "field_key"
    written: ClassVar[Any]  # the type of a value
    asked: ClassVar[Any] = values.TextValue  # the type of a value in a query string

    field_key: FieldKey
    label: Label = Field(default_factory=str, description="Made from the key where left out.")
    help: Help = ""
    required: bool = False
    default: T | None = None
    unit: Label | None = None
    unique: bool = False
    searchable: bool = False
    public: bool = Field(default=False, description="Asked for in the public form.")
    personal: bool = Field(
        default=False,
        description="Hidden from roles without `lead.pii`, and erased with the person. Texts, e-mail addresses, phone "
        "numbers, dates, users and JSON always are.",
    )
    show_on_card: bool = False
    lead_types: Names = Field(default=[], description="For these lead types only; empty: for all.")
    visible_if: VisibleIf | None = None
    order: Annotated[int, Field(ge=0, le=100_000)] = 0
    archived: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self.check()
        if self.default is not None:
            wrapped: Any = dict[str, self.value_type()]  # type: ignore[misc]
            TypeAdapter(wrapped).validate_python(self.model_dump(include={"default"}), strict=True)
        return self

    def check(self) -> None:
        """Raise what is wrong with the attributes taken together."""

    def value_type(self) -> Any:
        """The type of a value, with all rules of this field."""
        return self.written

    def normal(self, value: object) -> str:
        """Equal for two values which a unique field takes to be the same."""
        return str(value)


class Unsearchable(Definition[T], Generic[T]):
    searchable: Literal[False] = False


class Repeatable(Unsearchable[T], Generic[T]):
    unique: Literal[False] = False


class Written(Definition[T], Generic[T]):
    """Text of some kind."""

    longest: ClassVar[int]

    pattern: Pattern | None = Field(
        default=None, description="The whole value must match. No look-around or back-references."
    )

    def limit(self) -> int:
        return self.longest

    def check(self) -> None:
        if self.pattern and values.pattern_size(self.pattern) * self.limit() > MAX_PATTERN_WORK:
            raise _fault_at("pattern", "pattern_too_costly", "Too many counted repetitions for such texts.")

    def value_type(self) -> Any:
        pattern = StringConstraints(pattern=values.whole(self.pattern) if self.pattern else None)
        return Annotated[self.written, pattern]

    def normal(self, value: object) -> str:
        return str(value).casefold()


class Lengthy(Written[str]):
    """Text whose length the designer bounds."""

    safe: ClassVar[Any]
    min_length: int
    max_length: int

    def limit(self) -> int:
        return self.max_length

    def check(self) -> None:
        super().check()
        if self.min_length > self.max_length:
            raise _fault_at("max_length", "wrong_order", "max_length must not be less than min_length.")

    def value_type(self) -> Any:
        pattern = values.whole(self.pattern) if self.pattern else None
        length = StringConstraints(min_length=self.min_length, max_length=self.max_length, pattern=pattern)
        return Annotated[str, length, self.safe]


class Bounded(Unsearchable[T], Generic[T]):
    """Something that has an order."""

    min: T | None = None
    max: T | None = None

    def measure(self, value: Any) -> Any:
        return value

    def check(self) -> None:
        if self.min is not None and self.max is not None and self.measure(self.min) > self.measure(self.max):
            raise _fault_at("max", "wrong_order", "max must not be less than min.")

    def value_type(self) -> Any:
        return Annotated[self.written, self.within()]

    def within(self) -> AfterValidator:
        def check(value: Any) -> Any:
            if self.min is not None and self.measure(value) < self.measure(self.min):
                raise PydanticCustomError("greater_than_equal", "At least {limit}.", {"limit": self.min})
            if self.max is not None and self.measure(value) > self.measure(self.max):
                raise PydanticCustomError("less_than_equal", "At most {limit}.", {"limit": self.max})
            return value

        return AfterValidator(check)


class Choosing(Repeatable[T], Generic[T]):
    """One or several of the options."""

    options: Annotated[list[FieldOption], Field(min_length=1, max_length=500)]

    @field_validator("options")
    @classmethod
    def _different(cls, options: list[FieldOption]) -> list[FieldOption]:
        values.different([option.value for option in options])
        return options

    def option(self) -> Any:
        known = {option.value for option in self.options}

        def check(value: str) -> str:
            if value not in known:
                raise PydanticCustomError("not_an_option", "This is not one of the options of the field.")
            return value

        return Annotated[str, AfterValidator(check)]


class TextField(Lengthy):
    safe = values.CONTROL_FREE
    field_type: Literal["text"]
    input_type: Literal["text", "textarea", "email", "tel", "url"] = "text"
    min_length: Annotated[int, Field(ge=0, le=1000)] = 0
    max_length: Annotated[int, Field(ge=1, le=1000)] = 500


class LongTextField(Lengthy):
    safe = values.LINES_ALLOWED
    asked = values.LongTextValue
    field_type: Literal["long_text"]
    input_type: Literal["textarea", "text"] = "textarea"
    unique: Literal[False] = False
    min_length: Annotated[int, Field(ge=0, le=50_000)] = 0
    max_length: Annotated[int, Field(ge=1, le=50_000)] = 10_000


class EmailField(Written[values.EmailValue]):
    written = asked = values.EmailValue
    longest = 254
    field_type: Literal["email"]
    input_type: Literal["email", "text"] = "email"


class PhoneField(Written[values.PhoneValue]):
    written = values.PhoneValue
    longest = values.PHONE_LENGTH
    field_type: Literal["phone"]
    input_type: Literal["tel", "text"] = "tel"

    def normal(self, value: object) -> str:
        """Extensions stay apart: +49 123 x5 is not +49 1235."""
        return ("+" if "+" in str(value) else "") + re.sub("[^0-9x]", "", str(value))


class UrlField(Written[values.UrlValue]):
    written = values.UrlValue
    longest = 2000
    field_type: Literal["url"]
    input_type: Literal["url", "text"] = "url"

    def normal(self, value: object) -> str:
        """Only scheme and host do not care about case."""
        scheme, _, rest = str(value).partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}://{host.lower()}{slash}{path}"


class IntegerField(Bounded[values.Int64]):
    written = asked = values.IntegerValue
    field_type: Literal["integer"]
    input_type: Literal["number", "text"] = "number"


class DecimalField(Bounded[values.DecimalValue]):
    written = asked = values.DecimalValue
    field_type: Literal["decimal"]
    input_type: Literal["number", "text"] = "number"

    def measure(self, value: Any) -> Any:
        return Decimal(value)

    def normal(self, value: object) -> str:
        """1.0 is 1.00. Not `Decimal.normalize`, which rounds to 28 digits."""
        text = str(value)
        return text.rstrip("0").rstrip(".") if "." in text else text


class MoneyField(Bounded[Money]):
    """Bounds, and what a query string says, are in minor units (cents)."""

    written = values.MoneyValue
    asked = values.IntegerValue
    field_type: Literal["money"]
    input_type: Literal["number", "text"] = "number"
    unique: Literal[False] = False
    min: values.Cents | None = None  # type: ignore[assignment]
    max: values.Cents | None = None  # type: ignore[assignment]

    def measure(self, value: Any) -> Any:
        return value["amount"] if isinstance(value, dict) else value


class DateField(Bounded[values.DayValue]):
    written = asked = values.DayValue
    field_type: Literal["date"]
    input_type: Literal["date"] = "date"
    unique: Literal[False] = False


class DateTimeField(Bounded[values.MomentValue]):
    written = asked = values.MomentValue
    field_type: Literal["datetime"]
    input_type: Literal["datetime"] = "datetime"
    unique: Literal[False] = False


class BooleanField(Repeatable[bool]):
    written = bool
    asked = values.AskedBoolean
    field_type: Literal["boolean"]
    input_type: Literal["checkbox", "switch", "radio", "select"] = "checkbox"


class SelectField(Choosing[OptionValue]):
    field_type: Literal["select"]
    input_type: Literal["select", "radio"] = "select"

    def value_type(self) -> Any:
        return self.option()


class MultiSelectField(Choosing[Annotated[list[OptionValue], Field(max_length=500)]]):
    field_type: Literal["multi_select"]
    input_type: Literal["multiselect", "checkbox"] = "multiselect"

    def value_type(self) -> Any:
        place = {option.value: position for position, option in enumerate(self.options)}

        def in_order(chosen: list[str]) -> list[str]:
            return sorted(values.different(chosen), key=place.__getitem__)

        return Annotated[list[self.option()], Field(max_length=500), AfterValidator(in_order)]  # type: ignore[misc]


class UserField(Repeatable[Uid]):
    written = asked = Uid
    field_type: Literal["user"]
    input_type: Literal["user", "select"] = "user"


class JsonField(Repeatable[values.JsonValue]):
    written = values.JsonValue
    asked = None
    field_type: Literal["json"]
    input_type: Literal["textarea"] = "textarea"


Text = TextField | LongTextField | EmailField | PhoneField | UrlField
Number = IntegerField | DecimalField | MoneyField
Choice = BooleanField | SelectField | MultiSelectField | UserField
FieldDefinition = Annotated[
    Text | Number | Choice | DateField | DateTimeField | JsonField, Field(discriminator="field_type")
]


def check_definitions(definitions: Sequence[FieldDefinition]) -> list[Fault]:
    """What only shows when all definitions are seen together."""
    known = {definition.field_key: definition for definition in reversed(definitions)}
    faults = []
    for position, definition in enumerate(definitions):
        at = f"/variables/{position}"
        if known[definition.field_key] is not definition:
            faults.append(Fault(f"{at}/field_key", "repeated", f"{definition.field_key} stands here twice."))
        faults += [fault.under(f"{at}/visible_if") for fault in _visible_if_faults(definition, known)]
    return faults


def _visible_if_faults(definition: FieldDefinition, known: dict[str, FieldDefinition]) -> Iterator[Fault]:
    condition = definition.visible_if
    if condition is None:
        return
    controller = known.get(condition.field)
    if controller is None:
        yield Fault("/field", "unknown_field", f"There is no field {condition.field}.")
        return
    if controller.archived and not definition.archived:
        yield Fault("/field", "archived_field", f"The field {condition.field} is archived.")
    if definition.field_key in values.controllers(known, definition.field_key):
        yield Fault("/field", "cycle", "The field would depend on itself.")
    adapter = TypeAdapter(controller.value_type())
    yield from values.converted(adapter, condition.equals, "/equals")[1]
