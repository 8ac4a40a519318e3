"""POST /api/leads/kanban/move/: drag and drop. What one person sees after a drop, everyone sees."""

import random

import pytest

from tests.api.steps import cards, codes, go, read, ready, relaxed
from tests.cast import Cast, lead
from tests.contract import CheckedClient


def drop(client: CheckedClient, lead: str, to_stage: str = "stage-new", **where: str) -> int:
    return client.post("/api/leads/kanban/move/", {"lead": lead, "to_stage": to_stage, **where}).status_code


@pytest.fixture
def column(cast: Cast) -> list[str]:
    """Five cards, from the top."""
    return [lead(cast.alice)["uid"] for _ in range(5)][::-1]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("anchor", range(5))
@pytest.mark.parametrize("card", [0, 2, 4])
def test_a_card_dropped_beside_another_stands_there(
    cast: Cast, column: list[str], where: str, anchor: int, card: int
) -> None:
    if anchor == card:
        return
    moved, beside = column[card], column[anchor]
    assert drop(cast.alice, moved, **{where: beside}) == 200
    column.remove(moved)
    column.insert(column.index(beside) + (where == "after"), moved)
    assert cards(cast.alice, "stage-new") == column


def test_a_card_is_its_own_neighbour_for_nobody(cast: Cast, column: list[str]) -> None:
    assert drop(cast.alice, column[0], before=column[0]) == 422
    assert drop(cast.alice, column[0], before=column[1], after=column[2]) == 422


def test_reordering_writes_nothing_but_the_place(cast: Cast, column: list[str]) -> None:
    before = read(cast.alice, column[0])
    assert drop(cast.alice, column[0], after=column[4]) == 200
    after = read(cast.alice, column[0])
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"rank", "version", "updated_at"}


def test_dropping_on_the_own_column_without_a_place_changes_nothing(cast: Cast, column: list[str]) -> None:
    assert drop(cast.alice, column[3]) == 200
    assert cards(cast.alice, "stage-new") == column


def test_another_column_is_entered_through_the_gate(cast: Cast, column: list[str]) -> None:
    response = cast.alice.post("/api/leads/kanban/move/", {"lead": column[0], "to_stage": "stage-contacted"})
    assert (response.status_code, response.json()["refusals"][0]["code"]) == (409, "task_open")
    made = ready(cast.alice)
    body = {"lead": made["uid"], "to_stage": "stage-lost", "reason": "Too dear", "note": "Pity"}
    moved = cast.alice.post("/api/leads/kanban/move/", body).json()
    assert (moved["status"], moved["closed_reason"], moved["history"][-1]["note"]) == ("lost", "Too dear", "Pity")


def test_a_card_enters_another_column_at_its_place(cast: Cast) -> None:
    relaxed(cast.root)
    there = [lead(cast.alice)["uid"] for _ in range(3)]
    for uid in there:
        go(cast.alice, uid, "stage-won")
    new = lead(cast.alice)["uid"]
    assert drop(cast.alice, new, "stage-won", after=there[1]) == 200
    assert cards(cast.alice, "stage-won") == [there[2], there[1], new, there[0]]


def test_a_card_that_has_moved_meanwhile_is_no_neighbour(cast: Cast, column: list[str]) -> None:
    gone = ready(cast.alice)["uid"]
    go(cast.alice, gone, "stage-contacted")
    response = cast.alice.post("/api/leads/kanban/move/", {"lead": column[0], "to_stage": "stage-new", "before": gone})
    assert (response.status_code, response.json()["code"]) == (409, "card_moved")


def test_unknown_cards_and_stages_are_faults_of_the_input(cast: Cast, column: list[str]) -> None:
    at = "/api/leads/kanban/move/"
    wrong = cast.alice.post(at, {"lead": column[0], "to_stage": "stage-new", "before": "no-such-lead"})
    assert codes(wrong) == {("/before", "unknown_lead")}
    assert codes(cast.alice.post(at, {"lead": column[0], "to_stage": "moon"})) == {("/to_stage", "unknown_stage")}


def test_new_cards_come_above_one_that_was_dropped_on_top(cast: Cast, column: list[str]) -> None:
    drop(cast.alice, column[4], before=column[0])
    new = [lead(cast.alice)["uid"] for _ in range(2)]
    assert cards(cast.alice, "stage-new")[:3] == [new[1], new[0], column[4]]


def test_cards_entering_at_the_bottom_come_below_one_that_was_dropped_there(cast: Cast) -> None:
    relaxed(cast.root)
    made = [lead(cast.alice)["uid"] for _ in range(4)]
    go(cast.alice, made[0], "stage-won", position="bottom")
    go(cast.alice, made[1], "stage-won", position="bottom")
    drop(cast.alice, made[2], "stage-won", after=made[1])
    go(cast.alice, made[3], "stage-won", position="bottom")
    assert cards(cast.alice, "stage-won") == made


@pytest.mark.parametrize("seed", range(3))
def test_any_sequence_of_drops_ends_like_that_of_a_plain_list(cast: Cast, column: list[str], seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(40):
        if dice.random() < 0.15:
            column.insert(0, lead(cast.alice)["uid"])
            continue
        moved, beside = dice.sample(column, 2)
        where = dice.choice(["before", "after"])
        assert drop(cast.alice, moved, **{where: beside}) == 200
        column.remove(moved)
        column.insert(column.index(beside) + (where == "after"), moved)
    assert cards(cast.alice, "stage-new") == column


def test_drops_by_people_who_see_parts_keep_the_order_that_everyone_sees(cast: Cast) -> None:
    """Each drops beside a card of his own; root, who sees all, finds it directly beside it."""
    dice = random.Random(7)
    owners = {lead(who)["uid"]: who for who in [cast.alice, cast.charlie] * 5}
    whole = list(owners)[::-1]
    for _ in range(40):
        mover = dice.choice([cast.alice, cast.charlie, cast.root])
        visible = [uid for uid in whole if mover is cast.root or owners[uid] is mover]
        moved, beside = dice.sample(visible, 2)
        where = dice.choice(["before", "after"])
        assert drop(mover, moved, **{where: beside}) == 200
        whole.remove(moved)
        whole.insert(whole.index(beside) + (where == "after"), moved)
    assert cards(cast.root, "stage-new") == whole
    for who in (cast.alice, cast.charlie):
        assert cards(who, "stage-new") == [uid for uid in whole if owners[uid] is who]


def test_many_drops_at_the_same_place_keep_working(cast: Cast, column: list[str]) -> None:
    top, *_, bottom = column
    for number in range(60):
        moved = column[1 + number % 3]
        assert drop(cast.alice, moved, after=top) == 200
        column.remove(moved)
        column.insert(1, moved)
    assert cards(cast.alice, "stage-new") == column
    assert column[-1] == bottom
