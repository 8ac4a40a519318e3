"""Convert, close, reopen, hold, resume over HTTP; and what follows from tasks where stages have limits."""

from typing import Any

import pytest

from tests.api.steps import at_once, go, listed, read, ready, relaxed, statuses, twin
from tests.cast import Cast, lead
from tests.contract import CheckedClient

WALK_IN = {
    "key": "visit",
    "label": "Visit",
    "outcomes": [{"key": "came", "label": "Came", "move_to": "stage-contacted"}],
}


def act(client: CheckedClient, uid: object, action: str, **body: object) -> Any:
    return client.post(f"/api/leads/{uid}/{action}/", body)


def qualified(cast: Cast) -> str:
    uid = str(ready(cast.alice)["uid"])
    for stage in ("stage-contacted", "stage-qualified", "stage-proposal"):
        assert go(cast.alice, uid, stage).status_code == 200
    return uid


def test_from_proposal_to_won_and_back(cast: Cast) -> None:
    uid = qualified(cast)
    won = act(cast.bob, uid, "convert", reference="ORDER-1", note="Two years")
    assert (won.status_code, won.json()["current_stage"], won.json()["status"]) == (200, "stage-won", "won")
    assert act(cast.bob, uid, "convert", reference="ORDER-2").json()["code"] == "already_converted"
    again = act(cast.bob, uid, "reopen", note="They cancelled").json()
    assert (again["current_stage"], again["conversion"], again["history"][-1]["reason"]) == (
        "stage-proposal", None, "Reopened",
    )  # fmt: skip


def test_a_refused_conversion_lists_why(cast: Cast) -> None:
    answer = act(cast.alice, lead(cast.alice)["uid"], "convert", reference="X")
    assert answer.status_code == 409
    assert {r["code"] for r in answer.json()["refusals"]} == {"not_allowed_from_here", "task_open"}


def test_closing_needs_a_reason_and_is_said_once(cast: Cast) -> None:
    uid = ready(cast.alice)["uid"]
    assert act(cast.alice, uid, "close").status_code == 422
    closed = act(cast.alice, uid, "close", reason="no_budget").json()
    assert (closed["current_stage"], closed["closed_reason"]) == ("stage-lost", "no_budget")
    assert act(cast.alice, uid, "close", reason="no_budget").json()["code"] == "not_open"


def test_on_hold_a_lead_stays_in_the_lists_and_does_not_move(cast: Cast) -> None:
    uid = ready(cast.alice)["uid"]
    held = act(cast.alice, uid, "hold", note="Until the new year", until="2030-01-01T00:00:00Z").json()
    assert (held["status"], held["next_follow_up_at"]) == ("on_hold", "2030-01-01T00:00:00Z")
    assert listed(cast.alice, "status=on_hold")["count"] == 1
    assert go(cast.alice, uid, "stage-contacted").json()["refusals"][0]["code"] == "on_hold"
    assert cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"}).status_code == 200
    assert act(cast.alice, uid, "resume").json()["status"] == "open"
    assert act(cast.alice, uid, "resume").status_code == 409


@pytest.mark.parametrize("action", ["convert", "close", "reopen", "hold", "resume"])
def test_who_only_looks_changes_nothing(cast: Cast, action: str) -> None:
    uid = lead(cast.alice)["uid"]
    body = {"convert": {"reference": "X"}, "close": {"reason": "X"}}.get(action, {})
    assert act(cast.vera, uid, action, **body).status_code == 403
    assert act(cast.charlie, uid, action, **body).status_code == 404
    assert act(cast.nobody, uid, action, **body).status_code == 401
    assert read(cast.alice, str(uid))["version"] == 1


def test_two_who_close_at_once_are_one_passage(cast: Cast) -> None:
    uid = str(ready(cast.alice)["uid"])
    said = at_once([lambda: act(twin(cast.alice), uid, "close", reason="no_reply")] * 8)
    assert statuses(said) == [200] + [409] * 7
    assert [entry["stage"] for entry in read(cast.alice, uid)["history"]] == ["stage-new", "stage-lost"]


def test_starving_leads_are_listed(cast: Cast) -> None:
    planned, starving = lead(cast.alice), ready(cast.alice)
    dated = ready(cast.alice, next_follow_up_at="2030-01-01T00:00:00Z")
    assert [row["uid"] for row in listed(cast.alice, "starving=true")["results"]] == [starving["uid"]]
    assert {row["uid"] for row in listed(cast.alice, "starving=false")["results"]} == {planned["uid"], dated["uid"]}


@pytest.fixture
def limited(cast: Cast) -> Cast:
    relaxed(cast.root)
    assert cast.root.patch("/api/config/", {"task_kinds": [WALK_IN]}).status_code == 200
    limit = {"wip_limit": {"max": 1, "scope": "stage"}}
    assert cast.root.patch("/api/stages/stage-contacted/", limit).status_code == 200
    return cast


def came(cast: Cast) -> tuple[str, str]:
    uid = str(lead(cast.alice)["uid"])
    task = cast.alice.post(f"/api/leads/{uid}/tasks/", {"kind": "visit"}).json()["uid"]
    return uid, task


def test_where_the_stage_is_full_the_visit_is_recorded_all_the_same(limited: Cast) -> None:
    """At the same moment: one gets the seat, the others are told that there is none."""
    visits = [came(limited) for _ in range(6)]
    path = "/api/leads/{}/tasks/{}/complete/"
    said = at_once([lambda v=v: twin(limited.alice).post(path.format(*v), {"outcome": "came"}) for v in visits])  # type: ignore[misc]
    assert statuses(said) == [200] * 6
    moved = [answer.json() for answer in said if answer.json()["automation"]["moved"]]
    stayed = [answer.json() for answer in said if not answer.json()["automation"]["moved"]]
    assert (len(moved), len(stayed)) == (1, 5)
    assert {one["current_stage"] for one in stayed} == {"stage-new"}
    assert {r["code"] for one in stayed for r in one["automation"]["refusals"]} == {"wip_limit"}
    for uid, task in visits:
        kept = next(one for one in read(limited.alice, uid)["tasks"] if one["uid"] == task)
        assert (kept["status"], kept["outcome"]) == ("completed", "came")


def test_a_repeated_completion_moves_once(limited: Cast) -> None:
    uid, task = came(limited)
    path, key = f"/api/leads/{uid}/tasks/{task}/complete/", "one-key"
    first = limited.alice.post(path, {"outcome": "came"}, Idempotency_Key=key)
    again = limited.alice.post(path, {"outcome": "came"}, Idempotency_Key=key)
    assert (first.status_code, again.content) == (200, first.content)
    assert len(read(limited.alice, uid)["history"]) == 2
