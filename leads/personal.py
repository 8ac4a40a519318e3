"""What tells who somebody is: hidden from roles without `lead.pii`, and gone when the person is erased."""

from typing import Any, Final, get_args

from leads.documents import Fields, WrittenKind
from workflow.workflow import Workflow

ATTRIBUTES: Final = (
    "email", "phone", "message", "address", "first_name", "last_name", "contacts", "source_detail", "conversion",
)  # fmt: skip
EMPTY: Final = dict.fromkeys(ATTRIBUTES) | {"contacts": []}

# What the CRM itself notes beside its lines: stages, statuses, people and names of fields, nobody's words.
SAID: Final[dict[str, frozenset[str]]] = {
    "system": frozenset({"source", "stage"}),
    "stage_change": frozenset({"from", "to", "forced"}),
    "status_change": frozenset({"old", "new"}),
    "assignment": frozenset({"old", "new", "rule"}),
    "field_change": frozenset({"fields"}),
    "task": frozenset({"task", "status", "outcome", "fields"}),
    "merge": frozenset({"event", "lead", "fields", "left_out", "kept", "merged_at"}),
} | dict.fromkeys(get_args(WrittenKind), frozenset())


def meta(kind: str, said: dict[str, Any]) -> dict[str, Any]:
    """Without whatever people have written into it."""
    known = SAID.get(kind, frozenset())
    return {name: value for name, value in said.items() if name in known and _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def fields(values: Fields, workflow: Workflow) -> Fields:
    """Custom fields that do not tell who it is."""
    return {key: value for key, value in values.items() if key in workflow.plain_keys}


def reason(given: str | None, workflow: Workflow) -> str | None:
    """One of those configured is a figure; what people wrote themselves is not."""
    return given if given in {choice.key for choice in workflow.config.close_reasons} else None
