"""Force skips guards, not rights and not what a lead is; and it is remembered."""

from typing import Any

import pytest

from lead_crm.errors import Invalid, NotAllowed
from leads import gate, rules
from leads.gate import Move
from tests.rules.making import ALICE, BOB, CALL, against, ask, faults, flow, new_lead, person, stage

GUARDED = flow(
    stage("new", "contacted", task_templates=[CALL]),
    stage("won", kind="won", allowed_roles=["manager"], required_fields=["email"]),
)


def test_force_skips_every_guard_and_is_marked_in_history_and_timeline() -> None:
    lead = gate.move(new_lead(GUARDED), Move("won", force=True, reason="Paid by phone"), ask(GUARDED))
    last, said = lead.history[-1], next(a for a in lead.activities if a.kind == "stage_change")
    assert (lead.status, last.forced, last.reason, last.by) == ("won", True, "Paid by phone", "alice")
    assert (said.meta["forced"], said.meta["reason"]) == (True, "Paid by phone")


def test_a_move_without_force_is_not_marked() -> None:
    lead = gate.move(new_lead(), Move("contacted"), ask())
    assert not any(entry.forced for entry in lead.history)
    assert all("forced" not in activity.meta for activity in lead.activities)


@pytest.mark.parametrize("role", ["manager", "agent", "counsellor"])
def test_force_needs_its_permission_even_where_no_guard_stands(role: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        gate.move(new_lead(), Move("contacted", force=True, reason="Because"), ask(actor=person(role)))
    assert caught.value.extra == {"permission": "lead.force"}


def test_force_needs_a_reason() -> None:
    with pytest.raises(Invalid) as caught:
        gate.move(new_lead(), Move("contacted", force=True), ask())
    assert faults(caught) == [("/reason", "required")]


@pytest.mark.parametrize(("values", "code"), [
    ({"status": "archived"}, "lead_archived"), ({"status": "on_hold"}, "on_hold"),
])  # fmt: skip
def test_no_force_moves_a_lead_that_is_put_away(values: dict[str, Any], code: str) -> None:
    lead = new_lead().model_copy(update=values)
    assert [r["code"] for r in against(lead, "won", ask(), force=True, reason="Now")] == [code]


def test_no_force_enters_an_archived_stage() -> None:
    workflow = flow(stage("won", kind="won", archived=True))
    assert [r["code"] for r in against(new_lead(), "won", ask(workflow), force=True, reason="Now")] == [
        "stage_archived"
    ]


def test_a_deleted_stage_is_left_whatever_the_lead_is() -> None:
    lead = rules.archive(new_lead(), ask())
    out = gate.evacuate(lead, Move("won", reason="The stage was deleted.", force=True), ask())
    assert (out.status, out.current_stage, out.history[-1].forced) == ("archived", "won", True)
    assert rules.restore(out, ask()).status == "won"


def test_both_lead_force_and_lead_move_are_needed() -> None:
    assert not BOB.may("lead.force")
    assert ALICE.may("lead.force")
