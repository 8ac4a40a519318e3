"""Paging through all of a lead's activities or history: those it carries itself, and those that have spilled over."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from lead_crm import cursors
from lead_crm.access import Actor
from leads import store

What = Literal["activities", "history"]
Entry = dict[str, Any]
Place = tuple[str, int]  # the document ("" is the lead itself) and the position in it, oldest first

NEEDED = {"uid": 1, "version": 1, "spilled": 1, "_id": 0}


def page(
    uid: str, what: What, *, newest_first: bool, limit: int, cursor: str | None, actor: Actor
) -> tuple[list[Entry], str | None, int]:
    """Entries, the cursor of the next page, and how many there are in all."""
    lead = store.get(uid, actor=actor, projection=NEEDED | {what: 1})
    start = _place(cursor) if cursor else None
    found = list(islice(_entries(lead, what, newest_first, start), limit + 1))
    rest = cursors.encode(*found[limit][0]) if len(found) > limit else None
    return [entry for _, entry in found[:limit]], rest, lead["spilled"][what] + len(lead[what])


def _place(cursor: str) -> Place:
    document, position = cursors.decode(cursor, [str, int])
    if position < 0 or position > 1_000_000 or isinstance(position, bool) or len(document) > 100:
        raise cursors.wrong()
    return document, position


def _entries(
    lead: dict[str, Any], what: What, newest_first: bool, start: Place | None
) -> Iterator[tuple[Place, Entry]]:
    """From `start` on. An entry that has spilled since the cursor was made is found in its new document."""
    for document, entries in _documents(lead, what, newest_first, start[0] if start else None):
        numbered = list(enumerate(entries))
        if start and start[0] == document:
            numbered = [(i, e) for i, e in numbered if (i <= start[1] if newest_first else i >= start[1])]
        for position, entry in reversed(numbered) if newest_first else numbered:
            yield (document, position), entry


def _documents(
    lead: dict[str, Any], what: What, newest_first: bool, start: str | None
) -> Iterator[tuple[str, list[Entry]]]:
    spilled = store.timelines(
        lead["uid"], below=lead["version"], start=start or None, newest_first=newest_first, what=what
    )
    if newest_first:
        if not start:
            yield "", lead[what]
        yield from ((row["uid"], row[what]) for row in spilled)
        return
    if start != "":
        yield from ((row["uid"], row[what]) for row in spilled)
    yield "", lead[what]
