"""Paging through all of a lead's activities or history: those it carries itself, and those that have spilled over.

Every entry has a number that it keeps, counted from the lead's first. A cursor names the next entry by its number and
says from which timeline document on it is to be found, also if it spills over in the meantime.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from lead_crm import cursors
from lead_crm.access import Actor
from leads import store
from leads.documents import Lead
from leads.record import timeline_uid

What = Literal["activities", "history"]
Entry = dict[str, Any]
Numbered = tuple[int, str, Entry]  # number, uid of the timeline document ("" in the lead), entry

NEEDED = {"uid": 1, "version": 1, "spilled": 1, "_id": 0}


def page(
    uid: str, what: What, *, newest_first: bool, limit: int, cursor: str | None, actor: Actor
) -> tuple[list[Entry], str | None, int]:
    """Entries, the cursor of the next page, and how many there are in all."""
    lead = store.get(uid, actor=actor, projection=NEEDED | {what: 1})
    if cursor:
        number, document, own = _place(cursor)
        start = None if own and newest_first else document
        entries = _entries(lead, what, newest_first=newest_first, start=start)
        entries = (e for e in entries if (e[0] <= number if newest_first else e[0] >= number))
    else:
        entries = _entries(lead, what, newest_first=newest_first)
    found = list(islice(entries, limit + 1))
    rest = _cursor(lead, found[limit]) if len(found) > limit else None
    return [entry for _, _, entry in found[:limit]], rest, lead["spilled"][what] + len(lead[what])


def _place(cursor: str) -> tuple[int, str, bool]:
    number, document, own = cursors.decode(cursor, [int, str, bool])
    if isinstance(number, bool) or not 0 <= number < 2**31 or len(document) > 100:
        raise cursors.wrong()
    return number, document, own


def _cursor(lead: dict[str, Any], following: Numbered) -> str:
    """What the lead still carries can later be only in a document of its present version or after."""
    number, document, _ = following
    return cursors.encode(number, document or timeline_uid(lead["uid"], lead["version"]), not document)


def _entries(lead: dict[str, Any], what: What, *, newest_first: bool, start: str | None = None) -> Iterator[Numbered]:
    own = _numbered("", lead["spilled"][what], lead[what])
    rows = store.timelines(lead["uid"], below=lead["version"], start=start, newest_first=newest_first, what=what)
    spilled = (entry for row in rows for entry in _in_order(row, what, newest_first))
    if newest_first:
        yield from reversed(own)
        yield from spilled
    else:
        yield from spilled
        yield from own


def _in_order(row: dict[str, Any], what: What, newest_first: bool) -> list[Numbered]:
    entries = _numbered(row["uid"], row["start"][what], row[what])
    return entries[::-1] if newest_first else entries


def _numbered(document: str, start: int, entries: list[Entry]) -> list[Numbered]:
    return [(start + position, document, entry) for position, entry in enumerate(entries)]


def whole(lead: Lead, what: What) -> list[Entry]:
    """All of them, the oldest first."""
    row = lead.model_dump(include={"uid", "version", "spilled", what})
    return [entry for _, _, entry in _entries(row, what, newest_first=False)]


def activity(lead: Lead, uid: str) -> Entry:
    """One activity, wherever it is by now."""
    row = lead.model_dump(include={"uid", "version", "spilled", "activities"})
    return next(entry for _, _, entry in _entries(row, "activities", newest_first=True) if entry["uid"] == uid)
