"""Figures over all leads that somebody may call theirs.

Nothing is kept up to date for them: they are counted when somebody asks, in one aggregation that reads every lead it
is about. Where that takes long, the answer is remembered in proportion, so that it costs little however often it is
asked for; where it takes too long, it is given up.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import encode
from pymongo.errors import ExecutionTimeout

from lead_crm import mongo
from lead_crm.access import Actor
from lead_crm.errors import NeedsServer, Unavailable
from leads import board
from leads.board import Match
from leads.messages import Filters
from leads.shown import HOT
from workflow.workflow import Workflow

PATIENCE_MS: Final = 10_000
QUICK_SECONDS: Final = 0.25
AS_LONG: Final = 20  # times as long as it took: of many who keep asking, the database spends a twentieth on them
AGAIN_SECONDS: Final = 30.0  # what was too slow may have been so because the database had just started
NO_SOURCE: Final = "none"
# Counting alone first, then figures out of the counts: twice as fast as deciding anything about each lead.
STEPS: Final[list[dict[str, Any]]] = [
    {"$group": {
        "_id": {"stage": "$current_stage", "source": "$source", "status": "$status", "score": "$score"},
        "leads": {"$sum": 1},
    }},
    {"$group": {
        "_id": {"stage": "$_id.stage", "source": "$_id.source"},
        "leads": {"$sum": "$leads"},
        "score": {"$sum": {"$multiply": ["$_id.score", "$leads"]}},
        "hot": {"$sum": {"$cond": [{"$gt": ["$_id.score", HOT]}, "$leads", 0]}},
        "won": {"$sum": {"$cond": [{"$eq": ["$_id.status", "won"]}, "$leads", 0]}},
    }},
]  # fmt: skip

Row = dict[str, Any]


class TooSlow(Unavailable):
    code, title = "too_slow", "There are too many leads to count them all in time: ask about fewer, by filters."


@dataclass(frozen=True, slots=True)
class Kept:
    until: float
    at: datetime
    groups: list[Row] | None  # None: it took too long


_kept: dict[bytes, Kept] = {}
_locks: Final = [threading.Lock() for _ in range(16)]


def forget() -> None:
    _kept.clear()


def summary(query: Filters, *, actor: Actor, workflow: Workflow, now: datetime, region: str) -> Row:
    found = board.match(query, actor=actor, workflow=workflow, now=now, region=region, figures=True)
    at, groups = _groups(found, now)
    total, won = _sum(groups, "leads"), _sum(groups, "won")
    return {
        "total_leads": total,
        "average_lead_score": round(_sum(groups, "score") / total, 2) if total else 0.0,
        "hot_leads_count": _sum(groups, "hot"),
        "conversion_rate": round(100 * won / total, 1) if total else 0.0,
        "leads_by_status": _by("stage", groups, [stage.uid for stage in workflow.living]),
        "leads_by_source": _by("source", groups, [source.key for source in workflow.config.sources]),
        "as_of": at,
    }


def _sum(groups: list[Row], name: str) -> int:
    return sum(group[name] for group in groups)


def _by(name: str, groups: list[Row], known: list[str]) -> dict[str, int]:
    """Also those that no lead has; and those that leads have, though the workflow no longer knows them."""
    numbers: Counter[str] = Counter(dict.fromkeys(known, 0))
    for group in groups:
        numbers[group["_id"].get(name) or NO_SOURCE] += group["leads"]
    return dict(numbers)


def _groups(found: Match, now: datetime) -> tuple[datetime, list[Row]]:
    if mongo.in_memory():
        raise NeedsServer
    key = encode({"base": found.base, "rest": found.rest})
    with _locks[hash(key) % len(_locks)]:  # one of many who ask at the same moment counts, the others wait for it
        kept = _kept.get(key)
        if kept is None or time.monotonic() >= kept.until:
            started = time.monotonic()
            groups = _counted(found)
            ended = time.monotonic()
            kept = Kept(ended + (AGAIN_SECONDS if groups is None else AS_LONG * (ended - started)), now, groups)
            if ended - started > QUICK_SECONDS:
                _keep(key, kept)
    if kept.groups is None:
        raise TooSlow(retry_after=max(1, round(kept.until - time.monotonic())))
    return kept.at, kept.groups


def _keep(key: bytes, one: Kept) -> None:
    for old in [old for old, kept in list(_kept.items()) if kept.until < time.monotonic()]:
        _kept.pop(old, None)
    _kept[key] = one


def _counted(found: Match) -> list[Row] | None:
    """None: it takes too long."""
    steps: list[Row] = [{"$match": found.base | found.rest}, *STEPS]
    try:
        return list(mongo.collection("leads").aggregate(steps, maxTimeMS=PATIENCE_MS, hint=_index(found)))
    except ExecutionTimeout:
        return None


def _index(found: Match) -> str:
    """Left to itself the database takes the one of the score for `hot`, and reads most leads in no order at all.

    In the order in which they were made they likely lie beside each other.
    """
    held = "_held" if "keys.holders" in found.base else ""
    if "keys.grams" in found.base:
        return "grams"
    if "current_stage" in found.rest:
        return f"stage{held}"
    return "follow_up" if "keys.follow_up" in found.rest and not held else f"newest{held}"
