"""The tasks of a lead: added, changed, completed, reopened, cancelled."""

from typing import Any

import pytest

from lead_crm.errors import Conflict, Invalid, NotAllowed, NotFound
from leads import tasks
from leads.documents import Lead, Task
from leads.messages import CompleteIn, TaskIn
from tests.rules.making import ALICE, BOB, VERA, ask, faults, flow, later, new_lead, person

GOOD = {"outcome": "done", "fields": {"batch": "A"}}


def with_task(kind: str = "call", **values: Any) -> tuple[Lead, str]:
    lead = tasks.add(new_lead(), TaskIn.model_validate({"kind": kind} | values), ask())
    return lead, lead.tasks[-1].uid


def completed(lead: Lead, uid: str, **body: Any) -> Lead:
    return tasks.complete(lead, uid, CompleteIn.model_validate(body), ask(at=later(hours=2)))


def refused(kind: str = "visit", **body: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        completed(*with_task(kind), **body)
    return faults(caught)


def last(lead: Lead) -> Task:
    return lead.tasks[-1]


def test_a_task_by_hand_takes_the_label_of_its_kind() -> None:
    lead, uid = with_task(assigned_to="carl", due_at="2026-12-01T10:00:00+01:00", required=True)
    task = last(lead)
    assert (task.uid, task.title, task.status) == (uid, "Call", "pending")
    assert (task.assigned_to, task.required) == ("carl", True)
    assert (task.stage, task.template, task.created_by, task.created_at) == ("new", None, "alice", later(hours=1))
    assert task.due_at
    assert task.due_at.isoformat() == "2026-12-01T09:00:00+00:00"
    assert lead.activities[-1].meta["task"] == uid
    assert last(with_task(title="Ring the bell")[0]).title == "Ring the bell"


def test_a_task_needs_a_known_kind_and_its_kinds_fields() -> None:
    for body, found in (({"kind": "rain"}, ("/kind", "not_an_option")),
                        ({"kind": "call", "fields": {"x": 1}}, ("/fields/x", "unknown_field")),
                        ({"kind": "visit", "fields": {"batch": 5}}, ("/fields/batch", "string_type"))):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            tasks.add(new_lead(), TaskIn.model_validate(body), ask())
        assert faults(caught) == [found]


def test_a_lead_has_only_so_many_tasks() -> None:
    lead, _ = with_task()
    with pytest.raises(Conflict) as caught:
        tasks.add(lead.changed(tasks=[last(lead)] * tasks.MOST), TaskIn(kind="call"), ask())
    assert caught.value.extra["code"] == "too_many_tasks"


def test_editing_changes_what_differs() -> None:
    lead, uid = with_task(title="Old")
    after = tasks.edit(lead, uid, {"title": "New", "required": False}, ask())
    assert (last(after).title, after.version, after.activities[-1].meta["fields"]) == ("New", 3, ["title"])
    assert tasks.edit(after, uid, {"title": "New"}, ask()) is after
    assert tasks.edit(after, uid, {}, ask()) is after


def test_fields_of_a_task_are_merged() -> None:
    lead, uid = with_task("visit", fields={"batch": "A"})
    assert last(tasks.edit(lead, uid, {"fields": {"batch": None}}, ask())).fields == {}
    with pytest.raises(Invalid):
        tasks.edit(lead, uid, {"fields": {"batch": 1}}, ask())


def test_completing_records_when_by_whom_and_how() -> None:
    lead = completed(*with_task("visit"), **GOOD, notes="Came early", completed_at="2026-11-19T10:00:00Z")
    task = last(lead)
    assert (task.status, task.outcome, task.notes, task.fields) == ("completed", "done", "Came early", {"batch": "A"})
    assert (task.completed_by, task.completed_at) == ("alice", later(hours=-23))
    assert lead.activities[-1].meta == {"task": task.uid, "status": "completed", "outcome": "done"}
    assert last(completed(*with_task())).completed_at == later(hours=2)


def test_completed_calls_count_and_visits_are_contacts() -> None:
    lead = completed(*with_task())
    assert (lead.call_attempts, lead.last_contacted_at) == (1, later(hours=2))
    visited = completed(*with_task("visit"), **GOOD)
    assert (visited.call_attempts, visited.last_contacted_at) == (0, later(hours=2))


@pytest.mark.parametrize(("body", "found"), [
    ({"outcome": "rain", "fields": {"batch": "A"}}, [("/outcome", "not_an_option")]),
    ({"outcome": "no_show", "fields": {"batch": "A"}}, [("/notes", "required")]),
    ({"outcome": "done"}, [("/fields/batch", "required")]),
    (GOOD | {"fields": {"x": 1}}, [("/fields/x", "unknown_field")]),
    (GOOD | {"completed_at": "2027-01-01T00:00:00Z"}, [("/completed_at", "in_the_future")]),
    ({"outcome": "no_show", "fields": {"batch": None}, "completed_at": "2027-01-01T00:00:00Z"},
     [("/completed_at", "in_the_future"), ("/fields/batch", "required"), ("/notes", "required")]),
])  # fmt: skip
def test_all_that_a_completion_lacks_is_named(body: dict[str, Any], found: list[Any]) -> None:
    assert sorted(refused(**body)) == found


def test_notes_make_an_outcome_that_asks_for_them_pass() -> None:
    lead = completed(*with_task("visit"), outcome="no_show", notes="Ill", fields={"batch": "A"})
    assert last(lead).outcome == "no_show"


def test_a_kind_without_outcomes_takes_none() -> None:
    assert refused("call", outcome="done") == [("/outcome", "not_an_option")]


def test_a_task_whose_kind_has_left_the_config_can_still_be_completed() -> None:
    lead, uid = with_task("visit", fields={"batch": "A"})
    after = tasks.complete(lead, uid, CompleteIn(), ask(flow(task_kinds=[])))
    assert (last(after).status, last(after).fields) == ("completed", {"batch": "A"})


@pytest.mark.parametrize(("actor", "kind", "may"), [
    (ALICE, "call", True), (BOB, "visit", True), (VERA, "call", False), (person("trainer"), "visit", False),
    (person("trainer"), "intro_visit", True), (person("trainer"), "call", False),
])  # fmt: skip
def test_completing_needs_the_right_to_complete_that_kind(actor: Any, kind: str, may: bool) -> None:
    workflow = flow(task_kinds=[{"key": key, "label": key} for key in ("call", "visit", "intro_visit")])
    lead = tasks.add(new_lead(workflow), TaskIn(kind=kind), ask(workflow))
    if may:
        assert last(tasks.complete(lead, last(lead).uid, CompleteIn(), ask(workflow, actor))).status == "completed"
    else:
        with pytest.raises(NotAllowed):
            tasks.complete(lead, last(lead).uid, CompleteIn(), ask(workflow, actor))


def test_repeating_what_is_done_changes_nothing() -> None:
    lead, uid = with_task()
    assert tasks.reopen(lead, uid, ask()) is lead
    done = completed(lead, uid)
    assert completed(done, uid) is done
    gone = tasks.cancel(lead, uid, "No need", ask())
    assert tasks.cancel(gone, uid, None, ask()) is gone


CALLS = [{"key": "call", "label": "Call", "fields": [{"field_key": "line", "field_type": "text"}]}]
TOLD = [
    {"key": "visit", "label": "Visit", "outcome_required": True, "outcomes": [{"key": "done", "label": "Done"}]},
    {"key": "usual", "label": "Usual", "outcome_required": True,
     "outcomes": [{"key": "done", "label": "Done", "default": True}]},
]  # fmt: skip


@pytest.mark.parametrize(("more", "same"), [
    ({}, True), ({"fields": {"line": "busy"}}, True), ({"completed_at": "2026-11-19T10:00:00+01:00"}, True),
    ({"notes": "Loud"}, True), ({"notes": ""}, True), ({"fields": {}}, True),
    ({"fields": {"line": "free"}}, False), ({"fields": {"line": None}}, False), ({"fields": {"nope": 1}}, False),
    ({"completed_at": "2026-11-19T09:00:01Z"}, False), ({"notes": "Quiet"}, False), ({"outcome": "done"}, False),
])  # fmt: skip
def test_a_repeated_completion_drops_nothing_in_silence(more: dict[str, Any], same: bool) -> None:
    workflow = flow(task_kinds=CALLS)
    lead = tasks.add(new_lead(workflow), TaskIn(kind="call"), ask(workflow))
    uid = last(lead).uid
    body = {"fields": {"line": "busy"}, "completed_at": "2026-11-19T09:00:00Z", "notes": "Loud"}
    done = tasks.complete(lead, uid, CompleteIn.model_validate(body), ask(workflow, at=later(hours=2)))
    if same:
        assert tasks.complete(done, uid, CompleteIn.model_validate(more), ask(workflow, at=later(hours=3))) is done
    else:
        with pytest.raises(tasks.TaskClosed):
            tasks.complete(done, uid, CompleteIn.model_validate(more), ask(workflow, at=later(hours=3)))


def test_an_outcome_that_must_be_told_is_missed_unless_one_is_usual() -> None:
    workflow = flow(task_kinds=TOLD)
    lead = tasks.add(new_lead(workflow), TaskIn(kind="visit"), ask(workflow))
    with pytest.raises(Invalid) as caught:
        tasks.complete(lead, last(lead).uid, CompleteIn(), ask(workflow))
    assert faults(caught) == [("/outcome", "required")]
    lead = tasks.add(lead, TaskIn(kind="usual"), ask(workflow))
    assert last(tasks.complete(lead, last(lead).uid, CompleteIn(), ask(workflow))).outcome == "done"


def test_a_call_that_is_reopened_is_no_attempt() -> None:
    lead, uid = with_task()
    done = completed(lead, uid)
    back = tasks.reopen(done, uid, ask(at=later(hours=3)))
    assert [one.call_attempts for one in (lead, done, back, completed(back, uid))] == [0, 1, 0, 1]
    never = done.model_copy(update={"call_attempts": 0})
    assert tasks.reopen(never, uid, ask(at=later(hours=3))).call_attempts == 0


@pytest.mark.parametrize("close", [
    lambda lead, uid: tasks.cancel(lead, uid, None, ask()),
    lambda lead, uid: completed(lead.changed(tasks=[last(lead).changed(kind="visit")]), uid, **GOOD),
], ids=["a cancelled call", "a visit"])  # fmt: skip
def test_what_was_no_call_takes_no_attempt_back(close: Any) -> None:
    lead, uid = with_task()
    closed = close(lead.model_copy(update={"call_attempts": 2}), uid)
    assert tasks.reopen(closed, uid, ask(at=later(hours=3))).call_attempts == 2


def test_a_reopened_task_is_pending_again_without_its_outcome() -> None:
    lead = completed(*with_task("visit"), **GOOD)
    task = last(tasks.reopen(lead, last(lead).uid, ask(at=later(hours=3))))
    assert (task.status, task.outcome, task.completed_at, task.completed_by) == ("pending", None, None, None)


def test_a_cancelled_task_keeps_its_notes_and_can_be_reopened() -> None:
    lead, uid = with_task()
    gone = tasks.cancel(lead, uid, "No need", ask())
    assert (last(gone).status, last(gone).notes) == ("cancelled", "No need")
    assert last(tasks.reopen(gone, uid, ask())).status == "pending"


def test_a_closed_task_has_to_be_reopened_first() -> None:
    lead, uid = with_task()
    done, gone = completed(lead, uid), tasks.cancel(lead, uid, None, ask())
    for forbidden in (lambda: completed(gone, uid), lambda: tasks.cancel(done, uid, None, ask()),
                      lambda: tasks.edit(done, uid, {"title": "x"}, ask())):  # fmt: skip
        with pytest.raises(tasks.TaskClosed):
            forbidden()


def test_a_task_of_another_lead_is_not_found() -> None:
    for attempt in (lambda lead: completed(lead, "nope"), lambda lead: tasks.edit(lead, "nope", {}, ask()),
                    lambda lead: tasks.cancel(lead, "nope", None, ask()),
                    lambda lead: tasks.reopen(lead, "nope", ask())):  # fmt: skip
        with pytest.raises(NotFound):
            attempt(new_lead())
