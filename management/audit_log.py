"""Reading the audit: who did what, and only about whom the reader may see."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from lead_crm import audit, cursors, directory, mongo
from lead_crm.access import Actor, visible

CANDIDATES: Final = 10_000  # examined for a page, at most
SUBJECTS: Final = 100_000  # looked up for a page, at most: one entry about a board has hundreds
BATCH: Final = 100
WALK: Final = [("at", -1), ("_id", -1)]
INDEXED: Final = {"lead": ("subject", "subjects"), "actor": ("actor", "actor"), "action": ("action", "action")}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    lead: str | None = None
    actor: str | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def walk(self) -> tuple[str, Row]:
        """The index, and what it answers; the rest is examined in each candidate."""
        times = {"$gte": self.start, "$lte": self.end}
        where: Row = {"at": {name: at for name, at in times.items() if at}} if self.start or self.end else {}
        for name, (index, path) in INDEXED.items():
            if (value := getattr(self, name)) is not None:
                return index, where | {path: value}
        return "newest", where

    def fits(self, row: Row) -> bool:
        return self.actor in (None, row["actor"]) and self.action in (None, row["action"])


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[Row]
    next: str | None
    partial: bool


@dataclass(slots=True)
class Eyes:
    """Whom the reader may see; the database is asked once about each."""

    actor: Actor
    known: dict[str, bool] = field(default_factory=dict)

    @property
    def everywhere(self) -> bool:
        return self.actor.scope == "center" and set(directory.centers()) <= set(self.actor.centers)

    def look(self, uids: Iterable[str]) -> None:
        new = list(set(uids) - self.known.keys())
        if not new:
            return
        leads = visible(self.actor, "all") | {"uid": {"$in": new}}
        people = {"type": "account", "uid": {"$in": new}, "centers": {"$in": list(self.actor.centers)}}
        hint = mongo.index("identity")
        seen = {row["uid"] for row in mongo.collection("leads").find(leads, {"uid": 1}, hint=hint)}
        seen |= {row["uid"] for row in mongo.collection("accounts").find(people, {"uid": 1}, hint=hint)}
        self.known.update((uid, uid in seen) for uid in new)

    def sees(self, uid: str) -> bool:
        self.look([uid])
        return self.known[uid]


def page(wanted: Wanted, *, limit: int, cursor: str | None, actor: Actor) -> Found:
    """The newest first. Who does not see everything gets entries without those they may not see."""
    audit.flush()
    eyes = Eyes(actor)
    if wanted.lead is not None and not eyes.everywhere and not eyes.sees(wanted.lead):
        return Found([], None, partial=False)
    place = cursors.decode(cursor, [datetime, ObjectId]) if cursor else None
    found: list[Row] = []
    examined = 0
    while True:
        batch = _batch(wanted, place)
        for row in _seen(batch, eyes):
            if not wanted.fits(row):
                continue
            if len(found) == limit:
                return Found(found, _cursor(found[-1]), partial=False)
            found.append(row)
        examined += len(batch)
        if len(batch) < BATCH:
            return Found(found, None, partial=False)
        place = [batch[-1]["at"], batch[-1]["_id"]]
        if examined >= CANDIDATES or len(eyes.known) >= SUBJECTS:
            return Found(found, _cursor(batch[-1]), partial=True)


def _batch(wanted: Wanted, place: list[Any] | None) -> list[Row]:
    index, where = wanted.walk()
    if place:
        at, tie = place
        where = {"$and": [where, {"at": {"$lte": at}}], "$nor": [{"at": at, "_id": {"$gte": tie}}]}
    found = mongo.collection("audit").find(where, {"expires_at": 0}, hint=mongo.index(index))
    return list(found.sort(WALK).limit(BATCH))


def _cursor(row: Row) -> str:
    return cursors.encode(row["at"], row["_id"])


def _seen(batch: list[Row], eyes: Eyes) -> list[Row]:
    """With those subjects only whom the reader may see; without entries that are about nobody they may."""
    if eyes.everywhere:
        return batch
    eyes.look(uid for row in batch for uid in row["subjects"])
    shown = (row | {"subjects": [uid for uid in row["subjects"] if eyes.known[uid]]} for row in batch)
    return [row for row in shown if row["subjects"]]


def about(uid: str, *, most: int) -> list[Row]:
    """The latest entries about one person, without whom else they are about."""
    audit.flush()
    rows = mongo.collection("audit").find({"subjects": uid}, {"subjects": 0, "expires_at": 0})
    return list(rows.sort(WALK).limit(most))
