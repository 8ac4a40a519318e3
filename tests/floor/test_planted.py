"""The watch over secrets can fail."""

import logging
import secrets

import pytest

from lead_crm import passwords
from tests import planted


def test_a_token_in_a_log_line_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "lines", [])
    token = secrets.token_urlsafe(32)
    logging.getLogger("lead_crm.http").info("signed in with %s", token)
    assert planted.found_in("\n".join(planted.lines)) == [token]


def test_a_password_is_known_once_it_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "lines", [])
    passwords.hashed("a password of some length")
    assert planted.found_in("... a password of some length ...") == ["a password of some length"]


def test_the_whole_run_is_kept_request_lines_included() -> None:
    logging.getLogger("lead_crm.request").info("request", extra={"facts": {"path": "/planted/"}})
    assert '"path":"/planted/"' in planted.lines[-1]
