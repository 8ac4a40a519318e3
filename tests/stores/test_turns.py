"""The documents that know whose turn it is."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import ExecutionTimeout

from lead_crm import directory, mongo
from lead_crm.documents import now
from leads import turns
from tests.api.dealing import dealt
from tests.api.steps import at_once, relaxed
from tests.cast import Cast, lead
from tests.stores.commands import explained, indexes, kinds, name, noted, parts, stages

POOL = ["ann", "ben", "cleo"]
CREATE = {"name": "Ada", "fields": {"budget": "1"}}


def drawn(number: int, pool: list[str] = POOL, key: str = "k") -> list[str]:
    found = [turns.next_one(key, pool) for _ in range(number)]
    return [turn.person for turn in found if turn]


def loaded(number: int, at: datetime, pool: list[str] = POOL) -> list[str]:
    found = [turns.least_loaded("k", pool, ["stage-new"], now=at) for _ in range(number)]
    return [turn.person for turn in found if turn]


def test_each_rule_counts_by_itself(empty: None) -> None:
    assert [drawn(2), drawn(1, key="other"), drawn(2)] == [["ann", "ben"], ["ann"], ["cleo", "ann"]]


def test_somebody_who_was_away_has_the_next_turn_and_only_one(empty: None) -> None:
    assert drawn(1) + drawn(4, ["ann", "ben"]) + drawn(4) == [
        "ann", "ben", "ann", "ben", "ann", "cleo", "ben", "ann", "cleo"
    ]  # fmt: skip


def test_who_joins_later_comes_after_those_who_wait_already(empty: None) -> None:
    assert drawn(1, ["zed", "yan"]) + drawn(1, ["ann", "zed", "yan"]) + drawn(3, ["ann", "zed", "yan"]) == [
        "zed", "yan", "ann", "zed", "yan"
    ]  # fmt: skip


def test_a_turn_is_given_back_unless_others_have_had_theirs_since(empty: None) -> None:
    first = turns.next_one("k", POOL)
    assert first is not None
    turns.give_back(first)
    again, second = (turns.next_one("k", POOL) for _ in range(2))
    assert (again, second and second.person) == (first, "ben")
    turns.give_back(first)
    assert drawn(2) == ["cleo", "ann"]


def test_the_first_turns_of_all_are_taken_by_many_at_once(empty: None) -> None:
    found = at_once([lambda: drawn(1)[0]] * 30, workers=30)
    assert sorted(found) == sorted(POOL * 10)


def test_turns_taken_since_the_last_count_are_not_lost_in_the_next(
    empty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of these leads has arrived yet when the others are counted."""
    monkeypatch.setattr(turns, "_load", lambda uid, open_stages: {"ann": 2}.get(uid, 0))
    at = now()
    assert loaded(4, at) == ["ben", "cleo", "ben", "cleo"]
    assert loaded(3, at + turns.COUNTED_FOR) == ["ann", "ben", "cleo"]


def test_leads_that_never_arrived_are_forgotten(empty: None) -> None:
    at = now()
    loaded(4, at)
    assert loaded(1, at + turns.ON_THEIR_WAY + timedelta(seconds=1)) == ["ben"]
    (row,) = mongo.collection("turns").find()
    assert {one["who"]: one["load"] for one in row["people"]} == {"ann": 0, "ben": 1, "cleo": 0}


def test_one_of_many_at_once_counts(empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def load(uid: str, open_stages: Any) -> int:
        counted.append(uid)
        return 0

    monkeypatch.setattr(turns, "_load", load)
    at = now()
    found = at_once([lambda: loaded(1, at)[0]] * 30, workers=30)
    assert (sorted(found), sorted(counted)) == (sorted(POOL * 10), POOL)


def test_people_with_very_many_leads_are_served_in_turn(empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_load", lambda uid, open_stages: turns.MANY)
    assert loaded(6, now()) == POOL * 2


def test_the_count_walks_along_an_index(cast: Cast) -> None:
    for person in (cast.bob, cast.carol):
        for _ in range(3):
            lead(cast.alice, assigned_to=[person.uid])
    dealt(cast, "least_loaded", cast.bob, cast.carol)
    with noted() as taken:
        lead(cast.alice)
    counts = [command for command in taken if name(command) == "count"]
    assert [command["limit"] for command in counts] == [turns.MANY] * 2
    for command in counts:
        assert (indexes(explained(command)), "COLLSCAN" in stages(explained(command))) == ({"stage_held"}, False)
    runs = [explained(command, verbosity="executionStats") for command in counts]
    assert sum(max(parts(run, "totalDocsExamined")) for run in runs) == 7  # the new one included


def test_a_count_that_takes_too_long_asks_the_index_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [lead(cast.alice, assigned_to=[cast.bob.uid])["uid"] for _ in range(3)]
    assert cast.alice.post(f"/api/leads/{made[0]}/hold/", {}).status_code == 200
    count = turns._count

    def slow(where: Any, patience: int) -> int:
        if "status" in where:
            raise ExecutionTimeout("too slow")
        return count(where, patience)

    assert turns._load(cast.bob.uid, ["stage-new"]) == 2
    monkeypatch.setattr(turns, "_count", slow)
    with noted() as taken:
        assert turns._load(cast.bob.uid, ["stage-new"]) == 3
    (command,) = [one for one in taken if name(one) == "count"]
    assert max(parts(explained(command, verbosity="executionStats"), "totalDocsExamined")) == 0


class TestCountsThatTakeTooLong:
    """Whoever cannot be counted keeps the load that is known."""

    @pytest.mark.parametrize("known", [False, True], ids=["never counted", "counted before"])
    def test_refuse_no_lead(self, cast: Cast, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
        dealt(cast, "least_loaded", cast.bob, cast.carol)
        if known:
            lead(cast.alice)
        monkeypatch.setattr(turns, "COUNTED_FOR", timedelta(0))
        monkeypatch.setattr(turns, "_count", too_slow)
        for _ in range(4):
            assert cast.alice.post("/api/leads/", CREATE).status_code == 201
        (row,) = mongo.collection("turns").find()
        assert [one["load"] for one in row["people"]] == ([3, 2] if known else [2, 2])

    def test_of_one_keep_nobody_else_from_being_counted(self, empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
        loads, at = {"ann": 2, "ben": 9, "cleo": 2}, now()

        def load(uid: str, open_stages: Any) -> int:
            return too_slow() if uid == slow else loads[uid]

        slow = ""
        monkeypatch.setattr(turns, "_load", load)
        assert loaded(2, at) == ["ann", "cleo"]
        slow, loads["cleo"] = "ben", 20
        assert loaded(8, at + turns.ON_THEIR_WAY) == ["ann"] * 7 + ["ben"]

    def test_end_in_time_and_the_next_begins_with_others(self, empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
        counted: list[str] = []

        def load(uid: str, open_stages: Any) -> int:
            counted.append(uid)
            return 0

        monkeypatch.setattr(turns, "_load", load)
        clock = (number / 2 for number in range(100))
        ticking = SimpleNamespace(monotonic=lambda: next(clock) * turns.COUNTING_FOR)
        monkeypatch.setattr(turns, "time", ticking)
        at, waves = datetime(2026, 11, 21, 12, tzinfo=UTC), []
        for second in (0, 7, 14):
            loaded(1, at + timedelta(seconds=second))
            waves.append("".join(uid[0] for uid in counted))
            counted.clear()
        assert waves == ["ab", "bc", "ca"]


def too_slow(*asked: object) -> int:
    raise ExecutionTimeout("too slow")


class TestRoundTrips:
    def commands(self, cast: Cast) -> list[str]:
        cast.alice.post("/api/leads/", CREATE)
        with noted() as taken:
            assert cast.alice.post("/api/leads/", CREATE).status_code == 201
        return kinds(taken)

    def test_without_a_rule_there_is_not_one_more(self, cast: Cast) -> None:
        people = [cast.bob.uid]
        before = self.commands(cast)
        rule = {"source": ["website"], "mode": "least_loaded", "pool": people}
        dealt(cast, "by_hand", rules=[rule])
        assert self.commands(cast) == before == ["find leads", "findAndModify counters", "insert leads"]

    def test_a_rule_with_one_person_takes_not_one_more(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.sam)
        assert self.commands(cast) == ["find leads", "findAndModify counters", "insert leads"]

    @pytest.mark.parametrize("mode", ["round_robin", "least_loaded"])
    def test_a_turn_takes_one_more(self, cast: Cast, mode: str) -> None:
        dealt(cast, mode, cast.bob, cast.carol)
        assert self.commands(cast) == [
            "find leads", "findAndModify turns", "findAndModify counters", "insert leads"
        ]  # fmt: skip

    def test_who_is_there_takes_one_for_all_named_and_one_for_each_role(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.sam, cast.carol, {"role": "counsellor"})
        directory.forget()
        cast.alice.get("/api/stages/")  # who asks, and where, is known now
        with noted() as taken:
            assert cast.alice.post("/api/leads/", CREATE).status_code == 201
        assert kinds(taken).count("find accounts") == 2

    def test_a_move_takes_one_more(self, cast: Cast) -> None:
        relaxed(cast.root)
        rule = {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]}
        cast.root.patch("/api/stages/stage-won/", {"auto_assign": rule})
        made = [lead(cast.alice)["uid"] for _ in range(2)]
        for uid in made:
            with noted() as taken:
                cast.alice.post(f"/api/leads/{uid}/transition/", {"to_stage": "stage-won"})
        assert kinds(taken) == ["find leads", "findAndModify turns", "update leads"]
