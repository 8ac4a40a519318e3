"""Who is signed in with a browser. A session lives on the server: once ended, no copy of its cookie opens anything."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from lead_crm import mongo
from lead_crm.documents import Model

COOKIE: Final = "lead_crm_session"
CSRF_COOKIE: Final = "lead_crm_csrf"
IDLE: Final = timedelta(hours=12)
LONGEST: Final = timedelta(days=14)
MOVED_EVERY: Final = timedelta(minutes=1)


class Session(Model):
    account: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def start(account: str, *, now: datetime) -> str:
    """The secret itself, for the browser's cookie: only its hash is kept."""
    secret = secrets.token_urlsafe(32)
    session = Session(account=account, created_at=now, seen_at=now, expires_at=now + IDLE)
    mongo.collection("sessions").insert_one({"_id": _hash(secret), **session.model_dump()})
    return secret


def account_of(secret: str, *, now: datetime) -> str | None:
    """Whose session it is. Asked of the database every time: what has ended anywhere has ended here."""
    row = mongo.collection("sessions").find_one({"_id": _hash(secret), "expires_at": {"$gt": now}})
    if row is None:
        return None
    key = row.pop("_id")
    session = Session.model_validate(row)
    if now - session.seen_at >= MOVED_EVERY:
        _seen(key, session, now)
    return session.account


def _seen(key: str, session: Session, now: datetime) -> None:
    """Never written anew, only over what was read: a session that has just ended stays ended."""
    moved = session.changed(seen_at=now, expires_at=min(now + IDLE, session.created_at + LONGEST))
    mongo.quick("sessions").replace_one({"_id": key, "seen_at": session.seen_at}, {"_id": key, **moved.model_dump()})


def end(secret: str) -> None:
    mongo.collection("sessions").delete_one({"_id": _hash(secret)})


def end_all(account: str, *, but: str | None = None) -> None:
    """At every browser this person is signed in with."""
    others = {"_id": {"$ne": _hash(but)}} if but else {}
    mongo.collection("sessions").delete_many({"account": account, **others})


def _hash(secret: str) -> str:
    """Secrets are random: nothing needs to slow their guessing down."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def csrf_token(secret: str) -> str:
    """What our own pages can send along, and others cannot: it follows from the session and leads nowhere else."""
    return _hash(f"csrf:{secret}")


def secret_of(request: HttpRequest) -> str | None:
    """Whoever sends an Authorization header is known by that alone."""
    if "HTTP_AUTHORIZATION" in request.META:
        return None
    return request.COOKIES.get(COOKIE) or None


def give(response: HttpResponse, secret: str, request: HttpRequest) -> None:
    seconds = int(LONGEST.total_seconds())
    response.set_cookie(COOKIE, secret, max_age=seconds, httponly=True, **_where(request))
    response.set_cookie(CSRF_COOKIE, csrf_token(secret), max_age=seconds, **_where(request))


def take_away(response: HttpResponse, request: HttpRequest) -> None:
    for name in (COOKIE, CSRF_COOKIE):
        response.set_cookie(name, "", max_age=0, httponly=name == COOKIE, **_where(request))


def _where(request: HttpRequest) -> dict[str, Any]:
    return {"path": "/", "samesite": "Lax", "secure": settings.HTTPS or request.is_secure()}
