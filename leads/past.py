"""The lead as it was: from a state that was kept at the moment or later, the changes since are undone.

The nearest such state is the lead itself or one of those that timeline documents carry, so that no more changes are
undone, and read, than lie between two of these.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, takewhile
from typing import Any, Final

from lead_crm.access import Actor
from lead_crm.diff import undo
from lead_crm.errors import Conflict, NotFound
from leads import events, records, store
from leads.record import KEPT, STATE_EVERY, UNCOMPARED, timeline_uid
from leads.rules import Erased
from leads.shown import INTERNAL
from leads.timeline import Entry, What

Row = dict[str, Any]

STORED: Final = {"_id": 0, "keys": 0, "done": 0, "sole": 0}
SINCE: Final[dict[What, str]] = {"activities": "at", "history": "entered_at"}
STAMPS: Final = ("version", "updated_at", "updated_by", "workflow_version")


class RecordGone(Conflict):
    code, title = (
        "record_gone",
        "What this lead's record said of that time is erased, with a person who was part of it.",
    )


@dataclass(frozen=True, slots=True)
class Past:
    """`lead` as it was at `moment`."""

    lead: Row  # as it is stored now
    moment: datetime
    state: Row  # what is compared
    stamps: Row
    document: Row | None  # the timeline document with the record of that version; None: the lead still carries it

    def public(self) -> Row:
        """What readers see of the state."""
        return {name: value for name, value in self.state.items() if name not in INTERNAL}

    def whole(self) -> Row:
        """As a whole lead is read, with what its timeline and passage showed then."""
        due = [task["due_at"] for task in self.state["tasks"] if task["status"] == "pending" and task["due_at"]]
        row = {"type": "lead", **self.public(), **self.stamps, "due": due, "spilled": {}}
        for what in SINCE:
            row[what], row["spilled"][what] = self._entries(what)
        row["history"] = [_still(entry, self.moment) for entry in row["history"]]
        if row["workflow_version"] is None:
            row["workflow_version"] = row["history"][0]["workflow_version"]
        return row

    def _entries(self, what: What) -> tuple[list[Entry], int]:
        """The latest of that time, and how many were older. None of them stands before `document`: whatever spills
        leaves as many in the lead."""
        first, following = self.lead["spilled"][what], iter(self.lead[what])
        if self.document and self.document["start"][what] < first:
            first = self.document["start"][what]
            following = chain(self._spilled(what, self.document["uid"]), following)
        entries = list(takewhile(lambda entry: entry[SINCE[what]] <= self.moment, following))
        return entries[-KEPT:], first + len(entries[:-KEPT])

    def _spilled(self, what: What, start: str) -> Iterator[Entry]:
        rows = records.timelines(
            self.lead["uid"], below=self.lead["version"], start=start, newest_first=False, what=what, filled=True
        )
        return (entry for row in rows for entry in row[what])


def _still(passage: Entry, moment: datetime) -> Entry:
    """A stage that was left later is not left yet."""
    left = passage["left_at"]
    return passage | {"left_at": None, "duration_seconds": None} if left and left > moment else passage


def read(uid: str, *, actor: Actor) -> Row:
    return store.get(uid, actor=actor, projection=STORED)


def at(lead: Row, moment: datetime) -> Past:
    """Changes made at `moment` are included."""
    if moment < lead["created_at"]:
        created = events.timestamp(lead["created_at"])
        raise NotFound(f"{lead['uid']} did not exist yet: it was created at {created}. Ask for that moment or later.")
    if moment >= lead["updated_at"]:
        return Past(lead, moment, _state(lead), {name: lead[name] for name in STAMPS}, None)
    if lead["erased_at"]:
        erased = events.timestamp(lead["erased_at"])
        raise Erased(f"The person was erased at {erased}. Of what was before, nothing can be told: ask from then on.")
    return _undone(lead, moment)


def _state(lead: Row) -> Row:
    """A copy, to be undone in place."""
    compared = {name: value for name, value in lead.items() if name not in UNCOMPARED and name != "type"}
    return compared | {"fields": dict(lead["fields"])}


def _undone(lead: Row, moment: datetime) -> Past:
    kept = _kept(lead, moment)
    state, version, document = _state(lead), lead["version"], None
    if kept:
        state, version = _state(kept["state"]), kept["state"]["version"]
    for document, entry in _records(lead, kept):
        if entry["version"] != version:
            raise RecordGone
        if entry["at"] <= moment:
            stamps = dict(zip(STAMPS, (version, entry["at"], entry["by"], entry["workflow_version"]), strict=True))
            return Past(lead, moment, state, stamps, document)
        undo(state, entry["changes"])
        version -= 1
    if version != 1:
        raise RecordGone
    # A lead that was made before first versions had a record; its first passage has the version of the workflow.
    stamps = dict(zip(STAMPS, (1, state["created_at"], state["created_by"], None), strict=True))
    return Past(lead, moment, state, stamps, document)


def _kept(lead: Row, moment: datetime) -> Row | None:
    """A timeline document with a state to begin with. Where none is as late as that, the lead itself is near enough."""
    own = lead["changes"]
    if lead["spilled"]["changes"] < STATE_EVERY or (own and own[0]["at"] <= moment):
        return None
    return records.state_after(lead["uid"], moment, below=lead["version"])


def _records(lead: Row, kept: Row | None) -> Iterator[tuple[Row | None, Row]]:
    """From the state on backwards, each with the timeline document that it stands in."""
    if kept is None:
        yield from ((None, entry) for entry in reversed(lead["changes"]))
    start = kept["uid"] if kept else None
    rows = records.timelines(lead["uid"], below=lead["version"], start=start, newest_first=True, what="changes")
    for row in rows:
        yield from ((row, entry) for entry in reversed(row["changes"]))


def writers(before: Past, after: Past) -> list[str]:
    """Who has written in between, in the order of their first writes."""
    first, last, lead = before.stamps["version"], after.stamps["version"], after.lead
    until = after.document["uid"] if after.document else timeline_uid(lead["uid"], lead["version"] - 1)
    spilled = records.writers(lead["uid"], after=first, upto=last, until=until) if before.document else []
    own = [entry["by"] for entry in lead["changes"] if first < entry["version"] <= last]
    return list(dict.fromkeys([*spilled, *own]))
