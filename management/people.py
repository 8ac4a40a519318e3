"""People: who they are, what they may, and how they come and go."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm import directory, passwords
from lead_crm.access import Actor, Role
from lead_crm.contact import same_email
from lead_crm.errors import Conflict, Fault, Invalid, NotAllowed, NotFound, NotSignedIn
from management import accounts, authority, sessions
from management.accounts import Account
from management.people_messages import UserIn, UserQuery

ATTEMPTS: Final = 20
INVITED_FOR: Final = timedelta(days=7)
NOT_ONESELF: Final = ("roles", "centers", "active")

Row = dict[str, Any]
Rule = Callable[[Account], Account]


class Inactive(Conflict):
    code, title = "inactive", "This person is deactivated: PATCH active to true first."


def find(query: UserQuery, *, actor: Actor) -> tuple[list[Account], int]:
    if not (actor.may("lead.view") or actor.may("people.edit")):
        raise NotAllowed("This needs the permission lead.view.", permission="lead.view")
    return accounts.page({"$and": [_sight(actor), *_wanted(query, actor)]}, offset=query.offset, limit=query.limit)


def _sight(actor: Actor) -> Row:
    """Oneself, and those one shares a centre with; who works in all centres shares each."""
    known = directory.roles()
    if authority.works_everywhere(actor.roles, known):
        return {}
    return {"$or": [{"uid": actor.uid}, *_works_in(actor.centers, known)]}


def _works_in(centers: Sequence[str], known: Mapping[str, Role]) -> list[Row]:
    wide = [name for name, role in known.items() if role.all_centers]
    return [{"centers": {"$in": list(centers)}}, {"roles": {"$in": wide}}]


def _wanted(query: UserQuery, actor: Actor) -> list[Row]:
    wanted: list[Row] = []
    if query.q:
        words = {"$regex": re.escape(query.q), "$options": "i"}
        wanted.append({"$or": [{"name": words}, *([{"email": words}] if actor.may("people.edit") else [])]})
    if query.role:
        wanted.append({"roles": query.role})
    if query.center:
        centers = [query.center] if query.center in actor.centers else []
        wanted.append({"$or": _works_in(centers, directory.roles())} if centers else {"uid": {"$in": []}})
    if query.active is not None:
        wanted.append({"active": query.active})
    return wanted


def shown(account: Account, *, actor: Actor, now: datetime) -> Row:
    trusted = account.uid == actor.uid or actor.may("people.edit")
    same = {"uid", "name", "roles", "active", "created_at", "updated_at", "version"}
    everywhere = authority.works_everywhere(actor.roles, directory.roles())
    return account.model_dump(include=same) | {
        "email": account.email if trusted else None,
        "centers": [center for center in account.centers if everywhere or center in actor.centers],
        "invited": account.invited_until is not None and account.invited_until > now,
        "last_sign_in_at": account.last_sign_in_at if trusted else None,
    }


def read(uid: str, *, actor: Actor) -> Account:
    account = accounts.accounts.first({"$and": [{"uid": uid}, _sight(actor)]})
    if account is None:
        raise NotFound(f"There is no person {uid} whom you may see.")
    return account


def managed(uid: str, *, actor: Actor) -> Account:
    """Somebody, if this actor may manage them, or is them."""
    account = read(uid, actor=actor)
    if uid != actor.uid:
        actor.require("people.edit")
        _must_be_above(actor, account.roles, account.centers)
    return account


def _must_be_above(actor: Actor, roles: Sequence[str], centers: Sequence[str]) -> None:
    known = directory.roles()
    mine = authority.of_actor(actor, known)
    authority.must_be_above(mine, authority.of_roles(roles, centers, known))


def create(body: UserIn, *, actor: Actor, now: datetime) -> Account:
    roles = list(dict.fromkeys(body.roles))
    centers = list(dict.fromkeys(body.centers)) or _only_center(roles, actor)
    if faults := [*_faults(roles, centers, actor), *_password_faults(body)]:
        raise Invalid(faults)
    _must_be_above(actor, roles, centers)
    return accounts.create(
        email=body.email, name=body.name, roles=roles, centers=centers, password=body.password, at=now
    )


def _password_faults(body: UserIn) -> list[Fault]:
    fault = None if body.password is None else passwords.fault(body.password, [body.email, body.name])
    return [fault] if fault else []


def _only_center(roles: Sequence[str], actor: Actor) -> list[str]:
    offered = _offered(actor)
    return offered if len(offered) == 1 and not authority.works_everywhere(roles, directory.roles()) else []


def _offered(actor: Actor) -> list[str]:
    return [center for center in actor.centers if center not in actor.closed]


def _faults(
    roles: Sequence[str], centers: Sequence[str], actor: Actor, before: Account | None = None
) -> list[Fault]:  # fmt: skip
    """What somebody already has may have been archived or dropped since."""
    known, offered = directory.roles(), _offered(actor)
    held = (before.roles, before.centers) if before else ([], [])
    faults = [
        Fault(f"/roles/{i}", "unknown_role", f"There is no role {role}.")
        for i, role in enumerate(roles) if role not in known and role not in held[0]
    ]  # fmt: skip
    faults += [
        Fault(f"/centers/{i}", "unknown_center", f"You have no centre {center} that takes new people.")
        for i, center in enumerate(centers) if center not in offered and center not in held[1]
    ]  # fmt: skip
    if not faults and not centers and not authority.works_everywhere(roles, known):
        faults.append(Fault("/centers", "required", f"Say which centres: {', '.join(offered)}."))
    return faults


def edit(uid: str, changes: Row, *, actor: Actor, now: datetime, if_match: int | None) -> Account:
    values = dict(changes)
    for name in ("roles", "centers"):
        if name in values:
            values[name] = list(dict.fromkeys(values[name]))
    if "email" in values:
        if uid == actor.uid and actor.token:
            raise NotAllowed("A token cannot change its owner's address. Sign in yourself.")
        values["email"] = same_email(values["email"])

    def rule(before: Account) -> Account:
        after = accounts.edited(before, at=now, **values)
        if any(getattr(before, name) != getattr(after, name) for name in (*NOT_ONESELF, "email")):
            # Whoever has an older invitation must not become what this person becomes now.
            after = accounts.edited(before, at=now, **values, invitation_hash=None, invited_until=None)
        _may_become(before, after, actor)
        accounts.unchanged(before, if_match)
        return after

    before, after = _change(uid, rule, actor=actor)
    if before.active != after.active:
        _end_access(uid, at=now)
    return after


def _may_become(before: Account, after: Account, actor: Actor) -> None:
    different = [name for name in NOT_ONESELF if getattr(before, name) != getattr(after, name)]
    if different and before.uid == actor.uid:
        raise NotAllowed("Nobody changes their own roles, centres or active flag: ask another administrator.")
    if different:
        if faults := _faults(after.roles, after.centers, actor, before):
            raise Invalid(faults)
        _must_be_above(actor, after.roles, after.centers)


def _change(uid: str, rule: Rule, *, actor: Actor) -> tuple[Account, Account]:
    """Before and after. Again when another writer was first."""
    for _ in range(ATTEMPTS):
        before = managed(uid, actor=actor)
        after = rule(before)
        if after is before:
            return before, before
        write = accounts.replace_super_admin if _steps_down(before, after) else accounts.replace
        if write(after, read=before.version):
            directory.forget()
            return before, after
    raise Conflict("Others keep changing this person at this moment. Try again.", code="busy")


def _steps_down(before: Account, after: Account) -> bool:
    return _is_super_admin(before) and not _is_super_admin(after)


def _is_super_admin(account: Account) -> bool:
    return account.active and "super_admin" in account.roles


def _end_access(uid: str, *, at: datetime) -> None:
    """Tokens and sessions do not come back with whoever is activated again."""
    accounts.revoke_all(uid, at=at)
    sessions.end_all(uid)
    directory.forget()


def invite(uid: str, *, actor: Actor, now: datetime) -> Row:
    if uid == actor.uid:
        raise NotAllowed("Nobody invites themselves: POST /api/auth/password/ changes your password.")
    secret = secrets.token_urlsafe(32)
    until = now + INVITED_FOR

    def rule(before: Account) -> Account:
        if not before.active:
            raise Inactive
        return accounts.edited(before, at=now, invitation_hash=accounts.hashed(secret), invited_until=until)

    _change(uid, rule, actor=actor)
    return {"uid": uid, "token": secret, "expires_at": until}


def accepted(token: str, password: str, now: datetime) -> Account:
    """Whoever holds the invitation chooses the password. It works once; of two at the same moment, for one."""
    before = _invited(token, now)
    chosen = passwords.hashed(password, personal=[before.email, before.name])
    for _ in range(ATTEMPTS):
        after = accounts.edited(before, at=now, password=chosen, invitation_hash=None, invited_until=None)
        if accounts.replace(after, read=before.version):
            sessions.end_all(after.uid)
            directory.forget()
            return after
        before = _invited(token, now)
    raise Conflict("Others keep changing this account at this moment. Try again.", code="busy")


def _invited(token: str, now: datetime) -> Account:
    account = accounts.accounts.first({"invitation_hash": accounts.hashed(token), "active": True})
    if account is None or account.invited_until is None or account.invited_until <= now:
        raise NotSignedIn("The invitation is unknown, used or expired: ask for a new one.")
    return account
