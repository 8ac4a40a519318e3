"""Counted attempts, exact under any number of processes: each is one atomic update, decided by the database.

In memory (`mongomock://`, one process) the same is decided here, one thread at a time.
"""

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from lead_crm import mongo

Row = dict[str, Any]
Seconds = int

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_alone = threading.Lock()


def take(key: str, *, most: int, per: timedelta, now: datetime) -> Seconds | None:
    """One of at most `most` within any stretch of `per`. None: it is yours; else the seconds until there is one.

    `key` is kept as it is: put no addresses of people or machines into it, but their hashes.
    """
    pipeline: list[Row] = [
        {"$set": {"hits": {"$filter": {"input": {"$ifNull": ["$hits", []]}, "cond": {"$gt": ["$$this", now - per]}}}}},
        {"$set": {"taken": {"$lt": [{"$size": "$hits"}, most]}}},
        {"$set": {
            "hits": {"$cond": ["$taken", {"$concatArrays": ["$hits", [now]]}, "$hits"]},
            "expires_at": {"$cond": ["$taken", now + per, {"$ifNull": ["$expires_at", now + per]}]},
        }},
    ]  # fmt: skip

    def here(row: Row) -> Row:
        hits = [at for at in row.get("hits", []) if at > now - per]
        taken = len(hits) < most
        return row | {"hits": [*hits, now] if taken else hits, "taken": taken, "expires_at": now + per}

    row = _decided(key, pipeline, here)
    return None if row["taken"] else _seconds(sorted(row["hits"])[-most] + per, now)


def give_back(key: str, *, at: datetime) -> None:
    """The one taken at that moment shall not have counted."""
    if not mongo.in_memory():
        mongo.quick("attempts").update_one({"_id": key, "hits": at}, {"$set": {"hits.$": None}})
        return

    def here(row: Row) -> Row:
        hits = row.get("hits", [])
        first = hits.index(at) if at in hits else len(hits)
        return row | {"hits": hits[:first] + hits[first + 1 :]}

    _decided(key, [], here)


def step(key: str, *, free: int, first: timedelta, longest: timedelta, per: timedelta, now: datetime) -> Seconds | None:
    """The first `free` cost nothing; after each further one there is a wait, twice as long as the one before.

    None: go ahead; else the seconds left to wait. All is forgotten `per` after the last wait.
    """
    doubled = {"$multiply": [_milliseconds(first), {"$pow": [2, {"$min": [{"$subtract": ["$count", free]}, 30]}]}]}
    wait = {"$cond": [{"$lt": ["$count", free]}, 0, {"$min": [_milliseconds(longest), doubled]}]}
    fresh = {"$lte": [{"$ifNull": ["$expires_at", LONG_AGO]}, now]}
    pipeline: list[Row] = [
        {"$set": {
            "count": {"$cond": [fresh, 0, "$count"]},
            "taken": {"$lte": [{"$ifNull": ["$until", LONG_AGO]}, now]},
        }},
        {"$set": {"count": {"$add": ["$count", {"$cond": ["$taken", 1, 0]}]}}},
        {"$set": {"until": {"$cond": ["$taken", {"$add": [now, wait]}, "$until"]}}},
        {"$set": {"expires_at": {"$add": ["$until", _milliseconds(per)]}}},
    ]  # fmt: skip

    def here(row: Row) -> Row:
        count, until = (row["count"], row["until"]) if row.get("expires_at", LONG_AGO) > now else (0, LONG_AGO)
        if taken := until <= now:
            count += 1
            until = now if count < free else now + min(longest, first * 2 ** min(count - free, 30))
        return row | {"count": count, "until": until, "taken": taken, "expires_at": until + per}

    row = _decided(key, pipeline, here)
    return None if row["taken"] else _seconds(row["until"], now)


def forget(*keys: str) -> None:
    mongo.quick("attempts").delete_many({"_id": {"$in": list(keys)}})


def mark(key: str, *, until: datetime) -> None:
    """Leave a sign that lasts until then."""
    mongo.quick("attempts").update_one({"_id": key}, {"$set": {"expires_at": until}}, upsert=True)


def marked(key: str, *, now: datetime) -> bool:
    return mongo.collection("attempts").find_one({"_id": key, "expires_at": {"$gt": now}}) is not None


def _decided(key: str, pipeline: list[Row], here: Callable[[Row], Row]) -> Row:
    """What stands there after our own update, and nobody else's."""
    found = mongo.quick("attempts")
    if mongo.in_memory():
        with _alone:
            row = here(found.find_one({"_id": key}) or {"_id": key})
            found.replace_one({"_id": key}, row, upsert=True)
        return row
    while True:
        try:
            return found.find_one_and_update({"_id": key}, pipeline, upsert=True, return_document=ReturnDocument.AFTER)  # type: ignore[return-value]
        except DuplicateKeyError:  # another made it in this moment: now it is there to be updated
            continue


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _seconds(until: datetime, now: datetime) -> Seconds:
    return max(1, math.ceil((until - now).total_seconds()))
