"""Why can somebody see a lead, or why not? Asked of the very filter that every query uses."""

from collections.abc import Iterator
from typing import Any

from lead_crm import directory
from lead_crm.access import NOBODY, Actor, visible
from lead_crm.errors import NotAllowed
from leads import store
from management import accounts, people
from management.accounts import Account

Row = dict[str, Any]


def explained(lead: str, user: str | None, *, actor: Actor) -> Row:
    row = store.get(lead, actor=actor, projection={"center": 1, "keys.shelf": 1, "keys.holders": 1})
    if user not in (None, actor.uid) and not actor.may("people.edit"):
        raise NotAllowed("Asking about others needs the permission people.edit.", permission="people.edit")
    account = people.read(user or actor.uid, actor=actor)
    # With a token somebody may less than their account: of oneself it is told as it is.
    asked = actor if account.uid == actor.uid else accounts.actor_of(account)
    reasons = list(_reasons(row, account, asked, [center for center in asked.centers if center in actor.centers]))
    return {
        "user": account.uid, "lead": lead, "may_see": all(reason["holds"] for reason in reasons), "reasons": reasons,
        "permissions": sorted(asked.permissions),
    }  # fmt: skip


def _reasons(row: Row, account: Account, asked: Actor, shared: list[str]) -> Iterator[Row]:
    filtered = visible(asked, "both")
    yield _reason(
        "active", account.active, "The account is active.", "The account is deactivated: nobody can sign in with it."
    )
    yield _permission(account, asked)
    center = row["center"]
    yield _reason(
        "center", _matches(filtered["keys.shelf"], [row["keys"]["shelf"]]), f"They work in the centre {center}.",
        f"The lead is of the centre {center}; of your centres they work in: {', '.join(shared) or 'none'}.",
    )  # fmt: skip
    holders = row["keys"]["holders"]
    holds = _matches(filtered.get("keys.holders"), holders)
    yield {"rule": "scope", "holds": holds, "detail": _scope(asked, holders, holds)}


def _reason(rule: str, holds: bool, why: str, why_not: str) -> Row:
    return {"rule": rule, "holds": holds, "detail": why if holds else why_not}


def _permission(account: Account, asked: Actor) -> Row:
    known = directory.roles()
    giving = [role for role in account.roles if role in known and "lead.view" in known[role].permissions]
    source = f"the role {giving[0]}" if giving else "the token's scopes"
    return _reason(
        "permission", asked.may("lead.view"), f"They hold lead.view by {source}.",
        f"Nothing grants them lead.view; their roles: {', '.join(account.roles) or 'none'}.",
    )  # fmt: skip


def _matches(condition: Any, values: list[str]) -> bool:
    """As the database reads `condition`: no condition, one value, or any of several."""
    if condition is None:
        return True
    wanted = condition["$in"] if isinstance(condition, dict) else [condition]
    return not set(wanted).isdisjoint(values)


def _scope(asked: Actor, holders: list[str], holds: bool) -> str:
    if asked.scope == "center":
        return "They see all leads of their centres."
    if asked.scope == "tasks":
        return f"They see leads with a task of theirs; this one has {'one' if holds else 'none'}."
    if asked.uid in holders:
        return "They see leads assigned to them; this one is."
    if NOBODY in holders:
        return "They see leads assigned to nobody; this one is."
    return "They see leads assigned to them or to nobody; this one is assigned to others."
