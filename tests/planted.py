"""Every secret that the suite makes is remembered, and must turn up in no log and no problem."""

import logging
import secrets
from collections.abc import Callable
from typing import Any

from lead_crm import logs, passwords
from lead_crm.logs import JsonLines

SHORTEST = 8

known: set[str] = set()
lines: list[str] = []


def watch() -> None:
    """From here on: tokens, session secrets and invitations as they are drawn, passwords as they are hashed."""
    secrets.token_urlsafe = _noted(secrets.token_urlsafe)  # type: ignore[assignment]
    passwords.hashed = _seen(passwords.hashed)
    logs.configure = _listened_to(logs.configure)
    _listen()


def _listened_to(configure: Callable[[dict[str, str]], None]) -> Callable[[dict[str, str]], None]:
    """Setting the app up anew, as loading it for WSGI does, takes all other handlers away."""

    def configured(config: dict[str, str]) -> None:
        configure(config)
        _listen()

    return configured


def _listen() -> None:
    handler = Kept()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for other in root.handlers:
        other.setLevel(root.level)  # what is printed stays as it was; everything is kept
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)


class Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines.append(self.format(record))


def _noted(draw: Callable[..., str]) -> Callable[..., str]:
    def drawn(*args: Any) -> str:
        secret = draw(*args)
        known.add(secret)
        return secret

    return drawn


def _seen(work: Callable[..., str]) -> Callable[..., str]:
    def seen(password: str, *args: Any, **kwargs: Any) -> str:
        known.add(password)
        return work(password, *args, **kwargs)

    return seen


def found_in(text: str) -> list[str]:
    return [secret for secret in known if len(secret) >= SHORTEST and secret in text]
