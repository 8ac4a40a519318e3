"""PATCH /api/leads/{uid}/: a merge patch."""

import pytest

from tests.api.steps import codes, read
from tests.cast import Cast, lead


def test_only_what_is_sent_changes(cast: Cast) -> None:
    before = lead(cast.alice, email="ada@example.com", company="Engines")
    after = cast.alice.patch(f"/api/leads/{before['uid']}/", {"company": "Looms"}).json()
    assert (after["company"], after["email"], after["version"]) == ("Looms", "ada@example.com", 2)


def test_null_clears(cast: Cast) -> None:
    made = lead(cast.alice, email="ada@example.com")
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"email": None}).json()["email"] is None


def test_custom_fields_are_merged_key_by_key(cast: Cast) -> None:
    cast.root.patch("/api/config/", {"variables": [
        {"field_key": "budget", "field_type": "decimal", "required": True},
        {"field_key": "hobby", "field_type": "text"},
    ]})  # fmt: skip
    made = lead(cast.alice, fields={"budget": "1", "hobby": "chess"})
    at = f"/api/leads/{made['uid']}/"
    assert cast.alice.patch(at, {"fields": {"budget": "2"}}).json()["fields"] == {"budget": "2", "hobby": "chess"}
    assert cast.alice.patch(at, {"fields": {"hobby": None}}).json()["fields"] == {"budget": "2"}


def test_a_required_field_cannot_be_cleared(cast: Cast) -> None:
    made = lead(cast.alice)
    response = cast.alice.patch(f"/api/leads/{made['uid']}/", {"fields": {"budget": None}})
    assert codes(response) == {("/fields/budget", "required")}


def test_an_address_is_merged_too(cast: Cast) -> None:
    made = lead(cast.alice, address={"line": "1 Mill Lane", "city": "Leeds"})
    after = cast.alice.patch(f"/api/leads/{made['uid']}/", {"address": {"city": "York"}}).json()
    assert (after["address"]["line"], after["address"]["city"]) == ("1 Mill Lane", "York")


def test_a_list_is_replaced_whole(cast: Cast) -> None:
    made = lead(cast.alice, tags=["a", "b"])
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"tags": ["c"]}).json()["tags"] == ["c"]


def test_the_name_cannot_be_cleared(cast: Cast) -> None:
    made = lead(cast.alice)
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"name": None}).status_code == 422


def test_a_patch_that_changes_nothing_makes_no_version(cast: Cast) -> None:
    made = lead(cast.alice, company="Engines")
    after = cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "Engines"})
    assert after["ETag"] == '"1"'
    assert after.json()["version"] == 1


@pytest.mark.parametrize(
    ("key", "value", "endpoint"),
    [
        ("current_stage", "stage-won", "/transition/"),
        ("status", "won", "/transition/"),
        ("assigned_to", [], "/assign/"),
        ("rank", "m", "/kanban/move/"),
        ("tasks", [], "/tasks/"),
        ("activities", [], "/activities/"),
        ("score", 100, ""),
        ("uid", "LEAD-1", ""),
        ("is_hot", True, ""),
        ("history", [], ""),
        ("days_in_stage", 1, ""),
    ],
)
def test_what_another_endpoint_does_is_refused_and_named(cast: Cast, key: str, value: object, endpoint: str) -> None:
    made = lead(cast.alice)
    response = cast.alice.patch(f"/api/leads/{made['uid']}/", {key: value})
    (fault,) = response.json()["errors"]
    assert (response.status_code, fault["pointer"], fault["code"]) == (422, f"/{key}", "read_only")
    assert endpoint in fault["detail"]


def test_all_faults_of_a_patch_come_at_once(cast: Cast) -> None:
    made = lead(cast.alice)
    body = {"email": "nobody", "rank": "a", "fields": {"budget": "much"}}
    pointers = {pointer for pointer, _ in codes(cast.alice.patch(f"/api/leads/{made['uid']}/", body))}
    assert pointers == {"/email", "/rank", "/fields/budget"}


def test_a_patch_checks_only_the_keys_it_touches(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.root.patch("/api/config/", {"variables": [
        {"field_key": "budget", "field_type": "decimal"}, {"field_key": "new", "field_type": "text", "required": True},
    ]})  # fmt: skip
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "Looms"}).status_code == 200


def test_the_timeline_says_which_fields_have_changed(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.bob.patch(f"/api/leads/{made['uid']}/", {"company": "Looms", "fields": {"budget": "7"}})
    last = read(cast.alice, made["uid"])["activities"][-1]
    assert (last["kind"], last["actor"]) == ("field_change", cast.bob.uid)
    assert last["meta"]["fields"] == ["company", "fields.budget"]


def test_the_score_follows_and_can_be_set_by_hand(cast: Cast) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    assert cast.alice.patch(at, {"company": "Looms"}).json()["score"] == 60
    assert cast.alice.patch(at, {"score_override": 5}).json()["score"] == 5
    assert cast.alice.patch(at, {"score_override": None}).json()["score"] == 60


def test_the_earliest_dated_task_wins_over_a_follow_up_written_by_hand(cast: Cast) -> None:
    made = lead(cast.alice)
    at = f"/api/leads/{made['uid']}/"
    due = made["tasks"][0]["due_at"]
    assert cast.alice.patch(at, {"next_follow_up_at": "2040-01-01T00:00:00Z"}).json()["next_follow_up_at"] == due
    done = cast.alice.post(f"{at}tasks/{made['tasks'][0]['uid']}/complete/", {}).json()
    assert done["next_follow_up_at"].startswith("2040-01-01T00:00:00")
