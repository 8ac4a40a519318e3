"""The public form as HTML: what each question looks like, and what the answers of a browser mean."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Protocol

import orjson

from lead_crm.errors import Fault, escape
from leads.capture import HONEYPOT, Question

# Minor units of a currency: two digits, but for these.
DIGITS: Final = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip
PLAIN: Final = {
    "integer": "number", "decimal": "text", "email": "email", "phone": "tel", "url": "url", "date": "date",
    "datetime": "datetime-local",
}  # fmt: skip
AUTOCOMPLETE: Final = {"name": "name", "email": "email", "phone": "tel", "company": "organization"}
LOCAL_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")
CURRENCY: Final = ".currency"


class Sent(Protocol):
    """Django's QueryDict, as far as it is used here."""

    def get(self, key: str, default: str, /) -> str: ...
    def getlist(self, key: str, /) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Control:
    """One question on the page."""

    id: str
    name: str
    label: str
    kind: str  # input, textarea, select, radios, checkboxes, checkbox, money
    required: bool
    type: str = "text"
    value: str = ""
    currency: str = ""
    hints: Sequence[str] = ()
    choices: Sequence[Choice] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[str] = ()

    @property
    def described_by(self) -> str:
        parts = [f"{self.id}-hint" if self.hints else "", f"{self.id}-error" if self.errors else ""]
        return " ".join(filter(None, parts))

    @property
    def first(self) -> str:
        """What a link in the list of errors leads to."""
        return self.choices[0].id if self.kind in ("radios", "checkboxes") else self.id


def name_of(question: Question) -> str:
    return f"fields.{question.name}" if question.custom else question.name


def body(questions: Iterable[Question], sent: Sent) -> dict[str, Any]:
    """What was sent, as the API takes it; what was left empty is left out, or null where a default would fill it in."""
    found: dict[str, Any] = {"fields": {}}
    if trapped := sent.get(HONEYPOT, ""):
        found[HONEYPOT] = trapped
    for question in questions:
        value = _read(question, name_of(question), sent)
        if value is not None or question.default is not None:
            (found["fields"] if question.custom else found)[question.name] = value
    return found


def _read(question: Question, name: str, sent: Sent) -> Any:
    text = sent.get(name, "").replace("\r\n", "\n").strip()
    match question.type:
        case "multi_select":
            return [value for value in sent.getlist(name) if value] or None
        case "boolean" if question.input_type in ("checkbox", "switch"):
            return True if text else None if question.required else False
        case _ if not text:
            return None
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "decimal":
            return _point(text)
        case "money":
            return _money(text, sent.get(name + CURRENCY, "").strip().upper())
        case "datetime" if LOCAL_MOMENT.fullmatch(text):
            return f"{text}Z"
        case "json":
            return _json(text)
    return text


def _point(text: str) -> str:
    """12,50 is how half of the world writes 12.50."""
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _money(text: str, currency: str) -> dict[str, Any]:
    plain = _point(text)
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,3})?", plain):
        return {"amount": text, "currency": currency}
    minor = Decimal(plain).scaleb(DIGITS.get(currency, 2))
    return {"amount": int(minor) if minor == minor.to_integral_value() else text, "currency": currency}


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def controls(questions: Sequence[Question], sent: Sent | None, faults: Iterable[Fault] = ()) -> list[Control]:
    """The page's questions, with what was sent and what is wrong with it."""
    said: dict[str, list[str]] = {}
    for fault in faults:
        said.setdefault(_place(fault.pointer), []).append(_words(fault))
    known = {question.name: question for question in questions if question.custom}
    return [
        replace(_control(question, sent), hints=_hints(question, known), errors=said.get(_pointer(question), []))
        for question in questions
    ]


def elsewhere(questions: Iterable[Question], faults: Iterable[Fault]) -> list[str]:
    """What is wrong with no question in particular."""
    known = {_pointer(question) for question in questions}
    return [_words(fault) for fault in faults if _place(fault.pointer) not in known]


def _words(fault: Fault) -> str:
    """Which question it is about is said beside it."""
    return "Please fill this in." if fault.code == "required" else fault.detail[:1].upper() + fault.detail[1:]


def _pointer(question: Question) -> str:
    return f"/fields/{escape(question.name)}" if question.custom else f"/{question.name}"


def _place(pointer: str) -> str:
    depth = 3 if pointer.startswith("/fields/") else 2
    return "/".join(pointer.split("/")[:depth])


def _hints(question: Question, known: Mapping[str, Question]) -> list[str]:
    hints = [question.help] if question.help else []
    if question.type == "datetime":
        hints.append("The time is UTC.")
    if condition := question.visible_if:
        other = known[condition.field]
        hints.append(f"Only if “{other.label}” is: {_answer(other, condition.equals)}.")
    return hints


def _answer(question: Question, value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    labels = {option.value: option.label for option in question.options}
    return ", ".join(labels.get(one, str(one)) for one in (value if isinstance(value, list) else [value]))


def _control(question: Question, sent: Sent | None) -> Control:
    name = name_of(question)
    base = Control(
        id=f"q-{name.replace('.', '-')}", name=name, label=_label(question), kind="input",
        required=question.required and question.visible_if is None,
    )  # fmt: skip
    given = _given(question, name, sent)
    if question.type == "boolean" and question.input_type in ("checkbox", "switch"):
        return replace(base, kind="checkbox", choices=[Choice(base.id, "true", "", bool(given))])
    if question.options or question.type == "boolean":
        return _choosing(question, base, given)
    value = given[0] if given else ""
    if question.type == "money":
        return replace(base, kind="money", value=value, currency=_currency(question, name, sent))
    if question.input_type == "textarea":
        return replace(base, kind="textarea", value=value, attributes=_lengths(question))
    return replace(base, type=_type(question), value=value, attributes=_lengths(question) | _bounds(question))


def _label(question: Question) -> str:
    return f"{question.label} ({question.unit})" if question.unit else question.label


def _given(question: Question, name: str, sent: Sent | None) -> list[str]:
    """What was sent; before anything was, the default."""
    if sent is not None:
        return [value for value in sent.getlist(name) if value]
    default = question.default
    if question.type == "money" and default is not None:
        return [str(Decimal(default["amount"]).scaleb(-DIGITS.get(default["currency"], 2)))]
    if question.type == "json" and default is not None:
        return [json.dumps(default, ensure_ascii=False)]
    if question.type == "boolean":
        unticked = default is None or (default is False and question.input_type in ("checkbox", "switch"))
        return [] if unticked else [str(default).lower()]
    if question.type == "datetime" and default is not None:
        return [default[:16]]
    return [] if default is None else list(map(str, default if isinstance(default, list) else [default]))


def _currency(question: Question, name: str, sent: Sent | None) -> str:
    if sent is not None:
        return sent.get(name + CURRENCY, "")
    return question.default["currency"] if question.default else ""


def _choosing(question: Question, base: Control, given: Sequence[str]) -> Control:
    options = [(option.value, option.label) for option in question.options] or [("true", "Yes"), ("false", "No")]
    choices = [
        Choice(f"{base.id}-{number}", value, label, value in given) for number, (value, label) in enumerate(options)
    ]
    several, radios = question.type == "multi_select", question.input_type == "radio"
    return replace(base, kind="checkboxes" if several else "radios" if radios else "select", choices=choices)


def _type(question: Question) -> str:
    if question.type in ("text", "phone"):
        return question.input_type
    return PLAIN.get(question.type, "text") if question.input_type != "text" else "text"


def _lengths(question: Question) -> dict[str, Any]:
    found = {"maxlength": question.max_length, "minlength": question.min_length or None}
    if not question.custom:
        found["autocomplete"] = AUTOCOMPLETE.get(question.name)  # type: ignore[assignment]
    return {name: value for name, value in found.items() if value is not None}


def _bounds(question: Question) -> dict[str, Any]:
    if question.type == "decimal":
        return {"inputmode": "decimal"}
    if question.type not in ("integer", "date"):
        return {}
    return {name: value for name, value in (("min", question.min), ("max", question.max)) if value is not None}
