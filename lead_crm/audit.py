"""Who read, listed or changed which lead: noted in the process, written every second, apart from the leads.

Noting costs a request some microseconds. The same person seeing the same leads the same way again within that second
is one entry with a count. What a process has noted and not yet written is lost if it is killed; changes stand in the
lead's own record all the same.
"""

import atexit
import logging
import os
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from bson import ObjectId
from django.conf import settings
from django.http import HttpResponse
from pymongo.errors import BulkWriteError

from lead_crm import mongo
from lead_crm.access import Actor

Action = Literal[
    "read", "list", "export", "create", "change", "erase", "sign_in", "sign_in_failed", "sign_out", "people"
]
Key = tuple[str, str | None, Action, str, tuple[str, ...]]

EVERY_SECONDS: Final = 1.0
MOST: Final = 200_000  # uids; then whoever notes the next one writes them all
DUPLICATE: Final = 11000

log = logging.getLogger("lead_crm.audit")


class Noted:
    """What one process has noted and not yet written."""

    def __init__(self) -> None:
        self.entries: dict[Key, list[Any]] = {}  # when first, in which request, how often
        self.size = 0
        self.waiting: list[mongo.Row] = []  # the database may have them or not; their _id tells
        self.lock = threading.Lock()
        self.flushing = threading.Lock()
        self.thread: threading.Thread | None = None


_noted = Noted()


def note(
    action: Action, what: str, *, actor: Actor, subjects: Iterable[str], at: datetime, request_id: str,
) -> None:  # fmt: skip
    """`what` is the operation, `subjects` the uids of leads, or of people."""
    if not settings.AUDITED:
        return
    key: Key = (actor.uid, actor.token, action, what, tuple(subjects))
    with _noted.lock:
        entry = _noted.entries.get(key)
        if entry is None:
            entry = _noted.entries[key] = [at, request_id, 0]
            _noted.size += 1 + len(key[-1])
        entry[2] += 1
        full = _noted.size >= MOST
        if _noted.thread is None:
            _start()
    if full:
        flush()


def _start() -> None:
    _noted.thread = threading.Thread(target=_keep_writing, name="audit", daemon=True)
    _noted.thread.start()


def _keep_writing() -> None:
    pause = threading.Event()
    while not pause.wait(EVERY_SECONDS):
        flush()


def flush() -> None:
    """Write all that was noted before. What cannot be written now is tried again, up to a limit."""
    with _noted.flushing:
        with _noted.lock:
            taken, _noted.entries, _noted.size = _noted.entries, {}, 0
        _noted.waiting += [_row(key, entry) for key, entry in taken.items()]
        if not _noted.waiting:
            return
        try:
            _write(_noted.waiting)
            _noted.waiting = []
        except Exception as error:
            _noted.waiting = _bounded(_noted.waiting)
            log.error("%d audit entries wait for the database: %r", len(_noted.waiting), error)


def _write(rows: list[mongo.Row]) -> None:
    """Rows that an earlier attempt has written after all are there by their _id."""
    try:
        mongo.quick("audit").insert_many(rows, ordered=False)
    except BulkWriteError as error:
        refused = [one for one in error.details["writeErrors"] if one["code"] != DUPLICATE]
        if refused or error.details.get("writeConcernErrors"):
            raise


def _bounded(rows: list[mongo.Row]) -> list[mongo.Row]:
    """The newest of them."""
    kept: list[mongo.Row] = []
    size = 0
    for row in reversed(rows):
        size += 1 + len(row["subjects"])
        if size > MOST:
            log.error("audit entries are lost: the database has been away too long")
            break
        kept.append(row)
    return kept[::-1]


def _row(key: Key, entry: list[Any]) -> mongo.Row:
    actor, token, action, what, subjects = key
    at, request, times = entry
    return {
        "_id": ObjectId(), "at": at, "actor": actor, "token": token, "action": action, "what": what,
        "subjects": list(subjects), "times": times, "request_id": request,
        "expires_at": at + timedelta(days=settings.AUDIT_DAYS),
    }  # fmt: skip


def subjects(data: Any, path: dict[str, str], *, rows: bool) -> list[str]:
    """The leads that an answer shows: the one of the address, or those of its `rows`; and a second one it was about."""
    if "uid" in path:
        return [path["uid"], *_others(data, rows)]
    if data is None or isinstance(data, HttpResponse):
        return []
    if isinstance(data, list):
        return [lead["uid"] for column in data for lead in column["leads"]]
    if not isinstance(data, dict):
        return [data.uid]
    for name in ("results", "examples"):
        if name in data:
            return [row.get("lead", row)["uid"] for row in data[name]]
    return [data.get("uid") or data["id"], *(row["uid"] for row in data.get("duplicates", ()))]


def _others(data: Any, rows: bool) -> list[str]:
    if not isinstance(data, dict):
        return []
    return [row["uid"] for row in data["results"]] if rows else [data["loser"]] if "loser" in data else []


def _begin_anew() -> None:
    """A fork has no thread of its own yet, and its parent writes what was noted before."""
    global _noted
    _noted = Noted()


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(flush)
