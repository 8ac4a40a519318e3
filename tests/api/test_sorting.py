"""?sort=: every order, both directions, empty values last; and a walk by cursor sees every lead exactly once."""

from datetime import datetime
from typing import Any

import pytest

from tests.api.steps import fields, found, listed, pages, uids, walked
from tests.cast import Cast, lead

CUSTOM = [
    {"field_key": "size", "field_type": "integer"},
    {"field_key": "nick", "field_type": "text"},
    {"field_key": "born", "field_type": "date"},
    {"field_key": "vip", "field_type": "boolean"},
    {"field_key": "price", "field_type": "money"},
    {"field_key": "ratio", "field_type": "decimal"},
]
SORTS = [
    "created_at", "score", "next_follow_up_at", "updated_at", "name", "stage_entered_at", "expected_close_on",
    "field.budget", "field.size", "field.nick", "field.born", "field.vip", "field.price", "field.ratio",
]  # fmt: skip


def values(number: int) -> dict[str, Any]:
    """Repeating and missing values of everything."""
    third, given = number % 3, number % 4
    custom: dict[str, Any] = {"budget": f"{9 + third}.5"}
    if given:
        custom |= {
            "size": third, "nick": "abc"[third], "born": f"2020-01-0{third + 1}", "vip": bool(number % 2),
            "price": {"amount": third, "currency": "EUR"}, "ratio": ["9.5", "10", "-1"][third],
        }  # fmt: skip
    return {
        "name": f"Lead {third}", "score_override": 10 * third, "fields": custom,
        "expected_close_on": f"2030-01-0{third + 1}" if given else None,
        "next_follow_up_at": f"2031-01-0{third + 1}T00:00:00Z" if given else None,
    }  # fmt: skip


def key(row: dict[str, Any], sort: str) -> Any:
    name = sort.lstrip("-")
    value = row["fields"].get(name[6:]) if name.startswith("field.") else row[name]
    if name in ("field.budget", "field.ratio") and value is not None:
        return float(value)
    if name.endswith("_at") and value is not None:
        return datetime.fromisoformat(value)
    return value["amount"] if isinstance(value, dict) else value


def is_sorted(rows: list[dict[str, Any]], sort: str) -> bool:
    filled = [key(row, sort) for row in rows if key(row, sort) is not None]
    empty_last = all(key(row, sort) is None for row in rows[len(filled) :])
    return empty_last and filled == sorted(filled, reverse=sort.startswith("-"))


@pytest.fixture
def leads(cast: Cast) -> set[str]:
    cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
    fields(cast.root, *CUSTOM)
    return {lead(cast.alice, **values(number))["uid"] for number in range(14)}


def check(cast: Cast, leads: set[str], sort: str) -> None:
    rows = listed(cast.alice, f"sort={sort}&limit=200")["results"]
    assert set(uids(rows)) == leads
    assert is_sorted(rows, sort)
    forward = list(pages(cast.alice, f"/api/leads/?sort={sort}&limit=3"))
    assert [uid for page in forward for uid in uids(page["results"])] == uids(rows)
    backward = list(pages(cast.alice, forward[-1]["previous"], way="previous"))
    last = uids(forward[-1]["results"])
    assert [uid for page in backward[::-1] for uid in uids(page["results"])] + last == uids(rows)


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_walked_forth_and_back(cast: Cast, leads: set[str], sort: str) -> None:
    for way in ("", "-"):
        check(cast, leads, f"{way}{sort}")


@pytest.mark.parametrize("query", ["any_tags=x", "q=lead", "score_max=100", "assigned_to=none"])
def test_filters_do_not_disturb_the_walk(cast: Cast, leads: set[str], query: str) -> None:
    if query == "any_tags=x":
        leads = {uid for uid in leads if int(uid[-1]) % 2}
        for uid in leads:
            cast.alice.patch(f"/api/leads/{uid}/", {"tags": ["x"]})
    for sort in ("created_at", "-created_at", "-score", "next_follow_up_at", "name", "-field.ratio"):
        rows = walked(cast.alice, f"/api/leads/?sort={sort}&limit=3&{query}")
        assert (len(rows), set(uids(rows))) == (len(leads), leads)
        assert is_sorted(rows, sort)


@pytest.mark.parametrize("sort", SORTS)
def test_leads_that_are_added_meanwhile_double_and_hide_nothing(cast: Cast, leads: set[str], sort: str) -> None:
    for way in ("", "-"):
        seen: list[str] = []
        for number, page in enumerate(pages(cast.alice, f"/api/leads/?sort={way}{sort}&limit=4")):
            seen += uids(page["results"])
            if number < 3:
                lead(cast.alice, **values(number + 1))
        assert len(seen) == len(set(seen))
        assert leads <= set(seen)


def test_agents_and_several_centres_walk_just_so(cast: Cast, leads: set[str]) -> None:
    theirs = {lead(cast.charlie, **values(number))["uid"] for number in range(5)}
    for sort in ("", "sort=created_at&", "sort=-score&", "sort=next_follow_up_at&", "sort=name&"):
        for who, expected in ((cast.bob, leads), (cast.root, leads | theirs)):
            rows = walked(who, f"/api/leads/?{sort}limit=3")
            assert (len(rows), set(uids(rows))) == (len(expected), expected)


def test_the_config_says_what_order_is_usual(cast: Cast, leads: set[str]) -> None:
    assert is_sorted(listed(cast.alice)["results"], "-created_at")
    cast.root.patch("/api/config/", {"default_sort": "next_follow_up_at"})
    assert is_sorted(listed(cast.alice)["results"], "next_follow_up_at")


@pytest.mark.parametrize("sort", ["rank", "budget", "field.budget", "-name", "moon", "field.moon", "-", "field."])
def test_an_order_is_usual_only_if_the_list_has_it(cast: Cast, sort: str) -> None:
    set_so = cast.root.patch("/api/config/", {"default_sort": sort})
    assert cast.alice.get("/api/leads/").status_code == 200
    assert (set_so.status_code == 200) == (cast.alice.get(f"/api/leads/?sort={sort}").status_code == 200)


@pytest.mark.parametrize(
    "sort", ["moon", "--score", "score,name", "fields.budget", "field.moon", "$natural", "uid", "_id"]
)
def test_unknown_orders_are_refused(cast: Cast, sort: str) -> None:
    assert cast.alice.get(f"/api/leads/?sort={sort}").status_code == 422


def test_decimals_are_sorted_as_numbers(cast: Cast) -> None:
    for budget in ("10", "9.5", "100", "0.5"):
        lead(cast.alice, fields={"budget": budget})
    rows = listed(cast.alice, "sort=field.budget")["results"]
    assert [row["fields"]["budget"] for row in rows] == ["0.5", "9.5", "10", "100"]


@pytest.mark.parametrize("kind", ["multi_select", "json"])
def test_what_has_no_order_is_refused_or_walked_to_the_end(cast: Cast, kind: str) -> None:
    more = {"options": [{"value": "a"}, {"value": "b"}]} if kind == "multi_select" else {}
    fields(cast.root, {"field_key": "odd", "field_type": kind, **more})
    made = {lead(cast.alice, fields={"budget": "1", "odd": ["a", "b"]})["uid"] for _ in range(3)}
    if cast.alice.get("/api/leads/?sort=field.odd").status_code != 422:
        assert set(uids(walked(cast.alice, "/api/leads/?sort=field.odd&limit=1"))) == made
    assert found(cast.alice, "") == made
