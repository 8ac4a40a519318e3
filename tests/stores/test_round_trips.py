"""How often each operation goes to the database. The workflow is known; who asks is known."""

from collections.abc import Iterator
from typing import Any

import pytest

from leads import bulk
from tests.api.steps import relaxed
from tests.cast import Cast, lead
from tests.stores.commands import kinds, name, noted

READS = {"find", "aggregate", "count", "getMore", "distinct"}


@pytest.fixture
def leads(cast: Cast) -> Iterator[list[str]]:
    """Newest first; and everything is known that is remembered for a moment."""
    relaxed(cast.root)
    everyone = [cast.bob, cast.root, cast.alice]  # a new account makes the process forget all others
    made = [lead(cast.alice)["uid"] for _ in range(4)][::-1]
    for who in everyone:
        who.get(f"/api/leads/{made[0]}/")
    return made


def commands(work: Any) -> list[dict[str, Any]]:
    with noted() as taken:
        assert work().status_code in (200, 201)
    return taken


def one_read_one_write(work: Any) -> None:
    taken = commands(work)
    assert [name(command) in READS for command in taken] == [True, False], kinds(taken)


def test_reading_a_lead_takes_one(cast: Cast, leads: list[str]) -> None:
    taken = commands(lambda: cast.alice.get(f"/api/leads/{leads[0]}/"))
    assert [name(command) for command in taken] == ["find"], kinds(taken)


def test_a_transition_takes_one_read_and_one_write(cast: Cast, leads: list[str]) -> None:
    body = {"to_stage": "stage-won"}
    one_read_one_write(lambda: cast.alice.post(f"/api/leads/{leads[0]}/transition/", body))


def test_who_is_named_by_a_stage_and_has_left_is_asked_for_once(cast: Cast, leads: list[str]) -> None:
    template = {"uid": "x", "kind": "call", "title": "Call", "assignee": f"user:{cast.carol.uid}"}
    assert cast.root.patch(f"/api/users/{cast.carol.uid}/", {"active": False}).status_code == 200
    assert cast.root.patch("/api/stages/stage-won/", {"task_templates": [template]}).status_code == 200
    assert cast.alice.get(f"/api/leads/{leads[0]}/").status_code == 200
    first, *others = [
        commands(lambda uid=uid: cast.alice.post(f"/api/leads/{uid}/transition/", {"to_stage": "stage-won"}))
        for uid in leads
    ]
    assert kinds(first) == ["find leads", "find accounts", "update leads"]
    assert [kinds(taken) for taken in others] == [["find leads", "update leads"]] * 3


@pytest.mark.parametrize("where", [{}, {"before": 1}, {"after": 1}])
@pytest.mark.parametrize("stage", ["stage-new", "stage-won"])
def test_a_drag_takes_one_read_and_one_write(cast: Cast, leads: list[str], where: dict[str, int], stage: str) -> None:
    if stage == "stage-won":
        cast.alice.post(f"/api/leads/{leads[1]}/transition/", {"to_stage": stage})
    elif not where:
        return  # nothing is written
    body = {"lead": leads[3], "to_stage": stage, **{side: leads[number] for side, number in where.items()}}
    one_read_one_write(lambda: cast.alice.post("/api/leads/kanban/move/", body))


def test_editing_takes_one_read_and_one_write(cast: Cast, leads: list[str]) -> None:
    one_read_one_write(lambda: cast.alice.patch(f"/api/leads/{leads[0]}/", {"company": "Mill"}))


def test_an_activity_takes_one_read_and_one_write(cast: Cast, leads: list[str]) -> None:
    one_read_one_write(lambda: cast.alice.post(f"/api/leads/{leads[0]}/activities/", {"body": "x"}))


@pytest.mark.parametrize("policy", ["create", "warn", "reject", "attach"])
@pytest.mark.parametrize("reached", [{}, {"email": "ada@engines.example", "phone": "+1 415 555 0123"}], ids=["", "by"])
def test_creating_takes_one_read_a_number_and_one_write(
    cast: Cast, leads: list[str], policy: str, reached: dict[str, str]
) -> None:
    """Whether the workflow is still the one that is known is asked along with the duplicates, or instead of them."""
    cast.root.patch("/api/config/", {"duplicates": {"policy": policy}})
    cast.alice.get(f"/api/leads/{leads[0]}/")
    body = {"name": "Ada", "fields": {"budget": "1"}, **reached}
    taken = commands(lambda: cast.alice.post("/api/leads/", body))
    assert kinds(taken) == ["find leads", "findAndModify counters", "insert leads"]


@pytest.mark.parametrize("query", ["", "?tags=a", "?q=ada", "?assigned_to=me"])
def test_the_board_takes_exactly_one_aggregation(cast: Cast, leads: list[str], query: str) -> None:
    for who in (cast.alice, cast.bob, cast.root):
        taken = commands(lambda who=who: who.get(f"/api/leads/kanban/{query}"))
        assert [name(command) for command in taken] == ["aggregate"], kinds(taken)


@pytest.mark.parametrize(
    "query",
    ["", "sort=-score", "sort=next_follow_up_at", "sort=name", "tags=a", "q=ada", "limit=2", "offset=1&limit=1",
     "limit=2&tags=a", "limit=2&sort=name"],
)  # fmt: skip
def test_a_list_takes_at_most_two(cast: Cast, leads: list[str], query: str) -> None:
    taken = commands(lambda: cast.alice.get(f"/api/leads/?{query}"))
    assert len(taken) <= 2, kinds(taken)


def test_a_retried_post_asks_for_its_answer_only(cast: Cast, leads: list[str]) -> None:
    path, body = f"/api/leads/{leads[0]}/activities/", {"body": "x"}
    cast.alice.post(path, body, Idempotency_Key="k")
    taken = commands(lambda: cast.alice.post(path, body, Idempotency_Key="k"))
    assert kinds(taken) == ["insert idempotency", "find idempotency"]


def test_a_bulk_takes_one_read_and_one_write_for_each_batch(
    cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    body = {"action": "transition", "uids": leads, "to_stage": "stage-won"}
    taken = commands(lambda: cast.alice.post("/api/leads/bulk/", body))
    assert sorted(kinds(taken)) == ["find leads"] * 3 + ["update leads"] * 2  # one find is for the workflow
