"""What the gate refuses, and what it says about it."""

from typing import Any

import pytest

from lead_crm.errors import Invalid
from leads import gate, rules, tasks
from leads.gate import Move
from leads.record import Ask
from tests.rules.making import ALICE, BOB, CALL, LOST, VERA, against, ask, faults, flow, moved, new_lead, patch, stage
from workflow.workflow import Workflow

CALLED_FIRST = flow(stage("new", "contacted", "lost", task_templates=[CALL]))
INDUSTRY = {"field_key": "industry", "field_type": "text", "lead_types": ["sales"], "required": True}
TYPES = [{"key": "sales", "label": "Sales"}, {"key": "procurement", "label": "Procurement"}]


def only(refusals: list[dict[str, Any]]) -> dict[str, Any]:
    (refusal,) = refusals
    assert refusal["how_to_pass"]
    assert refusal["detail"]
    return refusal


def contacted(**values: Any) -> Workflow:
    return flow(stage("contacted", "won", "lost", **values))


def test_a_stage_that_does_not_follow_is_refused_and_the_way_there_is_named() -> None:
    refusal = only(against(new_lead(), "won", ask()))
    assert (refusal["code"], refusal["stage"], refusal["allowed"]) == (
        "not_allowed_from_here", "won", ["contacted", "lost"],
    )  # fmt: skip
    assert "contacted, lost" in refusal["how_to_pass"]


def test_nothing_follows_a_final_stage() -> None:
    assert only(against(moved(new_lead(), "contacted", "won"), "new", ask()))["allowed"] == []


def test_a_stage_that_is_not_there_is_bad_input_not_a_refusal() -> None:
    with pytest.raises(Invalid) as caught:
        gate.move(new_lead(), Move("nowhere"), ask())
    assert faults(caught) == [("/to_stage", "unknown_stage")]


def test_an_archived_stage_is_refused() -> None:
    assert only(against(new_lead(), "contacted", ask(contacted(archived=True))))["code"] == "stage_archived"


def test_a_required_task_must_be_completed() -> None:
    lead = new_lead(CALLED_FIRST)
    refusal = only(against(lead, "contacted", ask(CALLED_FIRST)))
    assert (refusal["code"], refusal["task"]) == ("task_open", lead.tasks[0].uid)
    assert "First call" in refusal["detail"]


def test_a_cancelled_required_task_still_blocks() -> None:
    lead = tasks.cancel((lead := new_lead(CALLED_FIRST)), lead.tasks[0].uid, None, ask(CALLED_FIRST))
    refusal = only(against(lead, "contacted", ask(CALLED_FIRST)))
    assert refusal["code"] == "task_open"
    assert "Reopen" in refusal["how_to_pass"]


def test_a_required_task_made_by_hand_blocks_too() -> None:
    lead = tasks.add(new_lead(), tasks.TaskIn(kind="visit", required=True), ask())
    assert only(against(lead, "contacted", ask()))["code"] == "task_open"


def test_an_optional_task_does_not_block() -> None:
    lead = tasks.add(new_lead(), tasks.TaskIn(kind="visit"), ask())
    assert moved(lead, "contacted").tasks[0].status == "pending"


def test_required_tasks_of_an_earlier_stage_do_not_block() -> None:
    lead = moved(new_lead(CALLED_FIRST), "contacted", workflow=CALLED_FIRST, force=True, reason="Known")
    assert moved(lead, "won", workflow=CALLED_FIRST).current_stage == "won"


@pytest.mark.parametrize("name", ["email", "tags", "value", "assigned_to", "address"])
def test_the_target_may_require_attributes(name: str) -> None:
    refusal = only(against(new_lead(), "contacted", ask(contacted(required_fields=[name]))))
    assert (refusal["code"], refusal["field"]) == ("field_missing", name)


@pytest.mark.parametrize("name", ["industry", "fields.industry"])
def test_the_target_may_require_custom_fields(name: str) -> None:
    workflow = flow(stage("contacted", "won", required_fields=[name]), variables=[INDUSTRY | {"required": False}],
                    lead_types=TYPES)  # fmt: skip
    assert only(against(new_lead(workflow, lead_type="sales"), "contacted", ask(workflow)))["code"] == "field_missing"
    passed = gate.move(new_lead(workflow, lead_type="procurement"), Move("contacted"), ask(workflow))
    assert passed.current_stage == "contacted"


def test_zero_and_false_are_filled() -> None:
    variables = [{"field_key": "n", "field_type": "integer"}, {"field_key": "b", "field_type": "boolean"}]
    workflow = flow(stage("contacted", required_fields=["n", "b"]), variables=variables)
    lead = new_lead(workflow, fields={"n": 0, "b": False})
    assert gate.move(lead, Move("contacted"), ask(workflow)).current_stage == "contacted"


def test_an_address_without_a_line_is_empty() -> None:
    workflow = contacted(required_fields=["address"])
    assert only(against(new_lead(workflow, address={}), "contacted", ask(workflow)))["field"] == "address"


def test_what_every_lead_requires_blocks_leaving_the_first_stage() -> None:
    captured = new_lead(lead_type=None)
    workflow = flow(variables=[{"field_key": "budget", "field_type": "decimal", "required": True}])
    assert only(against(captured, "contacted", ask(workflow)))["field"] == "fields.budget"
    later_on = moved(captured, "contacted")
    assert gate.move(later_on, Move("won"), ask(workflow)).current_stage == "won"


def test_only_some_roles_may_enter() -> None:
    workflow = contacted(allowed_roles=["manager"])
    refusal = only(against(new_lead(), "contacted", ask(workflow, BOB)))
    assert (refusal["code"], refusal["role"]) == ("role_not_allowed", ["manager"])
    assert "manager" in refusal["how_to_pass"]


@pytest.mark.parametrize("reason", [None, ""])
def test_losing_a_lead_needs_a_reason(reason: str | None) -> None:
    assert only(against(new_lead(), "lost", ask(), reason=reason))["code"] == "reason_required"
    assert moved(new_lead(), "lost", reason="No budget").closed_reason == "No budget"


def test_a_lead_on_hold_stays() -> None:
    lead = new_lead().model_copy(update={"status": "on_hold"})
    refusal = only(against(lead, "contacted", ask()))
    assert (refusal["code"], refusal["how_to_pass"]) == ("on_hold", "Resume it first.")
    assert rules.edit(lead, patch(company="Held"), ask()).company == "Held"


def test_an_archived_lead_stays() -> None:
    refusal = only(against(rules.archive(new_lead(), ask()), "contacted", ask()))
    assert (refusal["code"], refusal["how_to_pass"]) == ("lead_archived", "Restore it first.")


def test_who_may_not_move_leads_is_told_so() -> None:
    refusal = only(against(new_lead(), "contacted", ask(actor=VERA)))
    assert (refusal["code"], refusal["permission"]) == ("no_permission", "lead.move")


def test_a_full_stage_is_refused_with_its_limit() -> None:
    workflow = contacted(wip_limit={"max": 3})
    (refusal,) = gate.refusals(
        new_lead(), workflow.by_uid["contacted"], Move("contacted"), ask(workflow), ["contacted"]
    )
    assert (refusal["code"], refusal["limit"]) == ("wip_limit", 3)
    assert "3" in refusal["detail"]


def test_all_reasons_are_named_at_once() -> None:
    workflow = flow(
        stage("new", "contacted", task_templates=[CALL, CALL | {"uid": "second"}]),
        LOST.changed(required_fields=["email", "phone"], allowed_roles=["manager"], archived=True),
    )  # fmt: skip
    found = against(rules.archive(new_lead(workflow), ask(workflow)), "lost", ask(workflow, VERA))
    assert sorted(refusal["code"] for refusal in found) == [
        "field_missing", "field_missing", "lead_archived", "no_permission", "not_allowed_from_here", "reason_required",
        "role_not_allowed", "stage_archived", "task_open", "task_open",
    ]  # fmt: skip
    assert all(refusal["how_to_pass"] and refusal["stage"] == "lost" for refusal in found)


def test_fields_that_come_with_the_move_count() -> None:
    workflow = flow(
        stage("contacted", "won", required_fields=["industry"]),
        lead_types=TYPES,
        variables=[INDUSTRY | {"required": False}],
    )
    lead, asking = new_lead(workflow, lead_type="sales"), Ask(ALICE, workflow, ask().now)
    fields = rules.merged_fields(lead, {"industry": "fmcg"}, asking)
    assert gate.move(lead, Move("contacted"), asking, fields=fields).fields == {"industry": "fmcg"}
    assert rules.merged_fields(lead, {}, asking) is None
    with pytest.raises(Invalid):
        rules.merged_fields(lead, {"nothing": 1}, asking)
