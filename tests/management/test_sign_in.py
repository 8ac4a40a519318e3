"""Signing in with a password: who gets in, who has to wait, and what is kept of it."""

import hashlib
import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from lead_crm import audit, documents, idempotency, mongo, passwords
from management import accounts, guessing
from tests.api.steps import at_once, codes
from tests.browser import DORA, PASSWORD, WRONG, Browser, tries
from tests.cast import Cast


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = documents.now()
        monkeypatch.setattr(documents, "now", lambda: self.now)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def wait(browser: Browser, password: str = WRONG) -> int:
    refused = browser.sign_in(DORA, password)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused.json()["retry_after"] == int(refused["Retry-After"])
    return int(refused["Retry-After"])


class TestWhoGetsIn:
    def test_the_right_password_answers_who_one_is(self, dora: accounts.Account) -> None:
        me = Browser().sign_in(DORA, PASSWORD).json()
        assert (me["uid"], me["email"], me["kind"]) == (dora.uid, DORA, "person")
        assert me["csrf_token"]

    def test_the_spelling_of_the_address_does_not_matter(self, dora: accounts.Account) -> None:
        assert Browser().sign_in("Dora@Example.com", PASSWORD).status_code == 200

    def test_every_wrong_pair_is_answered_alike(self, cast: Cast, dora: accounts.Account) -> None:
        """Wrong password, unknown address, an account without a password, one that is not active."""
        assert cast.vera.uid
        accounts.create(email="gone@example.com", name="Gone", roles=["agent"], password=PASSWORD, at=documents.now())
        gone = accounts.with_email("gone@example.com")
        accounts.replace(accounts.edited(gone, at=documents.now(), active=False), read=gone.version)
        wrong = [(DORA, WRONG), ("nobody@example.com", WRONG), ("vera@example.com", WRONG), (gone.email, PASSWORD)]
        answers = [Browser().sign_in(*pair) for pair in wrong]
        bodies = [{k: v for k, v in a.json().items() if k != "request_id"} for a in answers]
        assert bodies[0]["code"] == "wrong_credentials"
        assert all((a.status_code, body) == (401, bodies[0]) for a, body in zip(answers, bodies, strict=True))
        assert not any(a.cookies for a in answers)

    def test_an_unknown_address_takes_as_much_work_as_a_known_one(
        self, cast: Cast, dora: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert cast.vera.uid  # has no password
        work: list[Any] = []
        verify = passwords.Hasher.verify

        def watched(self: passwords.Hasher, password: str, encoded: str) -> bool:
            work.append(self.decode(encoded)["params"])
            return bool(verify(self, password, encoded))

        monkeypatch.setattr(passwords.Hasher, "verify", watched)
        for email in (DORA, "nobody@example.com", "vera@example.com"):
            assert tries(Browser(), 1, email=email) == [401]
        assert work == [work[0]] * 3
        assert (work[0].memory_cost, work[0].time_cost) == (19 * 1024, 2)

    @pytest.mark.parametrize(
        "body", [{}, {"email": DORA}, {"email": "dora", "password": "x"}, {"email": DORA, "password": ""}]
    )
    def test_what_is_not_an_address_and_a_password_is_422(self, dora: accounts.Account, body: Any) -> None:
        assert Browser().post("/api/auth/login/", body).status_code == 422

    def test_a_sign_in_is_noted_at_the_account_without_a_new_version(self, dora: accounts.Account) -> None:
        Browser().sign_in(DORA, PASSWORD)
        after = accounts.with_email(DORA)
        assert (after.version, after.password) == (dora.version, dora.password)
        assert after.last_sign_in_at is not None

    def test_a_hash_of_older_parameters_is_made_anew(
        self, dora: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passwords.Hasher, "time_cost", 3)
        Browser().sign_in(DORA, PASSWORD)
        after = accounts.with_email(DORA)
        assert "t=3" in str(after.password)
        assert Browser().sign_in(DORA, PASSWORD).status_code == 200
        assert accounts.with_email(DORA).password == after.password

    def test_who_is_deactivated_in_the_middle_of_it_is_not_in(
        self, cast: Cast, dora: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verified = passwords.verified

        def and_then(password: str, kept: str | None) -> bool:
            right = verified(password, kept)
            assert cast.root.patch(f"/api/users/{dora.uid}/", {"active": False}).status_code == 200
            return right

        monkeypatch.setattr(passwords, "verified", and_then)
        assert Browser().sign_in(DORA, PASSWORD).status_code == 401
        assert mongo.collection("sessions").count_documents({}) == 0


class TestGuessing:
    def test_is_slowed_more_and_more(self, dora: accounts.Account, quick: list[str], clock: Clock) -> None:
        guesser, waits = Browser(), []
        assert tries(guesser, 5) == [401] * 5
        for _ in range(7):
            waits.append(wait(guesser))
            clock.forward(seconds=waits[-1])
            assert tries(guesser, 1) == [401]
        assert waits == [30, 60, 120, 240, 480, 900, 900]

    def test_the_right_password_is_not_looked_at_during_the_wait(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        guesser = Browser()
        tries(guesser, 5)
        assert wait(guesser, PASSWORD) == 30
        assert PASSWORD not in quick
        clock.forward(seconds=30)
        assert tries(guesser, 1, PASSWORD) == [200]

    def test_from_one_address_does_not_keep_the_owner_out_elsewhere(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        tries(Browser("203.0.113.9"), 30)
        assert Browser("198.51.100.1").sign_in(DORA, PASSWORD).status_code == 200

    def test_from_everywhere_keeps_the_owner_out_for_half_a_minute_at_most(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        for n in range(30):
            tries(Browser(f"203.0.113.{n}"), 1)
            clock.forward(seconds=0.1)
        owner = Browser("198.51.100.1")
        assert len(quick) == guessing.PER_ACCOUNT
        assert 0 < wait(owner, PASSWORD) <= 30
        clock.forward(seconds=wait(owner, PASSWORD))
        assert tries(owner, 1, PASSWORD) == [200]

    def test_is_not_in_the_way_of_the_owner_where_they_have_signed_in_lately(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        assert tries(Browser("198.51.100.1"), 1, PASSWORD) == [200]
        for n in range(30):
            tries(Browser(f"203.0.113.{n}"), 1)
        assert tries(Browser("198.51.100.1"), 1, PASSWORD) == [200]

    def test_of_many_accounts_from_one_address_is_slowed_too(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        guesser = Browser()
        answers = Counter(code for n in range(60) for code in tries(guesser, 1, email=f"person-{n}@example.com"))
        assert answers == {401: guessing.PER_ADDRESS, 429: 60 - guessing.PER_ADDRESS}
        assert wait(guesser) == 900

    def test_of_one_account_does_not_close_the_door_to_its_neighbours(
        self, dora: accounts.Account, quick: list[str], clock: Clock
    ) -> None:
        """An office behind one address: who is refused without a look costs the others nothing."""
        tries(Browser(), 80, email="nobody@example.com")
        assert tries(Browser(), 1, PASSWORD) == [200]

    def test_ends_with_the_right_password(self, dora: accounts.Account, quick: list[str], clock: Clock) -> None:
        browser = Browser()
        for _ in range(4):
            assert [*tries(browser, 4), *tries(browser, 1, PASSWORD)] == [401] * 4 + [200]

    def test_right_passwords_count_nowhere(self, dora: accounts.Account, quick: list[str], clock: Clock) -> None:
        assert set(tries(Browser(), 70, PASSWORD)) == {200}

    def test_in_parallel_is_counted_exactly(self, dora: accounts.Account, quick: list[str], clock: Clock) -> None:
        answers = at_once([lambda: Browser().sign_in(DORA, WRONG).status_code] * 60)
        assert Counter(answers) == {401: 5, 429: 55}
        assert len(quick) == 5

    def test_on_a_fast_line_of_ipv6_counts_as_one(self, dora: accounts.Account, quick: list[str], clock: Clock) -> None:
        answers = [code for n in range(8) for code in tries(Browser(f"2001:db8:1:1::{n}"), 1)]
        assert Counter(answers) == {401: 5, 429: 3}

    def test_leaves_no_address_of_a_person_or_a_machine(self, dora: accounts.Account, clock: Clock) -> None:
        browser = Browser("198.51.100.77")
        tries(browser, 1)
        tries(browser, 1, email="nobody@example.com")
        tries(browser, 1, PASSWORD)
        audit.flush()
        kept = str([*mongo.collection("attempts").find(), *mongo.collection("audit").find()])
        kept += str([*mongo.collection("sessions").find(), *mongo.collection("idempotency").find()])
        assert not [text for text in (DORA, "nobody@", "198.51.100", PASSWORD, WRONG) if text in kept]


class TestTheRecord:
    def entries(self) -> list[tuple[str, str, list[str], int]]:
        audit.flush()
        rows = mongo.collection("audit").find({"action": {"$regex": "^sign"}}).sort("at", 1)
        return [(row["action"], row["actor"], row["subjects"], row["times"]) for row in rows]

    def test_names_who_came_and_went(self, dora: accounts.Account) -> None:
        browser = Browser()
        browser.sign_in(DORA, PASSWORD)
        browser.post("/api/auth/logout/")
        assert self.entries() == [("sign_in", dora.uid, [dora.uid], 1), ("sign_out", dora.uid, [dora.uid], 1)]

    def test_names_whose_password_was_guessed_at(self, dora: accounts.Account) -> None:
        tries(Browser(), 1)
        assert self.entries() == [("sign_in_failed", "anybody", [dora.uid], 1)]

    def test_has_a_mark_only_for_addresses_that_nobody_has(self, dora: accounts.Account) -> None:
        tries(Browser(), 2, email="nobody@example.com")
        found = self.entries()
        assert sum(times for _, _, _, times in found) == 2
        mark = f"unknown:{guessing.mark('nobody@example.com')}"
        assert {(action, *subjects) for action, _, subjects, _ in found} == {("sign_in_failed", mark)}


class TestAnInvitation:
    @pytest.fixture
    def token(self, cast: Cast) -> str:
        invited = cast.root.post(f"/api/users/{cast.bob.uid}/invite/", {})
        assert invited.status_code < 300, invited.content
        return str(invited.json()["token"])

    def accept(self, token: str, password: str = PASSWORD) -> tuple[Browser, Any]:
        browser = Browser()
        return browser, browser.post("/api/auth/accept/", {"token": token, "password": password})

    def test_signs_in_whoever_accepts_it(self, cast: Cast, token: str) -> None:
        browser, accepted = self.accept(token)
        assert (accepted.status_code, accepted.json()["uid"]) == (200, cast.bob.uid)
        assert browser.get("/api/auth/me/").json()["uid"] == cast.bob.uid
        assert tries(Browser(), 1, PASSWORD, "bob@example.com") == [200]

    def test_works_once(self, token: str) -> None:
        self.accept(token)
        assert self.accept(token)[1].status_code == 401

    def test_a_weak_password_leaves_it_open(self, token: str) -> None:
        assert codes(self.accept(token, "short")[1]) == {("/password", "too_short")}
        assert self.accept(token)[1].status_code == 200

    def test_guessing_is_slowed(self, cast: Cast) -> None:
        answers = Counter(self.accept(f"guess-{n}")[1].status_code for n in range(guessing.PER_ADDRESS + 2))
        assert answers == {401: guessing.PER_ADDRESS, 429: 2}


class TestUnderLoad:
    def test_two_threads_hash_the_passwords_of_all(
        self, dora: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No more memory at once than two hashes take, and none kept by a thread that has had its turn."""
        verify = passwords.Hasher.verify
        threads: set[int] = set()

        def watched(self: passwords.Hasher, password: str, encoded: str) -> bool:
            threads.add(threading.get_ident())
            return bool(verify(self, password, encoded))

        monkeypatch.setattr(passwords.Hasher, "verify", watched)
        answers = at_once([lambda n=n: Browser(f"192.0.2.{n}").sign_in(DORA, PASSWORD).status_code for n in range(10)])
        assert set(answers) == {200}
        assert 1 <= len(threads) <= 2

    def test_an_answer_with_a_session_is_not_kept_for_repeated_requests(self, dora: accounts.Account) -> None:
        first, second = Browser(), Browser()
        for browser in (first, second):
            assert browser.sign_in(DORA, PASSWORD, Idempotency_Key="k").status_code == 200
        assert first.session != second.session
        kept = json.dumps([*mongo.collection("idempotency").find()], default=str)
        assert first.session not in kept
        assert second.session not in kept


def test_what_is_kept_of_a_repeatable_request_tells_nothing_about_a_password_in_it(empty: None) -> None:
    """A bare hash of the body would be a fast one of the password."""
    body = json.dumps({"email": DORA, "password": PASSWORD}).encode()
    idempotency.begin("k", body=body, now=documents.now())
    (row,) = mongo.collection("idempotency").find()
    assert row["body"] != hashlib.sha256(body).hexdigest()
