"""Lists of leads: which index serves a query, what is left to examine, where the next page begins.

The index of the sort order is always named. What it does not cover is examined candidate by candidate. Where that
takes long, it ends after 10,000 of them, or where the disk is slow after fewer; the answer then says that it is
partial, and its `next` goes on from there.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import ExecutionTimeout

from lead_crm import cursors, mongo
from lead_crm.access import Actor, visible
from lead_crm.errors import Fault, Invalid, NotAllowed
from leads import counting, filters, search
from leads.filters import Where
from leads.messages import Filters, LeadQuery
from workflow.fields import DecimalField, FieldDefinition, MoneyField
from workflow.rules import UNSORTED
from workflow.workflow import Workflow

CANDIDATES: Final = 10_000
QUICK_MS: Final = 40
SHORT_MS: Final = 1_000
PATIENCE_MS: Final = 5_000
THOROUGH_MS: Final = 20_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A sort order: the stored key, its direction, and the index that has it (None: sorted among candidates)."""

    name: str
    path: str
    direction: int
    index: str | None = None
    tie: int = 1  # direction of _id
    kinds: tuple[type, ...] = (str, int, float, bool, datetime, type(None))
    number: bool = False  # kept as text, sorted as a number
    dense: bool = False  # thousands of leads may share a value


INDEXED: Final = {
    "-created_at": Order("-created_at", "created_at", -1, "newest", -1, (datetime,)),
    "created_at": Order("created_at", "created_at", 1, "newest", 1, (datetime,)),
    "-score": Order("-score", "score", -1, "score", 1, (int,), dense=True),
    "score": Order("score", "score", 1, "score", -1, (int,), dense=True),
    "next_follow_up_at": Order("next_follow_up_at", "keys.follow_up", 1, "follow_up", 1, (datetime,), dense=True),
}
PATHS: Final = {
    "updated_at": "updated_at", "name": "name", "stage_entered_at": "stage_entered_at",
    "expected_close_on": "expected_close_on", "next_follow_up_at": "next_follow_up_at",
}  # fmt: skip


Walk = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind this lead, or before it."""

    backwards: bool
    value: Any
    tie: ObjectId


@dataclass(slots=True)
class Plan:
    base: Row  # answered by the index, together with the order
    rest: Row  # examined in each candidate
    order: Order
    hint: str
    walk: Walk  # the order in which the index is walked
    place: Place | None = None

    @property
    def walked(self) -> bool:
        return self.order.path == self.walk[0][0]

    @property
    def sign(self) -> int:
        return -1 if self.place and self.place.backwards else 1

    def stretches(self) -> list[tuple[Row, Walk]]:
        """What to walk, one after the other, from the place on."""
        walk = [(path, direction * self.sign) for path, direction in self.walk]
        if self.place is None:
            return [(self.base, walk)]
        parts = [_both(self.base, part) for part in _beyond(self.order, self.place)]
        # All of the first have one value: only without it in the order does the planner merge them unsorted.
        return [(parts[0], walk[1:]), (parts[1], walk)] if self.order.dense else [(parts[0], walk)]


@dataclass(slots=True)
class Found:
    rows: list[Row]
    next: str | None
    previous: str | None
    partial: bool
    plan: Plan


def order_of(name: str | None, workflow: Workflow, actor: Actor) -> Order:
    if not name:
        return _usual(workflow, actor)
    if name in INDEXED:
        return INDEXED[name]
    direction, plain = (-1, name[1:]) if name.startswith("-") else (1, name)
    key = plain.removeprefix("field.")
    if plain in PATHS:
        return Order(name, PATHS[plain], direction)
    if key != plain and key in workflow.field_keys:
        filters.may_compare(key, workflow, actor)
        return _of_field(name, workflow.field(key), direction)
    known = ", ".join(sorted({*PATHS, *(n.lstrip("-") for n in INDEXED)}))
    raise Invalid(
        [Fault("/sort", "unknown_sort", f"Sort by one of: {known}, or field.<key>; - in front turns it round.")]
    )


def _usual(workflow: Workflow, actor: Actor) -> Order:
    """The config's order; for those who may not compare what it sorts by, the newest first."""
    try:
        return order_of(workflow.config.default_sort, workflow, actor)
    except NotAllowed:
        return INDEXED["-created_at"]


def _of_field(name: str, definition: FieldDefinition, direction: int) -> Order:
    if definition.field_type in UNSORTED:
        raise Invalid([Fault("/sort", "unknown_sort", f"{definition.field_type} fields have no order.")])
    amount = ".amount" if isinstance(definition, MoneyField) else ""
    path = f"fields.{definition.field_key}{amount}"
    return Order(name, path, direction, number=isinstance(definition, DecimalField))


def plan(
    query: Filters, order: Order, *, actor: Actor, workflow: Workflow, now: datetime, region: str, loosely: bool = False
) -> Plan:
    where = filters.where(query, actor=actor, workflow=workflow, now=now)
    base = where.narrow(visible(actor, where.shelves, query.center))
    if query.q and query.q.strip():
        groups = search.asked(query.q, region, loosely=loosely)
        return _searched(groups, base, where, order)
    held = "keys.holders" in base
    name, walk = _walk(order, held)
    if walk[0][0] == "created_at" and isinstance(where.rest.get("current_stage"), str):
        base["current_stage"], name = where.rest.pop("current_stage"), "stage_held" if held else "stage"
    if held and not name.endswith("_held"):
        where.rest["keys.holders"] = base.pop("keys.holders")
    if order.path == walk[0][0]:  # then the index has bounds for it
        base |= {path: bounds for path, bounds in where.ranges.items() if path == order.path}
        where.ranges.pop(order.path, None)
    return Plan(base, where.all(), order, name, walk)


def _walk(order: Order, held: bool) -> tuple[str, Walk]:
    """The index that has the order; for people who see their own leads that of holders, where there is one."""
    if order.index in (None, "newest"):
        ours = order if order.index else INDEXED["-created_at"]
        return "newest_held" if held else "newest", [("created_at", ours.direction), ("_id", ours.tie)]
    return str(order.index), [(order.path, order.direction), ("_id", order.tie)]


def _searched(groups: list[list[str]], base: Row, where: Where, order: Order) -> Plan:
    """What the fewest leads have leads, a word or whose they are; the others are examined."""
    ways: list[tuple[str, Row]] = [("grams", {"keys.grams": search.any_of(group)}) for group in groups or [[""]]]
    if "keys.holders" in base:
        ways.append(("newest_held", {"keys.holders": base.pop("keys.holders")}))
    hint, first = _rarest(ways, base) if len(ways) > 1 else ways[0]
    for _, condition in ways:
        if condition is not first:
            where.also(condition)
    newest = order if order.index == "newest" else INDEXED["-created_at"]
    return Plan(base | first, where.all(), order, hint, [("created_at", newest.direction), ("_id", newest.tie)])


def _rarest(ways: list[tuple[str, Row]], base: Row) -> tuple[str, Row]:
    """The longest word where all are frequent, as it is likely the rarest.

    Pages that follow each other may go different ways: all have one order. Sizes are told apart up to the number of
    candidates: what has fewer is examined whole, and what has more is always the same.
    """
    return ways[counting.fewest(CANDIDATES, [(hint, base | condition) for hint, condition in ways])]


def find(query: LeadQuery, made: Plan, projection: dict[str, int]) -> Found:
    if query.cursor and query.offset:
        raise Invalid([Fault("/offset", "not_both", "Send a cursor or an offset, not both.")])
    if query.cursor:
        made.place = _place(query.cursor, made.order)
    rows, edge = _walked(made, query, projection) if made.walked else _sorted(made, query, projection)
    return _page(rows, edge, query, made)


def matching(made: Plan, most: int) -> list[str]:
    """The uids of all, up to a limit. Where this takes too long, the question is too wide for anything to follow."""
    try:
        rows = newest(made, most, {"uid": 1})
    except ExecutionTimeout:
        detail = "Finding these leads takes too long. Narrow the filter, by stage, centre or time of creation."
        raise Invalid([Fault("", "too_slow", detail)]) from None
    return [row["uid"] for row in rows]


def newest(made: Plan, most: int, projection: dict[str, int]) -> list[Row]:
    """So many, however many candidates have to be examined for it."""
    ((match, walk),) = made.stretches()
    found = mongo.collection("leads").find(match | made.rest, projection, hint=mongo.index(made.hint))
    return list(found.sort(walk).limit(most).max_time_ms(THOROUGH_MS))


def _place(text: str, order: Order) -> Place:
    name, backwards, value, tie = cursors.decode(text, [str, bool, order.kinds, ObjectId])
    if name != order.name:
        raise Invalid([Fault("/cursor", "wrong_cursor", "This cursor belongs to another sort order.")])
    return Place(backwards, value, tie)


def _beyond(order: Order, place: Place) -> list[Row]:
    """Past one place in the order, in forms that let the index start there ($or would sort in memory)."""
    down, tie_down = (order.direction < 0) != place.backwards, (order.tie < 0) != place.backwards
    if order.dense:  # first those that share its value, and where they do not suffice, the others
        same = {order.path: place.value, "_id": {"$lt" if tie_down else "$gt": place.tie}}
        return [same, {order.path: {"$lt" if down else "$gt": place.value}}]
    passed = {order.path: place.value, "_id": {"$gte" if tie_down else "$lte": place.tie}}
    return [{order.path: {"$lte" if down else "$gte": place.value}, "$nor": [passed]}]


def _upto(order: Order, walk: Walk, edge: Row) -> Row:
    """Not past the edge, which itself is included."""
    value, tie = _mark(order, edge)
    ways = dict(walk)
    last = {"_id": {"$gte" if ways["_id"] < 0 else "$lte": tie}}
    if order.path not in ways:  # all have one value
        return last
    passed = {order.path: value, "_id": {"$lt" if ways["_id"] < 0 else "$gt": tie}}
    return {order.path: {"$gte" if ways[order.path] < 0 else "$lte": value}, "$nor": [passed]}


def _both(one: Row, other: Row) -> Row:
    """Two bounds of one path are both wanted; the planner intersects them."""
    shared = one.keys() & other.keys() - {"$and"}
    bounds = [*one.get("$and", ()), *other.get("$and", ()), *({k: part[k]} for k in shared for part in (one, other))]
    merged = {key: value for key, value in (one | other).items() if key not in {*shared, "$and"}}
    return merged | ({"$and": bounds} if bounds else {})


def _walked(made: Plan, query: LeadQuery, projection: dict[str, int]) -> tuple[list[Row], Row | None]:
    """The rows, and the last candidate where there were too many to examine them all."""
    rows: list[Row] = []
    for match, walk in made.stretches():
        more, edge = _along(made, match, walk, query.limit + 1 - len(rows), query.offset or 0, projection)
        rows += more
        if len(rows) > query.limit:
            return rows, None
        if edge:
            return rows, edge
    return rows, None


def _along(
    made: Plan, match: Row, walk: Walk, limit: int, skip: int, projection: dict[str, int]
) -> tuple[list[Row], Row | None]:
    """Along the index; what it does not answer is examined: all of it, if that is quick, or so many candidates.

    Also the last of these, if there are further ones behind it.
    """
    fields = {**projection, "_id": 1, made.order.path: 1}
    if not made.rest:
        return _found(made, match, walk, limit, skip, fields, PATIENCE_MS), None
    asked = _both(match, made.rest)

    def examined(most: int | None, patience: int) -> tuple[list[Row], Row | None]:
        edge = None if most is None else _boundary(made, match, walk, max(most, 1))
        within = _both(asked, _upto(made.order, walk, edge)) if edge else asked
        return _found(made, within, walk, limit, skip, fields, patience), edge

    # What does not lie in the database's memory may take milliseconds each: rather fewer of them than an error.
    for most, patience in ((None, QUICK_MS), (CANDIDATES, SHORT_MS), (CANDIDATES // 10, SHORT_MS)):
        with suppress(ExecutionTimeout):
            return examined(most, patience)
    return examined(CANDIDATES // 100, PATIENCE_MS)


def _found(made: Plan, match: Row, walk: Walk, limit: int, skip: int, fields: Row, patience: int) -> list[Row]:
    cursor = mongo.plain("leads").find(match, fields, hint=mongo.index(made.hint))
    return list(cursor.sort(walk).skip(skip).limit(limit).max_time_ms(patience))


def _sorted(made: Plan, query: LeadQuery, projection: dict[str, int]) -> tuple[list[Row], Row | None]:
    """The newest candidates, put into an order that no index has; empty values last."""
    path, sign = f"${made.order.path}", made.sign
    value = {"$toDouble": path} if made.order.number else {"$ifNull": [path, None]}
    steps: list[Row] = [
        {"$match": made.base}, {"$sort": dict(made.walk)}, {"$limit": CANDIDATES}, {"$match": made.rest},
        {"$addFields": {"keys.value": value}},
        {"$addFields": {"keys.empty": {"$cond": [{"$eq": ["$keys.value", None]}, 1, 0]}}},
    ]  # fmt: skip
    if made.place:
        steps.append({"$match": _beyond_sorted(made.order, made.place)})
    order = {"keys.empty": sign, "keys.value": made.order.direction * sign, "_id": sign}
    steps += [{"$sort": order}, {"$skip": query.offset or 0}, {"$limit": query.limit + 1}]
    steps.append({"$project": {**projection, "_id": 1, "keys.value": 1}})
    rows = list(mongo.plain("leads").aggregate(steps, **_options(made.hint)))
    return rows, None if len(rows) > query.limit else _boundary(made, made.base, made.walk, CANDIDATES)


def _beyond_sorted(order: Order, place: Place) -> Row:
    later = "$lt" if (order.direction < 0) != place.backwards else "$gt"
    same = {"keys.value": place.value, "_id": {"$lt" if place.backwards else "$gt": place.tie}}
    if place.value is None:
        return {"$or": [same, {"keys.empty": 0}]} if place.backwards else same
    further = {"keys.empty": 0, "keys.value": {later: place.value}}
    return {"$or": [same, further] if place.backwards else [same, further, {"keys.empty": 1}]}


def _options(name: str) -> dict[str, Any]:
    return {} if mongo.in_memory() else {"hint": name, "maxTimeMS": PATIENCE_MS}


def _boundary(made: Plan, match: Row, walk: Walk, most: int) -> Row | None:
    """The last of so many candidates, if there are further ones behind it."""
    found = mongo.plain("leads").find(match, {made.order.path: 1}, hint=mongo.index(made.hint))
    rows = list(found.sort(walk).skip(most - 1).limit(2))
    return rows[0] if len(rows) == 2 else None


def _page(rows: list[Row], edge: Row | None, query: LeadQuery, made: Plan) -> Found:
    more, rows = len(rows) > query.limit, rows[: query.limit]
    last = rows[-1] if more else edge if made.walked else None
    ahead = _mark(made.order, last) if last else None
    behind: Mark | None = None
    if made.place:
        behind = _mark(made.order, rows[0]) if rows else _past(made.order, made.place)
    backwards = made.sign < 0
    following, previous = (behind, ahead) if backwards else (ahead, behind)
    for row in rows:
        row.pop("_id")
        row.pop("keys", None)
    name, rows = made.order.name, rows[::-1] if backwards else rows
    return Found(rows, _encode(name, following, False), _encode(name, previous, True), edge is not None, made)


Mark = tuple[Any, ObjectId]


def _mark(order: Order, row: Row) -> Mark:
    """The place of a row in the order."""
    keys = row.get("keys", {})
    if "value" in keys:
        return keys["value"], row["_id"]
    value = keys["follow_up"] if order.path == "keys.follow_up" else row.get(order.path)
    return value, row["_id"]


def _past(order: Order, place: Place) -> Mark:
    """Just past the place: whoever finds nothing there and turns round comes to its lead first."""
    number = int(str(place.tie), 16) + (-order.tie if place.backwards else order.tie)
    return place.value, ObjectId(f"{min(max(number, 0), 2**96 - 1):024x}")


def _encode(name: str, mark: Mark | None, backwards: bool) -> str | None:
    return cursors.encode(name, backwards, *mark) if mark else None


def count(query: LeadQuery, found: Found) -> tuple[int | None, bool]:
    """How many there are in all: known from the page itself where it is the only one."""
    if query.count == "none":
        return None, True
    if not (query.cursor or query.offset or found.next or found.partial):
        return len(found.rows), False
    where = found.plan.base | found.plan.rest
    return counting.exactly(where) if query.count == "exact" else counting.up_to(CANDIDATES, where, found.plan.hint)
