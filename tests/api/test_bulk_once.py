"""A bulk that is repeated, interrupted, or sent by two at once does no lead twice; others write in between."""

from typing import Any

import pytest

from lead_crm import mongo
from leads import bulk
from tests.api.steps import at_once, found, read, relaxed, rewrite, twin
from tests.api.test_bulk import done, many
from tests.cast import Cast, lead
from tests.contract import CheckedClient

FIRM = {"company": "Mill"}


@pytest.fixture
def leads(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(bulk, "BATCH", 4)
    relaxed(cast.root)
    return [lead(cast.alice)["uid"] for _ in range(10)]


def keyed(client: CheckedClient, uids: list[str], key: str = "k", **more: Any) -> Any:
    body = {"action": "transition", "to_stage": "stage-won", "uids": uids} | more
    return client.post("/api/leads/bulk/", body, Idempotency_Key=key)


def moves(cast: Cast, uids: list[str]) -> list[int]:
    return [read(cast.alice, uid)["history_count"] - 1 for uid in uids]


def test_a_repeated_bulk_is_answered_ok_and_not_done_again(cast: Cast, leads: list[str]) -> None:
    first = done(keyed(cast.alice, leads))
    for uid in leads:  # they have gone elsewhere meanwhile
        cast.alice.post(f"/api/leads/{uid}/transition/", {"to_stage": "stage-new"})
    again = keyed(cast.alice, leads)
    assert done(again) == first
    assert "Idempotency-Replayed" not in again
    assert {read(cast.alice, uid)["current_stage"] for uid in leads} == {"stage-new"}


def test_what_has_begun_is_finished_and_noted_where_the_client_hangs_up(cast: Cast, leads: list[str]) -> None:
    body = {"action": "transition", "to_stage": "stage-won", "uids": leads}
    bearer = {"Authorization": f"Bearer {cast.alice.token}"}
    response: Any = cast.alice.client.post("/api/leads/bulk/", body, content_type="application/json", headers=bearer)
    next(iter(response))
    response.close()
    assert moves(cast, leads) == [1] * 10
    noted = [row for row in cast.root.get("/api/audit/?limit=200").json()["results"] if row["what"] == "bulk_leads"]
    assert {uid for row in noted if row["action"] == "change" for uid in row["subjects"]} == set(leads)


def test_without_a_key_the_same_bulk_is_another_one(cast: Cast, leads: list[str]) -> None:
    for stage in ("stage-won", "stage-new", "stage-won"):
        assert done(many(cast.alice, "transition", leads, to_stage=stage))["done"] == 10
    assert moves(cast, leads) == [3] * 10


def test_the_key_with_another_body_is_refused(cast: Cast, leads: list[str]) -> None:
    keyed(cast.alice, leads)
    refused = keyed(cast.alice, leads[:1])
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


def test_an_interrupted_bulk_goes_on_with_what_is_left(
    cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = bulk.many.save_many, []

    def fails(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("broken")
        return replace(*args)

    with monkeypatch.context() as broken:
        broken.setattr(bulk.many, "save_many", fails)
        first = done(keyed(cast.alice, leads))
    assert (first["done"], first["refused"]) == (4, 6)
    rewrite(leads[0], current_stage="stage-new")  # it would be moved a second time, did it not know
    assert done(keyed(cast.alice, leads))["done"] == 10
    assert moves(cast, leads) == [1] * 10


def test_two_identical_requests_at_once_do_each_lead_once(cast: Cast, leads: list[str]) -> None:
    answers = at_once([lambda: keyed(twin(cast.alice), leads) for _ in range(6)])
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert all(done(answer)["done"] == 10 for answer in answers if answer.status_code == 200)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"in_progress"}
    assert moves(cast, leads) == [1] * 10


def test_also_where_the_second_takes_the_first_for_dead(cast: Cast, leads: list[str]) -> None:
    """As after a minute: both run, and both find the marks of the other."""
    forget = mongo.collection("idempotency").delete_many

    def asked() -> Any:
        forget({})
        return keyed(twin(cast.alice), leads)

    answers = at_once([asked for _ in range(6)])
    assert all(done(answer)["done"] == 10 for answer in answers if answer.status_code == 200)
    assert moves(cast, leads) == [1] * 10


def test_who_writes_in_between_loses_nothing_and_is_found_out_exactly(
    cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, others = bulk.many.save_many, iter([leads[1], leads[3], leads[1], leads[8]])

    def late(writes: Any, workflow: Any) -> Any:
        if (uid := next(others, None)) in {write.lead.uid for write in writes}:
            assert cast.bob.patch(f"/api/leads/{uid}/", FIRM).status_code == 200
        return replace(writes, workflow)

    monkeypatch.setattr(bulk.many, "save_many", late)
    assert done(many(cast.alice, "transition", leads, to_stage="stage-won"))["done"] == 10
    after = [read(cast.alice, uid) for uid in leads]
    assert {row["current_stage"] for row in after} == {"stage-won"}
    assert [row["company"] for row in after].count("Mill") >= 1
    assert moves(cast, leads) == [1] * 10


def test_bulks_single_moves_and_edits_at_once_all_count(cast: Cast, leads: list[str]) -> None:
    works: list[Any] = [lambda n=n: many(twin(cast.alice), "tag", leads, tags=[f"tag {n}"]) for n in range(4)]
    works += [lambda uid=uid: twin(cast.alice).patch(f"/api/leads/{uid}/", FIRM) for uid in leads]
    answers = at_once(works)
    assert {answer.status_code for answer in answers} == {200}
    assert all(done(answer)["done"] == 10 for answer in answers[:4])
    for uid in leads:
        row = read(cast.alice, uid)
        assert (set(row["tags"]), row["company"], row["version"]) == ({f"tag {n}" for n in range(4)}, "Mill", 6)


def test_a_filter_that_is_asked_again_does_what_still_matches(cast: Cast, leads: list[str]) -> None:
    body = {"action": "transition", "to_stage": "stage-won", "filter": {"stage": "stage-new"}}
    assert done(cast.alice.post("/api/leads/bulk/", body, Idempotency_Key="f"))["done"] == 10
    again = done(cast.alice.post("/api/leads/bulk/", body, Idempotency_Key="f"))
    assert (again["done"], found(cast.alice, "stage=stage-won")) == (0, set(leads))
