"""What a request asks of `leads.bulk`: which leads, which action, only a preview of it, or what a preview has shown."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from lead_crm import directory, documents
from lead_crm.access import Actor
from lead_crm.documents import In
from lead_crm.errors import Fault, Invalid
from lead_crm.streaming import Part, Streamed
from leads import bulk, bulk_actions, listing, previews, search
from leads.bulk import Room, Target, Verdict, Work
from leads.bulk_messages import MOST, PARAMS, BulkIn, Selection
from leads.documents import Lead
from leads.messages import Filters
from leads.previews import Asked
from leads.record import Ask
from workflow import service as workflow_service
from workflow.workflow import Workflow

log = logging.getLogger("lead_crm.bulk")

NEWEST: Final = listing.INDEXED["-created_at"]


@dataclass(slots=True)
class Tally:
    """What stands behind the verdicts."""

    dry_run: bool
    token: str | None = None
    done: int = 0
    refused: int = 0

    def part(self, verdicts: Sequence[Verdict]) -> Part:
        passed = [verdict.uid for verdict in verdicts if verdict.ok]
        others = [verdict.uid for verdict in verdicts if verdict.seen and not verdict.ok]
        self.done += len(passed)
        self.refused += len(verdicts) - len(passed)
        about = {"read": passed + others} if self.dry_run else {"change": passed, "read": others}
        return Part([v.told for v in verdicts], {action: uids for action, uids in about.items() if uids})  # type: ignore[misc]

    def told(self) -> dict[str, Any]:
        return {"done": self.done, "refused": self.refused, "dry_run": self.dry_run, "token": self.token}


def carry_out(body: BulkIn, *, actor: Actor, now: datetime, once: str | None, if_match: str | None) -> Streamed:
    """All that can be refused as a whole is refused here; the leads themselves wait until the answer is sent."""
    if if_match is not None:
        detail = "Many leads have many versions: send dry_run, and then its token, which holds for the versions it saw."
        raise Invalid([Fault("/If-Match", "not_for_many", detail)])
    workflow = workflow_service.current()
    if body.selection.token:
        return _commit(body, body.selection.token, workflow, actor=actor, now=now)
    action, params = body.wish or ("", In())
    _allowed(action, params, actor, workflow, under=body.under)
    uids = _chosen(body.selection, actor, workflow, now)
    work = _work(action, params, actor=actor, now=now, mark=once or documents.new_uid())
    tally = Tally(body.selection.dry_run)
    targets = [Target(uid) for uid in uids]
    if body.selection.dry_run:
        asked = Asked(action, params.model_dump_json(), uids, _json(body.selection.filter))
        return Streamed(_guarded(_preview(asked, targets, work, tally), uids, tally), tally.told)
    return Streamed(_guarded(bulk.done(bulk.batches(targets), work), uids, tally), tally.told)


def _allowed(action: str, params: In, actor: Actor, workflow: Workflow, *, under: str) -> None:
    try:
        bulk_actions.allowed(action, params, actor, workflow)
    except Invalid as refused:
        raise Invalid([fault.under(under) for fault in refused.faults]) from None


def _work(action: str, params: In, *, actor: Actor, now: datetime, mark: str) -> Work:
    people = directory.people(bulk_actions.assignees(params))

    def rule(lead: Lead, ask: Ask) -> Lead:
        return bulk_actions.apply(lead, params, ask, action, people)

    return Work(rule, actor, now, mark)


def _chosen(selection: Selection, actor: Actor, workflow: Workflow, now: datetime) -> list[str]:
    if selection.uids is not None or selection.filter is None:
        return list(dict.fromkeys(selection.uids or ()))
    try:
        found = _matching(selection.filter, actor, workflow, now)
    except Invalid as refused:
        faults = [replace(fault, pointer=fault.pointer.replace("/field.", "/field/")) for fault in refused.faults]
        raise Invalid([fault.under("/filter") for fault in faults]) from None
    if len(found) > MOST:
        detail = f"More than {MOST:,} leads match, and so many are allowed at once: narrow the filter."
        raise Invalid([Fault("/filter", "too_many", detail, {"most": MOST})])
    return found


def _matching(query: Filters, actor: Actor, workflow: Workflow, now: datetime) -> list[str]:
    """Exactly those that the list finds."""
    asked: dict[str, Any] = {"actor": actor, "workflow": workflow, "now": now, "region": settings.DEFAULT_REGION}
    found = listing.matching(listing.plan(query, NEWEST, **asked), MOST + 1)
    if not found and query.q and search.is_exact(query.q):
        found = listing.matching(listing.plan(query, NEWEST, **asked, loosely=True), MOST + 1)
    return found


def _json(filters: Filters | None) -> str | None:
    return filters.model_dump_json(exclude_none=True) if filters else None


def _guarded(source: Iterator[Sequence[Verdict]], uids: Sequence[str], tally: Tally) -> Iterator[Part]:
    """An answer that has begun is finished: of what went wrong on our side, the leads that are left say so."""
    answered = 0
    try:
        for verdicts in source:
            answered += len(verdicts)
            yield tally.part(verdicts)
    except Exception as error:
        if not answered:
            raise
        log.exception("bulk stopped after %d of %d leads", answered, len(uids), exc_info=error)
        yield tally.part([Verdict(uid, [bulk.NOT_DONE], seen=False) for uid in uids[answered:]])


def _preview(asked: Asked, targets: Sequence[Target], work: Work, tally: Tally) -> Iterator[list[Verdict]]:
    token, room, number = previews.new_token(), Room(), 0
    for number, group in enumerate(bulk.batches(targets), 1):
        verdicts = bulk.judged(group, work, room).in_order()
        previews.add(token, number, verdicts, now=work.now)
        yield verdicts
    previews.finish(token, asked, parts=number, actor=work.actor, now=work.now)
    tally.token = token


def _commit(body: BulkIn, token: str, workflow: Workflow, *, actor: Actor, now: datetime) -> Streamed:
    asked, parts = previews.find(token, actor=actor, now=now)
    _same(body, asked)
    params = PARAMS[asked.action].model_validate_json(asked.params)
    _allowed(asked.action, params, actor, workflow, under=body.under)
    work = _work(asked.action, params, actor=actor, now=now, mark=token)
    tally = Tally(dry_run=False, token=token)
    return Streamed(_guarded(_committed(token, parts, work), asked.uids, tally), tally.told)


def _same(body: BulkIn, asked: Asked) -> None:
    """What stands beside the token must be what was previewed."""
    sent, faults = body.selection, []
    if body.wish and body.wish[0] != asked.action:
        faults.append("/action")
    elif body.wish and body.wish[1] != PARAMS[asked.action].model_validate_json(asked.params):
        faults.append(body.under)
    if sent.uids is not None and (asked.filter or list(dict.fromkeys(sent.uids)) != asked.uids):
        faults.append("/uids")
    if sent.filter is not None and _json(sent.filter) != asked.filter:
        faults.append("/filter")
    if faults:
        detail = "The preview was of something else: send the token alone, or preview this."
        raise Invalid([Fault(pointer, "not_as_previewed", detail) for pointer in faults])


def _committed(token: str, parts: int, work: Work) -> Iterator[list[Verdict]]:
    """Only what the preview let pass, and only over the versions that it saw."""
    waiting: deque[tuple[int, previews.Part]] = deque()

    def groups() -> Iterator[list[Target]]:
        for number in range(1, parts + 1):
            part = previews.part(token, number)
            waiting.append((number, part))
            yield [] if part.settled else [Target(v.uid, v.version) for v in part.verdicts if v.ok]

    for verdicts in bulk.done(groups(), work):
        number, part = waiting.popleft()
        now = {verdict.uid: verdict for verdict in verdicts}
        answer = [now.get(verdict.uid, verdict) for verdict in part.verdicts]
        if not part.settled:
            previews.settle(token, number, answer)
        yield answer
