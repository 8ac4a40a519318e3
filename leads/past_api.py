"""A lead's past over HTTP: as it was at any moment, and what differs between two."""

from datetime import datetime
from typing import Any

from lead_crm.access import Actor
from lead_crm.diff import differences
from lead_crm.errors import Conflict, Fault, Invalid
from lead_crm.http import Call, endpoint
from leads import past, shown
from leads.filters import moment
from leads.messages import LeadOut
from leads.past import Past
from leads.past_messages import AsOfQuery, DiffQuery, LeadDiff
from workflow import service as workflow_service
from workflow.workflow import Workflow

Row = dict[str, Any]


def _clamped(asked: datetime | str | None, lead: Row, now: datetime, *, first: bool = False) -> datetime:
    """What is to come is not known: until then it is as it is. Another server's clock may be ahead of ours."""
    latest: datetime = max(now, lead["updated_at"])
    return latest if asked is None else min(moment(asked, first=first), latest)


@endpoint(permission="lead.view", query=AsOfQuery, returns=LeadOut, raises=(Conflict,), versioned=True, audits="read")
def read_lead_as_of(call: Call[None, AsOfQuery], uid: str) -> Row:
    """One lead, whole, as it was at that moment; what was written exactly then is included.

    Every attribute, its version, timeline and passage are those of then; what is computed (`days_in_stage`, `stale`,
    `overdue_tasks` ...) is computed as of then, by today's settings. Before the lead was created there is nothing:
    404 says when that was. Of a person who was erased nothing is told that was before: 409.
    """
    lead = past.read(uid, actor=call.actor)
    at = _clamped(call.query.at, lead, call.now)
    row = past.at(lead, at).whole()
    return shown.whole(row, workflow=workflow_service.recent(), now=at, actor=call.actor)


@endpoint(permission="lead.view", query=DiffQuery, returns=LeadDiff, raises=(Conflict,), audits="read")
def diff_lead(call: Call[None, DiffQuery], uid: str) -> Row:
    """What differs between a lead as it was at two moments, attribute by attribute, and who has written in between.

    Timeline and passage are not compared: `activities/` and `history/` have them, each entry with its time.
    """
    lead = past.read(uid, actor=call.actor)
    end = _clamped(call.query.to, lead, call.now)
    asked = call.query.start
    start = lead["created_at"] if asked is None else _clamped(asked, lead, call.now, first=True)
    if start > end:
        raise Invalid([Fault("/from", "after_to", "from is later than to: exchange them.")])
    before, after = past.at(lead, start), past.at(lead, end)
    return {
        "from": start, "to": end,
        "from_version": before.stamps["version"], "to_version": after.stamps["version"],
        "changes": _changes(before, after, workflow_service.recent(), call.actor),
        "by": past.writers(before, after),
    }  # fmt: skip


def _changes(before: Past, after: Past, workflow: Workflow, actor: Actor) -> list[Row]:
    """What is hidden from the actor is named and not told."""
    states = [before.public(), after.public()]
    seen = [shown.masked(state, workflow=workflow, actor=actor) for state in states]
    told = {change["pointer"]: change for change in differences(*seen)}
    return [told.get(change["pointer"]) or change | {"old": None, "new": None} for change in differences(*states)]
