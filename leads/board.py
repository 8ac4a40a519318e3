"""The board: one aggregation from the stages to their first cards, and the next cards of one column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId, encode

from lead_crm import cursors, mongo
from lead_crm.access import Actor, visible
from lead_crm.errors import NeedsServer
from leads import counting, filters, search
from leads.messages import ColumnQuery, Filters
from leads.shown import CARD
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


def match(
    query: Filters, *, actor: Actor, workflow: Workflow, now: datetime, region: str, figures: bool = False
) -> Match:
    where = filters.where(query, actor=actor, workflow=workflow, now=now)
    base = where.narrow(visible(actor, where.shelves, query.center, figures=figures))
    if query.q and query.q.strip():
        # Either index may be the better one for a word; within `base` the database is free to choose.
        first, *others = search.asked(query.q, region, loosely=True) or [[""]]
        base["keys.grams"] = search.any_of(first)
        for spellings in others:
            where.also({"keys.grams": search.any_of(spellings)})
    return Match(base, where.all())


def read(found: Match, workflow: Workflow, *, limit: int) -> tuple[int, list[Row]]:
    """The version of the workflow, and `{leads, next, count, count_capped}` for each stage of `workflow`."""
    if mongo.in_memory():
        raise NeedsServer("The board needs a real MongoDB: unset MONGODB_URI for a private one, or name a server.")
    key = encode({"board": workflow.version, "base": found.base, "rest": found.rest})
    counts: dict[str, int] | None = counting.recall(key)
    state = counting.state()
    steps = pipeline(found, limit, counted=counts is None)
    rows = {row["uid"]: row for row in mongo.plain("leads").aggregate(steps, maxTimeMS=PATIENCE_MS)}
    if counts is None:
        counts = {uid: row["counted"][0]["n"] if row["counted"] else 0 for uid, row in rows.items()}
        counting.remember(key, counts, number=sum(counts.values()), state=state)
    version = rows.pop("default")["version"]
    empty: Row = {"leads": []}
    return version, [_column(rows.get(s.uid, empty), counts.get(s.uid, 0), limit) for s in workflow.stages]


def _column(row: Row, count: int, limit: int) -> Row:
    leads, following = cut(row["leads"], limit)
    beyond = row.get("beyond", [])
    if following is None and len(beyond) == 2:
        following = _cursor(beyond[0])
    capped = count > COUNTED or len(beyond) == 2
    return {"leads": leads, "next": following, "count": min(count, COUNTED), "count_capped": capped}


def pipeline(found: Match, limit: int, *, counted: bool) -> list[Row]:
    """One `$lookup` a column that stops after its first cards: it costs what it shows, not what the column holds."""
    cards = _limited(found, [{"$limit": limit + 1}, {"$project": CARD | {"_id": 1}}])
    documents = {"type": {"$in": ["stage", "config"]}}  # the config for its version; no lead stands in it
    fields = {"_id": 0, "uid": 1, "version": 1}
    # The config last: its lookup finds nothing in no time, and whatever does so first is what the database takes for
    # usual. It then plans every column's lookup anew, with all indexes, which took three times as long.
    first: list[Row] = [{"$match": documents}, {"$sort": {"type": -1, "uid": -1}}, {"$project": fields}]
    steps = [*first, _lookup("leads", cards)]
    if counted:
        steps.append(_lookup("counted", _limited(found, [{"$limit": COUNTED + 1}, {"$count": "n"}], sort=False)))
    if found.rest:
        steps.append(_lookup("beyond", _boundary(found.base)))
    return steps


def _boundary(base: Row) -> list[Row]:
    """The last candidate that is examined, and whether there is one behind it."""
    return [{"$match": base}, {"$sort": WALK}, {"$skip": CANDIDATES - 1}, {"$limit": 2}, {"$project": {"rank": 1}}]


def _lookup(into: str, steps: list[Row]) -> Row:
    joined = {"from": "leads", "localField": "uid", "foreignField": "current_stage", "pipeline": steps, "as": into}
    return {"$lookup": joined}


def _limited(found: Match, steps: list[Row], *, sort: bool = True) -> list[Row]:
    first: list[Row] = [{"$match": found.base}, *([{"$sort": WALK}] if sort else [])]
    if found.rest:
        first += [{"$limit": CANDIDATES}, {"$match": found.rest}]
    return first + steps


def column(stage: str, query: ColumnQuery, found: Match) -> tuple[list[Row], str | None, bool]:
    """The cards of one column after a cursor, the cursor of what follows, and whether candidates were left out."""
    base = found.base | {"current_stage": stage}
    if query.cursor:
        rank, tie = cursors.decode(query.cursor, [str, ObjectId])
        base |= {"rank": {"$gte": rank}, "$nor": [{"rank": rank, "_id": {"$lte": tie}}]}
    steps = _limited(Match(base, found.rest), [{"$limit": query.limit + 1}, {"$project": CARD | {"_id": 1}}])
    rows, following = cut(_run(steps, base), query.limit)
    if following or not found.rest:
        return rows, following, False
    beyond = _run(_boundary(base), base)
    return rows, _cursor(beyond[0]) if len(beyond) == 2 else None, len(beyond) == 2


def _run(steps: list[Row], base: Row) -> list[Row]:
    options: dict[str, Any] = {} if mongo.in_memory() else {"maxTimeMS": PATIENCE_MS}
    if options and "keys.grams" not in base:
        options["hint"] = "board_held" if "keys.holders" in base else "board"
    return list(mongo.plain("leads").aggregate(steps, **options))


def cut(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    shown = rows[:limit]
    following = _cursor(shown[-1]) if len(rows) > limit else None
    for row in shown:
        del row["_id"]
    return shown, following


def _cursor(row: Row) -> str:
    return cursors.encode(row["rank"], row["_id"])
