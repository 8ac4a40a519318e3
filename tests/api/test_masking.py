"""Roles without `lead.pii` see how a lead stands, not who it is and what was written about them."""

import re
from typing import Any

import pytest

from lead_crm import directory, mongo, openapi
from tests.api.steps import column, fields, found, go, listed, read, relaxed, walked
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]

MARK = "Quetzalcoatl"
PERSON: Row = {
    "first_name": MARK, "last_name": MARK, "email": f"{MARK.lower()}@example.com", "phone": "+1 415 555 0199",
    "message": MARK, "source_detail": MARK, "address": {"line": MARK},
    "contacts": [{"name": MARK, "phone": "+1 415 555 0199"}],
}  # fmt: skip
OPTIONS = [{"value": "east"}, {"value": MARK}]
ASKED: list[Row] = [
    *({"field_key": f"x_{kind}", "field_type": kind, "show_on_card": True} for kind in (
        "text", "long_text", "email", "phone", "url", "json", "date", "datetime", "user", "integer", "boolean",
    )),
    {"field_key": "branch", "field_type": "select", "options": OPTIONS, "show_on_card": True},
    {"field_key": "gender", "field_type": "select", "options": OPTIONS, "show_on_card": True, "personal": True},
]  # fmt: skip
PLAIN: Row = {"budget": "10.00", "x_integer": 7, "x_boolean": True, "branch": "east"}
TELLING: Row = {
    "x_text": MARK, "x_long_text": MARK, "x_email": f"{MARK}@example.com", "x_phone": "+1 415 555 0199",
    "x_url": f"https://example.com/{MARK}", "x_json": {"x": MARK}, "x_date": "1999-09-09",
    "x_datetime": "1999-09-09T09:09:09.000Z", "x_user": MARK, "gender": MARK,
}  # fmt: skip
TOLD = re.compile(rf"{MARK}|5550199|555 0199|1999-09-09", re.IGNORECASE)


def ok(response: Any, status: int = 200) -> Row:
    assert response.status_code == status, response.content
    data: Row = response.json()
    return data


@pytest.fixture
def his(cast: Cast) -> str:
    """A lead with a task of Tom's, marked wherever something can be written."""
    relaxed(cast.root)
    fields(cast.root, *ASKED)
    kinds = ok(cast.root.get("/api/config/"))["task_kinds"]
    asked = [kind | {"fields": [{"field_key": "said", "field_type": "text"}]} for kind in kinds]
    ok(cast.root.patch("/api/config/", {"task_kinds": asked}))
    uid = str(lead(cast.alice, **PERSON, fields=PLAIN | TELLING)["uid"])
    at = f"/api/leads/{uid}/"
    ok(cast.alice.post(f"{at}tasks/", {"kind": "visit", "title": "Visit", "assigned_to": cast.tom.uid}), 201)
    other = ok(cast.alice.post(f"{at}tasks/", {"kind": "call", "fields": {"said": MARK}}), 201)
    ok(cast.alice.patch(f"{at}tasks/{other['uid']}/", {"notes": MARK}))
    for kind in ("note", "call", "email"):
        ok(cast.alice.post(f"{at}activities/", {"kind": kind, "body": MARK, "meta": {"to": MARK}}), 201)
    ok(go(cast.alice, uid, "stage-lost", note=MARK, reason=MARK))
    mongo.collection("leads").update_one(
        {"type": "lead", "uid": uid}, {"$set": {"conversion": {"reference": MARK, "note": MARK}}}
    )
    return uid


def addresses(uid: str) -> list[str]:
    """Every address of the API that is read, about this lead where it is about one."""
    paths = [path for path, methods in openapi.document()["paths"].items() if "get" in methods]
    return [path.format(uid=uid, stage="stage-lost", task="x") for path in paths if path.startswith("/api/leads/")]


def test_tom_is_told_nothing_at_any_address(cast: Cast, his: str) -> None:
    answered = {}
    for address in addresses(his):
        response = cast.tom.get(address)
        answered[address] = response.status_code
        assert not TOLD.search(response.content.decode()), address
    parts = ("", "moves/", "tasks/", "activities/", "history/")
    expected = {"/api/leads/", "/api/leads/kanban/", *(f"/api/leads/{his}/{part}" for part in parts)}
    assert {address for address in expected if answered.get(address) != 200} == set()


def test_the_same_addresses_tell_alice(cast: Cast, his: str) -> None:
    """Else the test before could not fail."""
    silent = {"/moves/", "/access/", "/duplicates/"}
    for address in addresses(his):
        if not any(address.endswith(part) for part in silent) and address != "/api/leads/kanban/":
            assert TOLD.search(cast.alice.get(address).content.decode()), address


def test_a_whole_lead_keeps_its_shape_and_figures(cast: Cast, his: str) -> None:
    shown, whole = read(cast.tom, his), read(cast.alice, his)
    assert shown.keys() == whole.keys()
    hidden = {*PERSON, "fields", "tasks", "activities", "history", "closed_reason", "conversion", "score_reasons",
              "full_name"}  # fmt: skip
    assert {key: shown[key] for key in shown.keys() - hidden} == {key: whole[key] for key in whole.keys() - hidden}
    assert shown["fields"] == PLAIN | dict.fromkeys(TELLING)
    assert (shown["conversion"], shown["closed_reason"], shown["contacts"]) == (None, None, [])


def test_lines_of_the_timeline_say_what_happened_without_the_words(cast: Cast, his: str) -> None:
    for lines in (read(cast.tom, his)["activities"], walked(cast.tom, f"/api/leads/{his}/activities/?limit=2")):
        assert {line["body"] for line in lines} == {None}
        moved = next(line for line in lines if line["kind"] == "stage_change")
        assert moved["meta"] == {"from": "stage-new", "to": "stage-lost"}
    passage = walked(cast.tom, f"/api/leads/{his}/history/?limit=1")
    assert [(entry["stage"], entry["note"], entry["reason"]) for entry in passage] == [
        ("stage-new", None, None), ("stage-lost", None, None)
    ]  # fmt: skip


def test_he_reads_what_was_noted_in_tasks_of_his_own(cast: Cast, his: str) -> None:
    mine = next(task for task in read(cast.tom, his)["tasks"] if task["assigned_to"] == cast.tom.uid)
    at = f"/api/leads/{his}/tasks/{mine['uid']}/"
    ok(cast.alice.patch(at, {"notes": "Bring the red ball", "fields": {"said": "by alice"}}))
    for tasks in (read(cast.tom, his)["tasks"], ok(cast.tom.get(f"/api/leads/{his}/tasks/"))["results"]):
        told = {task["uid"]: (task["notes"], task["fields"]) for task in tasks}
        assert told.pop(mine["uid"]) == ("Bring the red ball", {"said": "by alice"})
        assert set(map(str, told.values())) == {"(None, {})"}


def test_selected_fields_and_cards_are_masked(cast: Cast, his: str) -> None:
    names = "email,fields,tasks,score_reasons,conversion,closed_reason,source_detail,full_name,contacts"
    (row,) = listed(cast.tom, f"fields={names}")["results"]
    assert not TOLD.search(str(row))
    (card,) = column(cast.tom, "stage-lost")["leads"]
    on_card = {field["field_key"] for field in ASKED} | {"budget"}
    assert card["fields"] == {key: value for key, value in (PLAIN | dict.fromkeys(TELLING)).items() if key in on_card}


class TestWhoeverMayWriteWithoutSeeing:
    """A role of the firm's own: may edit and move, but not see who it is."""

    @pytest.fixture
    def clerk(self, cast: Cast) -> CheckedClient:
        may = ["lead.view", "lead.edit", "lead.move", "task.edit", "task.complete", "lead.archive", "lead.assign"]
        role = {"key": "clerk", "label": "Clerk", "permissions": may, "scope": "center"}
        ok(cast.root.patch("/api/config/", {"roles": [role]}))
        directory.forget()
        return cast._member("clara", ["clerk"], [NORTH])

    def test_answers_of_writes_are_masked(self, cast: Cast, his: str, clerk: CheckedClient) -> None:
        at = f"/api/leads/{his}/"
        other = next(task for task in read(cast.alice, his)["tasks"] if task["notes"])["uid"]
        writes: list[tuple[str, str, Row]] = [
            ("PATCH", "", {"company": "Mill"}),
            ("POST", "assign/", {"assigned_to": None}),
            ("POST", "transition/", {"to_stage": "stage-contacted"}),
            ("PATCH", f"tasks/{other}/", {"title": "Ring them"}),
            ("POST", f"tasks/{other}/complete/", {}),
            ("POST", f"tasks/{other}/reopen/", {}),
            ("POST", f"tasks/{other}/cancel/", {}),
            ("POST", "archive/", {}),
            ("POST", "restore/", {}),
        ]
        for method, path, body in writes:
            response = clerk.send(method, at + path, body)
            ok(response)
            assert not TOLD.search(response.content.decode()), path

    def test_what_differs_is_named_but_not_told(self, cast: Cast, his: str, clerk: CheckedClient) -> None:
        ok(cast.alice.patch(f"/api/leads/{his}/", {"message": f"{MARK} again"}))
        stale = clerk.patch(f"/api/leads/{his}/", {"company": "Mill"}, If_Match='"2"')
        assert stale.status_code == 412
        assert "/message" in stale.json()["changed"]
        assert not TOLD.search(stale.content.decode())


@pytest.mark.parametrize("key", [key for key in TELLING if key != "x_json"])
def test_what_is_hidden_cannot_be_found_by_guessing(cast: Cast, his: str, key: str) -> None:
    for value in (str(TELLING[key]).replace("+", "%2B"), "east"):
        for address in (f"/api/leads/?field.{key}={value}", f"/api/leads/kanban/?field.{key}={value}",
                        f"/api/leads/kanban/stage-lost/?field.{key}={value}"):  # fmt: skip
            refused = cast.tom.get(address)
            assert (refused.status_code, refused.json()["permission"]) == (403, "lead.pii"), address
    for end in ("min", "max"):
        assert cast.tom.get(f"/api/leads/?field.{key}_{end}=1").status_code == 403
    for sort in (f"field.{key}", f"-field.{key}"):
        assert cast.tom.get(f"/api/leads/?sort={sort}").status_code == 403


def test_what_is_shown_can_be_filtered_and_sorted_by(cast: Cast, his: str) -> None:
    for query in ("field.branch=east", "field.x_integer_min=7", "field.budget=10", "sort=field.x_integer"):
        assert found(cast.tom, query) == {his}, query
    assert found(cast.alice, f"field.x_text={MARK}") == {his}


def test_a_usual_order_that_would_tell_is_not_his(cast: Cast, his: str) -> None:
    """The config may sort by a hidden field; he gets the newest first."""
    ok(cast.root.patch("/api/config/", {"default_sort": "field.x_text"}))
    assert found(cast.tom, "") == {his}
    newer = lead(cast.alice, fields=PLAIN | {"x_text": "zzz"})["uid"]
    ok(cast.alice.post(f"/api/leads/{newer}/tasks/", {"kind": "visit", "assigned_to": cast.tom.uid}), 201)
    assert [row["uid"] for row in listed(cast.tom)["results"]] == [newer, his]
    assert [row["uid"] for row in listed(cast.alice)["results"]] == [his, newer]
