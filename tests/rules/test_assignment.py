"""Which rule decides, and which rules are refused."""

from typing import Any

import pytest

from lead_crm.errors import Conflict, Invalid, NotAllowed
from leads import assignment, gate, rules
from leads.assignment import Picked, Wanted
from leads.gate import Move
from leads.record import Ask
from tests.rules.making import ALICE, BOB, CALL, SOON, ask, faults, flow, later, new_lead, stage
from workflow import rules as workflow_rules
from workflow.workflow import Workflow

NAMES = ("source", "referral", "website", "other")
SETTINGS: dict[str, Any] = {
    "sources": [
        {"key": "website", "label": "W"}, {"key": "referral", "label": "R"},
        {"key": "mandi", "label": "M", "lead_types": ["procurement"]},
    ],
    "lead_types": [{"key": "sales", "label": "S"}, {"key": "procurement", "label": "P"}],
    "roles": [{"key": "helper", "label": "H", "permissions": ["lead.view"], "scope": "tasks"},
              {"key": "seller", "label": "S", "permissions": ["lead.view"], "scope": "own"}],
}  # fmt: skip


def deals(pool: Any = ("zoe",), mode: str = "round_robin", **conditions: Any) -> dict[str, Any]:
    return {"mode": mode, "pool": list(pool), **conditions}


def dealing(*deal: dict[str, Any], general: dict[str, Any] | None = None, stages: Any = ()) -> Workflow:
    return flow(*stages, **SETTINGS, assignment=(general or {}) | {"rules": list(deal)})


def chosen(workflow: Workflow, to: str = "new", *, moving: bool = False, **lead: Any) -> str | None:
    values = {"center": "north", "source": None, "lead_type": None} | lead
    found = assignment.wanted(values, workflow.stage(to), workflow, moving=moving)
    return None if found is None else str(found.pool[0])


class TestTheFirstRuleThatFits:
    WORKFLOW = dealing(
        deals(["a"], source=["referral"], center=["north"]),
        deals(["b"], source=["referral", "website"]),
        deals(["c"], lead_type=["procurement"]),
        deals(["d"], stage=["won"]),
        deals(["e"], stage=["new"], center=["east"]),
        general=deals(["all"]),
        stages=[stage("contacted", "won", "lost", auto_assign="zoe")],
    )

    @pytest.mark.parametrize(("lead", "who"), [
        ({"source": "referral"}, "a"), ({"source": "referral", "center": "south"}, "b"), ({"source": "website"}, "b"),
        ({"lead_type": "procurement"}, "c"), ({}, "all"), ({"center": "east"}, "e"),
    ])  # fmt: skip
    def test_decides_for_new_leads(self, lead: dict[str, Any], who: str) -> None:
        assert chosen(self.WORKFLOW, **lead) == who

    @pytest.mark.parametrize(("to", "who"), [("contacted", "zoe"), ("won", "d"), ("lost", None)])
    def test_on_a_move_only_those_for_that_stage_count(self, to: str, who: str | None) -> None:
        assert chosen(self.WORKFLOW, to, moving=True) == who

    def test_may_say_by_hand(self) -> None:
        workflow = dealing(deals([], "by_hand", source=["referral"]), general=deals(["all"]))
        assert [chosen(workflow, source=source) for source in ("referral", "website")] == [None, "all"]


def named(**conditions: Any) -> Wanted:
    workflow = flow(assignment={"rules": [deals(**conditions)]})
    lead = dict.fromkeys(("source", "lead_type")) | {"center": "north"}
    lead |= {name: values[0] for name, values in conditions.items()}
    found = assignment.wanted(lead, workflow.stage("new"), workflow, moving=False)
    assert found is not None
    return found


def test_a_rule_is_known_by_its_conditions_in_whatever_order() -> None:
    one, other = named(source=["b", "a"], center=["north"]), named(center=["north"], source=["a", "b"])
    assert (one.key, one.name) == (other.key, other.name)
    assert one.name == "the rule for source a or b, centre north"


def test_of_many_conditions_only_some_are_told() -> None:
    many, more = named(source=list("abcde")), named(source=list("abcdef"))
    assert many.name == "the rule for source a or b or c or 2 more"
    assert many.key != more.key


@pytest.mark.parametrize(("wrong", "where"), [
    (deals(source=["moon"]), ("/source/0", "unknown_source")),
    (deals(lead_type=["sales", "moon"]), ("/lead_type/1", "unknown_lead_type")),
    (deals(stage=["new", "moon"]), ("/stage/1", "unknown_stage")),
    (deals([{"role": "moon"}], center=["x"]), ("/pool/0/role", "unknown_role")),
    (deals(["zoe", {"role": "trainer"}], center=["x"]), ("/pool/1/role", "sees_no_leads")),
    (deals([{"role": "helper"}], center=["x"]), ("/pool/0/role", "sees_no_leads")),
    (deals([{"role": "integration"}], center=["x"]), ("/pool/0/role", "sees_no_leads")),
    (deals([], center=["x"]), ("/pool", "empty_pool")),
    (deals([], "least_loaded", center=["x"]), ("/pool", "empty_pool")),
    (deals(), ("", "no_condition")),
    (deals(source=["mandi"], lead_type=["sales"]), ("/lead_type", "never_applies")),
])  # fmt: skip
def test_a_rule_that_does_not_fit_the_workflow_is_refused(wrong: dict[str, Any], where: tuple[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        dealing(deals(source=["website"]), wrong)
    assert faults(refused) == [(f"/assignment/rules/1{where[0]}", where[1])]


@pytest.mark.parametrize(("first", "second", "hidden"), [
    ({"source": ["website", "referral"]}, {"source": ["website"]}, True),
    ({"source": ["website"]}, {"source": ["website"], "center": ["x"]}, True),
    ({"stage": ["new", "won"]}, {"stage": ["won"], "center": ["x"]}, True),
    ({"source": ["website"]}, {"source": ["website", "referral"]}, False),
    ({"source": ["website"]}, {"center": ["x"]}, False),
    ({"source": ["website"]}, {"source": ["website"], "stage": ["won"]}, False),
    ({"source": ["website"], "stage": ["new"]}, {"source": ["website"]}, False),
])  # fmt: skip
def test_a_rule_that_another_leaves_nothing_is_refused(first: Any, second: Any, hidden: bool) -> None:
    found: list[tuple[str, str]] = []
    try:
        dealing(deals(**first), deals(**second))
    except Invalid as refused:
        found = [(fault.pointer, fault.code) for fault in refused.faults]
    assert found == ([("/assignment/rules/1", "never_applies")] if hidden else [])


def test_roles_of_the_config_may_stand_in_a_pool_and_must_stay_while_they_do() -> None:
    workflow = dealing(general=deals([{"role": "seller"}]))
    with pytest.raises(Invalid) as refused:
        workflow_rules.configure(workflow, {"roles": []}, now=later())
    assert faults(refused) == [("/assignment/pool/0/role", "unknown_role")]


def test_a_stage_s_pool_is_checked_too() -> None:
    with pytest.raises(Invalid) as refused:
        flow(stage("contacted", auto_assign=deals([{"role": "moon"}])), stage("new", auto_assign=deals([])))
    assert faults(refused) == [
        ("/stages/new/auto_assign/pool", "empty_pool"), ("/stages/contacted/auto_assign/pool/0/role", "unknown_role")
    ]  # fmt: skip


def test_of_a_dropped_stage_no_rule_is_left() -> None:
    workflow = dealing(
        deals(stage=["won", "won"]), deals(stage=["won", "lost"], source=["website"]), deals(center=["x"])
    )
    after = workflow_rules.drop_stage(workflow, "won", now=later())
    assert [rule.stage for rule in after.config.assignment.rules] == [["lost"], []]


def asking(workflow: Workflow, *answers: Picked | None, actor: Any = ALICE) -> tuple[Ask, list[str]]:
    """Who is asked for, under which rules, and what is answered."""
    left, asked = iter(answers), []

    def pick(wanted: Wanted) -> Picked | None:
        asked.append(wanted.key)
        return next(left)

    return Ask(actor, workflow, SOON, pick=pick), asked


class TestEntering:
    WORKFLOW = flow(stage("contacted", "won", auto_assign=deals(["a", "b"]), task_templates=[CALL]))

    def test_asks_for_somebody_and_gives_them_the_lead_and_its_tasks(self) -> None:
        asking_, asked = asking(self.WORKFLOW, Picked("b", "Because."))
        lead = gate.move(new_lead(self.WORKFLOW), Move("contacted"), asking_)
        assert (lead.assigned_to, lead.tasks[0].assigned_to, asked) == (["b"], "b", ["stage/contacted@north"])
        said = lead.activities[-1]
        assert (said.kind, said.body) == ("assignment", "Because.")
        assert said.meta == {"old": [], "new": ["b"], "rule": "the stage Contacted"}

    def test_says_why_nobody_got_it(self) -> None:
        lead = gate.move(new_lead(self.WORKFLOW), Move("contacted"), asking(self.WORKFLOW, Picked(None, "Nobody."))[0])
        assert (lead.assigned_to, lead.activities[-1].body) == ([], "Nobody.")

    def test_asks_nobody_for_a_lead_that_somebody_holds(self) -> None:
        asking_, asked = asking(self.WORKFLOW)
        gate.move(new_lead(self.WORKFLOW, assigned_to=["owen"]), Move("contacted"), asking_)
        assert asked == []

    def test_asks_nobody_where_the_move_is_refused(self) -> None:
        asking_, asked = asking(self.WORKFLOW)
        lead = gate.move(new_lead(self.WORKFLOW), Move("lost", reason="x"), ask(self.WORKFLOW))
        assert gate.refusals(lead, self.WORKFLOW.by_uid["contacted"], Move("contacted"), asking_) != []
        assert asked == []

    def test_without_an_answer_it_goes_on_with_nobody(self) -> None:
        lead = gate.move(new_lead(self.WORKFLOW), Move("contacted"), ask(self.WORKFLOW))
        assert (lead.assigned_to, [line.kind for line in lead.activities]) == ([], ["system", "stage_change"])


class TestDealing:
    WORKFLOW = flow(assignment=deals(["a", "b"]))

    def test_needs_lead_assign(self) -> None:
        with pytest.raises(NotAllowed):
            rules.deal(new_lead(self.WORKFLOW), asking(self.WORKFLOW, actor=BOB)[0])

    def test_gives_a_lead_as_if_it_were_new(self) -> None:
        lead = rules.deal(new_lead(self.WORKFLOW), asking(self.WORKFLOW, Picked("b", "Because."))[0])
        assert (lead.assigned_to, lead.version, lead.activities[-1].meta["rule"]) == (
            ["b"],
            2,
            "the rule for all leads",
        )

    @pytest.mark.parametrize("code", ["no_rule", "nobody_there", "lead_archived"])
    def test_is_refused_where_it_can_give_it_to_nobody(self, code: str) -> None:
        lead, workflow = new_lead(self.WORKFLOW), flow() if code == "no_rule" else self.WORKFLOW
        if code == "lead_archived":
            lead = rules.archive(lead, ask())
        with pytest.raises(Conflict) as refused:
            rules.deal(lead, asking(workflow, Picked(None, "Nobody."))[0])
        assert refused.value.code == code
