"""Everything about one person, handed out; and one person erased, wherever something of them was kept."""

from typing import Any

import pytest

from lead_crm import audit, idempotency, mongo
from lead_crm.access import system
from lead_crm.documents import now
from leads import erasing, record, rules, service
from leads import store as lead_store
from leads.messages import ActivityIn
from management import privacy
from tests.api.steps import EVERY_STAGE, at_once, codes, fields, found, go, listed, read, relaxed, twin, uids, walked
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]

MARK = "Quetzalcoatl"
NUMBER = "4155550132"
PERSON: Row = {
    "name": f"{MARK} Byron", "first_name": MARK, "last_name": MARK, "email": f"{MARK.lower()}@example.com",
    "phone": f"+1{NUMBER}", "company": MARK, "message": MARK, "source_detail": MARK,
    "address": {"line": MARK, "city": MARK, "state": MARK, "country": MARK, "pincode": MARK},
    "contacts": [{"name": MARK, "relation": MARK, "phone": f"+1{NUMBER}", "email": f"{MARK.lower()}2@example.com"}],
}  # fmt: skip
ASKED = [
    {"field_key": "nickname", "field_type": "text", "unique": True, "searchable": True, "show_on_card": True},
    {"field_key": "story", "field_type": "long_text"},
    {"field_key": "more", "field_type": "json"},
    {"field_key": "page", "field_type": "url", "unique": True},
    {"field_key": "branch", "field_type": "select", "options": [{"value": "east"}]},
]
VALUES = {
    "budget": "10.00", "nickname": MARK, "story": MARK, "more": {"x": [MARK]}, "page": f"https://example.com/{MARK}",
    "branch": "east",
}  # fmt: skip


def answered(response: Any, status: int = 200) -> Row:
    assert response.status_code == status, response.content
    data: Row = response.json()
    return data


def long_life(cast: Cast) -> str:
    """Marked wherever something can be written, beyond what a lead carries itself."""
    relaxed(cast.root)
    fields(cast.root, *ASKED)
    asked = answered(cast.root.get("/api/config/"))
    note = {"field_key": "said", "field_type": "text"}
    kinds = [kind | ({"fields": [note]} if kind["key"] == "visit" else {}) for kind in asked["task_kinds"]]
    answered(cast.root.patch("/api/config/", {"task_kinds": kinds}))
    alice = cast.alice
    made = answered(alice.post("/api/leads/", PERSON | {"fields": VALUES}, Idempotency_Key="made"), 201)
    at = f"/api/leads/{made['uid']}/"
    for number in range(25):
        body = {"body": f"{MARK} {number}", "meta": {"who": MARK}}
        answered(alice.post(f"{at}activities/", body, Idempotency_Key=f"note-{number}"), 201)
    for number in range(25):
        to = EVERY_STAGE[(number + 1) % 6]
        answered(go(alice, made["uid"], to, note=MARK, reason=MARK))
    task = answered(
        alice.post(f"{at}tasks/", {"kind": "visit", "title": MARK, "fields": {"said": MARK}}, Idempotency_Key="t"), 201
    )
    answered(alice.post(f"{at}tasks/{task['uid']}/complete/", {"notes": MARK, "fields": {"said": MARK}}))
    answered(alice.patch(at, {"company": f"{MARK} Ltd", "fields": {"story": f"{MARK} again"}}))
    answered(go(alice, made["uid"], "stage-lost", reason=MARK))
    return str(made["uid"])


def erase(client: CheckedClient, uid: str, reason: str = "Asked by letter", **headers: str) -> Any:
    return client.post(f"/api/leads/{uid}/privacy/erase/", {"reason": reason}, **headers)


def left() -> set[str]:
    """Collections with anything of the person, in whatever spelling the search keeps."""
    audit.flush()
    database = mongo.collection("leads").database
    return {
        name for name in database.list_collection_names()
        for row in database[name].find_raw_batches()
        for word in (MARK[:4].encode(), MARK[:4].lower().encode(), NUMBER.encode(), b"yron")
        if word in row
    }  # fmt: skip


def stored(uid: str) -> Row:
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid})
    assert row is not None
    return row


@pytest.fixture
def known(cast: Cast) -> str:
    return long_life(cast)


class TestErasing:
    def test_leaves_nothing_of_the_person_in_the_whole_database(self, cast: Cast, known: str) -> None:
        assert mongo.collection("leads").count_documents({"type": "timeline"}) > 3
        assert left() == {"leads", "idempotency"}
        tombstone = answered(erase(cast.alice, known))
        assert left() == set()
        assert (tombstone["name"], tombstone["status"]) == (erasing.NAME, "archived")
        assert tombstone["erased_at"] == tombstone["updated_at"]
        assert read(cast.alice, known) == tombstone

    def test_takes_the_states_that_were_kept_along_the_way(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also the one that would be kept with this very write."""
        monkeypatch.setattr(record, "STATE_EVERY", 10)
        known, leads = long_life(cast), mongo.collection("leads")
        while len(stored(known)["changes"]) < 10:
            answered(cast.alice.post(f"/api/leads/{known}/activities/", {"body": MARK}), 201)
        states = [row["state"] for row in leads.find({"state.uid": known})]
        assert len(states) > 3
        assert all(MARK in str(state) for state in states)
        assert "LeadCreated" in str(list(leads.find({"type": "timeline"})))
        answered(erase(cast.alice, known))
        assert leads.count_documents({"state": {"$exists": True}}) == 0
        assert not any("events" in str(row) for row in leads.find({"type": {"$in": ["lead", "timeline"]}}))
        assert left() == set()

    def test_keeps_the_figures(self, cast: Cast, known: str) -> None:
        before = read(cast.alice, known)
        passage = walked(cast.alice, f"/api/leads/{known}/history/?limit=7")
        answered(erase(cast.alice, known))
        after = read(cast.alice, known)
        kept = ("score", "source", "tags", "center", "created_at", "current_stage", "stage_entered_at", "closed_at",
                "history_count", "priority")  # fmt: skip
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert after["fields"] == {"budget": "10.00", "branch": "east"}
        silent = [entry | {"note": None, "reason": None} for entry in passage]
        assert walked(cast.alice, f"/api/leads/{known}/history/?limit=7") == silent
        timeline = walked(cast.alice, f"/api/leads/{known}/activities/?limit=9")
        assert len(timeline) == after["activities_count"] == before["activities_count"] + 1
        assert [line["body"] for line in timeline if line["body"]] == ["Erased: Asked by letter"]

    def test_leaves_lists_board_and_search(self, cast: Cast, known: str) -> None:
        answered(erase(cast.alice, known))
        assert listed(cast.alice)["results"] == []
        assert found(cast.alice, f"q={MARK}") == found(cast.alice, f"q={MARK}&status=archived") == set()
        assert all(column["leads"] == [] for column in cast.alice.get("/api/leads/kanban/").json())
        assert stored(known)["keys"]["shelf"] == f"erased/{NORTH}"

    def test_frees_unique_values(self, cast: Cast, known: str) -> None:
        again = {"name": "Ada", "fields": {"budget": "1", "nickname": MARK}}
        assert codes(cast.alice.post("/api/leads/", again)) == {("/fields/nickname", "not_unique")}
        answered(erase(cast.alice, known))
        answered(cast.alice.post("/api/leads/", again), 201)

    def test_twice_changes_nothing_the_second_time(self, cast: Cast, known: str) -> None:
        first = answered(erase(cast.alice, known))
        assert answered(erase(cast.alice, known, "Another reason")) == first

    def test_needs_a_reason(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        refused = cast.alice.post(f"/api/leads/{uid}/privacy/erase/", {})
        assert (refused.status_code, codes(refused)) == (422, {("/reason", "required")})
        assert read(cast.alice, uid)["erased_at"] is None

    def test_is_refused_over_a_version_that_was_not_read(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"})
        refused = erase(cast.alice, uid, If_Match='"1"')
        assert (refused.status_code, refused.json()["changed"]) == (412, ["/company", "/score"])
        assert answered(erase(cast.alice, uid, If_Match='"2"'))["version"] == 3

    def test_is_for_those_who_may_and_only_in_their_centre(self, cast: Cast) -> None:
        uid = str(lead(cast.alice)["uid"])
        assert erase(cast.bob, uid).status_code == erase(cast.vera, uid).status_code == 403
        assert erase(cast.charlie, uid).status_code == 404
        assert read(cast.alice, uid)["erased_at"] is None

    def test_a_repeated_post_is_answered_again(self, cast: Cast) -> None:
        uid = str(lead(cast.alice)["uid"])
        first, second = (erase(cast.alice, uid, Idempotency_Key="once") for _ in range(2))
        assert (first.status_code, second.content) == (200, first.content)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"company": "Mine"}),
        ("DELETE", "", None),
        ("POST", "transition/", {"to_stage": "stage-contacted"}),
        ("POST", "transition/", {"to_stage": "stage-contacted", "force": True, "reason": "Because"}),
        ("POST", "assign/", {"assigned_to": None}),
        ("POST", "archive/", {}),
        ("POST", "restore/", {}),
        ("POST", "tasks/", {"kind": "call"}),
        ("PATCH", "tasks/{task}/", {"title": "Mine"}),
        ("POST", "tasks/{task}/complete/", {}),
        ("POST", "tasks/{task}/cancel/", {}),
        ("POST", "tasks/{task}/reopen/", {}),
        ("POST", "activities/", {"kind": "note", "body": "Mine"}),
    ],
)
def test_nothing_can_be_written_to_an_erased_lead(cast: Cast, method: str, path: str, body: object) -> None:
    made = lead(cast.alice)
    uid, path = str(made["uid"]), path.format(task=made["tasks"][0]["uid"])
    tombstone = answered(erase(cast.alice, uid))
    refused = cast.alice.send(method, f"/api/leads/{uid}/{path}", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "lead_erased")
    assert read(cast.alice, uid) == tombstone


def test_kept_answers_about_others_that_name_the_person_go_too(cast: Cast) -> None:
    """Who was found to be a duplicate, refused as one, or kept from moving by a task."""
    marked = {"name": MARK, "email": "ada@example.com", "fields": {"budget": "1"}}
    uid = str(answered(cast.alice.post("/api/leads/", marked), 201)["uid"])
    other = marked | {"name": "Ada"}
    warned = answered(cast.alice.post("/api/leads/", other, Idempotency_Key="warned"), 201)
    answered(cast.root.patch("/api/config/", {"duplicates": {"policy": "reject"}}))
    refused = cast.alice.post("/api/leads/", other, Idempotency_Key="refused")
    task = {"kind": "call", "title": MARK, "required": True}
    answered(cast.alice.post(f"/api/leads/{uid}/tasks/", task), 201)
    kept = [go_once(cast.alice, uid), drag_once(cast.alice, uid)]
    assert all(MARK in str(answer) for answer in (warned, *(r.json() for r in (refused, *kept))))
    assert left() == {"leads", "idempotency"}
    answered(erase(cast.alice, uid))
    assert left() == set()


def go_once(client: CheckedClient, uid: str) -> Any:
    return client.post(f"/api/leads/{uid}/transition/", {"to_stage": "stage-contacted"}, Idempotency_Key="go")


def drag_once(client: CheckedClient, uid: str) -> Any:
    body = {"lead": uid, "to_stage": "stage-contacted"}
    return client.post("/api/leads/kanban/move/", body, Idempotency_Key="drag")


def test_an_erased_card_cannot_be_dragged_and_its_ways_are_closed(cast: Cast) -> None:
    uid = str(lead(cast.alice)["uid"])
    answered(erase(cast.alice, uid))
    drag = cast.alice.post("/api/leads/kanban/move/", {"lead": uid, "to_stage": "stage-contacted"})
    assert (drag.status_code, drag.json()["code"]) == (409, "lead_erased")
    told = answered(cast.alice.get(f"/api/leads/{uid}/moves/"))["results"]
    assert {r["code"] for verdict in told for r in verdict["refusals"]} >= {"lead_erased"}


def test_a_stage_where_an_erased_lead_stood_can_be_deleted(cast: Cast) -> None:
    relaxed(cast.root)
    uid = str(lead(cast.alice)["uid"])
    go(cast.alice, uid, "stage-qualified")
    answered(erase(cast.alice, uid))
    assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
    assert read(cast.alice, uid)["current_stage"] == "stage-qualified"
    assert cast.root.get("/api/stages/stage-qualified/").json()["archived"]


class Killed(Exception):
    """Stands for kill -9."""


def test_who_comes_again_after_a_crash_in_the_middle_finishes(
    cast: Cast, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old entries are scrubbed, the lead is not yet written."""

    def killed(*args: Any, **named: Any) -> bool:
        raise Killed

    before = read(cast.alice, known)
    with monkeypatch.context() as patched:
        patched.setattr(lead_store, "rewrite", killed)
        with pytest.raises(Killed):
            privacy.erase(known, "Asked", actor=system([NORTH]), now=now())
    assert read(cast.alice, known) == before
    answered(cast.alice.patch(f"/api/leads/{known}/", {"message": f"{MARK} is still there"}))
    answered(erase(cast.alice, known))
    assert left() == set()


def test_who_comes_again_after_a_crash_at_the_end_finishes(
    cast: Cast, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lead is erased, the kept answers are still there."""

    def killed(uid: str) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "forget_about", killed)
        with pytest.raises(Killed):
            privacy.erase(known, "Asked", actor=system([NORTH]), now=now())
    assert left() == {"idempotency"}
    answered(erase(cast.alice, known))
    assert left() == set()


def test_a_writer_who_was_about_to_spill_brings_nothing_back(
    cast: Cast, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have read the full lead before it was erased, and write their timeline document after."""
    at, actor = f"/api/leads/{known}/activities/", system([NORTH])
    while len(stored(known)["changes"]) < 10:
        answered(cast.alice.post(at, {"body": MARK}), 201)
    write, late = lead_store.save, []

    def overtaken(*args: Any, **named: Any) -> bool:
        if not late:
            late.append(args[0].spilled)
            privacy.erase(known, "Asked", actor=actor, now=now())
        return write(*args, **named)

    monkeypatch.setattr(lead_store, "save", overtaken)
    count = read(cast.alice, known)["activities_count"]
    with pytest.raises(rules.Erased):
        service.add_activity(known, ActivityIn(body=MARK), actor=actor, now=now(), once=None)
    assert MARK in str(late)
    assert left() == set()
    lines = walked(cast.alice, at)
    assert len(lines) == len({line["uid"] for line in lines}) == count + 1


def test_writers_at_the_same_moment_leave_nothing_behind(cast: Cast, known: str) -> None:
    at = f"/api/leads/{known}/activities/"

    def write() -> Any:
        return twin(cast.alice).post(at, {"body": MARK})

    def take_away() -> Any:
        return erase(twin(cast.alice), known)

    answers = at_once([*[write] * 10, take_away, take_away, *[write] * 20], workers=8)
    assert {response.status_code for response in answers} <= {200, 201, 409}
    assert left() == set()
    assert read(cast.alice, known)["activities_count"] == len(walked(cast.alice, at))


class TestExport:
    def test_hands_out_all_that_is_kept(self, cast: Cast, known: str) -> None:
        response = cast.alice.get(f"/api/leads/{known}/privacy/export/")
        told = answered(response)
        assert response["Content-Disposition"] == f'attachment; filename="{known}.json"'
        shown = read(cast.alice, known)
        assert told["lead"] == {key: value for key, value in shown.items() if key in told["lead"]}
        assert set(shown) - set(told["lead"]) == {"activities", "activities_count", "history", "history_count"}
        timeline = walked(cast.alice, f"/api/leads/{known}/activities/")[::-1]
        assert [entry | {"lead": known} for entry in told["activities"]] == timeline
        assert told["history"] == walked(cast.alice, f"/api/leads/{known}/history/")
        assert [entry["version"] for entry in told["changes"]] == list(range(1, shown["version"] + 1))
        assert [event["event_type"] for event in told["changes"][0]["events"]] == ["LeadCreated"]
        assert told["changes"][0]["events"][0]["email"] == PERSON["email"]
        assert {"pointer": "/company", "old": MARK, "new": f"{MARK} Ltd"} in [
            change for entry in told["changes"] for change in entry["changes"]
        ]

    def test_says_who_saw_it_but_not_whom_else_they_saw(self, cast: Cast) -> None:
        uid, other = str(lead(cast.alice)["uid"]), str(lead(cast.alice, name="Bert")["uid"])
        listed(cast.bob)
        read(cast.vera, uid)
        told = answered(cast.alice.get(f"/api/leads/{uid}/privacy/export/"))
        seen = [(access["actor"], access["action"]) for access in told["accesses"]]
        assert seen == [(cast.vera.uid, "read"), (cast.bob.uid, "list"), (cast.alice.uid, "create")]
        assert told["accesses_complete"]
        assert other not in str(told)

    def test_names_other_leads_that_share_an_address_or_a_number(self, cast: Cast) -> None:
        uid = str(lead(cast.alice, email="ada@example.com", phone="+1 415 555 0132")["uid"])
        same = lead(cast.alice, name="B", email="Ada@Example.com")["uid"]
        phone = lead(cast.alice, name="C", contacts=[{"name": "Ada", "phone": "(415) 555-0132"}])["uid"]
        longer = lead(cast.alice, name="D", phone="+1 415 555 0133")["uid"]
        away = lead(cast.charlie, name="E", email="ada@example.com")["uid"]
        cast.alice.delete(f"/api/leads/{phone}/")
        at = f"/api/leads/{uid}/privacy/export/"
        assert answered(cast.alice.get(at))["related"] == sorted([same, phone])
        assert answered(cast.root.get(at))["related"] == sorted([same, phone, away])
        assert longer not in str(answered(cast.root.get(at)))

    def test_of_an_erased_person_is_a_tombstone(self, cast: Cast, known: str) -> None:
        answered(erase(cast.alice, known))
        told = cast.alice.get(f"/api/leads/{known}/privacy/export/")
        assert MARK not in told.content.decode()
        assert told.json()["changes"] == told.json()["related"] == []

    def test_is_for_those_who_may_and_only_in_their_centre(self, cast: Cast) -> None:
        at = f"/api/leads/{lead(cast.alice)['uid']}/privacy/export/"
        assert [client.get(at).status_code for client in (cast.bob, cast.vera, cast.tom)] == [403, 403, 403]
        assert cast.charlie.get(at).status_code == 404

    def test_is_noted_as_an_export(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        cast.alice.get(f"/api/leads/{uid}/privacy/export/")
        noted = answered(cast.root.get(f"/api/audit/?lead={uid}&action=export"))["results"]
        assert [(entry["actor"], entry["subjects"]) for entry in noted] == [(cast.alice.uid, [uid])]


def test_erasing_is_noted(cast: Cast) -> None:
    uid = str(lead(cast.alice)["uid"])
    erase(cast.alice, uid)
    noted = answered(cast.alice.get(f"/api/audit/?lead={uid}&action=erase"))["results"]
    assert uids(noted) == [noted[0]["uid"]]
    assert (noted[0]["actor"], noted[0]["what"], noted[0]["subjects"]) == (cast.alice.uid, "erase_person", [uid])
