"""People, centres, roles and tokens over HTTP."""

from typing import Any

from lead_crm import cursors, directory
from lead_crm.access import ROLES, SIGNED_IN
from lead_crm.documents import In
from lead_crm.errors import Conflict, NotFound
from lead_crm.http import Call, endpoint
from leads.messages import Nothing
from management import centers, people, sight, tokens
from management.people_messages import (
    AccessOut,
    AccessQuery,
    CenterIn,
    CenterList,
    CenterOut,
    CenterPatch,
    CenterQuery,
    InvitationOut,
    NewTokenOut,
    RoleList,
    TokenIn,
    TokenList,
    TokenOut,
    TokenQuery,
    UserIn,
    UserOut,
    UserPage,
    UserPatch,
    UserQuery,
)
from workflow import service as workflow_service

Row = dict[str, Any]


@endpoint(permission=SIGNED_IN, query=CenterQuery, returns=CenterList)
def list_centers(call: Call[None, CenterQuery]) -> Row:
    """The centres you work in; those whose role covers all centres get all."""
    return {"results": centers.find(actor=call.actor, archived=call.query.archived)}


@endpoint(
    permission="people.edit", body=CenterIn, returns=CenterOut, status=201, raises=(Conflict,), versioned=True,
    audits="people",
)  # fmt: skip
def create_center(call: Call[CenterIn, None]) -> Row:
    """Make a centre. For those who work in all of them."""
    return centers.shown(centers.create(uid=call.body.uid, name=call.body.name, actor=call.actor, at=call.now))


@endpoint(permission=SIGNED_IN, returns=CenterOut, versioned=True)
def read_center(call: Call[None, None], uid: str) -> Row:
    """One of your centres."""
    return centers.read(uid, actor=call.actor)


@endpoint(
    permission="people.edit", body=CenterPatch, returns=CenterOut, raises=(Conflict,), versioned=True, audits="people"
)
def edit_center(call: Call[In, None], uid: str) -> Row:
    """Rename or archive a centre. An archived one takes no new leads and no new people; its leads stay."""
    changes = call.body.model_dump()
    return centers.shown(centers.edit(uid, changes, actor=call.actor, at=call.now, if_match=call.if_match))


@endpoint(permission=SIGNED_IN, query=UserQuery, returns=UserPage)
def list_users(call: Call[None, UserQuery]) -> Row:
    """People you share a centre with, by name: to give leads to, and, with people.edit, to manage."""
    query = call.query
    found, count = people.find(query, actor=call.actor)
    end = query.offset + query.limit
    return {
        "results": [people.shown(account, actor=call.actor, now=call.now) for account in found],
        "next": cursors.address(call.request, offset=end) if end < count and end <= 10_000 else None,
        "previous": _previous(call),
        "count": count,
        "count_capped": False,
        "partial": False,
    }


def _previous(call: Call[None, UserQuery]) -> str | None:
    if not call.query.offset:
        return None
    return cursors.address(call.request, offset=max(0, call.query.offset - call.query.limit) or None)


@endpoint(
    permission="people.edit", body=UserIn, returns=UserOut, status=201, raises=(Conflict,), versioned=True,
    audits="people",
)  # fmt: skip
def create_user(call: Call[UserIn, None]) -> Row:
    """Add somebody who may less than you do. Without a password: invite them next."""
    account = people.create(call.body, actor=call.actor, now=call.now)
    return people.shown(account, actor=call.actor, now=call.now)


@endpoint(permission=SIGNED_IN, returns=UserOut, versioned=True)
def read_user(call: Call[None, None], uid: str) -> Row:
    """You, or somebody you share a centre with."""
    return people.shown(people.read(uid, actor=call.actor), actor=call.actor, now=call.now)


@endpoint(
    permission="people.edit", body=UserPatch, returns=UserOut, raises=(Conflict,), versioned=True, audits="people"
)
def edit_user(call: Call[In, None], uid: str) -> Row:
    """Change somebody who may less than you do. `active: false` ends their tokens and sessions at once.

    Nobody changes their own roles, centres or active flag, and the last active super admin stays.
    """
    changes = call.body.model_dump()
    account = people.edit(uid, changes, actor=call.actor, now=call.now, if_match=call.if_match)
    return people.shown(account, actor=call.actor, now=call.now)


@endpoint(
    permission="people.edit", body=Nothing, returns=InvitationOut, raises=(Conflict,), audits="people", secret=True
)
def invite_user(call: Call[Nothing, None], uid: str) -> Row:
    """An invitation to choose a password, valid for seven days and shown this once. It replaces the one before."""
    return people.invite(uid, actor=call.actor, now=call.now)


@endpoint(permission=SIGNED_IN, returns=RoleList)
def list_roles(call: Call[None, None]) -> Row:
    """Every role: those built in, and those of the config."""
    labels = {role.key: role.label for role in workflow_service.current().config.roles}
    return {
        "results": [
            {
                "key": key,
                "label": labels.get(key, key.replace("_", " ").capitalize()),
                "permissions": sorted(role.permissions),
                "scope": "all" if role.all_centers else role.scope,
                "built_in": key in ROLES,
            }
            for key, role in directory.roles().items()
        ]
    }


@endpoint(permission=SIGNED_IN, query=TokenQuery, returns=TokenList, raises=(NotFound,))
def list_tokens(call: Call[None, TokenQuery]) -> Row:
    """Your tokens, newest first, or those of somebody you may manage."""
    found = tokens.find(call.query.user, actor=call.actor)
    return {"results": [tokens.shown(token, call.now) for token in found]}


@endpoint(
    permission=SIGNED_IN, body=TokenIn, returns=NewTokenOut, status=201, raises=(Conflict,), audits="people",
    secret=True,
)  # fmt: skip
def create_token(call: Call[TokenIn, None]) -> Row:
    """Make a bearer token for a program. The token itself is shown this once."""
    token, secret = tokens.create(call.body, actor=call.actor, now=call.now)
    return tokens.shown(token, call.now) | {"token": secret}


@endpoint(permission=SIGNED_IN, returns=TokenOut)
def read_token(call: Call[None, None], uid: str) -> Row:
    """One token, without its secret."""
    return tokens.shown(tokens.read(uid, actor=call.actor), call.now)


@endpoint(permission=SIGNED_IN, status=204, raises=(Conflict,), audits="people")
def revoke_token(call: Call[None, None], uid: str) -> None:
    """Revoke a token: it is refused from now on."""
    tokens.revoke(uid, actor=call.actor, at=call.now)


@endpoint(permission="lead.view", query=AccessQuery, returns=AccessOut, raises=(Conflict,), audits="read")
def explain_access(call: Call[None, AccessQuery], uid: str) -> Row:
    """Why somebody can see this lead, or why not: each rule, whether it holds, and what it says.

    Of yourself, or with people.edit of people you share a centre with.
    """
    return sight.explained(uid, call.query.user, actor=call.actor)
