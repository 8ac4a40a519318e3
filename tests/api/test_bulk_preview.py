"""A dry run judges and writes nothing; its token does just what was shown, once."""

from datetime import timedelta
from typing import Any

import pytest

from lead_crm import mongo
from lead_crm.documents import now
from leads import bulk
from tests.api.steps import Row, at_once, codes, found, go, read, ready, twin
from tests.api.test_bulk import done, many, role, verdicts
from tests.cast import SOUTH, Cast, lead
from tests.contract import CheckedClient

HERE = "stage-contacted"


def commit(client: CheckedClient, token: str, **more: Any) -> Any:
    return client.post("/api/leads/bulk/", {"token": token, **more})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    """Three that may leave the first stage, and one that may not."""
    return [*(ready(cast.alice, tags=["tea"])["uid"] for _ in range(3)), lead(cast.alice, tags=["tea"])["uid"]]


def previewed(cast: Cast, leads: list[str]) -> Row:
    return done(many(cast.alice, "transition", leads, to_stage=HERE, dry_run=True))


def test_a_dry_run_says_what_would_happen_and_changes_nothing(cast: Cast, leads: list[str]) -> None:
    before = [read(cast.alice, uid) for uid in leads]
    answer = previewed(cast, leads)
    assert [row["ok"] for row in answer["results"]] == [True, True, True, False]
    assert (answer["done"], answer["refused"], answer["dry_run"]) == (3, 1, True)
    assert [read(cast.alice, uid) for uid in leads] == before
    real = done(many(cast.alice, "transition", leads, to_stage=HERE))
    assert real["results"] == answer["results"]


def test_the_token_alone_does_what_was_shown(cast: Cast, leads: list[str]) -> None:
    preview = previewed(cast, leads)
    answer = done(commit(cast.alice, preview["token"]))
    assert answer["results"] == preview["results"]
    assert (answer["done"], answer["refused"], answer["dry_run"], answer["token"]) == (3, 1, False, preview["token"])
    assert found(cast.alice, f"stage={HERE}") == set(leads[:3])


def test_one_that_has_been_changed_since_is_left_alone(cast: Cast, leads: list[str]) -> None:
    preview = previewed(cast, leads)
    cast.bob.patch(f"/api/leads/{leads[1]}/", {"company": "Mill"})
    told = verdicts(commit(cast.alice, preview["token"]))
    assert told[leads[1]] == ["changed_since_preview"]
    assert found(cast.alice, f"stage={HERE}") == {leads[0], leads[2]}


def test_one_that_was_refused_is_not_done_even_if_it_would_pass_by_now(cast: Cast, leads: list[str]) -> None:
    preview = previewed(cast, leads)
    task = read(cast.alice, leads[3])["tasks"][0]["uid"]
    cast.alice.post(f"/api/leads/{leads[3]}/tasks/{task}/complete/", {})
    assert verdicts(commit(cast.alice, preview["token"]))[leads[3]] == ["task_open"]
    assert read(cast.alice, leads[3])["current_stage"] == "stage-new"


def test_leads_that_match_the_filter_by_now_are_not_touched(cast: Cast, leads: list[str]) -> None:
    preview = done(many(cast.alice, "archive", filter={"tags": "tea"}, dry_run=True))
    late = lead(cast.alice, tags=["tea"])["uid"]
    answer = done(commit(cast.alice, preview["token"], action="archive", filter={"tags": ["tea"]}))
    assert (answer["done"], found(cast.alice, "tags=tea")) == (4, {late})


def test_used_twice_it_answers_the_same_and_does_nothing_twice(cast: Cast, leads: list[str]) -> None:
    preview = previewed(cast, leads)
    cast.bob.patch(f"/api/leads/{leads[1]}/", {"company": "Mill"})
    first = done(commit(cast.alice, preview["token"]))
    go(cast.alice, leads[0], "stage-qualified")
    versions = [read(cast.alice, uid)["version"] for uid in leads]
    assert done(commit(cast.alice, preview["token"])) == first
    assert [read(cast.alice, uid)["version"] for uid in leads] == versions


def test_used_by_two_at_once_it_is_done_once(cast: Cast, leads: list[str]) -> None:
    preview = previewed(cast, leads)
    answers = at_once([lambda: done(commit(twin(cast.alice), preview["token"])) for _ in range(6)])
    assert [answer["done"] for answer in answers] == [3] * 6
    assert [read(cast.alice, uid)["history_count"] for uid in leads] == [2, 2, 2, 1]


def test_room_that_was_taken_meanwhile_is_not_there(cast: Cast, leads: list[str]) -> None:
    cast.root.patch(f"/api/stages/{HERE}/", {"wip_limit": {"max": 2}})
    preview = previewed(cast, leads)
    assert [row["ok"] for row in preview["results"]] == [True, True, False, False]
    go(cast.alice, ready(cast.alice)["uid"], HERE)
    first = done(commit(cast.alice, preview["token"]))
    assert [[one["code"] for one in row["refusals"]] for row in first["results"]] == [
        [], ["wip_limit"], ["wip_limit"], ["task_open"],
    ]  # fmt: skip
    assert done(commit(cast.alice, preview["token"])) == first


@pytest.mark.parametrize(("more", "pointer"), [
    ({"action": "archive"}, "/action"), ({"action": "transition", "to_stage": "stage-lost"}, ""),
    ({"action": "transition", "params": {"to_stage": "stage-lost"}}, "/params"),
    ({"uids": ["LEAD-1"]}, "/uids"), ({"filter": {"q": "a"}}, "/filter"),
], ids=str)  # fmt: skip
def test_something_else_than_was_previewed_is_refused(cast: Cast, leads: list[str], more: Row, pointer: str) -> None:
    preview = previewed(cast, leads)
    full = {"action": "transition", "to_stage": HERE} if "action" not in more else {}
    refused = commit(cast.alice, preview["token"], **full, **more)
    assert (refused.status_code, codes(refused)) == (422, {(pointer, "not_as_previewed")})
    assert found(cast.alice, f"stage={HERE}") == set()
    assert done(commit(cast.alice, preview["token"], action="transition", to_stage=HERE, uids=leads))["done"] == 3


def test_a_preview_is_its_makers_own_and_lives_for_an_hour(cast: Cast, leads: list[str]) -> None:
    token = previewed(cast, leads)["token"]
    refusals = [commit(cast.charlie, token), commit(cast.root, token), commit(cast.alice, "0" * 32)]
    mongo.collection("previews").update_one({"_id": token}, {"$set": {"valid_until": now() - timedelta(seconds=1)}})
    refusals.append(commit(cast.alice, token))
    assert {(one.status_code, one.json()["detail"]) for one in refusals} == {
        (404, "There is no preview of yours with this token. They are kept for an hour: preview it again.")
    }
    row = mongo.collection("previews").find_one({"_id": token})
    assert row is not None
    assert timedelta(0) < row["expires_at"] - now() < timedelta(hours=2)


def test_a_right_that_was_withdrawn_since_is_missing(cast: Cast, leads: list[str]) -> None:
    bulky = role(cast, "bulky", ["lead.view", "lead.archive", "lead.bulk"])
    token = done(many(bulky, "archive", leads, dry_run=True))["token"]
    cast.root.patch("/api/config/", {"roles": [{"key": "bulky", "label": "x", "permissions": ["lead.bulk"]}]})
    assert commit(bulky, token).status_code == 404


def test_who_works_elsewhere_by_now_learns_nothing_from_an_old_one(cast: Cast, leads: list[str]) -> None:
    token = previewed(cast, leads)["token"]
    moved = cast.root.patch(f"/api/users/{cast.alice.uid}/", {"centers": [SOUTH]})
    assert moved.status_code == 200, moved.content
    refused = commit(cast.alice, token)
    assert refused.status_code == 404
    assert not [uid for uid in leads if uid in refused.content.decode()]


def test_a_dry_run_that_was_not_finished_has_no_token(
    cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, calls = bulk.judged, []

    def fails(*args: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("broken")
        return judged(*args)

    monkeypatch.setattr(bulk, "judged", fails)
    answer = done(many(cast.alice, "archive", leads, dry_run=True))
    assert [row["ok"] for row in answer["results"]] == [True, True, False, False]
    assert answer["token"] is None


def test_of_an_erased_person_no_task_is_named_any_more(cast: Cast, leads: list[str]) -> None:
    previewed(cast, leads)
    assert "first contact" in str(list(mongo.collection("previews").find()))
    assert cast.alice.post(f"/api/leads/{leads[3]}/privacy/erase/", {"reason": "Asked for it"}).status_code == 200
    assert "first contact" not in str(list(mongo.collection("previews").find()))


def test_a_lead_that_was_given_away_since_is_not_found(cast: Cast, leads: list[str]) -> None:
    own = role(cast, "own", ["lead.view", "lead.edit", "lead.bulk"], scope="own")
    token = done(many(own, "tag", leads[:1], tags=["x"], dry_run=True))["token"]
    cast.alice.post(f"/api/leads/{leads[0]}/assign/", {"assigned_to": cast.carol.uid})
    assert verdicts(commit(own, token)) == {leads[0]: ["not_found"]}
