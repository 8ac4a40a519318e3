"""Leads at rest for as long as the config says are archived, or erased, by the CRM itself.

Nothing is remembered between runs: what is done is not found again, so a run that was stopped goes on with the next.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm import audit, directory, mongo
from lead_crm.access import Actor, State, shelf, system
from lead_crm.errors import Conflict, NotFound, Stale
from lead_crm.logs import request_id
from leads import service
from management import privacy
from workflow import service as workflow_service
from workflow.policies import RetentionRule

BATCH: Final = 500
EXAMPLES: Final = 10
READ: Final = {"uid": 1, "version": 1, "status": 1, "updated_at": 1, "touched_at": 1, "_id": 0}

Row = dict[str, Any]
Going = Callable[[], bool]
Say = Callable[[str], object]


@dataclass(slots=True)
class Tally:
    """What one rule comes to."""

    action: str
    status: list[str]
    after_days: int
    leads: int = 0
    done: int = 0
    skipped: int = 0
    examples: list[str] = field(default_factory=list)
    complete: bool = True

    def found(self, uid: str) -> None:
        self.leads += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(uid)

    def line(self) -> str:
        of = f"{self.action} {', '.join(self.status)} after {self.after_days} days"
        return f"{of}: {self.leads} found, {self.done} done, {self.skipped} changed meanwhile"


def apply(*, by: Actor | None, now: datetime, dry_run: bool, going: Going, say: Say) -> list[Row]:
    """`by`: who asked for it, for the audit; in the leads it is the CRM itself that acts. `going`: may it go on?"""
    actor = system(directory.centers())
    rules = workflow_service.current().config.retention.rules
    return [asdict(_apply(rule, actor, by or actor, now, dry_run=dry_run, going=going, say=say)) for rule in rules]


def _apply(
    rule: RetentionRule, actor: Actor, by: Actor, now: datetime, *, dry_run: bool, going: Going, say: Say
) -> Tally:
    tally = Tally(rule.action, list(rule.status), rule.after_days)
    latest = now - timedelta(days=rule.after_days)
    for number, row in enumerate(_old(rule, actor, latest), 1):
        if not going():
            tally.complete = False
            break
        if row["status"] in rule.status and _at_rest_since(row) <= latest:
            tally.found(row["uid"])
            if not dry_run:
                _done(rule, row, actor, by, now, tally)
        if number % BATCH == 0:
            say(f"{tally.line()}, {number} looked at")
    say(tally.line())
    return tally


def _old(rule: RetentionRule, actor: Actor, latest: datetime) -> Iterator[Row]:
    """Leads made so long ago, in the order of an index: what is younger cannot have been at rest for so long."""
    states: set[State] = {"archived" if status == "archived" else "live" for status in rule.status}
    for place in (shelf(center, state) for center in actor.centers for state in sorted(states)):
        where = {"type": "lead", "keys.shelf": place, "created_at": {"$lte": latest}}
        rows = mongo.collection("leads").find(where, READ, hint=mongo.index("newest"))
        yield from rows.sort([("created_at", 1), ("_id", 1)]).batch_size(BATCH)


def _at_rest_since(row: Row) -> datetime:
    since: datetime = row.get("touched_at") or row["updated_at"]
    return since


def _done(rule: RetentionRule, row: Row, actor: Actor, by: Actor, now: datetime, tally: Tally) -> None:
    """Only over the version that was found at rest."""
    uid, version = row["uid"], row["version"]
    try:
        if rule.action == "archive":
            service.archive(uid, actor=actor, now=now, if_match=version)
        else:
            privacy.erase(uid, f"At rest for {rule.after_days} days.", actor=actor, now=now, if_match=version)
    except (Stale, Conflict, NotFound):
        tally.skipped += 1
        return
    tally.done += 1
    action: audit.Action = "change" if rule.action == "archive" else "erase"
    audit.note(action, "apply_retention", actor=by, subjects=[uid], at=now, request_id=request_id.get())
