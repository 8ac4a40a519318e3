"""What is kept of a lead elsewhere than in itself: answers for who repeats a request, previews of bulks, and what
stands in the records of leads that it was merged into and unmerged from."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from lead_crm import directory, idempotency
from lead_crm.access import system
from leads import again, apart, previews, record, records, spilled, store, timeline
from leads.apart import Gone
from leads.documents import Lead
from leads.record import Ask
from workflow import service as workflow_service


def forget(uid: str) -> None:
    idempotency.forget_about(uid)
    previews.forget_about(uid)


def parts(lead: Lead) -> list[Lead]:
    """Leads that were merged into this one, and into those."""
    rows = store.parts([uid for part in lead.merged for uid in part.names()], store.STORED)
    return [store.model(row) for row in rows]


def withdrawn(leads: Sequence[Lead], *, now: datetime) -> None:
    """Out of the records of leads that these were parts of for a while.

    Done before these themselves are erased or removed: whoever comes again after a crash finds by them what is left.
    """
    gone = apart.gone(leads)
    for uid in _winners(leads):
        _cleaned(uid, gone, now)
        forget(uid)


def _winners(leads: Sequence[Lead]) -> Iterator[str]:
    """Also those that the winners were parts of: they had these along."""
    known, waiting = {lead.uid for lead in leads}, list(leads)
    while waiting:
        for uid in apart.winners(timeline.whole(waiting.pop(), "activities")):
            winner = _anywhere(uid) if uid not in known else None
            known.add(uid)
            if winner:
                waiting.append(winner)
                yield uid


def _anywhere(uid: str) -> Lead | None:
    return store.part(uid, actor=system(directory.centers()), shelves="all")


def _cleaned(uid: str, gone: Gone, now: datetime) -> None:
    for _ in again.attempts():
        lead = _anywhere(uid)
        if lead is None or lead.erased_at or _written(lead, gone, now):
            return
    raise again.busy(f"{uid}, which it was a part of,")


def _written(lead: Lead, gone: Gone, now: datetime) -> bool:
    """The oldest first and the lead last: what tells of a stay stands at its end, and goes when all before has gone.

    The lead is written anew where something stood in it, so that no writer who has read it before brings that back.
    """
    carried = records.carried(lead)
    if carried is None:
        return False
    lead = lead.model_copy(update={"changes": carried})
    stays = [stay for old in spilled.of(lead.uid) for stay in apart.stays(old.changes, gone)]
    stays += apart.stays(carried, gone)
    for old in spilled.of(lead.uid):
        spilled.put(old, apart.timeline(old, stays, gone))
    if apart.cleaned(lead, stays, gone) == lead:
        return True
    kept, late = record.spill(lead, carried)
    if late:
        spilled.put(None, apart.timeline(late, stays, gone))
    ask = Ask(system(directory.centers()), workflow_service.current(), now).after(lead)
    after = record.changed(apart.cleaned(kept, stays, gone), ask, [], at_rest=True)
    return store.rewrite(after, read=lead.version, workflow=ask.workflow)
