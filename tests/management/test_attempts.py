"""Counting attempts, exactly, however many ask at once."""

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from lead_crm import attempts, mongo
from lead_crm.documents import now
from tests.api.steps import at_once

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOON = now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture(params=["server", "memory"])
def counted(request: pytest.FixtureRequest, empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once on the real server, once in memory."""
    if request.param == "memory":
        monkeypatch.setattr(settings, "MONGODB_URI", "mongomock://")
        monkeypatch.setattr(mongo, "client", functools.cache(mongo.client.__wrapped__))
        monkeypatch.setattr(mongo, "_collection", functools.cache(mongo._collection.__wrapped__))
        mongo.collection("attempts").delete_many({})


def take(at: datetime, key: str = "key", *, most: int = 3) -> int | None:
    return attempts.take(key, most=most, per=HOUR, now=at)


def step(at: datetime, key: str = "key") -> int | None:
    return attempts.step(key, free=3, first=MINUTE, longest=10 * MINUTE, per=HOUR, now=at)


@pytest.mark.usefixtures("counted")
class TestAWindow:
    def test_is_full_after_so_many(self) -> None:
        assert [take(NOON) for _ in range(5)] == [None, None, None, 3600, 3600]

    def test_slides(self) -> None:
        for minutes in (0, 20, 40):
            take(NOON + minutes * MINUTE)
        assert take(NOON + 50 * MINUTE) == 600
        assert take(NOON + HOUR) is None
        assert take(NOON + HOUR) == 1200

    def test_who_was_refused_does_not_wait_longer_for_it(self) -> None:
        for _ in range(3):
            take(NOON)
        assert [take(NOON + minutes * MINUTE) for minutes in (10, 30, 59)] == [3000, 1800, 60]

    def test_is_of_one_key(self) -> None:
        assert [take(NOON, key, most=1) for key in ("a", "b", "a")] == [None, None, 3600]

    def test_has_room_again_for_what_is_given_back(self) -> None:
        for minutes in (0, 1, 2):
            take(NOON + minutes * MINUTE)
        attempts.give_back("key", at=NOON + MINUTE)
        assert [take(NOON + 3 * MINUTE) for _ in range(2)] == [None, 57 * 60]

    def test_gives_back_one_of_those_taken_in_one_moment(self) -> None:
        for _ in range(3):
            take(NOON)
        attempts.give_back("key", at=NOON)
        assert [take(NOON) for _ in range(2)] == [None, 3600]

    def test_is_forgotten(self) -> None:
        take(NOON, most=1)
        attempts.forget("key")
        assert take(NOON, most=1) is None

    def test_goes_with_its_last_hit(self) -> None:
        take(NOON)
        take(NOON + MINUTE)
        assert mongo.collection("attempts").find_one({"_id": "key"})["expires_at"] == NOON + HOUR + MINUTE


@pytest.mark.usefixtures("counted")
class TestGrowingWaits:
    def test_some_are_free_then_each_wait_is_twice_the_one_before(self) -> None:
        assert [step(NOON) for _ in range(4)] == [None, None, None, 60]
        assert step(NOON + MINUTE) is None
        assert step(NOON + MINUTE) == 120
        assert step(NOON + 3 * MINUTE) is None
        assert step(NOON + 3 * MINUTE) == 240

    def test_up_to_the_longest(self) -> None:
        at = NOON
        for _ in range(50):
            while (wait := step(at)) is None:
                pass
            assert wait <= 600
            at += timedelta(seconds=wait)
        assert wait == 600

    def test_asking_meanwhile_makes_it_no_longer(self) -> None:
        for _ in range(3):
            step(NOON)
        assert [step(NOON + seconds * timedelta(seconds=1)) for seconds in (10, 20, 59)] == [50, 40, 1]

    def test_all_is_forgotten_in_time(self) -> None:
        for _ in range(3):
            step(NOON)
        assert step(NOON + MINUTE + HOUR) is None
        assert step(NOON + MINUTE + HOUR) is None


@pytest.mark.usefixtures("counted")
def test_a_mark_lasts_as_long_as_it_was_left_for() -> None:
    assert not attempts.marked("seen", now=NOON)
    attempts.mark("seen", until=NOON + HOUR)
    assert attempts.marked("seen", now=NOON + 59 * MINUTE)
    assert not attempts.marked("seen", now=NOON + HOUR)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("ask", "through"), [(functools.partial(take, NOON, most=10), 10), (functools.partial(step, NOON), 3)]
)
def test_of_400_at_once_exactly_as_many_get_through(ask: Callable[..., Any], through: int) -> None:
    answers = at_once([ask] * 400, workers=32)
    assert answers.count(None) == through
