"""Records of changes in the database: the latest in the lead, where no reader of the lead sees them, all older ones in
timeline documents. Who asks for them has read the lead itself before, and may see it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

from lead_crm import mongo
from leads import record
from leads.documents import ChangeSet, Lead
from leads.record import timeline_uid

CARRIED: Final = {"uid": 1, "version": 1, "changes": 1, "_id": 0}


def timelines(
    lead: str, *, below: int, start: str | None, newest_first: bool, what: str, batch: int = 20, filled: bool = False
) -> Iterator[mongo.Row]:  # fmt: skip
    """Timeline documents of a lead with some of `what`; those not yet taken over by version `below` do not count.

    `filled`: only those that have any.
    """
    bounds: dict[str, Any] = {"$gt": f"{lead}:", "$lt": timeline_uid(lead, below)}
    if start:
        bounds["$lte" if newest_first else "$gte"] = start
    where = {"type": "timeline", "uid": bounds} | ({f"{what}.0": {"$exists": True}} if filled else {})
    found = mongo.collection("leads").find(where, {"uid": 1, "start": 1, what: 1, "_id": 0})
    yield from found.sort("uid", -1 if newest_first else 1).batch_size(batch)


def leaving(lead: Lead) -> Sequence[ChangeSet] | None:
    """What goes with a full lead's oldest entries at its next write. None: another writer was first."""
    return carried(lead) if record.full(lead) else ()


def all_leaving(leads: Iterable[Lead]) -> dict[str, Sequence[ChangeSet]]:
    """The same of many, in one query; without those where another writer was first."""
    full = {lead.uid: lead.version if record.full(lead) else None for lead in leads}
    where = {"type": "lead", "uid": {"$in": [uid for uid, version in full.items() if version]}}
    rows = mongo.collection("leads").find(where, CARRIED, hint=mongo.index("identity")) if any(full.values()) else ()
    there = {row["uid"]: _read(row["changes"]) for row in rows if row["version"] == full[row["uid"]]}
    return {uid: () for uid, version in full.items() if version is None} | there


def carried(lead: Lead) -> Sequence[ChangeSet] | None:
    """What has not spilled over. None: another writer was first."""
    row = _carried(lead.uid, version=lead.version)
    return None if row is None else _read(row["changes"])


def _carried(uid: str, **more: int) -> mongo.Row | None:
    return mongo.collection("leads").find_one({"type": "lead", "uid": uid, **more}, CARRIED)


def _read(rows: Iterable[mongo.Row]) -> Sequence[ChangeSet]:
    return [ChangeSet.model_validate(row) for row in rows]


def since(lead: str, version: int) -> Iterator[mongo.Row]:
    """Those of all versions after that one, wherever they stand by now."""
    row = _carried(lead)
    if row is None:
        return
    spilled = timelines(
        lead, below=row["version"], start=timeline_uid(lead, version), newest_first=False, what="changes"
    )
    for entry in chain(chain.from_iterable(timeline["changes"] for timeline in spilled), row["changes"]):
        if entry["version"] > version:
            yield entry


def of_version(lead: str, version: int) -> ChangeSet | None:
    """None: the lead has just been removed."""
    entries = (entry for entry in since(lead, version - 1) if entry["version"] == version)
    return next(map(ChangeSet.model_validate, entries), None)


def state_after(lead: str, moment: datetime, *, below: int) -> mongo.Row | None:
    """The timeline document with the earliest state that was kept then or later."""
    where = {
        "state.uid": lead, "state.updated_at": {"$gte": moment}, "uid": {"$lt": timeline_uid(lead, below)},
    }  # fmt: skip
    return mongo.collection("leads").find_one(
        where, {"uid": 1, "state": 1, "_id": 0}, sort=[("state.updated_at", 1)], hint=mongo.index("state")
    )


def writers(lead: str, *, after: int, upto: int, until: str) -> list[str]:
    """Who wrote the versions `after` + 1 to `upto`, in the order of their first.

    Of those that have spilled over, up to the timeline document `until`.
    """
    steps: list[mongo.Row] = [
        {"$match": {"type": "timeline", "uid": {"$gte": timeline_uid(lead, after + 1), "$lte": until}}},
        {"$project": {"changes.version": 1, "changes.by": 1}},
        {"$unwind": "$changes"},
        {"$match": {"changes.version": {"$gt": after, "$lte": upto}}},
        {"$group": {"_id": "$changes.by", "first": {"$min": "$changes.version"}}},
    ]
    rows = mongo.collection("leads").aggregate(steps)
    return [row["_id"] for row in sorted(rows, key=lambda row: int(row["first"]))]
