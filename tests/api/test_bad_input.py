"""Whatever is sent: never a 500, always a problem document with a code and a request id."""

import json
from typing import Any

import pytest

from tests.api.steps import codes, listed, uids
from tests.cast import Cast, lead

WRITES: dict[str, tuple[str, str]] = {
    "create a lead": ("POST", "/api/leads/"),
    "edit a lead": ("PATCH", "/api/leads/{lead}/"),
    "transition": ("POST", "/api/leads/{lead}/transition/"),
    "assign": ("POST", "/api/leads/{lead}/assign/"),
    "archive": ("POST", "/api/leads/{lead}/archive/"),
    "restore": ("POST", "/api/leads/{lead}/restore/"),
    "drag": ("POST", "/api/leads/kanban/move/"),
    "create a task": ("POST", "/api/leads/{lead}/tasks/"),
    "edit a task": ("PATCH", "/api/leads/{lead}/tasks/{task}/"),
    "complete a task": ("POST", "/api/leads/{lead}/tasks/{task}/complete/"),
    "reopen a task": ("POST", "/api/leads/{lead}/tasks/{task}/reopen/"),
    "cancel a task": ("POST", "/api/leads/{lead}/tasks/{task}/cancel/"),
    "write an activity": ("POST", "/api/leads/{lead}/activities/"),
    "create a stage": ("POST", "/api/stages/"),
    "edit a stage": ("PATCH", "/api/stages/stage-new/"),
    "reorder": ("POST", "/api/stages/reorder/"),
    "set up": ("POST", "/api/config/"),
    "edit the config": ("PATCH", "/api/config/"),
    "lock": ("POST", "/api/config/lock/"),
    "unlock": ("POST", "/api/config/unlock/"),
}
# What is refused wherever it is sent: the body, and the status of the answer.
BODIES: dict[str, tuple[bytes, int]] = {
    "no json": (b"{", 400),
    "single quotes": (b"{'name': 'Ada'}", 400),
    "NaN": (b'{"name": NaN}', 400),
    "infinity": (b'{"score_override": -Infinity}', 400),
    "latin-1": ('{"name": "J\u00fcrgen"}'.encode("latin-1"), 400),
    "utf-16": ('{"name": "Ada"}'.encode("utf-16"), 400),
    "a lone surrogate": (b'{"name": "\\ud800"}', 400),
    "very deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400),
    "deep": (b'{"fields":' * 40 + b"1" + b"}" * 40, 422),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "a number": (b"1", 422),
    "an unknown key": (b'{"no_such_key": 1}', 422),
    "an operator": (b'{"$where": "sleep(1000)"}', 422),
    "an operator inside": (b'{"name": {"$gt": ""}, "to_stage": {"$ne": 1}, "reason": {"$gt": 1}}', 422),
    "a path": (b'{"keys.shelf": "live/south"}', 422),
    "NUL": (b'{"name": "A\\u0000", "reason": "\\u0000", "lead": "\\u0000"}', 422),
    "NUL in a key": (b'{"a\\u0000b": 1}', 422),
    "a prototype": (b'{"__proto__": {"admin": true}, "constructor": 1}', 422),
    "a long key": (b'{"' + b"k" * 100_000 + b'": 1}', 422),
    "a long list": (b'{"tags": [' + b"1," * 20_000 + b"1]}", 422),
}


@pytest.fixture
def standing(cast: Cast) -> dict[str, str]:
    made = lead(cast.alice)
    return {"lead": made["uid"], "task": made["tasks"][0]["uid"]}


def is_a_problem(response: Any) -> None:
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code < 500
    assert problem["code"]
    assert problem["request_id"] == response["X-Request-ID"]


@pytest.mark.parametrize("write", WRITES)
def test_no_body_brings_a_write_down(cast: Cast, standing: dict[str, str], write: str) -> None:
    method, path = WRITES[write]
    for what, (body, status) in BODIES.items():
        response = cast.root.send(method, path.format(**standing), body)
        assert response.status_code == status, (what, response.content[:300])
        is_a_problem(response)


# Where nothing has to be said; what it comes to without a body.
SILENT = {
    "complete a task": 200, "reopen a task": 200, "cancel a task": 200, "lock": 200, "archive": 200, "restore": 200,
    "set up": 409,  # nothing has to be said to be told that it is there
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
def test_a_body_is_missing_only_where_something_has_to_be_said(
    cast: Cast, standing: dict[str, str], write: str
) -> None:
    method, path = WRITES[write]
    response = cast.root.send(method, path.format(**standing), b"")
    assert response.status_code == SILENT.get(write, 400), response.content
    if response.status_code >= 400:
        is_a_problem(response)


# Values that are no good anywhere, put in the place of each thing that may be written.
VALUES = [
    None, True, -1, 1.5, 10**30, 10**400, -(10**18), "", " ", "x" * 20_000, "\u202e\u0007", [], {}, [[]], [None],
    {"a": 10**30}, {"amount": 10**30, "currency": "EUR"}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "2026-01-01T00:00:00", "1e999", ["x"] * 600, {"x": {"y": [10**25]}},
]  # fmt: skip
KEYS: dict[str, list[str]] = {
    "create a lead": ["name", "email", "phone", "company", "address", "contacts", "source", "tags", "priority", "value",
                      "quantity", "expected_close_on", "temperature", "conversion_probability", "score_override",
                      "next_follow_up_at", "fields", "center", "assigned_to", "lead_type"],
    "transition": ["to_stage", "note", "reason", "fields", "position", "force"],
    "assign": ["assigned_to"],
    "drag": ["lead", "to_stage", "before", "after", "note", "reason"],
    "create a task": ["kind", "title", "due_at", "assigned_to", "fields", "required"],
    "complete a task": ["outcome", "notes", "fields", "completed_at"],
    "write an activity": ["kind", "body", "meta"],
    "create a stage": ["uid", "name", "slug", "color", "order", "kind", "allowed_next_stages", "required_fields",
                       "task_templates", "allowed_roles", "wip_limit", "sla_hours", "probability", "auto_assign",
                       "description", "archived"],
    "edit the config": ["workflow_name", "lead_id", "lead_types", "sources", "priorities", "tags", "variables",
                        "task_kinds", "close_reasons", "scoring", "temperature", "default_sort"],
    "reorder": ["order"],
    "unlock": ["reason"],
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "create a lead": {"name": "Ada", "fields": {"budget": "1"}},
    "transition": {"to_stage": "stage-contacted"},
    "drag": {"lead": "{lead}", "to_stage": "stage-new"},
    "create a task": {"kind": "call"},
    "write an activity": {"body": "x"},
    "create a stage": {"name": "x"},
}
KEYS["edit a lead"] = KEYS["create a lead"]
KEYS["edit a stage"] = KEYS["create a stage"]
KEYS["edit a task"] = ["title", "due_at", "assigned_to", "required", "notes", "fields"]


@pytest.mark.parametrize("write", KEYS)
def test_no_value_brings_a_write_down(cast: Cast, standing: dict[str, str], write: str) -> None:
    method, path = WRITES[write]
    good = {key: standing["lead"] if value == "{lead}" else value for key, value in GOOD.get(write, {}).items()}
    for key in KEYS[write]:
        for value in VALUES:
            response = cast.root.send(method, path.format(**standing), json.dumps(good | {key: value}).encode())
            assert response.status_code < 500, (key, value)
            if response.status_code >= 400:
                is_a_problem(response)


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63])
def test_numbers_that_no_database_holds_are_refused_wherever_anything_goes(cast: Cast, number: int) -> None:
    path = f"/api/leads/{lead(cast.alice)['uid']}/activities/"
    response = cast.alice.post(path, {"body": "x", "meta": {"number": number}})
    assert response.status_code == 422


def test_a_body_of_ten_megabytes_is_413(cast: Cast, standing: dict[str, str]) -> None:
    for method, path in WRITES.values():
        response = cast.root.send(method, path.format(**standing), b" " * 10_000_000)
        assert response.status_code == 413
        is_a_problem(response)


def test_faults_never_repeat_what_was_sent(cast: Cast) -> None:
    response = cast.alice.post("/api/leads/", {"name": "Ada", "email": "swordfish", "phone": "swordfish"})
    assert "swordfish" not in response.content.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/moon/", 404),
        ("GET", "/api/leads/x/moon/", 404),
        ("GET", "/", 404),
        ("GET", "/api/leads/%00/", 404),
        ("GET", "/api/leads/%ff%fe/", 404),
        ("GET", "/api/leads/..%2f..%2fetc/", 404),
        ("GET", "/api/leads/" + "x" * 5000 + "/", 404),
        ("PUT", "/api/leads/", 405),
        ("DELETE", "/api/leads/", 405),
        ("POST", "/api/leads/x/", 405),
        ("PATCH", "/api/leads/kanban/move/", 405),
    ],
)
def test_unknown_addresses_and_methods_answer_as_problems(cast: Cast, method: str, path: str, status: int) -> None:
    response = cast.alice.send(method, path, None)
    assert response.status_code == status
    is_a_problem(response)


QUERIES = [
    "limit=1000000", "limit=-1", "limit=%F0%9F", "q=%FF", "q=%00", "q=" + "%ED%A0%80", "stage=moon", "stage=%24ne",
    "stage[$ne]=x", "field.%24where=1", "field.=1", "field=1", "sort=%00", "cursor=%00", "cursor=" + "A" * 3000,
    "cursor=eyIkZ3QiOiAiIn0", "created_from=%FF", "score_min=1e2", "tags=%00", "fields=%24where", "%FF=1", "=1",
    "assigned_to=%00", "center=%00", "count=1", "field.budget=1e5", "field.budget=" + "9" * 500, "fields=" + "a," * 500,
]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/leads/", "/api/leads/kanban/", "/api/leads/kanban/stage-new/", "/api/stages/"])
def test_no_query_brings_a_reading_down(cast: Cast, path: str) -> None:
    answers = {query: cast.root.get(f"{path}?{query}") for query in QUERIES}
    assert [query for query, answer in answers.items() if answer.status_code != 422] == []
    for answer in answers.values():
        is_a_problem(answer)


@pytest.mark.parametrize("path", ["moves", "tasks", "activities", "history", ""])
def test_addresses_without_parameters_say_so(cast: Cast, standing: dict[str, str], path: str) -> None:
    response = cast.alice.get(f"/api/leads/{standing['lead']}/{path}/?colour=red".replace("//?", "/?"))
    assert response.status_code == 422


def test_every_fault_has_a_pointer_a_code_and_a_detail(cast: Cast) -> None:
    body = {
        "name": 5, "tags": ["a", 5], "address": {"city": 5, "moon": 1}, "contacts": [{"phone": "x"}], "a/b~c": 1,
        "fields": {"budget": "1"},
    }  # fmt: skip
    response = cast.alice.post("/api/leads/", body)
    assert {pointer for pointer, _ in codes(response)} == {
        "/name", "/tags/1", "/address/city", "/address/moon", "/contacts/0/name", "/contacts/0/phone", "/a~1b~0c",
    }  # fmt: skip
    assert all(fault["detail"] for fault in response.json()["errors"])


def test_the_callers_request_id_comes_back_if_it_is_harmless(cast: Cast) -> None:
    answer = cast.alice.get("/api/leads/x/", X_Request_ID="trace-1")
    assert answer.json()["request_id"] == answer["X-Request-ID"] == "trace-1"
    assert cast.alice.get("/api/leads/x/", X_Request_ID='"><script>').json()["request_id"] != '"><script>'


def test_markup_and_operators_are_plain_text(cast: Cast) -> None:
    name = "<script>alert(1)</script> {$gt: 1} %s {0} ' OR 1=1"
    made = lead(cast.alice, name=name)
    assert made["name"] == name
    assert uids(listed(cast.alice, "q=script")["results"]) == [made["uid"]]
