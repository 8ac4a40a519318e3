"""The plans MongoDB chooses for the very commands that the code sends: by the named index, without sorting."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import ExecutionTimeout

from lead_crm import directory, mongo
from lead_crm.access import NOBODY
from leads import counting, listing
from leads.keys import NO_FOLLOW_UP
from tests.api.steps import EVERY_STAGE, column, listed, local
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import Command, explained, indexes, kinds, name, noted, parts, stages


@dataclass
class Seer:
    """Someone, and whether only leads of their own are seen."""

    client: CheckedClient
    own: bool


@pytest.fixture
def seers(cast: Cast) -> list[Seer]:
    """All centres, one centre, own leads; and enough leads of others, or elsewhere, for the planner to choose."""
    for client, people, number in ((cast.alice, [], 40), (cast.alice, [cast.carol.uid], 300), (cast.charlie, [], 40)):
        multiply(str(lead(client, assigned_to=people, tags=["tea"])["uid"]), number)
    for client in (cast.alice, cast.charlie):
        lead(client, name="Konrad Zuse", company="Z3 Lovelace", assigned_to=[])
    return [Seer(cast.root, own=False), Seer(cast.alice, own=False), Seer(cast.bob, own=True)]


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


def examined(command: Command, what: str) -> int:
    return max(parts(explained(command, verbosity="executionStats"), what))


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
    "by stage": ("stage=stage-new", "stage", "stage_held"),
    "the best first": ("sort=-score", "score", "score"),
    "the worst first": ("sort=score", "score", "score"),
    "good ones": ("sort=-score&score_min=10", "score", "score"),
    "who is to be called": ("sort=next_follow_up_at", "follow_up", "follow_up"),
    "called by when": ("sort=next_follow_up_at&follow_up_to=2090-01-01", "follow_up", "follow_up"),
    "found by a word": ("q=lovelace", "grams", "newest_held"),
    "found by words": ("q=ada+lovelace", "grams", "newest_held"),
    "found by a rare word": ("q=zuse", "grams", "grams"),
    "found by a rare word and another": ("q=konrad+zuse+z3", "grams", "grams"),
}


@pytest.mark.parametrize("what", LISTS)
def test_lists_walk_along_their_index(seers: list[Seer], what: str) -> None:
    query, whole, own = LISTS[what]
    for seer in seers:
        page, *_ = asked(seer.client, f"/api/leads/?limit=5&count=none&{query}")
        well_planned(page, own if seer.own else whole)


@pytest.mark.parametrize("what", ["the first page", "by filter", "the best first", "who is to be called"])
def test_later_pages_begin_where_the_last_one_ended(seers: list[Seer], what: str) -> None:
    query, whole, own = LISTS[what]
    for seer in seers:
        second = listed(seer.client, f"limit=5&count=none&{query}")["next"]
        third = seer.client.get(local(second)).json()
        for address in (second, third["next"], third["previous"]):
            page, *_ = asked(seer.client, local(address))
            well_planned(page, own if seer.own else whole)
            if what != "by filter" and not (seer.own and own == whole):
                assert examined(page, "totalKeysExamined") <= 20


def test_of_two_words_and_whose_it_is_the_rarest_leads(seers: list[Seer]) -> None:
    for seer, most in zip(seers, (4, 2, 2), strict=True):
        for query in ("lovelace+z3", "z3+lovelace"):
            page, *_ = asked(seer.client, f"/api/leads/?limit=5&count=none&q={query}")
            assert examined(page, "totalDocsExamined") <= most


def test_whoever_sees_few_leads_is_not_kept_by_those_of_others(seers: list[Seer]) -> None:
    """Three hundred leads of others have the word as well, and are newer."""
    leads = mongo.collection("leads")
    leads.update_many({"keys.holders": NOBODY}, {"$set": {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}})
    page, *_ = asked(seers[2].client, "/api/leads/?limit=5&count=none&q=lovelace")
    assert examined(page, "totalDocsExamined") <= 6


def test_a_lead_is_read_by_its_identity(seers: list[Seer]) -> None:
    for seer in seers:
        uid = listed(seer.client, "limit=1")["results"][0]["uid"]
        (read,) = asked(seer.client, f"/api/leads/{uid}/")
        assert "COLLSCAN" not in stages(explained(read))
        assert examined(read, "totalDocsExamined") == 1


def test_duplicates_and_the_workflow_are_found_along_one_index(seers: list[Seer]) -> None:
    body = {"name": "Ada", "email": "ada@engines.example", "phone": "+1 415 555 0123", "fields": {"budget": "1"}}
    for seer in seers:
        seer.client.get("/api/leads/")
        with noted() as taken:
            assert seer.client.post("/api/leads/", body | {"center": NORTH}).status_code == 201
        well_planned(taken[0], "grams")
        assert examined(taken[0], "totalKeysExamined") <= 20


def test_counts_walk_along_an_index_alone(seers: list[Seer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "recall", lambda key: None)
    for seer in seers:
        _, count = asked(seer.client, "/api/leads/?limit=5")
        well_planned(count, "newest_held" if seer.own else "newest")


@pytest.mark.parametrize("query", ["limit=5", "limit=5&tags=tea"])
def test_the_next_cards_of_a_column_are_read_in_their_order(seers: list[Seer], query: str) -> None:
    for seer in seers:
        following = column(seer.client, "stage-new", query)["next"]
        for address in (f"/api/leads/kanban/stage-new/?{query}", local(following)):
            page, *_ = asked(seer.client, address)
            well_planned(page, "board_held" if seer.own else "board")


def joins(board: Command) -> list[Command]:
    """Each join of the board, written out for its first column as the server runs it."""
    found = [step["$lookup"] for step in board["pipeline"] if "$lookup" in step]
    first = {"$match": {"current_stage": {"$eq": "stage-new"}}}
    return [{"aggregate": "leads", "pipeline": [first, *join["pipeline"]], "cursor": {}} for join in found]


@pytest.mark.parametrize("query", ["limit=5", "limit=5&tags=tea"])
def test_the_columns_of_the_board_are_read_in_their_order(seers: list[Seer], query: str) -> None:
    for seer in seers:
        (board,) = asked(seer.client, f"/api/leads/kanban/?{query}")
        assert not stages(explained(board)) & {"COLLSCAN", "SORT"}
        for join in joins(board):
            well_planned(join, "board_held" if seer.own else "board")


def test_the_board_costs_what_it_shows(seers: list[Seer]) -> None:
    for seer in seers:
        (board,) = asked(seer.client, "/api/leads/kanban/?limit=5")
        run = explained(board, verbosity="executionStats")
        cards, *_ = [step for step in run["stages"] if step.get("$lookup", {}).get("as") == "leads"]
        assert (cards["collectionScans"], cards["totalDocsExamined"] <= 20) == (0, True)


def test_how_columns_are_read_is_remembered(seers: list[Seer]) -> None:
    """Else the database tries out all indexes for every column again."""
    leads = mongo.collection("leads")
    for n, row in enumerate(leads.find({"type": "lead"}, {"_id": 1})):
        leads.update_one(row, {"$set": {"current_stage": EVERY_STAGE[n % 6]}})
    for seer in seers[:2]:
        leads.database.command("planCacheClear", "leads")
        for _ in range(3):
            asked(seer.client, "/api/leads/kanban/?limit=50")
        plans = list(leads.aggregate([{"$planCacheStats": {}}, {"$match": {"createdFromQuery.sort.rank": 1}}]))
        assert [plan["isActive"] for plan in plans] == [True]


@pytest.mark.parametrize("sort", ["-score", "next_follow_up_at"])
def test_a_cursor_among_many_equals_costs_no_more_than_elsewhere(seers: list[Seer], sort: str) -> None:
    """Half of all leads may have the same score, or no follow-up at all."""
    mongo.collection("leads").update_many({"type": "lead"}, {"$set": {"score": 50, "keys.follow_up": NO_FOLLOW_UP}})
    for seer in seers[:2]:
        address = f"/api/leads/?limit=100&count=none&sort={sort}"
        for _ in range(3):
            address = local(seer.client.get(address).json()["next"])
        page, *_ = asked(seer.client, address.replace("limit=100", "limit=5"))
        assert examined(page, "totalKeysExamined") <= 20


@pytest.mark.parametrize(("filter", "whole", "own"), [
    ({"tags": "tea"}, "newest", "newest_held"), ({"stage": "stage-new"}, "stage", "stage_held"),
    ({"created_from": "2020-01-01"}, "newest", "newest_held"), ({"q": "ada lovelace"}, "grams", "newest_held"),
], ids=str)  # fmt: skip
def test_a_bulk_finds_its_leads_along_the_index_of_the_list(
    seers: list[Seer], filter: dict[str, str], whole: str, own: str
) -> None:
    roles = [{"key": "bulky", "label": "x", "permissions": ["lead.view", "lead.bulk", "lead.edit"], "scope": "own"}]
    seers[0].client.patch("/api/config/", {"roles": roles})
    mongo.collection("accounts").update_one({"uid": seers[2].client.uid}, {"$set": {"roles": ["agent", "bulky"]}})
    directory.forget()
    for seer in seers:
        with noted() as taken:
            body = {"action": "tag", "tags": ["x"], "filter": filter, "dry_run": True}
            response = seer.client.post("/api/leads/bulk/", body)
        assert response.status_code == 200, response.content
        find, *reads = [command for command in taken if command[name(command)] == "leads" and "sort" in command]
        assert (find["projection"], reads) == ({"uid": 1}, [])
        well_planned(find, own if seer.own else whole)
        batch = [command for command in taken if "$or" in command.get("filter", {})][-1]
        assert "COLLSCAN" not in stages(explained(batch))
        assert indexes(explained(batch)) == {"identity"}


class TestTheFewest:
    def test_are_counted_no_further_than_they_could_win(self, seers: list[Seer]) -> None:
        with noted() as taken:
            seers[2].client.get("/api/leads/?count=none&q=konrad+zuse")
        limits = [command["limit"] for command in taken if name(command) == "count"]
        assert limits == [10_001, 1, 1]

    def test_are_chosen_anew_after_a_minute(self, seers: list[Seer], monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [1_000.0]
        monkeypatch.setattr(counting.time, "monotonic", lambda: clock[0])
        numbers = []
        for seconds in (0, 59, 2):
            clock[0] += seconds
            with noted() as taken:
                seers[2].client.get("/api/leads/?count=none&q=zuse")
            numbers.append([name(command) for command in taken].count("count"))
        assert numbers == [2, 0, 2]

    def test_where_all_are_frequent_the_longest_word_leads(
        self, seers: list[Seer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "CANDIDATES", 0)
        page, *_ = asked(seers[2].client, "/api/leads/?limit=5&count=none&q=z3+konrad")
        assert (page["hint"], page["filter"]["keys.grams"]) == ("grams", "konrad")

    def test_what_takes_too_long_to_count_is_not_among_them(
        self, seers: list[Seer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = counting._number

        def slow(where: dict[str, Any], limit: int, hint: str) -> int:
            if where.get("keys.grams") == "konrad":
                raise ExecutionTimeout("operation exceeded time limit")
            return number(where, limit, hint)

        monkeypatch.setattr(counting, "_number", slow)
        page, *_ = asked(seers[2].client, "/api/leads/?limit=5&count=none&q=konrad+z3")
        assert page["filter"]["keys.grams"] == "z3"
