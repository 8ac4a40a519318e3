"""Who is asking, what they may do, and which leads they may see."""

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lead_crm.errors import NotAllowed

DEFAULT_CENTER: Final = "main"
NOBODY: Final = "-"  # stands among a lead's holders while it is assigned to nobody
SIGNED_IN: Final = "signed_in"  # what an endpoint asks for that is open to everybody who is signed in

PERMISSIONS: Final = (
    "lead.view", "lead.create", "lead.edit", "lead.move", "lead.force", "lead.assign", "lead.archive",
    "lead.close", "lead.bulk", "lead.merge", "lead.export", "lead.erase", "lead.delete", "lead.pii",
    "task.edit", "task.complete", "workflow.edit", "people.edit", "report.view", "audit.view",
)  # fmt: skip

Scope = Literal["center", "own", "tasks"]
Shelves = Literal["live", "archived", "both", "merged", "all"]
State = Literal["live", "archived", "erased", "merged"]
STATES: Final[dict[Shelves, tuple[State, ...]]] = {
    "live": ("live",), "archived": ("archived", "erased"), "both": ("live", "archived", "erased"),
    "merged": ("merged",), "all": ("live", "archived", "erased", "merged"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    permissions: frozenset[str]
    scope: Scope = "center"
    all_centers: bool = False


_VIEWER = frozenset({"lead.view", "lead.pii", "report.view"})
_AGENT = frozenset({
    "lead.view", "lead.pii", "lead.create", "lead.edit", "lead.move", "lead.close", "task.edit", "task.complete",
    "report.view",
})  # fmt: skip
_MANAGER = _AGENT | _VIEWER | {"lead.assign", "lead.archive", "lead.bulk", "lead.export", "lead.merge"}
_CENTER_ADMIN = _MANAGER | {"lead.force", "lead.erase", "people.edit", "audit.view"}

ROLES: Final[dict[str, Role]] = {
    "super_admin": Role(frozenset(PERMISSIONS), all_centers=True),
    "center_admin": Role(_CENTER_ADMIN),
    "manager": Role(_MANAGER),
    "agent": Role(_AGENT, scope="own"),
    "counsellor": Role(_AGENT),
    "trainer": Role(frozenset({"lead.view", "task.complete:intro_visit"}), scope="tasks"),
    "viewer": Role(_VIEWER),
    "integration": Role(frozenset()),  # only what the token's own scopes grant
}


def covers(held: Collection[str], permission: str) -> bool:
    """`task.complete` holds for every kind of task, `task.complete:call` for calls."""
    return permission in held or permission.partition(":")[0] in held


def narrowed(held: Collection[str], scopes: Collection[str]) -> frozenset[str]:
    """What both allow."""
    return frozenset({s for s in scopes if covers(held, s)} | {p for p in held if covers(scopes, p)})


@dataclass(frozen=True, slots=True)
class Actor:
    uid: str
    name: str
    kind: Literal["person", "token", "public", "system"]  # token: a program that speaks for a person
    roles: tuple[str, ...]
    permissions: frozenset[str]
    centers: tuple[str, ...]
    scope: Scope = "center"
    token: str | None = None  # the token that speaks for them; None: they signed in themselves
    closed: frozenset[str] = frozenset()  # centres that take no new leads

    is_authenticated = True  # what Django REST framework asks of a user

    def may(self, permission: str) -> bool:
        return covers(self.permissions, permission)

    def require(self, permission: str) -> None:
        if permission != SIGNED_IN and not self.may(permission):
            raise NotAllowed(f"This needs the permission {permission}.", permission=permission)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody a lead can be given to."""

    uid: str
    name: str
    centers: tuple[str, ...]
    everywhere: bool

    def works_in(self, center: str) -> bool:
        return self.everywhere or center in self.centers


def grant(
    roles: Iterable[str], centers: Iterable[str], all_centers: Iterable[str], known: Mapping[str, Role] = ROLES
) -> dict[str, Any]:
    """What a set of roles amounts to: the permissions of all of them and the widest of their scopes."""
    held = [known[role] for role in roles if role in known]
    widest: Scope = "tasks"
    for scope in ("own", "center"):
        if any(role.scope == scope for role in held):
            widest = scope
    everywhere = any(role.all_centers for role in held)
    return {
        "permissions": frozenset().union(*(role.permissions for role in held)),
        "centers": tuple(all_centers if everywhere else centers),
        "scope": widest,
    }


ANYBODY: Final = Actor("anybody", "Anybody", "public", (), frozenset(), ())


def rights(actor: Actor) -> str:
    """Who it is, and all that decides what they get to see."""
    return f"{actor.uid} {sorted(actor.permissions)} {actor.centers} {actor.scope}"


def public(centers: Iterable[str]) -> Actor:
    """Whoever fills in the public form: may leave a lead, and see none."""
    return Actor("public", "Public form", "public", (), frozenset({"lead.create"}), tuple(centers))


def system(centers: Iterable[str]) -> Actor:
    """The CRM itself: automatic moves, sweeps and repairs."""
    return Actor("system", "System", "system", ("super_admin",), frozenset(PERMISSIONS), tuple(centers))


def shelf(center: str, state: State = "live") -> str:
    """Where a lead is kept. Every index starts with it, so archived leads cost the living ones nothing."""
    return f"{state}/{center}"


def holders(assigned_to: Iterable[str], task_assignees: Iterable[str]) -> list[str]:
    """Whose lead it is, in the words that `visible` asks for."""
    return [*(assigned_to or [NOBODY]), *sorted({f"task:{uid}" for uid in task_assignees})]


def visible(
    actor: Actor, shelves: Shelves = "live", centers: Iterable[str] | None = None, *, figures: bool = False
) -> dict[str, Any]:
    """The part of every query that keeps others' leads out: the one place where scope is decided.

    `figures`: to be counted as theirs. What nobody has taken yet may be seen, but is no work of anybody's.
    """
    wanted = set(actor.centers if centers is None else centers)
    allowed = tuple(center for center in actor.centers if center in wanted)
    scope: dict[str, Any] = {"type": "lead", "keys.shelf": _any_shelf(allowed, shelves)}
    if actor.scope == "own":
        scope["keys.holders"] = actor.uid if figures else {"$in": [actor.uid, NOBODY]}
    elif actor.scope == "tasks":
        scope["keys.holders"] = f"task:{actor.uid}"
    return scope


def sees(actor: Actor, keys: Mapping[str, Any]) -> bool:
    """`visible`, asked of one lead that has been read already, by its keys."""
    scope = visible(actor)
    asked = [(name.removeprefix("keys."), wanted) for name, wanted in scope.items() if name != "type"]
    return actor.may("lead.view") and all(_meets(keys[name], wanted) for name, wanted in asked)


def _meets(value: Any, wanted: Any) -> bool:
    among = wanted["$in"] if isinstance(wanted, dict) else [wanted]
    return any(item in among for item in (value if isinstance(value, list) else [value]))


@functools.lru_cache(maxsize=1024)
def _any_shelf(centers: tuple[str, ...], shelves: Shelves) -> Any:
    """Part of nearly every query, so it is put together once."""
    names = [shelf(center, state) for state in STATES[shelves] for center in centers]
    return names[0] if len(names) == 1 else {"$in": names}
