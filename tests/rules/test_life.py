"""Assigning, archiving, restoring, the timeline, and when to follow up."""

from datetime import datetime
from typing import Any

import pytest

from lead_crm.access import Actor
from lead_crm.errors import NotAllowed
from leads import gate, rules, tasks
from leads.documents import Lead
from leads.gate import Move
from leads.messages import ActivityIn, TaskIn
from tests.rules.making import ALICE, BOB, VERA, ask, later, moved, new_lead, patch, person

TUESDAY, FRIDAY = later(days=4), later(days=7)


@pytest.mark.parametrize(("holders", "people", "actor", "may"), [
    ([], ["bob"], BOB, True), ([], ["bob"], VERA, False), ([], ["carl"], BOB, False), (["carl"], ["bob"], BOB, False),
    (["bob"], [], BOB, False), (["bob"], ["bob", "carl"], BOB, False), (["bob"], ["carl"], ALICE, True),
    (["bob"], [], ALICE, True), (["bob"], ["carl"], person("manager"), True),
    (["bob"], ["dan"], person("viewer"), False),
])  # fmt: skip
def test_everyone_may_take_a_free_lead_but_giving_needs_a_right(
    holders: list[str], people: list[str], actor: Actor, may: bool
) -> None:
    lead = new_lead(assigned_to=holders)
    if may:
        assert rules.assign(lead, people, ask(actor=actor)).assigned_to == people
    else:
        with pytest.raises(NotAllowed):
            rules.assign(lead, people, ask(actor=actor))


def test_assigning_stands_in_the_timeline_once() -> None:
    lead = rules.assign(new_lead(assigned_to=["bob"]), ["carl", "dan", "carl"], ask())
    assert (lead.assigned_to, lead.version) == (["carl", "dan"], 2)
    assert lead.activities[-1].kind == "assignment"
    assert lead.activities[-1].meta == {"old": ["bob"], "new": ["carl", "dan"]}
    assert rules.assign(lead, ["carl", "dan"], ask()) is lead


def test_archiving_puts_away_and_restoring_brings_back() -> None:
    lead = rules.archive(new_lead(), ask())
    assert (lead.status, lead.archived_at, lead.current_stage) == ("archived", later(hours=1), "new")
    back = rules.restore(lead, ask(at=later(hours=2)))
    assert (back.status, back.archived_at, back.version) == ("open", None, 3)
    assert [a.meta for a in back.activities[-2:]] == [
        {"old": "open", "new": "archived"}, {"old": "archived", "new": "open"},
    ]  # fmt: skip


def test_restoring_recomputes_the_status_from_the_stage() -> None:
    held = new_lead().model_copy(update={"status": "on_hold"})
    assert rules.restore(rules.archive(held, ask()), ask()).status == "open"
    won = rules.archive(moved(new_lead(), "contacted", "won"), ask(at=later(hours=3)))
    assert rules.restore(won, ask()).status == "won"


def test_doing_it_twice_changes_nothing() -> None:
    lead = new_lead()
    assert rules.restore(lead, ask()) is lead
    archived = rules.archive(lead, ask())
    assert rules.archive(archived, ask()) is archived


WRITES = {
    "assign": lambda lead: rules.assign(lead, ["bob"], ask()),
    "edit": lambda lead: rules.edit(lead, patch(name="B"), ask()),
    "note": lambda lead: rules.add_activity(lead, ActivityIn(body="x"), ask()),
    "add task": lambda lead: tasks.add(lead, TaskIn(kind="call"), ask()),
    "cancel task": lambda lead: tasks.cancel(lead, lead.tasks[0].uid, None, ask()),
    "complete task": lambda lead: tasks.complete(lead, lead.tasks[0].uid, tasks.CompleteIn(), ask()),
    "reopen task": lambda lead: tasks.reopen(lead, lead.tasks[0].uid, ask()),
    "edit task": lambda lead: tasks.edit(lead, lead.tasks[0].uid, {"title": "x"}, ask()),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_else_is_written_to_an_archived_lead(write: Any) -> None:
    with pytest.raises(rules.Archived):
        write(rules.archive(tasks.add(new_lead(), TaskIn(kind="call"), ask()), ask()))


@pytest.mark.parametrize(("kind", "calls", "contacted"), [
    ("call", 1, True), ("visit", 0, True), ("email", 0, True), ("message", 0, True), ("note", 0, False),
    ("follow_up", 0, False),
])  # fmt: skip
def test_calls_are_counted_and_contacts_are_dated(kind: Any, calls: int, contacted: bool) -> None:
    lead = rules.add_activity(new_lead(), ActivityIn(kind=kind, body="Spoke"), ask())
    assert (lead.call_attempts, lead.last_contacted_at) == (calls, later(hours=1) if contacted else None)
    assert (lead.activities[-1].kind, lead.activities[-1].body, lead.activities[-1].actor) == (kind, "Spoke", "alice")


@pytest.mark.parametrize("key", ["lasted", "ask", "kind", "body", "self", "actor", "meta"])
def test_an_activity_carries_whatever_the_client_knows(key: str) -> None:
    lead = rules.add_activity(new_lead(), ActivityIn(body="x", meta={key: "5 min"}), ask())
    assert lead.activities[-1].meta == {key: "5 min"}


def test_a_repeated_activity_is_known_by_what_it_made() -> None:
    lead = rules.add_activity(new_lead(), ActivityIn(body="x"), ask(once="key-1"))
    assert (lead.done[-1].once, lead.done[-1].made) == ("key-1", lead.activities[-1].uid)


def follow_up(lead: Lead, at: datetime | None) -> Lead:
    return rules.edit(lead, patch(next_follow_up_at=at), ask())


def due(lead: Lead, at: datetime | None) -> Lead:
    return tasks.add(lead, TaskIn(kind="call", due_at=at), ask())


def test_the_earliest_pending_dated_task_wins_over_what_was_written() -> None:
    lead = new_lead(next_follow_up_at=TUESDAY)
    assert lead.next_follow_up_at == TUESDAY
    lead = due(due(due(lead, FRIDAY), None), later(days=8))
    assert lead.next_follow_up_at == FRIDAY
    assert follow_up(lead, later(days=1)).next_follow_up_at == FRIDAY


@pytest.mark.parametrize("close", [
    lambda lead, uid: tasks.cancel(lead, uid, None, ask()),
    lambda lead, uid: tasks.edit(lead, uid, {"due_at": None}, ask()),
    lambda lead, uid: tasks.complete(lead, uid, tasks.CompleteIn(), ask()),
])  # fmt: skip
def test_when_no_task_is_left_what_was_written_counts_again(close: Any) -> None:
    lead = due(new_lead(next_follow_up_at=TUESDAY), FRIDAY)
    assert close(lead, lead.tasks[0].uid).next_follow_up_at == TUESDAY
    assert close(follow_up(lead, None), lead.tasks[0].uid).next_follow_up_at is None


def test_a_reopened_task_is_followed_up_again() -> None:
    lead = due(new_lead(), FRIDAY)
    uid = lead.tasks[0].uid
    done = tasks.complete(lead, uid, tasks.CompleteIn(), ask())
    assert tasks.reopen(done, uid, ask()).next_follow_up_at == FRIDAY


def test_moving_keeps_what_was_written() -> None:
    assert gate.move(new_lead(next_follow_up_at=TUESDAY), Move("contacted"), ask()).next_follow_up_at == TUESDAY
