"""Stages: made, changed, reordered, archived."""

from typing import Any

import pytest

from tests.api.steps import EVERY_STAGE, at_once, codes, statuses, twin, uids
from tests.cast import Cast, lead


def listed(cast: Cast, query: str = "") -> list[str]:
    return uids(cast.vera.get(f"/api/stages/{query}").json()["results"])


def test_they_are_listed_in_the_order_of_the_board(cast: Cast) -> None:
    assert listed(cast) == list(EVERY_STAGE)


def test_a_stage_is_made_with_as_little_as_a_name(cast: Cast) -> None:
    response = cast.root.post("/api/stages/", {"name": "Follow Up!"})
    made = response.json()
    assert (response.status_code, response["ETag"]) == (201, '"1"')
    assert (made["uid"], made["slug"], made["order"], made["kind"]) == ("stage-follow-up", "follow-up", 6, "open")
    assert listed(cast)[-1] == "stage-follow-up"
    assert cast.vera.get("/api/stages/stage-follow-up/").json() == made


def test_behind_the_last_place_there_is_room_for_more(cast: Cast) -> None:
    assert cast.root.post("/api/stages/", {"name": "Last", "order": 100_000}).status_code == 201
    made = [cast.root.post("/api/stages/", {"name": name}) for name in ("More", "Still more")]
    assert [(answer.status_code, answer.json()["order"]) for answer in made] == [(201, 100_000)] * 2


def test_a_stage_may_bring_its_uid(cast: Cast) -> None:
    assert cast.root.post("/api/stages/", {"name": "Won", "uid": "WON", "slug": "very-won"}).json()["uid"] == "WON"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "New", "uid": "stage-new", "slug": "other"}, 409),
        ({"name": "New Lead", "uid": "other"}, 422),
        ({"name": "Move", "uid": "move"}, 422),
        ({"name": "Reorder", "uid": "reorder"}, 422),
        ({"name": ""}, 422),
        ({}, 422),
        ({"name": "x", "color": "red"}, 422),
        ({"name": "x", "kind": "maybe"}, 422),
        ({"name": "x", "slug": "Not A Slug"}, 422),
        ({"name": "x", "allowed_next_stages": ["stage-moon"]}, 422),
        ({"name": "x", "uid": "x", "allowed_next_stages": ["x"]}, 422),
        ({"name": "x", "allowed_next_stages": ["stage-new", "stage-new"]}, 422),
        ({"name": "x", "required_fields": ["moon"]}, 422),
        ({"name": "x", "allowed_roles": ["astronaut"]}, 422),
        ({"name": "x", "task_templates": [{"uid": "t", "kind": "dance", "title": "Dance"}]}, 422),
        ({"name": "x", "sla_hours": 0}, 422),
        ({"name": "x", "probability": 1.5}, 422),
        ({"name": "x", "version": 5}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(cast: Cast, body: object, status: int) -> None:
    assert cast.root.post("/api/stages/", body).status_code == status
    assert listed(cast) == list(EVERY_STAGE)


def test_a_stage_is_changed_by_merge_patch(cast: Cast) -> None:
    before = cast.root.get("/api/stages/stage-new/").json()
    after = cast.root.patch("/api/stages/stage-new/", {"name": "Fresh", "sla_hours": 24}).json()
    assert {key for key in after if after[key] != before[key]} == {"name", "sla_hours", "version", "updated_at"}
    assert cast.root.patch("/api/stages/stage-new/", {"sla_hours": None}).json()["sla_hours"] is None


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"allowed_next_stages": ["stage-moon"]}, "/allowed_next_stages/0", "unknown_stage"),
        ({"allowed_next_stages": ["stage-new"]}, "/allowed_next_stages/0", "itself"),
        ({"slug": "contacted"}, "/slug", "taken"),
        ({"required_fields": ["fields.moon"]}, "/required_fields/0", "unknown_field"),
    ],
)
def test_a_change_that_contradicts_the_rest_is_refused(cast: Cast, body: object, pointer: str, code: str) -> None:
    assert codes(cast.root.patch("/api/stages/stage-new/", body)) == {(pointer, code)}


def test_only_a_won_stage_may_require_the_reference_of_a_conversion(cast: Cast) -> None:
    required = {"required_fields": ["conversion.reference"]}
    assert cast.root.patch("/api/stages/stage-won/", required).status_code == 200
    assert codes(cast.root.patch("/api/stages/stage-won/", {"kind": "open"})) == {("/required_fields/0", "not_won")}
    assert codes(cast.root.patch("/api/stages/stage-new/", required)) == {("/required_fields/0", "not_won")}


def test_faults_of_a_new_stage_come_at_once(cast: Cast) -> None:
    body = {"name": "x", "allowed_next_stages": ["moon"], "required_fields": ["moon"], "slug": "new-lead"}
    pointers = {pointer for pointer, _ in codes(cast.root.post("/api/stages/", body))}
    assert pointers == {"/allowed_next_stages/0", "/required_fields/0", "/slug"}


def test_a_change_holds_at_once(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.root.patch("/api/stages/stage-new/", {"allowed_next_stages": ["stage-won"]})
    verdicts = cast.alice.get(f"/api/leads/{made['uid']}/moves/").json()["results"]
    assert {v["stage"]: [r["code"] for r in v["refusals"]] for v in verdicts}["stage-won"] == ["task_open"]


def test_reordering(cast: Cast) -> None:
    order = [*EVERY_STAGE[1:], EVERY_STAGE[0]]
    response = cast.root.post("/api/stages/reorder/", {"order": order})
    assert uids(response.json()["results"]) == listed(cast) == order


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (EVERY_STAGE[:-1], "incomplete"),
        ([*EVERY_STAGE, "moon"], "unknown_stage"),
        ([*EVERY_STAGE, "stage-new"], "repeated"),
    ],
)
def test_an_order_names_every_stage_once(cast: Cast, order: list[str], code: str) -> None:
    assert code in {found for _, found in codes(cast.root.post("/api/stages/reorder/", {"order": list(order)}))}


def test_archived_stages_are_listed_by_themselves(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-won/", {"archived": True})
    assert listed(cast, "?archived=true") == ["stage-won"]
    assert "stage-won" not in listed(cast, "?archived=false")
    assert listed(cast) == list(EVERY_STAGE)
    cast.root.patch("/api/stages/stage-won/", {"archived": False})
    assert listed(cast, "?archived=true") == []


def test_new_leads_begin_in_the_first_open_stage_that_is_not_archived(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"archived": True})
    assert lead(cast.alice)["current_stage"] == "stage-contacted"


def test_a_stale_writer_gets_412(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"name": "Fresh"})
    refused = cast.root.patch("/api/stages/stage-new/", {"color": "#000000"}, If_Match='"1"')
    assert (refused.status_code, refused.json()["changed"]) == (412, ["/name"])
    assert cast.root.patch("/api/stages/stage-new/", {"color": "#000000"}, If_Match='"2"').status_code == 200


def test_a_stage_that_others_change_is_not_stale_for_those_who_change_another(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"name": "Fresh"})
    assert cast.root.patch("/api/stages/stage-won/", {"name": "Hurrah"}, If_Match='"1"').status_code == 200


def test_two_administrators_at_the_same_moment_both_succeed(cast: Cast) -> None:
    def rename(uid: str) -> Any:
        return lambda: twin(cast.root).patch(f"/api/stages/{uid}/", {"name": f"{uid} renamed"})

    assert statuses(at_once([rename(uid) for uid in EVERY_STAGE])) == [200] * 6
    names = [stage["name"] for stage in cast.root.get("/api/stages/").json()["results"]]
    assert names == [f"{uid} renamed" for uid in EVERY_STAGE]
    assert cast.root.get("/api/config/").json()["version"] == 7


def test_a_stage_that_is_not_there(cast: Cast) -> None:
    assert cast.root.get("/api/stages/moon/").status_code == 404
    assert cast.root.patch("/api/stages/moon/", {"name": "x"}).status_code == 404
    assert cast.root.delete("/api/stages/moon/").status_code == 404
