"""A children's gym with several centres, from enquiry to enrolment: ten scenes, told through HTTP only."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.steps import read, walked
from tests.cast import Cast
from tests.contract import CheckedClient

Row = dict[str, Any]

ENQUIRY = {
    "name": "Mia Lopez", "source": "WALK_IN", "center": "north",
    "contacts": [
        {"name": "Rosa Lopez", "relation": "mother", "phone": "+1 202-555-0147", "email": "rosa@lopez.example.com",
         "is_primary": True},
        {"name": "Luis Lopez", "relation": "father", "phone": "+1 202-555-0148"},
    ],
    "fields": {"child_first_name": "Mia", "child_last_name": "Lopez", "dob": "2021-04-01", "age": 5, "gender": "Girl"},
}  # fmt: skip


class Gym:
    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.counsellor: CheckedClient = cast.nora
        self.uid = str(self.done(self.counsellor.post("/api/leads/", ENQUIRY), 201)["uid"])

    @staticmethod
    def done(response: Any, status: int = 200) -> Row:
        assert response.status_code == status, response.content
        answer: Row = response.json()
        return answer

    def does(self, action: str, body: Row, status: int = 200) -> Row:
        return self.done(self.counsellor.post(f"/api/leads/{self.uid}/{action}/", body), status)

    def schedules(self, kind: str, **values: object) -> Row:
        return self.does("tasks", {"kind": kind, **values}, 201)

    def completes(self, task: Row, **body: object) -> Row:
        return self.does(f"tasks/{task['uid']}/complete", body)

    @property
    def lead(self) -> Row:
        return read(self.counsellor, self.uid)


@pytest.fixture
def gym(business: Callable[[str], Cast]) -> Gym:
    return Gym(business("enrolment"))


def test_scene_1_an_enquiry_is_received(gym: Gym) -> None:
    lead = gym.lead
    assert (lead["uid"], lead["current_stage"], lead["center"]) == ("TLGC0001", "ENQUIRY_RECEIVED", "north")
    assert lead["name"] == "Mia Lopez"
    assert [person["name"] for person in lead["contacts"]] == ["Rosa Lopez", "Luis Lopez"]
    assert lead["fields"]["dob"] == "2021-04-01"
    for words in ("rosa", "luis lopez", "rosa@lopez.example.com", "(202) 555-0148", "mia"):
        assert [row["uid"] for row in walked(gym.counsellor, f"/api/leads/?q={words}")] == ["TLGC0001"], words


def test_scene_2_the_discovery_form_is_filled(gym: Gym) -> None:
    task = gym.schedules("discovery")
    answered = gym.completes(task, fields={
        "school": "Elm Road", "preferred_schedule": "Saturday mornings",
        "parent_expectations": ["physical_activity", "socialization"], "discovery_notes": "Shy at first",
    })  # fmt: skip
    assert (answered["current_stage"], answered["automation"]["moved"]) == ("DISCOVERY_COMPLETED", True)
    form = next(one for one in answered["tasks"] if one["uid"] == task["uid"])
    assert (form["status"], form["completed_at"] is not None) == ("completed", True)
    assert answered["fields"]["parent_expectations"] == ["physical_activity", "socialization"]
    assert answered["fields"]["school"] == "Elm Road"


def visit(gym: Gym, **values: object) -> Row:
    due = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    return gym.schedules("intro_visit", due_at=due, fields={"batch": "Saturday 10:00"}, **values)


def test_scene_3_an_intro_visit_is_scheduled(gym: Gym) -> None:
    task = visit(gym, assigned_to=gym.cast.tom.uid)
    assert task["automation"] == {"moved": True, "to_stage": "IV_SCHEDULED", "refusals": [], "tasks": []}
    lead = gym.lead
    assert (lead["current_stage"], lead["next_follow_up_at"]) == ("IV_SCHEDULED", task["due_at"])


def test_the_trainer_knows_whom_they_meet_and_nothing_else_of_the_person(gym: Gym) -> None:
    visit(gym, assigned_to=gym.cast.tom.uid)
    seen = read(gym.cast.tom, gym.uid)
    told = {key: value for key, value in seen["fields"].items() if value is not None}
    assert (seen["name"], told, seen["contacts"]) == ("Mia Lopez", {"age": 5, "gender": "Girl"}, [])


@pytest.mark.parametrize(("outcome", "stage"), [
    ("INTERESTED_ENROLL_NOW", "IV_COMPLETED"), ("INTERESTED_ENROLL_LATER", "FOLLOW_UP_PENDING"),
    ("NOT_INTERESTED", "FOLLOW_UP_PENDING"), ("NO_SHOW", "IV_NO_SHOW"),
])  # fmt: skip
def test_scene_4_the_trainer_records_how_the_visit_went(gym: Gym, outcome: str, stage: str) -> None:
    task = visit(gym, assigned_to=gym.cast.tom.uid)
    path = f"/api/leads/{gym.uid}/tasks/{task['uid']}/complete/"
    answered = gym.done(gym.cast.tom.post(path, {"outcome": outcome}))
    assert (answered["current_stage"], answered["automation"]["moved"]) == (stage, True)
    assert answered["last_contacted_at"] is not None


@pytest.mark.parametrize("kind", ["intro_visit", "follow_up"])
def test_one_wrong_click_loses_no_child(gym: Gym, kind: str) -> None:
    task = gym.schedules(kind)
    refused = gym.does(f"tasks/{task['uid']}/complete", {}, 422)
    assert [(fault["pointer"], fault["code"]) for fault in refused["errors"]] == [("/outcome", "required")]
    assert [row["uid"] for row in walked(gym.counsellor, "/api/tasks/")] == [task["uid"]]


def test_scene_5_a_follow_up_is_created(gym: Gym) -> None:
    task = gym.schedules("follow_up", due_at="2030-01-01T10:00:00Z")
    assert (task["automation"]["to_stage"], gym.lead["current_stage"]) == ("FOLLOW_UP_PENDING", "FOLLOW_UP_PENDING")


@pytest.mark.parametrize(("outcome", "pending", "stage"), [
    ("ENROLLED", [], "FOLLOW_UP_PENDING"), ("LOST", [], "FOLLOW_UP_PENDING"),
    ("POSTPONED", ["follow_up"], "FOLLOW_UP_PENDING"), ("SCHEDULED_IV", ["intro_visit"], "IV_SCHEDULED"),
])  # fmt: skip
def test_scene_6_the_follow_up_has_an_outcome(gym: Gym, outcome: str, pending: list[str], stage: str) -> None:
    answered = gym.completes(gym.schedules("follow_up"), outcome=outcome, notes="Called the mother")
    done, *rest = answered["tasks"]
    assert (done["outcome"], done["completed_at"] is not None) == (outcome, True)
    assert ([one["kind"] for one in rest], answered["current_stage"]) == (pending, stage)
    if outcome == "POSTPONED":
        week = datetime.fromisoformat(rest[0]["due_at"]) - datetime.fromisoformat(done["completed_at"])
        assert week == timedelta(days=7)


def test_scene_7_the_child_is_enrolled(gym: Gym) -> None:
    gym.completes(visit(gym), outcome="INTERESTED_ENROLL_NOW")
    lead = gym.does("convert", {"reference": "ENR-2026-0042", "note": "Half year"})
    assert (lead["current_stage"], lead["status"], lead["converted_at"] is not None) == ("CONVERTED", "won", True)
    assert lead["conversion"] == {"reference": "ENR-2026-0042", "note": "Half year"}


def test_scene_7_without_a_reference_nobody_is_enrolled(gym: Gym) -> None:
    gym.completes(visit(gym), outcome="INTERESTED_ENROLL_NOW")
    for body in ({}, {"reference": ""}):
        gym.does("convert", body, 422)
    assert gym.lead["current_stage"] == "IV_COMPLETED"


def test_scene_7_no_drag_move_or_bulk_enrols_a_child_without_a_reference(gym: Gym) -> None:
    gym.completes(visit(gym), outcome="INTERESTED_ENROLL_NOW")
    path, to = f"/api/leads/{gym.uid}/", {"to_stage": "CONVERTED"}
    one_by_one = [
        gym.done(gym.counsellor.post(f"{path}transition/", to), 409)["refusals"],
        gym.done(gym.counsellor.post("/api/leads/kanban/move/", to | {"lead": gym.uid}), 409)["refusals"],
        next(row for row in gym.done(gym.counsellor.get(f"{path}moves/"))["results"] if row["stage"] == "CONVERTED")[
            "refusals"
        ],
    ]
    bulk = {"action": "transition", "uids": [gym.uid], "to_stage": "CONVERTED"}
    (row,) = gym.done(gym.cast.alice.post("/api/leads/bulk/", bulk))["results"]
    for (refusal,) in (*one_by_one, row["refusals"]):
        assert (refusal["code"], refusal["field"]) == ("field_missing", "conversion.reference")
        assert f"POST {path}convert/" in refusal["how_to_pass"]
    assert gym.lead["current_stage"] == "IV_COMPLETED"
    assert gym.does("convert", {"reference": "ENR-2026-0043"})["current_stage"] == "CONVERTED"


def test_scene_7_whoever_takes_the_enrolment_back_is_asked_for_a_reference_again(gym: Gym) -> None:
    gym.completes(visit(gym), outcome="INTERESTED_ENROLL_NOW")
    gym.does("convert", {"reference": "ENR-2026-0044"})
    again = gym.does("reopen", {"note": "They moved the date"})
    assert (again["current_stage"], again["conversion"]) == ("IV_COMPLETED", None)
    (refusal,) = gym.does("transition", {"to_stage": "CONVERTED"}, 409)["refusals"]
    assert refusal["field"] == "conversion.reference"
    anew = gym.does("convert", {"reference": "ENR-2026-0051"})
    assert (anew["current_stage"], anew["conversion"]["reference"]) == ("CONVERTED", "ENR-2026-0051")


def test_scene_7_an_outcome_that_enrols_leaves_the_child_where_it_is_until_there_is_a_reference(gym: Gym) -> None:
    root, outcome = gym.cast.root, {"key": "ENROLLED", "label": "Enrolled", "move_to": "CONVERTED"}
    kinds = root.get("/api/config/").json()["task_kinds"]
    follow_up = next(kind for kind in kinds if kind["key"] == "follow_up")
    follow_up["outcomes"] = [outcome]
    gym.done(root.patch("/api/config/", {"task_kinds": kinds}))
    answered = gym.completes(gym.schedules("follow_up"), outcome="ENROLLED")
    (refusal,) = answered["automation"]["refusals"]
    assert (answered["current_stage"], refusal["field"]) == ("FOLLOW_UP_PENDING", "conversion.reference")
    assert gym.does("convert", {"reference": "ENR-2026-0045"})["current_stage"] == "CONVERTED"


def test_scene_7_an_administrator_may_force_it_and_give_the_reference_later(gym: Gym) -> None:
    gym.completes(visit(gym), outcome="INTERESTED_ENROLL_NOW")
    path = f"/api/leads/{gym.uid}/"
    forced = {"to_stage": "CONVERTED", "force": True, "reason": "The form comes by post"}
    assert gym.done(gym.cast.alice.post(f"{path}transition/", forced))["conversion"] is None
    assert gym.does("convert", {"reference": "ENR-2026-0046"})["conversion"]["reference"] == "ENR-2026-0046"


def test_scene_8_the_enquiry_is_closed_for_a_reason(gym: Gym) -> None:
    for reason in ({}, {"reason": ""}, {"reason": "x" * 501}):
        gym.does("close", reason, 422)
    lead = gym.does("close", {"reason": "x" * 500})
    assert (lead["current_stage"], lead["closed_reason"]) == ("CLOSED_LOST", "x" * 500)
    assert lead["closed_at"] is not None
    again = gym.does("reopen", {"note": "The mother called again"})
    assert (again["current_stage"], again["status"], again["closed_reason"]) == ("ENQUIRY_RECEIVED", "open", None)


def test_scene_9_who_is_to_be_called(gym: Gym) -> None:
    for days in (9, 3, 6):
        gym.schedules("follow_up", due_at=(datetime.now(UTC) + timedelta(days=days)).isoformat())
    done = gym.schedules("follow_up", due_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    gym.completes(done, outcome="ENROLLED")
    gym.schedules("discovery", due_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    listed = walked(gym.counsellor, "/api/tasks/?kind=follow_up&status=pending")
    due = [row["due_at"] for row in listed]
    assert (len(due), due) == (3, sorted(due))
    assert {row["status"] for row in listed} == {"pending"}


def test_scene_10_a_counsellor_of_another_centre_is_refused(gym: Gym) -> None:
    task = visit(gym)
    other = gym.cast.sam
    assert other.get(f"/api/leads/{gym.uid}/").status_code == 404
    assert other.post(f"/api/leads/{gym.uid}/close/", {"reason": "mine"}).status_code == 404
    assert other.post(f"/api/leads/{gym.uid}/tasks/{task['uid']}/complete/", {"outcome": "NO_SHOW"}).status_code == 404
    assert walked(other, "/api/tasks/") == walked(other, "/api/leads/") == []
    assert gym.lead["current_stage"] == "IV_SCHEDULED"
