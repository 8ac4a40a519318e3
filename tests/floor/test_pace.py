"""REQUESTS_PER_MINUTE: how much one person or token may ask."""

from types import SimpleNamespace

import pytest
from django.test import override_settings

from lead_crm import pace
from tests.cast import Cast


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """It stands still in the twentieth second of a minute."""
    clock = SimpleNamespace(now=6_000_020.0)
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_whoever_asks_too_fast_is_told_when_to_come_back(cast: Cast, clock: SimpleNamespace) -> None:
    with override_settings(REQUESTS_PER_MINUTE=2):
        answers = [cast.alice.get("/api/leads/") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "too_many_requests"
        assert answers[2]["Retry-After"] == "40"


def test_others_are_not_slowed_down_by_it(cast: Cast, clock: SimpleNamespace) -> None:
    with override_settings(REQUESTS_PER_MINUTE=1):
        assert [cast.alice.get("/api/leads/").status_code for _ in range(2)] == [200, 429]
        assert cast.bob.get("/api/leads/").status_code == 200
        assert cast.nobody.get("/health/").status_code == 200


def test_the_next_minute_begins_at_nought(cast: Cast, clock: SimpleNamespace) -> None:
    with override_settings(REQUESTS_PER_MINUTE=1):
        assert [cast.alice.get("/api/leads/").status_code for _ in range(2)] == [200, 429]
        clock.now += 40
        assert cast.alice.get("/api/leads/").status_code == 200
