"""Filters of lists, boards and exports as conditions on documents."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from bson import Decimal128

from lead_crm.access import NOBODY, Actor, Shelves
from lead_crm.errors import Fault, Invalid, NotAllowed
from leads.keys import NO_FOLLOW_UP
from leads.messages import Filters
from leads.shown import HOT
from workflow.fields import DecimalField, FieldDefinition, MoneyField
from workflow.workflow import Workflow

Row = dict[str, Any]

RANGES: Final = {
    "created": "created_at", "updated": "updated_at", "follow_up": "keys.follow_up",
    "stage_entered": "stage_entered_at",
}  # fmt: skip
STARVING: Final = {"status": "open", "keys.follow_up": NO_FOLLOW_UP, "tasks.status": {"$ne": "pending"}}
TODAY: Final = "today"
LAST: Final = time(23, 59, 59, 999_000)  # of a day, in the milliseconds that BSON keeps
PLAIN: Final = ("source", "lead_type", "priority")


@dataclass(slots=True)
class Where:
    """`ranges` and `holders` may become bounds of an index; `rest` never does."""

    shelves: Shelves = "live"
    ranges: dict[str, Row] = field(default_factory=dict)
    rest: Row = field(default_factory=dict)
    holders: list[str] = field(default_factory=list)

    def all(self) -> Row:
        return self.ranges | self.rest

    def narrow(self, base: Row) -> Row:
        """Whose leads: answered by the index, unless the scope of who asks stands there already."""
        if self.holders and "keys.holders" in base:
            self.also({"keys.holders": _any(self.holders)})
        elif self.holders:
            base = base | {"keys.holders": _any(self.holders)}
        return base

    def also(self, condition: Row) -> None:
        self.rest.setdefault("$and", []).append(condition)


def where(query: Filters, *, actor: Actor, workflow: Workflow, now: datetime) -> Where:
    found = Where()
    now = now.replace(microsecond=0)  # so that a count asked again a moment later is the same question
    _stages(found, query, workflow)
    _status(found, query)
    for name in PLAIN:
        if values := getattr(query, name):
            found.rest[name] = _any(values)
    _people(found, query, actor)
    _tags(found, query)
    _scores(found, query)
    _times(found, query, now)
    if query.temperature:
        found.also({"$or": [_heat(heat, workflow, now) for heat in query.temperature]})
    if query.overdue is not None:
        overdue = {"due": {"$elemMatch": {"$lt": now}}}
        found.also(overdue if query.overdue else {"$nor": [overdue]})
    if query.starving is not None:
        found.also(STARVING if query.starving else {"$nor": [STARVING]})
    if query.stale is not None:
        stale = _stale(workflow, now)
        found.also(stale if query.stale else {"$nor": [stale]})
    _fields(found, query, workflow, actor)
    if query.q and not actor.may("lead.pii"):
        _seen_words(found, query.q)
    return found


def _seen_words(found: Where, text: str) -> None:
    """Who does not see personal fields finds by what is seen alone."""
    for word in text.split():
        pattern = {"$regex": re.escape(word), "$options": "i"}
        found.also({"$or": [{name: pattern} for name in ("name", "company", "uid")]})


def _any(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else {"$in": values}


def _stages(found: Where, query: Filters, workflow: Workflow) -> None:
    unknown = [uid for uid in query.stage or [] if uid not in workflow.by_uid]
    if unknown:
        raise Invalid([Fault("/stage", "unknown_stage", f"There is no stage {uid}.") for uid in unknown])
    stages = set(query.stage) if query.stage else None
    if query.kind:
        of_kind = {stage.uid for stage in workflow.stages if stage.kind in query.kind}
        stages = of_kind if stages is None else stages & of_kind
    if stages is not None:
        found.rest["current_stage"] = _any(sorted(stages)) if stages else {"$in": []}


def _status(found: Where, query: Filters) -> None:
    if query.status:
        archived = "archived" in query.status
        found.shelves = "archived" if query.status == ["archived"] else "both" if archived else "live"
        if query.status != ["archived"]:
            found.rest["status"] = _any(query.status)


def _people(found: Where, query: Filters, actor: Actor) -> None:
    if query.assigned_to:
        names = {"me": actor.uid, "none": NOBODY}
        found.holders = [names.get(uid, uid) for uid in query.assigned_to]


def _tags(found: Where, query: Filters) -> None:
    if query.tags:
        found.also({"tags": {"$all": query.tags}})
    if query.any_tags:
        found.also({"tags": {"$in": query.any_tags}})


def _scores(found: Where, query: Filters) -> None:
    low = max(query.score_min or 0, HOT + 1 if query.hot else 0)
    high = min(100 if query.score_max is None else query.score_max, 100 if query.hot in (None, True) else HOT)
    if (low, high) != (0, 100):
        found.ranges["score"] = {"$gte": low, "$lte": high}


def _times(found: Where, query: Filters, now: datetime) -> None:
    for name, path in RANGES.items():
        bounds: Row = {}
        if (start := getattr(query, f"{name}_from")) is not None:
            bounds["$gte"] = moment(_absolute(start, now), first=True)
        if (end := getattr(query, f"{name}_to")) is not None:
            bounds["$lte"] = moment(_absolute(end, now), first=False)
        if path == "keys.follow_up" and bounds:
            bounds.setdefault("$lt", NO_FOLLOW_UP)
        if bounds:
            found.ranges[path] = bounds


def _absolute(value: datetime | str, now: datetime) -> datetime | str:
    """`today+7` is the day a week from now; in UTC, as all days are."""
    if isinstance(value, datetime) or not value.startswith(TODAY):
        return value
    return (now.date() + timedelta(days=int(value.removeprefix(TODAY) or 0))).isoformat()


def moment(value: datetime | str, *, first: bool) -> datetime:
    """A day means all of it: both ends are included."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(date.fromisoformat(value), time() if first else LAST, UTC)


def _heat(heat: str, workflow: Workflow, now: datetime) -> Row:
    """Set by hand, or by the distance of the expected close."""
    by_hand = {"temperature": heat}
    rule = workflow.config.temperature
    if rule is None:
        return by_hand
    hot = (now.date() + timedelta(days=rule.hot_days)).isoformat()
    warm = (now.date() + timedelta(days=rule.warm_days)).isoformat()
    dated: dict[str, Row] = {
        "hot": {"expected_close_on": {"$lte": hot, "$ne": None}},
        "warm": {"expected_close_on": {"$gt": hot, "$lte": warm}},
        "cold": {"$or": [{"expected_close_on": None}, {"expected_close_on": {"$gt": warm}}]},
    }
    return {"$or": [by_hand, {"temperature": None, **dated[heat]}]}


def _stale(workflow: Workflow, now: datetime) -> Row:
    late = [
        {"current_stage": stage.uid, "stage_entered_at": {"$lt": now - timedelta(hours=stage.sla_hours)}}
        for stage in workflow.stages if stage.sla_hours
    ]  # fmt: skip
    return {"status": "open", "$or": late} if late else {"_id": None}


def may_compare(key: str, workflow: Workflow, actor: Actor) -> None:
    """What is hidden is not found by guessing either."""
    if key not in workflow.plain_keys and not actor.may("lead.pii"):
        raise NotAllowed(f"Filtering and sorting by {key} needs the permission lead.pii.", permission="lead.pii")


def _fields(found: Where, query: Filters, workflow: Workflow, actor: Actor) -> None:
    """`budget=5`, `budget_min=5`, `budget_max=9`; a comma means any of, where it is an equality."""
    faults = []
    for name, text in query.field.items():
        key, operator = _operator(name, workflow)
        if key not in workflow.field_keys:
            faults.append(Fault(f"/field.{name}", "unknown_field", f"There is no custom field {key}."))
            continue
        may_compare(key, workflow, actor)
        texts = [text] if operator else text.split(",")
        values = [workflow.values.comparable(key, part) for part in texts]
        conditions = [_compared(workflow.field(key), operator or "$eq", value) for value in values]
        found.also({"$or": conditions})
    if faults:
        raise Invalid(faults)


def _operator(name: str, workflow: Workflow) -> tuple[str, str | None]:
    for ending, operator in (("_min", "$gte"), ("_max", "$lte")):
        if name.endswith(ending) and name not in workflow.field_keys:
            return name.removesuffix(ending), operator
    return name, None


def _compared(definition: FieldDefinition, operator: str, value: Any) -> Row:
    """Decimals are kept as text, exactly; here they are compared as the numbers they are."""
    path = f"fields.{definition.field_key}"
    if isinstance(definition, DecimalField):
        number = {operator: [{"$toDecimal": f"${path}"}, Decimal128(str(value))]}
        return {path: {"$type": "string"}, "$expr": number}
    if isinstance(definition, MoneyField):
        return {f"{path}.amount": {operator: value["amount"] if isinstance(value, dict) else value}}
    return {path: {operator: value}}
