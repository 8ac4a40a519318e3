"""The number of a lead."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leads.numbering import series, uid
from tests.rules.making import NOW
from workflow.documents import LeadNumber


def numbered(sequence: int, now: datetime = NOW, **settings: Any) -> str:
    return uid(series(LeadNumber.model_validate(settings), now), sequence)


@pytest.mark.parametrize(("sequence", "expected"), [
    (1, "LEAD-202611-00001"), (99_999, "LEAD-202611-99999"), (100_000, "LEAD-202611-100000"),
])  # fmt: skip
def test_by_default_each_month_counts_and_numbers_widen(sequence: int, expected: str) -> None:
    assert numbered(sequence) == expected


@pytest.mark.parametrize(("settings", "expected"), [
    ({"pattern": "TLGC{seq:04d}", "period": "none"}, "TLGC0007"),
    ({"pattern": "{prefix}{seq}", "period": "none"}, "LEAD7"),
    ({"pattern": "{period}-{seq:03d}", "period": "year"}, "2026-007"), ({"prefix": "X"}, "X-202611-00007"),
    ({"prefix": "", "pattern": "{seq:02d}_{prefix}", "period": "none"}, "07_"),
])  # fmt: skip
def test_the_pattern_is_configuration(settings: dict[str, Any], expected: str) -> None:
    assert numbered(7, **settings) == expected
    assert len(numbered(123_456_789, **settings)) > len(expected)


def test_each_series_counts_by_itself() -> None:
    december, number = datetime(2026, 12, 1, tzinfo=UTC), LeadNumber()
    assert series(number, NOW) != series(number, december)
    assert series(LeadNumber(period="year"), NOW) == series(LeadNumber(period="year"), december)


@pytest.mark.parametrize(
    "pattern", ["LEAD", "{seq}{seq}", "{seq:5d}", "{seq:00d}", "{seq} x", "{seq}/", "{other}{seq}", "{}"]
)
def test_a_pattern_that_cannot_number_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|letters"):
        LeadNumber(pattern=pattern)
