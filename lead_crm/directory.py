"""Which people and centres there are: the little that every app may know of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from lead_crm import mongo
from lead_crm.access import DEFAULT_CENTER, ROLES, STATES, Person, Role, shelf
from lead_crm.stamp import Stamp

T = TypeVar("T")

REMEMBERED_SECONDS: Final = 5.0
_remembered: dict[str, tuple[float, bytes, Any]] = {}
_changes = Stamp("changes_of_people")


def forget() -> None:
    """People, centres or roles have changed: all processes on this machine are told."""
    _remembered.clear()
    _changes.change()


def remembered(key: str, read: Callable[[], T]) -> T:
    """What was read less than five seconds ago. Rights that are withdrawn live that long on other machines."""
    state = _changes.read()
    kept = _kept(key, state)
    if kept is not None:
        return kept  # type: ignore[no-any-return]
    value = read()
    if value is not None:  # what is not there yet may be there in a moment
        _keep(key, state, value)
    return value


def _kept(key: str, state: bytes) -> Any:
    kept = _remembered.get(key)
    return kept[2] if kept and kept[1] == state and time.monotonic() - kept[0] < REMEMBERED_SECONDS else None


def _keep(key: str, state: bytes, value: Any) -> None:
    """`state`: from before it was read."""
    if len(_remembered) > 10_000:
        _remembered.clear()
    _remembered[key] = (time.monotonic(), state, value)


def centers() -> tuple[str, ...]:
    """All centres, archived ones too; with none made, everything belongs to `main`."""
    return tuple(remembered("centers", _read_centers))


def open_centers() -> tuple[str, ...]:
    """Those that take new leads and people."""
    return tuple(uid for uid, is_open in remembered("centers", _read_centers).items() if is_open)


def center_names() -> dict[str, str]:
    """Of the open ones, for people to choose from."""
    names = remembered("center_names", _read_center_names)
    return {uid: names.get(uid, uid) for uid in open_centers()}


def _read_center_names() -> dict[str, str]:
    rows = mongo.collection("accounts").find({"type": "center"}, {"uid": 1, "name": 1})
    return {row["uid"]: row["name"] for row in rows}


def _read_centers() -> dict[str, bool]:
    """Is it open? `main` stays visible while leads are left from the time before the first centre was made."""
    rows = mongo.collection("accounts").find({"type": "center"}, {"uid": 1, "archived": 1}).sort("uid", 1)
    made = {row["uid"]: not row.get("archived") for row in rows}
    if not made:
        return {DEFAULT_CENTER: True}
    return made if DEFAULT_CENTER in made or not _has_leads(DEFAULT_CENTER) else made | {DEFAULT_CENTER: False}


def _has_leads(center: str) -> bool:
    where = {"type": "lead", "keys.shelf": {"$in": [shelf(center, state) for state in STATES["all"]]}}
    return mongo.collection("leads").find_one(where, {"_id": 1}) is not None


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
    """Those of `uids` who exist and are active; all who are not remembered in one query."""
    wanted, state = list(dict.fromkeys(uids)), _changes.read()
    found = {uid: _kept(f"person:{uid}", state) for uid in wanted}
    if missing := [uid for uid in wanted if found[uid] is None]:
        for person in _active({"uid": {"$in": missing}}):
            found[person.uid] = person
            _keep(f"person:{person.uid}", state, person)
    return {uid: person for uid, person in found.items() if person is not None}


def named(uids: Sequence[str]) -> Mapping[str, Person]:
    """As `people`, of always the same ones: that somebody is there no more is remembered as well."""
    return remembered(f"named:{','.join(uids)}", partial(people, uids)) if uids else {}


def member(uid: str) -> Person | None:
    """Also somebody who has left."""
    return remembered(f"member:{uid}", partial(_read_member, uid))


def colleagues(centers: Iterable[str]) -> list[str]:
    """Who works, or has worked, in one of these centres."""
    wide = [name for name, role in roles().items() if role.all_centers]
    where = {"type": "account", "$or": [{"centers": {"$in": list(centers)}}, {"roles": {"$in": wide}}]}
    return [row["uid"] for row in mongo.collection("accounts").find(where, {"uid": 1, "_id": 0})]


def holding(role: str) -> tuple[Person, ...]:
    """Everybody active with this role, always in the same order."""
    return remembered(f"holding:{role}", partial(_read_holding, role))


def _read_holding(role: str) -> tuple[Person, ...]:
    return tuple(_active({"roles": role}))


def _active(where: mongo.Row) -> Iterator[Person]:
    rows = mongo.collection("accounts").find({"type": "account", "active": True, **where}).sort("uid", 1)
    return map(_person, rows)


def _read_member(uid: str) -> Person | None:
    row = mongo.collection("accounts").find_one({"type": "account", "uid": uid})
    return None if row is None else _person(row)


def _person(row: mongo.Row) -> Person:
    return Person(row["uid"], row["name"], tuple(row["centers"]), works_everywhere(row["roles"]))


def works_everywhere(held: Iterable[str]) -> bool:
    known = roles()
    return any(known[role].all_centers for role in held if role in known)
