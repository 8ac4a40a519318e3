"""The tasks of a lead: made, changed, completed, reopened, cancelled."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final, cast

from lead_crm.diff import same
from lead_crm.documents import new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NotFound
from leads.automation import Automation, Draft
from leads.documents import Fields, Lead, Task
from leads.messages import CompleteIn, TaskIn
from leads.record import Ask, changed, line
from leads.rules import contacted, living
from workflow.task_kinds import NextTask, Outcome, TaskKind

MOST: Final = 500


class TaskClosed(Conflict):
    code, title = "task_closed", "The task is closed: reopen it first."


def find(lead: Lead, uid: str) -> Task:
    for task in lead.tasks:
        if task.uid == uid:
            return task
    raise NotFound(f"{lead.uid} has no task {uid}.")


def add(lead: Lead, body: TaskIn, ask: Ask, automation: Automation | None = None) -> Lead:
    living(lead)
    kind = _kind(body.kind, ask)
    ask = ask.after(lead)
    draft = Draft(lead, ask, automation or Automation())
    task = _made(lead, body, kind, ask)
    draft.automation.added = task.uid
    draft.does([line(ask, "task", f"Added: {task.title}", task=task.uid, status="pending")], tasks=[*lead.tasks, task])
    if kind.on_schedule:
        draft.moves(kind.on_schedule.move_to, f"{kind.label} scheduled")
    return draft.written(made=task.uid)


def _made(lead: Lead, body: TaskIn, kind: TaskKind, ask: Ask) -> Task:
    if len(lead.tasks) >= MOST:
        raise Conflict(f"A lead has at most {MOST} tasks.", code="too_many_tasks")
    return Task(
        uid=new_uid(), kind=kind.key, title=body.title or kind.label, required=body.required, due_at=body.due_at,
        assigned_to=body.assigned_to, fields=_fields(kind, body.fields, {}, ask), stage=lead.current_stage,
        created_at=ask.now, created_by=ask.actor.uid,
    )  # fmt: skip


def _kind(key: str, ask: Ask, pointer: str = "/kind") -> TaskKind:
    kind = ask.workflow.task_kinds.get(key)
    if kind is None:
        known = ", ".join(ask.workflow.task_kinds) or "none are configured"
        raise Invalid([Fault(pointer, "not_an_option", f"There is no task kind {key}. There are: {known}.")])
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
    if task.template and task.required and changes.get("required") is False and not ask.actor.may("lead.force"):
        raise Invalid(
            [Fault("/required", "read_only", "The stage requires this task: changing that needs lead.force.")]
        )
    values, kind = dict(changes), ask.workflow.task_kinds.get(task.kind)
    if "fields" in values and kind:
        values["fields"] = _fields(kind, values["fields"], task.fields, ask)
    different = {name: value for name, value in values.items() if getattr(task, name) != value}
    if not different:
        return lead
    ask = ask.after(lead)
    said = line(ask, "task", f"Changed: {task.title}", task=uid, fields=sorted(different))
    return changed(lead, ask, [said], tasks=_with(lead, task, **different))


def heirs(lead: Lead, uid: str, body: CompleteIn, ask: Ask) -> list[str]:
    """Who gets the next task, where one follows for which nobody is named."""
    wanted = body.next_task or _foreseen(_outcome(_kind_of(find(lead, uid), ask), body), ask)
    return lead.assigned_to[:1] if wanted and not wanted.assigned_to else []


def complete(
    lead: Lead, uid: str, body: CompleteIn, ask: Ask, automation: Automation | None = None, left: Collection[str] = (),
) -> Lead:  # fmt: skip
    """The fact is recorded, whatever the gate says to what follows from it. `left`: heirs who are there no more."""
    living(lead)
    task = find(lead, uid)
    ask.actor.require(f"task.complete:{task.kind}")
    kind = _kind_of(task, ask)
    if task.status == "completed" and _says_nothing_new(task, kind, body, ask):
        return lead
    if task.status != "pending":
        raise TaskClosed
    if body.next_task:
        ask.actor.require("task.edit")
    ask = ask.after(lead)
    outcome = _outcome(kind, body)
    values = _completion(task, kind, outcome, body, ask)
    draft = Draft(lead, ask, automation or Automation())
    said = line(ask, "task", f"Completed: {task.title}", task=uid, status="completed", outcome=values["outcome"])
    contact = contacted(lead, kind.counts_as or kind.key, values["completed_at"])
    draft.does([said], tasks=_with(lead, task, **values), **contact, **_shared(lead, body.fields, ask))
    wanted = body.next_task or _foreseen(outcome, ask)
    if outcome and outcome.move_to:
        draft.moves(outcome.move_to, outcome.label, planned=wanted is not None)
    if wanted:
        _next(draft, wanted, left)
    return draft.written()


def _kind_of(task: Task, ask: Ask) -> TaskKind:
    """It may be gone since."""
    return ask.workflow.task_kinds.get(task.kind) or TaskKind(key=task.kind, label=task.title)


def _says_nothing_new(task: Task, kind: TaskKind, body: CompleteIn, ask: Ask) -> bool:
    """A repetition is no matter; whatever is said otherwise must not be dropped in silence."""
    fields, faults = _filled(task, kind, body, ask)
    return (
        body.outcome in (None, task.outcome)
        and body.notes in (None, "", task.notes)
        and body.completed_at in (None, task.completed_at)
        and not faults
        and same(fields, task.fields)
        and not body.next_task
    )


def _filled(task: Task, kind: TaskKind, body: CompleteIn, ask: Ask) -> tuple[Fields, list[Fault]]:
    """The fields of the task with those that the completion brings."""
    values = ask.workflow.completions.get(kind.key)
    if values is None:
        return task.fields, []
    filled, wrong = values.convert(body.fields, lead_type=None, current=task.fields)
    return cast(Fields, filled), wrong


def _shared(lead: Lead, fields: Fields, ask: Ask) -> dict[str, Any]:
    """What a task asks for and the lead has too (a key of the same name) is written to the lead as well."""
    shared = {key: value for key, value in fields.items() if key in ask.workflow.field_keys}
    converted, faults = ask.workflow.values.convert(shared, lead_type=lead.lead_type, current=lead.fields)
    return {"fields": converted} if shared and not faults else {}  # the task itself has it in any case


def _foreseen(outcome: Outcome | None, ask: Ask) -> TaskIn | None:
    if outcome is None or outcome.next_task is None:
        return None
    wanted: NextTask = outcome.next_task
    due = None if wanted.due_in_days is None else ask.now + timedelta(days=wanted.due_in_days)
    return TaskIn(kind=wanted.kind, due_at=due)


def _next(draft: Draft, wanted: TaskIn, left: Collection[str]) -> None:
    """It stays with whoever holds the lead, and may itself move the lead. One of somebody who has left is nobody's."""
    kind, lead = _kind(wanted.kind, draft.ask, "/next_task/kind"), draft.lead
    holder = wanted.assigned_to or next((uid for uid in lead.assigned_to[:1] if uid not in left), None)
    draft.adds(_made(lead, wanted.model_copy(update={"assigned_to": holder}), kind, draft.ask))
    if kind.on_schedule:
        draft.moves(kind.on_schedule.move_to, f"{kind.label} scheduled")


def _outcome(kind: TaskKind, body: CompleteIn) -> Outcome | None:
    if body.outcome is None:
        return next((outcome for outcome in kind.outcomes if outcome.default), None)
    return next((outcome for outcome in kind.outcomes if outcome.key == body.outcome), None)


def _completion(task: Task, kind: TaskKind, outcome: Outcome | None, body: CompleteIn, ask: Ask) -> dict[str, Any]:
    """What completing asks for, every fault at once."""
    fields, wrong = _filled(task, kind, body, ask)
    if not wrong and kind.key in ask.workflow.completions:
        wrong = ask.workflow.completions[kind.key].missing(fields, lead_type=None)
    faults = [*_outcome_faults(kind, outcome, body), *wrong]
    if body.completed_at and body.completed_at > ask.now:
        faults.append(Fault("/completed_at", "in_the_future", "A task cannot have been completed in the future."))
    if faults:
        raise Invalid(faults)
    return {
        "status": "completed", "completed_at": body.completed_at or ask.now, "completed_by": ask.actor.uid,
        "outcome": outcome and outcome.key, "notes": body.notes or task.notes, "fields": fields,
    }  # fmt: skip


def _outcome_faults(kind: TaskKind, outcome: Outcome | None, body: CompleteIn) -> list[Fault]:
    known = ", ".join(one.key for one in kind.outcomes) or "none are configured"
    if body.outcome is None and outcome is None and kind.outcome_required:
        return [Fault("/outcome", "required", f"Say how it ended: {known}.")]
    if body.outcome is not None and outcome is None:
        return [Fault("/outcome", "not_an_option", f"{body.outcome} is not an outcome of {kind.key}: {known}.")]
    if outcome and outcome.note_required and not body.notes:
        return [Fault("/notes", "required", f"The outcome {outcome.key} needs notes.")]
    return []


def reopen(lead: Lead, uid: str, ask: Ask) -> Lead:
    living(lead)
    task = find(lead, uid)
    if task.status == "pending":
        return lead
    ask = ask.after(lead)
    said = line(ask, "task", f"Reopened: {task.title}", task=uid, status="pending")
    values = {"status": "pending", "completed_at": None, "completed_by": None, "outcome": None}
    return changed(lead, ask, [said], tasks=_with(lead, task, **values), **_taken_back(lead, task, ask))


def _taken_back(lead: Lead, task: Task, ask: Ask) -> dict[str, Any]:
    """Completed again, a call counts again. When somebody was reached last stays as it was noted."""
    kind = _kind_of(task, ask)
    if task.status != "completed" or (kind.counts_as or kind.key) != "call":
        return {}
    return {"call_attempts": max(0, lead.call_attempts - 1)}


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
