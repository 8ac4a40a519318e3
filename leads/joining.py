"""Leads merged and unmerged: both documents change together, or neither."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings

from lead_crm import directory
from lead_crm.access import Actor
from lead_crm.documents import now as present
from lead_crm.errors import Conflict, Fault, Invalid, NotFound, Stale
from leads import again, merging, record, records, service, store, timeline
from leads.documents import Lead, Timeline
from leads.keys import SOLE
from leads.merging_messages import MergeIn, UnmergeIn
from leads.record import Ask
from leads.service import Changed
from leads.store import Write
from workflow.workflow import Workflow

Attempt = Callable[[], Changed | None]
Spilled = tuple[Lead, Timeline | None]


def merge(
    uid: str, body: MergeIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:  # fmt: skip
    def attempt() -> Changed | None:
        winner, workflow = store.load(uid, actor=actor)
        if _done(winner, once):
            return winner, workflow
        ask = Ask(actor, workflow, now, once)
        loser = _loser(winner, body, ask)
        service.unchanged(winner, if_match)
        _unchanged(loser, body.version)
        if (spilled_both := _spilled(winner, loser)) is None:
            return None
        (kept, spilled), (lost, also) = spilled_both
        people = directory.people(task.assigned_to for task in lost.tasks if task.assigned_to)
        after, part = merging.merge(kept, lost, body, ask, settings.DEFAULT_REGION, people)
        # The loser first: what it gives up the winner may claim.
        writes = [Write(part, loser, also), Write(after, winner, spilled)]
        return (after, workflow) if store.save_all(writes, workflow=workflow) else None

    return _until_first(attempt)


def faults_of_merge(body: MergeIn, *, actor: Actor, uid: str) -> list[Fault]:
    winner, workflow = store.load(uid, actor=actor)
    return service.faults_of(lambda: _loser(winner, body, Ask(actor, workflow, present())))


def _loser(winner: Lead, body: MergeIn, ask: Ask) -> Lead:
    """What is wrong with the request, all of it; only then what stands against it."""
    faults = merging.faults(winner.uid, body, ask)
    if body.lead == winner.uid:
        raise Invalid(faults)
    try:
        loser, _ = store.load(body.lead, actor=ask.actor)
    except NotFound as error:
        raise Invalid([Fault("/lead", "unknown_lead", error.detail), *faults]) from None
    if faults:
        raise Invalid(faults)
    return loser


def _unchanged(loser: Lead, version: int | None) -> None:
    try:
        service.unchanged(loser, version)
    except Stale as stale:
        raise Stale(f"{loser.uid} is at version {loser.version} now.", **stale.extra, lead=loser.uid) from None


def unmerge(
    uid: str, body: UnmergeIn, *, actor: Actor, now: datetime, once: str | None, if_match: int | None
) -> Changed:  # fmt: skip
    def attempt() -> Changed | None:
        winner, workflow = store.load(uid, actor=actor)
        if _done(winner, once):
            return winner, workflow
        service.unchanged(winner, if_match)
        part = merging.latest(winner, body.lead)
        loser = store.part(part.uid, actor=actor)
        if loser is None:
            _not_given_back_meanwhile(part.uid, winner, actor)
            return None
        written, spilled_both = records.of_version(winner.uid, part.version), _spilled(winner, loser)
        if written is None or spilled_both is None:
            return None
        (kept, spilled), (lost, also) = spilled_both
        after, alone = merging.unmerge(kept, lost, written, body.note, Ask(actor, workflow, now, once))
        alone = _claiming_what_is_free(alone, after, workflow)
        writes = [Write(after, winner, spilled), Write(alone, loser, also)]
        with service.room(loser, alone, workflow):
            return (after, workflow) if _parted(writes, workflow) else None

    return _until_first(attempt)


def _spilled(winner: Lead, loser: Lead) -> tuple[Spilled, Spilled] | None:
    """None when another writer was first."""
    own, others = records.leaving(winner), records.leaving(loser)
    return None if own is None or others is None else (record.spill(winner, own), record.spill(loser, others))


def _not_given_back_meanwhile(part: str, winner: Lead, actor: Actor) -> None:
    """Whoever finds it as it was read may not see the part."""
    now, _ = store.load(winner.uid, actor=actor)
    if now.version == winner.version:
        raise NotFound(f"There is no lead {part} that you may see.")


def _parted(writes: list[Write], workflow: Workflow) -> bool:
    try:
        return store.save_all(writes, workflow=workflow)
    except store.Doubled:  # a mark was taken in this moment: look again
        return False
    except Invalid as taken:
        raise _not_free(writes[-1].lead, [fault.pointer for fault in taken.faults]) from None


def _claiming_what_is_free(alone: Lead, winner: Lead, workflow: Workflow) -> Lead:
    """Marks that it came in with only ever get fewer; but of a unique value there is one."""
    taken = {claim for claim in store.taken(alone, workflow) if claim.startswith(SOLE)}
    return alone.model_copy(update={"sole": [mark for mark in alone.sole if SOLE + mark not in taken]})


def _not_free(lead: Lead, pointers: list[str]) -> Conflict:
    names = ", ".join(pointer[1:].replace("/", ".") for pointer in pointers)
    detail = f"{lead.uid} cannot come back: {names} must be unique, and another lead has its value by now."
    return Conflict(detail, code="not_unique", pointers=pointers)


def said(lead: Lead, once: str | None) -> dict[str, list[str] | str]:
    """What the timeline says about the merge that was just asked for, also when that is asked for again."""
    made = service.made(lead, once) if once else lead.activities[-1].uid
    meta: dict[str, list[str] | str] = timeline.activity(lead, made)["meta"]
    return meta


def _done(lead: Lead, once: str | None) -> bool:
    return once is not None and any(done.once == once for done in lead.done)


def _until_first(attempt: Attempt) -> Changed:
    """Again, when another writer was first."""
    for _ in again.attempts():
        if changed := attempt():
            return changed
    raise again.busy("these leads")
