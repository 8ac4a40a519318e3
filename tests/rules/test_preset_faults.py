"""A preset with an impossible rule is refused, and the place in its file is named."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from lead_crm.errors import Fault, Invalid
from tests.rules.making import NOW
from workflow import preset

Row = dict[str, Any]
GOOD: Row = json.loads((preset.FOLDER / "enrolment.json").read_text())
ISLAND: Row = {"uid": "ISLAND", "name": "Island", "slug": "island", "order": 9, "kind": "lost"}
TEMPLATE: Row = {"uid": "a", "kind": "discovery", "title": "Ask"}


def put(place: str, value: object) -> Callable[[Row], None]:
    """`-` at the end of a place adds to a list."""

    def change(data: Any) -> None:
        *way, last = place.strip("/").split("/")
        for step in way:
            data = data[int(step)] if isinstance(data, list) else data[step]
        if last == "-":
            data.append(value)
        else:
            data[int(last) if isinstance(data, list) else last] = value

    return change


def faults_of(*changes: Callable[[Row], None]) -> list[Fault]:
    data = copy.deepcopy(GOOD)
    for change in changes:
        change(data)
    with pytest.raises(Invalid) as caught:
        preset.workflow(preset.read(data), now=NOW)
    return list(caught.value.faults)


def rules(*given: Row) -> Row:
    return {"rules": list(given)}


IMPOSSIBLE: list[tuple[str, str, object, str, str]] = [
    # what is broken, where, with what, and the fault that is found: place and code
    ("leads nowhere", "/stages/1/allowed_next_stages", [], "/stages/1/allowed_next_stages", "dead_end"),
    ("leads to itself", "/stages/0/allowed_next_stages/0", "ENQUIRY_RECEIVED", "/stages/0/allowed_next_stages/0",
     "itself"),
    ("leads to a stage that is not there", "/stages/1/allowed_next_stages/0", "NOPE", "/stages/1/allowed_next_stages/0",
     "unknown_stage"),
    ("leads twice to one", "/stages/1/allowed_next_stages/-", "CONVERTED", "/stages/1/allowed_next_stages", "repeated"),
    ("a stage that nothing leads to", "/stages/-", ISLAND, "/stages/8", "unreachable"),
    ("a stage that is there twice", "/stages/-", ISLAND | {"uid": "CONVERTED"}, "/stages/8/uid", "repeated"),
    ("a slug that is there twice", "/stages/1/slug", "converted", "/stages/1/slug", "taken"),
    ("a stage named like an address", "/stages/-", ISLAND | {"uid": "move"}, "/stages/8/uid", "reserved"),
    ("an outcome leads to no stage", "/config/task_kinds/1/outcomes/0/move_to", "NOPE",
     "/config/task_kinds/1/outcomes/0/move_to", "unknown_stage"),
    ("an outcome leads to an archived stage", "/stages/4/archived", True, "/config/task_kinds/1/outcomes/3/move_to",
     "archived_stage"),
    ("an outcome is required where there are none", "/config/task_kinds/-",
     {"key": "x", "label": "x", "outcome_required": True}, "/config/task_kinds/3/outcome_required", "no_outcomes"),
    ("the next task is of no kind", "/config/task_kinds/2/outcomes/2/next_task/kind", "nope",
     "/config/task_kinds/2/outcomes/2/next_task/kind", "unknown_task_kind"),
    ("a planned task leads to no stage", "/config/task_kinds/1/on_schedule/move_to", "NOPE",
     "/config/task_kinds/1/on_schedule/move_to", "unknown_stage"),
    ("a stage requires no field", "/stages/1/required_fields", ["nope"], "/stages/1/required_fields/0",
     "unknown_field"),
    ("a stage requires one field twice", "/stages/1/required_fields", ["school", "school"],
     "/stages/1/required_fields/1", "repeated"),
    ("every lead needs what no lead has", "/config/required", ["nope"], "/config/required/0", "unknown_attribute"),
    ("every lead needs it twice", "/config/required", ["email", "email"], "/config/required/1", "repeated"),
    ("a template of no kind", "/stages/1/task_templates", [TEMPLATE | {"kind": "nope"}],
     "/stages/1/task_templates/0/kind", "unknown_task_kind"),
    ("two templates of one name", "/stages/1/task_templates", [TEMPLATE, TEMPLATE], "/stages/1/task_templates/1/uid",
     "repeated"),
    ("a template for no role", "/stages/1/task_templates", [TEMPLATE | {"assignee": "role:nope"}],
     "/stages/1/task_templates/0/assignee", "unknown_role"),
    ("a source for no type", "/config/sources/0/lead_types", ["nope"], "/config/sources/0/lead_types/0",
     "unknown_lead_type"),
    ("a field for no type", "/config/variables/0/lead_types", ["nope"], "/config/variables/0/lead_types/0",
     "unknown_lead_type"),
    ("points for no field", "/config/scoring", rules({"when": "filled", "field": "nope", "points": 1}),
     "/config/scoring/rules/0/field", "unknown_field"),
    ("points for a value of no field", "/config/scoring",
     rules({"when": "value", "field": "nope", "any_of": ["x"], "points": 1}),
     "/config/scoring/rules/0/field", "unknown_field"),
    ("points for no option", "/config/scoring",
     rules({"when": "value", "field": "gender", "any_of": ["Boy", "nope"], "points": 1}),
     "/config/scoring/rules/0/any_of/1", "unknown_option"),
    ("points for no source", "/config/scoring", rules({"when": "source", "any_of": ["nope"], "points": 1}),
     "/config/scoring/rules/0/any_of/0", "unknown_source"),
    ("warm before hot", "/config/temperature", {"hot_days": 60, "warm_days": 30}, "/config/temperature", "wrong_order"),
    ("two sources of one key", "/config/sources/-", {"key": "OTHER", "label": "x"}, "/config/sources/5/key",
     "repeated"),
    ("two lead types of one key", "/config/lead_types", [{"key": "a", "label": "a"}] * 2, "/config/lead_types/1/key",
     "repeated"),
    ("two kinds of one key", "/config/task_kinds/-", {"key": "discovery", "label": "x"}, "/config/task_kinds/3/key",
     "repeated"),
    ("two outcomes of one key", "/config/task_kinds/0/outcomes/-", {"key": "done", "label": "x"},
     "/config/task_kinds/0/outcomes/1/key", "repeated"),
    ("two reasons of one key", "/config/close_reasons/-", {"key": "too_far", "label": "x"},
     "/config/close_reasons/4/key", "repeated"),
    ("two fields of one key", "/config/variables/-", {"field_key": "school", "field_type": "text"},
     "/config/variables/9/field_key", "repeated"),
    ("two options of one value", "/config/variables/4/options/-", {"value": "Boy"}, "/config/variables/4/options",
     "repeated"),
    ("a task that asks twice", "/config/task_kinds/0/fields/-", {"field_key": "school", "field_type": "text"},
     "/config/task_kinds/0/fields/4/field_key", "repeated"),
    ("two usual priorities", "/config/priorities",
     [{"key": "a", "label": "a", "default": True}, {"key": "b", "label": "b", "default": True}],
     "/config/priorities", "two_defaults"),
    ("two usual outcomes", "/config/task_kinds/0/outcomes/-", {"key": "x", "label": "x", "default": True},
     "/config/task_kinds/0/outcomes", "two_defaults"),
    ("the form has no such source", "/config/capture/source", "nope", "/config/capture/source", "unknown_source"),
    ("the form asks for what it cannot", "/config/capture/asks", ["shoe size"], "/config/capture/asks/0",
     "literal_error"),
    ("the form asks twice", "/config/capture/asks", ["phone", "phone"], "/config/capture/asks/1", "repeated"),
    ("shown by a field that is not there", "/config/variables/5/visible_if", {"field": "nope", "equals": "x"},
     "/config/variables/5/visible_if/field", "unknown_field"),
    ("shown by a value that cannot be", "/config/variables/5/visible_if", {"field": "gender", "equals": "x"},
     "/config/variables/5/visible_if/equals", "not_an_option"),
    ("shown by itself", "/config/variables/5/visible_if", {"field": "school", "equals": "x"},
     "/config/variables/5/visible_if/field", "cycle"),
    ("a pattern without end", "/config/variables/5/pattern", "((a{1,1000}){1,1000}){1,1000}",
     "/config/variables/5/pattern", "not_a_pattern"),
    ("a pattern that looks ahead", "/config/variables/5/pattern", "(?=a)", "/config/variables/5/pattern",
     "not_a_pattern"),
    ("a least that is above the most", "/config/variables/3/min", 20, "/config/variables/3/max", "wrong_order"),
    ("a default that is no option", "/config/variables/4/default", "x", "/config/variables/4/default", "not_an_option"),
    ("a field that every lead has", "/config/variables/-", {"field_key": "email", "field_type": "email"},
     "/config/variables/9/field_key", "reserved"),
    ("a reason without a key", "/config/close_reasons/0/key", "", "/config/close_reasons/0/key",
     "string_pattern_mismatch"),
    ("a reason without a name", "/config/close_reasons/0/label", "  ", "/config/close_reasons/0/label",
     "string_too_short"),
    ("room for nobody", "/stages/1/wip_limit", {"max": 0}, "/stages/1/wip_limit/max", "greater_than_equal"),
    ("sorted by nothing", "/config/default_sort", "nope", "/config/default_sort", "unknown_sort"),
    ("sorted by a list", "/config/default_sort", "field.parent_expectations", "/config/default_sort", "unknown_sort"),
    ("a role that may what nobody may", "/config/roles",
     [{"key": "x", "label": "x", "permissions": ["lead.view", "lead.fly"]}], "/config/roles/0/permissions/1",
     "unknown_permission"),
    ("a role that may twice", "/config/roles",
     [{"key": "x", "label": "x", "permissions": ["lead.view", "lead.view"]}], "/config/roles/0/permissions/1",
     "repeated"),
    ("a role named like one there is", "/config/roles", [{"key": "agent", "label": "x"}], "/config/roles/0/key",
     "built_in"),
    ("a stage for no role", "/stages/1/allowed_roles", ["nope"], "/stages/1/allowed_roles/0", "unknown_role"),
    ("erasing what is open", "/config/retention", rules({"action": "erase", "status": ["open"], "after_days": 9}),
     "/config/retention/rules/0/status/0", "not_at_rest"),
    ("archiving what is erased already", "/config/retention",
     rules({"action": "archive", "status": ["lost"], "after_days": 90},
           {"action": "erase", "status": ["won", "lost"], "after_days": 30}),
     "/config/retention/rules/0/status/0", "never"),
    ("archiving once more", "/config/retention",
     rules({"action": "archive", "status": ["lost"], "after_days": 30},
           {"action": "archive", "status": ["won", "lost"], "after_days": 90}),
     "/config/retention/rules/1/status/1", "never"),
    ("a unit twice", "/config/quantity", {"units": ["kg", "kg"]}, "/config/quantity/units/1", "repeated"),
    ("a unit of blanks", "/config/quantity", {"units": [" "]}, "/config/quantity/units/0", "blank"),
    ("a tag twice", "/config/tags", ["new", "new"], "/config/tags/1", "repeated"),
    ("a tag that no lead can have", "/config/tags", ["a" * 51], "/config/tags/0", "too_long"),
    ("duplicates twice", "/config/duplicates", {"on": ["email", "email"]}, "/config/duplicates/on/1", "repeated"),
    ("numbers without a number", "/config/lead_id/pattern", "{prefix}", "/config/lead_id/pattern", "invalid"),
    ("numbers that come again", "/config/lead_id/period", "month", "/config/lead_id/pattern", "ambiguous"),
    ("a word that means nothing", "/config/colour", "red", "/config/colour", "unknown_key"),
    ("no stage at all", "/stages", [], "/stages", "too_short"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value", "pointer", "code"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE]
)
def test_it_is_refused_and_the_place_is_named(place: str, value: object, pointer: str, code: str) -> None:
    found = faults_of(put(place, value))
    assert (pointer, code) in [(fault.pointer, fault.code) for fault in found]
    assert all(len(fault.detail) > 15 for fault in found)


def test_every_stage_closed_leaves_no_place_to_begin() -> None:
    closed = [put(f"/stages/{i}/kind", "lost") for i in range(6)]
    assert [(fault.pointer, fault.code) for fault in faults_of(*closed)] == [("/stages", "no_open_stage")]


def test_tags_that_are_settled_settle_the_points_too() -> None:
    tag = put("/config/scoring", rules({"when": "tag", "any_of": ["New", "old"], "points": 1}))
    found = faults_of(put("/config/tags", ["new"]), tag)
    assert [(fault.pointer, fault.code) for fault in found] == [("/config/scoring/rules/0/any_of/1", "unknown_tag")]
    assert found[0].detail == "There is no tag old. There are: new."


def test_what_is_missing_is_told_with_what_there_is() -> None:
    (fault,) = faults_of(put("/config/task_kinds/2/outcomes/2/next_task/kind", "nope"))
    assert fault.detail == "There is no task kind nope. There are: discovery, intro_visit, follow_up."


def test_all_of_it_at_once() -> None:
    found = faults_of(put("/config/default_sort", "nope"), put("/stages/1/allowed_next_stages/0", "NOPE"))
    assert [fault.pointer for fault in found] == ["/config/default_sort", "/stages/1/allowed_next_stages/0"]
