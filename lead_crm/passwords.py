"""Passwords: argon2id, with parameters that let many people sign in at once without exhausting memory."""

from django.contrib.auth.hashers import Argon2PasswordHasher, make_password

from lead_crm.errors import Fault, Invalid

SHORTEST = 12


class Hasher(Argon2PasswordHasher):
    """19 MiB and one lane each (the minimum recommended for argon2id)."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1


def hashed(password: str) -> str:
    if len(password) < SHORTEST:
        raise Invalid([Fault("/password", "too_short", f"Choose a password of at least {SHORTEST} characters.")])
    return str(make_password(password))
