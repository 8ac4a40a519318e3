"""Rows as readers get them: internal keys out, computed values in. What is stored has passed its model already."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from lead_crm.access import Actor
from lead_crm.errors import Fault
from leads import personal
from leads.documents import Lead
from leads.messages import Card, CardTask, LeadRow
from leads.record import KEPT
from leads.scoring import heat
from workflow.workflow import Workflow

Row = dict[str, Any]

HOT: Final = 70
CONTACTABLE: Final = (
    "uid", "name", "email", "phone", "company", "center", "current_stage", "score", "assigned_to",
)  # fmt: skip
HIDDEN: Final = personal.EMPTY | {"closed_reason": None, "score_reasons": []}
COMPUTED: Final = frozenset({
    "full_name", "is_hot", "days_since_created", "days_since_last_contact", "days_in_stage", "overdue_tasks",
    "stale", "activities_count", "history_count",
})  # fmt: skip
SUPPORT: Final = {"_id": 0, "due": 1}  # what computing needs


def _projection(model: Any, *more: str) -> dict[str, int]:
    return {name: 1 for name in (*model.model_fields, *more) if name not in COMPUTED} | SUPPORT


LISTED: Final = _projection(LeadRow)
# For a whole lead, leaving out what is internal costs the database less than picking all the rest.
INTERNAL: Final = frozenset({"changes", "done", "sole", "follow_up_wish", "merged_into", "merged_at", "touched_at"})
WHOLE: Final = {"_id": 0, "keys": 0} | dict.fromkeys(INTERNAL, 0)
CARD: Final = _projection(Card, "expected_close_on") | {f"tasks.{name}": 1 for name in CardTask.model_fields}
for _part in ("tasks", "due"):
    del CARD[_part]
SELECTABLE: Final = frozenset(LeadRow.model_fields) | {"tasks", "score_reasons", "rank", "conversion"}


def unknown(names: Iterable[str], pointer: str) -> list[Fault]:
    """Of the attributes that somebody wants to see."""
    known = ", ".join(sorted(SELECTABLE))
    return [
        Fault(pointer, "unknown_field", f"There is no {name}. There are: {known}.")
        for name in names if name not in SELECTABLE
    ]  # fmt: skip


def _like(rows: Sequence[Row], now: datetime) -> datetime:
    """To reckon with the times of these rows: those that are read only to be shown do not say that they are UTC."""
    return now.replace(tzinfo=rows[0]["stage_entered_at"].tzinfo) if rows else now


def _computed(row: Row, workflow: Workflow, now: datetime) -> None:
    standing = now - row["stage_entered_at"]
    stage = workflow.by_uid.get(row["current_stage"])
    sla = stage.sla_hours if stage else None
    row["stale"] = bool(sla and row["status"] == "open" and standing.total_seconds() > sla * 3600)
    row["days_in_stage"] = standing.days
    row["overdue_tasks"] = sum(due < now for due in row.pop("due"))
    row["is_hot"] = row["score"] > HOT
    row["temperature"] = heat(row["temperature"], row["expected_close_on"], workflow.config.temperature, now.date())


def _dated(row: Row, now: datetime) -> None:
    contacted = row["last_contacted_at"]
    row["days_since_created"] = (now - row["created_at"]).days
    row["days_since_last_contact"] = None if contacted is None else (now - contacted).days
    row["full_name"] = " ".join(filter(None, (row["first_name"], row["last_name"]))) or row["name"]


def _masked(row: Row, workflow: Workflow, actor: Actor) -> None:
    """Roles without lead.pii see that there is a lead and how it stands, not who can be reached how, nor any notes."""
    if actor.may("lead.pii"):
        return
    row.update({name: empty for name, empty in HIDDEN.items() if name in row})
    plain = workflow.plain_keys
    row["fields"] = {key: value if key in plain else None for key, value in row["fields"].items()}
    for name, show in (("tasks", tasks), ("activities", activities), ("history", history)):
        if name in row:
            row[name] = show(row[name], actor)


def masked(row: Row, *, workflow: Workflow, actor: Actor) -> Row:
    """Any part of a lead that has its fields."""
    row = dict(row)
    _masked(row, workflow, actor)
    return row


def tasks(rows: list[Row], actor: Actor) -> list[Row]:
    """Who does not see personal fields sees what is to be done; what was noted, of their own tasks only."""
    if actor.may("lead.pii"):
        return rows
    return [row if row.get("assigned_to") == actor.uid else row | _silent_task(row) for row in rows]


def _silent_task(row: Row) -> Row:
    return {name: empty for name, empty in (("notes", None), ("fields", {})) if name in row}


def activities(rows: list[Row], actor: Actor) -> list[Row]:
    if actor.may("lead.pii"):
        return rows
    return [row | {"body": None, "meta": personal.meta(row["kind"], row["meta"])} for row in rows]


def history(rows: list[Row], actor: Actor) -> list[Row]:
    return rows if actor.may("lead.pii") else [row | {"note": None, "reason": None} for row in rows]


def contactable(row: Row, *, actor: Actor) -> Row:
    """As much of a lead as doing a task for it needs."""
    kept = {name: row[name] for name in CONTACTABLE}
    return kept if actor.may("lead.pii") else kept | {name: HIDDEN[name] for name in CONTACTABLE if name in HIDDEN}


def listed(rows: Sequence[Row], *, workflow: Workflow, now: datetime, actor: Actor) -> None:
    """Rows of one query."""
    now = _like(rows, now)
    for row in rows:
        _computed(row, workflow, now)
        _masked(row, workflow, actor)
        _dated(row, now)


def whole(row: Row, *, workflow: Workflow, now: datetime, actor: Actor) -> Row:
    listed([row], workflow=workflow, now=now, actor=actor)
    spilled = row.pop("spilled")
    for name in ("activities", "history"):
        row[f"{name}_count"] = spilled[name] + len(row[name])
        row[name] = row[name][-KEPT:]
    return row


def written(lead: Lead, *, workflow: Workflow, now: datetime, actor: Actor) -> Row:
    """A lead that has just been written."""
    row: Row = {"type": "lead", **lead.model_dump(exclude=set(INTERNAL))}
    return whole(row, workflow=workflow, now=now, actor=actor)


def cards(rows: Sequence[Row], *, workflow: Workflow, now: datetime, actor: Actor) -> list[Row]:
    on_card = {field.field_key for field in workflow.config.variables if field.show_on_card and not field.archived}
    now = _like(rows, now)
    return [_card(row, on_card, workflow, now, actor) for row in rows]


def _card(row: Row, on_card: set[str], workflow: Workflow, now: datetime, actor: Actor) -> Row:
    row["due"] = [task["due_at"] for task in row["tasks"] if task["status"] == "pending" and task["due_at"]]
    _computed(row, workflow, now)
    _masked(row, workflow, actor)
    del row["expected_close_on"]
    row["fields"] = {key: value for key, value in row["fields"].items() if key in on_card}
    return row
