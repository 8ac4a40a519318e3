"""The board: one aggregation from the stages to their first cards, and the next cards of one column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId, encode

from lead_crm import cursors, mongo
from lead_crm.access import Actor, visible
from lead_crm.errors import NeedsServer
from leads import counting, filters, search
from leads.messages import BoardQuery, ColumnQuery
from leads.shown import CARD
from workflow.documents import Stage
from workflow.workflow import Workflow

COUNTED: Final = 1_000
CANDIDATES: Final = 10_000
PATIENCE_MS: Final = 5_000
WALK: Final = {"rank": 1, "_id": 1}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    base: Row
    rest: Row


def match(query: BoardQuery, *, actor: Actor, workflow: Workflow, now: datetime, region: str) -> Match:
    where = filters.where(query, actor=actor, workflow=workflow, now=now)
    rest = where.all()
    if query.q and query.q.strip():
        asked = search.asked(query.q, region)
        rest.setdefault("$and", []).extend({"keys.grams": search.any_of(spellings)} for spellings in asked)
    return Match(visible(actor, where.shelves, query.center), rest)


def read(found: Match, workflow: Workflow, *, limit: int) -> list[Row]:
    """Columns `{uid, leads, count, count_capped}` in the order of the board."""
    if mongo.in_memory():
        raise NeedsServer("The board needs a real MongoDB: unset MONGODB_URI for a private one, or name a server.")
    key = encode({"board": workflow.version, "base": found.base, "rest": found.rest})
    counts: dict[str, int] | None = counting.recall(key)
    rows = list(
        mongo.collection("leads").aggregate(pipeline(found, limit, counted=counts is None), maxTimeMS=PATIENCE_MS)
    )
    if counts is None:
        counts = {row["uid"]: row["counted"][0]["n"] if row["counted"] else 0 for row in rows}
        if sum(counts.values()) >= counting.LARGE:
            counting.remember(key, counts)
    by_uid = {row["uid"]: row["leads"] for row in rows}
    return [_column(stage, by_uid.get(stage.uid, []), counts.get(stage.uid, 0)) for stage in workflow.stages]


def _column(stage: Stage, leads: list[Row], count: int) -> Row:
    return {
        "uid": stage.uid, "leads": leads, "count": min(count, COUNTED), "count_capped": count > COUNTED,
    }  # fmt: skip


def pipeline(found: Match, limit: int, *, counted: bool) -> list[Row]:
    """One `$lookup` a column that stops after its first cards: it costs what it shows, not what the column holds."""
    cards = _limited(found, [{"$limit": limit + 1}, {"$project": CARD | {"_id": 1}}])
    steps: list[Row] = [
        {"$match": {"type": "stage"}},
        {"$project": {"_id": 0, "uid": 1}},
        {"$lookup": _lookup("leads", cards)},
    ]
    if counted:
        steps.append(
            {"$lookup": _lookup("counted", _limited(found, [{"$limit": COUNTED + 1}, {"$count": "n"}], sort=False))}
        )
    return steps


def _lookup(into: str, steps: list[Row]) -> Row:
    return {"from": "leads", "localField": "uid", "foreignField": "current_stage", "pipeline": steps, "as": into}


def _limited(found: Match, steps: list[Row], *, sort: bool = True) -> list[Row]:
    first: list[Row] = [{"$match": found.base}, *([{"$sort": WALK}] if sort else [])]
    if found.rest:
        first += [{"$limit": CANDIDATES}, {"$match": found.rest}]
    return first + steps


def column(stage: str, query: ColumnQuery, found: Match) -> tuple[list[Row], str | None]:
    """The cards of one column after a cursor, and the cursor of what follows them."""
    base = found.base | {"current_stage": stage}
    if query.cursor:
        rank, tie = cursors.decode(query.cursor, [str, ObjectId])
        base |= {"rank": {"$gte": rank}, "$nor": [{"rank": rank, "_id": {"$lte": tie}}]}
    steps = _limited(Match(base, found.rest), [{"$limit": query.limit + 1}, {"$project": CARD | {"_id": 1}}])
    options: dict[str, Any] = {} if mongo.in_memory() else {"maxTimeMS": PATIENCE_MS, "hint": hint(found.base)}
    rows = list(mongo.collection("leads").aggregate(steps, **options))
    return cut(rows, query.limit)


def hint(base: Row) -> str:
    return "board_held" if "keys.holders" in base else "board"


def cut(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    shown = rows[:limit]
    rest = cursors.encode(shown[-1]["rank"], shown[-1]["_id"]) if len(rows) > limit else None
    for row in shown:
        del row["_id"]
    return shown, rest
