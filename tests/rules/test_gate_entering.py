"""What happens when a lead leaves one stage and enters the next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lead_crm.access import Person
from leads import gate, rules
from leads.gate import Move
from leads.messages import LeadIn
from tests.rules.making import CALL, NOW, WON, ask, flow, later, moved, new_lead, person, stage

TEMPLATES = [
    CALL | {"uid": "a", "due_in_days": 2}, CALL | {"uid": "b", "assignee": "role:manager", "required": False},
    CALL | {"uid": "c", "assignee": "user:carl", "due_in_days": 0},
]  # fmt: skip
MAKES_TASKS = flow(stage("contacted", "new", "won", task_templates=TEMPLATES))


def test_the_old_stage_is_left_before_the_new_one_is_entered() -> None:
    lead = gate.move(new_lead(), Move("contacted", note="Called"), ask(actor=person(uid="bea"), at=later(hours=2)))
    left, entered = lead.history
    assert (left.stage, left.entered_at, left.left_at, left.duration_seconds) == ("new", NOW, later(hours=2), 7200)
    assert (entered.stage, entered.entered_at, entered.left_at) == ("contacted", later(hours=2), None)
    assert (left.by, entered.by, entered.note, entered.workflow_version) == ("alice", "bea", "Called", 7)
    assert (lead.current_stage, lead.stage_entered_at) == ("contacted", later(hours=2))


def test_a_move_is_one_version_and_one_line_of_the_timeline() -> None:
    before = new_lead()
    lead = gate.move(before, Move("contacted", note="Called"), ask(flow(version=9)))
    assert (lead.version, lead.workflow_version, lead.updated_by) == (before.version + 1, 9, "alice")
    assert [a.kind for a in lead.activities[len(before.activities) :]] == ["stage_change"]
    assert lead.activities[-1].body == "Called"
    assert lead.activities[-1].meta == {"from": "new", "to": "contacted"}


def test_tasks_are_made_from_the_templates_with_due_times_and_people() -> None:
    lead = moved(new_lead(assigned_to=["owen", "olga"]), "contacted", workflow=MAKES_TASKS)
    entered = lead.stage_entered_at
    assert [(t.template, t.assigned_to, t.assigned_role, t.due_at, t.required) for t in lead.tasks] == [
        ("a", "owen", None, entered + timedelta(days=2), True), ("b", None, "manager", None, False),
        ("c", "carl", None, entered, True),
    ]  # fmt: skip
    assert {(t.stage, t.status, t.kind, t.title) for t in lead.tasks} == {
        ("contacted", "pending", "call", "First call")
    }
    assert lead.next_follow_up_at == entered


CARL = {uid: Person("carl", "Carl", (uid,), everywhere=False) for uid in ("north", "south")}


@pytest.mark.parametrize(("there", "whose"), [
    ({}, None), ({"carl": CARL["south"]}, None), ({"carl": CARL["north"]}, "carl"),
], ids=["left", "elsewhere", "there"])  # fmt: skip
def test_a_task_for_somebody_who_is_not_there_is_made_for_nobody(there: dict[str, Person], whose: str | None) -> None:
    workflow = flow(
        stage("new", "contacted", task_templates=[CALL | {"assignee": "user:carl"}]),
        stage("contacted", "won", task_templates=TEMPLATES),
    )
    created = rules.create(LeadIn(name="Ada"), replace(ask(workflow, at=NOW), people=there))
    wish = Move("contacted", force=True, reason="Known")
    entered = gate.move(created, wish, replace(ask(workflow), people=there))
    made = [(t.title, t.assigned_to) for t in entered.tasks if t.template in ("first", "c")]
    assert made == [("First call", whose)] * 2
    assert all(task.status == "pending" and task.assigned_role in (None, "manager") for task in entered.tasks)


def test_a_workflow_knows_whom_its_stages_name() -> None:
    named = [CALL | {"uid": uid, "assignee": f"user:{uid}"} for uid in ("zoe", "carl")]
    gone = stage("gone", archived=True, task_templates=[CALL | {"assignee": "user:gus"}])
    assert flow(stage("contacted", task_templates=[*named, *TEMPLATES[:2]]), gone).named == ("carl", "zoe")
    assert flow().named == ()


def test_entering_again_makes_the_tasks_anew() -> None:
    lead = moved(new_lead(), "contacted", "new", "contacted", workflow=MAKES_TASKS, force=True, reason="Again")
    assert [task.template for task in lead.tasks] == ["a", "b", "c"] * 2
    assert len({task.uid for task in lead.tasks}) == 6
    codes = [r["task"] for r in gate.refusals(lead, WON, Move("won"), ask(MAKES_TASKS, at=later(hours=4)))]
    assert codes == [lead.tasks[3].uid, lead.tasks[5].uid]


@pytest.mark.parametrize(("to", "status"), [("contacted", "open"), ("won", "won"), ("lost", "lost")])
def test_the_status_follows_from_the_stage(to: str, status: str) -> None:
    lead = moved(new_lead(), to, force=True, reason="Because")
    closed = later(hours=1) if status != "open" else None
    assert (lead.status, lead.closed_at) == (status, closed)
    assert lead.closed_reason == ("Because" if status == "lost" else None)
    assert lead.converted_at == (closed if status == "won" else None)
    assert ("status_change" in [a.kind for a in lead.activities]) == (status != "open")


def test_a_lead_that_comes_back_is_open_again() -> None:
    lead = moved(new_lead(), "lost", "contacted", force=True, reason="Second thoughts")
    assert (lead.status, lead.closed_at, lead.closed_reason, lead.converted_at) == ("open", None, None, None)


@pytest.mark.parametrize(("holders", "after"), [([], ["zoe"]), (["owen"], ["owen"])])
def test_a_stage_assigns_only_leads_that_nobody_holds(holders: list[str], after: list[str]) -> None:
    workflow = flow(stage("contacted", auto_assign="zoe", task_templates=[CALL]))
    lead = moved(new_lead(assigned_to=holders), "contacted", workflow=workflow)
    assert (lead.assigned_to, lead.tasks[0].assigned_to) == (after, after[0])


def test_a_stage_may_know_how_likely_it_is() -> None:
    workflow = flow(stage("contacted", "won", probability=0.0))
    lead = moved(new_lead(conversion_probability=0.7), "contacted", workflow=workflow)
    assert lead.conversion_probability == 0.0
    assert moved(lead, "won", workflow=workflow).conversion_probability == 0.0


def test_the_card_stands_on_top_or_at_the_bottom_or_where_it_was_dropped() -> None:
    top, bottom = (moved(new_lead(), "contacted", position=place).rank for place in ("top", "bottom"))
    assert top < bottom
    assert moved(new_lead(), "contacted", rank="n5").rank == "n5"


def test_moving_to_the_same_stage_changes_nothing() -> None:
    lead = new_lead()
    assert gate.move(lead, Move("new", note="Again", reason="No reason"), ask()) is lead
    archived = rules.archive(lead, ask())
    assert gate.move(archived, Move("new"), ask()) is archived


def test_dropping_inside_a_column_only_reorders() -> None:
    lead = new_lead()
    after = gate.move(lead, Move("new", rank="n5"), ask())
    assert (after.rank, after.version) == ("n5", 2)
    assert after.model_copy(update={"rank": lead.rank}).history == lead.history
    assert [change["pointer"] for change in after.changes[-1].changes] == ["/rank"]
    assert (after.activities, after.tasks, after.stage_entered_at) == (lead.activities, lead.tasks, NOW)
