"""What is to be done, over all leads, in the order of due times.

Every pending task stands in its lead's keys under several names: `*`, who is to do it, and whose lead it is; each also
with its kind. One index has these with their due times, so that a page of any of the lists costs what it shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, Final

from bson import ObjectId

from lead_crm import cursors, mongo
from lead_crm.access import NOBODY, Actor, visible
from lead_crm.errors import Fault, NeedsServer
from leads.documents import Task
from leads.filters import moment
from leads.keys import EVERYBODY, NO_FOLLOW_UP, doing, of_kind, work
from leads.life_messages import WorkQuery
from leads.shown import CONTACTABLE

PATIENCE_MS: Final = 5_000
LEAD: Final = dict.fromkeys(CONTACTABLE, 1)

Row = dict[str, Any]
Place = tuple[datetime, ObjectId, str]  # due, lead, task


@dataclass(frozen=True, slots=True)
class Item:
    place: Place
    task: Row
    lead: Row


@dataclass(frozen=True, slots=True)
class Walk:
    """Along the index, under one name and on one shelf."""

    base: Row
    name: str
    due: Row
    after: Place | None

    def items(self, row: Row) -> list[Item]:
        """The tasks of a lead that belong into this list, behind the place where the page begins."""
        tasks = {task["uid"]: task for task in row["tasks"] if task["status"] == "pending"}
        entries = work([Task.model_construct(**task) for task in tasks.values()], row["assigned_to"])
        found = [Item((at, row["_id"], uid), tasks[uid], row) for who, at, uid in entries if who == self.name]
        return [item for item in found if self._belongs(item)]

    def _belongs(self, item: Item) -> bool:
        return _within(item.place[0], self.due) and (self.after is None or item.place > self.after)

    def leads(self, limit: int) -> list[Row]:
        """As the index has them, so that nobody needs to sort: those due with the last task shown, then the later."""
        if self.after is None:
            return self._found({}, self.due, limit)
        due, lead, _ = self.after
        same = self._found({"_id": {"$gte": lead}}, {"$eq": due}, limit)
        if len(same) == limit:
            return same
        known = {row["_id"] for row in same}
        later = self._found({}, self.due | {"$gt": due}, limit)
        return (same + [row for row in later if row["_id"] not in known])[:limit]

    def _found(self, where: Row, due: Row, limit: int) -> list[Row]:
        entry = {"keys.work": {"$elemMatch": {"who": self.name, "at": due or {"$exists": True}}}}
        cursor = mongo.collection("leads").find(self.base | where | entry, LEAD | {"tasks": 1}, hint="work")
        return list(cursor.limit(limit).max_time_ms(PATIENCE_MS))


def faults(query: WorkQuery) -> list[Fault]:
    """Filters that do not go together."""
    found = []
    if query.mine and query.assigned_to:
        detail = "Send mine=true for what you have to do, or assigned_to for what somebody was given, not both."
        found.append(Fault("/assigned_to", "not_both", detail))
    if query.status != "pending" and not query.lead:
        found.append(Fault("/status", "needs_lead", "Closed tasks are listed for one lead: send lead as well."))
    return found


def page(query: WorkQuery, *, actor: Actor, now: datetime) -> tuple[list[Item], str | None]:
    """The tasks, and the cursor of what follows."""
    if mongo.in_memory():
        raise NeedsServer
    found: list[Item] = []
    edges: list[Place] = []
    for walk in _walks(query, actor, now):
        rows = walk.leads(query.limit + 1)
        items = [walk.items(row) for row in rows]
        found += [item for each in items for item in each]
        if len(rows) > query.limit:  # behind its first task there may be others, of leads not read
            edges.append(min(item.place for item in items[-1]))
    found.sort(key=lambda item: item.place)
    shown = [item for item in found if not edges or item.place <= min(edges)][: query.limit]
    more = bool(edges) or len(found) > len(shown)
    return shown, cursors.encode(*shown[-1].place) if more else None


def _walks(query: WorkQuery, actor: Actor, now: datetime) -> Iterable[Walk]:
    after = _place(query.cursor) if query.cursor else None
    scope, due = visible(actor, "live", query.center), _due(query, now)
    shelves = scope.pop("keys.shelf")
    for shelf, name in product(shelves["$in"] if isinstance(shelves, dict) else [shelves], _names(query, actor)):
        yield Walk(scope | {"keys.shelf": shelf}, of_kind(name, query.kind) if query.kind else name, due, after)


def _place(text: str) -> Place:
    due, lead, task = cursors.decode(text, [datetime, ObjectId, str])
    return due, lead, task


def _names(query: WorkQuery, actor: Actor) -> list[str]:
    """Under which names to look."""
    mine = [actor.uid, *(f"role:{role}" for role in actor.roles)]
    if query.mine:
        return mine
    if actor.scope == "tasks":
        return [name for name in mine if query.assigned_to in (None, name)]
    if query.assigned_to:
        return [query.assigned_to]
    if actor.scope == "own":
        return [f"lead:{actor.uid}", f"lead:{NOBODY}"]
    return [EVERYBODY]


def of_lead(row: Row, query: WorkQuery, *, actor: Actor, now: datetime) -> tuple[list[Item], str | None, int]:
    """The tasks of one lead, closed ones too; the cursor of what follows, and how many there are in all."""
    name, days = _doer(query, actor), _days(query)
    there = query.center is None or row["center"] in query.center
    items = [_item(task, row) for task in row["tasks"] if there and _is_asked(task, query, now)]
    found = sorted(
        (item for item in items if _within(item.place[0], days) and name & set(_names_of(item))),
        key=lambda item: item.place,
    )
    after = _place(query.cursor) if query.cursor else None
    left = [item for item in found if after is None or item.place > after]
    shown = left[: query.limit]
    return shown, cursors.encode(*shown[-1].place) if len(left) > len(shown) else None, len(found)


def _item(task: Row, row: Row) -> Item:
    return Item((task["due_at"] or NO_FOLLOW_UP, row["_id"], task["uid"]), task, row)


def _is_asked(task: Row, query: WorkQuery, now: datetime) -> bool:
    return (
        task["status"] == query.status
        and query.kind in (None, task["kind"])
        and query.overdue in (None, is_overdue(task, now))
    )


def is_overdue(task: Row, now: datetime) -> bool:
    return bool(task["status"] == "pending" and task["due_at"] and task["due_at"] < now)


def _doer(query: WorkQuery, actor: Actor) -> set[str]:
    """Who sees the lead sees all of its tasks, unless somebody's are asked for."""
    if query.assigned_to:
        return {query.assigned_to}
    return set(_names(query, actor)) if query.mine else {EVERYBODY}


def _names_of(item: Item) -> list[str]:
    return doing(Task.model_construct(**item.task), item.lead["assigned_to"])


def _within(at: datetime, due: Row) -> bool:
    return due.get("$gte", at) <= at <= due.get("$lte", at) and ("$lt" not in due or at < due["$lt"])


def _days(query: WorkQuery) -> Row:
    """Whoever asks for days means tasks that have one."""
    due: Row = {"$lt": NO_FOLLOW_UP} if query.due_from or query.due_to else {}
    if query.due_from:
        due["$gte"] = moment(query.due_from, first=True)
    if query.due_to:
        due["$lte"] = moment(query.due_to, first=False)
    return due


def _due(query: WorkQuery, now: datetime) -> Row:
    due = _days(query)
    if query.overdue:
        due["$lte"] = min(now, due.get("$lte", now))
    elif query.overdue is False:
        due["$gte"] = max(now, due.get("$gte", now))
    return due
