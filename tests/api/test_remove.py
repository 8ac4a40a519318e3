"""Removing a lead for good: nothing of it is left, whoever was at work on it, and its number is not given again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lead_crm import access, audit, directory, idempotency, mongo
from lead_crm.documents import now
from leads import record, removal, store
from management import worker
from management.worker import Stop, run_if_due
from tests.api.steps import (
    at_once,
    cards,
    codes,
    fields,
    found,
    go,
    listed,
    read,
    ready,
    relaxed,
    rewrite,
    twin,
    walked,
)
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]

MARK = "Quetzalcoatl"


def remove(client: CheckedClient, uid: str, **headers: str) -> Any:
    return client.delete(f"/api/leads/{uid}/?permanently=true", **headers)


def full(cast: Cast, uid: str) -> None:
    """So that its next write makes something spill over."""
    while not record.full(store.model(stored(uid))):
        cast.root.post(f"/api/leads/{uid}/activities/", {"body": "Hello"})


def traces(uid: str) -> dict[str, int]:
    """Documents that name the lead, or what was written in it, by collection."""
    audit.flush()
    database = mongo.collection("leads").database
    counted = {
        name: sum(uid in repr(row) or MARK in repr(row) for row in database[name].find())
        for name in database.list_collection_names()
    }  # fmt: skip
    return {name: number for name, number in counted.items() if number}


def long_life(cast: Cast) -> str:
    """So much that its timeline has spilled over; every POST with a key."""
    relaxed(cast.root)
    body = {"name": MARK, "center": NORTH, "fields": {"budget": "1"}}
    uid = str(cast.root.post("/api/leads/", body, Idempotency_Key="made").json()["uid"])
    for number in range(25):
        note = {"body": f"{MARK} {number}"}
        cast.root.post(f"/api/leads/{uid}/activities/", note, Idempotency_Key=f"note-{number}")
    assert mongo.collection("leads").count_documents({"type": "timeline"}) > 1
    return uid


@pytest.fixture
def uid(cast: Cast) -> str:
    return long_life(cast)


class TestRemoving:
    def test_leaves_nothing_but_who_did_what_and_a_note_that_is_swept(self, cast: Cast, uid: str) -> None:
        assert set(traces(uid)) == {"leads", "audit", "idempotency"}
        response = remove(cast.root, uid)
        assert (response.status_code, response.content) == (204, b"")
        assert set(traces(uid)) == {"audit", "removed"}
        assert cast.root.get(f"/api/leads/{uid}/").status_code == 404
        assert remove(cast.root, uid).status_code == 404
        for query in ("", "status=archived", f"q={uid}"):
            assert found(cast.root, query) == set()

    @pytest.mark.parametrize("state", ["on hold", "archived", "erased"])
    def test_whatever_state_it_is_in(self, cast: Cast, state: str) -> None:
        gone = str(lead(cast.root, center=NORTH)["uid"])
        at, body = {
            "on hold": ("hold/", {}), "archived": ("archive/", {}), "erased": ("privacy/erase/", {"reason": "Asked"}),
        }[state]  # fmt: skip
        assert cast.root.post(f"/api/leads/{gone}/{at}", body).status_code == 200
        assert remove(cast.root, gone).status_code == 204
        assert listed(cast.root, "status=open,on_hold,archived")["results"] == []

    def test_without_the_parameter_it_is_archived(self, cast: Cast, uid: str) -> None:
        for query in ("", "?permanently=false"):
            assert cast.root.delete(f"/api/leads/{uid}/{query}").status_code == 204
            assert read(cast.root, uid)["status"] == "archived"

    @pytest.mark.parametrize(("query", "code"), [
        ("permanently=maybe", "bool_parsing"), ("permanent=true", "unknown_key"),
    ])  # fmt: skip
    def test_what_is_not_clearly_meant_removes_nothing(self, cast: Cast, uid: str, query: str, code: str) -> None:
        refused = cast.root.delete(f"/api/leads/{uid}/?{query}")
        assert (refused.status_code, {told for _, told in codes(refused)}) == (422, {code})
        assert read(cast.root, uid)["status"] == "open"

    @pytest.mark.parametrize("who", ["alice", "bob", "vera", "tom"])
    def test_is_for_super_admins_alone(self, cast: Cast, who: str) -> None:
        made = str(lead(cast.root, center=NORTH)["uid"])
        refused = remove(getattr(cast, who), made)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        assert read(cast.root, made)["status"] == "open"

    def test_or_for_a_role_that_says_so_and_then_in_its_own_centres(self, cast: Cast) -> None:
        role = {
            "key": "tidier",
            "label": "Tidier",
            "permissions": ["lead.view", "lead.archive", "lead.delete"],
            "scope": "center",
        }
        assert cast.root.patch("/api/config/", {"roles": [role]}).status_code == 200
        assert cast.root.patch(f"/api/users/{cast.vera.uid}/", {"roles": ["tidier"]}).status_code == 200
        here, there = (str(lead(cast.root, center=center)["uid"]) for center in ("north", "south"))
        assert remove(cast.vera, there).status_code == 404
        assert remove(cast.vera, here).status_code == 204
        assert read(cast.root, there)["status"] == "open"

    def test_only_the_version_that_was_seen(self, cast: Cast, uid: str) -> None:
        cast.root.patch(f"/api/leads/{uid}/", {"priority": "high"})
        version = read(cast.root, uid)["version"]
        late = remove(cast.root, uid, If_Match=f'"{version - 1}"')
        assert (late.status_code, late.json()["changed"]) == (412, ["/priority"])
        assert remove(cast.root, uid, If_Match=f'"{version}"').status_code == 204

    def test_is_noted_as_what_it_is(self, cast: Cast, uid: str) -> None:
        other = str(lead(cast.root, center=NORTH)["uid"])
        remove(cast.root, uid)
        cast.root.delete(f"/api/leads/{other}/")
        audit.flush()
        noted = [(row["action"], row["subjects"]) for row in mongo.collection("audit").find({"what": "archive_lead"})]
        assert noted == [("erase", [uid]), ("change", [other])]

    def test_its_number_is_never_given_again(self, cast: Cast) -> None:
        first = str(lead(cast.root, center=NORTH)["uid"])
        remove(cast.root, first)
        assert str(lead(cast.root, center=NORTH)["uid"]) > first

    def test_what_it_alone_might_have_is_free(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "contract", "field_type": "text", "unique": True})
        value = {"budget": "1", "contract": "C-1"}
        first = str(lead(cast.root, center=NORTH, fields=value)["uid"])
        assert cast.root.post("/api/leads/", {"name": "B", "center": NORTH, "fields": value}).status_code == 422
        remove(cast.root, first)
        lead(cast.root, center=NORTH, fields=value)

    def test_so_is_its_place_in_a_stage(self, cast: Cast) -> None:
        limit = {"max": 1, "scope": "stage"}
        assert cast.root.patch("/api/stages/stage-contacted/", {"wip_limit": limit}).status_code == 200
        first, second = (str(ready(cast.root, center=NORTH)["uid"]) for _ in range(2))
        assert go(cast.root, first, "stage-contacted").status_code == 200
        assert go(cast.root, second, "stage-contacted").status_code == 409
        remove(cast.root, first)
        assert go(cast.root, second, "stage-contacted").status_code == 200
        assert cards(cast.root, "stage-contacted") == [second]


def test_previews_that_named_its_tasks_name_them_no_more(cast: Cast, uid: str) -> None:
    """Neither one from before, nor one that somebody makes at the moment when it is removed."""
    task = {"kind": "call", "title": MARK, "required": True}
    assert cast.root.post(f"/api/leads/{uid}/tasks/", task).status_code == 201
    wish = {"action": "transition", "uids": [uid], "to_stage": "stage-contacted", "dry_run": True}
    assert MARK in cast.root.post("/api/leads/bulk/", wish).content.decode()
    late = list(mongo.collection("previews").find({"rows.uid": uid}))
    assert MARK in str(late)
    assert remove(cast.root, uid).status_code == 204
    assert MARK not in str(list(mongo.collection("previews").find()))
    mongo.collection("previews").insert_many([row | {"_id": "late"} for row in late])
    mongo.collection("removed").update_one({"_id": uid}, {"$set": {"at": now() - removal.OVER_AFTER * 2}})
    sweep()
    assert MARK not in str(list(mongo.collection("previews").find()))


class TestMergedLeads:
    @pytest.fixture
    def parts(self, cast: Cast, uid: str) -> list[str]:
        """Two that have become parts of it, the one by way of the other."""
        last, first = (str(lead(cast.root, name=f"{MARK} {n}", center=NORTH)["uid"]) for n in range(2))
        for winner, loser in ((first, last), (uid, first)):
            merged = cast.root.post(f"/api/leads/{winner}/merge/", {"lead": loser}, Idempotency_Key=f"merge-{loser}")
            assert merged.status_code == 200, merged.content
        return [first, last]

    def test_go_with_the_one_that_they_are_parts_of(self, cast: Cast, uid: str, parts: list[str]) -> None:
        assert remove(cast.root, uid).status_code == 204
        for gone in (uid, *parts):
            assert set(traces(gone)) == {"audit", "removed"}
            assert cast.root.get(f"/api/leads/{gone}/").status_code == 404

    def test_are_not_removed_by_themselves(self, cast: Cast, uid: str, parts: list[str]) -> None:
        refused = remove(cast.root, parts[0])
        assert refused.json()["code"] == "lead_merged"
        assert read(cast.root, uid)["status"] == "open"
        back = cast.root.post(f"/api/leads/{uid}/unmerge/", {})
        assert back.status_code == 200
        assert read(cast.root, parts[0])["status"] == "open"

    def test_one_that_is_split_off_at_that_moment_stays(
        self, cast: Cast, uid: str, parts: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        removed = store.remove

        def late(*args: Any, **named: Any) -> bool:
            monkeypatch.setattr(store, "remove", removed)
            assert twin(cast.root).post(f"/api/leads/{uid}/unmerge/", {}).status_code == 200
            return removed(*args, **named)

        monkeypatch.setattr(store, "remove", late)
        assert remove(cast.root, uid).status_code == 204
        assert cast.root.get(f"/api/leads/{uid}/").status_code == 404
        assert read(cast.root, parts[0])["status"] == "open"

    def test_one_that_is_merged_in_at_that_moment_leaves_nothing(
        self, cast: Cast, uid: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = str(lead(cast.root, name="Ada", center=NORTH)["uid"])
        full(cast, uid)
        full(cast, other)
        written = store.save_all

        def late(*args: Any, **named: Any) -> bool:
            monkeypatch.setattr(store, "save_all", written)
            assert remove(twin(cast.root), uid).status_code == 204
            return written(*args, **named)

        monkeypatch.setattr(store, "save_all", late)
        assert cast.root.post(f"/api/leads/{uid}/merge/", {"lead": other}).status_code == 404
        left = mongo.collection("leads").find({"uid": {"$regex": f"^{uid}(:|$)"}})
        assert (list(left), read(cast.root, other)["status"]) == ([], "open")
        assert len(walked(cast.root, f"/api/leads/{other}/activities/")) == read(cast.root, other)["activities_count"]


class TestWhoIsAtWorkOnItMeanwhile:
    @pytest.fixture
    def before_the_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        """Have something happen between a change's read and its write."""

        def happens(work: Callable[[], Any]) -> None:
            written = store.save

            def save(*args: Any, **named: Any) -> bool:
                monkeypatch.setattr(store, "save", written)
                work()
                return written(*args, **named)

            monkeypatch.setattr(store, "save", save)

        return happens

    def test_does_not_bring_it_back(self, cast: Cast, uid: str, before_the_write: Any) -> None:
        before_the_write(lambda: remove(twin(cast.root), uid))
        assert go(cast.root, uid, "stage-contacted").status_code == 404
        assert "leads" not in traces(uid)

    def test_leaves_no_part_of_its_timeline_either(self, cast: Cast, uid: str, before_the_write: Any) -> None:
        full(cast, uid)
        before_the_write(lambda: remove(twin(cast.root), uid))
        assert go(cast.root, uid, "stage-contacted").status_code == 404
        assert "leads" not in traces(uid)

    def test_what_somebody_leaves_who_dies_is_swept(self, cast: Cast, uid: str) -> None:
        """Between writing down what spills over and writing the lead; or answering, after the answers were taken."""
        before, _ = store.load(uid, actor=system())
        late = record.spill(before.changed(activities=before.activities * record.FULL), ())[1]
        assert late
        remove(cast.root, uid)
        store._insert_timeline(late)
        idempotency.begin("late", body=b"", now=now())
        idempotency.keep("late", idempotency.Kept(200, MARK.encode(), "application/json", None), about=[uid])
        sweep()
        assert {"leads", "removed", "idempotency"} <= set(traces(uid))  # whoever began just before may still be at it
        mongo.collection("removed").update_one({"_id": uid}, {"$set": {"at": now() - removal.OVER_AFTER * 2}})
        sweep()
        assert set(traces(uid)) == {"audit"}

    def test_of_many_who_remove_and_change_it_at_once_none_brings_it_back(self, cast: Cast, uid: str) -> None:
        works: list[Callable[[], Any]] = [lambda: remove(twin(cast.root), uid)] * 4
        works += [lambda: twin(cast.root).post(f"/api/leads/{uid}/activities/", {"body": MARK})] * 12
        done = at_once(works)
        removed = [response.status_code for response in done[:4]]
        assert sorted(removed) == [204, 404, 404, 404]
        assert {response.status_code for response in done[4:]} <= {201, 404}
        assert "leads" not in traces(uid)

    def test_a_crash_in_the_middle_removes_all_or_nothing(
        self, cast: Cast, uid: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = traces(uid)["leads"]
        with monkeypatch.context() as patched:
            patched.setattr(store, "_remove_timeline", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                removal.remove(uid, actor=system(), now=now(), if_match=None)
        assert traces(uid)["leads"] == there
        assert remove(cast.root, uid).status_code == 204
        assert "leads" not in traces(uid)


def system() -> Any:
    return access.system(directory.centers())


def stored(uid: str) -> Row:
    row: Any = mongo.collection("leads").find_one({"type": "lead", "uid": uid}, store.STORED)
    return row


def sweep() -> None:
    job = next(job for job in worker.JOBS if job.name == "removed leads")
    mongo.collection("jobs").delete_many({})
    assert run_if_due(job, Stop())


def test_a_lead_that_is_at_rest_stays_until_somebody_says_so(cast: Cast) -> None:
    uid = str(lead(cast.root, center=NORTH)["uid"])
    rewrite(uid, updated_at=now() - timedelta(days=4000))
    sweep()
    assert read(cast.root, uid)["status"] == "open"
