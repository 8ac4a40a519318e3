"""Counting without ever taking long: up to a cap, for at most 30 ms, and counts are remembered for a moment.

People notice when a small count is off by one: it is remembered only until any lead is written.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from bson import encode
from pymongo.errors import ExecutionTimeout

from lead_crm import mongo
from lead_crm.stamp import Stamp

PATIENCE_MS: Final = 30
LARGE: Final = 250  # from here on a count may be a little old
REMEMBERED_SECONDS: Final = 4.0
SMALL_SECONDS: Final = 1.0  # another machine may have written, which this one does not know
GIVEN_UP_SECONDS: Final = 10.0  # what takes too long does so a moment later as well
CHOSEN_SECONDS: Final = 60.0

Count = tuple[int | None, bool]


class Kept(NamedTuple):
    until: float
    state: bytes | None  # None: it may be older than the last write
    value: Any


_remembered: dict[bytes, Kept] = {}
_changes = Stamp("changes_of_leads")
_locks = [threading.Lock() for _ in range(64)]


def forget() -> None:
    _remembered.clear()
    _changes.change()


@contextmanager
def changing() -> Iterator[None]:
    """Around every write of leads. However it ends: it may have reached the database."""
    try:
        yield
    finally:
        _changes.change()


def state() -> bytes:
    """To be read before counting: what was counted holds as long as this stays the same."""
    return _changes.read()


def exactly(where: dict[str, Any]) -> Count:
    return mongo.collection("leads").count_documents(where), False


def up_to(cap: int, where: dict[str, Any], hint: str) -> Count:
    key = b"%d" % cap + encode(where)
    if kept := recall(key):
        return kept  # type: ignore[no-any-return]
    with _locks[hash(key) % len(_locks)]:  # one of many who ask at the same moment counts, the others wait for it
        return recall(key) or _count(cap, where, hint, key)


def _count(cap: int, where: dict[str, Any], hint: str, key: bytes) -> Count:
    before = state()
    try:
        number = _number(where, cap + 1, hint)
    except ExecutionTimeout:
        _keep(key, GIVEN_UP_SECONDS, None, (None, True))
        return None, True
    found = (min(number, cap), number > cap)
    remember(key, found, number=number, state=before)
    return found


def fewest(most: int, ways: Sequence[tuple[str, dict[str, Any]]]) -> int:
    """Which of these queries, each along its index, finds the fewest; the first where all find more than `most`.

    For choosing between indexes: the answer may be a minute old.
    """
    key = encode({"fewest": most, "of": [where for _, where in ways]})
    found: int | None = recall(key)
    if found is None:
        found = _fewest(most, ways)
        _keep(key, CHOSEN_SECONDS, None, found)
    return found


def _fewest(most: int, ways: Sequence[tuple[str, dict[str, Any]]]) -> int:
    best, least = 0, most + 1
    for at, (hint, where) in enumerate(ways):
        with suppress(ExecutionTimeout):
            number = _number(where, least, hint)  # no further than it could win
            if number < least:
                best, least = at, number
        if not least:
            break
    return best


def _number(where: dict[str, Any], limit: int, hint: str) -> int:
    """The `count` command walks the index alone, where the aggregation behind count_documents takes twice as long."""
    leads = mongo.collection("leads")
    if mongo.in_memory():
        return leads.count_documents(where, limit=limit)
    options: dict[str, Any] = {"limit": limit, "hint": hint, "maxTimeMS": PATIENCE_MS}
    return int(leads.database.command("count", leads.name, query=where, **options)["n"])


def recall(key: bytes) -> Any:
    kept = _remembered.get(key)
    if kept is None or kept.until < time.monotonic():
        return None
    return kept.value if kept.state in (None, _changes.read()) else None


def remember(key: bytes, value: Any, *, number: int, state: bytes) -> None:
    """`state`: from before it was counted."""
    if number >= LARGE:
        _keep(key, REMEMBERED_SECONDS, None, value)
    elif _changes.shared:
        _keep(key, SMALL_SECONDS, state, value)


def _keep(key: bytes, seconds: float, state: bytes | None, value: Any) -> None:
    if len(_remembered) > 10_000:
        _remembered.clear()
    _remembered[key] = Kept(time.monotonic() + seconds, state, value)
