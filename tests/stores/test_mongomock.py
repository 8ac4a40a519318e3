"""MONGODB_URI=mongomock:// - for a quick look: plain reads and writes work, the board says what it needs."""

import functools
from collections.abc import Iterator

import pytest
from django.conf import settings

from lead_crm import audit, mongo
from lead_crm.documents import now
from leads import past, record
from management import setup
from tests.api.steps import codes, go, listed, read, ready, uids, walked
from tests.cast import NORTH, Cast, lead
from tests.conftest import forget_everything


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """The standing cast, in memory. The client of the real server is put aside meanwhile."""
    monkeypatch.setattr(settings, "MONGODB_URI", "mongomock://")
    monkeypatch.setattr(mongo, "client", functools.cache(mongo.client.__wrapped__))
    monkeypatch.setattr(mongo, "_collection", functools.cache(mongo._collection.__wrapped__))
    for name in mongo.client()[settings.MONGODB_DATABASE].list_collection_names():
        mongo.collection(name).delete_many({})
    forget_everything()
    setup.prepare("default", now=now())
    yield Cast()
    audit.flush()  # while this is the database
    forget_everything()


def test_a_lead_is_created_read_and_edited(cast: Cast) -> None:
    made = lead(cast.alice, email="ada@example.com")
    assert read(cast.alice, made["uid"]) | {"duplicates": [], "attached": False} == made
    after = cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "Mill"})
    assert (after.json()["company"], after["ETag"]) == ("Mill", '"2"')
    assert cast.charlie.get(f"/api/leads/{made['uid']}/").status_code == 404


def test_leads_are_listed_filtered_and_searched(cast: Cast) -> None:
    made = [lead(cast.alice, name=f"Lead {n}", tags=["tea"] if n % 2 else [])["uid"] for n in range(5)][::-1]
    assert uids(walked(cast.alice, "/api/leads/?limit=2")) == made
    assert uids(listed(cast.alice, "tags=tea")["results"]) == made[1::2]
    assert uids(listed(cast.alice, "q=lead")["results"]) == made
    assert uids(listed(cast.alice, "sort=-score")["results"])
    assert listed(cast.root, f"center={NORTH}&limit=2")["count"] == 5


def test_a_lead_moves_through_the_gate(cast: Cast) -> None:
    waiting = lead(cast.alice)
    assert go(cast.alice, waiting["uid"], "stage-contacted").status_code == 409
    moved = go(cast.alice, ready(cast.alice)["uid"], "stage-contacted")
    assert moved.json()["current_stage"] == "stage-contacted"


def test_stale_writers_and_unique_values_are_refused(cast: Cast) -> None:
    variables = cast.root.get("/api/config/").json()["variables"]
    unique = {"field_key": "x", "field_type": "text", "unique": True}
    assert cast.root.patch("/api/config/", {"variables": [*variables, unique]}).status_code == 200
    made = lead(cast.alice, fields={"budget": "1", "x": "one"})
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "x"}, If_Match='"7"').status_code == 412
    again = cast.alice.post("/api/leads/", {"name": "Ada", "fields": {"budget": "1", "x": "one"}})
    assert codes(again) == {("/fields/x", "not_unique")}


def test_a_post_that_is_repeated_is_done_once(cast: Cast) -> None:
    body = {"name": "Ada", "fields": {"budget": "1"}}
    first, second = (cast.alice.post("/api/leads/", body, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, second.content) == (201, first.content)


def test_tasks_activities_and_the_archive_work(cast: Cast) -> None:
    made = lead(cast.alice)
    assert cast.alice.post(f"/api/leads/{made['uid']}/activities/", {"body": "x"}).status_code == 201
    assert cast.alice.post(f"/api/leads/{made['uid']}/tasks/", {"kind": "call"}).status_code == 201
    assert cast.alice.delete(f"/api/leads/{made['uid']}/").status_code == 204
    assert listed(cast.alice)["results"] == []


def test_the_public_door_and_the_policy_for_duplicates_work(cast: Cast) -> None:
    policies = {"capture": {"center": NORTH}, "duplicates": {"policy": "reject", "public": "attach"}}
    assert cast.root.patch("/api/config/", policies).status_code == 200
    came = {"name": "Ada", "email": "ada@example.com"}
    answers = [cast.nobody.post("/api/public/leads/", came) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert len({answer.json()["id"] for answer in answers[:10]}) == 1
    body = came | {"fields": {"budget": "1"}}
    assert cast.alice.post("/api/leads/", body).json()["code"] == "duplicate"


@pytest.mark.parametrize("path", ["/api/leads/kanban/", "/api/leads/kanban/?tags=tea"])
def test_the_board_needs_a_real_server_and_says_so(cast: Cast, path: str) -> None:
    response = cast.alice.get(path)
    assert (response.status_code, response.json()["code"]) == (501, "needs_real_mongodb")


def test_a_drag_works_or_says_what_it_needs(cast: Cast) -> None:
    first, second = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    body = {"lead": first, "to_stage": "stage-new", "before": second}
    assert cast.alice.post("/api/leads/kanban/move/", body).status_code in (200, 501)


def test_a_person_is_exported_and_erased(cast: Cast) -> None:
    uid = lead(cast.alice, email="ada@example.com")["uid"]
    for n in range(30):
        cast.alice.post(f"/api/leads/{uid}/activities/", {"body": f"Ada {n}"})
    told = cast.alice.get(f"/api/leads/{uid}/privacy/export/").json()
    assert len(told["activities"]) == 31
    assert cast.alice.post(f"/api/leads/{uid}/privacy/erase/", {"reason": "Asked"}).status_code == 200
    assert "Ada" not in str(list(mongo.collection("leads").find({"type": {"$in": ["lead", "timeline"]}})))
    assert [row["action"] for row in cast.alice.get(f"/api/audit/?lead={uid}&limit=2").json()["results"]] == [
        "erase", "export"
    ]  # fmt: skip


def test_health_is_good(cast: Cast) -> None:
    assert cast.nobody.get("/health/").json() == {"status": "ok", "database": "ok"}


def test_leads_are_merged_and_unmerged(cast: Cast) -> None:
    one, other = lead(cast.alice)["uid"], lead(cast.alice, company="Mill")["uid"]
    after = cast.alice.post(f"/api/leads/{one}/merge/", {"lead": other})
    assert (after.status_code, after.json()["company"]) == (200, "Mill")
    assert cast.alice.get(f"/api/leads/{other}/")["Location"] == f"/api/leads/{one}/"
    assert cast.alice.post(f"/api/leads/{one}/unmerge/").json()["company"] is None
    assert read(cast.alice, other)["company"] == "Mill"


def test_a_lead_whose_turn_would_have_to_be_counted_stays_with_nobody(cast: Cast) -> None:
    pool = {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]}
    assert cast.root.patch("/api/config/", {"assignment": pool}).status_code == 200
    made = lead(cast.alice)
    assert (made["assigned_to"], made["activities"][-1]["kind"]) == ([], "assignment")
    assert "needs a real MongoDB" in made["activities"][-1]["body"]


def test_a_lead_is_seen_as_it_was(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (record, past):
        monkeypatch.setattr(module, "STATE_EVERY", 20)
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    seen = [cast.alice.patch(at, {"company": f"{number}"}).json() for number in range(35)]
    for version in seen[::5]:
        assert cast.alice.get(f"{at}as-of/?at={version['updated_at']}").json() == version
    told = cast.alice.get(f"{at}diff/?from={seen[3]['updated_at']}").json()
    assert (told["changes"], told["by"]) == ([{"pointer": "/company", "old": "3", "new": "34"}], [cast.alice.uid])


def test_many_leads_are_changed_at_once(cast: Cast) -> None:
    made = [lead(cast.alice)["uid"] for _ in range(3)]
    body = {"action": "tag", "tags": ["tea"], "filter": {"stage": "stage-new"}}
    assert cast.alice.post("/api/leads/bulk/", body).json()["done"] == 3
    assert set(uids(listed(cast.alice, "tags=tea")["results"])) == set(made)
