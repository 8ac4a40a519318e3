"""What other scoring rules would make of the leads there are. Reads what scoring needs, and writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from typing import Any, Final

from django.conf import settings

from lead_crm.access import Actor
from lead_crm.errors import Fault, Invalid
from leads import counting, listing, scoring
from leads.documents import ScoreReason
from leads.messages import Filters
from leads.shown import HOT
from workflow import rules as workflow_rules
from workflow import service as workflow_service
from workflow.scoring import Scoring
from workflow.workflow import Workflow

EXAMINED: Final = 10_000
EXAMPLES: Final = 10

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    uid: str
    name: str
    score: int
    would_be: int
    reasons: list[ScoreReason]


def preview(wanted: Scoring, *, actor: Actor, now: datetime) -> Row:
    workflow = workflow_service.current()
    _sound(wanted, workflow)
    plan = listing.plan(
        Filters(), listing.INDEXED["-created_at"], actor=actor, workflow=workflow, now=now,
        region=settings.DEFAULT_REGION,
    )  # fmt: skip
    projection = dict.fromkeys([*scoring.needed(wanted), "uid", "name", "score"], 1) | {"_id": 0}
    rows = listing.newest(plan, EXAMINED, projection)
    scored = [_scored(row, wanted, now) for row in rows]
    of, capped = (len(rows), False) if len(rows) < EXAMINED else counting.up_to(100 * EXAMINED, plan.base, plan.hint)
    return {"examined": len(rows), "of": of, "of_capped": capped, **_figures(scored), "examples": _told(scored, actor)}


def _sound(wanted: Scoring, workflow: Workflow) -> None:
    """As the config would check it, locked or not."""
    try:
        workflow_rules.sound(workflow.using(config=workflow.config.changed(scoring=wanted.model_dump())))
    except Invalid as refused:
        raise Invalid(
            [Fault(f.pointer.removeprefix("/scoring"), f.code, f.detail, f.extra) for f in refused.faults]
        ) from None


def _scored(row: Row, wanted: Scoring, now: datetime) -> Scored:
    would_be, reasons = scoring.of_row(row, wanted, now)
    return Scored(row["uid"], row["name"], row["score"], would_be, reasons)


def _figures(scored: Sequence[Scored]) -> Row:
    number = len(scored)
    return {
        "changed": sum(one.would_be != one.score for one in scored),
        "higher": sum(one.would_be > one.score for one in scored),
        "lower": sum(one.would_be < one.score for one in scored),
        "hot_before": sum(one.score > HOT for one in scored),
        "hot_after": sum(one.would_be > HOT for one in scored),
        "average_before": round(sum(one.score for one in scored) / number, 1) if number else None,
        "average_after": round(sum(one.would_be for one in scored) / number, 1) if number else None,
    }


def _told(scored: Sequence[Scored], actor: Actor) -> list[Row]:
    """Leads are named to those who may see them."""
    if not actor.may("lead.view"):
        return []
    largest = nlargest(EXAMPLES, scored, key=lambda one: abs(one.would_be - one.score))
    return [
        {
            "uid": one.uid, "name": one.name, "score": one.score, "would_be": one.would_be,
            "reasons": one.reasons if actor.may("lead.pii") else [],
        }
        for one in largest if one.would_be != one.score
    ]  # fmt: skip
