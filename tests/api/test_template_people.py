"""Stages give tasks to people by name: to those who are there, whatever way a lead comes in."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.steps import EVERY_STAGE, go, read, relaxed, walked
from tests.cast import NORTH, Cast, lead

KINDS = [
    {"key": "call", "label": "Call", "outcomes": [{"key": "ok", "label": "Reached", "move_to": "stage-contacted"}]},
    {"key": "visit", "label": "Visit", "on_schedule": {"move_to": "stage-contacted"}},
]  # fmt: skip
ENDS = {"stage-won": "won", "stage-lost": "lost"}

Way = Callable[[Cast, str], Any]


def named(cast: Cast, person: str, **more: Any) -> None:
    """Every stage has a task for this one person."""
    relaxed(cast.root)
    assert cast.root.patch("/api/config/", {"task_kinds": KINDS}).status_code == 200
    for stage in EVERY_STAGE:
        template = {"uid": "x", "kind": "call", "title": stage, "assignee": f"user:{person}"}
        body = {"task_templates": [template], "kind": ENDS.get(stage, "open"), **more}
        assert cast.root.patch(f"/api/stages/{stage}/", body).status_code == 200


def left(cast: Cast) -> str:
    assert cast.root.patch(f"/api/users/{cast.carol.uid}/", {"active": False}).status_code == 200
    return str(cast.carol.uid)


def elsewhere(cast: Cast) -> str:
    return str(cast.sam.uid)


def there(cast: Cast) -> str:
    return str(cast.nora.uid)


def by_bulk(cast: Cast, uid: str) -> Any:
    answer = cast.alice.post("/api/leads/bulk/", {"action": "transition", "uids": [uid], "to_stage": "stage-contacted"})
    assert answer.json()["done"] == 1
    return answer


def by_outcome(cast: Cast, uid: str) -> Any:
    task = read(cast.alice, uid)["tasks"][0]["uid"]
    return cast.alice.post(f"/api/leads/{uid}/tasks/{task}/complete/", {"outcome": "ok"})


def acting(action: str, **body: object) -> Way:
    return lambda cast, uid: cast.alice.post(f"/api/leads/{uid}/{action}/", body)


def by_reopening(cast: Cast, uid: str) -> Any:
    acting("close", reason="Too far")(cast, uid)
    return acting("reopen")(cast, uid)


WAYS: dict[str, tuple[Way, str]] = {
    "transition": (lambda cast, uid: go(cast.alice, uid, "stage-contacted"), "stage-contacted"),
    "force": (acting("transition", to_stage="stage-won", force=True, reason="Known"), "stage-won"),
    "drag": (
        lambda cast, uid: cast.alice.post("/api/leads/kanban/move/", {"lead": uid, "to_stage": "stage-contacted"}),
        "stage-contacted",
    ),
    "bulk": (by_bulk, "stage-contacted"),
    "outcome": (by_outcome, "stage-contacted"),
    "planned task": (acting("tasks", kind="visit"), "stage-contacted"),
    "convert": (acting("convert", reference="ORDER-1"), "stage-won"),
    "close": (acting("close", reason="Too far"), "stage-lost"),
    "reopen": (by_reopening, "stage-new"),
    "stage deleted": (
        lambda cast, uid: cast.root.delete("/api/stages/stage-new/?move_to=stage-contacted"), "stage-contacted"
    ),
}  # fmt: skip


def whose(cast: Cast, uid: str, stage: str) -> Any:
    made = [task for task in read(cast.alice, uid)["tasks"] if task["template"] == "x"]
    assert made[-1]["stage"] == made[-1]["title"] == stage
    return made[-1]["assigned_to"]


@pytest.mark.parametrize("who", [left, elsewhere, there])
class TestATaskOfAStage:
    @pytest.mark.parametrize("way", WAYS)
    def test_is_made_for_whoever_is_there_and_else_for_nobody(
        self, cast: Cast, way: str, who: Callable[[Cast], str]
    ) -> None:
        person = who(cast)
        expected = person if who is there else None
        named(cast, person)
        uid = str(lead(cast.alice, assigned_to=[cast.bob.uid])["uid"])
        assert whose(cast, uid, "stage-new") == expected
        come, stage = WAYS[way]
        assert come(cast, uid).status_code < 300
        assert whose(cast, uid, stage) == expected
        if expected is None and ENDS.get(stage) is None:
            assert uid in {row["lead"]["uid"] for row in walked(cast.bob, "/api/tasks/?mine=true")}

    def test_of_an_enquiry_too(self, cast: Cast, who: Callable[[Cast], str]) -> None:
        person = who(cast)
        named(cast, person)
        body = {"name": "Ada", "email": "ada@example.com", "center": NORTH}
        made = cast.nobody.post("/api/public/leads/", body).json()
        assert whose(cast, made["id"], "stage-new") == (person if who is there else None)

    def test_where_seats_are_few_in_a_bulk_too(self, cast: Cast, who: Callable[[Cast], str]) -> None:
        person = who(cast)
        named(cast, person, wip_limit={"max": 5})
        uid = str(lead(cast.alice)["uid"])
        by_bulk(cast, uid)
        assert whose(cast, uid, "stage-contacted") == (person if who is there else None)


def test_whoever_comes_back_gets_the_next_one(cast: Cast) -> None:
    named(cast, left(cast))
    uid = str(lead(cast.alice)["uid"])
    assert cast.root.patch(f"/api/users/{cast.carol.uid}/", {"active": True}).status_code == 200
    assert go(cast.alice, uid, "stage-contacted").status_code == 200
    assert [whose(cast, uid, "stage-contacted"), read(cast.alice, uid)["tasks"][0]["assigned_to"]] == [
        cast.carol.uid, None,
    ]  # fmt: skip
