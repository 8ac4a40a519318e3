"""What a sound workflow is: every contradiction is found, and named where it is."""

from typing import Any

import pytest

from lead_crm.errors import Invalid
from tests.rules.making import CALL, faults, flow, stage

CHOICE = {"key": "a", "label": "A"}
VARIABLE = {"field_key": "budget", "field_type": "decimal"}


def unsound(*stages: Any, **settings: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        flow(*stages, **settings)
    return faults(caught)


@pytest.mark.parametrize(("values", "found"), [
    ({"allowed_next_stages": ["lost", "nowhere"]}, [("/allowed_next_stages/1", "unknown_stage")]),
    ({"allowed_next_stages": ["lost", "new"]}, [("/allowed_next_stages/1", "itself")]),
    ({"allowed_next_stages": ["lost", "lost"]}, [("/allowed_next_stages", "repeated")]),
    ({"slug": "contacted"}, [("/slug", "taken")]),
    ({"required_fields": ["email", "colour"]}, [("/required_fields/1", "unknown_field")]),
    ({"required_fields": ["fields.colour"]}, [("/required_fields/0", "unknown_field")]),
    ({"required_fields": ["fields.email"]}, [("/required_fields/0", "unknown_field")]),
    ({"allowed_roles": ["agent", "king"]}, [("/allowed_roles/1", "unknown_role")]),
    ({"task_templates": [CALL | {"kind": "dance"}]}, [("/task_templates/0/kind", "unknown_task_kind")]),
    ({"task_templates": [CALL, CALL]}, [("/task_templates/1/uid", "repeated")]),
    ({"task_templates": [CALL | {"assignee": "role:king"}]}, [("/task_templates/0/assignee", "unknown_role")]),
    ({"slug": "contacted", "allowed_roles": ["king"]}, [("/slug", "taken"), ("/allowed_roles/0", "unknown_role")]),
])  # fmt: skip
def test_a_stage_contradicts_nothing(values: dict[str, Any], found: list[tuple[str, str]]) -> None:
    problems = [fault for fault in unsound(stage("new", **values)) if fault[0].startswith("/stages/new")]
    assert problems == [(f"/stages/new{pointer}", code) for pointer, code in found]


@pytest.mark.parametrize(("kind", "name", "code"), [
    ("open", "conversion.reference", "not_won"), ("lost", "conversion.reference", "not_won"),
    ("won", "conversion.note", "unknown_field"), ("won", "conversion", "unknown_field"),
    ("won", "fields.conversion.reference", "unknown_field"), ("won", "address.city", "unknown_field"),
])  # fmt: skip
def test_only_a_won_stage_may_require_the_reference_and_nothing_else_of_a_conversion(
    kind: str, name: str, code: str
) -> None:
    assert flow(stage("won", kind="won", required_fields=["conversion.reference"]))
    assert unsound(stage("end", kind=kind, required_fields=["email", name])) == [
        ("/stages/end/required_fields/1", code)
    ]


def test_nothing_else_may_ask_for_the_reference() -> None:
    rule = {"when": "filled", "field": "conversion.reference", "points": 5}
    assert unsound(scoring={"rules": [rule]}) == [("/scoring/rules/0/field", "unknown_field")]
    assert unsound(required=["conversion.reference"]) == [("/required/0", "unknown_attribute")]


@pytest.mark.parametrize("uid", ["move", "reorder"])
def test_some_uids_are_addresses_of_the_api(uid: str) -> None:
    assert unsound(stage(uid)) == [(f"/stages/{uid}/uid", "reserved")]


def test_a_stage_may_require_custom_fields_and_attributes() -> None:
    names = ["email", "budget", "fields.budget", "assigned_to", "value"]
    assert flow(stage("new", required_fields=names), variables=[VARIABLE])


@pytest.mark.parametrize(("settings", "found"), [
    *[({name: [CHOICE, CHOICE]}, [(f"/{name}/0/key", "repeated"), (f"/{name}/1/key", "repeated")])
      for name in ("lead_types", "sources", "priorities", "close_reasons")],
    ({"sources": [CHOICE | {"lead_types": ["sales"]}]}, [("/sources/0/lead_types/0", "unknown_lead_type")]),
    ({"variables": [VARIABLE | {"lead_types": ["sales"]}]}, [("/variables/0/lead_types/0", "unknown_lead_type")]),
    ({"variables": [VARIABLE, VARIABLE]}, [("/variables/1/field_key", "repeated")]),
    ({"priorities": [CHOICE | {"default": True}, {"key": "b", "label": "B", "default": True}]},
     [("/priorities", "two_defaults")]),
    ({"temperature": {"hot_days": 61, "warm_days": 60}}, [("/temperature", "wrong_order")]),
    ({"lead_id": {"pattern": "TLGC{seq:04d}"}}, [("/lead_id/pattern", "ambiguous")]),
    ({"default_sort": "-colour"}, [("/default_sort", "unknown_sort")]),
    ({"default_sort": "field.colour"}, [("/default_sort", "unknown_sort")]),
    ({"scoring": {"rules": [{"when": "filled", "field": "colour", "points": 1}]}},
     [("/scoring/rules/0/field", "unknown_field")]),
    ({"scoring": {"rules": [{"when": "value", "field": "email", "any_of": ["x"], "points": 1}]}},
     [("/scoring/rules/0/field", "unknown_field")]),
    ({"sources": [CHOICE], "scoring": {"rules": [{"when": "source", "any_of": ["a", "fax"], "points": 1}]}},
     [("/scoring/rules/0/any_of/1", "unknown_source")]),
])  # fmt: skip
def test_a_config_contradicts_nothing(settings: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert unsound(**settings) == found


def test_a_task_kind_contradicts_nothing() -> None:
    outcome, field = {"key": "o", "label": "O"}, {"field_key": "f", "field_type": "text"}
    kinds = [{"key": "call", "label": "C", "outcomes": [outcome, outcome], "fields": [field, field]},
             {"key": "call", "label": "D"}]  # fmt: skip
    assert sorted(unsound(task_kinds=kinds)) == [
        ("/task_kinds/0/fields/1/field_key", "repeated"), ("/task_kinds/0/key", "repeated"),
        ("/task_kinds/0/outcomes/0/key", "repeated"), ("/task_kinds/0/outcomes/1/key", "repeated"),
        ("/task_kinds/1/key", "repeated"),
    ]  # fmt: skip


@pytest.mark.parametrize("settings", [
    {"default_sort": "-score"}, {"default_sort": "field.budget"}, {"lead_id": {"pattern": "{seq}", "period": "none"}},
    {"sources": [CHOICE]}, {"temperature": None}, {"temperature": {"hot_days": 60, "warm_days": 60}},
])  # fmt: skip
def test_what_is_sound_passes(settings: dict[str, Any]) -> None:
    assert flow(variables=[VARIABLE], **settings)


def test_all_contradictions_are_named_at_once() -> None:
    found = unsound(stage("new", "nowhere"), stage("won", "won", slug="lost", kind="won"), default_sort="colour")
    assert [pointer for pointer, _ in found] == [
        "/default_sort", "/stages/new/allowed_next_stages/0", "/stages/won/allowed_next_stages/0", "/stages/won/slug",
        "/stages/lost/slug",
    ]  # fmt: skip
