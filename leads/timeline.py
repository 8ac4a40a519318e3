"""Paging through all of a lead's activities or history: those it carries itself, and those that have spilled over.

The activities of leads that were merged into it are joined with its own while they are read; its history is its own.

Every entry has a number that it keeps, counted from its lead's first. A cursor names, for each of the leads, the next
entry by its number and says from which timeline document on it is to be found, also if it spills over in the meantime.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lead_crm import cursors
from lead_crm.access import Actor
from leads import records, store
from leads.documents import Lead
from leads.record import timeline_uid

What = Literal["activities", "history"]
Entry = dict[str, Any]
Numbered = tuple[int, str, Entry]  # number, uid of the timeline document ("" in the lead), entry
Place = tuple[int, int, bool]  # number, version of the timeline document or of the lead, whether it is in the lead

NEEDED: Final = {"uid": 1, "version": 1, "spilled": 1, "_id": 0}
BATCH: Final = 20
WHEN: Final[Mapping[What, str]] = {"activities": "at", "history": "entered_at"}


@dataclass(frozen=True, slots=True)
class Way:
    """What is read, in which order, and how many timeline documents at a time."""

    what: What
    newest_first: bool = False
    batch: int = BATCH


class Source:
    """The entries of one lead in order, and which of them comes next."""

    def __init__(self, lead: Entry, way: Way, place: Place | None) -> None:
        self.lead = lead
        self.entries = _from(lead, way, place) if place else _entries(lead, way)
        self.next = next(self.entries, None)

    def place(self) -> list[Any]:
        """What the lead still carries can later be only in a document of its present version or after."""
        assert self.next
        number, document, _ = self.next
        version = int(document.rpartition(":")[2]) if document else self.lead["version"]
        return [self.lead["uid"], number, version, not document]


def page(
    uid: str, what: What, *, newest_first: bool, limit: int, cursor: str | None, actor: Actor
) -> tuple[list[Entry], str | None, int]:
    """Entries, the cursor of the next page, and how many there are in all."""
    leads = _leads(uid, what, actor)
    places = _places(cursor) if cursor else {}
    way = Way(what, newest_first, max(2, BATCH // len(leads)))
    there = (lead for lead in leads if not cursor or lead["uid"] in places)
    sources = [Source(lead, way, places.get(lead["uid"])) for lead in there]
    found = _taken(sources, way, limit)
    rest = [source.place() for source in sources if source.next]
    count = sum(int(lead["spilled"][what] + len(lead[what])) for lead in leads)
    return found, cursors.encode(rest) if rest else None, count


def _leads(uid: str, what: What, actor: Actor) -> list[Entry]:
    """The lead, and with its activities those of its parts."""
    if what == "history":
        return [store.get(uid, actor=actor, projection=NEEDED | {what: 1})]
    lead = store.get(uid, actor=actor, projection=NEEDED | {what: 1, "merged": 1})
    uids = [uid for part in lead.get("merged", ()) for uid in (part["uid"], *part["below"])]
    return [lead, *store.parts(uids, NEEDED | {what: 1})]


def _taken(sources: list[Source], way: Way, limit: int) -> list[Entry]:
    found: list[Entry] = []
    choose = max if way.newest_first else min
    while len(found) < limit and (waiting := [source for source in sources if source.next]):
        first = choose(waiting, key=lambda source: source.next[2][WHEN[way.what]])  # type: ignore[index]
        assert first.next
        found.append(first.next[2] | ({"lead": first.lead["uid"]} if way.what == "activities" else {}))
        first.next = next(first.entries, None)
    return found


def _places(cursor: str) -> dict[str, Place]:
    (places,) = cursors.decode(cursor, [list])
    return dict(map(_place, places))


def _place(given: Any) -> tuple[str, Place]:
    match given:
        case [str(uid), int(number), int(version), bool(own)] if (
            not isinstance(number, bool) and not isinstance(version, bool)
            and 0 <= number < 2**31 and 0 <= version < 2**31 and len(uid) <= 100
        ):  # fmt: skip
            return uid, (number, version, own)
    raise cursors.wrong()


def _from(lead: Entry, way: Way, place: Place) -> Iterator[Numbered]:
    number, version, own = place
    start = None if own and way.newest_first else timeline_uid(lead["uid"], version)
    return (e for e in _entries(lead, way, start) if (e[0] <= number if way.newest_first else e[0] >= number))


def _entries(lead: Entry, way: Way, start: str | None = None) -> Iterator[Numbered]:
    own = _numbered("", lead["spilled"][way.what], lead[way.what])
    rows = records.timelines(
        lead["uid"], below=lead["version"], start=start, newest_first=way.newest_first, what=way.what, batch=way.batch
    )
    spilled = (entry for row in rows for entry in _in_order(row, way))
    if way.newest_first:
        yield from reversed(own)
        yield from spilled
    else:
        yield from spilled
        yield from own


def _in_order(row: dict[str, Any], way: Way) -> list[Numbered]:
    entries = _numbered(row["uid"], row["start"][way.what], row[way.what])
    return entries[::-1] if way.newest_first else entries


def _numbered(document: str, start: int, entries: list[Entry]) -> list[Numbered]:
    return [(start + position, document, entry) for position, entry in enumerate(entries)]


def whole(lead: Lead, what: What) -> list[Entry]:
    """All of them, the oldest first."""
    row = lead.model_dump(include={"uid", "version", "spilled", what})
    return [entry for _, _, entry in _entries(row, Way(what))]


def activity(lead: Lead, uid: str) -> Entry:
    """One activity, wherever it is by now."""
    row = lead.model_dump(include={"uid", "version", "spilled", "activities"})
    return next(entry for _, _, entry in _entries(row, Way("activities", newest_first=True)) if entry["uid"] == uid)
