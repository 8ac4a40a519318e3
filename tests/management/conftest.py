"""Dora, who signs in with a password."""

import pytest

from lead_crm import documents, passwords
from management import accounts
from management.accounts import Account
from tests.browser import DORA, PASSWORD
from tests.cast import NORTH, Cast


@pytest.fixture
def dora(cast: Cast) -> Account:
    return accounts.create(
        email=DORA, name="Dora", roles=["agent"], centers=[NORTH], password=PASSWORD, at=documents.now()
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords are compared without hashing; the list says which ones were looked at."""
    seen: list[str] = []

    def verified(password: str, kept: str | None) -> bool:
        seen.append(password)
        return password == PASSWORD and kept is not None

    monkeypatch.setattr(passwords, "verified", verified)
    return seen
