"""Bearer tokens: for programs that speak for a person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from lead_crm import directory
from lead_crm.access import PERMISSIONS, Actor
from lead_crm.errors import Conflict, Fault, Invalid, NotAllowed, NotFound, NotSignedIn
from management import accounts, people
from management.accounts import Account, Token
from management.people_messages import TokenIn
from workflow import rules as workflow_rules
from workflow import service as workflow_service

ATTEMPTS: Final = 20

Row = dict[str, Any]


def find(user: str | None, *, actor: Actor) -> list[Token]:
    if user not in (None, actor.uid):
        actor.require("people.edit")
    account = people.managed(user or actor.uid, actor=actor)
    found = accounts.tokens.find({"account": account.uid, "active": True})
    return sorted(found, key=lambda token: token.created_at, reverse=True)


def shown(token: Token, now: datetime) -> Row:
    same = {"uid", "name", "scopes", "expires_at", "last_used_at", "created_at"}
    expired = token.expires_at is not None and token.expires_at <= now
    return token.model_dump(include=same) | {"user": token.account, "expired": expired}


def read(uid: str, *, actor: Actor) -> Token:
    token = accounts.tokens.first({"uid": uid, "active": True})
    try:
        if token is not None and people.managed(token.account, actor=actor):
            return token
    except (NotFound, NotAllowed):
        pass  # somebody else's is not there
    raise NotFound(f"You have no token {uid}.")


def revoke(uid: str, *, actor: Actor, at: datetime) -> None:
    for _ in range(ATTEMPTS):
        token = read(uid, actor=actor)
        dead = token.changed(active=False, version=token.version + 1, updated_at=at)
        if accounts.tokens.replace(dead, read=token.version):
            directory.forget()
            return
    raise Conflict("Others keep changing this token at this moment. Try again.", code="busy")


def create(body: TokenIn, *, actor: Actor, now: datetime) -> tuple[Token, str]:
    account = _whose(body.user, actor)
    _sound(body, account, now)
    speaking = accounts.tokens.get(actor.token) if actor.token else None
    if speaking is not None and not speaking.active:  # revoked a moment ago, on another machine
        raise NotSignedIn
    _no_more(body, speaking, actor)
    until = body.expires_at or (speaking.expires_at if speaking else None)
    return accounts.issue(account, name=body.name, at=now, scopes=body.scopes, expires_at=until)


def create_for(account: Account, body: TokenIn, *, now: datetime) -> str:
    """For whoever runs the commands, and may everything."""
    _sound(body, account, now)
    return accounts.issue(account, name=body.name, at=now, scopes=body.scopes, expires_at=body.expires_at)[1]


def _whose(user: str | None, actor: Actor) -> Account:
    if user not in (None, actor.uid):
        actor.require("people.edit")
    try:
        account = people.managed(user or actor.uid, actor=actor)
    except NotFound as error:
        raise Invalid([Fault("/user", "unknown_person", error.detail)]) from None
    if not account.active:
        raise people.Inactive
    return account


def _sound(body: TokenIn, account: Account, now: datetime) -> None:
    faults = [
        Fault(f"/scopes/{i}", "unknown_permission", f"There is no permission {scope}.")
        for i, scope in enumerate(body.scopes or []) if not _is_permission(scope)
    ]  # fmt: skip
    if body.expires_at and body.expires_at <= now:
        faults.append(Fault("/expires_at", "past", "Choose a time that is still to come."))
    if body.scopes is None and "integration" in account.roles:
        faults.append(Fault("/scopes", "required", "An integration may what its token's scopes say: name them."))
    if faults:
        raise Invalid(faults)


def _is_permission(scope: str) -> bool:
    return scope in PERMISSIONS or workflow_rules.is_permission(scope, workflow_service.recent().task_kinds)


def _no_more(body: TokenIn, speaking: Token | None, actor: Actor) -> None:
    """Nobody hands on what they do not hold; a token makes none that may more, or for longer, than itself."""
    _held(body.scopes or (), actor)
    if speaking is None:
        return
    if speaking.scopes is not None and body.scopes is None:
        raise NotAllowed("This token has scopes: name those of the new one, too.")
    if speaking.expires_at and body.expires_at and body.expires_at > speaking.expires_at:
        raise NotAllowed(f"A token made with this one may live until {speaking.expires_at:%Y-%m-%dT%H:%M:%SZ}.")


def _held(scopes: Sequence[str], actor: Actor) -> None:
    for scope in scopes:
        if not actor.may(scope):
            raise NotAllowed(f"You cannot hand on what you do not hold yourself: {scope}.", permission=scope)
