"""Privacy over HTTP: everything about one person, erasing one, and how long leads are kept."""

import time
from typing import Any, Final, Literal

from django.http import HttpResponse
from pydantic import Field

from lead_crm import directory, http
from lead_crm.documents import In, Moment, Out, Reason
from lead_crm.errors import Conflict, NotAllowed
from lead_crm.http import Call, endpoint
from leads import shown
from leads.documents import Conversion, Lead, MergedLead, ScoreReason
from leads.messages import ActivityOut, HistoryOut, LeadOut, LeadRow, TaskOut
from management import audit_api, privacy, retention
from management.audit_api import Access
from workflow import service as workflow_service

PATIENCE_SECONDS: Final = 20.0

Row = dict[str, Any]


class ExportedLead(LeadRow):
    rank: str
    score_reasons: list[ScoreReason]
    conversion: Conversion | None
    tasks: list[TaskOut]
    merged: list[MergedLead]


class DifferenceOut(Out):
    pointer: str
    old: Any
    new: Any


class ChangeSetOut(Out):
    """One write."""

    version: int
    at: Moment
    by: str
    workflow_version: int
    changes: list[DifferenceOut]
    events: list[dict[str, Any]] = Field(description="What others are told of it.")


class LeadExport(Out):
    lead: ExportedLead
    activities: list[ActivityOut] = Field(description="The whole timeline, the oldest first.")
    history: list[HistoryOut] = Field(description="The whole passage through the stages.")
    changes: list[ChangeSetOut] = Field(description="What each write changed, from what to what.")
    accesses: list[Access] = Field(description="Who read or changed it, the latest first; at most 10,000.")
    accesses_complete: bool


class PersonExport(LeadExport):
    """Everything that is kept about one person."""

    exported_at: Moment
    merged: list[LeadExport] = Field(description="Leads that were merged into this one, as they were then.")
    related: list[str] = Field(description="Other leads with the same e-mail address or phone that you may see.")


class EraseIn(In):
    reason: Reason


class RetentionIn(In):
    dry_run: bool = Field(default=False, description="Only say what would be done.")


class RetentionVerdict(Out):
    """What one rule of the config comes to."""

    action: Literal["archive", "erase"]
    status: list[str]
    after_days: int
    leads: int = Field(description="At rest for as long.")
    done: int
    skipped: int = Field(description="Changed by somebody meanwhile.")
    examples: list[str] = Field(description="Up to 10 of their uids.")
    complete: bool = Field(description="False when it took too long: ask again to go on, or leave it to the worker.")


class RetentionReport(Out):
    dry_run: bool
    results: list[RetentionVerdict]


@endpoint(permission="lead.export", returns=PersonExport, audits="export")
def export_person(call: Call[None, None], uid: str) -> HttpResponse:
    """Everything about one person, to hand out to them. Needs `lead.pii` too."""
    lead, about = privacy.export(uid, actor=call.actor)
    merged = [_exported(part["lead"], part, call) for part in about.pop("merged")]
    whole = {"exported_at": call.now, **_exported(lead, about, call), "merged": merged}
    response = http.reply(whole, export_person.contract)  # type: ignore[attr-defined]
    response["Content-Disposition"] = f'attachment; filename="{uid}.json"'
    return response


def _exported(lead: Lead, about: Row, call: Call[None, None]) -> Row:
    row = shown.written(lead, workflow=workflow_service.recent(), now=call.now, actor=call.actor)
    accesses = [audit_api.shown(access) for access in about["accesses"]]
    return about | {"lead": {name: row[name] for name in ExportedLead.model_fields}, "accesses": accesses}


@endpoint(
    permission="lead.erase", body=EraseIn, returns=LeadOut, raises=(Conflict,), versioned=True, audits="erase"
)  # fmt: skip
def erase_person(call: Call[EraseIn, None], uid: str) -> Row:
    """Erase the person and keep the figures. This cannot be undone.

    What remains is a tombstone: stages, dates, durations, score, value, source, centre, tags, choices and numbers.
    Names, addresses, texts and notes are gone, from the whole timeline too, and from leads that were merged into
    this one. Nothing can be written to it any more.
    """
    lead, workflow = privacy.erase(
        uid, call.body.reason, actor=call.actor, now=call.now, if_match=call.if_match
    )  # fmt: skip
    return shown.written(lead, workflow=workflow, now=call.now, actor=call.actor)


@endpoint(permission="lead.erase", body=RetentionIn, returns=RetentionReport)
def apply_retention(call: Call[RetentionIn, None]) -> Row:
    """Archive and erase what the config's retention rules say, or only count it. For all centres at once.

    The worker does the same once an hour.
    """
    if call.actor.scope != "center" or not set(directory.centers()) <= set(call.actor.centers):
        raise NotAllowed("Retention goes through all centres: this needs a role that sees all of them.")
    until = time.monotonic() + PATIENCE_SECONDS
    results = retention.apply(
        by=call.actor, now=call.now, dry_run=call.body.dry_run, going=lambda: time.monotonic() < until,
        say=lambda line: None,
    )  # fmt: skip
    return {"dry_run": call.body.dry_run, "results": results}
