"""A lead that lives through the real service, and is remembered as it was stored after each write."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from lead_crm import mongo
from lead_crm.access import Actor
from lead_crm.errors import LeadCrmError
from leads import arriving, joining, service
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from leads.merging_messages import MergeIn, UnmergeIn
from leads.messages import ActivityIn, CompleteIn, KanbanMoveIn, LeadIn, LeadPatch, TaskIn, TransitionIn
from management import accounts
from tests.api.steps import EVERY_STAGE
from tests.cast import NORTH, Cast

Row = dict[str, Any]

BEGAN = datetime(2024, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
OUTCOMES = [
    {"key": "talked", "label": "Talked", "move_to": "stage-contacted"},
    {"key": "later", "label": "Later", "next_task": {"kind": "call", "due_in_days": 2}},
    {"key": "silent", "label": "Silent"},
]
KINDS = [
    {"key": "call", "label": "Call", "outcomes": OUTCOMES},
    {"key": "visit", "label": "Visit", "on_schedule": {"move_to": "stage-qualified"}},
]
VARIABLES = [
    {"field_key": "budget", "field_type": "decimal", "required": True},
    {"field_key": "data", "field_type": "json"}, {"field_key": "note", "field_type": "text"},
]  # fmt: skip
EDITS: list[Row] = [
    {"name": "Äda", "email": "ada@example.com"}, {"email": None, "tags": ["a/b", "~c"]},
    {"value": {"amount": 5, "currency": "EUR"}, "address": {"city": "Rome"}}, {"address": None, "value": None},
    {"tags": [], "company": "Mill"}, {"contacts": [{"name": "Bea"}]},
    {"score_override": 90}, {"score_override": None, "source": "referral"},
    {"next_follow_up_at": "2024-05-01T00:00:00Z"}, {"next_follow_up_at": None, "conversion_probability": 0.5},
]  # fmt: skip
FIELDS: list[Row] = [
    {"data": {"a": [None, "x"]}}, {"data": True}, {"data": 1}, {"data": None, "budget": "2.50"}, {"note": "n/o~t.e"},
    {"note": None, "budget": "1"},
]  # fmt: skip


class Life:
    """`versions`: the stored document after each write, everything in it that stays."""

    def __init__(self, cast: Cast) -> None:
        self.actors = [actor(cast.alice.uid), actor(cast.root.uid)]
        self.people = [cast.alice.uid, cast.bob.uid]
        self.now, self.versions = BEGAN, list[Row]()
        self.beside = self.born("Beside")  # a card to be dropped at
        self.uid = self.born("Ada")
        self.remember()

    def born(self, name: str, number: int = 0) -> str:
        more = (EDITS[number % 6] if number else {}) | {"name": name}
        body = LeadIn(**more, center=NORTH, fields={"budget": "1"})
        return arriving.create(body, actor=self.actors[0], now=self.now, once=None).lead.uid

    @property
    def who(self) -> Row:
        return {"actor": self.actors[len(self.versions) // 3 % 2], "now": self.now}

    @property
    def how(self) -> Row:
        return self.who | {"once": None, "if_match": None}

    def task(self, number: int) -> str:
        tasks = self.versions[-1]["tasks"]
        return str(tasks[number % len(tasks)]["uid"])

    def carry_out(self, command: str, number: int, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        try:
            COMMANDS[command](self, number)
        except LeadCrmError:
            return  # what the rules refuse is no change
        self.remember()

    def remember(self) -> None:
        row = stored(self.uid)
        if not self.versions or row["version"] != self.versions[-1]["version"]:
            self.versions.append(row)


def actor(uid: str) -> Actor:
    account = accounts.accounts.get(uid)
    assert account is not None
    return accounts.actor_of(account)


def stored(uid: str) -> Row:
    row: Any = mongo.collection("leads").find_one({"type": "lead", "uid": uid}, {"_id": 0, "keys": 0})
    return dict(copy.deepcopy(row))


def _transition(life: Life, number: int, **more: Any) -> object:
    body = TransitionIn(to_stage=EVERY_STAGE[number % 6], reason="no_budget", **more)
    return service.transition(life.uid, body, **life.how)


def _edit(life: Life, changes: Row) -> object:
    values = LeadPatch.model_validate(changes).model_dump()
    return service.edit(life.uid, values, **life.who, if_match=None)


def _drag(life: Life, number: int) -> object:
    beside = {"before": life.beside} if number % 2 else {"after": life.beside}
    return service.move_card(KanbanMoveIn(lead=life.uid, to_stage="stage-new", **beside), **life.how)


def _add_task(life: Life, number: int) -> object:
    due = life.now + timedelta(days=number) if number % 3 else None
    body = TaskIn(kind=("call", "visit")[number % 2], due_at=due, required=number > 8)
    return service.add_task(life.uid, body, **life.who, once=None)


def _complete(life: Life, number: int) -> object:
    body = CompleteIn(outcome=(None, "talked", "later", "silent")[number % 4], notes="n")
    return service.complete_task(life.uid, life.task(number // 2), body, **life.how)


def _say(life: Life, number: int) -> object:
    kind: Any = ("note", "call", "email")[number % 3]
    return service.add_activity(
        life.uid, ActivityIn(kind=kind, body=f"{number}", meta={"n": number}), **life.who, once=None
    )


def _be_merged(life: Life, number: int) -> None:
    other = life.born("Winner", number)
    joining.merge(other, MergeIn(lead=life.uid), **life.how)
    life.remember()
    life.now += timedelta(seconds=1)
    joining.unmerge(other, UnmergeIn(), **life.how)


# What can be done with a lead; whatever comes to it belongs here.
COMMANDS: dict[str, Callable[[Life, int], object]] = {
    "edit": lambda life, n: _edit(life, EDITS[n % len(EDITS)]),
    "fields": lambda life, n: _edit(life, {"fields": FIELDS[n % len(FIELDS)]}),
    "move": _transition,
    "move with fields": lambda life, n: _transition(life, n, fields=FIELDS[n % len(FIELDS)], position="bottom"),
    "force": lambda life, n: _transition(life, n, force=True, note=f"{n}"),
    "drag": _drag,
    "assign": lambda life, n: service.assign(life.uid, life.people[: n % 3], **life.how),
    "add a task": _add_task,
    "edit a task": lambda life, n: service.edit_task(
        life.uid, life.task(n), {"title": f"T{n}"}, **life.who, if_match=None
    ),
    "complete": _complete,
    "reopen a task": lambda life, n: service.reopen_task(life.uid, life.task(n), **life.how),
    "cancel a task": lambda life, n: service.cancel_task(life.uid, life.task(n), "off", **life.how),
    "say": _say,
    "convert": lambda life, n: service.convert(life.uid, ConvertIn(reference=f"ORDER-{n}"), **life.how),
    "close": lambda life, n: service.close(life.uid, CloseIn(reason="no_reply"), **life.how),
    "reopen": lambda life, n: service.reopen(life.uid, "again", **life.how),
    "hold": lambda life, n: service.hold(life.uid, HoldIn(until=life.now + timedelta(days=n)), **life.how),
    "resume": lambda life, n: service.resume(life.uid, None, **life.how),
    "merge": lambda life, n: joining.merge(life.uid, MergeIn(lead=life.born(f"Bea {n}", n)), **life.how),
    "unmerge": lambda life, n: joining.unmerge(life.uid, UnmergeIn(), **life.how),
    "be merged for a while": _be_merged,
    "archive": lambda life, n: service.archive(life.uid, **life.how),
    "restore": lambda life, n: service.restore(life.uid, **life.how),
}
CLOCK = st.sampled_from([-5.0, 0.0, 0.001, 60.0, 86_400.0])  # the clocks of two servers may disagree
OFTEN = ["restore", "resume", "reopen"]  # else most lives soon end in the archive
WHAT = st.sampled_from([*sorted(COMMANDS), *OFTEN * 2])
STEPS = st.lists(st.tuples(WHAT, st.integers(0, 9), CLOCK), min_size=15, max_size=30)
LIVES = st.builds(lambda steps, times: steps * times, STEPS, st.integers(1, 6))


def prepared(cast: Cast) -> None:
    """A workflow in which much is allowed and something follows from tasks."""
    for uid in EVERY_STAGE[:4]:
        others = [other for other in EVERY_STAGE if other != uid]
        assert cast.root.patch(f"/api/stages/{uid}/", {"allowed_next_stages": others}).status_code == 200
    scoring = {"base": 10, "rules": [{"when": "filled", "field": "email", "points": 7}]}
    body = {"task_kinds": KINDS, "variables": VARIABLES, "scoring": scoring}
    response = cast.root.patch("/api/config/", body)
    assert response.status_code == 200, response.content


def lived(cast: Cast, steps: list[tuple[str, int, float]]) -> Life:
    life = Life(cast)
    for step in steps:
        life.carry_out(*step)
    return life
