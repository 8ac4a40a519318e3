"""What can be done with leads: load, rule, save, return; again when another writer was first."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import MISSING

from lead_crm import directory, documents, mongo
from lead_crm.access import Actor, system
from lead_crm.documents import In
from lead_crm.errors import Conflict, Fault, Invalid, Stale
from leads import again, gate, life, placing, record, records, rules, seats, store, tasks, timeline
from leads.automation import Automation
from leads.dealing import Dealer
from leads.documents import Lead, Task
from leads.gate import Move
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from leads.messages import (
    ActivityIn,
    AssignIn,
    CompleteIn,
    KanbanMoveIn,
    TaskIn,
    TransitionIn,
)
from leads.record import Ask
from leads.store import Write
from workflow import rules as workflow_rules
from workflow import service as workflow_service
from workflow.documents import Stage
from workflow.workflow import Workflow

Rule = Callable[[Lead, Ask], Lead]
Changed = tuple[Lead, Workflow]


def faults_of_edit(body: In, *, actor: Actor, uid: str) -> list[Fault]:
    lead, workflow = store.load(uid, actor=actor)
    return faults_of(lambda: rules.edit(lead, body.model_dump(), Ask(actor, workflow, documents.now())))


def faults_of(attempt: Callable[[], object]) -> list[Fault]:
    try:
        attempt()
    except Invalid as refused:
        return list(refused.faults)
    return []


def edit(uid: str, changes: dict[str, Any], *, actor: Actor, now: datetime, if_match: int | None) -> Changed:
    return change(uid, lambda lead, ask: rules.edit(lead, changes, ask), actor=actor, now=now, if_match=if_match)


def transition(
    uid: str, body: TransitionIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    wish = Move(body.to_stage, note=body.note, reason=body.reason, force=body.force, position=body.position)

    def rule(lead: Lead, ask: Ask) -> Lead:
        return gate.move(lead, wish, ask, fields=rules.merged_fields(lead, body.fields, ask))

    return change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)


def move_card(body: KanbanMoveIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None) -> Changed:
    def rule(lead: Lead, ask: Ask) -> Lead:
        gate.target(ask, body.to_stage)
        return gate.move(lead, Move(body.to_stage, body.note, body.reason, rank=_rank(lead, ask)), ask)

    def _rank(lead: Lead, ask: Ask) -> str | None:
        if anchor := body.before or body.after:
            return placing.rank(
                lead, anchor, above=bool(body.before), stage=body.to_stage, neighbours=neighbours, now=ask.now
            )
        return None

    neighbours: dict[str, mongo.Row] = {}

    def load() -> Changed:
        neighbours.clear()
        if not (body.before or body.after):
            return store.load(body.lead, actor=actor)
        lead, workflow, found = placing.load(body.lead, body.before or body.after or "", actor=actor)
        neighbours.update(found)
        return lead, workflow

    return change(body.lead, rule, actor=actor, now=now, once=once, if_match=if_match, load=load)


def assign(
    uid: str, assigned_to: str | Sequence[str] | None, *, actor: Actor, now: datetime, once: str | None,
    if_match: int | None,
) -> Changed:  # fmt: skip
    people = [assigned_to] if isinstance(assigned_to, str) else list(assigned_to or [])

    def rule(lead: Lead, ask: Ask) -> Lead:
        _known(people, lead.center)
        return rules.assign(lead, people, ask)

    return change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)


def assign_as(
    uid: str, body: AssignIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    if not body.by_rule and body.assigned_to is not MISSING:
        return assign(uid, body.assigned_to, actor=actor, now=now, once=once, if_match=if_match)

    def rule(lead: Lead, ask: Ask) -> Lead:
        if faults := rules.whom(named=body.assigned_to is not MISSING, by_rule=body.by_rule):
            raise Invalid(faults)
        return rules.deal(lead, ask)

    return change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)


def archive(uid: str, *, actor: Actor, now: datetime, if_match: int | None, once: str | None = None) -> Changed:
    return change(uid, rules.archive, actor=actor, now=now, once=once, if_match=if_match)


def restore(uid: str, *, actor: Actor, now: datetime, if_match: int | None, once: str | None) -> Changed:
    return change(uid, rules.restore, actor=actor, now=now, once=once, if_match=if_match)


def convert(
    uid: str, body: ConvertIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    return change(
        uid, lambda lead, ask: life.convert(lead, body, ask), actor=actor, now=now, once=once, if_match=if_match
    )


def close(uid: str, body: CloseIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None) -> Changed:
    return change(
        uid, lambda lead, ask: life.close(lead, body, ask), actor=actor, now=now, once=once, if_match=if_match
    )


def reopen(
    uid: str, note: str | None, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    return change(
        uid, lambda lead, ask: life.reopen(lead, note, ask), actor=actor, now=now, once=once, if_match=if_match
    )


def hold(uid: str, body: HoldIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None) -> Changed:
    return change(uid, lambda lead, ask: life.hold(lead, body, ask), actor=actor, now=now, once=once, if_match=if_match)


def resume(
    uid: str, note: str | None, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    return change(
        uid, lambda lead, ask: life.resume(lead, note, ask), actor=actor, now=now, once=once, if_match=if_match
    )


def add_task(
    uid: str, body: TaskIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None = None
) -> tuple[Task, Automation]:
    automation = Automation()

    def rule(lead: Lead, ask: Ask) -> Lead:
        if body.assigned_to:
            _known([body.assigned_to], lead.center)
        automation.begin()
        return tasks.add(lead, body, ask, automation)

    lead, _ = _with_moves(uid, rule, actor=actor, now=now, once=once, if_match=if_match)
    return tasks.find(lead, made(lead, once) if once else automation.added), automation


def made(lead: Lead, once: str) -> str:
    return next(done.made or "" for done in lead.done if done.once == once)


def edit_task(
    uid: str, task: str, changes: dict[str, Any], *, actor: Actor, now: datetime, if_match: int | None
) -> Task:
    def rule(lead: Lead, ask: Ask) -> Lead:
        if changes.get("assigned_to"):
            _known([changes["assigned_to"]], lead.center)
        return tasks.edit(lead, task, changes, ask)

    return tasks.find(change(uid, rule, actor=actor, now=now, if_match=if_match)[0], task)


def complete_task(
    uid: str, task: str, body: CompleteIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> tuple[Changed, Automation]:
    automation = Automation()

    def rule(lead: Lead, ask: Ask) -> Lead:
        if body.next_task and body.next_task.assigned_to:
            _known([body.next_task.assigned_to], lead.center, "/next_task/assigned_to")
        automation.begin()
        heirs = tasks.heirs(lead, task, body, ask)
        left = heirs if rules.unknown_people(heirs, lead.center, directory.people(heirs)) else []
        return tasks.complete(lead, task, body, ask, automation, left)

    return _with_moves(uid, rule, actor=actor, now=now, once=once, if_match=if_match), automation


def _with_moves(uid: str, rule: Rule, **how: Any) -> Changed:
    """A stage that turns out to have no room stops the automatic move, not what it follows from."""
    full: frozenset[str] = frozenset()
    while True:
        try:
            return change(uid, lambda lead, ask: rule(lead, replace(ask, full=full)), **how)  # noqa: B023
        except gate.NoRoom as refused:
            full |= {refused.stage}


def reopen_task(uid: str, task: str, *, actor: Actor, now: datetime, once: str | None, if_match: int | None) -> Changed:
    def rule(lead: Lead, ask: Ask) -> Lead:
        return tasks.reopen(lead, task, ask)

    return change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)


def cancel_task(
    uid: str, task: str, notes: str | None, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:
    def rule(lead: Lead, ask: Ask) -> Lead:
        return tasks.cancel(lead, task, notes, ask)

    return change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)


def add_activity(
    uid: str, body: ActivityIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None = None
) -> dict[str, Any]:
    def rule(lead: Lead, ask: Ask) -> Lead:
        return rules.add_activity(lead, body, ask)

    lead, _ = change(uid, rule, actor=actor, now=now, once=once, if_match=if_match)
    uid_of_line = made(lead, once) if once else lead.activities[-1].uid
    return timeline.activity(lead, uid_of_line)


def moves(uid: str, *, actor: Actor, now: datetime) -> list[dict[str, Any]]:
    lead, workflow = store.load(uid, actor=actor, projection=store.BRIEF)
    limited = [stage for stage in workflow.living if stage.wip_limit and stage.uid != lead.current_stage]
    full = {stage.uid for stage in limited if seats.full(stage, lead.center, without=lead.uid)}
    return gate.moves(lead, Ask(actor, workflow, now), full)


def _known(uids: Sequence[str], center: str, pointer: str = "/assigned_to") -> None:
    if faults := rules.unknown_people(uids, center, directory.people(uids), pointer):
        raise Invalid(faults)


def change(
    uid: str,
    rule: Rule,
    *,
    actor: Actor,
    now: datetime,
    once: str | None = None,
    if_match: int | None = None,
    load: Callable[[], Changed] | None = None,
) -> Changed:
    """The one way to change a lead: one read, one rule, one write over the version that was read."""
    with Dealer(now) as dealer:
        for _ in again.attempts():
            before, workflow = load() if load else store.load(uid, actor=actor)
            if once and any(done.once == once for done in before.done):
                return before, workflow
            rules.remaining(before)
            unchanged(before, if_match)
            if (leaving := records.leaving(before)) is None:
                continue
            kept, spilled = record.spill(before, leaving)
            people = directory.named(workflow.named)
            ruled = partial(rule, kept, Ask(actor, workflow, now, once, pick=dealer.asked(), people=people))
            wished = ruled()
            if wished is kept:
                return before, workflow
            with room(before, wished, workflow):
                after = dealer.settled(wished, workflow, ruled)
                if after is kept:
                    return before, workflow
                seated = after.current_stage == wished.current_stage  # else whoever got it has opened the way further
                if seated and store.save(Write(after, before, spilled), workflow=workflow):
                    dealer.spent()
                    return after, workflow
    raise again.busy()


def unchanged(lead: Lead, if_match: int | None) -> None:
    if if_match is None or if_match == lead.version:
        return
    pointers = {change["pointer"] for entry in records.since(lead.uid, if_match) for change in entry["changes"]}
    pointers.discard("/score_reasons")  # nobody writes them: they say why the score is as it is
    raise Stale(f"It is at version {lead.version} now.", version=lead.version, changed=sorted(pointers))


def room(before: Lead, after: Lead, workflow: Workflow) -> AbstractContextManager[Any]:
    """A seat in the stage that is entered, where that stage has a limit and nobody forces the move."""
    stage = limited(before, after, workflow)
    if stage is None:
        return nullcontext()
    return seats.reserved(stage, lead=after.uid, center=after.center, refused=gate.NoRoom(after.uid, stage))


def limited(before: Lead, after: Lead, workflow: Workflow) -> Stage | None:
    """The stage that is entered, where that needs a seat."""
    stage = workflow.stage(after.current_stage)
    moved = before.current_stage != after.current_stage
    restored = before.status == "archived" or before.merged_into is not None
    forced = moved and after.history[-1].forced
    enters = (moved or restored) and after.status != "archived" and not forced
    return stage if stage and stage.wip_limit and enters else None


class StageHasLeads(Conflict):
    code, title = "stage_has_leads", "Leads stand in this stage: say where they go with ?move_to=<stage>."


def delete_stage(uid: str, *, move_to: str | None, actor: Actor, now: datetime, if_match: int | None) -> None:
    """Archive the stage, so that nothing enters it any more; move its leads; then drop it, unless history names it.

    Each step can be repeated: whoever comes again after a crash goes on where it stopped.
    """
    workflow = workflow_service.current()
    workflow_rules.unlocked(workflow)
    stage = workflow_rules.known_stage(workflow, uid)
    everyone = system(directory.centers())
    if move_to is not None:
        _destination(workflow, uid, move_to)
    elif store.standing_in(uid, actor=everyone, limit=1):
        raise StageHasLeads
    if not stage.archived or if_match is not None:
        workflow_service.change_stage(uid, {"archived": True}, actor=actor, now=now, if_match=if_match)
    while batch := store.standing_in(uid, actor=everyone, limit=200):
        if move_to is None:  # one has come in the meantime
            raise StageHasLeads
        for lead in batch:
            _evacuate(lead, uid, move_to, actor=everyone, now=now)
    workflow_service.drop_stage(uid, keep=store.named_in_history(uid), actor=actor, now=now)


def _destination(workflow: Workflow, uid: str, move_to: str) -> None:
    stage = workflow.stage(move_to)
    if stage is None or stage.archived or move_to == uid:
        raise Invalid([Fault("/move_to", "unknown_stage", f"{move_to} is no other living stage.")])


def _evacuate(lead: str, stage: str, move_to: str, *, actor: Actor, now: datetime) -> None:
    wish = Move(move_to, reason=f"The stage {stage} was deleted.", force=True)

    def rule(found: Lead, ask: Ask) -> Lead:
        return gate.evacuate(found, wish, ask) if found.current_stage == stage else found

    change(lead, rule, actor=actor, now=now)
