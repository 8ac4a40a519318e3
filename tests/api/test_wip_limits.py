"""A stage with a WIP limit takes no more leads than that, however they come."""

from typing import Any

import pytest

from tests.api.steps import at_once, cards, codes, column, go, relaxed, statuses, twin
from tests.cast import Cast, lead


@pytest.fixture
def limited(cast: Cast) -> str:
    relaxed(cast.root)
    limit(cast, 2)
    return "stage-qualified"


def limit(cast: Cast, most: int, scope: str = "stage") -> None:
    body = {"wip_limit": {"max": most, "scope": scope}}
    assert cast.root.patch("/api/stages/stage-qualified/", body).status_code == 200


def test_the_lead_too_many_is_refused_with_the_limit(cast: Cast, limited: str) -> None:
    for _ in range(2):
        assert go(cast.alice, lead(cast.alice)["uid"], limited).status_code == 200
    refused = go(cast.alice, lead(cast.alice)["uid"], limited)
    (refusal,) = refused.json()["refusals"]
    assert (refused.status_code, refusal["code"], refusal["limit"]) == (409, "wip_limit", 2)


def test_a_drag_is_refused_just_so(cast: Cast, limited: str) -> None:
    for _ in range(2):
        go(cast.alice, lead(cast.alice)["uid"], limited)
    body = {"lead": lead(cast.alice)["uid"], "to_stage": limited}
    refused = cast.alice.post("/api/leads/kanban/move/", body)
    assert refused.json()["refusals"][0]["code"] == "wip_limit"


def test_moves_say_so_before_the_card_is_dropped(cast: Cast, limited: str) -> None:
    inside = [lead(cast.alice)["uid"] for _ in range(2)]
    for uid in inside:
        go(cast.alice, uid, limited)
    outside = lead(cast.alice)["uid"]
    for uid, allowed in ((outside, False), (inside[0], True)):
        verdicts = cast.alice.get(f"/api/leads/{uid}/moves/").json()["results"]
        assert [v["allowed"] for v in verdicts if v["stage"] == limited] == [allowed]


def test_who_is_inside_may_be_reordered(cast: Cast, limited: str) -> None:
    first, second = (lead(cast.alice)["uid"] for _ in range(2))
    for uid in (first, second):
        go(cast.alice, uid, limited)
    body = {"lead": first, "to_stage": limited, "before": second}
    assert cast.alice.post("/api/leads/kanban/move/", body).status_code == 200


def test_archived_leads_do_not_count_and_come_back_only_where_there_is_room(cast: Cast, limited: str) -> None:
    first, second, third = (lead(cast.alice)["uid"] for _ in range(3))
    go(cast.alice, first, limited)
    go(cast.alice, second, limited)
    cast.alice.delete(f"/api/leads/{first}/")
    assert go(cast.alice, third, limited).status_code == 200
    refused = cast.alice.post(f"/api/leads/{first}/restore/", {})
    assert (refused.status_code, refused.json()["refusals"][0]["code"]) == (409, "wip_limit")
    go(cast.alice, third, "stage-new")
    assert cast.alice.post(f"/api/leads/{first}/restore/", {}).status_code == 200


def test_a_lead_that_once_was_forced_in_does_not_come_back_into_a_full_stage(cast: Cast, limited: str) -> None:
    forced, *others = (lead(cast.alice)["uid"] for _ in range(3))
    go(cast.alice, forced, limited, force=True, reason="x")
    cast.alice.delete(f"/api/leads/{forced}/")
    for uid in others:
        assert go(cast.alice, uid, limited).status_code == 200
    assert cast.alice.post(f"/api/leads/{forced}/restore/", {}).status_code == 409


def test_force_overrides_the_limit(cast: Cast, limited: str) -> None:
    for _ in range(2):
        go(cast.alice, lead(cast.alice)["uid"], limited)
    assert go(cast.alice, lead(cast.alice)["uid"], limited, force=True, reason="Big fish").status_code == 200
    assert column(cast.alice, limited)["count"] == 3


def test_a_limit_counts_all_centres_or_each_by_itself(cast: Cast, limited: str) -> None:
    for who in (cast.alice, cast.charlie):
        assert go(who, lead(who)["uid"], limited).status_code == 200
    assert go(cast.alice, lead(cast.alice)["uid"], limited).status_code == 409
    limit(cast, 2, "center")
    assert go(cast.alice, lead(cast.alice)["uid"], limited).status_code == 200
    assert go(cast.alice, lead(cast.alice)["uid"], limited).status_code == 409
    assert go(cast.charlie, lead(cast.charlie)["uid"], limited).status_code == 200


@pytest.mark.parametrize("wrong", [{"max": 0}, {"max": -1}, {"max": 1, "scope": "moon"}, {}, 5])
def test_a_limit_is_a_positive_number_with_a_scope(cast: Cast, wrong: object) -> None:
    response = cast.root.patch("/api/stages/stage-qualified/", {"wip_limit": wrong})
    assert all(pointer.startswith("/wip_limit") for pointer, _ in codes(response))


def drops(clients: list[Any], made: list[str], stage: str) -> list[int]:
    def work(client: Any, uid: str) -> Any:
        return lambda: twin(client).post("/api/leads/kanban/move/", {"lead": uid, "to_stage": stage})

    return statuses(at_once([work(c, uid) for c, uid in zip(clients, made, strict=True)], workers=32))


def test_of_32_parallel_drops_exactly_10_get_in(cast: Cast, limited: str) -> None:
    limit(cast, 10)
    made = [lead(cast.alice)["uid"] for _ in range(32)]
    assert drops([cast.alice] * 32, made, limited) == [200] * 10 + [409] * 22
    assert len(cards(cast.alice, limited)) == 10


def test_with_a_limit_for_each_centre_exactly_10_of_each_get_in(cast: Cast, limited: str) -> None:
    limit(cast, 10, "center")
    clients = [cast.alice, cast.charlie] * 16
    made = [lead(who)["uid"] for who in clients]
    assert drops(clients, made, limited) == [200] * 20 + [409] * 12
    assert len(cards(cast.alice, limited)) == len(cards(cast.charlie, limited)) == 10
