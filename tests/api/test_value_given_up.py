"""A value that must be unique, given up by its holder in the moment in which others are refused because of it."""

from collections.abc import Callable
from typing import Any

import pytest

from leads import bulk, store
from tests.api.merging import merged, stored, two, unmerge
from tests.api.steps import fields, twin
from tests.api.test_bulk import many, verdicts
from tests.cast import Cast, lead

Row = dict[str, Any]
GivesUp = Callable[[str], None]


@pytest.fixture(autouse=True)
def unique(cast: Cast) -> None:
    fields(cast.root, *({"field_key": key, "field_type": "text", "unique": True} for key in ("passport", "tax")))


@pytest.fixture
def gives_up(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> GivesUp:
    """That lead's passport, between the index's refusal and the look who holds it."""

    def begin(holder: str) -> None:
        look, held = store.claimed, [holder]

        def late(*args: Any, **how: Any) -> Any:
            if held:
                changed = twin(cast.alice).patch(f"/api/leads/{held.pop()}/", {"fields": {"passport": None}})
                assert changed.status_code == 200
            return look(*args, **how)

        monkeypatch.setattr(store, "claimed", late)

    return begin


def holding(cast: Cast, **values: str) -> str:
    return str(lead(cast.alice, fields={"budget": "1"} | values)["uid"])


def test_an_edit_takes_it(cast: Cast, gives_up: GivesUp) -> None:
    holder, other = holding(cast, passport="X1"), holding(cast)
    gives_up(holder)
    answer = cast.alice.patch(f"/api/leads/{other}/", {"fields": {"passport": "X1"}})
    assert (answer.status_code, stored(other)["fields"]["passport"]) == (200, "X1")


def test_a_bulk_goes_on_with_all_its_leads(cast: Cast, monkeypatch: pytest.MonkeyPatch, gives_up: GivesUp) -> None:
    """One gets the value; what stops the others is that one, not the database."""
    monkeypatch.setattr(bulk, "BATCH", 2)
    holder, others = holding(cast, passport="X1"), [holding(cast) for _ in range(6)]
    gives_up(holder)
    told = verdicts(many(cast.alice, "set", others, fields={"passport": "X1"}))
    assert sorted(told.values()) == [[], *[["not_unique"]] * 5]
    assert [stored(uid)["fields"].get("passport") for uid in others].count("X1") == 1


def test_unmerging_gives_it_back(cast: Cast, gives_up: GivesUp) -> None:
    one, other = two(cast.alice, None, {"fields": {"budget": "1", "passport": "X1"}})
    merged(cast.alice, one, other)
    cast.alice.patch(f"/api/leads/{one}/", {"fields": {"passport": None}})
    gives_up(holding(cast, passport="X1"))
    assert unmerge(cast.alice, one).status_code == 200
    assert stored(other)["fields"]["passport"] == "X1"


def test_what_the_winner_gives_back_stands_in_nobodys_way(cast: Cast) -> None:
    one, other = two(cast.alice, None, {"fields": {"budget": "1", "passport": "X1", "tax": "T1"}})
    merged(cast.alice, one, other)
    cast.alice.patch(f"/api/leads/{one}/", {"fields": {"tax": None}})
    holding(cast, tax="T1")
    refused = unmerge(cast.alice, one)
    assert (refused.status_code, refused.json()["code"], refused.json()["pointers"]) == (
        409, "not_unique", ["/fields/tax"],
    )  # fmt: skip
