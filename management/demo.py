"""Believable leads: for looking around, for showing, for measuring.

A life is lived through the app's own rules, step by step. Several leads then share it, each with a person, times, uids
and a number of its own: what is stored is what the app would have stored, made in a fraction of the time.
"""

import functools
import gc
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import django
from django.core.management.base import OutputWrapper

from lead_crm import directory, mongo
from lead_crm.access import Actor, system
from leads import store
from leads.documents import Lead
from management import accounts, colleagues, words
from management.lives import MILLISECOND, YEAR, Life
from management.moments import Scene
from workflow import service as workflow_service
from workflow import store as workflow_store

BATCH: Final = 1_000
MANY: Final = 50_000  # from here on several processes are worth their start
SHARED: Final = 1_000  # from here on leads share lives
LIVES: Final = 250  # so many different ones there are at least
SHARING: Final = 40  # so many share one at most

Say = Callable[[str], object]


def top_up(number: int, *, now: datetime, say: Any) -> int:
    """Make leads until there are `number` in all, the archive included. Says how many were made."""
    there = store.number_of_leads()
    missing = number - there
    if missing <= 0:
        return 0
    colleagues.join(words.load(workflow_store.preset()), now=now)
    _scene.cache_clear()
    jobs = [_Job(there, missing, first, min(BATCH, missing - first), now) for first in range(0, missing, BATCH)]
    progress = Progress(say, missing)
    for made in _all(jobs, _several if missing >= MANY else map):
        progress.add(made)
    return missing


@dataclass(frozen=True, slots=True)
class _Job:
    there: int  # how many leads there were before
    missing: int  # how many are made in all
    first: int  # the first of them in this batch
    size: int
    now: datetime


def _all(jobs: list[_Job], run: Callable[..., Iterable[int]]) -> Iterator[int]:
    yield from run(_make, jobs)


def _several(work: Callable[[_Job], int], jobs: list[_Job]) -> Iterator[int]:
    """Over all processors. Processes start afresh: a MongoDB client does not survive a fork."""
    context = multiprocessing.get_context("spawn")
    processes = min(8, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(mongo.uri(),)) as pool:
        yield from pool.map(work, jobs)


def _begin(uri: str) -> None:
    os.environ["MONGODB_URI"] = uri
    django.setup()


def _make(job: _Job) -> int:
    gc.disable()  # what is made here has no cycles, and looking for some takes a third of the time
    try:
        leads = _batch(_scene(job.missing, job.now), job)
    finally:
        gc.enable()
    store.insert_many(leads, _scene(job.missing, job.now).workflow)
    return job.size


def _batch(scene: Scene, job: _Job) -> list[Lead]:
    number = job.there + job.first
    dice = random.Random(number)  # noqa: S311 - nothing secret
    born = [_born(job.first + i, job.missing, scene, dice) for i in range(job.size)]
    began = born if scene.sharing == 1 else [moment - 3 * YEAR for moment in born]
    lives = [Life(scene, number + i, began[i], dice) for i in range(-(-job.size // scene.sharing))]
    return [lives[i % len(lives)].again(number + i, born[i], dice) for i in range(job.size)]


def _born(i: int, total: int, scene: Scene, dice: random.Random) -> datetime:
    """In order, over the last year, more and more of them."""
    ago = YEAR * (1 - (i + dice.random()) / total) ** 1.4
    moment: datetime = scene.now - ago - MILLISECOND
    if moment.date() < scene.now.date():
        moment = _at_work(moment, scene.words.hours)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _at_work(moment: datetime, hours: tuple[int, int]) -> datetime:
    """The same day, and in the same order, in working hours."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=hours[0]) + (moment - midnight) * (hours[1] - hours[0]) / 24


@functools.lru_cache(maxsize=1)
def _scene(missing: int, now: datetime) -> Scene:
    workflow, centers = workflow_service.current(), directory.open_centers()
    required = {name.removeprefix("fields.") for stage in workflow.living for name in stage.required_fields}
    unique = any(field.unique for field in workflow.config.variables)
    people = [accounts.actor_of(account) for account in accounts.accounts.find({"active": True})]
    staff, helpers = ({center: who(center, people) for center in centers} for who in (_staff, _helpers))
    return Scene(
        workflow, words.load(workflow_store.preset()), system(centers), staff, helpers,
        directory.named(workflow.named), frozenset(required),
        1 if unique or missing < SHARED else min(SHARING, max(2, missing // LIVES)), now,
    )  # fmt: skip


def _staff(center: str, people: list[Actor]) -> list[Actor]:
    """Who may work with leads there; those who work everywhere only where nobody else does."""
    actors = [actor for actor in people if center in actor.centers and actor.may("lead.edit")]
    own = [actor for actor in actors if "super_admin" not in actor.roles]
    return own or actors


def _helpers(center: str, people: list[Actor]) -> list[Actor]:
    """Who completes tasks there and does nothing else."""
    return [
        actor for actor in people if center in actor.centers and not actor.may("lead.edit")
        and any(name.startswith("task.complete") for name in actor.permissions)
    ]  # fmt: skip


class Progress:
    """One line that is rewritten on a terminal, a line every tenth elsewhere."""

    def __init__(self, say: Any, total: int) -> None:
        self.total, self.done, self.told, self.started = total, 0, 0, time.monotonic()
        self.live = bool(getattr(say, "isatty", lambda: False)())
        self.write: Say = getattr(say, "write", say)
        if isinstance(say, OutputWrapper):
            self.write = functools.partial(say.write, style_func=str, ending="")

    def add(self, made: int) -> None:
        self.done += made
        tenth = self.done * 10 // self.total
        if self.live:
            self.write(f"\r{self.line():<70}" + ("\n" if self.done == self.total else ""))
        elif tenth > self.told:
            self.told = tenth
            self.write(self.line() + "\n")

    def line(self) -> str:
        rate = self.done / max(time.monotonic() - self.started, 0.001)
        left = (self.total - self.done) / rate
        return f"{self.done:,} of {self.total:,} leads, {rate:,.0f}/s, {left:.0f} s left"
