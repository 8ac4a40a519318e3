"""Lists of leads: which index serves a query, what is left to examine, where the next page begins.

The index of the sort order is always named. What it does not cover is examined candidate by candidate, at most
10,000 of them for a page; then the answer says that it is partial, and its `next` goes on from there.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from lead_crm import cursors, mongo
from lead_crm.access import Actor, visible
from lead_crm.errors import Fault, Invalid
from leads import counting, filters, search
from leads.filters import Where
from leads.keys import NO_FOLLOW_UP
from leads.messages import Filters, LeadQuery
from workflow.fields import DecimalField
from workflow.workflow import Workflow

CANDIDATES: Final = 10_000
PATIENCE_MS: Final = 5_000

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


INDEXED: Final = {
    "-created_at": Order("-created_at", "created_at", -1, "newest", -1, (datetime,)),
    "created_at": Order("created_at", "created_at", 1, "newest", 1, (datetime,)),
    "-score": Order("-score", "score", -1, "score", 1, (int,)),
    "score": Order("score", "score", 1, "score", -1, (int,)),
    "next_follow_up_at": Order("next_follow_up_at", "keys.follow_up", 1, "follow_up", 1, (datetime,)),
}
PATHS: Final = {
    "updated_at": "updated_at", "name": "name", "stage_entered_at": "stage_entered_at",
    "expected_close_on": "expected_close_on", "next_follow_up_at": "next_follow_up_at",
}  # fmt: skip


@dataclass(slots=True)
class Plan:
    base: Row  # answered by the index, together with the order
    rest: Row  # examined in each candidate
    order: Order
    hint: str
    walk: list[tuple[str, int]]  # the order in which the index is walked
    after: Row = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    rows: list[Row]
    next: str | None
    previous: str | None
    partial: bool
    plan: Plan


def order_of(sort: str | None, workflow: Workflow) -> Order:
    name = sort or workflow.config.default_sort
    if name in INDEXED:
        return INDEXED[name]
    direction, plain = (-1, name[1:]) if name.startswith("-") else (1, name)
    key = plain.removeprefix("field.")
    if plain in PATHS:
        return Order(name, PATHS[plain], direction)
    if key != plain and key in workflow.field_keys:
        number = isinstance(workflow.field(key), DecimalField)
        return Order(name, f"fields.{key}", direction, number=number)
    known = ", ".join(sorted({*PATHS, *(n.lstrip("-") for n in INDEXED)}))
    raise Invalid(
        [Fault("/sort", "unknown_sort", f"Sort by one of: {known}, or field.<key>; - in front turns it round.")]
    )


def plan(query: Filters, order: Order, *, actor: Actor, workflow: Workflow, now: datetime, region: str) -> Plan:
    where = filters.where(query, actor=actor, workflow=workflow, now=now)
    base = where.narrow(visible(actor, where.shelves, query.center))
    if query.q and query.q.strip():
        return _searched(query.q, base, where, order, region)
    held = "keys.holders" in base
    name, walk = _walk(order, held)
    if held and not name.endswith("_held"):
        where.rest["keys.holders"] = base.pop("keys.holders")
    bounds = where.ranges.pop(order.path, None) if order.index == name.removesuffix("_held") else None
    if bounds:
        base[order.path] = bounds
    return Plan(base, where.all(), order, name, walk)


def _walk(order: Order, held: bool) -> tuple[str, list[tuple[str, int]]]:
    """The index that has the order; for people who see their own leads that of holders, where there is one."""
    if order.index in (None, "newest"):
        ours = order if order.index else INDEXED["-created_at"]
        return "newest_held" if held else "newest", [("created_at", ours.direction), ("_id", ours.tie)]
    return str(order.index), [(order.path, order.direction), ("_id", order.tie)]


def _searched(text: str, base: Row, where: Where, order: Order, region: str) -> Plan:
    """The longest word leads, because it is likely the rarest; the others are examined."""
    rest = where.all()
    if "keys.holders" in base:
        rest["keys.holders"] = base.pop("keys.holders")
    first, *others = search.asked(text, region) or [[""]]
    base["keys.grams"] = search.any_of(first)
    if others:
        rest.setdefault("$and", []).extend({"keys.grams": search.any_of(spellings)} for spellings in others)
    newest = order if order.index == "newest" else INDEXED["-created_at"]
    return Plan(base, rest, order, "grams", [("created_at", newest.direction), ("_id", newest.tie)])


def find(query: LeadQuery, made: Plan, projection: dict[str, int]) -> Found:
    backwards = False
    if query.cursor:
        backwards, value, tie = _cursor(query.cursor, made.order)
        made.after = _beyond(made.order, value, tie, backwards)
    walked = made.order.path == made.walk[0][0]
    rows = _walked(made, query, projection, backwards) if walked else _sorted(made, query, projection, backwards)
    return _page(rows, query, made, backwards, walked)


def _cursor(text: str, order: Order) -> tuple[bool, Any, ObjectId]:
    name, backwards, value, tie = cursors.decode(text, [str, bool, order.kinds, ObjectId])
    if name != order.name:
        raise Invalid([Fault("/cursor", "wrong_cursor", "This cursor belongs to another sort order.")])
    return backwards, value, tie


def _beyond(order: Order, value: Any, tie: ObjectId, backwards: bool) -> Row:
    """Past one place in the order, in the form that lets the index start there ($or would sort in memory)."""
    path, down = order.path, (order.direction < 0) != backwards
    tie_down = (order.tie < 0) != backwards
    bound = {path: {"$lte" if down else "$gte": value}}
    return {**bound, "$nor": [{path: value, "_id": {"$gte" if tie_down else "$lte": tie}}]}


def _walked(made: Plan, query: LeadQuery, projection: dict[str, int], backwards: bool) -> list[Row]:
    """Along the index; only what it does not answer is examined."""
    sign = -1 if backwards else 1
    walk = [(path, direction * sign) for path, direction in made.walk]
    match = _both(made.base, made.after)
    limit, skip = query.limit + 1, query.offset or 0
    fields = {**projection, "_id": 1, made.order.path: 1}
    leads = mongo.collection("leads")
    if not made.rest:
        found = leads.find(match, fields, hint=mongo.index(made.hint)).sort(walk).skip(skip).limit(limit)
        return list(found.max_time_ms(PATIENCE_MS))
    steps: list[Row] = [{"$match": match}, {"$sort": dict(walk)}, {"$limit": CANDIDATES}, {"$match": made.rest}]
    steps += [{"$skip": skip}] if skip else []
    steps += [{"$limit": limit}, {"$project": fields}]
    return list(leads.aggregate(steps, **_options(made.hint)))


def _sorted(made: Plan, query: LeadQuery, projection: dict[str, int], backwards: bool) -> list[Row]:
    """The newest candidates, put into an order that no index has; empty values last."""
    sign, path = (-1 if backwards else 1), f"${made.order.path}"
    value = {"$toDouble": path} if made.order.number else {"$ifNull": [path, None]}
    steps: list[Row] = [
        {"$match": made.base}, {"$sort": dict(made.walk)}, {"$limit": CANDIDATES}, {"$match": made.rest},
        {"$addFields": {"keys.value": value}},
        {"$addFields": {"keys.empty": {"$cond": [{"$eq": ["$keys.value", None]}, 1, 0]}}},
    ]  # fmt: skip
    if made.after:
        steps.append({"$match": _beyond_sorted(made, backwards)})
    order = {"keys.empty": sign, "keys.value": made.order.direction * sign, "_id": sign}
    steps += [{"$sort": order}, {"$skip": query.offset or 0}, {"$limit": query.limit + 1}]
    steps.append({"$project": {**projection, "_id": 1, "keys.value": 1}})
    return list(mongo.collection("leads").aggregate(steps, **_options(made.hint)))


def _beyond_sorted(made: Plan, backwards: bool) -> Row:
    (bound,) = (item for item in made.after["$nor"])
    value, tie = bound[made.order.path], next(iter(bound["_id"].values()))
    later = "$lt" if (made.order.direction < 0) != backwards else "$gt"
    same = {"keys.value": value, "_id": {"$lt" if backwards else "$gt": tie}}
    if value is None:
        return {"$or": [same, {"keys.empty": 0}]} if backwards else same
    further = {"keys.empty": 0, "keys.value": {later: value}}
    return {"$or": [same, further] if backwards else [same, further, {"keys.empty": 1}]}


def _both(base: Row, after: Row) -> Row:
    """Two bounds of one path are both wanted."""
    shared = after.keys() & base.keys()
    return base | after | {path: {**base[path], **after[path]} for path in shared}


def _options(name: str) -> dict[str, Any]:
    return {} if mongo.in_memory() else {"hint": name, "maxTimeMS": PATIENCE_MS}


def _page(rows: list[Row], query: LeadQuery, made: Plan, backwards: bool, walked: bool) -> Found:
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if backwards:
        rows.reverse()
    examined = [] if more or not (made.rest or not walked) else _boundary(made, backwards)
    last, first = (rows[-1] if rows else None), (rows[0] if rows else None)
    following = previous = None
    if last and (more or backwards):
        following = _encode(made.order, last, False)
    elif examined and walked and not backwards:
        following = _encode(made.order, examined[0], False)
    if first and (more if backwards else bool(query.cursor)):
        previous = _encode(made.order, first, True)
    for row in rows:
        row.pop("_id")
        row.get("keys", {}).pop("value", None)
    return Found(rows, following, previous, bool(examined), made)


def _boundary(made: Plan, backwards: bool) -> list[Row]:
    """The last candidate that was examined, if there are further ones behind it."""
    sign = -1 if backwards else 1
    match = _both(made.base, made.after) if made.order.path == made.walk[0][0] else made.base
    found = mongo.collection("leads").find(match, {made.order.path: 1}, hint=mongo.index(made.hint))
    rows = list(found.sort([(p, d * sign) for p, d in made.walk]).skip(CANDIDATES - 1).limit(2))
    return rows[:1] if len(rows) == 2 else []


def _encode(order: Order, row: Row, backwards: bool) -> str:
    keys = row.get("keys", {})
    if "value" in keys:
        value = keys["value"]
    elif order.path == "keys.follow_up":
        value = keys.get("follow_up", NO_FOLLOW_UP)
    else:
        value = row.get(order.path)
    return cursors.encode(order.name, backwards, value, row["_id"])


def count(query: LeadQuery, found: Found) -> tuple[int | None, bool]:
    """How many there are in all: known from the page itself where it is the only one."""
    if query.count == "none":
        return None, True
    if not (query.cursor or query.offset or found.next or found.partial):
        return len(found.rows), False
    where = found.plan.base | found.plan.rest
    return counting.exactly(where) if query.count == "exact" else counting.up_to(CANDIDATES, where, found.plan.hint)
