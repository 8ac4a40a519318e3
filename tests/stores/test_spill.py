"""Timelines grow for years: old entries leave the lead, and readers never notice."""

from collections.abc import Iterable
from typing import Any

import pytest

from lead_crm import mongo
from leads import records
from leads.documents import Lead
from leads.record import FULL, FULL_CHANGES, KEPT, timeline_uid
from tests.api.steps import EVERY_STAGE, go, read, relaxed, twin, walked
from tests.cast import Cast, lead


def stored(uid: str) -> mongo.Row:
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid})
    assert row is not None
    return row


def timelines(uid: str) -> int:
    return mongo.collection("leads").count_documents({"type": "timeline", "uid": {"$regex": f"^{uid}:"}})


@pytest.fixture
def talkative(cast: Cast) -> str:
    uid = str(lead(cast.alice)["uid"])
    for number in range(200):
        assert cast.alice.post(f"/api/leads/{uid}/activities/", {"body": f"{number}"}).status_code == 201
    return uid


def test_a_lead_with_200_activities_stays_small(cast: Cast, talkative: str) -> None:
    row = stored(talkative)
    assert len(row["activities"]) <= FULL
    assert len(row["changes"]) <= FULL_CHANGES
    assert row["spilled"]["activities"] + len(row["activities"]) == 201
    shown = read(cast.alice, talkative)
    assert ([one["body"] for one in shown["activities"]], shown["activities_count"]) == (
        [f"{n}" for n in range(200 - KEPT, 200)], 201,
    )  # fmt: skip


def test_pages_show_all_once_and_the_newest_first(cast: Cast, talkative: str) -> None:
    for limit in (1, 7, 20, 200):
        shown = walked(cast.alice, f"/api/leads/{talkative}/activities/?limit={limit}")
        assert [one["body"] for one in shown] == [f"{n}" for n in range(199, -1, -1)] + ["Created"]


def test_60_passages_are_told_completely_and_in_order(cast: Cast) -> None:
    relaxed(cast.root)
    uid = lead(cast.alice)["uid"]
    route = [EVERY_STAGE[(n + 1) % 6] for n in range(59)]
    assert {go(cast.alice, uid, to).status_code for to in route} == {200}
    assert len(stored(uid)["history"]) <= FULL
    for limit in (9, 200):
        told = walked(cast.alice, f"/api/leads/{uid}/history/?limit={limit}")
        assert [entry["stage"] for entry in told] == ["stage-new", *route]
    assert read(cast.alice, uid)["history_count"] == 60


def test_a_timeline_that_a_crashed_writer_left_changes_nothing_for_readers(cast: Cast, talkative: str) -> None:
    before = walked(cast.alice, f"/api/leads/{talkative}/activities/")
    row = stored(talkative)
    left = {
        "type": "timeline", "uid": timeline_uid(talkative, row["version"]), "activities": row["activities"][:-KEPT],
        "history": [], "changes": row["changes"],
    }  # fmt: skip
    mongo.collection("leads").insert_one(left)
    assert walked(cast.alice, f"/api/leads/{talkative}/activities/") == before
    assert cast.alice.get(f"/api/leads/{talkative}/activities/").json()["count"] == 201


def test_whoever_writes_after_a_crash_finishes_it(cast: Cast) -> None:
    """The lead is full; the crashed writer has written the timeline document, but not the lead."""
    uid = lead(cast.alice)["uid"]
    path = f"/api/leads/{uid}/activities/"
    for number in range(FULL_CHANGES - 1):  # the first record says that it was created
        cast.alice.post(path, {"body": f"{number}"})
    row = stored(uid)
    assert len(row["changes"]) == FULL_CHANGES
    mongo.collection("leads").insert_one({
        "type": "timeline", "uid": timeline_uid(uid, row["version"]), "start": row["spilled"],
        "activities": row["activities"][:-KEPT],
        "history": row["history"][:-KEPT], "changes": row["changes"],
    })  # fmt: skip
    before = [one["uid"] for one in walked(cast.alice, path)]
    documents = timelines(uid)
    said = cast.alice.post(path, {"body": "after the crash"}).json()
    assert [one["uid"] for one in walked(cast.alice, path)] == [said["uid"], *before]
    assert timelines(uid) == documents


def test_what_differs_is_told_across_timelines(cast: Cast, talkative: str) -> None:
    cast.alice.patch(f"/api/leads/{talkative}/", {"company": "Mill"})
    stale = cast.alice.patch(f"/api/leads/{talkative}/", {"email": "a@example.com"}, If_Match='"1"')
    assert stale.status_code == 412
    assert "/company" in stale.json()["changed"]


def test_timelines_are_no_leads(cast: Cast, talkative: str) -> None:
    assert cast.root.get("/api/leads/").json()["count"] == 1
    timeline = mongo.collection("leads").find_one({"type": "timeline"})
    assert timeline is not None
    assert cast.root.get(f"/api/leads/{timeline['uid']}/").status_code == 404


def test_whoever_finds_the_records_gone_begins_anew(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer comes between reading the full lead and reading the records that are to leave it."""
    uid = str(lead(cast.alice)["uid"])
    path = f"/api/leads/{uid}/activities/"
    for number in range(FULL_CHANGES - 1):
        cast.alice.post(path, {"body": f"{number}"})
    leaving, late = records.leaving, ["late"]

    def overtaken(full: Lead) -> Any:
        while late:
            assert twin(cast.alice).post(path, {"body": late.pop()}).status_code == 201
        return leaving(full)

    monkeypatch.setattr(records, "leaving", overtaken)
    assert cast.alice.post(path, {"body": "mine"}).status_code == 201
    told = walked(cast.alice, path)
    assert [one["body"] for one in told[:2]] == ["mine", "late"]
    assert [entry["version"] for entry in records.since(uid, 0)] == list(range(1, FULL_CHANGES + 3))


def test_many_at_once_begin_anew_with_the_one_whose_records_are_gone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = [str(lead(cast.alice)["uid"]) for _ in range(3)]
    for uid in uids:
        for number in range(FULL_CHANGES - 1):
            cast.alice.post(f"/api/leads/{uid}/activities/", {"body": f"{number}"})
    leaving, late = records.all_leaving, [uids[1]]

    def overtaken(full: Iterable[Lead]) -> Any:
        while late:
            assert twin(cast.alice).post(f"/api/leads/{late.pop()}/activities/", {"body": "late"}).status_code == 201
        return leaving(full)

    monkeypatch.setattr(records, "all_leaving", overtaken)
    answer = cast.alice.post("/api/leads/bulk/", {"action": "tag", "uids": uids, "tags": ["x"]}).json()
    assert (answer["done"], answer["refused"]) == (3, 0)
    for uid in uids:
        last = FULL_CHANGES + 1 + (uid == uids[1])
        assert [entry["version"] for entry in records.since(uid, 0)] == list(range(1, last + 1))
        assert read(cast.alice, uid)["tags"] == ["x"]


def test_a_dry_run_judges_also_the_one_whose_records_are_gone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = str(lead(cast.alice)["uid"])
    monkeypatch.setattr(records, "all_leaving", lambda leads: {})
    body = {"action": "transition", "uids": [uid], "to_stage": "stage-won", "dry_run": True}
    answer = cast.alice.post("/api/leads/bulk/", body).json()
    assert (answer["done"], answer["refused"]) == (0, 1)
