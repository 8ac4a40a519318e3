"""What is stored, as it was and as it would be without somebody's secrets."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from lead_crm import mongo
from leads import store
from leads.keys import keys
from tests.conftest import forget_everything
from tests.walk.north import Planted, squeezed
from workflow import store as workflow_store

Row = dict[str, Any]
World = dict[str, dict[Any, Row]]  # collection, identity, document

# Kept about requests and not about leads, or changed by every request: no refused request has to leave them alone.
BESIDE = {"audit", "attempts", "sessions", "idempotency"}
PASSING = {"last_used_at", "last_sign_in_at"}
NEVER_SHOWN = {"password", "secret_hash", "invitation_hash"}


def present() -> World:
    database = mongo.collection("leads").database
    return {
        name: {row["_id"]: row for row in database[name].find()}
        for name in sorted(database.list_collection_names()) if not name.startswith("system.")
    }  # fmt: skip


def enter(world: World, there: World | None = None) -> None:
    """Make what is stored this, and the process forget what it has seen of another."""
    there = present() if there is None else there
    for name in there.keys() | world.keys():
        wanted = world.get(name, {})
        if there.get(name, {}) != wanted:
            mongo.collection(name).delete_many({})
            if wanted:
                mongo.collection(name).insert_many([copy.copy(row) for row in wanted.values()])
    forget_everything()


def without(world: World, secret: Callable[[Row], bool]) -> World:
    return {name: {key: row for key, row in rows.items() if not secret(row)} for name, rows in world.items()}


def differences(before: World, after: World) -> Iterator[tuple[str, Any]]:
    """Documents that have come, gone or changed."""
    for name in (before.keys() | after.keys()) - BESIDE:
        old, new = before.get(name, {}), after.get(name, {})
        for key in old.keys() | new.keys():
            if _lasting(old.get(key)) != _lasting(new.get(key)):
                yield name, key


def _lasting(row: Row | None) -> Row | None:
    return row and {key: value for key, value in row.items() if key not in PASSING}


def mentions(row: Row, needles: Iterable[str]) -> bool:
    text = squeezed(repr(row).casefold())
    return any(needle in text for needle in needles)


def needles(row: Row) -> set[str]:
    """What tells that somebody has seen this document: its marked words, long numbers and identities."""
    return {squeezed(text.casefold()) for text in _telling(row)}


def _telling(value: Any, key: str = "") -> Iterator[str]:
    if key in ("keys", "center", "centers", "changes", "done"):
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _telling(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _telling(inner)
    elif key == "uid" or tells(str(value)):
        yield str(value)


def tells(text: str) -> bool:
    """Marked, or a number that nothing else is likely to have."""
    digits = re.sub(r"[^0-9]", "", text)
    return "zq" in text.casefold() or bool(re.fullmatch(r"[0-9 +().\-]{7,}", text) and len(digits) > 6)


def hashes(world: World) -> set[str]:
    """Nobody ever sees these."""
    found = {str(row[key]) for rows in world.values() for row in rows.values() for key in NEVER_SHOWN if row.get(key)}
    return {squeezed(text.casefold()) for text in found | {str(key) for key in world.get("sessions", {})}}


def recent(moment: str) -> bool:
    """Does this time follow from that of a request of this run?"""
    return abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < timedelta(days=60)


def disguised(world: World, leads: Iterable[Planted]) -> World:
    """The same leads, of other people: whoever sees no personal value must not be able to tell."""
    changed = copy.deepcopy(world)
    texts = sorted({text for planted in leads for text in planted.personal}, key=len, reverse=True)
    uids = {planted.uid for planted in leads}
    workflow = workflow_store.current()
    assert workflow is not None
    for row in changed["leads"].values():
        if row["uid"].partition(":")[0] in uids:
            row |= _other(row, texts)
        if row["type"] == "lead" and row["uid"] in uids:
            lead = store.model({key: value for key, value in row.items() if key not in ("_id", "keys")})
            row["keys"] = keys(lead, workflow, settings.DEFAULT_REGION)
    return changed


def _other(value: Any, texts: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: inner if key == "uid" else _other(inner, texts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_other(inner, texts) for inner in value]
    return _turned(value) if isinstance(value, str) and value in texts else value


def _turned(text: str) -> str:
    """Another value of the same kind, which sorts the other way round."""
    if "zq" in text.casefold():
        marks = {"alpha": "omega", "beta": "gamma", "gamma": "beta", "delta": "sigma"}
        text = re.sub("|".join(marks), lambda found: marks[found[0]], text)
        return text.replace("zq", "zw").replace("Zq", "Zw")
    digit = -2 if text.startswith("+") else 9  # of a phone number, or of a day
    return f"{text[:digit]}{9 - int(text[digit])}{text[digit:][1:]}"
