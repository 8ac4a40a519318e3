"""Who is asking. Programs send a bearer token, browsers a session cookie."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication

from lead_crm import directory, documents
from lead_crm.access import Actor
from lead_crm.errors import NotAllowed, NotSignedIn, WrongMediaType
from management import accounts, identity, sessions

SAFE: Final = ("GET", "HEAD", "OPTIONS")


class Forged(NotAllowed):
    code, title = "csrf", "This does not come from a page of ours. Send the header X-CSRF-Token with `csrf_token`."


class Authentication(BaseAuthentication):
    """Where there is an Authorization header, no cookie is looked at, and nothing that guards cookies is needed."""

    def authenticate(self, request: HttpRequest) -> tuple[Actor, str] | None:
        given = request.META.get("HTTP_AUTHORIZATION")
        actor = _by_session(request) if given is None else _by_token(given)
        return None if actor is None else (actor, "session" if given is None else "bearer")


def _by_token(header: str) -> Actor:
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    actor = None
    if scheme.lower() == "bearer":
        actor = accounts.bearer(secret) if secret.startswith(accounts.PREFIX) else identity.bearer(secret)
    if actor is None:
        raise NotSignedIn("The bearer token is unknown, expired or revoked.")
    return actor


def _by_session(request: HttpRequest) -> Actor | None:
    secret = sessions.secret_of(request)
    uid = secret and sessions.account_of(secret, now=documents.now())
    if not secret or not uid:
        return None
    if request.method not in SAFE:
        guard(request)
        if not constant_time_compare(request.META.get("HTTP_X_CSRF_TOKEN", ""), sessions.csrf_token(secret)):
            raise Forged
    return directory.remembered(f"account:{uid}", lambda: _actor(uid))


def _actor(uid: str) -> Actor | None:
    account = accounts.accounts.first({"uid": uid, "active": True})
    return accounts.actor_of(account) if account else None


def guard(request: HttpRequest) -> None:
    """What another site's page can make a browser send without asking us first is not accepted."""
    if _has_body(request) and request.content_type != "application/json":
        raise WrongMediaType
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and origin not in settings.ALLOWED_ORIGINS and not _own(origin, request):
        raise Forged(f"Pages of {origin} may not do this. The administrator can allow them: ALLOWED_ORIGINS.")


def _has_body(request: HttpRequest) -> bool:
    return request.META.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in request.META


def _own(origin: str, request: HttpRequest) -> bool:
    schemes = ("https",) if settings.HTTPS or request.is_secure() else ("http", "https")
    return origin in [f"{scheme}://{request.get_host()}" for scheme in schemes]
