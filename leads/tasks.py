"""The tasks of a lead: made, changed, completed, reopened, cancelled."""

from typing import Any, Final, cast

from lead_crm.documents import new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NotFound
from leads.documents import Fields, Lead, Task
from leads.messages import CompleteIn, TaskIn
from leads.record import Ask, changed, line
from leads.rules import contacted, living
from workflow.documents import TaskKind

MOST: Final = 500


class TaskClosed(Conflict):
    code, title = "task_closed", "The task is closed: reopen it first."


def find(lead: Lead, uid: str) -> Task:
    for task in lead.tasks:
        if task.uid == uid:
            return task
    raise NotFound(f"{lead.uid} has no task {uid}.")


def add(lead: Lead, body: TaskIn, ask: Ask) -> Lead:
    living(lead)
    kind = _kind(body.kind, ask)
    if len(lead.tasks) >= MOST:
        raise Conflict(f"A lead has at most {MOST} tasks.", code="too_many_tasks")
    ask = ask.after(lead)
    task = Task(
        uid=new_uid(), kind=kind.key, title=body.title or kind.label, required=body.required, due_at=body.due_at,
        assigned_to=body.assigned_to, fields=_fields(kind, body.fields, {}, ask), stage=lead.current_stage,
        created_at=ask.now, created_by=ask.actor.uid,
    )  # fmt: skip
    said = line(ask, "task", f"Added: {task.title}", task=task.uid, status="pending")
    return changed(lead, ask, [said], tasks=[*lead.tasks, task], made=task.uid)


def _kind(key: str, ask: Ask) -> TaskKind:
    kind = ask.workflow.task_kinds.get(key)
    if kind is None:
        known = ", ".join(ask.workflow.task_kinds) or "none are configured"
        raise Invalid([Fault("/kind", "not_an_option", f"There is no task kind {key}. There are: {known}.")])
    return kind


def _fields(kind: TaskKind, given: dict[str, Any], current: dict[str, Any], ask: Ask) -> dict[str, Any]:
    fields, faults = ask.workflow.completions[kind.key].convert(given, lead_type=None, current=current)
    if faults:
        raise Invalid(faults)
    return fields


def _with(lead: Lead, task: Task, **values: Any) -> list[Task]:
    return [item.changed(**values) if item.uid == task.uid else item for item in lead.tasks]


def edit(lead: Lead, uid: str, changes: dict[str, Any], ask: Ask) -> Lead:
    living(lead)
    task = find(lead, uid)
    if task.status != "pending":
        raise TaskClosed
    values, kind = dict(changes), ask.workflow.task_kinds.get(task.kind)
    if "fields" in values and kind:
        values["fields"] = _fields(kind, values["fields"], task.fields, ask)
    different = {name: value for name, value in values.items() if getattr(task, name) != value}
    if not different:
        return lead
    ask = ask.after(lead)
    said = line(ask, "task", f"Changed: {task.title}", task=uid, fields=sorted(different))
    return changed(lead, ask, [said], tasks=_with(lead, task, **different))


def complete(lead: Lead, uid: str, body: CompleteIn, ask: Ask) -> Lead:
    living(lead)
    task = find(lead, uid)
    ask.actor.require(f"task.complete:{task.kind}")
    if task.status == "completed":
        return lead
    if task.status == "cancelled":
        raise TaskClosed
    ask = ask.after(lead)
    values = _completion(task, body, ask)
    said = line(ask, "task", f"Completed: {task.title}", task=uid, status="completed", outcome=body.outcome)
    return changed(
        lead, ask, [said], tasks=_with(lead, task, **values), **contacted(lead, task.kind, values["completed_at"])
    )


def _completion(task: Task, body: CompleteIn, ask: Ask) -> dict[str, Any]:
    """What completing asks for, every fault at once. A kind may have left the config since the task was made."""
    kind = ask.workflow.task_kinds.get(task.kind) or TaskKind(key=task.kind, label=task.title)
    faults = _outcome_faults(kind, body)
    fields = task.fields
    if values := ask.workflow.completions.get(kind.key):
        filled, wrong = values.convert(body.fields, lead_type=None, current=task.fields)
        faults += wrong or values.missing(filled, lead_type=None)
        fields = cast(Fields, filled)
    if body.completed_at and body.completed_at > ask.now:
        faults.append(Fault("/completed_at", "in_the_future", "A task cannot have been completed in the future."))
    if faults:
        raise Invalid(faults)
    return {
        "status": "completed", "completed_at": body.completed_at or ask.now, "completed_by": ask.actor.uid,
        "outcome": body.outcome, "notes": body.notes or task.notes, "fields": fields,
    }  # fmt: skip


def _outcome_faults(kind: TaskKind, body: CompleteIn) -> list[Fault]:
    outcomes = {outcome.key: outcome for outcome in kind.outcomes}
    if body.outcome is None:
        return []
    if body.outcome not in outcomes:
        known = ", ".join(outcomes) or "none are configured"
        return [Fault("/outcome", "not_an_option", f"{body.outcome} is not an outcome of {kind.key}: {known}.")]
    if outcomes[body.outcome].note_required and not body.notes:
        return [Fault("/notes", "required", f"The outcome {body.outcome} needs notes.")]
    return []


def reopen(lead: Lead, uid: str, ask: Ask) -> Lead:
    living(lead)
    task = find(lead, uid)
    if task.status == "pending":
        return lead
    ask = ask.after(lead)
    said = line(ask, "task", f"Reopened: {task.title}", task=uid, status="pending")
    values = {"status": "pending", "completed_at": None, "completed_by": None, "outcome": None}
    return changed(lead, ask, [said], tasks=_with(lead, task, **values))


def cancel(lead: Lead, uid: str, notes: str | None, ask: Ask) -> Lead:
    living(lead)
    task = find(lead, uid)
    if task.status == "cancelled":
        return lead
    if task.status == "completed":
        raise TaskClosed
    ask = ask.after(lead)
    said = line(ask, "task", f"Cancelled: {task.title}", task=uid, status="cancelled")
    return changed(lead, ask, [said], tasks=_with(lead, task, status="cancelled", notes=notes or task.notes))
