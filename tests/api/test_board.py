"""GET /api/leads/kanban/: the board."""

import pytest

from leads import board
from tests.api.steps import EVERY_STAGE, cards, codes, column, go, local, pages, ready, relaxed, uids
from tests.cast import NORTH, SOUTH, Cast, lead


def test_it_is_a_json_array_of_columns_empty_ones_included(cast: Cast) -> None:
    response = cast.alice.get("/api/leads/kanban/")
    assert [one["uid"] for one in response.json()] == list(EVERY_STAGE)
    first = response.json()[0]
    assert {key: first[key] for key in ("name", "slug", "color", "order", "kind", "count", "leads", "next")} == {
        "name": "New Lead", "slug": "new-lead", "color": "#3B82F6", "order": 0, "kind": "open", "count": 0,
        "leads": [], "next": None,
    }  # fmt: skip
    assert (first["count_capped"], first["value"], first["wip_limit"]) == (False, None, None)


def test_the_newest_card_is_on_top(cast: Cast) -> None:
    made = [lead(cast.alice)["uid"] for _ in range(4)]
    assert cards(cast.alice, "stage-new") == made[::-1]


def test_a_moved_card_is_on_top_of_its_new_column(cast: Cast) -> None:
    first, second = ready(cast.alice)["uid"], ready(cast.alice)["uid"]
    go(cast.alice, second, "stage-contacted")
    go(cast.alice, first, "stage-contacted")
    assert cards(cast.alice, "stage-contacted") == [first, second]


def test_a_card_carries_its_tasks_and_the_fields_meant_for_cards(cast: Cast) -> None:
    made = lead(cast.alice, email="ada@example.com")
    (card,) = column(cast.alice, "stage-new")["leads"]
    assert (card["uid"], card["name"], card["email"]) == (made["uid"], "Ada Lovelace", "ada@example.com")
    assert [task["status"] for task in card["tasks"]] == ["pending"]
    assert card["fields"] == {"budget": "100.00"}


def test_archived_stages_are_shown_only_while_they_hold_leads(cast: Cast) -> None:
    made = ready(cast.alice)
    go(cast.alice, made["uid"], "stage-contacted")
    for uid in ("stage-contacted", "stage-qualified"):
        cast.root.patch(f"/api/stages/{uid}/", {"archived": True})
    shown = uids(cast.alice.get("/api/leads/kanban/").json())
    assert shown == ["stage-new", "stage-contacted", "stage-proposal", "stage-won", "stage-lost"]


def test_columns_stand_in_the_order_of_the_stages(cast: Cast) -> None:
    cast.root.post("/api/stages/reorder/", {"order": list(EVERY_STAGE[::-1])})
    assert uids(cast.alice.get("/api/leads/kanban/").json()) == list(EVERY_STAGE[::-1])


@pytest.mark.parametrize("address", ["/api/leads/kanban/", "/api/leads/kanban"])
def test_walking_through_a_column_shows_every_card_once(cast: Cast, address: str) -> None:
    made = [lead(cast.alice)["uid"] for _ in range(11)]
    shown = cast.alice.get(f"{address}?limit=3").json()[0]
    assert (uids(shown["leads"]), shown["count"]) == (made[:-4:-1], 11)
    rest = [uid for page in pages(cast.alice, shown["next"]) for uid in uids(page["results"])]
    assert uids(shown["leads"]) + rest == made[::-1]


def test_a_walk_keeps_its_place_while_cards_enter_on_top(cast: Cast) -> None:
    made = [lead(cast.alice)["uid"] for _ in range(9)]
    shown = column(cast.alice, "stage-new", "limit=4")
    for _ in range(5):
        lead(cast.alice)
    rest = [uid for page in pages(cast.alice, shown["next"]) for uid in uids(page["results"])]
    assert uids(shown["leads"]) + rest == made[::-1]


def test_the_filters_of_the_list_apply(cast: Cast) -> None:
    tea, coffee = lead(cast.alice, tags=["tea"])["uid"], lead(cast.alice, source="website", company="Mill")["uid"]
    assert cards(cast.alice, "stage-new", "tags=tea") == [tea]
    assert cards(cast.alice, "stage-new", "source=website") == [coffee]
    assert cards(cast.alice, "stage-new", "q=mill") == [coffee]
    assert cards(cast.alice, "stage-new", "score_min=55") == [coffee]
    assert column(cast.alice, "stage-new", "tags=tea")["count"] == 1


def test_a_filter_of_stages_empties_the_other_columns(cast: Cast) -> None:
    lead(cast.alice)
    shown = cast.alice.get("/api/leads/kanban/?stage=stage-won").json()
    assert [one["count"] for one in shown] == [0] * 6


def test_filters_apply_to_the_following_cards_as_well(cast: Cast) -> None:
    made = [lead(cast.alice, tags=["tea"] if n % 2 else [])["uid"] for n in range(12)]
    shown = column(cast.alice, "stage-new", "limit=2&tags=tea")
    rest = [uid for page in pages(cast.alice, shown["next"]) for uid in uids(page["results"])]
    assert uids(shown["leads"]) + rest == made[::-1][::2]


def test_counting_stops_at_a_cap(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "COUNTED", 3)
    for expected in ((1, False), (2, False), (3, False), (3, True), (3, True)):
        lead(cast.alice)
        shown = column(cast.alice, "stage-new", "limit=1")
        assert (shown["count"], shown["count_capped"]) == expected


def test_matches_behind_many_candidates_are_reached_by_next(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = lead(cast.alice, tags=["tea"])["uid"]
    for _ in range(8):
        lead(cast.alice)
    monkeypatch.setattr(board, "CANDIDATES", 3)
    shown = column(cast.alice, "stage-new", "tags=tea")
    assert (shown["leads"], shown["count_capped"]) == ([], True)
    rest = list(pages(cast.alice, shown["next"]))
    assert [uid for page in rest for uid in uids(page["results"])] == [wanted]
    assert [page["partial"] for page in rest] == [True] * (len(rest) - 1) + [False]


def test_centres_are_one_column_for_those_who_see_both(cast: Cast) -> None:
    north, south = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
    assert cards(cast.root, "stage-new") == [south, north]
    assert cards(cast.root, "stage-new", f"center={NORTH}") == [north]
    assert cards(cast.charlie, "stage-new", f"center={NORTH},{SOUTH}") == [south]


def test_a_stage_that_is_not_there_has_no_column(cast: Cast) -> None:
    assert cast.alice.get("/api/leads/kanban/stage-moon/").status_code == 404
    assert codes(cast.alice.get("/api/leads/kanban/?stage=stage-moon")) == {("/stage", "unknown_stage")}


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "colour=red", "limit=1&limit=2"])
def test_wrong_parameters_are_refused(cast: Cast, query: str) -> None:
    assert cast.alice.get(f"/api/leads/kanban/?{query}").status_code == 422


def test_a_wrong_cursor_is_refused(cast: Cast) -> None:
    assert codes(cast.alice.get("/api/leads/kanban/stage-new/?cursor=WzFd")) == {("/cursor", "wrong_cursor")}


def test_cards_of_every_stage_add_up(cast: Cast) -> None:
    relaxed(cast.root)
    for stage in EVERY_STAGE:
        go(cast.alice, lead(cast.alice)["uid"], stage, reason="x")
    assert [one["count"] for one in cast.alice.get("/api/leads/kanban/").json()] == [1] * 6


def test_next_is_an_address_of_this_server(cast: Cast) -> None:
    for _ in range(3):
        lead(cast.alice)
    following = column(cast.alice, "stage-new", "limit=2&source=website,other&q=ada")["next"]
    assert following is None
    following = column(cast.alice, "stage-new", "limit=2&q=ada")["next"]
    assert local(following).startswith("/api/leads/kanban/stage-new/?")
    assert "q=ada" in following
