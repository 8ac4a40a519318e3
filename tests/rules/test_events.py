"""What others are told of a change: exact keys, each thing once, and nothing about the person."""

from typing import Any

import bson
import pytest

from leads import erasing, events, gate, life, merging, record, rules, tasks
from leads.documents import Lead
from leads.gate import Move
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from leads.merging_messages import MergeIn
from leads.messages import ActivityIn, CompleteIn, TaskIn
from tests.rules.making import ALICE, CALL, NOW, ask, flow, later, moved, new_lead, patch, stage

Row = dict[str, Any]

HOUSE = flow(
    stage("new", "contacted", "won", "lost", task_templates=[CALL]), stage("contacted", "won", "lost", probability=0.4),
    variables=[{"field_key": "budget", "field_type": "decimal"}],
    close_reasons=[{"key": "no_budget", "label": "No budget"}],
)  # fmt: skip
EMPTY = flow()


def told(lead: Lead) -> list[Row]:
    """Of the last write."""
    entry = lead.changes[-1]
    assert entry.version == lead.version
    return events.of_record(lead.uid, entry.model_dump())


def one(lead: Lead) -> Row:
    (event,) = told(lead)
    return event


def at(hours: float, workflow: Any = EMPTY) -> record.Ask:
    return ask(workflow, at=later(hours=hours))


class TestALeadIsCreated:
    def test_with_exactly_these_keys(self) -> None:
        event = one(new_lead(email="ada@example.com", source="web"))
        assert list(event) == ["event_type", "lead_id", "email", "source", "timestamp"]
        assert event == {
            "event_type": "LeadCreated", "lead_id": "LEAD-1", "email": "ada@example.com", "source": "web",
            "timestamp": "2026-11-20T09:00:00.000Z",
        }  # fmt: skip

    def test_and_its_first_version_has_a_record(self) -> None:
        (entry,) = new_lead().changes
        assert (entry.version, entry.at, entry.by, entry.workflow_version, entry.changes) == (1, NOW, ALICE.uid, 7, [])

    def test_with_its_tasks_and_holders(self) -> None:
        lead = new_lead(HOUSE, assigned_to=["bob"])
        created, assigned, task = told(lead)
        assert (created["email"], created["source"]) == (None, None)
        assert (assigned["old_assignees"], assigned["new_assignees"]) == ([], ["bob"])
        assert (task["event_type"], task["task"], task["kind"]) == ("TaskCreated", lead.tasks[0].uid, "call")


class TestALeadMoves:
    def test_with_exactly_these_keys(self) -> None:
        event = one(gate.move(new_lead(), Move("contacted", note="Called", reason="So"), at(1)))
        assert list(event) == ["event_type", "lead_id", "old_status", "new_status", "timestamp"]
        assert event == {
            "event_type": "LeadStatusChanged", "lead_id": "LEAD-1", "old_status": "new", "new_status": "contacted",
            "timestamp": "2026-11-20T10:00:00.000Z",
        }  # fmt: skip

    def test_costs_few_bytes(self) -> None:
        """A move is the commonest write, and every write carries the whole lead."""
        entry = gate.move(new_lead(), Move("contacted"), at(1)).changes[-1].model_dump()
        without = {key: value for key, value in entry.items() if key != "events"}
        assert len(bson.encode(entry)) - len(bson.encode(without)) < 150

    def test_and_brings_fields_along(self) -> None:
        lead = new_lead(HOUSE)
        forced = Move("contacted", reason="So", force=True)
        status, updated = told(gate.move(lead, forced, at(1, HOUSE), fields={"budget": "5"}))
        assert status["new_status"] == "contacted"
        assert updated["changed"] == ["/fields/budget"]

    def test_but_not_within_its_stage(self) -> None:
        assert told(gate.move(new_lead(), Move("new", rank="m1"), at(1))) == []


class TestALeadEnds:
    def test_won_with_what_came_of_it(self) -> None:
        lead = life.convert(moved(new_lead(), "contacted"), ConvertIn(reference="ORDER-1", note="Two"), at(2))
        status, converted = told(lead)
        assert status["new_status"] == "won"
        assert list(converted) == ["event_type", "lead_id", "timestamp", "reference"]
        assert (converted["event_type"], converted["reference"]) == ("LeadConverted", "ORDER-1")

    def test_won_by_a_move_and_told_again_with_the_reference(self) -> None:
        lead = moved(new_lead(), "contacted", "won")
        assert [(event["event_type"], event.get("reference")) for event in told(lead)] == [
            ("LeadStatusChanged", None), ("LeadConverted", None),
        ]  # fmt: skip
        again = one(life.convert(lead, ConvertIn(reference="ORDER-1"), at(3)))
        assert (again["event_type"], again["reference"]) == ("LeadConverted", "ORDER-1")

    @pytest.mark.parametrize(("given", "shown"), [("no_budget", "no_budget"), ("Ada went to Rome", None)])
    def test_lost_for_a_configured_reason(self, given: str, shown: str | None) -> None:
        lead = gate.move(new_lead(HOUSE), Move("lost", reason=given, force=True), at(1, HOUSE))
        status, closed = told(lead)
        assert status["new_status"] == "lost"
        assert list(closed) == ["event_type", "lead_id", "timestamp", "reason"]
        assert (closed["event_type"], closed["reason"]) == ("LeadClosed", shown)

    def test_and_begins_again(self) -> None:
        closed = life.close(new_lead(), CloseIn(reason="no_budget"), at(1))
        assert [event["event_type"] for event in told(life.reopen(closed, None, at(2)))] == ["LeadStatusChanged"]

    def test_in_the_archive(self) -> None:
        archived = rules.archive(moved(new_lead(), "contacted", "won"), at(3))
        assert one(archived) == {
            "event_type": "LeadArchived", "lead_id": "LEAD-1", "timestamp": "2026-11-20T12:00:00.000Z",
        }  # fmt: skip
        restored = one(rules.restore(archived, at(4)))
        assert (restored["event_type"], restored["changed"]) == ("LeadUpdated", ["/status"])

    def test_erased_without_a_word(self) -> None:
        lead = rules.edit(new_lead(email="ada@example.com"), patch(company="Mill"), at(1))
        assert events.of(lead)
        assert events.of(erasing.erased(lead, "Asked", at(2))) == []


class TestALeadIsChanged:
    def test_with_the_pointers_that_people_wrote_and_no_values(self) -> None:
        lead = new_lead(HOUSE, tags=["a"])
        changes = patch(email="ada@example.com", next_follow_up_at="2026-12-01T00:00:00Z", fields={"budget": "5"})
        event = one(rules.edit(lead, changes, at(1, HOUSE)))
        assert list(event) == ["event_type", "lead_id", "timestamp", "changed"]
        assert sorted(event.pop("changed")) == ["/email", "/fields/budget", "/next_follow_up_at"]
        assert event["event_type"] == "LeadUpdated"
        assert "ada" not in str(event)

    def test_when_it_is_held_and_resumed(self) -> None:
        held = life.hold(new_lead(), HoldIn(), at(1))
        for lead in (held, life.resume(held, None, at(2))):
            assert (one(lead)["event_type"], one(lead)["changed"]) == ("LeadUpdated", ["/status"])

    def test_but_not_by_what_is_said(self) -> None:
        lead = rules.add_activity(new_lead(), ActivityIn(kind="call", body="Hello"), at(1))
        assert told(lead) == []
        assert "events" not in lead.changes[-1].model_dump()

    def test_when_it_is_given_to_somebody_else(self) -> None:
        event = one(rules.assign(new_lead(assigned_to=["bob"]), ["carl", "dan"], at(1)))
        assert list(event) == ["event_type", "lead_id", "timestamp", "old_assignees", "new_assignees"]
        assert (event["old_assignees"], event["new_assignees"]) == (["bob"], ["carl", "dan"])

    def test_when_another_has_gone_into_it(self) -> None:
        loser = tasks.add(new_lead(name="Bea").model_copy(update={"uid": "LEAD-2"}), TaskIn(kind="call"), at(1))
        winner, part = merging.merge(new_lead(), loser, MergeIn(lead="LEAD-2"), at(2), "US", {})
        event = one(winner)
        assert list(event) == ["event_type", "lead_id", "timestamp", "merged_lead_id"]
        assert (event["event_type"], event["lead_id"], event["merged_lead_id"]) == ("LeadMerged", "LEAD-1", "LEAD-2")
        assert len(winner.tasks) == 1  # it was created before
        assert told(part) == []

    def test_when_that_one_comes_back(self) -> None:
        loser = tasks.add(
            new_lead(name="Bea").model_copy(update={"uid": "LEAD-2"}),
            TaskIn(kind="visit", fields={"batch": "A"}),
            at(1),
        )
        winner, part = merging.merge(new_lead(), loser, MergeIn(lead="LEAD-2"), at(2), "US", {})
        written = winner.changes[-1]
        visited = tasks.complete(winner, winner.tasks[0].uid, CompleteIn(outcome="no_show", notes="Ill"), at(3))
        back, alone = merging.unmerge(visited, part, written, None, at(4))
        assert alone.tasks[0].status == "completed"
        assert told(alone) == []  # that was told when it was done
        event = one(back)
        assert list(event) == ["event_type", "lead_id", "timestamp", "unmerged_lead_id"]
        assert (event["event_type"], event["unmerged_lead_id"]) == ("LeadUnmerged", "LEAD-2")


class TestATask:
    def test_is_created(self) -> None:
        lead = tasks.add(new_lead(), TaskIn(kind="call", title="Ring Ada", due_at=later(days=2)), at(1))
        event = one(lead)
        assert list(event) == ["event_type", "lead_id", "timestamp", "task", "kind"]
        assert (event["event_type"], event["task"], event["kind"]) == ("TaskCreated", lead.tasks[0].uid, "call")

    def test_is_completed(self) -> None:
        lead = tasks.add(new_lead(), TaskIn(kind="visit", fields={"batch": "A"}), at(1))
        done = tasks.complete(lead, lead.tasks[0].uid, CompleteIn(outcome="no_show", notes="Ill"), at(2))
        event = one(done)
        assert list(event) == ["event_type", "lead_id", "timestamp", "task", "kind", "outcome"]
        assert event["event_type"] == "TaskCompleted"
        assert (event["task"], event["kind"], event["outcome"]) == (lead.tasks[0].uid, "visit", "no_show")

    def test_is_changed_reopened_and_cancelled(self) -> None:
        lead = tasks.add(new_lead(), TaskIn(kind="call"), at(1))
        uid = lead.tasks[0].uid
        edited = tasks.edit(lead, uid, {"title": "Ring"}, at(2))
        assert one(edited)["changed"] == [f"/tasks/{uid}/title"]
        reopened = tasks.reopen(tasks.complete(edited, uid, CompleteIn(), at(3)), uid, at(4))
        assert f"/tasks/{uid}/status" in one(reopened)["changed"]
        assert f"/tasks/{uid}/status" in one(tasks.cancel(reopened, uid, None, at(5)))["changed"]


def test_what_the_lead_carries_is_told_in_order() -> None:
    lead = rules.archive(moved(new_lead(), "contacted", "won"), at(9))
    assert [event["event_type"] for event in events.of(lead)] == [
        "LeadCreated", "LeadStatusChanged", "LeadStatusChanged", "LeadConverted", "LeadArchived",
    ]  # fmt: skip


def test_events_go_where_their_records_go() -> None:
    lead = new_lead(email="ada@example.com")
    for hours in range(1, record.FULL_CHANGES):
        lead = rules.add_activity(lead, ActivityIn(body="x"), at(hours))
    kept, spilled = record.spill(lead, lead.changes)
    assert spilled is not None
    assert events.of(kept) == []
    assert events.of_record(lead.uid, spilled.model_dump()["changes"][0])[0]["email"] == "ada@example.com"
