"""Leads that come in at the same moment are given out as fairly as one after the other."""

from collections import Counter
from typing import Any

import pytest

from lead_crm import mongo
from leads import again, duplicates, store, turns
from tests.api.dealing import ADA, dealt, on_entering, shares
from tests.api.steps import at_once, go, relaxed, statuses, twin
from tests.cast import Cast, lead


def test_of_200_parallel_creates_four_people_get_50_each(cast: Cast) -> None:
    people = [cast.bob, cast.carol, cast.nora, cast.alice]
    dealt(cast, "round_robin", *people)
    answers = at_once([lambda: twin(cast.alice).post("/api/leads/", ADA)] * 200, workers=32)
    assert statuses(answers) == [201] * 200
    assert shares() == Counter({one.uid: 50 for one in people})


@pytest.mark.parametrize("ahead", [0, 30])
def test_of_200_parallel_creates_everybody_ends_with_as_many(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Also while counts are made again and again in the middle of it, and where one had many before."""
    monkeypatch.setattr(turns, "COUNTED_FOR", turns.COUNTED_FOR / 10)
    people = [cast.bob, cast.carol, cast.nora, cast.alice]
    for _ in range(ahead):
        lead(cast.alice, assigned_to=[cast.bob.uid])
    dealt(cast, "least_loaded", *people)
    answers = at_once([lambda: twin(cast.alice).post("/api/leads/", ADA)] * 200, workers=32)
    assert statuses(answers) == [201] * 200
    found = shares()
    assert sum(found.values()) == 200 + ahead
    assert max(found.values()) - min(found.values()) <= 1


def test_leads_that_are_refused_take_no_turn(cast: Cast) -> None:
    cast.root.patch("/api/config/", {"duplicates": {"policy": "reject"}})
    doubled = ADA | {"email": "ada@example.com"}
    lead(cast.alice, **doubled, assigned_to=[cast.nora.uid])
    dealt(cast, "round_robin", cast.bob, cast.carol)
    works = [
        lambda body=body: twin(cast.alice).post("/api/leads/", body) for body in (doubled, {"name": "x"}, ADA) * 12
    ]
    assert statuses(at_once(works, workers=36)) == [201] * 12 + [409] * 12 + [422] * 12
    assert shares() == Counter({cast.bob.uid: 6, cast.carol.uid: 6, cast.nora.uid: 1})


def test_parallel_moves_of_one_lead_draw_one_person(cast: Cast) -> None:
    relaxed(cast.root)
    on_entering(cast, "stage-contacted", {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]})
    made = [lead(cast.alice)["uid"] for _ in range(6)]
    works = [lambda uid=uid: go(twin(cast.alice), uid, "stage-contacted") for uid in made for _ in range(4)]
    assert statuses(at_once(works, workers=24)) == [200] * 24
    rows = list(mongo.collection("leads").find({"type": "lead"}))
    assert [len(row["assigned_to"]) for row in rows] == [1] * 6
    lines = [line for row in rows for line in row["activities"] if line["kind"] == "assignment"]
    assert len(lines) == 6


def test_whoever_was_drawn_stays_drawn_when_another_writer_was_first(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_entering(cast, "stage-contacted", {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]})
    relaxed(cast.root)
    made = [lead(cast.alice)["uid"] for _ in range(2)]
    write, lost = store.save, iter([False])
    monkeypatch.setattr(store, "save", lambda *args, **how: next(lost, True) and write(*args, **how))
    went = [go(cast.alice, uid, "stage-contacted").json()["assigned_to"] for uid in made]
    assert went == [[cast.bob.uid], [cast.carol.uid]]


def test_a_turn_that_was_taken_for_nothing_is_given_back(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    on_entering(cast, "stage-contacted", {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]})
    relaxed(cast.root)
    uid = lead(cast.alice)["uid"]
    with monkeypatch.context() as patch:
        patch.setattr(store, "save", lambda *args, **how: False)
        patch.setattr(again, "ATTEMPTS", 3)
        assert go(cast.alice, uid, "stage-contacted").json()["code"] == "busy"
    (row,) = mongo.collection("turns").find()
    assert row["turn"] == 0
    assert go(cast.alice, uid, "stage-contacted").json()["assigned_to"] == [cast.bob.uid]


@pytest.mark.parametrize("mode", ["round_robin", "least_loaded"])
def test_whoever_was_drawn_gets_it_also_where_a_double_that_stood_in_its_way_is_gone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The double comes in after the first look, and is archived before the second."""
    dealt(cast, mode, cast.bob, cast.carol)
    cast.root.patch("/api/config/", {"duplicates": {"policy": "attach", "on": ["email"]}})
    double = lead(cast.alice, email="ada@example.com", assigned_to=[cast.nora.uid])
    look, looks = duplicates.find, iter(["not yet there", "just archived"])

    def find(*args: Any) -> Any:
        if next(looks, "") == "not yet there":
            return []
        cast.root.delete(f"/api/leads/{double['uid']}/")
        return look(*args)

    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "find", find)
        came = twin(cast.alice).post("/api/leads/", ADA | {"email": "ada@example.com"})
    assert (came.status_code, came.json()["assigned_to"]) == (201, [cast.bob.uid])
    assert lead(cast.alice)["assigned_to"] == [cast.carol.uid]
