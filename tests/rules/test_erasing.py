"""Erasing takes the person away and keeps the figures."""

from typing import Any, get_args

import pytest

from leads import erasing, gate, personal, record, rules, tasks
from leads.documents import ActivityKind, Lead, Timeline
from leads.gate import Move
from leads.messages import ActivityIn, CompleteIn, TaskIn
from leads.record import line
from tests.rules.making import ALICE, CALL, ask, flow, later, new_lead, patch, stage

MARK = "Quetzalcoatl"
PLAIN: dict[str, Any] = {
    "branch": {"field_type": "select", "options": [{"value": "east"}]},
    "likes": {"field_type": "multi_select", "options": [{"value": "tea"}]},
    "member": {"field_type": "boolean"}, "children": {"field_type": "integer"},
    "budget": {"field_type": "decimal"}, "price": {"field_type": "money"},
}  # fmt: skip
TELLING: dict[str, Any] = {
    "nickname": {"field_type": "text"}, "story": {"field_type": "long_text"}, "other": {"field_type": "email"},
    "mobile": {"field_type": "phone"}, "page": {"field_type": "url"}, "born": {"field_type": "date"},
    "seen": {"field_type": "datetime"}, "who": {"field_type": "user"}, "more": {"field_type": "json"},
    "gender": {"field_type": "select", "options": [{"value": MARK}], "personal": True},
}  # fmt: skip
VALUES: dict[str, Any] = {
    "branch": "east", "likes": ["tea"], "member": True, "children": 2, "budget": "10.50",
    "price": {"amount": 100, "currency": "EUR"},
    "nickname": MARK, "story": MARK, "other": f"{MARK}@example.com", "mobile": "+1 415 555 0199",
    "page": f"https://example.com/{MARK}", "born": "1999-09-09", "seen": "1999-09-09T09:09:09Z", "who": MARK,
    "more": {"x": MARK}, "gender": MARK,
}  # fmt: skip
VARIABLES = [{"field_key": key, **definition} for key, definition in (PLAIN | TELLING).items()]
HOUSE = flow(
    stage("new", "contacted", "lost", task_templates=[CALL]),
    variables=VARIABLES, close_reasons=[{"key": "no_budget", "label": "No budget"}],
)  # fmt: skip
PERSON: dict[str, Any] = {
    "name": MARK, "first_name": MARK, "last_name": MARK, "email": f"{MARK}@example.com", "phone": "+14155550199",
    "company": MARK, "message": MARK, "source_detail": MARK, "address": {"line": MARK, "city": MARK},
    "contacts": [{"name": MARK, "email": f"{MARK}@example.com"}], "fields": VALUES,
}  # fmt: skip
FIGURES: dict[str, Any] = {
    "source": "web", "tags": ["tea"], "value": {"amount": 5, "currency": "EUR"},
    "quantity": {"amount": "2.5", "unit": "kg"}, "expected_close_on": "2027-01-01", "priority": "high",
}  # fmt: skip


def full_life() -> Lead:
    """Marked wherever something can be written."""
    lead = new_lead(HOUSE, **PERSON, **FIGURES)
    lead = tasks.edit(lead, lead.tasks[0].uid, {"notes": MARK}, ask(HOUSE, at=later(hours=1)))
    lead = tasks.complete(lead, lead.tasks[0].uid, CompleteIn(notes=MARK), ask(HOUSE, at=later(hours=2)))
    lead = tasks.add(lead, TaskIn(kind="call", title=MARK), ask(HOUSE, at=later(hours=3)))
    lead = rules.add_activity(
        lead, ActivityIn(kind="call", body=MARK, meta={"to": MARK}), ask(HOUSE, at=later(hours=4))
    )
    lead = rules.edit(lead, patch(company=f"{MARK} & Sons"), ask(HOUSE, at=later(hours=5)))
    return gate.move(lead, Move("lost", note=MARK, reason=MARK), ask(HOUSE, at=later(hours=6)))


def erased(lead: Lead) -> Lead:
    return erasing.erased(lead, "They asked for it", ask(HOUSE, at=later(days=9)))


@pytest.fixture
def gone() -> Lead:
    return erased(full_life())


def test_nothing_of_the_person_is_left(gone: Lead) -> None:
    for word in (MARK, "5550199", "1999"):
        assert word not in gone.model_dump_json()
    assert (gone.name, gone.email, gone.contacts, gone.address, gone.changes) == (erasing.NAME, None, [], None, [])


def test_choices_and_numbers_stay_and_other_fields_go(gone: Lead) -> None:
    assert gone.fields == {key: VALUES[key] for key in PLAIN}


def test_a_field_marked_personal_goes_whatever_its_type(gone: Lead) -> None:
    assert "gender" not in gone.fields


def test_figures_and_passage_stay() -> None:
    before = full_life()
    after = erased(before)
    kept = (
        "source", "tags", "value", "quantity", "priority", "score", "current_stage", "stage_entered_at", "center",
        "created_at", "created_by", "closed_at", "call_attempts", "last_contacted_at", "rank",
    )  # fmt: skip
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    silent = [entry.model_copy(update={"note": None, "reason": None}) for entry in before.history]
    assert after.history == silent
    assert sum(reason.points for reason in after.score_reasons) == after.score


def test_it_stands_in_the_archive_and_says_who_did_it_and_why(gone: Lead) -> None:
    last = gone.activities[-1]
    assert (gone.status, gone.archived_at, gone.erased_at) == ("archived", gone.updated_at, gone.updated_at)
    assert (last.kind, last.actor, last.body) == ("system", ALICE.uid, "Erased: They asked for it")


def test_an_archived_lead_keeps_the_day_it_was_archived() -> None:
    archived = rules.archive(full_life(), ask(HOUSE, at=later(days=7)))
    assert erased(archived).archived_at == later(days=7)


def test_tasks_stay_with_their_outcome_and_lose_what_was_written(gone: Lead) -> None:
    first, by_hand = gone.tasks
    assert (first.title, first.status, first.notes, first.fields) == ("First call", "completed", None, {})
    assert (by_hand.title, by_hand.kind) == ("Call", "call")


def test_the_timeline_keeps_its_lines(gone: Lead) -> None:
    before = full_life()
    assert [entry.kind for entry in gone.activities[:-1]] == [entry.kind for entry in before.activities]
    assert [entry.at for entry in gone.activities[:-1]] == [entry.at for entry in before.activities]
    moved = next(entry for entry in gone.activities if entry.kind == "stage_change")
    assert moved.meta == {"from": "new", "to": "lost"}


@pytest.mark.parametrize("kind", get_args(ActivityKind))
def test_no_kind_of_line_keeps_what_people_wrote(kind: Any) -> None:
    said = line(ask(), kind, MARK, reason=MARK, text=MARK, fields={"email": MARK}, task={"x": MARK}, old=[{"x": MARK}])
    assert MARK not in str(personal.meta(kind, said.meta))


def test_a_reason_of_the_config_is_a_figure() -> None:
    lead = gate.move(new_lead(HOUSE), Move("lost", reason="no_budget", force=True), ask(HOUSE, at=later(hours=1)))
    after = erased(lead)
    assert (after.closed_reason, after.history[-1].reason) == ("no_budget", "no_budget")
    assert erased(full_life()).closed_reason is None


def test_spilled_entries_are_scrubbed_in_their_places() -> None:
    lead = full_life()
    for hours in range(20):
        lead = rules.add_activity(lead, ActivityIn(body=MARK), ask(HOUSE, at=later(days=1, hours=hours)))
    _, spilled = record.spill(lead, lead.changes)
    assert spilled is not None
    clean: Timeline = erasing.scrubbed(spilled, HOUSE)
    assert MARK in spilled.model_dump_json()
    assert MARK not in clean.model_dump_json()
    assert (clean.uid, clean.start, clean.changes) == (spilled.uid, spilled.start, [])
    assert [entry.uid for entry in clean.activities] == [entry.uid for entry in spilled.activities]
    assert erasing.scrubbed(clean, HOUSE) == clean


def test_every_attribute_of_a_lead_has_been_thought_about(gone: Lead) -> None:
    """Whoever adds one says here, and in `leads.erasing`, what becomes of it."""
    taken = {*personal.EMPTY, "name", "company", "fields", "tasks", "activities", "history", "changes", "sole",
             "score_reasons", "closed_reason"}  # fmt: skip
    written = {
        "status", "archived_at", "erased_at", "version", "updated_at", "updated_by", "workflow_version", "touched_at",
    }  # fmt: skip
    kept = {
        "uid", "center", "created_at", "created_by", "lead_type", "source", "tags", "priority", "value", "quantity",
        "expected_close_on", "temperature", "conversion_probability", "score_override", "next_follow_up_at",
        "current_stage", "stage_entered_at", "rank", "assigned_to", "score", "follow_up_wish", "due",
        "last_contacted_at", "call_attempts", "converted_at", "closed_at", "spilled", "done",
            "merged", "merged_into", "merged_at",
    }  # fmt: skip
    assert set(Lead.model_fields) == taken | written | kept


def test_whoever_asks_which_way_is_open_is_told_that_none_is(gone: Lead) -> None:
    told = gate.moves(gone, ask(HOUSE, at=later(days=10)), set())
    assert {refusal["code"] for verdict in told for refusal in verdict["refusals"]} >= {"lead_erased"}


def test_nothing_remains_to_be_changed(gone: Lead) -> None:
    with pytest.raises(rules.Erased):
        rules.remaining(gone)
    rules.remaining(new_lead())
