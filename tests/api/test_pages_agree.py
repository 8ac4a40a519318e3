"""Whatever is asked for, in whatever order and pages: all that there is, each once, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice, pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.errors import ExecutionTimeout

from leads import board, listing
from tests.api.steps import EVERY_STAGE, Row, Rows, listed, moments, pages, relaxed, uids
from tests.cast import Cast, lead

NUMBER = 24
_moment = datetime.fromisoformat
ASKED = {
    "created_from": lambda value, row: _moment(row["created_at"]) >= _moment(value),
    "created_to": lambda value, row: _moment(row["created_at"]) <= _moment(value),
    "score_min": lambda value, row: row["score"] >= value,
    "score_max": lambda value, row: row["score"] <= value,
    "tags": lambda value, row: set(value.split(",")) <= set(row["tags"]),
    "any_tags": lambda value, row: bool(set(value.split(",")) & set(row["tags"])),
    "stage": lambda value, row: row["current_stage"] in value.split(","),
    "source": lambda value, row: row["source"] in value.split(","),
    "assigned_to": lambda value, row: not row["assigned_to"] if value == "none" else value in row["assigned_to"],
    "q": lambda value, row: all(word in row["name"].lower() for word in value.split()),
}  # fmt: skip
WALKED = {"-created_at": "created_at", "created_at": "created_at", "-score": "score", "score": "score",
          "next_follow_up_at": "next_follow_up_at"}  # fmt: skip
SORTED = {"name": "name", "-name": "name", "-updated_at": "updated_at", "stage_entered_at": "stage_entered_at"}

numbers = st.integers(0, NUMBER - 1)
filters = st.fixed_dictionaries({}, optional={
    "created_from": numbers, "created_to": numbers, "score_min": st.integers(0, 100), "score_max": st.integers(0, 100),
    "tags": st.sampled_from(["odd", "third", "odd,third"]), "any_tags": st.sampled_from(["odd", "odd,third"]),
    "stage": st.sampled_from(["stage-new", "stage-contacted", "stage-new,stage-qualified"]),
    "source": st.sampled_from(["website", "website,referral"]), "assigned_to": st.sampled_from(["none", "bob"]),
    "q": st.sampled_from(["ada", "mill", "ada mill", "lo"]),
})  # fmt: skip


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """Oldest first."""
    relaxed(cast.root)
    for n in range(NUMBER):
        tags = [name for name, every in (("odd", 2), ("third", 3)) if n % every]
        made = lead(
            cast.alice, name=("Ada Mill", "Ada Love", "John Mill")[n % 3], tags=tags, score_override=n * 37 % 101,
            source=("website", "referral", "phone")[n % 3], assigned_to=[cast.bob.uid] if n % 4 else [],
            next_follow_up_at=f"2031-01-{n % 7 + 1:02}T09:00:00Z" if n % 5 else None,
        )  # fmt: skip
        cast.alice.post(
            f"/api/leads/{made['uid']}/transition/", {"to_stage": EVERY_STAGE[n % 4], "force": True, "reason": "x"}
        )
    return Rows(listed(cast.alice, "limit=200&sort=created_at")["results"])


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Only so many may be examined for a page; None: all."""
    quick, most = listing._found, listing.CANDIDATES

    def slow(made: Any, match: Any, *rest: Any) -> Any:
        if rest[-1] == listing.QUICK_MS:
            raise ExecutionTimeout("examining everything takes too long")
        return quick(made, match, *rest)

    def allow(number: int | None) -> None:
        monkeypatch.setattr(listing, "CANDIDATES", number or most)
        monkeypatch.setattr(listing, "_found", slow if number else quick)

    return allow


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=filters, sort=st.sampled_from([*WALKED, *SORTED]), limit=st.integers(1, 7), few=st.integers(1, 5) | st.none()
)
@example({"created_from": 2, "tags": "odd"}, "-created_at", 1, None).via("every page was the first one")
@example({"score_max": 90, "tags": "odd"}, "-score", 2, None).via("every page was the first one")
@example({"created_from": 2, "created_to": 20, "any_tags": "odd"}, "created_at", 2, 3).via("two bounds and an edge")
def test_all_pages_together(
    cast: Cast, rows: Rows, candidates: Callable[[int | None], None],
    asked: dict[str, Any], sort: str, limit: int, few: int | None,
) -> None:  # fmt: skip
    asked = _said(asked, rows, cast)
    wanted = _matching(asked, rows)
    walked = sort.endswith("created_at") if "q" in asked else sort in WALKED
    candidates(few if walked else None)  # where no index has the order, only so many would be put into it
    address = f"/api/leads/?{urlencode(asked | {'sort': sort, 'limit': limit})}"

    forward = list(islice(pages(cast.alice, address), 2 * NUMBER))

    seen = [row for page in forward for row in page["results"]]
    assert (sorted(uids(seen)), forward[-1]["next"]) == (sorted(wanted), None)
    assert _ordered(seen, sort)
    backward = list(islice(pages(cast.alice, forward[-1]["previous"], way="previous"), 2 * NUMBER))
    again = [row for page in backward[::-1] for row in page["results"]] + forward[-1]["results"]
    assert uids(again) == uids(seen)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters, limit=st.integers(1, 7), few=st.integers(1, 5) | st.none())
def test_all_columns_together(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], limit: int, few: int | None
) -> None:
    asked = _said(asked, rows, cast)
    with monkeypatch.context() as patched:
        patched.setattr(board, "CANDIDATES", few or board.CANDIDATES)
        columns = cast.alice.get(f"/api/leads/kanban/?{urlencode(asked | {'limit': limit})}").json()
        cards = {column["uid"]: [*column["leads"], *_further(cast, column["next"])] for column in columns}

    stages = {row["uid"]: row["current_stage"] for row in rows}
    assert sorted(uids(card for column in cards.values() for card in column)) == sorted(_matching(asked, rows))
    assert all(stages[card["uid"]] == uid for uid, column in cards.items() for card in column)
    assert all(one["rank"] < other["rank"] for column in cards.values() for one, other in pairwise(column))


def _further(cast: Cast, address: str | None) -> list[Row]:
    return [row for page in islice(pages(cast.alice, address), 2 * NUMBER) for row in page["results"]]


def _said(asked: dict[str, Any], rows: Rows, cast: Cast) -> dict[str, Any]:
    """With the times and people that there are."""
    times = {name: rows[asked[name]]["created_at"] for name in asked.keys() & {"created_from", "created_to"}}
    people = {"assigned_to": cast.bob.uid} if asked.get("assigned_to") == "bob" else {}
    return asked | times | people


def _matching(asked: dict[str, Any], rows: Rows) -> list[str]:
    return [row["uid"] for row in rows if all(ASKED[name](value, row) for name, value in asked.items())]


def _ordered(rows: list[Row], sort: str) -> bool:
    """Empty values last."""
    name = (WALKED | SORTED)[sort]
    there = [row for row in rows if row[name] is not None]
    values = moments(there, name) if name.endswith("_at") else [row[name] for row in there]
    rising = values[::-1] if sort.startswith("-") else values
    return rows[: len(there)] == there and all(one <= other for one, other in pairwise(rising))
