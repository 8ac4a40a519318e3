"""Everything about one person: handed out, or taken away for good."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from lead_crm import mongo
from lead_crm.access import Actor, visible
from leads import again, erasing, events, forgetting, keys, record, records, service, spilled, timeline
from leads import store as lead_store
from leads.documents import Lead, Timeline
from leads.record import Ask
from leads.search import any_of
from leads.service import Changed
from management import audit_log
from workflow.workflow import Workflow

MOST_ACCESSES: Final = 10_000
MOST_RELATED: Final = 1_000

Row = dict[str, Any]


def export(uid: str, *, actor: Actor) -> tuple[Lead, Row]:
    """The lead, and all that is kept about the person besides."""
    actor.require("lead.pii")
    lead, _ = lead_store.load(uid, actor=actor)
    return lead, _all_about(lead) | {
        "related": _related(lead, actor),
        "merged": [{"lead": part} | _all_about(part) for part in forgetting.parts(lead)],
    }


def _all_about(lead: Lead) -> Row:
    accesses = audit_log.about(lead.uid, most=MOST_ACCESSES + 1)
    return {
        "activities": timeline.whole(lead, "activities"),
        "history": timeline.whole(lead, "history"),
        "changes": [entry | {"events": events.of_record(lead.uid, entry)} for entry in records.since(lead.uid, 0)],
        "accesses": accesses[:MOST_ACCESSES],
        "accesses_complete": len(accesses) <= MOST_ACCESSES,
    }


def _names_of_parts(lead: Lead) -> list[str]:
    return [uid for part in lead.merged for uid in part.names()]


def _related(lead: Lead, actor: Actor) -> list[str]:
    """Other leads with an e-mail address or phone number of this one, as far as the actor may see them."""
    ways, region = ("email", "phone"), settings.DEFAULT_REGION
    wanted = keys.marks(keys.reached(lead), ways, region)
    if not wanted:
        return []
    grams = any_of(dict.fromkeys(wanted.values()))
    where = visible(actor, "both") | {"keys.grams": grams, "uid": {"$ne": lead.uid}}
    read = {"uid": 1, "email": 1, "phone": 1, "contacts": 1, "_id": 0}
    rows = mongo.collection("leads").find(where, read, hint=mongo.index("grams")).limit(MOST_RELATED)
    return sorted(row["uid"] for row in rows if wanted.keys() & keys.marks(row, ways, region).keys())


def erase(uid: str, reason: str, *, actor: Actor, now: datetime, if_match: int | None = None) -> Changed:
    """Take the person out of the lead, out of those merged into it, and out of the records of leads that it was merged
    into before. What was erased before stays as it is.

    The others come first, and what has spilled over is scrubbed before the lead itself is written: after a crash in
    between, the lead is just not erased yet, and whoever comes again finishes. Who changes the lead meanwhile makes it
    begin anew.
    """
    for _ in again.attempts():
        before, workflow = lead_store.load(uid, actor=actor)
        if not before.erased_at:
            service.unchanged(before, if_match)
        parts = forgetting.parts(before)
        forgetting.withdrawn([before, *parts], now=now)
        after = before if before.erased_at else _erased(before, parts, reason, Ask(actor, workflow, now))
        if after:
            for about in (uid, *_names_of_parts(after)):
                forgetting.forget(about)
            return after, workflow
    raise again.busy()


def _erased(before: Lead, parts: Sequence[Lead], reason: str, ask: Ask) -> Lead | None:
    """None when another writer was first."""
    there = (part for part in parts if part.erased_at is None)
    return _put_out(before, reason, ask) if all(_put_out(part, reason, ask) for part in there) else None


def _put_out(before: Lead, reason: str, ask: Ask) -> Lead | None:
    kept, late = record.spill(before, ())
    _scrub(before.uid, late, ask.workflow)
    after = erasing.erased(kept, reason, ask)
    written = lead_store.rewrite(after, read=before.version, workflow=ask.workflow)
    return after if written else None


def _scrub(uid: str, late: Timeline | None, workflow: Workflow) -> None:
    """All timeline documents, and the one that this very version spills.

    That one has the same uid whoever writes it: a writer who comes later with the entries as they were finds it there.
    """
    for old in spilled.of(uid):
        spilled.put(old, erasing.scrubbed(old, workflow))
    if late:
        spilled.put(None, erasing.scrubbed(late, workflow))
