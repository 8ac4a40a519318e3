"""Tasks of a lead."""

from typing import Any

import pytest

from tests.api.steps import codes, read
from tests.cast import Cast, lead

KINDS = [
    {"key": "call", "label": "Call"},
    {"key": "visit", "label": "Visit", "fields": [{"field_key": "room", "field_type": "text", "required": True}]},
    {"key": "follow_up", "label": "Follow-up", "outcomes": [
        {"key": "ENROLLED", "label": "Enrolled"}, {"key": "LOST", "label": "Lost", "note_required": True},
    ]},
]  # fmt: skip


@pytest.fixture
def made(cast: Cast) -> dict[str, Any]:
    assert cast.root.patch("/api/config/", {"task_kinds": KINDS}).status_code == 200
    return lead(cast.alice)


def add(cast: Cast, made: dict[str, Any], **body: object) -> dict[str, Any]:
    response = cast.alice.post(f"/api/leads/{made['uid']}/tasks/", body)
    assert response.status_code == 201, response.content
    return response.json()


def act(cast: Cast, made: dict[str, Any], task: dict[str, Any], action: str, **body: object) -> Any:
    return cast.alice.post(f"/api/leads/{made['uid']}/tasks/{task['uid']}/{action}/", body)


def test_creating_answers_the_task(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="follow_up", due_at="2030-01-01T10:00:00Z", assigned_to=cast.bob.uid)
    assert (task["title"], task["status"], task["required"]) == ("Follow-up", "pending", False)
    assert (task["stage"], task["template"], task["created_by"]) == ("stage-new", None, cast.alice.uid)
    listed = cast.alice.get(f"/api/leads/{made['uid']}/tasks/").json()["results"]
    assert [one["uid"] for one in listed] == [made["tasks"][0]["uid"], task["uid"]]


def test_a_required_task_made_by_hand_blocks_too(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="call", title="Ask the bank", required=True)
    act(cast, made, made["tasks"][0], "complete")
    refused = cast.alice.post(f"/api/leads/{made['uid']}/transition/", {"to_stage": "stage-contacted"})
    assert [refusal["task"] for refusal in refused.json()["refusals"]] == [task["uid"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "dance"}, "/kind"),
        ({}, "/kind"),
        ({"kind": "visit", "fields": {"chair": "x"}}, "/fields/chair"),
        ({"kind": "call", "assigned_to": "user-stranger"}, "/assigned_to"),
        ({"kind": "call", "due_at": "tomorrow"}, "/due_at"),
        ({"kind": "call", "status": "completed"}, "/status"),
    ],
)
def test_what_makes_no_sense_is_refused(cast: Cast, made: dict[str, Any], body: object, pointer: str) -> None:
    response = cast.alice.post(f"/api/leads/{made['uid']}/tasks/", body)
    assert {at for at, _ in codes(response)} == {pointer}


def test_a_task_is_changed_by_merge_patch(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="call", title="Ring")
    at = f"/api/leads/{made['uid']}/tasks/{task['uid']}/"
    changed = cast.alice.patch(at, {"due_at": "2030-05-01T00:00:00Z", "assigned_to": cast.bob.uid}).json()
    assert (changed["title"], changed["assigned_to"]) == ("Ring", cast.bob.uid)
    assert cast.alice.patch(at, {"due_at": None}).json()["due_at"] is None


def test_status_and_outcome_are_not_patched(cast: Cast, made: dict[str, Any]) -> None:
    at = f"/api/leads/{made['uid']}/tasks/{made['tasks'][0]['uid']}/"
    response = cast.alice.patch(at, {"status": "completed", "outcome": "x", "kind": "visit"})
    assert codes(response) == {(f"/{key}", "read_only") for key in ("status", "outcome", "kind")}


def test_completing_answers_the_whole_lead(cast: Cast, made: dict[str, Any]) -> None:
    response = act(cast, made, made["tasks"][0], "complete", notes="Nice people")
    assert response.json() == read(cast.alice, made["uid"]) | {"automation": None}
    task = response.json()["tasks"][0]
    assert (task["status"], task["completed_by"], task["notes"]) == ("completed", cast.alice.uid, "Nice people")
    assert task["completed_at"] is not None


def test_completing_twice_changes_nothing(cast: Cast, made: dict[str, Any]) -> None:
    first = act(cast, made, made["tasks"][0], "complete").json()
    assert act(cast, made, made["tasks"][0], "complete").json()["version"] == first["version"]


def test_a_completed_call_counts_as_an_attempt_and_a_contact(cast: Cast, made: dict[str, Any]) -> None:
    done = act(cast, made, made["tasks"][0], "complete").json()
    assert done["call_attempts"] == 1
    assert done["last_contacted_at"] is not None


def test_completing_asks_for_the_fields_of_the_kind(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="visit")
    assert codes(act(cast, made, task, "complete")) == {("/fields/room", "required")}
    assert act(cast, made, task, "complete", fields={"room": "5"}).status_code == 200


def test_outcomes_are_those_of_the_kind(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="follow_up")
    assert codes(act(cast, made, task, "complete", outcome="DANCED")) == {("/outcome", "not_an_option")}
    assert codes(act(cast, made, task, "complete", outcome="LOST")) == {("/notes", "required")}
    done = act(cast, made, task, "complete", outcome="ENROLLED").json()
    assert done["tasks"][-1]["outcome"] == "ENROLLED"


def test_a_visit_can_be_noted_after_it_really_was(cast: Cast, made: dict[str, Any]) -> None:
    task = made["tasks"][0]
    assert act(cast, made, task, "complete", completed_at="2099-01-01T00:00:00Z").status_code == 422
    done = act(cast, made, task, "complete", completed_at="2026-01-02T03:04:05Z").json()
    assert done["tasks"][0]["completed_at"].startswith("2026-01-02T03:04:05")


def test_a_closed_task_can_be_reopened(cast: Cast, made: dict[str, Any]) -> None:
    task = made["tasks"][0]
    act(cast, made, task, "complete")
    reopened = act(cast, made, task, "reopen").json()["tasks"][0]
    assert (reopened["status"], reopened["completed_at"], reopened["outcome"]) == ("pending", None, None)


def test_a_cancelled_task_is_not_completed_and_a_completed_one_not_cancelled(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="call")
    cancelled = act(cast, made, task, "cancel", notes="Not needed").json()["tasks"][-1]
    assert (cancelled["status"], cancelled["notes"]) == ("cancelled", "Not needed")
    assert act(cast, made, task, "complete").json()["code"] == "task_closed"
    act(cast, made, made["tasks"][0], "complete")
    assert act(cast, made, made["tasks"][0], "cancel").status_code == 409


def test_a_closed_task_is_not_changed(cast: Cast, made: dict[str, Any]) -> None:
    act(cast, made, made["tasks"][0], "complete")
    at = f"/api/leads/{made['uid']}/tasks/{made['tasks'][0]['uid']}/"
    assert cast.alice.patch(at, {"title": "Other"}).status_code == 409


def test_a_task_that_is_not_there_is_not_found(cast: Cast, made: dict[str, Any]) -> None:
    assert act(cast, made, {"uid": "no-such-task"}, "complete").status_code == 404


def test_the_earliest_pending_date_is_the_next_follow_up(cast: Cast, made: dict[str, Any]) -> None:
    task = add(cast, made, kind="call", due_at="2026-01-01T00:00:00Z")
    late = read(cast.alice, made["uid"])
    assert (late["next_follow_up_at"][:10], late["overdue_tasks"]) == ("2026-01-01", 1)
    after = act(cast, made, task, "cancel").json()
    assert (after["next_follow_up_at"], after["overdue_tasks"]) == (made["next_follow_up_at"], 0)


def test_a_trainer_completes_visits_only(cast: Cast) -> None:
    kinds = [*KINDS, {"key": "intro_visit", "label": "Intro visit"}]
    cast.root.patch("/api/config/", {"task_kinds": kinds})
    made = lead(cast.alice)
    visit = add(cast, made, kind="intro_visit", assigned_to=cast.tom.uid)
    complete = f"/api/leads/{made['uid']}/tasks/{{}}/complete/".format
    assert cast.tom.post(complete(made["tasks"][0]["uid"]), {}).status_code == 403
    assert cast.tom.post(complete(visit["uid"]), {}).status_code == 200


class TestTheNextTask:
    NEXT: Any = [
        {
            "key": "call",
            "label": "Call",
            "outcomes": [{"key": "again", "label": "Again", "next_task": {"kind": "call"}}],
        }
    ]

    @pytest.fixture
    def bobs(self, cast: Cast) -> dict[str, Any]:
        assert cast.root.patch("/api/config/", {"task_kinds": self.NEXT}).status_code == 200
        return lead(cast.alice, assigned_to=[cast.bob.uid])

    @pytest.mark.parametrize("body", [{"outcome": "again"}, {"next_task": {"kind": "call"}}], ids=["foreseen", "asked"])
    @pytest.mark.parametrize("stays", [True, False], ids=["there", "gone"])
    def test_never_goes_to_somebody_who_has_left(
        self, cast: Cast, bobs: dict[str, Any], body: dict[str, Any], stays: bool
    ) -> None:
        assert cast.root.patch(f"/api/users/{cast.bob.uid}/", {"active": stays}).status_code == 200
        after = act(cast, bobs, bobs["tasks"][0], "complete", **body).json()
        assert after["assigned_to"] == [cast.bob.uid]
        assert after["tasks"][-1]["assigned_to"] == (cast.bob.uid if stays else None)
