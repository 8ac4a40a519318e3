"""Whose turn it is: one small document for each rule and centre, changed by one atomic command for each lead.

Everybody in it has the number of their last turn. The next turn is that of the one whose last is longest ago, so a pool
that changes costs nobody a turn: who comes new is next, and all others go on in their order.

Where the load decides, it is the number of open leads, counted every few seconds; each turn in between adds one. A
count does not see leads that are still on their way, so one turn taken since the count before may be missing in it:
the load is set right only as far as these cannot explain the difference. Counting takes no longer than a moment:
whoever could not be counted keeps the load that is known.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, ExecutionTimeout

from lead_crm import directory, mongo
from lead_crm.access import system, visible

COUNTED_FOR: Final = timedelta(seconds=5)
ON_THEIR_WAY: Final = 3 * COUNTED_FOR  # whatever was drawn longer ago stands in the leads
MANY: Final = 1_000  # so many open leads, and more, are the same: then it goes by turns
PATIENCE_MS: Final = 30
COUNTING_FOR: Final = 0.5  # seconds, for everybody together: a lead waits for it
MOST_PEOPLE: Final = 10_000
NEVER: Final = -(10**15)  # the last turn of somebody who has had none

Step = dict[str, Any]

_counting: Final = [threading.Lock() for _ in range(16)]


@dataclass(frozen=True, slots=True)
class Turn:
    key: str
    number: int
    person: str
    before: int  # the number of the person's last turn
    load: int


def next_one(key: str, among: Sequence[str]) -> Turn | None:
    """None in memory, where nothing is atomic."""
    return None if mongo.in_memory() else _drawn({"_id": key}, among, load=0)


def least_loaded(key: str, among: Sequence[str], open_stages: Sequence[str], *, now: datetime) -> Turn | None:
    if mongo.in_memory():
        return None
    counted = {"_id": key, "counted_at": {"$gt": now - COUNTED_FOR}, "counted": {"$all": list(among)}}
    if turn := _drawn(counted, among, load=1):
        return turn
    with _counting[hash(key) % len(_counting)]:  # of many who come at the same moment one counts, the others wait
        if turn := _drawn(counted, among, load=1):
            return turn
        _recount(key, counted, among, open_stages, now)
        return _drawn({"_id": key}, among, load=1)


def _drawn(where: Mapping[str, Any], among: Sequence[str], *, load: int) -> Turn | None:
    """The next of `among`, in one command; None where the document must be counted first."""
    decisive = {"load": "$$one.load"} if load else {}
    offered = {"$filter": {"input": "$people", "as": "one", "cond": {"$in": ["$$one.who", list(among)]}}}
    compared = decisive | {"turn": "$$one.turn", "who": "$$one.who"}
    used = {
        "turn": "$turn", "load": {"$add": ["$$one.load", load]}, "fresh": {"$add": ["$$one.fresh", load]}
    }  # fmt: skip
    steps: list[Step] = [
        _joined(among),
        {"$set": {
            "turn": {"$add": [{"$ifNull": ["$turn", 0]}, 1]},
            "next": {"$min": {"$map": {"input": offered, "as": "one", "in": compared}}},
        }},
        {"$set": {"people": _with("$next.who", used)}},
    ]  # fmt: skip
    row = mongo.quick("turns").find_one_and_update(
        where, steps, upsert=len(where) == 1, projection={"turn": 1, "next": 1},
        return_document=ReturnDocument.AFTER,
    )  # fmt: skip
    if row is None:
        return None
    return Turn(str(row["_id"]), row["turn"], row["next"]["who"], row["next"]["turn"], load)


def _joined(among: Sequence[str]) -> Step:
    """Whoever is not known yet comes before all who have had a turn, in the order of joining and of the pool."""
    known, uids = {"$ifNull": ["$people", []]}, list(among)
    strangers = {"$filter": {
        "input": uids, "as": "uid", "cond": {"$not": {"$in": ["$$uid", {"$ifNull": ["$people.who", []]}]}},
    }}  # fmt: skip
    joined = {"$multiply": [{"$ifNull": ["$turn", 0]}, MOST_PEOPLE]}
    place = {"$add": [NEVER, joined, {"$indexOfArray": [uids, "$$uid"]}]}
    entry = {"who": "$$uid", "turn": place, "load": 0, "fresh": 0}
    return {"$set": {"people": {"$concatArrays": [
        known, {"$map": {"input": strangers, "as": "uid", "in": entry}},
    ]}}}  # fmt: skip


def _with(who: str, values: Step) -> Step:
    """All people, one of them changed."""
    changed = {"$mergeObjects": ["$$one", values]}
    return {"$map": {
        "input": "$people", "as": "one", "in": {"$cond": [{"$eq": ["$$one.who", who]}, changed, "$$one"]},
    }}  # fmt: skip


def give_back(turn: Turn) -> None:
    """Unless others have had theirs since."""
    values = {
        "turn": turn.before, "load": {"$subtract": ["$$one.load", turn.load]},
        "fresh": {"$subtract": ["$$one.fresh", turn.load]},
    }  # fmt: skip
    steps = [{"$set": {"turn": turn.number - 1, "people": _with(turn.person, values)}}]
    mongo.quick("turns").update_one({"_id": turn.key, "turn": turn.number}, steps)


def _recount(
    key: str, counted: Mapping[str, Any], among: Sequence[str], open_stages: Sequence[str], now: datetime
) -> None:
    loads = _loads(among, open_stages, now)
    recently = {"$gt": [{"$ifNull": ["$counted_at", 0]}, now - ON_THEIR_WAY]}
    fresh = {"$cond": [recently, "$$one.fresh", 0]}
    found = {"$arrayElemAt": [list(loads.values()), {"$indexOfArray": [list(loads), "$$one.who"]}]}
    bounded = {"$max": [found, {"$min": ["$$one.load", {"$add": [found, fresh]}]}]}
    load = {"$cond": [{"$in": ["$$one.who", list(loads)]}, bounded, "$$one.load"]}
    uncounted = {"$in": ["$$one.who", [uid for uid in among if uid not in loads]]}
    set_right = {"$cond": [uncounted, "$$one", {"$mergeObjects": ["$$one", {"load": load, "fresh": 0}]}]}
    steps: list[Step] = [
        _joined(among),
        {"$set": {
            "people": {"$map": {"input": "$people", "as": "one", "in": set_right}},
            "counted_at": now, "counted": list(among),
        }},
    ]  # fmt: skip
    stale = {"_id": key, "$nor": [counted]}
    with suppress(DuplicateKeyError):  # another process has counted meanwhile
        mongo.quick("turns").update_one(stale, steps, upsert=True)


def _loads(among: Sequence[str], open_stages: Sequence[str], now: datetime) -> dict[str, int]:
    """Of as many of them as can be counted in time. It begins with another one each time, so nobody is always late."""
    first, end = int(now.timestamp()) % len(among), time.monotonic() + COUNTING_FOR
    loads = dict[str, int]()
    for uid in (*among[first:], *among[:first]):
        if time.monotonic() > end:
            break
        with suppress(ExecutionTimeout):
            loads[uid] = _load(uid, open_stages)
    return loads


def _load(uid: str, open_stages: Sequence[str]) -> int:
    """How many open leads somebody has, in all centres."""
    where = visible(system(directory.centers())) | {
        "keys.holders": uid, "current_stage": {"$in": list(open_stages)}, "status": "open",
    }  # fmt: skip
    try:
        return _count(where, PATIENCE_MS)
    except ExecutionTimeout:  # those on hold stand in open stages too; without asking for them the index is enough
        del where["status"]
        return _count(where, 10 * PATIENCE_MS)


def _count(where: Mapping[str, Any], patience: int) -> int:
    leads = mongo.collection("leads")
    found = leads.database.command("count", leads.name, query=where, limit=MANY, hint="stage_held", maxTimeMS=patience)
    return int(found["n"])
