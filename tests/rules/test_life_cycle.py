"""Converted, closed, reopened, on hold and resumed: all through the gate."""

from typing import Any

import pytest

from lead_crm.errors import Conflict, Invalid, Refused
from leads import gate, life, rules
from leads.documents import Lead
from leads.gate import Move
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from tests.rules.making import CALL, FLOW, NEW, WON, against, ask, faults, flow, later, moved, new_lead, patch, stage
from workflow.workflow import Workflow

CONTACTED = moved(new_lead(), "contacted")


def converted(lead: Lead = CONTACTED, workflow: Workflow = FLOW, **body: Any) -> Lead:
    asked = ConvertIn.model_validate({"reference": "ENR-7"} | body)
    return life.convert(lead, asked, ask(workflow, at=later(hours=5)))


def closed(lead: Lead = CONTACTED, workflow: Workflow = FLOW, **body: Any) -> Lead:
    return life.close(lead, CloseIn.model_validate({"reason": "Too far"} | body), ask(workflow, at=later(hours=5)))


def reopened(lead: Lead, workflow: Workflow = FLOW) -> Lead:
    return life.reopen(lead, "She called again", ask(workflow, at=later(hours=6)))


def test_converting_moves_to_the_won_stage_with_reference_and_date() -> None:
    lead = converted(note="Half year", converted_at="2026-11-20T10:00:00Z")
    assert (lead.current_stage, lead.status, lead.version) == ("won", "won", CONTACTED.version + 1)
    assert lead.conversion
    assert (lead.conversion.reference, lead.conversion.note) == ("ENR-7", "Half year")
    assert lead.converted_at == later(hours=1)


def test_converting_is_moving_and_the_gate_may_refuse() -> None:
    with pytest.raises(Refused) as caught:
        converted(new_lead())
    assert [r["code"] for r in caught.value.extra["refusals"]] == ["not_allowed_from_here"]


def test_a_card_dragged_to_won_gets_its_reference_afterwards() -> None:
    won = moved(CONTACTED, "won")
    lead = converted(won)
    assert (lead.current_stage, lead.conversion is not None, len(lead.history)) == ("won", True, len(won.history))


def test_nothing_is_converted_twice_or_in_the_future() -> None:
    with pytest.raises(Conflict) as caught:
        converted(converted())
    assert caught.value.extra["code"] == "already_converted"
    with pytest.raises(Invalid) as early:
        converted(converted_at="2030-01-01T00:00:00Z")
    assert faults(early) == [("/converted_at", "in_the_future")]


BY_REFERENCE = flow(stage("won", kind="won", required_fields=["conversion.reference"]))


class TestAStageThatStandsForAConversion:
    def test_is_entered_with_a_reference_only(self) -> None:
        refusal, *others = against(CONTACTED, "won", ask(BY_REFERENCE, at=later(hours=5)))
        assert (refusal["code"], refusal["field"], others) == ("field_missing", "conversion.reference", [])
        assert "/api/leads/LEAD-1/convert/" in refusal["how_to_pass"]
        lead = converted(workflow=BY_REFERENCE)
        assert (lead.current_stage, lead.conversion and lead.conversion.reference) == ("won", "ENR-7")

    def test_says_so_beforehand(self) -> None:
        (verdict,) = (one for one in gate.moves(CONTACTED, ask(BY_REFERENCE), ()) if one["stage"] == "won")
        assert [one["field"] for one in verdict["refusals"]] == ["conversion.reference"]

    def test_can_be_forced_and_gets_its_reference_afterwards(self) -> None:
        lead = moved(CONTACTED, "won", workflow=BY_REFERENCE, force=True, reason="The paper follows")
        assert (lead.status, lead.conversion) == ("won", None)
        assert converted(lead, BY_REFERENCE).conversion is not None

    def test_asks_again_once_the_lead_was_reopened(self) -> None:
        again = reopened(converted(workflow=BY_REFERENCE), BY_REFERENCE)
        (refusal,) = against(again, "won", ask(BY_REFERENCE, at=later(hours=7)))
        assert refusal["field"] == "conversion.reference"
        new = life.convert(again, ConvertIn(reference="ENR-8"), ask(BY_REFERENCE, at=later(hours=7)))
        assert (new.current_stage, new.conversion and new.conversion.reference) == ("won", "ENR-8")

    def test_takes_a_lead_that_was_converted_into_another(self) -> None:
        workflow = flow(WON.changed(allowed_next_stages=["paid"]), PAID)
        assert moved(converted(workflow=workflow), "paid", workflow=workflow).conversion is not None
        assert len(against(moved(CONTACTED, "won", workflow=workflow), "paid", ask(workflow))) == 1


PAID = stage("paid", kind="won", required_fields=["conversion.reference"])


def test_closing_takes_the_first_lost_stage_that_may_follow() -> None:
    lost = (stage("lost", kind="lost"), stage("rejected", kind="lost"))
    workflow = flow(stage("contacted", "won", "rejected"), *lost)
    lead = closed(workflow=workflow)
    assert (lead.current_stage, lead.status, lead.closed_reason, lead.closed_at) == (
        "rejected", "lost", "Too far", later(hours=5),
    )  # fmt: skip


def test_a_stage_of_another_kind_is_no_place_to_close_in() -> None:
    with pytest.raises(Invalid) as caught:
        closed(to_stage="won")
    assert faults(caught) == [("/to_stage", "wrong_kind")]


@pytest.mark.parametrize("end", ["won", "lost"])
def test_what_is_closed_is_not_closed_again(end: str) -> None:
    with pytest.raises(life.NotOpen):
        closed(moved(CONTACTED, end, reason="because"))


def test_reopening_goes_back_to_the_stage_before_and_forgets_the_end() -> None:
    for lead in (converted(), closed()):
        again = reopened(lead)
        assert (again.current_stage, again.status) == ("contacted", "open")
        assert (again.closed_at, again.closed_reason, again.converted_at, again.conversion) == (None, None, None, None)
        assert (again.history[-1].reason, again.history[-1].note) == ("Reopened", "She called again")


def test_reopening_into_a_stage_that_is_gone_begins_again() -> None:
    workflow = flow(stage("contacted", "won", "lost", archived=True), NEW)
    assert reopened(closed(), workflow).current_stage == "new"


def test_an_open_lead_is_not_reopened() -> None:
    with pytest.raises(life.NotClosed):
        reopened(CONTACTED)


def held(**body: Any) -> Lead:
    return life.hold(CONTACTED, HoldIn.model_validate(body), ask(at=later(hours=5)))


def test_a_lead_on_hold_may_be_edited_but_not_moved() -> None:
    lead = held(note="Holidays", until="2026-12-24T00:00:00Z")
    assert (lead.status, lead.next_follow_up_at == lead.follow_up_wish, lead.activities[-1].body) == (
        "on_hold", True, "Holidays",
    )  # fmt: skip
    assert rules.edit(lead, patch(company="Mill"), ask(at=later(hours=6))).company == "Mill"
    for attempt in (lambda: gate.move(lead, Move("won"), ask(at=later(hours=6))), lambda: converted(lead)):
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.extra["refusals"][0]["code"] == "on_hold"


def test_resuming_takes_it_up_again() -> None:
    lead = life.resume(held(), None, ask(at=later(hours=6)))
    assert (lead.status, moved(lead, "won").status) == ("open", "won")
    with pytest.raises(life.NotOnHold):
        life.resume(lead, None, ask(at=later(hours=7)))


def test_only_open_leads_are_put_on_hold_and_only_once() -> None:
    lead = held()
    assert life.hold(lead, HoldIn(), ask(at=later(hours=6))) is lead
    with pytest.raises(life.NotOpen):
        life.hold(closed(), HoldIn(), ask(at=later(hours=6)))


FIRST = {"note": "Holidays", "until": "2026-12-24T00:00:00Z"}


@pytest.mark.parametrize("again", [
    {}, FIRST, {"note": "Holidays"}, {"note": ""}, {"until": "2026-12-24T01:00:00+01:00"},
], ids=["nothing", "all", "note", "blank", "until"])  # fmt: skip
def test_holding_it_the_same_way_again_changes_nothing(again: dict[str, Any]) -> None:
    lead = held(**FIRST)
    assert life.hold(lead, HoldIn.model_validate(again), ask(at=later(hours=6))) is lead
    assert life.hold(lead, HoldIn.model_validate(again), ask(at=later(days=90))) is lead


@pytest.mark.parametrize(("again", "day", "note"), [
    ({"until": "2027-01-10T00:00:00Z"}, "2027-01-10", None), ({"note": "Ill too"}, "2026-12-24", "Ill too"),
    ({"until": "2027-01-10T00:00:00Z", "note": "Holidays"}, "2027-01-10", "Holidays"),
], ids=["until", "note", "both"])  # fmt: skip
def test_what_is_new_about_a_hold_is_taken_over(again: dict[str, Any], day: str, note: str | None) -> None:
    lead = life.hold(held(**FIRST), HoldIn.model_validate(again), ask(at=later(hours=6)))
    assert (lead.status, lead.next_follow_up_at and lead.next_follow_up_at.date().isoformat()) == ("on_hold", day)
    said = lead.activities[-1]
    assert (said.kind, said.body, said.meta) == ("status_change", note, {"old": "on_hold", "new": "on_hold"})
    assert life.hold(lead, HoldIn.model_validate(again), ask(at=later(hours=7))) is lead


def test_a_note_of_an_earlier_hold_is_new_again() -> None:
    lead = life.resume(held(note="Holidays"), None, ask(at=later(hours=6)))
    lead = life.hold(lead, HoldIn(), ask(at=later(hours=7)))
    assert life.hold(lead, HoldIn(note="Holidays"), ask(at=later(hours=8))).activities[-1].body == "Holidays"


def test_nobody_is_held_until_a_time_that_has_passed() -> None:
    past = {"until": "2026-11-20T09:00:00Z"}
    for lead in (CONTACTED, held(**FIRST)):
        with pytest.raises(Invalid) as caught:
            life.hold(lead, HoldIn.model_validate(past), ask(at=later(hours=5)))
        assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/until", "in_the_past")]


def test_an_archived_lead_is_restored_first() -> None:
    lead = rules.archive(CONTACTED, ask(at=later(hours=5)))
    for attempt in (
        lambda: converted(lead), lambda: closed(lead), lambda: reopened(lead),
        lambda: life.hold(lead, HoldIn(), ask(at=later(hours=6))), lambda: life.resume(lead, None, ask()),
    ):  # fmt: skip
        with pytest.raises(rules.Archived):
            attempt()


def test_where_a_next_step_is_wanted_leads_without_one_stay() -> None:
    workflow = flow(next_step_required=True)
    with pytest.raises(Refused) as caught:
        moved(new_lead(workflow), "contacted", workflow=workflow)
    assert [r["code"] for r in caught.value.extra["refusals"]] == ["no_next_step"]
    planned = new_lead(workflow, next_follow_up_at="2026-12-01T10:00:00Z")
    assert moved(planned, "contacted", workflow=workflow).current_stage == "contacted"
    assert moved(new_lead(workflow), "lost", workflow=workflow, reason="no").status == "lost"
    with_task = flow(stage("contacted", task_templates=[CALL]), next_step_required=True)
    assert moved(new_lead(with_task), "contacted", workflow=with_task).current_stage == "contacted"
