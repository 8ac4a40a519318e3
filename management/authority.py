"""Who may manage whom: those who may everything, everybody; others, people strictly below them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lead_crm.access import PERMISSIONS, Actor, Role, Scope, covers, grant
from lead_crm.errors import NotAllowed

WIDTH: Final[Mapping[Scope, int]] = {"tasks": 0, "own": 1, "center": 2}


@dataclass(frozen=True, slots=True)
class Rights:
    permissions: frozenset[str]
    centers: frozenset[str]
    scope: Scope
    everywhere: bool

    def covers(self, permissions: Iterable[str]) -> bool:
        return all(covers(self.permissions, permission) for permission in permissions)

    @property
    def supreme(self) -> bool:
        return self.everywhere and self.covers(PERMISSIONS)

    def above(self, other: "Rights") -> bool:
        if self.supreme:
            return True
        return (
            not other.everywhere
            and other.centers <= self.centers
            and self.covers(other.permissions)
            and not other.covers(self.permissions)
            and WIDTH[other.scope] <= WIDTH[self.scope]
        )


def of_roles(roles: Iterable[str], centers: Iterable[str], known: Mapping[str, Role]) -> Rights:
    granted = grant(roles, centers, (), known)
    return Rights(granted["permissions"], frozenset(centers), granted["scope"], works_everywhere(roles, known))


def of_actor(actor: Actor, known: Mapping[str, Role]) -> Rights:
    """What they may at this moment: with a token, no more than the token."""
    return Rights(actor.permissions, frozenset(actor.centers), actor.scope, works_everywhere(actor.roles, known))


def works_everywhere(roles: Iterable[str], known: Mapping[str, Role]) -> bool:
    return any(known[role].all_centers for role in roles if role in known)


def must_be_above(mine: Rights, theirs: Rights) -> None:
    if not mine.above(theirs):
        raise NotAllowed("You may manage only people of your own centres who may less than you.")
