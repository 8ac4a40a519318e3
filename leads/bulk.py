"""Many leads at once: the reads and writes of a batch together, the rules of a single lead for each.

A batch is one query, the rules, and one command that writes each lead over the version that was read. While it is
being written, the next one is read and judged. Each lead that is written carries the mark of this bulk: whoever
comes again after a crash, or at the same moment, finds it and does nothing twice.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from lead_crm import directory, unhurried
from lead_crm.access import Actor
from lead_crm.errors import Invalid, LeadCrmError, Merged, NotFound, Refused, Stale
from leads import again, gate, many, record, records, rules, seats, service
from leads.assignment import Wanted
from leads.documents import ChangeSet, Lead
from leads.many import Outcome
from leads.record import Ask
from leads.store import Write
from workflow.documents import Stage
from workflow.workflow import Workflow

FIRST: Final = 25
BATCH: Final = 200

Row = dict[str, Any]

NOT_FOUND: Final[Row] = {"code": "not_found", "detail": "There is no such lead that you may see."}
CHANGED: Final[Row] = {
    "code": "changed_since_preview", "detail": "It has been changed since the preview: preview it again.",
}  # fmt: skip
NOT_DONE: Final[Row] = {
    "code": "not_done",
    "detail": "Something went wrong on our side. Repeat the request: with the same Idempotency-Key or token, no lead "
    "is done twice.",
}
BUSY: Final[Row] = {"code": "busy", "detail": again.busy().detail}


@dataclass(frozen=True, slots=True)
class Target:
    """A lead that is meant; `version`: only as it was then."""

    uid: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each lead, for whom, and under which mark."""

    rule: service.Rule
    actor: Actor
    now: datetime
    mark: str

    def once(self, uid: str) -> str:
        return hashlib.sha256(f"{self.mark}\n{uid}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Verdict:
    uid: str
    refusals: Sequence[Row] = ()
    version: int | None = None  # that was judged
    seen: bool = True  # by whoever asks

    @property
    def ok(self) -> bool:
        return not self.refusals

    @property
    def told(self) -> Row:
        return {"uid": self.uid, "ok": self.ok, "refusals": list(self.refusals)}


@dataclass(slots=True)
class Judged:
    """A batch after its rules: verdicts, and what is still to be written."""

    targets: Sequence[Target]
    workflow: Workflow
    leaving: Mapping[str, Sequence[ChangeSet]]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    singly: list[Target] = field(default_factory=list)  # where seats are few, or whose turn it is must be drawn

    def in_order(self) -> list[Verdict]:
        return [self.verdicts[target.uid] for target in self.targets]


class Room:
    """What a dry run leaves of the seats in stages with a limit."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}

    def takes(self, stage: Stage, center: str) -> bool:
        row = seats.row_of(stage, center)
        left = self.left[row] if row in self.left else seats.left(stage, center)
        self.left[row] = max(0, left - 1)
        return left > 0


def batches(targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    """The first ones are small: so the answer begins soon."""
    start, size = 0, min(FIRST, BATCH)
    while start < len(targets):
        yield targets[start : start + size]
        start, size = start + size, min(2 * size, BATCH)


def judged(targets: Sequence[Target], work: Work, room: Room | None = None) -> Judged:
    """One query and the rules. `room`: for a dry run, in which nobody waits for a seat."""
    leads, workflow = many.load_many([target.uid for target in targets], actor=work.actor)
    found = Judged(targets, workflow, records.all_leaving(filter(None, leads.values())))
    missing = [target.uid for target in targets if target.uid not in leads]
    elsewhere = many.merged(missing, actor=work.actor)
    for target in targets:
        before = leads.get(target.uid)
        if before is None:
            spoiled = target.uid in leads
            why = Verdict(target.uid, [NOT_DONE], seen=False) if spoiled else None
            found.verdicts[target.uid] = why or _absent(target.uid, elsewhere.get(target.uid))
            continue
        try:
            against = _judge(found, target, before, work, room)
        except LeadCrmError as error:
            against = refusals(error)
        found.verdicts[target.uid] = Verdict(target.uid, against, before.version)
    return found


def _absent(uid: str, merged: LeadCrmError | None) -> Verdict:
    return Verdict(uid, refusals(merged) if merged else [NOT_FOUND], seen=False)


def _judge(found: Judged, target: Target, before: Lead, work: Work, room: Room | None) -> list[Row]:
    """In the order of `service.change`."""
    once = work.once(target.uid)
    if any(done.once == once for done in before.done):
        return []
    if target.version not in (None, before.version):
        return [CHANGED]
    rules.remaining(before)
    leaving = found.leaving.get(target.uid, () if room else None)  # a dry run takes nothing out
    if leaving is None:
        found.singly.append(target)
        return []
    kept, spilled = record.spill(before, leaving)
    turns: list[Wanted] = []
    people = directory.named(found.workflow.named)
    after = work.rule(kept, Ask(work.actor, found.workflow, work.now, once, pick=turns.append, people=people))
    if after is kept:
        return []
    stage = service.limited(before, after, found.workflow)
    if turns and room is None:
        found.singly.append(target)
    elif stage is None:
        found.writes.append(Write(after, before, spilled, once))
    elif room is None:
        found.singly.append(target)
    elif not room.takes(stage, after.center):
        return [gate.no_room(stage)]
    return []


def refusals(error: LeadCrmError) -> list[Row]:
    """As the single request would have been refused; what is no refusal goes on as it is."""
    if error.status >= 500:
        raise error
    if isinstance(error, Invalid):
        return [{"code": f.code, "detail": f.detail, "pointer": f.pointer, **f.extra} for f in error.faults]
    if isinstance(error, Refused) and error.extra.get("refusals"):
        return list(error.extra["refusals"])
    return [{"code": error.code, "detail": error.detail, **error.extra}]


def done(groups: Iterable[Sequence[Target]], work: Work) -> Iterator[list[Verdict]]:
    """The verdicts of each group, in its order; a group is written while the next one is read and judged."""
    with ThreadPoolExecutor(1, "bulk") as writer, unhurried.collector():
        waiting: tuple[Judged, Future[Outcome]] | None = None
        for found, failed in _each(judged(group, work) for group in groups):
            writing = found and writer.submit(many.save_many, found.writes, found.workflow)
            if waiting:
                yield _settled(*waiting, work)
            if failed:
                raise failed
            waiting = (found, writing) if found and writing else None
        if waiting:
            yield _settled(*waiting, work)


def _each(source: Iterator[Judged]) -> Iterator[tuple[Judged | None, Exception | None]]:
    """What goes wrong comes in its turn, so that what is being written is answered for before."""
    try:
        for item in source:
            yield item, None
    except Exception as error:
        yield None, error


def _settled(found: Judged, written: Future[Outcome], work: Work) -> list[Verdict]:
    """Again for those where another writer was first; one by one where others must not come in between."""
    targets = {target.uid: target for target in found.targets}
    part, outcome = found, written.result()
    for _ in again.attempts():
        for uid, error in outcome.taken.items():
            found.verdicts[uid] = Verdict(uid, _taken(error))
        found.verdicts |= {target.uid: _one(target, work) for target in part.singly}
        if not outcome.lost:
            return found.in_order()
        part = judged([targets[uid] for uid in sorted(outcome.lost)], work)
        found.verdicts |= part.verdicts
        outcome = many.save_many(part.writes, part.workflow)
    found.verdicts |= {uid: Verdict(uid, [BUSY]) for uid in outcome.lost}
    return found.in_order()


def _taken(error: Exception) -> list[Row]:
    if not isinstance(error, LeadCrmError):
        raise error
    return refusals(error)


def _one(target: Target, work: Work) -> Verdict:
    uid, once = target.uid, work.once(target.uid)
    try:
        service.change(uid, work.rule, actor=work.actor, now=work.now, once=once, if_match=target.version)
    except Stale:
        return Verdict(uid, [CHANGED])
    except NotFound:
        return _absent(uid, None)
    except Merged as merged:
        return _absent(uid, merged)
    except LeadCrmError as error:
        return Verdict(uid, refusals(error))
    return Verdict(uid)
