"""Nothing is lost: from the newest lead and its records, every earlier version is rebuilt exactly."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lead_crm.diff import undo
from lead_crm.errors import LeadCrmError
from leads import gate, record, rules, tasks
from leads.documents import Activity, HistoryEntry, Lead, Timeline
from leads.gate import Move
from leads.messages import ActivityIn, CompleteIn, TaskIn
from leads.record import Ask
from tests.rules.making import ALICE, CALL, NOW, flow, new_lead, patch, stage, stored

FLOW = flow(
    stage("new", "contacted", "lost", task_templates=[CALL]),
    stage("contacted", "new", "won", "lost", task_templates=[CALL | {"due_in_days": 3}], probability=0.4),
    variables=[{"field_key": key, "field_type": kind} for key, kind in (("budget", "decimal"), ("data", "json"))],
)  # fmt: skip
EDITS = st.fixed_dictionaries({}, optional={
    "name": st.sampled_from(["Ada", "Äda"]), "email": st.sampled_from([None, "a@b.co", "c@gmail.com"]),
    "tags": st.lists(st.sampled_from(["hot", "x/y~z"]), max_size=2), "score_override": st.sampled_from([None, 0, 90]),
    "value": st.sampled_from([None, {"amount": 5, "currency": "EUR"}]),
    "address": st.sampled_from([None, {"city": "Rome"}]), "contacts": st.sampled_from([[], [{"name": "Bea"}]]),
    "next_follow_up_at": st.sampled_from([None, NOW + timedelta(days=1), NOW + timedelta(days=9)]),
    "fields": st.fixed_dictionaries({}, optional={
        "budget": st.sampled_from([None, "1", "2.50"]), "data": st.sampled_from([None, [], {"a": [None, "x"]}, "s"]),
    }),
})  # fmt: skip
place = st.integers(0, 5)
COMMANDS = st.one_of(
    EDITS.map(lambda changes: lambda lead, ask: rules.edit(lead, patch(**changes), ask)),
    st.tuples(st.sampled_from(["new", "contacted", "won", "lost"]), st.booleans()).map(
        lambda to: lambda lead, ask: gate.move(lead, Move(to[0], reason="So", force=to[1]), ask)
    ),
    st.sampled_from(["new", "won"]).map(lambda uid: lambda lead, ask: gate.evacuate(lead, Move(uid), ask)),
    st.text("abc", max_size=3).map(lambda rank: lambda lead, ask: gate.move(lead, Move("new", rank=f"m{rank}1"), ask)),
    st.lists(st.sampled_from(["bob", "carl"]), max_size=2).map(
        lambda who: lambda lead, ask: rules.assign(lead, who, ask)
    ),
    st.sampled_from([None, NOW + timedelta(days=2)]).map(
        lambda due: lambda lead, ask: tasks.add(lead, TaskIn(kind="visit", due_at=due, fields={"batch": "A"}), ask)
    ),
    place.map(lambda at: lambda lead, ask: tasks.complete(lead, uid_at(lead, at), CompleteIn(notes="n"), ask)),
    place.map(lambda at: lambda lead, ask: tasks.cancel(lead, uid_at(lead, at), "off", ask)),
    place.map(lambda at: lambda lead, ask: tasks.reopen(lead, uid_at(lead, at), ask)),
    place.map(lambda at: lambda lead, ask: tasks.edit(lead, uid_at(lead, at), {"title": f"T{at}", "fields": {}}, ask)),
    st.sampled_from(["note", "call"]).map(
        lambda kind: lambda lead, ask: rules.add_activity(lead, ActivityIn(kind=kind, body="b", meta={"m": 1}), ask)
    ),
    st.just(rules.archive), st.just(rules.restore), st.just(rules.restore),
)  # fmt: skip
GROWING = ("activities", "history", "changes")
CLOCK = st.sampled_from([-5.0, 0.0, 0.001, 60.0, 86_400.0])  # the clocks of two servers may disagree


LIVES = st.builds(
    lambda commands, times: commands * times, st.lists(st.tuples(COMMANDS, CLOCK), max_size=20), st.integers(1, 6)
)


def uid_at(lead: Lead, place: int) -> str:
    return lead.tasks[place % len(lead.tasks)].uid


class Past:
    """The whole life of one lead as the service would have written it."""

    def __init__(self) -> None:
        self.lead = new_lead(FLOW, email="ada@example.com")
        self.timelines: dict[str, Timeline] = {}
        self.versions = [self.lead]  # with everything still embedded
        self.now = NOW

    def carry_out(self, command: Any, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        kept, spilled = record.spill(self.lead, self.lead.changes)
        try:
            after = command(kept, Ask(ALICE, FLOW, self.now))
        except LeadCrmError:
            return
        if after is not kept:
            self.timelines |= {spilled.uid: spilled} if spilled else {}
            self.lead = after
            self.versions.append(after.model_copy(update={name: self.all(name) for name in GROWING}))

    def all(self, name: str) -> list[Any]:
        documents = [self.timelines[uid] for uid in sorted(self.timelines)]
        return [entry for document in [*documents, self.lead] for entry in getattr(document, name)]


def life(commands: list[tuple[Any, float]]) -> Past:
    past = Past()
    for command, seconds in commands:
        past.carry_out(command, seconds)
    return past


def activities_as_of(past: Past, moment: datetime) -> list[Activity]:
    return [activity for activity in past.all("activities") if activity.at <= moment]


def history_as_of(past: Past, moment: datetime) -> list[HistoryEntry]:
    entered = [entry for entry in past.all("history") if entry.entered_at <= moment]
    still = {"left_at": None, "duration_seconds": None}
    return [e.model_copy(update=still) if e.left_at and e.left_at > moment else e for e in entered]


@settings(max_examples=60, deadline=None)
@given(LIVES)
def test_every_earlier_version_can_be_rebuilt_exactly(commands: list[tuple[Any, float]]) -> None:
    past = life(commands)
    state = stored(record.compared(past.lead))
    changes = [stored(entry.model_dump()) for entry in past.all("changes")]
    for version in reversed(past.versions):
        assert state == stored(record.compared(version))
        assert activities_as_of(past, version.updated_at) == version.activities
        assert history_as_of(past, version.updated_at) == version.history
        if changes and changes[-1]["version"] == version.version:
            undo(state, changes.pop()["changes"])
    assert changes == []


@settings(max_examples=60, deadline=None)
@given(LIVES)
def test_every_version_has_a_number_and_a_moment_of_its_own(commands: list[tuple[Any, float]]) -> None:
    past = life(commands)
    moments = [version.updated_at for version in past.versions]
    assert moments == sorted(set(moments))
    assert [version.version for version in past.versions] == list(range(1, len(past.versions) + 1))
    assert [(c.version, c.at) for c in past.all("changes")] == [(v.version, v.updated_at) for v in past.versions]


@settings(max_examples=30, deadline=None)
@given(LIVES)
def test_the_passage_has_no_gaps_and_ends_where_the_lead_stands(commands: list[tuple[Any, float]]) -> None:
    past = life(commands)
    history = past.all("history")
    assert [entry.left_at for entry in history] == [entry.entered_at for entry in history[1:]] + [None]
    assert (history[-1].stage, history[-1].entered_at) == (past.lead.current_stage, past.lead.stage_entered_at)


def test_true_in_the_place_of_one_is_recorded() -> None:
    past = Past()
    for data, budget in ((1, "1"), (True, "2"), ([1], "3"), ([True], "4")):
        changes = patch(fields={"data": data, "budget": budget})
        past.carry_out(lambda lead, ask, changes=changes: rules.edit(lead, changes, ask), 1)
    pointers = [sorted(change["pointer"] for change in entry.changes) for entry in past.lead.changes[1:]]
    assert pointers == [["/fields/budget", "/fields/data"]] * 4
