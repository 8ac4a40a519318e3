"""Passwords: argon2id, with parameters that let many people sign in at once without exhausting memory."""

import functools
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from django.contrib.auth.hashers import Argon2PasswordHasher, make_password

from lead_crm.errors import Fault, Invalid

SHORTEST: Final = 12
LONGEST: Final = 256
# Those long enough that a guesser tries first.
COMMON: Final = frozenset({
    "123456789012", "1234567890123", "12345678901234", "123456123456", "123123123123", "111111111111", "000000000000",
    "aaaaaaaaaaaa", "qwertyuiop123", "qwertyuiopasdf", "qwerty123456", "1q2w3e4r5t6y", "1qaz2wsx3edc", "password1234",
    "password12345", "passwordpassword", "administrator", "admin1234567", "iloveyou1234", "letmeinletmein",
    "welcome12345", "changemenow!", "correcthorsebatterystaple",
})  # fmt: skip

# Each hash takes 19 MiB, and what a thread has freed it keeps for itself: so two threads do it for all the others.
_hashing = ThreadPoolExecutor(2, thread_name_prefix="passwords")


class Hasher(Argon2PasswordHasher):
    """19 MiB and one lane each (the minimum recommended for argon2id)."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1


def hashed(password: str, *, personal: Iterable[str] = (), pointer: str = "/password") -> str:
    """`personal`: what a guesser who knows the person would try, such as the e-mail address."""
    if found := fault(password, personal, pointer):
        raise Invalid([found])
    return renewed(password)


def fault(password: str, personal: Iterable[str], pointer: str = "/password") -> Fault | None:
    if len(password) < SHORTEST:
        return Fault(pointer, "too_short", f"Choose a password of at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        return Fault(pointer, "too_long", f"Choose a password of at most {LONGEST} characters.")
    plain = _plain(password)
    if plain in COMMON:
        return Fault(pointer, "too_common", "This is among the first passwords a guesser tries. Choose another.")
    if plain in {_plain(name) for whole in personal for name in (whole, whole.partition("@")[0])}:
        return Fault(pointer, "too_personal", "Choose a password that is not your name or e-mail address.")
    return None


def _plain(text: str) -> str:
    return text.casefold().replace(" ", "")


def verified(password: str, kept: str | None) -> bool:
    """Takes the same time where there is no password to compare with."""
    dummy = _dummy()
    return bool(_hashing.submit(Hasher().verify, password, kept or dummy).result()) and kept is not None


@functools.cache
def _dummy() -> str:
    return renewed(secrets.token_urlsafe(16))


def outdated(kept: str) -> bool:
    """Made with parameters that have changed since."""
    return bool(Hasher().must_update(kept))


def renewed(password: str) -> str:
    """The same password under today's parameters; it was accepted once and is not judged again."""
    return str(_hashing.submit(make_password, password).result())
