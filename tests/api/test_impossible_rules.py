"""What a preset may not say, an administrator may not say either."""

from typing import Any

import pytest

from lead_crm.documents import now
from lead_crm.errors import Invalid
from management import setup
from tests.api.steps import codes
from tests.cast import Cast
from workflow import preset
from workflow import store as workflow_store

Row = dict[str, Any]
VISIT: Row = {"key": "visit", "label": "Visit"}

CONFIG: list[tuple[str, Row, str, str]] = [
    ("unit twice", {"quantity": {"units": ["kg", "kg"]}}, "/quantity/units/1", "repeated"),
    ("tag twice", {"tags": ["a", "a"]}, "/tags/1", "repeated"),
    ("attribute twice", {"required": ["email", "email"]}, "/required/1", "repeated"),
    ("outcome to nowhere", {"task_kinds": [VISIT | {"outcomes": [{"key": "x", "label": "x", "move_to": "nope"}]}]},
     "/task_kinds/0/outcomes/0/move_to", "unknown_stage"),
    ("planned to nowhere", {"task_kinds": [VISIT | {"on_schedule": {"move_to": "nope"}}]},
     "/task_kinds/0/on_schedule/move_to", "unknown_stage"),
    ("next task of no kind", {"task_kinds": [VISIT | {"outcomes": [
        {"key": "x", "label": "x", "next_task": {"kind": "nope"}}]}]},
     "/task_kinds/0/outcomes/0/next_task/kind", "unknown_task_kind"),
    ("outcome of none", {"task_kinds": [VISIT | {"outcome_required": True}]}, "/task_kinds/0/outcome_required",
     "no_outcomes"),
    ("kind that a stage needs", {"task_kinds": [VISIT]}, "/stages/stage-new/task_templates/0/kind",
     "unknown_task_kind"),
    ("points for no source", {"scoring": {"rules": [{"when": "source", "any_of": ["nope"], "points": 1}]}},
     "/scoring/rules/0/any_of/0", "unknown_source"),
    ("warm before hot", {"temperature": {"hot_days": 9, "warm_days": 8}}, "/temperature", "wrong_order"),
    ("form without a source", {"capture": {"source": "nope"}}, "/capture/source", "unknown_source"),
    ("sorted by nothing", {"default_sort": "nope"}, "/default_sort", "unknown_sort"),
    ("erased before it is archived", {"retention": {"rules": [
        {"action": "archive", "status": ["won"], "after_days": 9},
        {"action": "erase", "status": ["won"], "after_days": 9}]}},
     "/retention/rules/0/status/0", "never"),
    ("numbers without a number", {"lead_id": {"pattern": "X"}}, "/lead_id/pattern", "invalid"),
]  # fmt: skip

STAGE: list[tuple[str, Row, str, str]] = [
    ("itself", {"allowed_next_stages": ["stage-contacted"]}, "/allowed_next_stages/0", "itself"),
    ("nowhere", {"allowed_next_stages": ["nope"]}, "/allowed_next_stages/0", "unknown_stage"),
    ("no field", {"required_fields": ["nope"]}, "/required_fields/0", "unknown_field"),
    ("a field twice", {"required_fields": ["budget", "budget"]}, "/required_fields/1", "repeated"),
    ("no kind", {"task_templates": [{"uid": "a", "kind": "nope", "title": "x"}]}, "/task_templates/0/kind",
     "unknown_task_kind"),
    ("no role", {"allowed_roles": ["nope"]}, "/allowed_roles/0", "unknown_role"),
    ("no room", {"wip_limit": {"max": 0}}, "/wip_limit/max", "greater_than_equal"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "pointer", "code"), [case[1:] for case in CONFIG], ids=[case[0] for case in CONFIG])
def test_the_config_refuses_it(cast: Cast, body: Row, pointer: str, code: str) -> None:
    before = cast.root.get("/api/config/").json()
    response = cast.root.patch("/api/config/", body)
    assert response.status_code == 422, response.content
    assert (pointer, code) in codes(response)
    assert cast.root.get("/api/config/").json() == before


@pytest.mark.parametrize(("body", "pointer", "code"), [case[1:] for case in STAGE], ids=[case[0] for case in STAGE])
def test_the_stage_refuses_it(cast: Cast, body: Row, pointer: str, code: str) -> None:
    response = cast.root.patch("/api/stages/stage-contacted/", body)
    assert response.status_code == 422, response.content
    assert (pointer, code) in codes(response)
    made = cast.root.post("/api/stages/", {"name": "Contacted", "uid": "stage-contacted", "slug": "other"} | body)
    assert made.status_code in (409, 422)


def test_a_stage_that_tasks_lead_to_is_not_archived_before_they_lead_elsewhere(cast: Cast) -> None:
    kinds = cast.root.get("/api/config/").json()["task_kinds"]
    kinds[1]["outcomes"] = [{"key": "good", "label": "Good", "move_to": "stage-qualified"}]
    assert cast.root.patch("/api/config/", {"task_kinds": kinds}).status_code == 200
    refused = cast.root.patch("/api/stages/stage-qualified/", {"archived": True})
    assert codes(refused) == {("/archived", "in_use")}
    assert "/task_kinds/1/outcomes/0/move_to" in refused.json()["errors"][0]["detail"]
    kinds[1]["outcomes"] = []
    assert cast.root.patch("/api/config/", {"task_kinds": kinds}).status_code == 200
    assert cast.root.patch("/api/stages/stage-qualified/", {"archived": True}).status_code == 200


def test_stages_may_still_be_made_one_by_one(cast: Cast) -> None:
    """Nothing leads there yet, and nothing follows yet."""
    made = cast.root.post("/api/stages/", {"name": "Trial"})
    assert made.status_code == 201, made.content


def test_a_preset_that_is_refused_leaves_what_there_is(
    empty: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "broken.json").write_text('{"config": {"required": ["x"]}, "stages": [{"uid": "a", "name": "A"}]}')
    setup.prepare("website", now=now())
    monkeypatch.setattr(preset, "FOLDER", tmp_path)
    with pytest.raises(Invalid) as caught:
        setup.prepare("broken", now=now())
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/stages/0/slug", "required")]
    assert workflow_store.preset() == "website"
