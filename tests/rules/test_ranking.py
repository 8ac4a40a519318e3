"""Cards keep their order whatever is dropped where."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from leads.ranking import below, between, bottom, top
from tests.rules.making import NOW, later

moments = st.integers(-(10**9), 10**9).map(lambda seconds: later(seconds=seconds))
salts = st.text("0123456789abcdef", min_size=4, max_size=6).map(lambda salt: f"{salt}1")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), salts), max_size=60))
def test_every_card_stands_where_it_was_dropped(drops: list[tuple[int, str]]) -> None:
    ranks = [top(NOW, "a1")]
    for place, salt in drops:
        at = place % (len(ranks) + 1)
        low, high = ranks[at - 1] if at else None, ranks[at] if at < len(ranks) else None
        ranks.insert(at, between(low, high, salt))
    assert all(first < second for first, second in pairwise(ranks))


@settings(max_examples=300, deadline=None)
@given(moments, st.integers(1, 10**10), salts, salts)
@example(datetime(2004, 11, 3, 19, 53, 47, tzinfo=UTC), 1, "b1", "a1")
def test_later_goes_above_on_top_and_below_at_the_bottom(moment: datetime, later_by: int, one: str, two: str) -> None:
    after = moment + timedelta(milliseconds=later_by)
    assert top(after, one) < top(moment, two) < bottom(moment, one) < bottom(after, two)


def test_cards_dropped_at_the_same_place_at_once_stay_apart() -> None:
    low, high = top(later(hours=1), "a1"), top(NOW, "b1")
    assert len({low, high, between(low, high, "aaaa1"), between(low, high, "bbbb1")}) == 4


def test_keys_stay_short_under_ordinary_use() -> None:
    ranks = [top(later(minutes=-minute), "abcdef1") for minute in range(50)]
    for number in range(200):  # all over the column
        at = number * 37 % (len(ranks) - 1)
        ranks.insert(at + 1, between(ranks[at], ranks[at + 1], "abcd1"))
    assert max(map(len, ranks)) < 60


def test_keys_stay_short_when_every_card_is_dropped_at_the_end_of_the_column() -> None:
    last = bottom(NOW, "abcdef1")
    for second in range(1, 100):
        dropped = below(last, None, "abcd1", later(seconds=second))
        assert last < dropped
        last = dropped
    assert len(last) < 20


def test_what_enters_later_goes_below_what_was_dropped_last() -> None:
    last = bottom(NOW, "a1")
    assert last < between(last, None, "b1") < bottom(later(seconds=1), "c1")
    assert between(None, None, "a1") < bottom(NOW, "b1")
