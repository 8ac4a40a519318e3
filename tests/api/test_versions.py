"""ETag and If-Match: a stale writer is told what differs."""

from collections.abc import Callable
from typing import Any

import pytest

from lead_crm import openapi
from tests.api.steps import codes, read, ready
from tests.cast import Cast, lead

Write = Callable[[Cast, dict[str, Any], str], Any]


def writes(path: str, body: object, method: str = "POST") -> Write:
    def write(cast: Cast, made: dict[str, Any], etag: str) -> Any:
        at = f"/api/leads/{made['uid']}/{path.format(task=made['tasks'][0]['uid'])}"
        return cast.alice.send(method, at, body, If_Match=etag)

    return write


WRITES = {
    "patch": writes("", {"email": "ada@example.com"}, "PATCH"),
    "delete": writes("", None, "DELETE"),
    "transition": writes("transition/", {"to_stage": "stage-contacted", "force": True, "reason": "x"}),
    "assign": writes("assign/", {"assigned_to": None}),
    "archive": writes("archive/", {}),
    "restore": writes("restore/", {}),
    "complete": writes("tasks/{task}/complete/", {}),
    "cancel": writes("tasks/{task}/cancel/", {}),
    "reopen": writes("tasks/{task}/reopen/", {}),
    "edit a task": writes("tasks/{task}/", {"title": "Ring"}, "PATCH"),
    "add a task": writes("tasks/", {"kind": "call"}),
    "add to the timeline": writes("activities/", {"body": "Hello"}),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_stale_writer_gets_412_with_the_fields_that_differ(cast: Cast, write: Write) -> None:
    made = lead(cast.alice)
    cast.bob.patch(f"/api/leads/{made['uid']}/", {"company": "Looms", "fields": {"budget": "7"}})
    refused = write(cast, made, '"1"')
    assert refused.status_code == 412
    assert {"/company", "/fields/budget"} <= set(refused.json()["changed"])
    assert read(cast.alice, made["uid"])["version"] == 2


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whoever_has_read_the_latest_version_may_write(cast: Cast, write: Write) -> None:
    made = lead(cast.alice)
    assert write(cast, made, '"1"').status_code in (200, 201, 204)


def test_a_stale_drag_gets_412(cast: Cast) -> None:
    made = ready(cast.alice)
    body = {"lead": made["uid"], "to_stage": "stage-contacted"}
    assert cast.alice.post("/api/leads/kanban/move/", body, If_Match='"1"').status_code == 412
    assert cast.alice.post("/api/leads/kanban/move/", body, If_Match='"2"').status_code == 200


def test_an_etag_can_be_weak_or_a_star(cast: Cast) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    assert cast.alice.patch(at, {"company": "a"}, If_Match='W/"1"').status_code == 200
    assert cast.alice.patch(at, {"company": "b"}, If_Match="*").status_code == 200


@pytest.mark.parametrize("etag", ["1", '"x"', '"1', '"-1"', '"99999999999999999999"'])
def test_what_is_no_etag_is_refused(cast: Cast, etag: str) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    assert codes(cast.alice.patch(at, {"company": "a"}, If_Match=etag)) == {("/If-Match", "not_an_etag")}


def test_a_version_that_is_still_to_come_is_stale_too(cast: Cast) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    assert cast.alice.patch(at, {"company": "a"}, If_Match='"9"').status_code == 412


def test_what_differs_is_known_after_many_more_changes(cast: Cast) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/"
    cast.alice.patch(at, {"company": "Looms"})
    for number in range(40):
        cast.alice.patch(at, {"source_detail": f"{number}"})
    first = cast.alice.patch(at, {"tags": ["a"]}, If_Match='"1"').json()["changed"]
    second = cast.alice.patch(at, {"tags": ["a"]}, If_Match='"2"').json()["changed"]
    assert first == ["/company", "/score", "/source_detail"]
    assert second == ["/source_detail"]


def test_the_etag_of_an_answer_is_that_of_the_next_reading(cast: Cast) -> None:
    made = ready(cast.alice)
    moved = cast.alice.post(f"/api/leads/{made['uid']}/transition/", {"to_stage": "stage-contacted"})
    assert moved["ETag"] == cast.alice.get(f"/api/leads/{made['uid']}/")["ETag"] == f'"{moved.json()["version"]}"'


@pytest.mark.parametrize("name", ["edit_task", "create_task", "create_activity", "merge_lead"])
def test_the_document_says_which_writes_take_if_match(name: str) -> None:
    operation = next(
        found for path in openapi.document()["paths"].values() for found in path.values()
        if found["operationId"] == name
    )  # fmt: skip
    assert "If-Match" in [parameter["name"] for parameter in operation["parameters"]]
    assert "412" in operation["responses"]


def test_a_line_that_is_sent_again_is_not_stale_by_itself(cast: Cast) -> None:
    at = f"/api/leads/{lead(cast.alice)['uid']}/activities/"
    first, again = (cast.alice.post(at, {"body": "x"}, If_Match='"1"', Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, again.content) == (201, first.content)


def test_many_leads_have_no_one_version(cast: Cast) -> None:
    made = lead(cast.alice)
    body = {"action": "archive", "uids": [made["uid"]]}
    refused = cast.alice.post("/api/leads/bulk/", body, If_Match='"1"')
    assert codes(refused) == {("/If-Match", "not_for_many")}
    assert "dry_run" in refused.json()["errors"][0]["detail"]
    assert read(cast.alice, made["uid"])["status"] == "open"
