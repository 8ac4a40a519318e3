"""Counting without ever taking long: up to a cap, for at most 30 ms, and large counts are remembered for a moment."""

import threading
import time
from typing import Any, Final

from bson import encode
from pymongo.errors import ExecutionTimeout

from lead_crm import mongo

PATIENCE_MS: Final = 30
REMEMBERED_SECONDS: Final = 4.0
LARGE: Final = 250  # smaller counts are cheap, and people notice when they are off by one

Count = tuple[int | None, bool]

_remembered: dict[bytes, tuple[float, Any]] = {}
_locks = [threading.Lock() for _ in range(64)]


def forget() -> None:
    _remembered.clear()


def exactly(where: dict[str, Any]) -> Count:
    return mongo.collection("leads").count_documents(where), False


def up_to(cap: int, where: dict[str, Any], hint: str) -> Count:
    key = b"%d" % cap + encode(where)
    if kept := recall(key):
        return kept  # type: ignore[no-any-return]
    with _locks[hash(key) % len(_locks)]:  # one of many who ask at the same moment counts, the others wait for it
        return recall(key) or _count(cap, where, hint, key)


def _count(cap: int, where: dict[str, Any], hint: str, key: bytes) -> Count:
    options: dict[str, Any] = {} if mongo.in_memory() else {"hint": hint, "maxTimeMS": PATIENCE_MS}
    try:
        number = _number(where, cap + 1, options)
        found: Count = (min(number, cap), number > cap)
    except ExecutionTimeout:
        number, found = LARGE, (None, True)
    if number >= LARGE:
        remember(key, found)
    return found


def _number(where: dict[str, Any], limit: int, options: dict[str, Any]) -> int:
    """The `count` command walks the index alone, where the aggregation behind count_documents takes twice as long."""
    if mongo.in_memory():
        return mongo.collection("leads").count_documents(where, limit=limit)
    leads = mongo.collection("leads")
    return int(leads.database.command("count", leads.name, query=where, limit=limit, **options)["n"])


def recall(key: bytes) -> Any:
    kept = _remembered.get(key)
    return kept[1] if kept and time.monotonic() - kept[0] < REMEMBERED_SECONDS else None


def remember(key: bytes, value: Any) -> None:
    if len(_remembered) > 10_000:
        _remembered.clear()
    _remembered[key] = (time.monotonic(), value)
