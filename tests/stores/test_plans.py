"""The plans MongoDB chooses for the very commands that the code sends: by the named index, without sorting."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lead_crm import mongo
from leads.keys import NO_FOLLOW_UP
from tests.api.steps import EVERY_STAGE, column, listed, local
from tests.cast import Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import Command, explained, indexes, kinds, name, noted, parts, stages

WHO = ["root", "alice", "bob"]  # all centres, one centre, own leads


@pytest.fixture
def crowd(cast: Cast) -> dict[str, CheckedClient]:
    """Enough leads for the planner to have something to choose from; most of them are others', or stand elsewhere."""
    for client, people, number in ((cast.alice, [], 40), (cast.alice, [cast.carol.uid], 300), (cast.charlie, [], 40)):
        multiply(str(lead(client, assigned_to=people, tags=["tea"])["uid"]), number)
    return {"root": cast.root, "alice": cast.alice, "bob": cast.bob}


def multiply(uid: str, number: int) -> None:
    """Copies of a lead, older and older, two in three of them in other stages."""
    leads = mongo.collection("leads")
    made: Any = leads.find_one({"type": "lead", "uid": uid})
    del made["_id"]
    copies = [
        made | {
            "uid": f"{uid}-{n}", "rank": f"{made['rank']}{n:03d}1", "score": n % 100,
            "created_at": made["created_at"] - timedelta(minutes=n + 1), "current_stage": EVERY_STAGE[n % 3],
            "keys": made["keys"] | {"follow_up": made["created_at"] + timedelta(minutes=n)},
        }
        for n in range(number)
    ]  # fmt: skip
    leads.insert_many(copies)


def asked(client: CheckedClient, path: str) -> list[Command]:
    """What one request asks of the leads."""
    client.get(path)  # now everything is known that is remembered for a moment
    with noted() as taken:
        response = client.get(path)
    assert response.status_code == 200, response.content
    return [command for command in taken if command[name(command)] == "leads"]


def well_planned(command: Command, expected: str) -> None:
    plan = explained(command)
    assert not stages(plan) & {"COLLSCAN", "SORT"}, (kinds([command]), stages(plan))
    assert indexes(plan) == {expected}
    assert command.get("hint", expected) == expected


# operation -> address, the index for whoever sees whole centres, the index for agents
LISTS = {
    "the first page": ("", "newest", "newest_held"),
    "the oldest first": ("sort=created_at", "newest", "newest_held"),
    "by filter": ("tags=tea", "newest", "newest_held"),
    "by time": ("created_from=2020-01-01", "newest", "newest_held"),
    "by stage": ("stage=stage-new", "newest", "newest_held"),
    "the best first": ("sort=-score", "score", "score"),
    "the worst first": ("sort=score", "score", "score"),
    "good ones": ("sort=-score&score_min=10", "score", "score"),
    "who is to be called": ("sort=next_follow_up_at", "follow_up", "follow_up"),
    "called by when": ("sort=next_follow_up_at&follow_up_to=2090-01-01", "follow_up", "follow_up"),
    "found by a word": ("q=lovelace", "grams", "grams"),
    "found by words": ("q=ada+lovelace", "grams", "grams"),
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("what", LISTS)
def test_lists_walk_along_their_index(crowd: dict[str, CheckedClient], who: str, what: str) -> None:
    query, whole, own = LISTS[what]
    page, *_ = asked(crowd[who], f"/api/leads/?limit=5&count=none&{query}")
    well_planned(page, own if who == "bob" else whole)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("what", ["the first page", "by filter", "the best first", "who is to be called"])
def test_later_pages_begin_where_the_last_one_ended(crowd: dict[str, CheckedClient], who: str, what: str) -> None:
    query, whole, own = LISTS[what]
    client = crowd[who]
    second = listed(client, f"limit=5&count=none&{query}")["next"]
    third = client.get(local(second)).json()
    for address in (second, third["next"], third["previous"]):
        page, *_ = asked(client, local(address))
        well_planned(page, own if who == "bob" else whole)
        run = explained(page, verbosity="executionStats")
        if what != "by filter" and not (who == "bob" and own == whole):
            assert max(parts(run, "totalKeysExamined")) <= 20


@pytest.mark.parametrize("who", WHO)
def test_a_lead_is_read_by_its_identity(crowd: dict[str, CheckedClient], who: str) -> None:
    uid = listed(crowd[who], "limit=1")["results"][0]["uid"]
    (read,) = asked(crowd[who], f"/api/leads/{uid}/")
    plan = explained(read)
    assert "COLLSCAN" not in stages(plan)
    assert max(parts(explained(read, verbosity="executionStats"), "totalDocsExamined")) == 1


@pytest.mark.parametrize("who", WHO)
def test_counts_walk_along_an_index_alone(crowd: dict[str, CheckedClient], who: str) -> None:
    _, count = asked(crowd[who], "/api/leads/?limit=5")
    well_planned(count, "newest_held" if who == "bob" else "newest")


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("query", ["", "tags=tea", "q=lovelace"])
def test_the_next_cards_of_a_column_are_read_in_their_order(
    crowd: dict[str, CheckedClient], who: str, query: str
) -> None:
    following = column(crowd[who], "stage-new", f"limit=5&{query}".rstrip("&"))["next"]
    for address in (f"/api/leads/kanban/stage-new/?limit=5&{query}".rstrip("&"), local(following)):
        (page, *_) = asked(crowd[who], address)
        plan = explained(page)
        if query == "q=lovelace":  # few are found by a word: those may be sorted
            assert "COLLSCAN" not in stages(plan)
        else:
            well_planned(page, "board_held" if who == "bob" else "board")


def columns(command: Command) -> list[Command]:
    """Each join of the board, written out for its first column as the server runs it."""
    joins = [step["$lookup"] for step in command["pipeline"] if "$lookup" in step]
    match: Callable[[Any], Any] = lambda join: {"$match": {join["foreignField"]: {"$eq": "stage-new"}}}  # noqa: E731
    return [{"aggregate": "leads", "pipeline": [match(join), *join["pipeline"]], "cursor": {}} for join in joins]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("query", ["", "tags=tea"])
def test_the_columns_of_the_board_are_read_in_their_order(
    crowd: dict[str, CheckedClient], who: str, query: str
) -> None:
    (board,) = asked(crowd[who], f"/api/leads/kanban/?limit=5&{query}".rstrip("&"))
    assert stages(explained(board)) & {"COLLSCAN", "SORT"} == set()
    for join in columns(board):
        plan = explained(join)
        assert not stages(plan) & {"COLLSCAN", "SORT"}, stages(plan)
        assert indexes(plan) == {"board_held" if who == "bob" else "board"}


@pytest.mark.parametrize("who", WHO)
def test_the_board_costs_what_it_shows(crowd: dict[str, CheckedClient], who: str) -> None:
    (board,) = asked(crowd[who], "/api/leads/kanban/?limit=5")
    run = explained(board, verbosity="executionStats")
    cards, *_ = [step for step in run["stages"] if step.get("$lookup", {}).get("as") == "leads"]
    assert cards["collectionScans"] == 0
    assert cards["totalDocsExamined"] <= 20
    assert set(cards["indexesUsed"]) == {"board_held" if who == "bob" else "board"}


@pytest.mark.parametrize("sort", ["-score", "next_follow_up_at"])
def test_a_cursor_among_many_equals_costs_no_more_than_elsewhere(crowd: dict[str, CheckedClient], sort: str) -> None:
    """Half of all leads may have the same score, or no follow-up at all."""
    mongo.collection("leads").update_many({"type": "lead"}, {"$set": {"score": 50, "keys.follow_up": NO_FOLLOW_UP}})
    address = f"/api/leads/?limit=100&count=none&sort={sort}"
    for _ in range(3):
        address = local(crowd["alice"].get(address).json()["next"])
    page, *_ = asked(crowd["alice"], address.replace("limit=100", "limit=5"))
    run = explained(page, verbosity="executionStats")
    assert max(parts(run, "totalKeysExamined")) <= 20
