"""Signing in and out over HTTP, and what people see and change of themselves."""

from typing import Annotated, Any, Literal

import orjson
from django.http import HttpResponse
from pydantic import MISSING, Field

from lead_crm import client, http
from lead_crm.access import SIGNED_IN, Actor, Scope
from lead_crm.contact import Email
from lead_crm.documents import In, Line, Out
from lead_crm.errors import Conflict, NotAllowed, NotSignedIn, TooManyRequests, WrongMediaType
from lead_crm.http import Call, endpoint
from lead_crm.logs import request_id
from lead_crm.passwords import LONGEST
from management import accounts, auth, sessions, signing_in
from management.signing_in import SignedIn, Visit

Row = dict[str, Any]
Password = Annotated[str, Field(min_length=1, max_length=LONGEST)]


class LoginIn(In):
    email: Email
    password: Password


class AcceptIn(In):
    token: Line
    password: Password


class PasswordIn(In):
    current_password: Password
    new_password: Password


class MePatch(In):
    name: Line | MISSING = Field(default=MISSING)


class Me(Out):
    uid: str
    name: str
    email: str | None
    kind: Literal["person", "token", "public", "system"]
    roles: list[str]
    permissions: list[str]
    centers: list[str]
    scope: Scope
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null without a session.")


def _visit(call: Call[Any, Any], operation: str) -> Visit:
    """A session counts only where it comes as a cookie, without a token beside it."""
    address = client.fingerprint(call.request)
    return Visit(operation, address, call.now, request_id.get(), sessions.secret_of(call.request))


def _me(actor: Actor, email: str | None, session: str | None) -> Row:
    return {
        "uid": actor.uid, "name": actor.name, "email": email, "kind": actor.kind, "roles": list(actor.roles),
        "permissions": sorted(actor.permissions), "centers": list(actor.centers), "scope": actor.scope,
        "csrf_token": session and sessions.csrf_token(session),
    }  # fmt: skip


def _entered(call: Call[Any, Any], signed_in: SignedIn) -> HttpResponse:
    account = signed_in.account
    me = _me(accounts.actor_of(account), account.email, signed_in.session)
    response = HttpResponse(orjson.dumps(me, option=http.JSON_OPTIONS), content_type="application/json")
    if signed_in.session:
        sessions.give(response, signed_in.session, call.request)
    return response


@endpoint(
    permission=None, body=LoginIn, returns=Me, secret=True,
    raises=(NotSignedIn, NotAllowed, WrongMediaType, TooManyRequests),
)  # fmt: skip
def login(call: Call[LoginIn, None]) -> HttpResponse:
    """Sign in with a browser.

    The answer sets the session cookie `lead_crm_session`. Writes also send the header X-CSRF-Token with `csrf_token`,
    which stands in the readable cookie `lead_crm_csrf` as well. A session ends at logout, after 12 idle hours, and
    after 14 days at the latest. After some wrong passwords there is a wait, and Retry-After says how long.
    """
    auth.guard(call.request)
    body = call.body
    return _entered(call, signing_in.sign_in(body.email, body.password, visit=_visit(call, "login")))


@endpoint(
    permission=None, body=AcceptIn, returns=Me, secret=True,
    raises=(NotSignedIn, NotAllowed, Conflict, WrongMediaType, TooManyRequests),
)  # fmt: skip
def accept_invitation(call: Call[AcceptIn, None]) -> HttpResponse:
    """Accept an invitation: choose a password, and be signed in."""
    auth.guard(call.request)
    body = call.body
    return _entered(call, signing_in.accept(body.token, body.password, visit=_visit(call, "accept_invitation")))


@endpoint(permission=SIGNED_IN, status=204, secret=True)
def logout(call: Call[None, None]) -> HttpResponse:
    """End this session, at once and everywhere."""
    signing_in.sign_out(call.actor, visit=_visit(call, "logout"))
    response = HttpResponse(status=204, content_type="application/json")
    sessions.take_away(response, call.request)
    return response


@endpoint(permission=SIGNED_IN, returns=Me)
def read_me(call: Call[None, None]) -> Row:
    """Who you are, and what you may do."""
    account = accounts.accounts.first({"uid": call.actor.uid})
    return _me(call.actor, account.email if account else None, sessions.secret_of(call.request))


@endpoint(permission=SIGNED_IN, body=MePatch, returns=Me)
def edit_me(call: Call[MePatch, None]) -> Row:
    """Change your own name (merge patch)."""
    _in_person(call.actor)
    account = signing_in.edit(call.actor.uid, call.body.model_dump(), visit=_visit(call, "edit_me"))
    return _me(accounts.actor_of(account), account.email, sessions.secret_of(call.request))


@endpoint(permission=SIGNED_IN, body=PasswordIn, returns=Me, secret=True)
def change_password(call: Call[PasswordIn, None]) -> HttpResponse:
    """Change your password. All your other sessions end; this one goes on under a new cookie and `csrf_token`."""
    _in_person(call.actor)
    current, new = call.body.current_password, call.body.new_password
    return _entered(
        call, signing_in.change_password(call.actor.uid, current, new, visit=_visit(call, "change_password"))
    )


def _in_person(actor: Actor) -> None:
    if actor.token:
        raise NotAllowed("A token cannot change its owner. Sign in yourself.")
