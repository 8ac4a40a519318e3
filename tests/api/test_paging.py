"""Pages: next and previous, offsets, counts, selected fields, and what happens when there is too much to examine."""

import itertools

import pytest
from pymongo.errors import ExecutionTimeout

from leads import counting, listing
from tests.api.steps import codes, found, listed, local, pages, uids, walked
from tests.cast import Cast, lead


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    """Newest first."""
    return [lead(cast.alice, tags=["odd"] if n % 2 else [])["uid"] for n in range(9)][::-1]


def test_a_page_has_results_next_previous_and_count(cast: Cast, leads: list[str]) -> None:
    page = listed(cast.alice, "limit=4")
    assert (uids(page["results"]), page["previous"]) == (leads[:4], None)
    assert (page["count"], page["count_capped"], page["partial"]) == (9, False, False)
    second = cast.alice.get(local(page["next"])).json()
    assert (uids(second["results"]), second["count"]) == (leads[4:8], 9)
    first = cast.alice.get(local(second["previous"])).json()
    assert (uids(first["results"]), first["previous"]) == (leads[:4], None)
    third = cast.alice.get(local(second["next"])).json()
    assert (uids(third["results"]), third["next"]) == (leads[8:], None)


def test_next_keeps_the_rest_of_the_question(cast: Cast, leads: list[str]) -> None:
    page = listed(cast.alice, "limit=2&tags=odd&sort=created_at&fields=name&count=exact")
    assert all(part in page["next"] for part in ("limit=2", "tags=odd", "sort=created_at", "fields=name"))
    assert set(uids(walked(cast.alice, "/api/leads/?limit=2&tags=odd&sort=created_at"))) == set(leads[1::2])


def test_a_page_that_is_exactly_full_has_no_next(cast: Cast, leads: list[str]) -> None:
    assert listed(cast.alice, "limit=9")["next"] is None


@pytest.mark.parametrize("sort", ["-created_at", "-score", "name"])
def test_offsets(cast: Cast, leads: list[str], sort: str) -> None:
    whole = uids(listed(cast.alice, f"sort={sort}")["results"])
    page = listed(cast.alice, f"sort={sort}&limit=3&offset=3")
    assert (uids(page["results"]), page["count"]) == (whole[3:6], 9)
    assert uids(cast.alice.get(local(page["next"])).json()["results"]) == whole[6:]
    assert uids(cast.alice.get(local(page["previous"])).json()["results"]) == whole[:3]
    assert listed(cast.alice, f"sort={sort}&offset=100")["results"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=1.5", "limit=99999999999999999999", "limit=x", "limit=",
     "offset=-1", "offset=10001", "offset=x", "count=perhaps", "cursor=x", "cursor=%F0%9F"],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(cast: Cast, leads: list[str], query: str) -> None:
    response = cast.alice.get(f"/api/leads/?{query}")
    assert response.status_code == 422
    assert {pointer for pointer, _ in codes(response)} == {f"/{query.partition('=')[0]}"}


@pytest.mark.parametrize(
    "cursor",
    ["W10", "WyItY3JlYXRlZF9hdCJd", "bnVsbA", "eyJhIjoxfQ", "WyItY3JlYXRlZF9hdCIsdHJ1ZSwxLDJd",
     "WyItY3JlYXRlZF9hdCIsZmFsc2UseyJhdCI6MWU5OTl9LHsiaWQiOiJ4In1d", "WyItY3JlYXRlZF9hdCIsZmFsc2UseyIkZ3QiOjF9LDFd"],
)  # fmt: skip
def test_forged_cursors_are_refused(cast: Cast, leads: list[str], cursor: str) -> None:
    assert codes(cast.alice.get(f"/api/leads/?cursor={cursor}")) == {("/cursor", "wrong_cursor")}


def test_a_cursor_belongs_to_its_order(cast: Cast, leads: list[str]) -> None:
    cursor = listed(cast.alice, "limit=2&sort=-score")["next"].partition("cursor=")[2].partition("&")[0]
    assert codes(cast.alice.get(f"/api/leads/?sort=name&cursor={cursor}")) == {("/cursor", "wrong_cursor")}


def test_a_cursor_shows_nobody_more_than_they_may_see(cast: Cast, leads: list[str]) -> None:
    address = listed(cast.alice, "limit=2")["next"]
    assert cast.charlie.get(local(address)).json()["results"] == []


def test_selected_fields_only(cast: Cast, leads: list[str]) -> None:
    row = listed(cast.alice, "fields=name,score,tasks,full_name,days_in_stage&limit=1")["results"][0]
    assert row.keys() == {"uid", "name", "score", "tasks", "full_name", "days_in_stage"}
    assert listed(cast.alice, "fields=uid&limit=2")["results"] == [{"uid": uid} for uid in leads[:2]]


def test_unknown_fields_are_refused(cast: Cast) -> None:
    for name in ("keys", "_id", "done", "claims", "moon", "$x"):
        assert codes(cast.alice.get(f"/api/leads/?fields=name,{name}")) == {("/fields", "unknown_field")}


def test_rows_show_nothing_internal(cast: Cast, leads: list[str]) -> None:
    for sort in ("-created_at", "name", "-score"):
        row = listed(cast.alice, f"limit=1&sort={sort}")["results"][0]
        assert not {"_id", "keys", "done", "changes", "spilled", "follow_up_wish"} & row.keys()


class TestCounts:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "CANDIDATES", 5)

    def test_stop_at_the_cap(self, cast: Cast, leads: list[str]) -> None:
        page = listed(cast.alice, "limit=2")
        assert (page["count"], page["count_capped"]) == (5, True)

    def test_are_exact_below_it(self, cast: Cast, leads: list[str]) -> None:
        page = listed(cast.alice, f"limit=2&created_to=2090-01-01&assigned_to={cast.alice.uid}")
        assert (page["count"], page["count_capped"]) == (0, False)

    def test_insist(self, cast: Cast, leads: list[str]) -> None:
        page = listed(cast.alice, "limit=2&count=exact")
        assert (page["count"], page["count_capped"]) == (9, False)

    def test_are_skipped(self, cast: Cast, leads: list[str]) -> None:
        page = listed(cast.alice, "limit=2&count=none")
        assert (page["count"], page["count_capped"]) == (None, True)

    def test_that_would_be_slow_are_given_up(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "_number", _too_slow)
        page = listed(cast.alice, "limit=2")
        assert (page["count"], page["count_capped"], len(page["results"])) == (None, True, 2)


def _too_slow(*args: object) -> int:
    raise ExecutionTimeout("operation exceeded time limit")


class TestSearchesOfThoseWhoSeeTheirOwn:
    """Each page is found in the way that is quickest then: by one of the words, or by whose the leads are."""

    @pytest.fixture
    def mine(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        found = []
        for n in range(24):
            words = {"name": "Ada" if n % 2 else "Ada Mill", "company": "Mill" if n % 3 else "Loom"}
            made = lead(cast.alice, **words, assigned_to=[[], [cast.carol.uid], [cast.bob.uid]][n % 3])
            if n % 3 != 1 and (n % 2 == 0 or n % 3):
                found.append(str(made["uid"]))
        ways = itertools.cycle(range(3))
        monkeypatch.setattr(listing, "_rarest", lambda possible, base: possible[next(ways) % len(possible)])
        return found[::-1]

    @pytest.mark.parametrize("limit", [1, 2, 5])
    @pytest.mark.parametrize("sort", ["-created_at", "created_at", "name", "-score"])
    def test_go_on_where_the_last_page_ended(self, cast: Cast, mine: list[str], sort: str, limit: int) -> None:
        forward = list(pages(cast.bob, f"/api/leads/?q=ada+mill&sort={sort}&limit={limit}"))
        seen = [uid for page in forward for uid in uids(page["results"])]
        assert (sorted(seen), len(seen)) == (sorted(mine), len(mine))
        assert {page["count"] for page in forward} == {len(mine)}
        assert sort != "-created_at" or seen == mine
        backward = list(pages(cast.bob, forward[-1]["previous"], way="previous"))
        assert [uid for page in backward[::-1] for uid in uids(page["results"])] == seen[: (len(forward) - 1) * limit]

    @pytest.mark.parametrize("sort", ["-created_at", "created_at", "name"])
    def test_so_do_offsets(self, cast: Cast, mine: list[str], sort: str) -> None:
        asked = [f"q=ada+mill&sort={sort}&limit=3&offset={offset}" for offset in range(0, len(mine), 3)]
        assert sorted(uid for query in asked for uid in uids(listed(cast.bob, query)["results"])) == sorted(mine)

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_partial_pages_too(self, cast: Cast, mine: list[str], limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
        few_candidates(monkeypatch)
        forward = list(pages(cast.bob, f"/api/leads/?q=ada+mill&limit={limit}"))
        assert [uid for page in forward for uid in uids(page["results"])] == mine
        assert (any(page["partial"] for page in forward), forward[-1]["partial"]) == (True, False)


def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three may be examined for a page."""
    monkeypatch.setattr(listing, "CANDIDATES", 3)
    monkeypatch.setattr(listing, "QUICK_MS", 0)
    found = listing._found

    def slow(made: object, match: object, *rest: object) -> object:
        if rest[-1] == 0:
            raise ExecutionTimeout("examining everything takes too long")
        return found(made, match, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "_found", slow)


@pytest.mark.parametrize("sort", ["-created_at", "-score", "next_follow_up_at"])
def test_where_the_disk_is_slow_a_page_examines_fewer(
    cast: Cast, leads: list[str], sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listing._found

    def slow(made: object, match: object, *rest: object) -> object:
        if rest[-1] != listing.PATIENCE_MS:
            raise ExecutionTimeout("so many take too long")
        return found(made, match, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "_found", slow)
    monkeypatch.setattr(listing, "CANDIDATES", 400)
    seen = list(pages(cast.alice, f"/api/leads/?tags=odd&sort={sort}"))
    assert sorted(uid for page in seen for uid in uids(page["results"])) == sorted(leads[1::2])
    assert [page["partial"] for page in seen] == [True, True, False]


@pytest.mark.parametrize(
    "bounds", ["created_from=2020-01-01", "created_from=2020-01-01&created_to=2090-01-01", "score_max=99&sort=-score"]
)
def test_bounds_of_the_order_and_another_filter_do_not_lose_the_place(
    cast: Cast, leads: list[str], bounds: str
) -> None:
    found = list(itertools.islice(pages(cast.alice, f"/api/leads/?tags=odd&limit=1&{bounds}"), len(leads)))
    assert sorted(uid for page in found for uid in uids(page["results"])) == sorted(leads[1::2])


class TestPartialPages:
    """With few candidates to examine, a page says that it is partial, and `next` goes on from there."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        few_candidates(monkeypatch)

    @pytest.mark.parametrize("sort", ["-created_at", "created_at", "-score", "score", "next_follow_up_at"])
    def test_following_next_finds_all_matches(self, cast: Cast, leads: list[str], sort: str) -> None:
        for limit in (1, 2, 3, 5):
            found = list(pages(cast.alice, f"/api/leads/?tags=odd&limit={limit}&sort={sort}"))
            seen = [uid for page in found for uid in uids(page["results"])]
            assert sorted(seen) == sorted(leads[1::2])
            assert found[-1]["partial"] is False

    def test_a_rare_match_far_down_is_reached_through_empty_pages(self, cast: Cast, leads: list[str]) -> None:
        cast.alice.patch(f"/api/leads/{leads[-1]}/", {"tags": ["rare"]})
        found = list(pages(cast.alice, "/api/leads/?tags=rare"))
        assert [uid for page in found for uid in uids(page["results"])] == [leads[-1]]
        assert found[0]["partial"] is True

    def test_following_previous_comes_back_to_all_of_them(self, cast: Cast, leads: list[str]) -> None:
        forward = list(pages(cast.alice, "/api/leads/?tags=odd&limit=1"))
        last = next(page for page in forward[::-1] if page["results"])
        backward = list(pages(cast.alice, last["previous"], way="previous"))
        seen = [uid for page in backward for uid in uids(page["results"])] + uids(last["results"])
        assert sorted(seen) == sorted(leads[1::2])

    def test_orders_without_an_index_say_that_only_the_newest_were_sorted(self, cast: Cast, leads: list[str]) -> None:
        page = listed(cast.alice, "sort=name")
        assert (page["partial"], set(uids(page["results"]))) == (True, set(leads[:3]))

    def test_lists_that_an_index_answers_are_whole(self, cast: Cast, leads: list[str]) -> None:
        assert listed(cast.alice, "limit=200")["partial"] is False
        assert found(cast.alice, "limit=200&sort=-score") == set(leads)
