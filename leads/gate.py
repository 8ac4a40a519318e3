"""The gate: may this lead go there, and if not, why, and what would make it pass."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from lead_crm.documents import new_uid
from lead_crm.errors import Fault, Invalid, NotAllowed, Refused
from leads import assignment, ranking, scoring
from leads.documents import Activity, Fields, HistoryEntry, Lead, Task
from leads.record import Ask, Step, changed, line
from workflow.documents import Stage, TaskTemplate
from workflow.rules import REFERENCE

Position = Literal["top", "bottom"]
KEEPING: Final = ("archived", "on_hold")  # only a stage that is deleted moves such a lead; it stays what it is


@dataclass(frozen=True, slots=True)
class Move:
    """What is wanted: where to, and what goes with it. `rank` places the card among others."""

    to_stage: str
    note: str | None = None
    reason: str | None = None
    force: bool = False
    position: Position = "top"
    rank: str | None = None
    planned: bool = False  # something to be done next comes with it
    automatic: bool = False  # follows from the workflow: whoever sets it off need not be one who moves leads


class NoRoom(Refused):
    """The stage has a limit, and the last seat was taken in this moment."""

    def __init__(self, lead: str, stage: Stage) -> None:
        against = no_room(stage)
        super().__init__(f"{lead} may not move to {stage.uid}: {against['detail']}", refusals=[against])
        self.stage = stage.uid


def refusal(code: str, stage: str, detail: str, how_to_pass: str, **what: Any) -> dict[str, Any]:
    return {"code": code, "stage": stage, "detail": detail, "how_to_pass": how_to_pass, **what}


def target(ask: Ask, uid: str) -> Stage:
    stage = ask.workflow.stage(uid)
    if stage is None:
        known = ", ".join(s.uid for s in ask.workflow.living)
        raise Invalid([Fault("/to_stage", "unknown_stage", f"There is no stage {uid}. There are: {known}.")])
    return stage


def refusals(lead: Lead, stage: Stage, wish: Move, ask: Ask, full: Collection[str] = ()) -> list[dict[str, Any]]:
    """All that stands against this move; `full` names the limited stages without room for this lead."""
    final = list(_final(lead, stage, wish, ask))
    return final if wish.force else [*final, *_guards(lead, stage, wish, ask, full)]


def _final(lead: Lead, stage: Stage, wish: Move, ask: Ask) -> Iterator[dict[str, Any]]:
    """What no force overrides."""
    if stage.archived:
        yield refusal("stage_archived", stage.uid, f"{stage.name} is archived.", "Choose another stage.")
    if lead.erased_at is not None:
        yield refusal("lead_erased", stage.uid, "The person was erased.", "Nothing can: it is for good.")
    elif lead.status == "archived":
        yield refusal("lead_archived", stage.uid, "The lead is archived.", "Restore it first.")
    if lead.status == "on_hold":
        yield refusal("on_hold", stage.uid, "The lead is on hold.", "Resume it first.")
    if not (wish.automatic or ask.actor.may("lead.move")):
        how = "Ask someone who may move leads."
        yield refusal("no_permission", stage.uid, "You may not move leads.", how, permission="lead.move")


def _guards(lead: Lead, stage: Stage, wish: Move, ask: Ask, full: Collection[str]) -> Iterator[dict[str, Any]]:
    current = ask.workflow.stage(lead.current_stage)
    allowed = current.allowed_next_stages if current else []
    if stage.uid not in allowed:
        name = current.name if current else lead.current_stage
        how = f"Go by way of: {', '.join(allowed)}." if allowed else "Nothing follows this stage; reopen the lead."
        yield refusal("not_allowed_from_here", stage.uid, f"{stage.name} does not follow {name}.", how, allowed=allowed)
    yield from _open_tasks(lead, stage)
    yield from _missing_fields(lead, stage, ask)
    if not wish.planned:
        yield from _no_next_step(lead, stage, ask)
    if stage.allowed_roles and not set(stage.allowed_roles) & set(ask.actor.roles):
        roles = ", ".join(stage.allowed_roles)
        how = f"Ask someone with one of the roles: {roles}."
        yield refusal(
            "role_not_allowed", stage.uid, f"Only {roles} may move leads here.", how, role=stage.allowed_roles
        )
    if stage.uid in full or stage.uid in ask.full:
        yield no_room(stage)
    if stage.kind == "lost" and not wish.reason:
        yield refusal("reason_required", stage.uid, "A lost lead needs a reason.", "Send a reason.", field="reason")


def no_room(stage: Stage) -> dict[str, Any]:
    most = stage.wip_limit.max if stage.wip_limit else 0
    how = "Move another lead out of this stage first."
    return refusal("wip_limit", stage.uid, f"{stage.name} is full: {most} at most.", how, limit=most)


def _open_tasks(lead: Lead, stage: Stage) -> Iterator[dict[str, Any]]:
    for task in lead.tasks:
        of_this_pass = task.stage == lead.current_stage and task.created_at >= lead.stage_entered_at
        if task.required and of_this_pass and task.status != "completed":
            how = "Complete it." if task.status == "pending" else "Reopen and complete it: cancelled tasks still count."
            yield refusal(
                "task_open", stage.uid, f"The required task “{task.title}” is not completed.", how, task=task.uid
            )


def _no_next_step(lead: Lead, stage: Stage, ask: Ask) -> Iterator[dict[str, Any]]:
    """Where the config wants one: an open lead moves on only with something to be done next."""
    planned = lead.follow_up_wish or stage.task_templates or any(task.status == "pending" for task in lead.tasks)
    if ask.workflow.config.next_step_required and stage.kind == "open" and not planned:
        how = "Add a task, or set next_follow_up_at."
        yield refusal("no_next_step", stage.uid, "Nothing is planned for this lead.", how, field="next_follow_up_at")


def _missing_fields(lead: Lead, stage: Stage, ask: Ask) -> Iterator[dict[str, Any]]:
    """What the target asks for; on leaving the first stage also what the config requires of every lead."""
    first = ask.workflow.first
    begins = first is not None and lead.current_stage == first.uid
    if not (begins or stage.required_fields):
        return
    values = vars(lead)
    keys = [name for name in stage.required_fields if not scoring.is_filled(scoring.value_of(values, name))]
    custom = [key.removeprefix("fields.") for key in keys if key.removeprefix("fields.") in ask.workflow.field_keys]
    applicable = {f.pointer for f in ask.workflow.values.missing(lead.fields, lead_type=lead.lead_type, keys=custom)}
    if begins:
        required = ask.workflow.values.missing(lead.fields, lead_type=lead.lead_type)
        applicable |= {fault.pointer for fault in required}
    missing = [key for key in keys if key.removeprefix("fields.") not in custom]
    missing += [pointer[1:].replace("/", ".") for pointer in sorted(applicable)]
    if begins:
        wanted = [name for name in ask.workflow.config.required if name not in missing]
        missing += [name for name in wanted if not scoring.is_filled(scoring.value_of(values, name))]
    for name in missing:
        how = f"Convert the lead, with a reference: POST /api/leads/{lead.uid}/convert/." if name == REFERENCE else None
        yield refusal("field_missing", stage.uid, f"{name} is empty.", how or f"Fill {name}.", field=name)


def move(lead: Lead, wish: Move, ask: Ask, fields: Fields | None = None, **also: Any) -> Lead:
    """The lead in its new stage, with `fields` and what else is written on the way, or `Refused` with every reason."""
    stage = target(ask, wish.to_stage)
    if stage.uid == lead.current_stage:
        return _reordered(lead, wish, ask)
    brought = also if fields is None else also | {"fields": fields}
    moved = lead.model_copy(update=brought) if brought else lead
    if wish.force:
        _may_force(wish, ask)
    if against := refusals(moved, stage, wish, ask):
        raise Refused(f"{lead.uid} may not move to {stage.uid}: {against[0]['detail']}", refusals=against)
    return entered(lead, stage, wish, ask.after(lead), fields, **also)


def evacuate(lead: Lead, wish: Move, ask: Ask) -> Lead:
    """Out of a stage that is being deleted: whatever the lead's state, which stays what it is."""
    return entered(lead, target(ask, wish.to_stage), wish, ask.after(lead))


def _may_force(wish: Move, ask: Ask) -> None:
    if not ask.actor.may("lead.force"):
        raise NotAllowed("Forcing a move needs the permission lead.force.", permission="lead.force")
    if not wish.reason:
        raise Invalid([Fault("/reason", "required", "A forced move needs a reason.")])


def _reordered(lead: Lead, wish: Move, ask: Ask) -> Lead:
    if wish.rank is None or wish.rank == lead.rank:
        return lead
    if lead.status == "archived":
        raise Refused("The lead is archived.", refusals=list(_final(lead, target(ask, wish.to_stage), wish, ask)))
    return changed(lead, ask.after(lead), [], rank=wish.rank)


def entered(lead: Lead, stage: Stage, wish: Move, ask: Ask, fields: Fields | None = None, **also: Any) -> Lead:
    step = entering(lead, stage, wish, ask)
    brought = {} if fields is None else {"fields": fields}
    return changed(lead, ask, step.lines, **step.values | brought | also)


def entering(lead: Lead, stage: Stage, wish: Move, ask: Ask) -> Step:
    """Exit first, then enter: history, tasks, status, assignment, clock and place."""
    values = _entry(stage, wish, ask)
    if lead.status in KEEPING:
        values["status"] = lead.status
    assigned, given = _holders(vars(lead), stage, ask, moving=True)
    values |= {
        "history": [*_exited(lead, ask), *values["history"]],
        "assigned_to": assigned,
        "tasks": [*lead.tasks, *tasks_of(stage, assigned, lead.center, ask)],
    }
    lines = [line(ask, "stage_change", wish.note, **_said(lead, stage, wish))]
    if values["status"] != lead.status:
        lines.append(line(ask, "status_change", old=lead.status, new=values["status"]))
    return Step(values, [*lines, *given])


def _holders(values: Mapping[str, Any], stage: Stage, ask: Ask, *, moving: bool) -> tuple[list[str], list[Activity]]:
    """Whose lead it is on entering; and where a rule was asked for somebody, what came of it."""
    held = list(dict.fromkeys(values["assigned_to"]))
    if held or values.get("status") == "archived":
        return held, []
    wanted = assignment.wanted(values, stage, ask.workflow, moving=moving)
    picked = ask.pick(wanted) if wanted else None
    if wanted is None or picked is None:
        return [], []
    new = [picked.person] if picked.person else []
    return new, [line(ask, "assignment", picked.why, old=[], new=new, rule=wanted.name)]


def _said(lead: Lead, stage: Stage, wish: Move) -> dict[str, Any]:
    said: dict[str, Any] = {"from": lead.current_stage, "to": stage.uid}
    if wish.reason:
        said["reason"] = wish.reason
    if wish.force:
        said["forced"] = True
    if wish.automatic:
        said["automatic"] = True
    return said


def _exited(lead: Lead, ask: Ask) -> list[HistoryEntry]:
    *past, last = lead.history
    seconds = int((ask.now - last.entered_at).total_seconds())
    return [*past, last.model_copy(update={"left_at": ask.now, "duration_seconds": seconds})]


def _entry(stage: Stage, wish: Move, ask: Ask) -> dict[str, Any]:
    """What standing in `stage` means, from now on."""
    closing = stage.kind != "open"
    values: dict[str, Any] = {
        "current_stage": stage.uid,
        "stage_entered_at": ask.now,
        "status": stage.kind,
        "rank": wish.rank or place(wish.position, ask),
        "closed_at": ask.now if closing else None,
        "closed_reason": wish.reason if stage.kind == "lost" else None,
        "converted_at": ask.now if stage.kind == "won" else None,
        "history": [HistoryEntry(
            stage=stage.uid, entered_at=ask.now, by=ask.actor.uid, note=wish.note, reason=wish.reason,
            forced=wish.force, workflow_version=ask.workflow.version,
        )],
    }  # fmt: skip
    if stage.kind != "won":
        values["conversion"] = None
    if stage.probability is not None:
        values["conversion_probability"] = stage.probability
    return values


def begin(values: dict[str, Any], stage: Stage, ask: Ask, *, by_rule: bool) -> dict[str, Any]:
    """A new lead enters the first stage of its life; `by_rule`: nobody has said whose it is."""
    held: list[str] = values["assigned_to"]
    assigned, given = _holders(values, stage, ask, moving=False) if by_rule else (held, [])
    entered = _entry(stage, Move(stage.uid), ask)
    tasks = tasks_of(stage, assigned, values["center"], ask)
    return values | entered | {"assigned_to": assigned, "tasks": tasks, "activities": given}


def place(position: Position, ask: Ask) -> str:
    rank = ranking.top if position == "top" else ranking.bottom
    return rank(ask.now, new_uid()[:6] + "1")  # a key must not end in 0: nothing would fit below it


def tasks_of(stage: Stage, assigned: list[str], center: str, ask: Ask) -> list[Task]:
    return [_task(template, stage, assigned, center, ask) for template in stage.task_templates]


def _task(template: TaskTemplate, stage: Stage, assigned: list[str], center: str, ask: Ask) -> Task:
    """Of somebody who has left, or does not work in the centre, it is nobody's."""
    who, _, name = template.assignee.partition(":")
    there = who == "user" and name in ask.people and ask.people[name].works_in(center)
    due = None if template.due_in_days is None else ask.now + timedelta(days=template.due_in_days)
    owner = assigned[0] if assigned else None
    return Task(
        uid=new_uid(), kind=template.kind, title=template.title, required=template.required, due_at=due,
        assigned_to=name if there else owner if who == "owner" else None, assigned_role=name if who == "role" else None,
        stage=stage.uid, template=template.uid, created_at=ask.now, created_by=ask.actor.uid,
    )  # fmt: skip


def moves(lead: Lead, ask: Ask, full: Collection[str]) -> list[dict[str, Any]]:
    """Every stage: would a plain move there pass, and if not, why."""
    return [_verdict(lead, stage, ask, full) for stage in ask.workflow.stages]


def _verdict(lead: Lead, stage: Stage, ask: Ask, full: Collection[str]) -> dict[str, Any]:
    against = []
    if stage.uid != lead.current_stage:
        against = refusals(lead, stage, Move(stage.uid), ask, full)
    return {
        "stage": stage.uid,
        "name": stage.name,
        "allowed": not against,
        "refusals": against,
    }
