"""Who read, listed or changed which lead: noted in the process, written every second, apart from the leads.

Noting costs a request some microseconds. The same person seeing the same leads the same way again within that second
is one entry with a count. What a process has noted and not yet written is lost if it is killed; changes stand in the
lead's own record all the same.
"""

import atexit
import logging
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.conf import settings
from pymongo.errors import PyMongoError

from lead_crm import mongo
from lead_crm.access import Actor

Action = Literal[
    "read", "list", "export", "create", "change", "erase", "sign_in", "sign_in_failed", "sign_out", "people"
]

EVERY_SECONDS: Final = 1.0
MOST: Final = 20_000  # then whoever notes the next one writes them all

log = logging.getLogger("lead_crm.audit")
_noted: dict[tuple[Any, ...], list[Any]] = {}
_lock = threading.Lock()
_wake = threading.Event()
_threads: list[threading.Thread] = []


def note(
    action: Action, what: str, *, actor: Actor, subjects: Iterable[str], at: datetime, request_id: str,
) -> None:  # fmt: skip
    """`what` is the operation, `subjects` the uids of leads, or of people."""
    if not settings.AUDITED:
        return
    key = (actor.uid, actor.token, action, what, tuple(subjects))
    with _lock:
        entry = _noted.setdefault(key, [at, request_id, 0])
        entry[2] += 1
        full = len(_noted) >= MOST
        if not _threads:
            _start()
    if full:
        flush()


def _start() -> None:
    thread = threading.Thread(target=_keep_writing, name="audit", daemon=True)
    _threads.append(thread)
    thread.start()


def _keep_writing() -> None:
    while not _wake.wait(EVERY_SECONDS):
        flush()


def flush() -> None:
    """Write what has been noted. What cannot be written now is tried again, up to a limit."""
    with _lock:
        taken = dict(_noted)
        _noted.clear()
    if not taken:
        return
    try:
        mongo.quick("audit").insert_many([_row(key, entry) for key, entry in taken.items()], ordered=False)
    except PyMongoError as error:
        log.exception("audit entries wait for the database", exc_info=error)
        with _lock:
            if len(_noted) + len(taken) <= MOST:
                _noted.update({key: entry for key, entry in taken.items() if key not in _noted})


def _row(key: tuple[Any, ...], entry: list[Any]) -> dict[str, Any]:
    actor, token, action, what, subjects = key
    at, request, times = entry
    return {
        "at": at, "actor": actor, "token": token, "action": action, "what": what, "subjects": list(subjects),
        "times": times, "request_id": request, "expires_at": at + timedelta(days=settings.AUDIT_DAYS),
    }  # fmt: skip


def subjects(data: Any, path: dict[str, str]) -> list[str]:
    """The leads that an answer shows: the one of the address, or those of its rows."""
    if "uid" in path:
        return [path["uid"]]
    if isinstance(data, list):
        return [lead["uid"] for column in data for lead in column["leads"]]
    if "results" in data:
        return [row["uid"] for row in data["results"]]
    return [data["uid"]]


atexit.register(flush)
