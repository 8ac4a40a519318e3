"""What every change of a lead has in common: derived values, the difference, the timeline, the next version."""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm import contact
from lead_crm.access import Actor, Person
from lead_crm.diff import Difference, differences, same
from lead_crm.documents import new_uid
from leads import events, scoring
from leads.assignment import Pick, unasked
from leads.documents import Activity, ActivityKind, ChangeSet, Done, Lead, Timeline
from leads.events import Event
from workflow.workflow import Workflow

# The database rewrites the whole lead at every change, so it is kept small: with thirty entries instead of twenty, and
# fifteen records of changes instead of ten, moving a lead took half as long again.
KEPT: Final = 10  # activities, and passages, that stay in the lead when the older ones spill over
FULL: Final = 20  # so many of one kind make them spill
FULL_CHANGES: Final = 10  # so many records of changes do too, and then all of these go
STATE_EVERY: Final = 100  # so many records apart, the state of the lead goes with them
REMEMBERED_POSTS: Final = 200
REMEMBERED_FOR: Final = timedelta(hours=24)

# Not compared: these say that and when something changed, or only ever grow.
UNCOMPARED: Final = frozenset({
    "version", "updated_at", "updated_by", "workflow_version", "activities", "history", "changes", "spilled", "done",
    "due", "sole", "touched_at",
})  # fmt: skip
COMPARED: Final = frozenset(Lead.model_fields) - UNCOMPARED


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants something, when, and under which workflow."""

    actor: Actor
    workflow: Workflow
    now: datetime
    once: str | None = None
    full: frozenset[str] = frozenset()  # stages that are known to have no room
    pick: Pick = unasked  # who gets a lead by a rule
    people: Mapping[str, Person] = field(default_factory=dict)  # of those whom stages name, all who are there

    def after(self, lead: Lead) -> "Ask":
        """Never at or before the lead's last change, so that every version has a moment of its own."""
        earliest = lead.updated_at + timedelta(milliseconds=1)
        return self if self.now >= earliest else replace(self, now=earliest)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a change: what it writes, and what the timeline says about it."""

    values: dict[str, Any]
    lines: list[Activity]


def line(ask: Ask, kind: ActivityKind, body: str | None = None, /, **meta: Any) -> Activity:
    return Activity(uid=new_uid(), kind=kind, body=body, meta=meta, actor=ask.actor.uid, at=ask.now)


def derived(values: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Score and next follow-up, which follow from the rest."""
    total, reasons = scoring.score(values, ask.workflow.config.scoring, ask.now)
    due = [task.due_at for task in values["tasks"] if task.status == "pending" and task.due_at]
    return values | {
        "score": total,
        "score_reasons": reasons if reasons != values.get("score_reasons") else values["score_reasons"],
        "next_follow_up_at": min(due, default=values["follow_up_wish"]),
        "due": due,
    }


def begun(lead: Lead, ask: Ask) -> Lead:
    """The first version, with the record that it came to be."""
    return lead.model_copy(update={"changes": [_entry(lead, ask, [], events.of_new(lead))]})


def changed(
    lead: Lead, ask: Ask, lines: Iterable[Activity], *, made: str | None = None, tells: Iterable[Event] = (),
    at_rest: bool = False, **values: Any,
) -> Lead:  # fmt: skip
    """The lead after a change, with all that records it. The caller has checked the rules.

    `tells`: events that do not follow from the values. `at_rest`: the CRM keeps its own books; nobody did anything with
    the lead.
    """
    after = derived(vars(lead) | values, ask)
    after |= {
        "version": lead.version + 1,
        "updated_at": ask.now,
        "updated_by": ask.actor.uid,
        "touched_at": (lead.touched_at or lead.updated_at) if at_rest else None,
        "workflow_version": ask.workflow.version,
        "activities": [*after["activities"], *lines],
    }
    if ask.once:
        done = Done(once=ask.once, at=ask.now, made=made)
        recent = [entry for entry in lead.done if entry.at > ask.now - REMEMBERED_FOR]
        after["done"] = [*recent, done][-REMEMBERED_POSTS:]
    new = _validated(lead, after)
    changes = list(_differences(lead, new))
    told = [*events.of_change(lead, new, changes, ask.workflow), *tells]
    return new.model_copy(update={"changes": [*new.changes, _entry(new, ask, changes, told)]})


def _validated(lead: Lead, after: Mapping[str, Any]) -> Lead:
    """All of it is validated; what nobody has touched stays the very same, and need not be compared by anybody."""
    old, valid = vars(lead), vars(Lead.model_validate(after, context=contact.STORED))
    return lead.model_copy(update={name: valid[name] for name, value in after.items() if value is not old[name]})


def _entry(lead: Lead, ask: Ask, changes: list[Difference], told: list[Event]) -> ChangeSet:
    """Made of values that have just been validated."""
    return ChangeSet.model_construct(
        version=lead.version, at=ask.now, by=ask.actor.uid, workflow_version=ask.workflow.version, changes=changes,
        events=told,
    )  # fmt: skip


def _differences(before: Lead, after: Lead) -> Iterator[Difference]:
    """Most of a lead stays the very same: only the rest is looked into."""
    names = set(touched(before, after, COMPARED))
    return differences(before.model_dump(include=names), after.model_dump(include=names))


def touched(before: Lead, after: Lead, names: Iterable[str]) -> Iterator[str]:
    old, new = vars(before), vars(after)
    return (name for name in names if old[name] is not new[name] and _touched(old[name], new[name]))


def _touched(one: Any, other: Any) -> bool:
    """Perhaps: whether they differ is asked afterwards."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) != len(other) or any(map(operator.is_not, one, other))
    return not same(one, other)


def compared(lead: Lead) -> dict[str, Any]:
    return lead.model_dump(include=set(COMPARED))


def state(lead: Lead) -> dict[str, Any]:
    """All that undoing changes needs to begin with, and which version it is of."""
    return compared(lead) | {"version": lead.version, "updated_at": lead.updated_at}


def full(lead: Lead) -> bool:
    """Every version has one record: those that have not spilled over are counted without being read."""
    recorded = lead.version - lead.spilled.changes
    return len(lead.activities) >= FULL or len(lead.history) >= FULL or recorded >= FULL_CHANGES


def spill(lead: Lead, records: Sequence[ChangeSet]) -> tuple[Lead, Timeline | None]:
    """Take the oldest entries out once there are many, and all `records` of changes that the lead carries.

    What is taken depends on nothing but the version that was read, so two writers, or one who comes again after a
    crash, write the same timeline document under the same uid.
    """
    if not full(lead):
        return lead, None
    activities, history, before = lead.activities[:-KEPT], lead.history[:-KEPT], lead.spilled
    timeline = Timeline(
        uid=timeline_uid(lead.uid, lead.version),
        start=before,
        activities=activities,
        history=history,
        changes=list(records),
        state=state(lead) if lead.version // STATE_EVERY > before.changes // STATE_EVERY else None,
    )
    kept = lead.model_copy(update={
        "activities": lead.activities[len(activities):],
        "history": lead.history[len(history):],
        "changes": [],
        "spilled": before.model_copy(update={
            "activities": before.activities + len(activities),
            "history": before.history + len(history),
            "changes": lead.version,
        }),
    })  # fmt: skip
    return kept, timeline


def timeline_uid(lead: str, version: int) -> str:
    return f"{lead}:{version:010d}"
