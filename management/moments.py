"""A demo lead as it stood after one step of its life, and the same step of many others' lives."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm.access import Actor, Person
from lead_crm.documents import new_uid
from leads import gate
from leads.documents import Lead
from leads.record import Ask
from management.invention import Teller, appointment
from management.words import Kind, Words
from workflow.workflow import Workflow

FIXED: Final = frozenset({"lead_type", "source", "source_detail", "tags", "priority", "next_follow_up_at"})

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the leads live: the workflow, its words, and who works in which centre."""

    workflow: Workflow
    words: Words
    system: Actor
    staff: dict[str, list[Actor]]
    helpers: dict[str, list[Actor]]  # who only completes tasks of some kind
    named: Mapping[str, Person]  # whom the stages give tasks
    needed: frozenset[str]  # attributes and fields that some stage requires
    sharing: int
    now: datetime


class Moment:
    """A lead after one step of a life."""

    def __init__(self, scene: Scene, lead: Lead) -> None:
        self.scene, self.lead, self.age = scene, lead, lead.updated_at - lead.created_at
        stage = scene.workflow.stage(lead.current_stage)
        self.limited = bool(stage and stage.wip_limit)

    @functools.cached_property
    def row(self) -> Row:
        return self.lead.model_dump()

    @functools.cached_property
    def uids(self) -> list[str]:
        return [task.uid for task in self.lead.tasks] + [line.uid for line in self.lead.activities]

    @functools.cached_property
    def touched(self) -> set[str]:
        """Attributes, and custom fields, that have changed since it came in."""
        found = [change["pointer"].split("/") for entry in self.lead.changes for change in entry.changes]
        return {path[1] if path[1] != "fields" else "/".join(path[1:3]) for path in found}

    @functools.cached_property
    def pointers(self) -> list[tuple[str, str]]:
        """Those that name a task, each with the task's uid."""
        found = (change["pointer"] for entry in self.lead.changes for change in entry.changes)
        return [(pointer, pointer.split("/")[2]) for pointer in found if pointer.startswith("/tasks/")]

    @functools.cached_property
    def ranks(self) -> list[tuple[str, datetime]]:
        """Each place it has had, and since when."""
        moves = [change for entry in self.lead.changes for change in entry.changes if change["pointer"] == "/rank"]
        ranks = [moves[0]["old"] if moves else self.lead.rank, *(move["new"] for move in moves)]
        return [(rank, entry.entered_at) for rank, entry in zip(ranks, self.lead.history, strict=True)]

    def again(self, kind: Kind, teller: Teller, born: datetime) -> Lead:
        later = born - self.lead.created_at
        new = {uid: new_uid() for uid in self.uids}
        new |= {pointer: pointer.replace(uid, new[uid]) for pointer, uid in self.pointers}
        for rank, since in self.ranks:
            new[rank] = gate.place("top", Ask(self.scene.system, self.scene.workflow, since + later))
        if self.lead.conversion:
            new[self.lead.conversion.reference] = teller.told(self.scene.words.reference)
        fresh = self._particulars(kind, teller)
        row = _moved(self.row, later, new, self.scene.words.hours) | fresh
        if "email" in fresh:  # that it was created has told of another person
            row["changes"][0]["events"][0]["email"] = fresh["email"]
        return Lead.model_validate(row)

    def _particulars(self, kind: Kind, teller: Teller) -> Row:
        """What no two leads share, as far as this lead has it."""
        told = teller.told(kind.values)
        fresh = {
            name: value for name, value in told.items()
            if name not in FIXED and name not in self.touched and name != "fields" and self.row[name]
        }  # fmt: skip
        if "address" in fresh:
            fresh["address"] = self.row["address"] | fresh["address"]
        fields = {
            key: value for key, value in told.get("fields", {}).items()
            if key in self.lead.fields and f"fields/{key}" not in self.touched
        }  # fmt: skip
        if fields:
            new, faults = self.scene.workflow.values.convert(fields, lead_type=self.lead.lead_type)
            fresh["fields"] = self.lead.fields | (new if not faults else {})
        return fresh


def _moved(value: Any, later: timedelta, new: dict[str, str], hours: tuple[int, int]) -> Any:
    """The same, later, and with other names. What was an appointment still is one."""

    def moved(value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return new.get(value, value)
        if kind is dict:
            return {key: moved(item) if item is not None else None for key, item in value.items()}
        if kind is list:
            return [moved(item) for item in value] if value else value
        if kind is datetime:
            moment = value + later
            return moment if value.second or value.microsecond else appointment(moment, hours)
        return value

    return moved(value)
