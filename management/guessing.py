"""What slows down whoever guesses passwords, without ever keeping the owner out for good."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from lead_crm import attempts
from lead_crm.contact import same_email
from lead_crm.errors import TooManyRequests

QUARTER: Final = timedelta(minutes=15)
FREE: Final = 5  # wrong passwords for one account from one address, before each further one has its wait
FIRST_WAIT: Final = timedelta(seconds=30)
PER_ADDRESS: Final = 50  # wrong passwords from one address, within a quarter of an hour
PER_ACCOUNT: Final = 10  # from everywhere together, within SHORT_WAIT: nobody can make the owner wait for longer
SHORT_WAIT: Final = timedelta(seconds=30)
KNOWN_FOR: Final = timedelta(days=30)  # and not at all where the owner has signed in lately

Limit = tuple[str, int, timedelta]


@dataclass(frozen=True)
class Guess:
    """Counted as wrong before the password is looked at, so that guesses in parallel count; until it proves right."""

    now: datetime
    taken: tuple[str, ...]
    own: str | None = None
    known: str | None = None

    def was_right(self) -> None:
        for key in self.taken:
            attempts.give_back(key, at=self.now)
        if self.own and self.known:
            attempts.forget(self.own)
            attempts.mark(self.known, until=self.now + KNOWN_FOR)


def of_password(email: str, *, address: str, now: datetime) -> Guess:
    """`address`: the client's fingerprint. Whoever has to wait is told for how long (429)."""
    account = mark(email)
    own, known = f"sign-in:{account}:{address}", f"known:{account}:{address}"
    limits = [_of_address(address)]
    if not attempts.marked(known, now=now):
        limits.append((f"sign-in:{account}", PER_ACCOUNT, SHORT_WAIT))
    taken = _taken(limits, now)
    wait = attempts.step(own, free=FREE, first=FIRST_WAIT, longest=QUARTER, per=QUARTER, now=now)
    if wait is not None:
        _refuse(taken, wait, now)
    return Guess(now, tuple(taken), own, known)


def of_invitation(*, address: str, now: datetime) -> Guess:
    return Guess(now, tuple(_taken([_of_address(address)], now)))


def _of_address(address: str) -> Limit:
    return f"sign-in:{address}", PER_ADDRESS, QUARTER


def _taken(limits: list[Limit], now: datetime) -> list[str]:
    taken: list[str] = []
    for key, most, per in limits:
        wait = attempts.take(key, most=most, per=per, now=now)
        if wait is not None:
            _refuse(taken, wait, now)
        taken.append(key)
    return taken


def _refuse(taken: list[str], wait: int, now: datetime) -> None:
    """What was not looked at does not count: hammering one account closes no office's door to all others."""
    for key in taken:
        attempts.give_back(key, at=now)
    raise TooManyRequests(f"Too many wrong passwords. Try again in {wait} seconds.", retry_after=wait)


def mark(email: str) -> str:
    """Tells e-mail addresses apart without keeping them."""
    text = f"account:{same_email(email)}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]
