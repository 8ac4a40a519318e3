"""Which people and centres there are: the little that every app may know of them."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar

from lead_crm import mongo
from lead_crm.access import DEFAULT_CENTER, ROLES, Person, Role

T = TypeVar("T")

REMEMBERED_SECONDS: Final = 5.0
_remembered: dict[str, tuple[float, Any]] = {}


def forget() -> None:
    _remembered.clear()


def remembered(key: str, read: Callable[[], T]) -> T:
    """What was read less than five seconds ago. Rights that are withdrawn live that long in other processes."""
    kept = _remembered.get(key)
    if kept and time.monotonic() - kept[0] < REMEMBERED_SECONDS:
        return kept[1]  # type: ignore[no-any-return]
    value = read()
    if len(_remembered) > 10_000:
        _remembered.clear()
    if value is not None:  # what is not there yet may be there in a moment
        _remembered[key] = (time.monotonic(), value)
    return value


def centers() -> tuple[str, ...]:
    """All centres; with none made, everything belongs to `main`."""
    return remembered("centers", _read_centers)


def _read_centers() -> tuple[str, ...]:
    rows = mongo.collection("accounts").find({"type": "center"}, {"uid": 1}).sort("uid", 1)
    return tuple(row["uid"] for row in rows) or (DEFAULT_CENTER,)


def roles() -> dict[str, Role]:
    """Those built in, and the config's own."""
    return remembered("roles", _read_roles)


def _read_roles() -> dict[str, Role]:
    config = mongo.collection("leads").find_one({"type": "config"}, {"roles": 1}) or {}
    return ROLES | {
        row["key"]: Role(
            frozenset(row["permissions"]), "center" if row["scope"] == "all" else row["scope"], row["scope"] == "all"
        )
        for row in config.get("roles", [])
    }


def people(uids: Iterable[str]) -> dict[str, Person]:
    """Those of `uids` who exist and are active."""
    found = ((uid, remembered(f"person:{uid}", partial(_read_person, uid))) for uid in set(uids))
    return {uid: person for uid, person in found if person is not None}


def _read_person(uid: str) -> Person | None:
    row = mongo.collection("accounts").find_one({"type": "account", "uid": uid, "active": True})
    if row is None:
        return None
    known = roles()
    everywhere = any(known[role].all_centers for role in row["roles"] if role in known)
    return Person(uid, row["name"], tuple(row["centers"]), everywhere)
