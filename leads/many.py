"""Many leads in the database at once, as `leads.store` has one."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from lead_crm import mongo
from lead_crm.access import Actor, visible
from lead_crm.errors import Invalid, Merged
from leads import counting, store
from leads.documents import Lead, Timeline
from leads.store import Write
from workflow import store as workflow_store
from workflow.workflow import Workflow

log = logging.getLogger("lead_crm.leads")

DUPLICATE: Final = 11000


@dataclass(frozen=True, slots=True)
class Outcome:
    """All were written but these: where another writer was first, and where a unique value is taken."""

    lost: frozenset[str]
    taken: dict[str, Exception]


def load_many(uids: Sequence[str], *, actor: Actor) -> tuple[dict[str, Lead | None], Workflow]:
    """Those of them that the actor may see, in one query as well; None for one that cannot be read."""
    asked = {"$or": [visible(actor, "both") | {"uid": {"$in": list(uids)}}, workflow_store.CONFIG]}
    rows = list(mongo.collection("leads").find(asked, store.STORED, hint=mongo.index("identity")))
    workflow = store.workflow_at({row["type"]: row for row in rows})
    return {row["uid"]: _read(row) for row in rows if row["type"] == "lead"}, workflow


def _read(row: mongo.Row) -> Lead | None:
    """One that somebody has spoiled must not stand in the way of the others. Of its values the log tells none."""
    try:
        return store.model(row)
    except ValidationError as error:
        places = {".".join(map(str, wrong["loc"])) for wrong in error.errors(include_input=False, include_url=False)}
        log.error("lead %s is not stored as it must be: see %s", row["uid"], ", ".join(sorted(places)))
        return None


def merged(uids: Sequence[str], *, actor: Actor) -> dict[str, Merged]:
    """Those of them that have become parts of others, as far as the actor sees these; a query for each step."""
    into: dict[str, str] = {}
    asked = set(uids)
    while asked:
        rows = store.parts(sorted(asked), {"uid": 1, "merged_into": 1, "_id": 0})
        into |= {row["uid"]: row["merged_into"] for row in rows}
        asked = {row["merged_into"] for row in rows} - into.keys()
    ends = {uid: _end(uid, into) for uid in uids if uid in into}
    seen = _seen(set(ends.values()), actor) if ends else set()
    return {uid: Merged(uid, to) for uid, to in ends.items() if to in seen}


def _end(uid: str, into: Mapping[str, str]) -> str:
    way = [uid]
    while (to := into.get(way[-1])) and to not in way:
        way.append(to)
    return way[-1]


def _seen(uids: set[str], actor: Actor) -> set[str]:
    where = visible(actor, "both") | {"uid": {"$in": sorted(uids)}}
    rows = mongo.collection("leads").find(where, {"uid": 1, "_id": 0}, hint=mongo.index("identity"))
    return {row["uid"] for row in rows}


@counting.changing()
def save_many(writes: Sequence[Write], workflow: Workflow) -> Outcome:
    """As `save`, in one command. It counts what it has written and does not say which; the leads' marks do."""
    if mongo.in_memory():
        return _one_by_one(writes, workflow)
    if spilled := [write.spilled for write in writes if write.spilled]:
        _insert_timelines(spilled)
    writes = [store.marked(write) for write in writes]
    asked = [UpdateOne(write.identity, write.update(workflow)) for write in writes]
    taken: dict[str, Exception] = {}
    try:
        matched = mongo.collection("leads").bulk_write(asked, ordered=False).matched_count if asked else 0
    except BulkWriteError as error:
        _only_doubles(error)
        refused = [writes[failed["index"]].lead for failed in error.details["writeErrors"]]
        # Where nobody holds the value any more, another writer was first, and it is judged again.
        taken = {lead.uid: conflict for lead in refused if (conflict := store.claimed(lead, workflow))}
        matched = error.details["nMatched"]
    if matched + len(taken) == len(writes):
        return Outcome(frozenset(), taken)
    there = _marked([write.lead.uid for write in writes])
    lost = {w.lead.uid for w in writes if w.once not in there.get(w.lead.uid, ())} - taken.keys()
    for write in writes:
        if write.spilled and write.lead.uid in lost:
            store.withdraw(write.lead.uid)
    return Outcome(frozenset(lost), taken)


def _one_by_one(writes: Sequence[Write], workflow: Workflow) -> Outcome:
    lost, taken = set[str](), dict[str, Exception]()
    for write in writes:
        try:
            if not store.save(write, workflow=workflow):
                lost.add(write.lead.uid)
        except Invalid as refused:
            taken[write.lead.uid] = refused
    return Outcome(frozenset(lost), taken)


def _marked(uids: list[str]) -> dict[str, set[str]]:
    """The POSTs that each of these leads remembers."""
    rows = mongo.collection("leads").find({"type": "lead", "uid": {"$in": uids}}, {"uid": 1, "done.once": 1, "_id": 0})
    return {row["uid"]: {done["once"] for done in row["done"]} for row in rows}


def _only_doubles(error: BulkWriteError) -> None:
    """A value that must be unique is somebody's fault; whatever else went wrong is ours."""
    failed = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE for one in failed):
        raise error


def _insert_timelines(spilled: Sequence[Timeline]) -> None:
    try:
        rows = [{"type": "timeline", **timeline.model_dump()} for timeline in spilled]
        mongo.quick("leads").insert_many(rows, ordered=False)
    except BulkWriteError as error:
        _only_doubles(error)
