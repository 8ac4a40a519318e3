"""Idempotency-Key: a POST that is repeated is done once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lead_crm import mongo
from leads import arriving
from tests.api.steps import at_once, found, listed, read, ready, statuses, twin
from tests.cast import Cast, lead
from tests.contract import CheckedClient

ADA = {"name": "Ada", "fields": {"budget": "1"}}


def post(client: CheckedClient, path: str, body: object = ADA, key: str = "k1") -> Any:
    return client.post(path, body, Idempotency_Key=key)


def died(minutes: float = 2) -> None:
    """The process died between its write and the answer; that was some minutes ago."""
    started = datetime.now(UTC) - timedelta(minutes=minutes)
    mongo.collection("idempotency").update_many({}, {"$set": {"answer": None, "started_at": started}})


def test_the_same_key_and_body_get_the_first_answer(cast: Cast) -> None:
    first = post(cast.alice, "/api/leads/")
    again = post(cast.alice, "/api/leads/")
    assert again.content == first.content
    assert (again.status_code, again["ETag"], again["Content-Type"]) == (201, '"1"', first["Content-Type"])
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert listed(cast.alice)["count"] == 1


def test_the_first_answer_is_given_even_when_the_lead_has_changed(cast: Cast) -> None:
    first = post(cast.alice, "/api/leads/")
    cast.alice.patch(f"/api/leads/{first.json()['uid']}/", {"company": "Mill"})
    assert post(cast.alice, "/api/leads/").content == first.content


def test_a_refusal_is_repeated_too(cast: Cast) -> None:
    made = lead(cast.alice)
    path, body = f"/api/leads/{made['uid']}/transition/", {"to_stage": "stage-contacted"}
    first = post(cast.alice, path, body)
    cast.alice.post(f"/api/leads/{made['uid']}/tasks/{made['tasks'][0]['uid']}/complete/", {})
    again = post(cast.alice, path, body)
    assert (again.status_code, again.content, again["Content-Type"]) == (409, first.content, first["Content-Type"])


def test_another_body_is_refused(cast: Cast) -> None:
    post(cast.alice, "/api/leads/")
    refused = post(cast.alice, "/api/leads/", ADA | {"name": "Grace"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


def test_a_request_that_is_still_running_is_not_doubled(cast: Cast) -> None:
    post(cast.alice, "/api/leads/")
    died(minutes=0.1)
    refused = post(cast.alice, "/api/leads/")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_progress")


def test_keys_are_the_callers_own(cast: Cast) -> None:
    mine, theirs = post(cast.alice, "/api/leads/"), post(cast.bob, "/api/leads/")
    assert theirs.status_code == 201
    assert theirs.json()["uid"] != mine.json()["uid"]


def test_keys_belong_to_an_address(cast: Cast) -> None:
    first, second = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    for uid in (first, second):
        assert post(cast.alice, f"/api/leads/{uid}/activities/", {"body": "x"}).status_code == 201
        assert read(cast.alice, uid)["activities_count"] == 2


def test_a_slash_at_the_end_makes_no_other_address(cast: Cast) -> None:
    assert post(cast.alice, "/api/leads/").content == post(cast.alice, "/api/leads").content


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_is_a_line_of_text(cast: Cast, key: str) -> None:
    assert post(cast.alice, "/api/leads/", key=key).status_code == 422


def test_a_failure_of_ours_is_not_kept(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(arriving, "create", broken)
        raw = cast.alice.client.post(
            "/api/leads/", ADA, content_type="application/json",
            headers={"Authorization": f"Bearer {cast.alice.token}", "Idempotency-Key": "k1"},
        )  # fmt: skip
        assert (raw.status_code, raw.json()["code"]) == (500, "internal")
        assert "a defect" not in raw.content.decode()
    assert post(cast.alice, "/api/leads/").status_code == 201


class TestACrashBetweenTheWriteAndTheAnswer:
    def test_creates_no_second_lead(self, cast: Cast) -> None:
        first = post(cast.alice, "/api/leads/")
        died()
        again = post(cast.alice, "/api/leads/")
        assert (again.status_code, again.json()) == (201, first.json())
        assert found(cast.alice, "") == {first.json()["uid"]}
        assert post(cast.alice, "/api/leads/")["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(("path", "body"), [
        ("activities/", {"kind": "call", "body": "Hello"}),
        ("tasks/", {"kind": "call", "title": "Ring"}),
    ])  # fmt: skip
    def test_makes_no_second_activity_or_task(self, cast: Cast, path: str, body: object) -> None:
        uid = lead(cast.alice)["uid"]
        first = post(cast.alice, f"/api/leads/{uid}/{path}", body)
        before = read(cast.alice, uid)
        cast.alice.post(f"/api/leads/{uid}/{path}", body)
        died()
        again = post(cast.alice, f"/api/leads/{uid}/{path}", body)
        assert (again.status_code, again.json()) == (201, first.json())
        assert read(cast.alice, uid)["version"] == before["version"] + 1

    def test_is_known_after_many_more_activities(self, cast: Cast) -> None:
        path = f"/api/leads/{lead(cast.alice)['uid']}/activities/"
        first = post(cast.alice, path, {"body": "first"})
        for number in range(60):
            cast.alice.post(path, {"body": f"{number}"})
        died()
        assert post(cast.alice, path, {"body": "first"}).json() == first.json()

    def test_moves_a_lead_no_further(self, cast: Cast) -> None:
        uid = ready(cast.alice)["uid"]
        path, body = f"/api/leads/{uid}/transition/", {"to_stage": "stage-contacted"}
        first = post(cast.alice, path, body)
        died()
        again = post(cast.alice, path, body)
        assert (again.status_code, again.json()["version"]) == (200, first.json()["version"])

    def test_does_not_bring_a_lead_back_that_went_on(self, cast: Cast) -> None:
        cast.root.patch("/api/stages/stage-contacted/", {"allowed_next_stages": ["stage-new"]})
        uid = ready(cast.alice)["uid"]
        path = f"/api/leads/{uid}/transition/"
        post(cast.alice, path, {"to_stage": "stage-contacted"})
        post(cast.alice, path, {"to_stage": "stage-new"}, key="k2")
        died()
        assert post(cast.alice, path, {"to_stage": "stage-contacted"}).status_code == 200
        assert read(cast.alice, uid)["current_stage"] == "stage-new"


def test_of_many_at_once_one_makes_the_lead(cast: Cast) -> None:
    answers = at_once([lambda: post(twin(cast.alice), "/api/leads/")] * 24, workers=24)
    assert set(statuses(answers)) <= {201, 409}
    made = {answer.json()["uid"] for answer in answers if answer.status_code == 201}
    assert found(cast.alice, "") == made
    assert len(made) == 1


def test_of_many_at_once_after_a_crash_one_goes_on(cast: Cast) -> None:
    uid = post(cast.alice, "/api/leads/").json()["uid"]
    died()
    answers = at_once([lambda: post(twin(cast.alice), "/api/leads/")] * 24, workers=24)
    assert {answer.json()["uid"] for answer in answers if answer.status_code == 201} == {uid}
    assert found(cast.alice, "") == {uid}
