"""What the CRM does by itself: each job by one worker at a time, however many there are."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError, PyMongoError

from lead_crm import audit, mongo
from lead_crm.documents import now
from lead_crm.errors import LeadCrmError
from leads import recount, removal
from management import retention

LEASE: Final = timedelta(seconds=60)  # a worker that has not been heard of for so long has died
LOOK_EVERY_SECONDS: Final = 5.0
AGAIN_AFTER_FAILURE: Final = timedelta(minutes=1)

Going = Callable[[], bool]
log = logging.getLogger("lead_crm.worker")


@dataclass(frozen=True, slots=True)
class Job:
    """`run` asks between its steps whether it may go on, and says what it has done, if anything."""

    name: str
    every: timedelta
    run: Callable[[Going], str]


def _retention(going: Going) -> str:
    done = retention.apply(by=None, now=now(), dry_run=False, going=going, say=log.debug)
    return f"{sum(rule['done'] for rule in done)} leads" if done else "no rules"


def _removed(going: Going) -> str:
    return f"{removal.sweep(now=now())} leads"


def _recount(going: Going) -> str:
    return recount.run(going, now=now())


JOBS: Final = (
    Job("retention", timedelta(hours=1), _retention),
    Job("removed leads", timedelta(hours=1), _removed),
    Job("recount", timedelta(seconds=LOOK_EVERY_SECONDS), _recount),
)


class Stop:
    """Asked for by a signal, which may come at any moment: no lock is taken."""

    asked = False

    def ask(self, *signal: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.asked and time.monotonic() < until:
            time.sleep(0.2)


class Lease:
    """One worker's right to run a job. The database's clock decides, so that machines need not agree on the time."""

    def __init__(self, job: Job, stop: Stop) -> None:
        self.job, self.stop = job, stop
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.renewed = 0.0

    def taken(self) -> bool:
        due = {"$and": [{"$lte": ["$due_at", "$$NOW"]}, {"$lte": ["$until", "$$NOW"]}]}
        return self._written({"$expr": due}, LEASE)

    def going(self) -> bool:
        """Told to the job: not when this worker is to stop, nor when another has taken over."""
        if time.monotonic() - self.renewed < LEASE.total_seconds() / 3:
            return not self.stop.asked
        return self._written({"holder": self.holder}, LEASE) and not self.stop.asked

    def given_back(self, due: timedelta) -> None:
        self._written({"holder": self.holder}, timedelta(0), due)

    def _written(self, where: mongo.Row, until: timedelta, due: timedelta | None = None) -> bool:
        values: mongo.Row = {"holder": self.holder, "until": _from_now(until)}
        if due is not None:
            values |= {"holder": None, "due_at": _from_now(due)}
        self.renewed = time.monotonic()
        written = mongo.collection("jobs").update_one({"_id": self.job.name} | where, [{"$set": values}])
        return bool(written.matched_count)


def _from_now(delta: timedelta) -> mongo.Row:
    return {"$add": ["$$NOW", int(delta.total_seconds() * 1000)]}


def run_if_due(job: Job, stop: Stop) -> bool:
    """Was it run, here and now?"""
    _make_known(job)
    lease = Lease(job, stop)
    if not lease.taken():
        return False
    started, again = time.monotonic(), AGAIN_AFTER_FAILURE
    try:
        said = job.run(lease.going)
        again = timedelta(0) if stop.asked else job.every  # whoever comes next finishes
    except LeadCrmError as error:  # there is no workflow yet, for example
        said = str(error)
    except Exception as error:
        said = f"failed: {type(error).__name__}"
        log.exception("job failed", exc_info=error)
    if said:
        facts = {"job": job.name, "said": said, "seconds": round(time.monotonic() - started, 3)}
        log.info("job", extra={"facts": facts})
    lease.given_back(again)
    return True


def _make_known(job: Job) -> None:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    with suppress(DuplicateKeyError):  # another worker has just done so
        mongo.collection("jobs").update_one(
            {"_id": job.name}, {"$setOnInsert": {"holder": None, "until": long_ago, "due_at": long_ago}}, upsert=True
        )


def work(stop: Stop) -> None:
    """Until `stop`."""
    log.info("worker", extra={"facts": {"jobs": [job.name for job in JOBS]}})
    while not stop.asked:
        for job in JOBS:
            try:
                run_if_due(job, stop)
            except (PyMongoError, LeadCrmError) as error:
                log.warning("the database is away: %s", type(error).__name__)
            if stop.asked:
                break
        stop.wait(LOOK_EVERY_SECONDS)
    audit.flush()
