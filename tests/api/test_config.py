"""The one config: read, changed, locked."""

from typing import Any

import pytest

from lead_crm import mongo
from tests.api.steps import at_once, codes, statuses, twin
from tests.cast import Cast, lead


def log() -> list[dict[str, Any]]:
    return list(mongo.collection("workflow_log").find().sort("created_at", 1))


def test_everyone_may_read_it(cast: Cast) -> None:
    config = cast.vera.get("/api/config/").json()
    assert (config["uid"], config["type"], config["workflow_name"]) == ("default", "config", "Lead Workflow")
    assert [field["field_key"] for field in config["variables"]] == ["budget"]


def test_there_is_never_a_second_one(cast: Cast) -> None:
    refused = cast.root.post("/api/config/", {"workflow_name": "Another"})
    assert (refused.status_code, refused.json()["code"]) == (409, "config_exists")
    assert cast.root.get("/api/config/").json()["workflow_name"] == "Lead Workflow"


def test_of_many_who_set_it_up_at_once_one_succeeds(cast: Cast) -> None:
    mongo.collection("leads").delete_many({"type": {"$in": ["config", "stage"]}})
    mongo.collection("workflow_log").delete_many({})
    answers = at_once([lambda: twin(cast.root).post("/api/config/", {"workflow_name": "Mine"})] * 8, workers=8)
    assert statuses(answers) == [201] + [409] * 7
    assert mongo.collection("leads").count_documents({"type": "config"}) == 1


def test_before_it_is_set_up_everything_says_so(cast: Cast) -> None:
    mongo.collection("leads").delete_many({"type": {"$in": ["config", "stage"]}})
    for path in ("/api/config/", "/api/stages/"):
        assert cast.root.get(path).json()["code"] == "not_set_up"


def test_it_is_changed_by_merge_patch(cast: Cast) -> None:
    before = cast.root.get("/api/config/").json()
    after = cast.root.patch("/api/config/", {"workflow_name": "Selling", "temperature": None}).json()
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"workflow_name", "temperature", "version", "updated_at"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"lead_id": {"pattern": "LEAD"}}, "/lead_id/pattern"),
        ({"lead_id": {"pattern": "{seq}", "period": "month"}}, "/lead_id/pattern"),
        ({"sources": [{"key": "a", "label": "A"}, {"key": "a", "label": "B"}]}, "/sources/0/key"),
        ({"sources": [{"key": "a", "label": "A", "lead_types": ["moon"]}]}, "/sources/0/lead_types/0"),
        ({"default_sort": "moon"}, "/default_sort"),
        ({"temperature": {"hot_days": 9, "warm_days": 1}}, "/temperature"),
        ({"locked": True}, "/locked"),
        ({"uid": "other"}, "/uid"),
        ({"scoring": {"base": 50, "rules": [{"when": "moon", "points": 1}]}}, "/scoring/rules/0"),
    ],
)
def test_what_makes_no_sense_is_refused(cast: Cast, body: object, pointer: str) -> None:
    assert pointer in {at for at, _ in codes(cast.root.patch("/api/config/", body))}
    assert cast.root.get("/api/config/").json()["version"] == 1


def test_a_kind_of_task_that_a_stage_needs_is_not_dropped(cast: Cast) -> None:
    response = cast.root.patch("/api/config/", {"task_kinds": []})
    assert response.status_code == 422
    assert lead(cast.alice)["tasks"]


def test_a_field_that_a_stage_requires_is_not_lost(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-won/", {"required_fields": ["budget"]})
    assert cast.root.patch("/api/config/", {"variables": []}).status_code == 422


def test_a_stale_writer_gets_412_with_what_differs(cast: Cast) -> None:
    cast.root.patch("/api/config/", {"workflow_name": "Selling"})
    refused = cast.root.patch("/api/config/", {"default_sort": "name"}, If_Match='"1"')
    assert (refused.status_code, refused.json()["changed"]) == (412, ["/workflow_name"])
    assert cast.root.patch("/api/config/", {"default_sort": "name"}, If_Match='"2"').status_code == 200


def test_parallel_changes_of_different_things_all_survive(cast: Cast) -> None:
    changes = [
        {"workflow_name": "Selling"}, {"default_sort": "name"}, {"tags": ["a"]}, {"temperature": None},
        {"close_reasons": []}, {"lead_types": [{"key": "sales", "label": "Sales"}]},
    ]  # fmt: skip
    works = [lambda change=change: twin(cast.root).patch("/api/config/", change) for change in changes]
    assert statuses(at_once(works)) == [200] * 6
    config = cast.root.get("/api/config/").json()
    assert (config["workflow_name"], config["tags"], config["temperature"]) == ("Selling", ["a"], None)
    assert config["version"] == 7


class TestLocked:
    @pytest.fixture(autouse=True)
    def _locked(self, cast: Cast) -> None:
        assert cast.root.post("/api/config/lock/", {"reason": "Set-up is done"}).json()["locked"] is True

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "/api/config/", {"workflow_name": "x"}),
            ("POST", "/api/stages/", {"name": "x"}),
            ("PATCH", "/api/stages/stage-new/", {"name": "x"}),
            ("POST", "/api/stages/reorder/", {"order": ["stage-new"]}),
            ("DELETE", "/api/stages/stage-won/", None),
        ],
    )
    def test_every_change_is_refused_with_423(self, cast: Cast, method: str, path: str, body: object) -> None:
        response = cast.root.send(method, path, body)
        assert (response.status_code, response.json()["code"]) == (423, "locked")

    def test_leads_go_on_living(self, cast: Cast) -> None:
        assert lead(cast.alice)["version"] == 1

    def test_unlocking_needs_a_reason_and_both_stand_in_the_log(self, cast: Cast) -> None:
        assert codes(cast.root.post("/api/config/unlock/", {})) == {("/reason", "required")}
        assert cast.root.post("/api/config/unlock/", {"reason": "New product"}).json()["locked"] is False
        said = [(entry["action"], entry["reason"], entry["by"]) for entry in log()[-2:]]
        assert said == [
            ("lock", "Set-up is done", cast.root.uid), ("unlock", "New product", cast.root.uid),
        ]  # fmt: skip
        assert cast.root.patch("/api/config/", {"workflow_name": "x"}).status_code == 200

    def test_locking_twice_changes_nothing(self, cast: Cast) -> None:
        assert cast.root.post("/api/config/lock/", {}).json()["version"] == 2

    def test_a_stale_administrator_does_not_unlock(self, cast: Cast) -> None:
        assert cast.root.post("/api/config/unlock/", {"reason": "x"}, If_Match='"1"').status_code == 412


def test_the_log_says_what_was_changed_by_whom(cast: Cast) -> None:
    cast.root.patch("/api/config/", {"workflow_name": "Selling"})
    entry = log()[-1]
    assert (entry["action"], entry["by"], entry["uid"]) == ("config", cast.root.uid, "2")
    assert entry["changes"] == [{"pointer": "/workflow_name", "old": "Lead Workflow", "new": "Selling"}]
