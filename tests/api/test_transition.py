"""POST /api/leads/{uid}/transition/: one gate for every move."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.steps import EVERY_STAGE, cards, fields, go, read, ready, relaxed, rewrite
from tests.cast import Cast, lead


def refusals(response: Any) -> list[str]:
    assert response.status_code == 409, response.content
    return [refusal["code"] for refusal in response.json()["refusals"]]


def test_answers_200_with_the_whole_lead_in_its_new_stage(cast: Cast) -> None:
    made = ready(cast.alice)
    response = go(cast.alice, made["uid"], "stage-contacted", note="On the phone")
    assert response.status_code == 200
    assert response.json() == read(cast.alice, made["uid"])
    assert response.json()["current_stage"] == "stage-contacted"
    assert response.json()["version"] == made["version"] + 1


def test_the_old_stage_is_left_before_the_new_one_is_entered(cast: Cast) -> None:
    made = ready(cast.alice)
    moved = go(cast.bob, made["uid"], "stage-contacted", note="On the phone").json()
    left, entered = moved["history"]
    assert (left["stage"], left["left_at"]) == ("stage-new", entered["entered_at"])
    assert left["duration_seconds"] == 0
    assert (entered["stage"], entered["left_at"], entered["by"]) == ("stage-contacted", None, cast.bob.uid)
    assert (entered["note"], entered["forced"], entered["workflow_version"]) == ("On the phone", False, 1)
    assert moved["stage_entered_at"] == entered["entered_at"]


def test_the_timeline_tells_of_it(cast: Cast) -> None:
    made = ready(cast.alice)
    last = go(cast.alice, made["uid"], "stage-contacted", note="On the phone").json()["activities"][-1]
    assert (last["kind"], last["body"], last["actor"]) == ("stage_change", "On the phone", cast.alice.uid)
    assert last["meta"] == {"from": "stage-new", "to": "stage-contacted"}


def test_tasks_of_the_new_stage_are_made(cast: Cast) -> None:
    template = {"uid": "t", "kind": "visit", "title": "See them", "due_in_days": 2, "assignee": "owner"}
    cast.root.patch("/api/stages/stage-contacted/", {"task_templates": [template]})
    made = ready(cast.alice, assigned_to=[cast.bob.uid])
    task = go(cast.alice, made["uid"], "stage-contacted").json()["tasks"][-1]
    assert (task["title"], task["kind"], task["stage"]) == ("See them", "visit", "stage-contacted")
    assert (task["assigned_to"], task["template"]) == (cast.bob.uid, "t")


def test_the_stage_before_must_allow_it(cast: Cast) -> None:
    refused = go(cast.alice, ready(cast.alice)["uid"], "stage-won")
    (refusal,) = refused.json()["refusals"]
    assert (refusal["code"], refusal["stage"]) == ("not_allowed_from_here", "stage-won")
    assert "stage-contacted" in refusal["how_to_pass"]


def test_required_tasks_must_be_completed(cast: Cast) -> None:
    made = lead(cast.alice)
    (refusal,) = go(cast.alice, made["uid"], "stage-contacted").json()["refusals"]
    assert (refusal["code"], refusal["task"]) == ("task_open", made["tasks"][0]["uid"])


def test_a_cancelled_required_task_still_blocks(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.alice.post(f"/api/leads/{made['uid']}/tasks/{made['tasks'][0]['uid']}/cancel/", {})
    assert refusals(go(cast.alice, made["uid"], "stage-contacted")) == ["task_open"]


def test_required_fields_of_the_target_must_be_filled(cast: Cast) -> None:
    fields(cast.root, {"field_key": "plan", "field_type": "text"})
    cast.root.patch("/api/stages/stage-contacted/", {"required_fields": ["email", "plan"]})
    made = ready(cast.alice)
    refused = go(cast.alice, made["uid"], "stage-contacted")
    assert {refusal["field"] for refusal in refused.json()["refusals"]} == {"email", "fields.plan"}
    cast.alice.patch(f"/api/leads/{made['uid']}/", {"email": "ada@example.com"})
    assert go(cast.alice, made["uid"], "stage-contacted", fields={"plan": "B"}).json()["fields"]["plan"] == "B"


def test_fields_brought_along_are_checked(cast: Cast) -> None:
    made = ready(cast.alice)
    refused = go(cast.alice, made["uid"], "stage-contacted", fields={"budget": "much"})
    assert refused.status_code == 422
    assert read(cast.alice, made["uid"])["current_stage"] == "stage-new"


def test_only_allowed_roles_enter(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-contacted/", {"allowed_roles": ["center_admin"]})
    made = ready(cast.alice)
    assert refusals(go(cast.bob, made["uid"], "stage-contacted")) == ["role_not_allowed"]
    assert go(cast.alice, made["uid"], "stage-contacted").status_code == 200


def test_a_lost_lead_needs_a_reason_and_keeps_it(cast: Cast) -> None:
    made = ready(cast.alice)
    assert refusals(go(cast.alice, made["uid"], "stage-lost")) == ["reason_required"]
    lost = go(cast.alice, made["uid"], "stage-lost", reason="Too dear").json()
    assert (lost["status"], lost["closed_reason"]) == ("lost", "Too dear")
    assert lost["closed_at"] is not None


def test_all_reasons_are_told_at_once(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-lost/", {"required_fields": ["email"], "allowed_roles": ["super_admin"]})
    refused = go(cast.alice, lead(cast.alice)["uid"], "stage-lost")
    assert set(refusals(refused)) == {"task_open", "field_missing", "role_not_allowed", "reason_required"}


def test_an_archived_stage_is_entered_by_nobody(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-contacted/", {"archived": True})
    made = ready(cast.alice)
    assert "stage_archived" in refusals(go(cast.alice, made["uid"], "stage-contacted"))
    assert refusals(go(cast.alice, made["uid"], "stage-contacted", force=True, reason="x")) == ["stage_archived"]


def test_an_unknown_stage_is_a_fault_of_the_input(cast: Cast) -> None:
    assert go(cast.alice, lead(cast.alice)["uid"], "stage-moon").status_code == 422


def test_winning_sets_status_and_time(cast: Cast) -> None:
    relaxed(cast.root)
    cast.root.patch("/api/stages/stage-won/", {"kind": "won", "probability": 1.0})
    won = go(cast.alice, lead(cast.alice)["uid"], "stage-won").json()
    assert (won["status"], won["conversion_probability"]) == ("won", 1.0)
    assert won["converted_at"] == won["stage_entered_at"]


class TestForce:
    def test_skips_the_guards_and_is_marked(self, cast: Cast) -> None:
        made = lead(cast.alice)
        moved = go(cast.alice, made["uid"], "stage-won", force=True, reason="The boss says so").json()
        last = moved["history"][-1]
        assert (last["stage"], last["forced"], last["reason"]) == ("stage-won", True, "The boss says so")

    def test_needs_a_reason(self, cast: Cast) -> None:
        assert go(cast.alice, lead(cast.alice)["uid"], "stage-won", force=True).status_code == 422

    def test_needs_the_permission(self, cast: Cast) -> None:
        made = lead(cast.alice)
        assert go(cast.bob, made["uid"], "stage-won", force=True, reason="x").status_code == 403
        assert read(cast.alice, made["uid"])["version"] == 1


@pytest.mark.parametrize("uid", EVERY_STAGE)
def test_moves_and_transition_agree_about_every_stage(cast: Cast, uid: str) -> None:
    cast.root.patch("/api/stages/stage-qualified/", {"required_fields": ["email"]})
    for start in ("stage-new", "stage-contacted"):
        made = ready(cast.alice)
        if start != "stage-new":
            go(cast.alice, made["uid"], start)
        verdicts = cast.alice.get(f"/api/leads/{made['uid']}/moves/").json()["results"]
        (verdict,) = (one for one in verdicts if one["stage"] == uid)
        answer = go(cast.alice, made["uid"], uid)
        assert verdict["allowed"] == (answer.status_code == 200)
        assert verdict["refusals"] == answer.json().get("refusals", [])


def test_moves_tell_of_every_stage(cast: Cast) -> None:
    verdicts = cast.alice.get(f"/api/leads/{lead(cast.alice)['uid']}/moves/").json()["results"]
    assert [verdict["stage"] for verdict in verdicts] == list(EVERY_STAGE)
    assert [verdict["allowed"] for verdict in verdicts] == [True] + [False] * 5
    assert all(refusal["how_to_pass"] for verdict in verdicts for refusal in verdict["refusals"])


def test_a_move_to_the_same_stage_changes_nothing(cast: Cast) -> None:
    uid = str(lead(cast.alice)["uid"])
    response = go(cast.alice, uid, "stage-new")
    assert (response.status_code, response.json()) == (200, read(cast.alice, uid) | {"version": 1})


def test_entering_a_stage_again_makes_its_tasks_anew(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-contacted/", {"allowed_next_stages": ["stage-new"]})
    made = ready(cast.alice)
    go(cast.alice, made["uid"], "stage-contacted")
    back = go(cast.alice, made["uid"], "stage-new").json()
    assert [task["status"] for task in back["tasks"]] == ["completed", "pending"]
    assert refusals(go(cast.alice, made["uid"], "stage-contacted")) == ["task_open"]


def test_a_moved_lead_stands_on_top_or_where_told(cast: Cast) -> None:
    relaxed(cast.root)
    first, second, third = (lead(cast.alice)["uid"] for _ in range(3))
    go(cast.alice, first, "stage-contacted")
    go(cast.alice, second, "stage-contacted")
    go(cast.alice, third, "stage-contacted", position="bottom")
    assert cards(cast.alice, "stage-contacted") == [second, first, third]


def test_the_time_in_a_stage_is_measured(cast: Cast) -> None:
    made = ready(cast.alice)
    rewrite(made["uid"], history__0__entered_at=_an_hour_before(made["stage_entered_at"]))
    moved = go(cast.alice, made["uid"], "stage-contacted").json()
    assert 3600 <= moved["history"][0]["duration_seconds"] <= 3660


def _an_hour_before(moment: str) -> datetime:
    return datetime.fromisoformat(moment) - timedelta(hours=1)
