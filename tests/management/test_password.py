"""Changing one's password."""

from typing import Any

import pytest

from lead_crm import documents, mongo, passwords
from management import accounts, sessions
from tests.api.steps import at_once, codes
from tests.browser import DORA, PASSWORD, WRONG, Browser, tries

NEW = "five blue teapots"


@pytest.fixture
def browser(dora: accounts.Account) -> Browser:
    browser = Browser()
    browser.sign_in(DORA, PASSWORD)
    return browser


def change(browser: Browser, new: str = NEW, current: str = PASSWORD) -> Any:
    return browser.post("/api/auth/password/", {"current_password": current, "new_password": new})


def test_ends_all_other_sessions_and_keeps_this_one_under_a_new_secret(browser: Browser) -> None:
    other = Browser("198.51.100.1")
    other.sign_in(DORA, PASSWORD)
    before = browser.session
    changed = change(browser)
    assert (changed.status_code, changed.json()["csrf_token"]) == (200, browser.cookie(sessions.CSRF_COOKIE))
    assert browser.session != before
    assert browser.patch("/api/auth/me/", {"name": "Dora"}).status_code == 200
    assert other.get("/api/auth/me/").status_code == 401
    assert Browser(cookies={sessions.COOKIE: before}).get("/api/auth/me/").status_code == 401
    assert mongo.collection("sessions").count_documents({}) == 1


def test_the_new_one_opens_and_the_old_one_does_not(browser: Browser) -> None:
    change(browser)
    assert tries(Browser(), 1, PASSWORD) == [401]
    assert tries(Browser(), 1, NEW) == [200]


def test_needs_the_present_one(browser: Browser) -> None:
    refused = change(browser, current=WRONG)
    assert (refused.status_code, codes(refused)) == (422, {("/current_password", "wrong_password")})
    assert tries(Browser(), 1, PASSWORD) == [200]


def test_guessing_the_present_one_is_slowed_as_well(browser: Browser, quick: list[str]) -> None:
    answers = [change(browser, current=WRONG).status_code for _ in range(7)]
    assert answers == [422] * 5 + [429] * 2


@pytest.mark.parametrize(
    ("new", "code"),
    [("short", "too_short"), ("Password 1234", "too_common"), ("x" * 257, "string_too_long"),
     ("Dorothea Longname", "too_personal"), ("dorothea.longname", "too_personal")],
)  # fmt: skip
def test_a_weak_one_is_refused_with_its_reason(dora: accounts.Account, new: str, code: str) -> None:
    named = accounts.edited(dora, at=documents.now(), name="Dorothea Longname", email="dorothea.longname@example.com")
    accounts.replace(named, read=dora.version)
    browser = Browser()
    browser.sign_in(named.email, PASSWORD)
    refused = change(browser, new)
    assert (refused.status_code, codes(refused)) == (422, {("/new_password", code)})


def test_of_two_at_once_one_wins(browser: Browser) -> None:
    tabs = [Browser(f"192.0.2.{n}", cookies={sessions.COOKIE: browser.session, sessions.CSRF_COOKIE: browser.cookie(
        sessions.CSRF_COOKIE)}) for n in range(4)]  # fmt: skip
    answers = at_once([lambda tab=tab, n=n: change(tab, f"{NEW} {n}") for n, tab in enumerate(tabs)])
    winners = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    assert len(winners) == 1
    assert tries(Browser(), 1, f"{NEW} {winners[0]}") == [200]
    assert mongo.collection("sessions").count_documents({}) == 2


def test_a_sign_in_with_the_old_one_in_the_same_moment_does_not_outlive_it(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = passwords.verified

    def and_then(password: str, kept: str | None) -> bool:
        right = verified(password, kept)
        monkeypatch.setattr(passwords, "verified", verified)
        assert change(browser).status_code == 200
        return right

    monkeypatch.setattr(passwords, "verified", and_then)
    assert tries(Browser("198.51.100.1"), 1, PASSWORD) == [401]
    assert mongo.collection("sessions").count_documents({}) == 1
