"""What a change means to others, stored with the change itself: in the record that its write makes.

A record knows its moment and the lead its uid (drawn only after the rules have passed), so neither is stored again
with every event: whoever reads events reads them with `of`, which puts them together by the keys below.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from leads import personal
from leads.documents import Attributes, Lead, Task
from workflow.workflow import Workflow

Event = dict[str, Any]

HEAD: Final = ("event_type", "lead_id", "timestamp")
KEYS: Final = {  # statuses are uids of stages
    "LeadCreated": ("event_type", "lead_id", "email", "source", "timestamp"),
    "LeadStatusChanged": ("event_type", "lead_id", "old_status", "new_status", "timestamp"),
    "LeadUpdated": (*HEAD, "changed"),
    "LeadAssigned": (*HEAD, "old_assignees", "new_assignees"),
    "LeadConverted": (*HEAD, "reference"),
    "LeadClosed": (*HEAD, "reason"),
    "LeadArchived": HEAD,
    "LeadMerged": (*HEAD, "merged_lead_id"),
    "LeadUnmerged": (*HEAD, "unmerged_lead_id"),
    "TaskCreated": (*HEAD, "task", "kind"),
    "TaskCompleted": (*HEAD, "task", "kind", "outcome"),
}
# What people write. All else follows from it, or another event tells it.
WRITTEN: Final = frozenset(Attributes.model_fields) - {"next_follow_up_at"} | {"name"}


def of(lead: Lead) -> list[Event]:
    """Those that the lead still carries, the oldest first; the others have spilled over with their records."""
    return [event for entry in lead.changes for event in of_record(lead.uid, entry.model_dump())]


def of_record(lead: str, entry: Mapping[str, Any]) -> list[Event]:
    """Those of one difference record, as it is stored."""
    known = {"lead_id": lead, "timestamp": timestamp(entry["at"])}
    return [{key: (event | known)[key] for key in KEYS[event["event_type"]]} for event in entry.get("events", ())]


def timestamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_new(lead: Lead) -> list[Event]:
    return [
        _event("LeadCreated", email=lead.email, source=lead.source),
        *_assigned([], lead.assigned_to),
        *_tasks([], lead),
    ]


def of_change(before: Lead, after: Lead, changes: Sequence[Mapping[str, Any]], workflow: Workflow) -> list[Event]:
    """`changes`: the differences between the two."""
    if before.merged_into:  # what was done about it meanwhile has been told of the lead that it was a part of
        return []
    return [
        *_moved(before, after),
        *_assigned(before.assigned_to, after.assigned_to),
        *_ended(before, after, workflow),
        *_tasks(before.tasks, after),
        *_updated(before, after, [change["pointer"] for change in changes]),
    ]


def merged(other: str) -> Event:
    """Of the lead that remains: `other` has gone into it. No difference shows that, so the rule that merges says it."""
    return _event("LeadMerged", merged_lead_id=other)


def unmerged(other: str) -> Event:
    return _event("LeadUnmerged", unmerged_lead_id=other)


def _event(event_type: str, **values: Any) -> Event:
    return {"event_type": event_type, **values}


def _moved(before: Lead, after: Lead) -> Iterator[Event]:
    if before.current_stage != after.current_stage:
        yield _event("LeadStatusChanged", old_status=before.current_stage, new_status=after.current_stage)


def _assigned(old: list[str], new: list[str]) -> Iterator[Event]:
    if old != new:
        yield _event("LeadAssigned", old_assignees=old, new_assignees=new)


def _ended(before: Lead, after: Lead, workflow: Workflow) -> Iterator[Event]:
    """Won, again when it is told what came of it; lost; put away. What people wrote as a reason is nobody else's."""
    won = after.converted_at is not None
    if won and (before.converted_at is None or after.conversion not in (None, before.conversion)):
        yield _event("LeadConverted", reference=after.conversion and after.conversion.reference)
    if not won and after.closed_at not in (None, before.closed_at):
        yield _event("LeadClosed", reason=personal.reason(after.closed_reason, workflow))
    if _put_away(before, after):
        yield _event("LeadArchived")


def _put_away(before: Lead, after: Lead) -> bool:
    return before.status != "archived" and after.status == "archived"


def _tasks(old: Iterable[Task], after: Lead) -> Iterator[Event]:
    """What a merged lead brings along was created before."""
    known = {task.uid: task for task in old}
    for task in after.tasks:
        if task.uid not in known and task.created_at == after.updated_at:
            yield _event("TaskCreated", task=task.uid, kind=task.kind)
        elif _completed(known.get(task.uid), task):
            yield _event("TaskCompleted", task=task.uid, kind=task.kind, outcome=task.outcome)


def _completed(before: Task | None, after: Task) -> bool:
    return before is not None and before.status != "completed" and after.status == "completed"


def _updated(before: Lead, after: Lead, pointers: Sequence[str]) -> Iterator[Event]:
    pointers = [*_of_attributes(before, after, pointers), *_of_tasks(before, after, pointers)]
    if pointers:
        yield _event("LeadUpdated", changed=pointers)


def _of_attributes(before: Lead, after: Lead, pointers: Iterable[str]) -> Iterator[str]:
    moved = before.current_stage != after.current_stage
    for pointer in pointers:
        name = pointer.split("/")[1]
        if name == "follow_up_wish":
            yield "/next_follow_up_at"
        elif name == "status" and not moved and not _put_away(before, after):
            yield pointer  # held, resumed, restored
        elif name in WRITTEN and not (moved and name == "conversion_probability"):  # stages bring one along
            yield pointer


def _of_tasks(before: Lead, after: Lead, pointers: Iterable[str]) -> Iterator[str]:
    """Of tasks that were there and still are: what `TaskCompleted` does not tell."""
    old, new = ({task.uid: task for task in lead.tasks} for lead in (before, after))
    completed = {uid for uid, task in new.items() if _completed(old.get(uid), task)}
    for pointer in pointers:
        name, *path = pointer[1:].split("/")
        if name == "tasks" and path and path[0] in (old.keys() & new.keys()) - completed:
            yield pointer
