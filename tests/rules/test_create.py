"""A new lead: what it begins with, and all that can be wrong with it, at once."""

from typing import Any

import pytest

from lead_crm.errors import Invalid, NotAllowed
from leads.messages import LeadIn
from leads.rules import create
from tests.rules.making import ALICE, BOB, CALL, FLOW, NOW, ask, faults, flow, new_lead, person, pointed, stage
from workflow.rules import NotSetUp
from workflow.workflow import Workflow

BUDGET = {"field_key": "budget", "field_type": "decimal", "required": True, "min": "0"}
INDUSTRY = {"field_key": "industry", "field_type": "text", "required": True, "lead_types": ["sales"]}
TRADE = flow(
    lead_types=[{"key": "sales", "label": "Sales"}, {"key": "procurement", "label": "Procurement"}],
    sources=[{"key": "web", "label": "Web"}, {"key": "b2b", "label": "B2B", "lead_types": ["sales"]}],
    priorities=[{"key": "low", "label": "Low"}, {"key": "medium", "label": "Medium", "default": True}],
    tags=["hot", "cold"], variables=[BUDGET, INDUSTRY],
)  # fmt: skip


def refused(workflow: Workflow, actor: Any = ALICE, **values: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        create(LeadIn.model_validate({"name": "Ada"} | values), ask(workflow, actor))
    return faults(caught)


def test_a_new_lead_stands_on_top_of_the_first_open_stage_with_a_history() -> None:
    lead = new_lead(flow(stage("before", kind="lost", order=0), stage("gone", order=0, archived=True)))
    assert (lead.current_stage, lead.status, lead.version, lead.stage_entered_at) == ("new", "open", 1, NOW)
    assert [(h.stage, h.entered_at, h.left_at, h.by, h.workflow_version) for h in lead.history] == [
        ("new", NOW, None, "alice", 7)
    ]
    assert {lead.created_at, lead.updated_at} == {NOW}
    assert {lead.created_by, lead.updated_by} == {"alice"}
    assert [a.kind for a in lead.activities] == ["system"]


def test_defaults_are_filled_in() -> None:
    workflow = flow(
        priorities=[{"key": "low", "label": "Low"}, {"key": "medium", "label": "Medium", "default": True}],
        variables=[{"field_key": "budget", "field_type": "decimal", "default": "5.0", "required": True}],
    )  # fmt: skip
    lead = new_lead(workflow)
    assert (lead.priority, lead.fields, lead.score, lead.call_attempts) == ("medium", {"budget": "5.0"}, 50, 0)
    assert new_lead(workflow, priority="low").priority == "low"
    assert new_lead().priority is None


def test_the_first_stage_gives_its_tasks_and_its_holder() -> None:
    lead = new_lead(flow(stage("new", "contacted", task_templates=[CALL], auto_assign="zoe")))
    assert (lead.assigned_to, [t.assigned_to for t in lead.tasks]) == (["zoe"], ["zoe"])


@pytest.mark.parametrize("nobody", [[], None], ids=["empty", "null"])
def test_nobody_named_on_purpose_means_nobody(nobody: Any) -> None:
    workflow = flow(stage("new", "contacted", task_templates=[CALL], auto_assign="zoe"))
    lead = new_lead(workflow, assigned_to=nobody)
    assert (lead.assigned_to, [t.assigned_to for t in lead.tasks], len(lead.activities)) == ([], [None], 1)
    assert new_lead(workflow, BOB, assigned_to=nobody).assigned_to == []


@pytest.mark.parametrize(("given", "name"), [
    ({"first_name": "Ada", "last_name": "Lovelace"}, "Ada Lovelace"), ({"last_name": "Lovelace"}, "Lovelace"),
    ({"name": "The Countess", "first_name": "Ada"}, "The Countess"),
])  # fmt: skip
def test_the_name_is_given_or_joined(given: dict[str, str], name: str) -> None:
    assert create(LeadIn.model_validate(given), ask()).name == name


def test_someone_has_to_have_a_name() -> None:
    found = refused(FLOW, ALICE, name=None, email="ada@example.com")
    assert ("/name", "required") in found


def test_every_fault_is_named_at_once() -> None:
    found = refused(
        TRADE, person(centers=("north", "south")), lead_type="sales", source="fax", priority="urgent",
        tags=["hot", "tepid"], fields={"budget": "-1", "nothing": 1},
    )  # fmt: skip
    assert sorted(found) == [
        ("/center", "required"), ("/fields/budget", "greater_than_equal"), ("/fields/industry", "required"),
        ("/fields/nothing", "unknown_field"), ("/priority", "not_an_option"), ("/source", "not_an_option"),
        ("/tags/1", "not_an_option"),
    ]  # fmt: skip


@pytest.mark.parametrize(("values", "found"), [
    ({"fields": {"budget": "1"}, "lead_type": "rental"}, [("/lead_type", "not_an_option")]),
    ({"fields": {"budget": "1"}, "lead_type": "procurement", "source": "b2b"}, [("/source", "not_applicable")]),
    ({"fields": {"budget": "1"}, "source": "b2b"}, [("/source", "not_applicable")]),
    ({"fields": {"budget": "1", "industry": "fmcg"}, "lead_type": "procurement"},
     [("/fields/industry", "not_applicable")]),
    ({"fields": {"budget": None}}, [("/fields/budget", "required")]),
    ({"fields": {}}, [("/fields/budget", "required")]),
])  # fmt: skip
def test_choices_and_fields_belong_to_lead_types(values: dict[str, Any], found: list[Any]) -> None:
    assert refused(TRADE, **values) == found


def test_without_configured_choices_any_will_do() -> None:
    lead = new_lead(source="anything", priority="whenever", lead_type="some", tags=["odd"])
    assert (lead.source, lead.tags) == ("anything", ["odd"])


def test_the_centre_is_the_only_one_or_has_to_be_said() -> None:
    both = person(centers=("north", "south"))
    assert new_lead(actor=ALICE).center == "north"
    assert new_lead(actor=both, center="south").center == "south"
    assert refused(FLOW, both) == [("/center", "required")]
    assert (
        refused(FLOW, ALICE, center="south")
        == refused(FLOW, ALICE, center="nowhere")
        == [("/center", "unknown_center")]
    )


def test_giving_a_new_lead_to_others_needs_the_right_to_assign() -> None:
    assert new_lead(actor=BOB, assigned_to=["bob"]).assigned_to == ["bob"]
    assert new_lead(actor=ALICE, assigned_to=["bob"]).assigned_to == ["bob"]
    for people in (["alice"], ["bob", "alice"]):
        with pytest.raises(NotAllowed):
            new_lead(actor=BOB, assigned_to=people)


def test_without_an_open_stage_nothing_can_begin() -> None:
    with pytest.raises(NotSetUp):
        create(LeadIn(name="Ada"), ask(flow(stage("new", archived=True), stage("contacted", archived=True))))


def test_a_repeated_post_is_known_again() -> None:
    lead = create(LeadIn(name="Ada"), ask(once="key-1"))
    assert [done.once for done in lead.done] == ["key-1"]


def test_no_fault_repeats_another() -> None:
    with pytest.raises(Invalid) as caught:
        create(LeadIn(name="Ada", fields={"budget": "x"}), ask(TRADE))
    assert len(pointed(caught.value.faults)) == len(set(pointed(caught.value.faults))) == 1
