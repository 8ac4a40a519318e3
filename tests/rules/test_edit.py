"""PATCH means merge: what is left out stays, null clears, and only what is touched is checked."""

from typing import Any

import pytest

from lead_crm.errors import Invalid
from leads import rules
from leads.documents import Lead
from leads.messages import LeadPatch
from tests.rules.making import FLOW, ask, faults, flow, later, new_lead, patch
from workflow.workflow import Workflow

VARIABLES = [
    {"field_key": "budget", "field_type": "decimal", "required": True}, {"field_key": "note", "field_type": "text"},
    {"field_key": "crop", "field_type": "text", "lead_types": ["procurement"]},
    {"field_key": "data", "field_type": "json"},
]  # fmt: skip
TRADE = flow(
    variables=VARIABLES, tags=["hot"], priorities=[{"key": "low", "label": "Low"}],
    lead_types=[{"key": "sales", "label": "Sales"}, {"key": "procurement", "label": "Procurement"}],
    sources=[{"key": "web", "label": "Web"}, {"key": "farmer", "label": "Farmer", "lead_types": ["procurement"]}],
)  # fmt: skip
FULL = {
    "email": "ada@example.com", "phone": "+49 30 1234567", "company": "Engines", "tags": ["hot"], "source": "web",
    "address": {"city": "London"}, "contacts": [{"name": "Byron"}], "value": {"amount": 5, "currency": "GBP"},
    "quantity": {"amount": "1.250", "unit": "kg"}, "expected_close_on": "2026-12-01", "temperature": "hot",
    "conversion_probability": 0.5, "score_override": 7, "next_follow_up_at": "2026-12-01T10:00:00Z",
    "fields": {"budget": "5", "note": "n"}, "lead_type": "sales",
}  # fmt: skip


def lead(workflow: Workflow = TRADE, **values: Any) -> Lead:
    return new_lead(workflow, **{"fields": {"budget": "5", "note": "n"}} | values)


def edited(before: Lead, workflow: Workflow = TRADE, **values: Any) -> Lead:
    return rules.edit(before, patch(**values), ask(workflow))


def test_what_is_left_out_stays_and_null_clears() -> None:
    before = lead(**FULL)
    after = edited(before, email=None, company="Looms", fields={"note": None})
    assert (after.email, after.company, after.phone) == (None, "Looms", "+49 30 1234567")
    assert after.fields == {"budget": "5"}
    assert (after.version, after.updated_at, after.updated_by) == (2, later(hours=1), "alice")


@pytest.mark.parametrize("key", [key for key, value in FULL.items() if not isinstance(value, list | dict)])
def test_every_single_value_can_be_cleared(key: str) -> None:
    assert edited(lead(**FULL), **{key: None}).model_dump()[key] is None


@pytest.mark.parametrize("key", ["name", "tags", "contacts", "fields"])
def test_what_cannot_be_empty_cannot_be_null(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        LeadPatch.model_validate({key: None})


@pytest.mark.parametrize("key", FULL)
def test_what_is_the_same_already_changes_nothing(key: str) -> None:
    before = lead(**FULL)
    assert edited(before, **{key: FULL[key]}) is before


def test_an_empty_patch_changes_nothing() -> None:
    before = lead()
    assert edited(before) is before
    assert edited(before, fields={}) is before


def test_true_is_another_value_than_one() -> None:
    after = edited(lead(fields={"budget": "5", "data": 1}), fields={"data": True})
    assert after.fields["data"] is True


def test_the_timeline_names_what_was_changed() -> None:
    after = edited(lead(**FULL), email=None, company="Engines", fields={"note": "m"}, next_follow_up_at=None)
    said = after.activities[-1]
    assert said.kind == "field_change"
    assert said.meta == {"fields": ["email", "fields.note", "next_follow_up_at"]}


@pytest.mark.parametrize(("changes", "found"), [
    ({"source": "fax", "priority": "x", "tags": ["hot", "cold"]},
     [("/priority", "not_an_option"), ("/source", "not_an_option"), ("/tags/1", "not_an_option")]),
    ({"fields": {"budget": None, "note": 5, "nothing": 1}},
     [("/fields/budget", "required"), ("/fields/note", "string_type"), ("/fields/nothing", "unknown_field")]),
    ({"source": "farmer"}, [("/source", "not_applicable")]),
    ({"fields": {"crop": "x"}}, [("/fields/crop", "not_applicable")]),
])  # fmt: skip
def test_all_faults_of_what_is_touched_are_named(changes: dict[str, Any], found: list[Any]) -> None:
    with pytest.raises(Invalid) as caught:
        edited(lead(lead_type="sales"), **changes)
    assert sorted(faults(caught)) == found


def test_what_is_not_touched_is_not_checked() -> None:
    captured = new_lead(FLOW, source="fax", priority="urgent", tags=["cold"], lead_type="rental")
    after = edited(captured, company="Looms", fields={"note": "n"})
    assert (after.company, after.fields, after.source) == ("Looms", {"note": "n"}, "fax")


def test_changing_the_lead_type_checks_the_source_and_drops_fields_that_no_longer_belong() -> None:
    before = lead(lead_type="procurement", source="farmer", fields={"budget": "5", "crop": "wheat"})
    with pytest.raises(Invalid) as caught:
        edited(before, lead_type="sales")
    assert faults(caught) == [("/source", "not_applicable")]
    assert edited(before, lead_type="sales", source="web").fields == {"budget": "5"}


def test_the_score_follows() -> None:
    assert edited(lead(), company="Engines").score == 60
    assert edited(lead(), score_override=3).score == 3
    assert edited(lead(**FULL), score_override=None).score == 85


def test_an_archived_lead_is_not_edited() -> None:
    with pytest.raises(rules.Archived):
        edited(rules.archive(lead(), ask(TRADE)), company="Looms")


@pytest.mark.parametrize("key", ["current_stage", "status", "assigned_to", "rank", "score", "history", "days_in_stage"])
def test_moving_is_not_changing(key: str) -> None:
    assert key not in LeadPatch.model_fields
    assert LeadPatch.elsewhere[key]
