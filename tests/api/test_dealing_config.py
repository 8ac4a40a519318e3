"""Assignment rules are refused where they name what is not there, with the place."""

from typing import Any

import pytest

from lead_crm import mongo
from tests.api.dealing import dealt, on_entering
from tests.api.steps import codes
from tests.cast import NORTH, Cast


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    return {"assignment": {"rules": list(given)}}


@pytest.mark.parametrize(("rule", "fault"), [
    ({"source": ["website"], "mode": "round_robin", "pool": ["nobody"]}, ("/pool/0", "unknown_person")),
    ({"center": ["north", "moon"], "mode": "by_hand"}, ("/center/1", "unknown_center")),
    ({"stage": ["moon"], "mode": "by_hand"}, ("/stage/0", "unknown_stage")),
    ({"source": ["website"], "mode": "least_loaded", "pool": [{"role": "moon"}]}, ("/pool/0/role", "unknown_role")),
    ({"source": ["website"], "mode": "round_robin"}, ("/pool", "empty_pool")),
    ({"mode": "by_hand"}, ("", "no_condition")),
    ({"source": ["website"]}, ("/mode", "required")),
    ({"source": ["website"], "mode": "by_magic"}, ("/mode", "literal_error")),
    ({"source": ["website"], "mode": "by_hand", "mood": "good"}, ("/mood", "unknown_key")),
])  # fmt: skip
def test_a_rule_that_cannot_work_is_refused(cast: Cast, rule: Any, fault: tuple[str, str]) -> None:
    version = cast.root.get("/api/config/").json()["version"]
    refused = cast.root.patch("/api/config/", rules({"source": ["referral"], "mode": "by_hand"}, rule))
    assert refused.status_code == 422
    assert codes(refused) == {(f"/assignment/rules/1{fault[0]}", fault[1])}
    assert cast.root.get("/api/config/").json()["version"] == version


@pytest.mark.parametrize(("given", "pointers"), [
    ("nobody", {("/auto_assign", "unknown_person")}),
    ({"mode": "round_robin", "pool": ["nobody"]}, {("/auto_assign/pool/0", "unknown_person")}),
    ({"mode": "round_robin", "pool": []}, {("/auto_assign/pool", "empty_pool")}),
    ({"mode": "round_robin", "pool": [{"role": "trainer"}]}, {("/auto_assign/pool/0/role", "sees_no_leads")}),
])  # fmt: skip
def test_a_stage_names_only_people_who_are_there(cast: Cast, given: Any, pointers: set[tuple[str, str]]) -> None:
    assert codes(cast.root.patch("/api/stages/stage-new/", {"auto_assign": given})) == pointers
    assert codes(cast.root.post("/api/stages/", {"name": "More", "auto_assign": given})) == pointers


def test_people_who_have_left_stand_in_the_way_of_no_other_change(cast: Cast) -> None:
    dealt(cast, "round_robin", cast.bob, cast.carol, rules=[{"center": [NORTH], "mode": "by_hand"}])
    on_entering(cast, "stage-won", cast.bob.uid)
    assert cast.root.patch(f"/api/users/{cast.bob.uid}/", {"active": False}).status_code == 200
    assert cast.root.patch("/api/stages/stage-won/", {"name": "Hurray"}).status_code == 200
    dealt(cast, "least_loaded", cast.carol, cast.bob)
    dealt(cast, "least_loaded", cast.carol)
    assignment = {"mode": "round_robin", "pool": [cast.bob.uid]}
    assert codes(cast.root.patch("/api/config/", {"assignment": assignment})) == {
        ("/assignment/pool/0", "unknown_person")
    }


def test_a_new_config_is_checked_too(cast: Cast) -> None:
    mongo.collection("leads").delete_many({"type": {"$in": ["config", "stage"]}})
    body = {"assignment": {"mode": "round_robin", "pool": ["nobody"]}}
    assert codes(cast.root.post("/api/config/", body)) == {("/assignment/pool/0", "unknown_person")}


def test_a_stage_tells_its_pool_as_it_was_given(cast: Cast) -> None:
    pool = {"mode": "least_loaded", "pool": [cast.bob.uid, {"role": "agent"}]}
    on_entering(cast, "stage-new", pool)
    assert cast.root.get("/api/stages/stage-new/").json()["auto_assign"] == pool
    on_entering(cast, "stage-new", None)
    assert cast.root.get("/api/stages/stage-new/").json()["auto_assign"] is None


def test_all_that_is_wrong_is_told_at_once(cast: Cast) -> None:
    rule = {"source": ["moon"], "center": ["moon"], "mode": "round_robin", "pool": ["nobody", {"role": "moon"}]}
    refused = cast.root.patch("/api/config/", {"default_sort": "moon", **rules(rule)})
    assert codes(refused) == {
        ("/default_sort", "unknown_sort"), ("/assignment/rules/0/source/0", "unknown_source"),
        ("/assignment/rules/0/center/0", "unknown_center"), ("/assignment/rules/0/pool/0", "unknown_person"),
        ("/assignment/rules/0/pool/1/role", "unknown_role"),
    }  # fmt: skip
