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
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import django
from django.core.management.base import OutputWrapper

from lead_crm import directory, mongo
from lead_crm.access import Actor, Person, system
from lead_crm.documents import new_uid
from lead_crm.errors import LeadCrmError
from leads import gate, rules, store, tasks
from leads.documents import Lead
from leads.gate import Move
from leads.messages import ActivityIn, CompleteIn, LeadIn
from leads.record import Ask
from management import accounts
from management.invention import CURRENCIES, FIRST, LAST, PLACES, invented, person
from workflow import service as workflow_service
from workflow.documents import Stage
from workflow.fields import FieldDefinition
from workflow.workflow import Workflow

BATCH: Final = 1_000
MANY: Final = 50_000  # from here on several processes are worth their start
SHARED: Final = 5_000  # from here on leads share lives
SHARING: Final = 25
MILLISECOND: Final = timedelta(milliseconds=1)
YEAR: Final = timedelta(days=365)
MOST_MOVES: Final = 6

TAGS: Final = ("enterprise", "hot", "urgent", "newsletter", "trade fair", "returning", "partner", "decision maker")
SAID: Final = {
    "note": ("Prefers to be reached in the afternoon.", "Compares us with two others.", "Decides with a colleague."),
    "call": ("Talked for ten minutes; wants details.", "No answer, left a message.", "Asked for a better price."),
    "email": ("Sent the brochure and the price list.", "Answered the questions about delivery."),
    "message": ("Confirmed the appointment.", "Asked whether we also deliver on Saturdays."),
    "visit": ("Showed them round; good impression.", "Met the whole team on site."),
}
ASKED: Final = (
    "Please call me back about your offer.", "How soon could you start?", "We are looking for a new supplier.",
    "A friend recommended you.", "Could you send me a price list?",
)  # fmt: skip

SELDOM: Final = {"company": 0.6, "message": 0.4, "phone": 0.85, "value": 0.8, "expected_close_on": 0.7}

Say = Callable[[str], object]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the leads live: the workflow, and who works in which centre."""

    workflow: Workflow
    system: Actor
    staff: dict[str, list[Actor]]
    needed: frozenset[str]  # attributes and fields that some stage requires
    sharing: int
    now: datetime

    def ask(self, actor: Actor, at: datetime) -> Ask:
        return Ask(actor, self.workflow, at)


def top_up(number: int, *, now: datetime, say: Any) -> int:
    """Make leads until there are `number` in all, the archive included. Says how many were made."""
    there = store.number_of_leads()
    missing = number - there
    if missing <= 0:
        return 0
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
    dice = random.Random(job.there + job.first)  # noqa: S311 - nothing secret
    lives = [Life(scene, job.there + job.first + i, dice) for i in range(-(-job.size // scene.sharing))]
    return [
        lives[i % len(lives)].again(job.there + job.first + i, _born(job.first + i, job.missing, job.now, dice), dice)
        for i in range(job.size)
    ]


def _born(i: int, total: int, now: datetime, dice: random.Random) -> datetime:
    """In order, over the last year, more and more of them."""
    ago = YEAR * (1 - (i + dice.random()) / total) ** 1.4
    moment: datetime = now - ago - MILLISECOND
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@functools.lru_cache(maxsize=1)
def _scene(missing: int, now: datetime) -> Scene:
    workflow, centers = workflow_service.current(), directory.open_centers()
    required = {name.removeprefix("fields.") for stage in workflow.living for name in stage.required_fields}
    unique = any(field.unique for field in workflow.config.variables)
    return Scene(
        workflow, system(centers), {center: _staff(center) for center in centers}, frozenset(required),
        1 if unique or missing < SHARED else SHARING, now,
    )  # fmt: skip


def _staff(center: str) -> list[Actor]:
    """Who may work with leads there; those who work everywhere only where nobody else does."""
    actors = [accounts.actor_of(account) for account in accounts.accounts.find({"active": True})]
    actors = [actor for actor in actors if center in actor.centers and actor.may("lead.edit")]
    own = [actor for actor in actors if "super_admin" not in actor.roles]
    return own or actors


class Life:
    """One lead through its stages, as far as it gets, and how it stood after each step."""

    def __init__(self, scene: Scene, number: int, dice: random.Random) -> None:
        self.scene, self.dice, self.number = scene, dice, number
        self.center = dice.choice(list(scene.staff))
        staff = scene.staff[self.center]
        self.owner = dice.choice(staff) if staff and dice.random() < 0.9 else None
        self.at = scene.now - 3 * YEAR
        self.moments: list[Moment] = []
        self._began(rules.create(self._request(), self._ask(), self._people()))

    def _began(self, lead: Lead) -> None:
        self._lived(lead)
        with suppress(LeadCrmError):  # what the gate refuses ends this life here
            for _ in range(self.dice.choices(range(MOST_MOVES + 1), (42, 22, 14, 9, 9, 3, 1))[0]):
                lead = self._touched(lead)
                stage = self._next(lead)
                if stage is None:
                    return
                lead = self._left(lead, stage)
            self._touched(lead)

    def _lived(self, lead: Lead) -> Lead:
        self.moments.append(Moment(self.scene, lead))
        return lead

    def again(self, number: int, born: datetime, dice: random.Random) -> Lead:
        """As far as it has come by now, lived by another person."""
        age = self.scene.now - born
        lived = [moment for moment in self.moments if moment.age <= age]
        usable = [moment for moment in lived if not moment.limited] or lived[:1]
        return usable[-1].again(_particulars(usable[-1].lead, number, born, dice), born)

    def _ask(self, **later: float) -> Ask:
        self.at += timedelta(milliseconds=int(timedelta(**later) / MILLISECOND))
        return self.scene.ask(self.owner or self.scene.system, self.at)

    def _touched(self, lead: Lead) -> Lead:
        for _ in range(self.dice.randint(0, 2)):
            kind: Any = self.dice.choice(list(SAID))
            said = ActivityIn(kind=kind, body=self.dice.choice(SAID[kind]))
            lead = self._lived(rules.add_activity(lead, said, self._ask(hours=self._hours(40))))
        return lead

    def _next(self, lead: Lead) -> Stage | None:
        here = self.scene.workflow.stage(lead.current_stage)
        following = [s for s in self.scene.workflow.living if here and s.uid in here.allowed_next_stages]
        weights = [{"open": 6, "won": 5, "lost": 2}[stage.kind] for stage in following]
        return self.dice.choices(following, weights)[0] if following else None

    def _left(self, lead: Lead, stage: Stage) -> Lead:
        for task in lead.tasks:
            if task.required and task.status == "pending":
                done = self._completion(task.kind)
                lead = self._lived(tasks.complete(lead, task.uid, done, self._ask(hours=self._hours(8))))
        reasons = [choice.key for choice in self.scene.workflow.config.close_reasons] or ["no interest"]
        reason = self.dice.choice(reasons) if stage.kind == "lost" else None
        return self._lived(gate.move(lead, Move(stage.uid, reason=reason), self._ask(hours=self._hours(60))))

    def _hours(self, usual: float) -> float:
        return 0.2 + self.dice.expovariate(1 / usual)

    def _completion(self, kind: str) -> CompleteIn:
        definitions = self.scene.workflow.task_kinds[kind].fields
        return CompleteIn(fields=self._invented(field for field in definitions if field.required))

    def _invented(self, definitions: Iterable[FieldDefinition]) -> Row:
        who = self.owner.uid if self.owner else "system"
        return {field.field_key: invented(field, self.number, self.dice, who) for field in definitions}

    def _people(self) -> dict[str, Person]:
        """The owner works in this centre: that is where the scene took them from."""
        owner = self.owner
        return {owner.uid: Person(owner.uid, owner.name, (self.center,), everywhere=False)} if owner else {}

    def _request(self) -> LeadIn:
        config, dice, needed = self.scene.workflow.config, self.dice, self.scene.needed
        lead_type = dice.choice(config.lead_types).key if config.lead_types else None
        sources = [s.key for s in config.sources if not s.lead_types or lead_type in s.lead_types]
        tags = TAGS if config.tags is None else config.tags
        values: Row = {
            "lead_type": lead_type, "center": self.center, "source": dice.choice(sources) if sources else None,
            "tags": dice.sample(tags, min(len(tags), dice.choice((0, 0, 1, 1, 2)))),
            "priority": dice.choice(config.priorities).key if config.priorities else None,
            "message": dice.choice(ASKED), "assigned_to": [self.owner.uid] if self.owner else [],
            "fields": self._fields(lead_type),
        }  # fmt: skip
        values |= _fresh(self.number, self.at, dice, company=True)
        values |= {name: None for name, often in SELDOM.items() if name not in needed and dice.random() > often}
        return LeadIn.model_validate(values | self._needed())

    def _needed(self) -> Row:
        """Attributes that people seldom fill in, where a stage asks for them."""
        city, country = self.dice.choice(PLACES)
        rare: Row = {
            "address": {"city": city, "country": country},
            "contacts": [{"name": f"{self.dice.choice(FIRST)} {self.dice.choice(LAST)}", "is_primary": True}],
            "source_detail": "Spring campaign",
            "quantity": {"amount": str(self.dice.randint(1, 500)), "unit": "kg"},
            "next_follow_up_at": self.at + timedelta(days=30),
        }
        return {name: value for name, value in rare.items() if name in self.scene.needed}

    def _fields(self, lead_type: str | None) -> Row:
        """What is required, and some of the rest; what does not belong to such a lead is left out again."""
        wanted = [
            field for field in self.scene.workflow.config.variables if not field.archived
            and (field.required or field.field_key in self.scene.needed or self.dice.random() < 0.6)
        ]  # fmt: skip
        given = self._invented(wanted)
        _, faults = self.scene.workflow.values.convert(given, lead_type=lead_type)
        refused = {fault.pointer.split("/")[2] for fault in faults}
        return {key: value for key, value in given.items() if key not in refused}


class Moment:
    """A lead after one step of a life."""

    def __init__(self, scene: Scene, lead: Lead) -> None:
        self.scene, self.lead, self.age = scene, lead, lead.updated_at - lead.created_at
        stage = scene.workflow.stage(lead.current_stage)
        self.limited = bool(stage and stage.wip_limit)

    @functools.cached_property
    def row(self) -> Row:
        return self.lead.model_dump()

    @functools.cached_property
    def uids(self) -> list[str]:
        return [task.uid for task in self.lead.tasks] + [line.uid for line in self.lead.activities]

    @functools.cached_property
    def pointers(self) -> list[tuple[str, str]]:
        """Those that name a task, each with the task's uid."""
        found = (change["pointer"] for entry in self.lead.changes for change in entry.changes)
        return [(pointer, pointer.split("/")[2]) for pointer in found if pointer.startswith("/tasks/")]

    @functools.cached_property
    def ranks(self) -> list[tuple[str, datetime]]:
        """Each place it has had, and since when."""
        moves = [change for entry in self.lead.changes for change in entry.changes if change["pointer"] == "/rank"]
        ranks = [moves[0]["old"] if moves else self.lead.rank, *(move["new"] for move in moves)]
        return [(rank, entry.entered_at) for rank, entry in zip(ranks, self.lead.history, strict=True)]

    def again(self, particulars: Row, born: datetime) -> Lead:
        later = born - self.lead.created_at
        new = {uid: new_uid() for uid in self.uids}
        new |= {pointer: pointer.replace(uid, new[uid]) for pointer, uid in self.pointers}
        new |= {rank: gate.place("top", self.scene.ask(self.scene.system, since + later)) for rank, since in self.ranks}
        return Lead.model_validate(_moved(self.row, later, new) | particulars)


def _moved(value: Any, later: timedelta, new: dict[str, str]) -> Any:
    """The same, later, and with other names."""
    kind = type(value)
    if kind is str:
        return new.get(value, value)
    if kind is dict:
        return {key: _moved(item, later, new) for key, item in value.items()}
    if kind is list:
        return [_moved(item, later, new) for item in value]
    return value + later if kind is datetime else value


def _particulars(lead: Lead, number: int, born: datetime, dice: random.Random) -> Row:
    """What no two leads share, as far as this lead has it."""
    fresh = _fresh(number, born, dice, company=lead.company is not None)
    return {name: value for name, value in fresh.items() if getattr(lead, name) is not None}


def _fresh(number: int, born: datetime, dice: random.Random, *, company: bool) -> Row:
    closes = (born + timedelta(days=dice.randint(20, 200))).date().isoformat()
    value = {"amount": int(10 ** dice.uniform(2, 4.5)) * 100, "currency": dice.choice(CURRENCIES)}
    return person(number, dice, company=company) | {"value": value, "expected_close_on": closes}


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
