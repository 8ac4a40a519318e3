"""Who read or changed which lead: noted for every answer that showed one, listed for those who may know."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from lead_crm import audit, directory, gunicorn_config, mongo
from lead_crm.access import Actor
from lead_crm.documents import now
from management import audit_log
from tests.api.steps import codes, go, listed, local, moments, pages, read, ready, uids, walked
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import explained, indexes, name, noted, stages

Row = dict[str, Any]
Noted = tuple[str, str, list[str]]


def entries(client: CheckedClient, query: str = "limit=200") -> list[Row]:
    response = client.get(f"/api/audit/?{query}")
    assert response.status_code == 200, response.content
    rows: list[Row] = response.json()["results"]
    return rows


def told(client: CheckedClient, query: str = "limit=200") -> list[Noted]:
    """What was done with whom, the oldest first."""
    return [(row["action"], row["what"], row["subjects"]) for row in entries(client, query)][::-1]


def by(who: CheckedClient, cast: Cast) -> list[Noted]:
    return told(cast.root, f"actor={who.uid}&limit=200")


def kept() -> list[Row]:
    audit.flush()
    return list(mongo.collection("audit").find())


class TestWhatIsNoted:
    def test_reading_a_lead_whichever_part_of_it(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        parts = {"": "read_lead", "moves/": "list_moves", "tasks/": "list_tasks", "activities/": "list_activities",
                 "history/": "list_history"}  # fmt: skip
        for part in parts:
            assert cast.vera.get(f"/api/leads/{uid}/{part}").status_code == 200
        assert by(cast.vera, cast) == [("read", what, [uid]) for what in parts.values()]

    def test_lists_board_and_columns_with_the_leads_that_were_shown(self, cast: Cast) -> None:
        first, second, third = (lead(cast.alice, name=name)["uid"] for name in ("Ada", "Bert", "Cora"))
        lead(cast.charlie)
        listed(cast.vera, "limit=2")
        cast.vera.get("/api/leads/kanban/")
        cast.vera.get("/api/leads/kanban/stage-new/?limit=1")
        assert by(cast.vera, cast) == [
            ("list", "list_leads", [third, second]), ("list", "read_board", [third, second, first]),
            ("list", "read_column", [third]),
        ]  # fmt: skip

    def test_every_way_to_change_one(self, cast: Cast) -> None:
        uid = ready(cast.root, center=NORTH)["uid"]
        at = f"/api/leads/{uid}/"
        cast.alice.patch(at, {"company": "Mill"})
        task = cast.alice.post(f"{at}tasks/", {"kind": "call"}).json()["uid"]
        cast.alice.patch(f"{at}tasks/{task}/", {"title": "Ring"})
        cast.alice.post(f"{at}tasks/{task}/complete/", {})
        cast.alice.post(f"{at}activities/", {"body": "Hello"})
        cast.alice.post(f"{at}assign/", {"assigned_to": cast.bob.uid})
        cast.alice.post("/api/leads/kanban/move/", {"lead": uid, "to_stage": "stage-contacted"})
        go(cast.alice, uid, "stage-qualified")
        cast.alice.delete(at)
        cast.alice.post(f"{at}restore/", {})
        operations = ("edit_lead", "create_task", "edit_task", "complete_task", "create_activity", "assign_lead",
                      "move_card", "transition_lead", "archive_lead", "restore_lead")  # fmt: skip
        assert by(cast.alice, cast) == [("change", what, [uid]) for what in operations]

    def test_creating_one(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        assert by(cast.alice, cast) == [("create", "create_lead", [uid])]

    def test_not_what_was_refused(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        for client, path in ((cast.charlie, ""), (cast.nobody, ""), (cast.vera, "?x=1")):
            assert client.get(f"/api/leads/{uid}/{path}").status_code in (401, 404, 422)
        assert go(cast.alice, uid, "stage-won").status_code == 409
        assert cast.bob.patch(f"/api/leads/{uid}/", {"name": None}).status_code == 422
        assert [(row["actor"], row["what"]) for row in kept()] == [(cast.alice.uid, "create_lead")]

    def test_the_same_within_a_second_once_with_a_count(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        for _ in range(5):
            read(cast.vera, uid)
        read(cast.bob, uid)
        seen = {row["actor"]: row["times"] for row in entries(cast.root, f"lead={uid}&action=read")}
        assert (sum(row["times"] for row in kept() if row["actor"] == cast.vera.uid), seen[cast.bob.uid]) == (5, 1)
        assert len([row for row in kept() if row["actor"] == cast.vera.uid]) <= 2

    def test_when_in_which_request_and_by_which_token(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        before = now()
        response = cast.alice.get(f"/api/leads/{uid}/", X_Request_ID="mine")
        assert response["X-Request-ID"] == "mine"
        newest = entries(cast.root, f"lead={uid}")[0]
        assert newest["request_id"] == "mine"
        assert before <= datetime.fromisoformat(newest["at"]) <= now()
        assert str(newest["token"]).startswith("token-")

    def test_nothing_that_was_written_or_searched_for(self, cast: Cast) -> None:
        mark = "Quetzalcoatl"
        made = lead(cast.alice, name=mark, email=f"{mark}@example.com")
        at = f"/api/leads/{made['uid']}/"
        assert cast.alice.patch(at, {"message": mark}).status_code == 200
        assert cast.alice.post(f"{at}activities/", {"body": mark}).status_code == 201
        assert uids(listed(cast.alice, f"q={mark}")["results"]) == [made["uid"]]
        assert len(kept()) == 4
        assert mark.lower() not in str(kept()).lower()

    def test_it_goes_by_itself_after_its_time(self, cast: Cast) -> None:
        lead(cast.alice)
        (row,) = kept()
        assert row["expires_at"] - row["at"] == timedelta(days=730)
        expiry = mongo.collection("audit").index_information()["expiry"]
        assert (expiry["key"], expiry["expireAfterSeconds"]) == ([("expires_at", 1)], 0)


class TestWhoIsToldWhat:
    def test_whoever_has_no_permission_is_told_nothing(self, cast: Cast) -> None:
        assert [client.get("/api/audit/").status_code for client in (cast.bob, cast.vera, cast.tom)] == [403] * 3
        assert cast.nobody.get("/api/audit/").status_code == 401

    def test_only_about_leads_of_their_centre(self, cast: Cast) -> None:
        north, south = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
        listed(cast.root)
        listed(cast.root, "status=lost")  # shows nobody
        assert [row[2] for row in told(cast.root)] == [[north], [south], [south, north], []]
        assert [row[2] for row in told(cast.alice)] == [[north], [north]]
        assert south not in str(entries(cast.alice))

    def test_a_lead_of_others_is_as_one_that_nobody_ever_read(self, cast: Cast) -> None:
        south = lead(cast.charlie)["uid"]
        lead(cast.alice)
        listed(cast.root)
        assert entries(cast.alice, f"lead={south}") == entries(cast.alice, "lead=LEAD-1") == []
        assert len(entries(cast.charlie, f"lead={south}")) == 2

    def test_about_people_of_their_centre(self, cast: Cast) -> None:
        actor = Actor("public", "", "public", (), frozenset(), ())
        for client in (cast.bob, cast.charlie):
            audit.note("sign_in", "login", actor=actor, subjects=[client.uid], at=now(), request_id="x")
        assert [row[2] for row in told(cast.alice, "action=sign_in")] == [[cast.bob.uid]]
        assert len(told(cast.root, "action=sign_in")) == 2

    def test_an_agent_with_the_permission_only_about_leads_of_their_own(self, cast: Cast) -> None:
        role = {"key": "auditor", "label": "Auditor", "permissions": ["audit.view"], "scope": "own"}
        assert cast.root.patch("/api/config/", {"roles": [role]}).status_code == 200
        mongo.collection("accounts").update_one({"uid": cast.bob.uid}, {"$set": {"roles": ["auditor"]}})
        from_others = lead(cast.alice, assigned_to=[cast.alice.uid])["uid"]
        free = lead(cast.alice)["uid"]
        directory.forget()
        assert [row[2] for row in told(cast.bob)] == [[free]]
        assert from_others not in str(entries(cast.bob))


def plant(number: int, **values: Any) -> None:
    """Entries of long ago, a minute apart, the newest first in the list."""
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    row = {"actor": "a", "token": None, "action": "read", "what": "read_lead", "subjects": ["L"], "times": 1,
           "request_id": "r", "expires_at": now() + timedelta(days=9)}  # fmt: skip
    rows = [row | {"_id": ObjectId(), "at": start + timedelta(minutes=n)} | values for n in range(number)]
    mongo.collection("audit").insert_many(rows)


class TestPages:
    def test_show_all_once_and_the_newest_first(self, cast: Cast) -> None:
        plant(7)
        plant(7)  # at the very same moments
        for limit in (1, 3, 14, 200):
            found = walked(cast.root, f"/api/audit/?lead=L&limit={limit}")
            assert len({row["uid"] for row in found}) == 14
            assert moments(found) == sorted(moments(found), reverse=True)

    def test_a_cursor_that_was_made_up_is_refused(self, cast: Cast) -> None:
        for cursor in ("x", "W10", "WzEsMl0"):
            assert codes(cast.root.get(f"/api/audit/?cursor={cursor}")) == {("/cursor", "wrong_cursor")}

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("lead=L", 10),
            ("lead=L&actor=a", 4),
            ("actor=a", 4),
            ("action=read", 4),
            ("action=change", 6),
            ("actor=b&action=read", 0),
            ("lead=L&action=change&actor=b", 6),
            ("from=2026-01-01T12:02:00Z", 6),
            ("to=2026-01-01T12:02:00Z", 6),
            ("from=2026-01-01T12:02:00Z&to=2026-01-01T12:02:00Z&lead=L", 2),
            ("from=2026-01-01&to=2026-01-01", 10),
            ("to=2025-12-31", 0),
            ("from=2026-01-02", 0),
        ],
    )
    def test_filters_find_what_they_say(self, cast: Cast, query: str, count: int) -> None:
        plant(4)
        plant(6, actor="b", action="change")
        mongo.collection("audit").delete_many({"request_id": {"$ne": "r"}})
        assert len(walked(cast.root, f"/api/audit/?limit=3&{query}")) == count

    def test_wrong_filters_are_named(self, cast: Cast) -> None:
        refused = cast.root.get("/api/audit/?from=soon&action=fly&lead=a%20b&since=1")
        assert {pointer for pointer, _ in codes(refused)} == {"/from", "/action", "/lead", "/since"}

    @pytest.mark.parametrize("query", [
        "", "lead=L", "actor=a", "action=read", "lead=L&actor=a", "lead=L&action=read", "actor=a&action=read",
        "lead=L&actor=a&action=read",
    ])  # fmt: skip
    @pytest.mark.parametrize("times", ["", "&from=2026-01-01&to=2026-01-02"])
    def test_are_read_along_an_index_wherever_they_begin(self, cast: Cast, query: str, times: str) -> None:
        for actor, action in (("a", "read"), ("b", "read"), ("a", "change")):
            plant(60, actor=actor, action=action)
        address = f"/api/audit/?limit=5&{query}{times}"
        following = local(cast.root.get(address).json()["next"])
        for one in (address, following):
            with noted() as commands:
                assert cast.root.get(one).status_code == 200
            (found,) = (c for c in commands if name(c) == "find" and c["find"] == "audit")
            plan = explained(found)
            assert not stages(plan) & {"COLLSCAN", "SORT"}
            wanted = "subject" if "lead" in query else "actor" if "actor" in query else "action"
            assert indexes(plan) == {wanted if query else "newest"}

    def test_examine_so_many_candidates_and_go_on_from_there(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_log, "CANDIDATES", 200)
        mine = lead(cast.alice)["uid"]
        plant(1, subjects=[mine])
        plant(450)  # about a lead that is not theirs, and newer
        shown = list(pages(cast.alice, "/api/audit/?limit=5"))
        assert [page["partial"] for page in shown] == [True, True, False]
        assert [row["subjects"] for page in shown for row in page["results"]] == [[mine], [mine]]


class TestWriting:
    @pytest.fixture
    def actor(self, cast: Cast) -> Iterator[Actor]:
        yield Actor("writer", "", "person", (), frozenset(), ())
        audit.flush()

    def note(self, actor: Actor, *uids: str) -> None:
        audit.note("read", "read_lead", actor=actor, subjects=uids, at=now(), request_id="x")

    def test_happens_by_itself_within_seconds(self, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "EVERY_SECONDS", 0.05)
        monkeypatch.setattr(audit, "_noted", audit.Noted())  # with a thread that does not wait for an hour already
        self.note(actor, "L")
        deadline = threading.Event()
        for _ in range(100):
            if mongo.collection("audit").find_one({"actor": "writer"}):
                return
            deadline.wait(0.1)
        pytest.fail("nobody has written it")

    def test_happens_before_a_web_process_ends(self, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "_start", lambda: None)
        self.note(actor, "L")
        gunicorn_config.worker_exit(None, None)
        assert mongo.collection("audit").count_documents({"actor": "writer"}) == 1

    def test_waits_for_the_database_and_is_done_once(self, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where the answer to a write that was carried out was lost on the way."""
        write = audit._write

        def lost(rows: list[Row]) -> None:
            write(rows)
            raise AutoReconnect("connection closed")

        self.note(actor, "L1")
        with monkeypatch.context() as patched:
            patched.setattr(audit, "_write", lost)
            audit.flush()
        self.note(actor, "L2")
        audit.flush()
        found = mongo.collection("audit").find({"actor": "writer"}).sort("at", 1)
        assert [row["subjects"] for row in found] == [["L1"], ["L2"]]

    def test_survives_any_failure(self, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(rows: list[Row]) -> None:
            raise ValueError("whatever")

        self.note(actor, "L1")
        with monkeypatch.context() as patched:
            patched.setattr(audit, "_write", broken)
            audit.flush()
            assert audit._noted.thread is not None
            assert audit._noted.thread.is_alive()
        audit.flush()
        assert mongo.collection("audit").count_documents({"actor": "writer"}) == 1

    def test_keeps_no_more_in_memory_than_it_says(self, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "MOST", 50)

        def away(rows: list[Row]) -> None:
            raise AutoReconnect("gone")

        with monkeypatch.context() as patched:
            patched.setattr(audit, "_write", away)
            for number in range(100):
                self.note(actor, f"L{number}", "x", "y")
            assert audit._noted.size < 50
            audit.flush()
            assert sum(1 + len(row["subjects"]) for row in audit._noted.waiting) <= 50
        audit.flush()
        kept = [row["subjects"][0] for row in mongo.collection("audit").find({"actor": "writer"}).sort("_id", 1)]
        assert kept == [f"L{number}" for number in range(100 - len(kept), 100)]

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_fork_begins_anew(self, actor: Actor) -> None:
        """What the parent has noted is written once, by the parent; and the child has a thread of its own."""
        self.note(actor, "L")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, b"new" if not audit._noted.entries and audit._noted.thread is None else b"old")
            os._exit(0)
        os.waitpid(child, 0)
        said = os.read(reading, 3)
        os.close(reading)
        os.close(writing)
        assert said == b"new"

    def test_what_others_note_meanwhile_is_there_when_it_is_read(self, cast: Cast) -> None:
        """Whoever lists waits for a write that is under way."""
        uid = lead(cast.alice)["uid"]
        writers = [threading.Thread(target=audit.flush) for _ in range(8)]
        for writer in writers:
            writer.start()
        assert entries(cast.root, f"lead={uid}")
        for writer in writers:
            writer.join()
