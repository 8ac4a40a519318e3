"""Tokens (JWT) of an outside identity provider, and the provider's keys."""

import hashlib
import logging
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final

import jwt
from django.conf import settings
from jwt import PyJWK
from pydantic import BaseModel

from lead_crm import directory
from lead_crm.access import Actor
from lead_crm.contact import same_email
from management import accounts

# By kind of key: a token cannot choose another kind of proof, let alone a secret shared by everybody, or none.
ALGORITHMS: Final[Mapping[str, list[str]]] = {
    "RSA": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "EC": ["ES256", "ES384", "ES512"],
    "OKP": ["EdDSA"],
}
REQUIRED: Final = ["exp", "iss", "aud", "sub"]
LEEWAY_SECONDS: Final = 30
KEPT_SECONDS: Final = 300.0
GIVEN_UP_SECONDS: Final = 24 * 3600.0  # whoever keeps the provider from us must not keep a withdrawn key alive
ASKED_AT_MOST_EVERY: Final = 10.0
TIMEOUT_SECONDS: Final = 3.0
LONGEST_TOKEN: Final = 8_192
LARGEST_ANSWER: Final = 1024 * 1024

log = logging.getLogger("lead_crm.identity")


class Keys:
    """The provider's keys: remembered, asked for again when they grow old or an unknown one turns up, but not often.

    When the provider does not answer, those that are known go on being good.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.known: dict[str | None, PyJWK] = {}
        self.fetched = self.asked = -1e9
        self.asking = threading.Lock()

    def get(self, name: str | None) -> PyJWK | None:
        known = self._kept(name)
        if known is None or time.monotonic() - self.fetched > KEPT_SECONDS:
            self._ask(patiently=known is None)
        return self._kept(name)

    def _kept(self, name: str | None) -> PyJWK | None:
        return self.known.get(name) if time.monotonic() - self.fetched < GIVEN_UP_SECONDS else None

    def _ask(self, *, patiently: bool) -> None:
        """One thread asks; who has a key at hand does not wait for it."""
        if not self.asking.acquire(timeout=TIMEOUT_SECONDS if patiently else 0):
            return
        try:
            if time.monotonic() - self.asked > ASKED_AT_MOST_EVERY:
                self.asked = time.monotonic()
                self.known = _fetched(self.url)
                self.fetched = time.monotonic()
        except (OSError, HTTPException, ValueError) as error:
            log.warning("the identity provider's keys cannot be read: %s", error)
        finally:
            self.asking.release()


class Published(BaseModel):
    keys: list[dict[str, Any]]


def _fetched(url: str) -> dict[str | None, PyJWK]:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s), says the setting
        published = Published.model_validate_json(answer.read(LARGEST_ANSWER))
    found = {row.get("kid"): key for row in published.keys if (key := _usable(row))}
    if len(found) == 1:  # a provider with one key need not name it
        found[None] = next(iter(found.values()))
    return found


def _usable(row: dict[str, Any]) -> PyJWK | None:
    if str(row.get("kty")) not in ALGORITHMS or row.get("use", "sig") != "sig":
        return None
    if not isinstance(row.get("kid", ""), str):
        return None
    with suppress(jwt.PyJWTError):  # of a curve that we do not know: others may do
        return PyJWK(row)
    return None


_keys: dict[str, Keys] = {}


def keys(url: str) -> Keys:
    return _keys.setdefault(url, Keys(url))


def bearer(token: str) -> Actor | None:
    """Who this token speaks for. Remembered for five seconds."""
    if not settings.ENV.JWT_ISSUER or len(token) > LONGEST_TOKEN:
        return None
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    return directory.remembered(f"jwt:{digest}", lambda: _bearer(token))


def _bearer(token: str) -> Actor | None:
    claims = _claims(token)
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") in (False, "false"):
        return None
    account = accounts.accounts.first({"email": same_email(email), "active": True})
    return accounts.actor_of(account) if account else None


def _claims(token: str) -> dict[str, Any]:
    """What the provider vouches for; nothing where it does not."""
    try:
        name = jwt.get_unverified_header(token).get("kid")
        key = keys(str(settings.ENV.JWT_JWKS_URL)).get(name)
        if key is None:
            return {}
        return jwt.decode(
            token, key.key, algorithms=_allowed(key), issuer=settings.ENV.JWT_ISSUER,
            audience=settings.ENV.JWT_AUDIENCE, leeway=LEEWAY_SECONDS, options={"require": REQUIRED},
        )  # fmt: skip
    except jwt.PyJWTError as refused:
        log.info("a token of the identity provider is refused: %s", type(refused).__name__)
        return {}


def _allowed(key: PyJWK) -> list[str]:
    return ALGORITHMS[str(key.key_type)]
