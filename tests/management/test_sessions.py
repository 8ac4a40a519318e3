"""Signed in with a browser: the session lives on the server, and forged requests have no part in it."""

from datetime import timedelta

import pytest
from django.conf import settings

from lead_crm import directory, documents, mongo
from management import accounts, sessions
from tests.browser import DORA, PASSWORD, Browser
from tests.cast import NORTH, Cast
from tests.contract import CheckedClient

ME = "/api/auth/me/"
HOME = "http://testserver"


@pytest.fixture
def browser(dora: accounts.Account) -> Browser:
    """Dora's."""
    browser = Browser()
    assert browser.sign_in(DORA, PASSWORD).status_code == 200
    return browser


def elsewhere() -> Browser:
    browser = Browser("198.51.100.1")
    assert browser.sign_in(DORA, PASSWORD).status_code == 200
    return browser


def thief(browser: Browser) -> Browser:
    """Has a copy of the cookies."""
    return Browser("203.0.113.9", cookies={name: item.value for name, item in browser.client.cookies.items()})


def at(monkeypatch: pytest.MonkeyPatch, moment: object) -> None:
    monkeypatch.setattr(documents, "now", lambda: moment)


def status(client: CheckedClient) -> int:
    return client.get(ME).status_code


class TestTheSession:
    def test_reads_and_writes(self, browser: Browser) -> None:
        assert status(browser) == 200
        assert browser.patch(ME, {"name": "Dora the Second"}).json()["name"] == "Dora the Second"

    def test_is_kept_as_a_hash_only(self, browser: Browser) -> None:
        (row,) = mongo.collection("sessions").find()
        assert browser.session not in str(row)
        assert browser.cookie(sessions.CSRF_COOKIE) not in str(row)

    def test_is_dead_after_logout_for_every_copy_of_the_cookie(self, browser: Browser) -> None:
        copy = thief(browser)
        assert status(copy) == 200
        assert browser.post("/api/auth/logout/").status_code == 204
        assert status(copy) == status(browser) == 401
        assert browser.session == browser.cookie(sessions.CSRF_COOKIE) == ""

    def test_ends_at_logout_and_not_at_other_browsers(self, browser: Browser) -> None:
        other = elsewhere()
        browser.post("/api/auth/logout/")
        assert status(other) == 200

    def test_gets_a_new_secret_at_every_sign_in_and_the_old_one_ends(self, browser: Browser) -> None:
        before = thief(browser)
        assert browser.sign_in(DORA, PASSWORD).status_code == 200
        assert browser.session != before.session
        assert (status(browser), status(before)) == (200, 401)

    def test_is_not_taken_from_a_stranger(self, dora: accounts.Account) -> None:
        planted = Browser(cookies={sessions.COOKIE: "a-session-that-somebody-else-has-chosen"})
        assert status(planted) == 401
        planted.sign_in(DORA, PASSWORD)
        assert planted.session != "a-session-that-somebody-else-has-chosen"

    def test_ends_after_twelve_idle_hours(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        start = documents.now()
        for hours, expected in [(11, 200), (22, 200), (34.1, 401)]:
            at(monkeypatch, start + timedelta(hours=hours))
            assert status(browser) == expected, hours

    def test_ends_after_a_fortnight_however_busy(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        start = documents.now()
        for hours in range(10, 14 * 24, 10):
            at(monkeypatch, start + timedelta(hours=hours))
            assert status(browser) == 200, hours
        at(monkeypatch, start + timedelta(days=14))
        assert status(browser) == 401

    def test_is_written_once_a_minute_at_most(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        (before,) = mongo.collection("sessions").find()
        for seconds in (20, 40, 59):
            at(monkeypatch, before["seen_at"] + timedelta(seconds=seconds))
            assert status(browser) == 200
        assert list(mongo.collection("sessions").find()) == [before]
        at(monkeypatch, before["seen_at"] + timedelta(seconds=61))
        status(browser)
        assert mongo.collection("sessions").find_one()["expires_at"] == before["expires_at"] + timedelta(seconds=61)

    def test_that_ends_while_its_time_is_moved_stays_ended(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed = sessions.Session.changed

        def ended_first(session: sessions.Session, **values: object) -> sessions.Session:
            sessions.end(browser.session)
            return changed(session, **values)

        monkeypatch.setattr(sessions.Session, "changed", ended_first)
        at(monkeypatch, documents.now() + timedelta(minutes=2))
        status(browser)
        assert status(browser) == 401
        assert mongo.collection("sessions").count_documents({}) == 0

    def test_of_an_inactive_account_opens_nothing(self, browser: Browser, dora: accounts.Account) -> None:
        """Even one that nobody has ended."""
        accounts.replace(accounts.edited(dora, at=documents.now(), active=False), read=dora.version)
        directory.forget()  # as after five seconds
        assert mongo.collection("sessions").count_documents({}) == 1
        assert status(browser) == 401

    def test_of_a_deactivated_person_ends_at_once(self, cast: Cast, browser: Browser, dora: accounts.Account) -> None:
        assert status(browser) == 200
        assert cast.root.patch(f"/api/users/{dora.uid}/", {"active": False}).status_code == 200
        assert status(browser) == 401
        assert cast.root.patch(f"/api/users/{dora.uid}/", {"active": True}).status_code == 200
        assert status(browser) == 401

    def test_belongs_to_all_tabs(self, browser: Browser) -> None:
        tab = browser.tab()
        assert tab.patch(ME, {"name": "From the other tab"}).status_code == 200
        browser.sign_in(DORA, PASSWORD)
        assert tab.patch(ME, {"name": "Still here"}).status_code == 200
        browser.post("/api/auth/logout/")
        assert status(tab) == 401

    def test_is_not_looked_at_beside_a_token(self, cast: Cast, browser: Browser) -> None:
        beside = browser.get(ME, Authorization=f"Bearer {cast.vera.token}")
        assert (beside.json()["name"], beside.json()["csrf_token"]) == ("Vera", None)
        assert browser.get(ME, Authorization="Bearer lcrm_nonsense").status_code == 401
        assert browser.get(ME, Authorization="").status_code == 401

    def test_is_not_ended_by_a_token(self, cast: Cast, browser: Browser) -> None:
        assert browser.post("/api/auth/logout/", Authorization=f"Bearer {cast.vera.token}").status_code == 409
        assert status(browser) == 200


class TestTheCookies:
    def test_say_what_browsers_may_do_with_them(self, browser: Browser) -> None:
        secret, token = (browser.client.cookies[name] for name in (sessions.COOKIE, sessions.CSRF_COOKIE))
        assert (secret["httponly"], secret["samesite"], secret["path"], secret["secure"]) == (True, "Lax", "/", "")
        assert (token["httponly"], token["samesite"], token["path"]) == ("", "Lax", "/")

    def test_travel_over_https_only_where_there_is_https(
        self, dora: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "HTTPS", True)
        browser = Browser()
        browser.sign_in(DORA, PASSWORD)
        assert [browser.client.cookies[name]["secure"] for name in (sessions.COOKIE, sessions.CSRF_COOKIE)] == [
            True
        ] * 2

    def test_the_readable_one_is_the_token_of_the_answers(self, browser: Browser) -> None:
        assert browser.get(ME).json()["csrf_token"] == browser.cookie(sessions.CSRF_COOKIE)


class TestAForgedRequest:
    """Comes from a page of others, with our cookie and without what only our pages know."""

    def test_without_the_token_is_refused(self, browser: Browser) -> None:
        refused = browser.patch(ME, {"name": "Forged"}, X_CSRF_Token="")
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
        assert browser.get(ME).json()["name"] == "Dora"

    def test_over_plain_http_is_not_ours_where_there_is_https(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "HTTPS", True)
        assert browser.patch(ME, {"name": "Forged"}, Origin=HOME).status_code == 403
        assert browser.patch(ME, {"name": "Ours"}, Origin=HOME.replace("http", "https")).status_code == 200

    def test_with_the_token_of_another_session_is_refused(self, browser: Browser) -> None:
        other = elsewhere().cookie(sessions.CSRF_COOKIE)
        assert browser.patch(ME, {"name": "Forged"}, X_CSRF_Token=other).status_code == 403
        assert browser.patch(ME, {"name": "Forged"}, X_CSRF_Token="é").status_code == 403

    def test_after_a_new_sign_in_the_old_token_is_refused(self, browser: Browser) -> None:
        before = browser.cookie(sessions.CSRF_COOKIE)
        browser.sign_in(DORA, PASSWORD)
        assert browser.patch(ME, {"name": "Forged"}, X_CSRF_Token=before).status_code == 403

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "", "http://[", f"{HOME}.evil.example", f"{HOME}:81"]
    )
    def test_of_a_foreign_origin_is_refused(self, browser: Browser, origin: str) -> None:
        refused = browser.patch(ME, {"name": "Forged"}, Origin=origin)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
        assert browser.sign_in(DORA, PASSWORD, Origin=origin).status_code == 403
        assert browser.post("/api/auth/accept/", {"token": "t", "password": "p"}, Origin=origin).status_code == 403

    def test_an_origin_that_is_ours_or_allowed_is_good(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        assert browser.patch(ME, {"name": "Ours"}, Origin=HOME).status_code == 200
        monkeypatch.setattr(settings, "ALLOWED_ORIGINS", ["https://board.example", "*"])
        assert browser.patch(ME, {"name": "Allowed"}, Origin="https://board.example").status_code == 200
        assert browser.patch(ME, {"name": "Any"}, Origin="https://evil.example").status_code == 403

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
    def test_of_a_form_is_refused(self, browser: Browser, kind: str) -> None:
        body = {"email": DORA, "password": PASSWORD}
        assert browser.send("PATCH", ME, {"name": "Forged"}, content_type=kind).status_code == 415
        assert browser.send("POST", "/api/auth/login/", body, content_type=kind).status_code == 415

    def test_json_may_name_its_charset(self, browser: Browser) -> None:
        kind = "Application/JSON; charset=utf-8"
        assert browser.send("PATCH", ME, {"name": "Named"}, content_type=kind).status_code == 200

    def test_programs_with_a_token_need_none_of_this(self, cast: Cast) -> None:
        body = {"name": "Ada Lovelace", "fields": {"budget": "100.00"}}
        made = cast.bob.send("POST", "/api/leads/", body, content_type="text/plain", Origin="https://elsewhere.example")
        assert made.status_code == 201

    def test_reading_needs_no_token(self, browser: Browser) -> None:
        assert browser.get("/api/leads/", Origin="https://evil.example", X_CSRF_Token="").status_code == 200


class TestMe:
    def test_says_who_one_is_and_what_one_may(self, browser: Browser, dora: accounts.Account) -> None:
        me = browser.get(ME).json()
        assert (me["uid"], me["name"], me["email"], me["kind"]) == (dora.uid, "Dora", DORA, "person")
        assert (me["roles"], me["centers"], me["scope"]) == (["agent"], [NORTH], "own")
        assert {"lead.create", "lead.move"} <= set(me["permissions"])
        assert "workflow.edit" not in me["permissions"]

    def test_of_a_token_has_no_csrf_token(self, cast: Cast) -> None:
        me = cast.bob.get(ME).json()
        assert (me["uid"], me["kind"], me["csrf_token"]) == (cast.bob.uid, "token", None)

    def test_of_nobody_is_401(self, cast: Cast) -> None:
        assert status(cast.nobody) == 401

    def test_changes_the_name_and_nothing_else(self, browser: Browser) -> None:
        assert browser.patch(ME, {"name": "Dorothea"}).json()["name"] == "Dorothea"
        assert browser.patch(ME, {}).json()["name"] == "Dorothea"
        assert browser.get(ME).json()["name"] == "Dorothea"
        for forbidden in ({"roles": ["super_admin"]}, {"email": "x@example.com"}, {"centers": []}, {"name": None}):
            assert browser.patch(ME, forbidden).status_code == 422

    def test_is_not_changed_by_a_token(self, cast: Cast) -> None:
        assert cast.bob.patch(ME, {"name": "Bobby"}).status_code == 403
        passwords = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        assert cast.bob.post("/api/auth/password/", passwords).status_code == 403
