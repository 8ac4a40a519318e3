"""Where a card stands in its column: text keys with room between any two of them, sorted as plain text.

Cards that enter on top or at the bottom are ranked by the clock, so that nobody has to look at their neighbours.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
BASE: Final = len(DIGITS)
WIDTH: Final = 9
LAST: Final = BASE**WIDTH - 1
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def top(now: datetime, salt: str) -> str:
    return f"m{_digits(LAST - _milliseconds(now))}{salt}"


def bottom(now: datetime, salt: str) -> str:
    return f"t{_digits(_milliseconds(now))}{salt}"


def above(anchor: str, beside: str | None, salt: str, now: datetime) -> str:
    """Between two cards; above the first card of a column like one that enters it now."""
    key = top(now, salt)
    return key if beside is None and key < anchor else between(beside, anchor, salt)


def below(anchor: str, beside: str | None, salt: str, now: datetime) -> str:
    key = bottom(now, salt)
    return key if beside is None and key > anchor else between(anchor, beside, salt)


def between(low: str | None, high: str | None, salt: str) -> str:
    """A key after `low` and before `high`; `salt` keeps two that are made at the same moment apart.

    With nothing above `low`, the key stays close to it: below all that will enter at the bottom later.
    """
    if high is None:
        return (low or "") + DIGITS[BASE // 2] + salt
    return _middle(low or "", high) + salt


def _middle(low: str, high: str) -> str:
    prefix, above = "", high
    while True:
        a = DIGITS.index(low[0]) if low else 0
        b = DIGITS.index(above[0]) if above else BASE
        if b - a > 1:
            return prefix + DIGITS[(a + b) // 2]
        prefix, low = prefix + DIGITS[a], low[1:]
        # Below the first digit that differs, any longer key will do.
        above = above[1:] if a == b else ""


def _milliseconds(now: datetime) -> int:
    return (now - EPOCH) // MILLISECOND  # exactly: as seconds it would be a fraction, and two moments one


def _digits(number: int) -> str:
    text = ""
    for _ in range(WIDTH):
        number, digit = divmod(number, BASE)
        text = DIGITS[digit] + text
    return text
