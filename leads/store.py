"""Leads in the database. Whoever reads or writes one says who is asking."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from lead_crm import directory, mongo
from lead_crm.access import Actor, Shelves, system, visible
from lead_crm.errors import Fault, Invalid, LeadCrmError, Merged, NotFound, Unavailable
from leads import numbering
from leads.documents import ChangeSet, Lead, Timeline
from leads.keys import SOLE, claims, keys, still_sole
from leads.record import timeline_uid
from workflow import store as workflow_store
from workflow.documents import Settings
from workflow.rules import NotSetUp
from workflow.workflow import Workflow

# Leaving out costs the database less than picking; of the config only its version is wanted.
STORED: Final = {"_id": 0, "keys": 0} | {name: 0 for name in Settings.model_fields if name not in Lead.model_fields}
DRAWS: Final = 100


class Doubled(Exception):
    """Another lead has come in with the same mark meanwhile."""


class AlreadyDone(Exception):
    """A repeated POST: this lead carries what it did the first time."""

    def __init__(self, lead: Lead) -> None:
        self.lead = lead


def get(uid: str, *, actor: Actor, projection: Mapping[str, int]) -> mongo.Row:
    row = mongo.collection("leads").find_one(visible(actor, "both") | {"uid": uid}, projection)
    if row is None:
        raise absent(uid, actor)
    return row


def absent(uid: str, actor: Actor) -> LeadCrmError:
    """It may have become a part of another lead: who may see that one is told which."""
    way = [uid]
    while (rows := parts(way[-1:], {"merged_into": 1, "_id": 0})) and rows[0]["merged_into"] not in way:
        way.append(rows[0]["merged_into"])
    to = way[-1]
    if to != uid and mongo.collection("leads").find_one(visible(actor, "both") | {"uid": to}, {"_id": 1}):
        return Merged(uid, to)
    return NotFound(f"There is no lead {uid} that you may see.")


def parts(uids: Sequence[str], projection: Mapping[str, int]) -> list[mongo.Row]:
    """Of leads that have become parts of another: whether that one may be seen is asked elsewhere."""
    if not uids:
        return []
    where = visible(system(directory.centers()), "merged") | {"uid": {"$in": list(uids)}}
    return list(mongo.collection("leads").find(where, projection, hint=mongo.index("identity")))


def part(uid: str, *, actor: Actor, shelves: Shelves = "merged") -> Lead | None:
    """Such a lead as itself, for those who would see it if it stood alone."""
    row = mongo.collection("leads").find_one(visible(actor, shelves) | {"uid": uid}, STORED)
    return model(row) if row else None


def load(uid: str, *, actor: Actor) -> tuple[Lead, Workflow]:
    """The lead and the workflow it stands under, in one query: the version tells whether ours is still the one."""
    asked = {"$or": [visible(actor, "both") | {"uid": uid}, workflow_store.CONFIG]}
    # Named, because planning an $or takes longer than the query itself.
    found = mongo.collection("leads").find(asked, STORED, hint=mongo.index("identity"))
    rows = {row["type"]: row for row in found}
    workflow = workflow_at(rows)
    if "lead" not in rows:
        raise absent(uid, actor)
    return model(rows["lead"]), workflow


def workflow_at(rows: Mapping[str, mongo.Row]) -> Workflow:
    workflow = workflow_store.at(rows["config"]["version"]) if "config" in rows else None
    if workflow is None:
        raise NotSetUp
    return workflow


def model(row: mongo.Row) -> Lead:
    del row["type"]
    return Lead.model_validate(row)


def stored(lead: Lead, workflow: Workflow) -> mongo.Row:
    return {"type": "lead", **lead.model_dump(), "keys": keys(lead, workflow, settings.DEFAULT_REGION)}


def insert(lead: Lead, workflow: Workflow, last: Callable[[Lead], Lead] = lambda lead: lead) -> Lead:
    """Draw the lead's number and insert it. A number that turns out to be taken is skipped.

    `last`: what is done to a lead only when it is sure to come in.
    """
    series = numbering.series(workflow.config.lead_id, lead.created_at)
    if len(claims(lead, workflow)) > len(lead.sole) and (conflict := claimed(lead, workflow)):
        raise conflict
    lead = last(lead)
    for _ in range(DRAWS):
        sequence = _draw(series)
        numbered = lead.model_copy(update={"uid": numbering.uid(series, sequence)})
        try:
            mongo.collection("leads").insert_one(stored(numbered, workflow))
        except DuplicateKeyError:
            if conflict := claimed(lead, workflow):
                _put_back(series, sequence)
                raise conflict from None
            continue
        return numbered
    raise Unavailable("No free lead number was found. Check lead_id in the config.")


def insert_many(leads: Sequence[Lead], workflow: Workflow) -> None:
    """Insert leads that nothing can refuse any more; their numbers are drawn in blocks, in the order given."""
    for _ in range(DRAWS):
        rows = [stored(lead, workflow) for lead in _numbered(leads, workflow)]
        try:
            mongo.collection("leads").insert_many(rows, ordered=False)
        except BulkWriteError as error:
            leads = [leads[failed["index"]] for failed in error.details["writeErrors"]]
            if conflict := next(filter(None, (claimed(lead, workflow) for lead in leads)), None):
                raise conflict from None
            continue
        return
    raise Unavailable("No free lead numbers were found. Check lead_id in the config.")


def _numbered(leads: Sequence[Lead], workflow: Workflow) -> Iterator[Lead]:
    series = [numbering.series(workflow.config.lead_id, lead.created_at) for lead in leads]
    drawn = {name: _draw(name, block) - block for name, block in Counter(series).items()}
    for name, lead in zip(series, leads, strict=True):
        drawn[name] += 1
        yield lead.model_copy(update={"uid": numbering.uid(name, drawn[name])})


def _draw(series: str, block: int = 1) -> int:
    row: Any = mongo.quick("counters").find_one_and_update(
        {"_id": series}, {"$inc": {"drawn": block}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    return int(row["drawn"])


def _put_back(series: str, sequence: int) -> None:
    """A lead that lost the race for a unique value leaves no gap, unless others have drawn since."""
    mongo.quick("counters").update_one({"_id": series, "drawn": sequence}, {"$inc": {"drawn": -1}})


def claimed(lead: Lead, workflow: Workflow, *, also: Sequence[str] = ()) -> Exception | None:
    """Who else holds what this lead claims? Asked before a number is drawn, and when the unique index has refused.

    `also`: leads that are written with it. Nobody, where whoever held it has given it up since.
    """
    wanted = claims(lead, workflow)
    if not wanted:
        return None
    where = {"keys.claims": {"$in": wanted}, "uid": {"$nin": [lead.uid, *also]}}
    rows = list(mongo.collection("leads").find(where, {"_id": 0}))
    taken = {claim: row for row in rows for claim in row.pop("keys")["claims"] if claim in wanted}
    if done := next((row for claim, row in taken.items() if claim.startswith("once:")), None):
        return AlreadyDone(model(done))
    if any(claim.startswith(SOLE) for claim in taken):
        return Doubled()
    return Invalid([_taken(claim) for claim in sorted(taken)]) if taken else None


def made_by(once: str) -> Lead | None:
    """What a POST that is repeated after a crash made the first time."""
    row = mongo.collection("leads").find_one({"keys.claims": f"once:{once}"}, STORED)
    return model(row) if row else None


def _taken(claim: str) -> Fault:
    key = claim.partition(":")[0]
    return Fault(f"/fields/{key}", "not_unique", "Another lead has this value already.")


def replace(lead: Lead, *, read: int, workflow: Workflow, spilled: Timeline | None) -> bool:
    """Write the lead over version `read`; False when another writer was first.

    Also when that one held a value that must be unique, and has just given it up.
    """
    if spilled is not None:
        _insert_timeline(spilled)
    lead = with_marks(lead)
    try:
        written = _replaced(lead, read, workflow)
    except DuplicateKeyError:
        if conflict := claimed(lead, workflow):
            raise conflict from None
        written = False
    if spilled is not None and not written:
        withdraw(lead.uid)
    return written


def with_marks(lead: Lead) -> Lead:
    return lead.model_copy(update={"sole": still_sole(lead, settings.DEFAULT_REGION)}) if lead.sole else lead


def _replaced(lead: Lead, read: int, workflow: Workflow, session: ClientSession | None = None) -> bool:
    row = stored(lead, workflow)
    return bool(mongo.collection("leads").replace_one(identity(lead, read), row, session=session).matched_count)


def identity(lead: Lead, read: int) -> mongo.Row:
    return {"type": "lead", "uid": lead.uid, "version": read}


@dataclass(frozen=True, slots=True)
class Write:
    """A lead, the version that was read, and what no longer fits into it; `once`: the mark that tells it is done."""

    lead: Lead
    read: int
    spilled: Timeline | None
    once: str = ""


def replace_all(writes: Sequence[Write], *, workflow: Workflow) -> bool:
    """All of them in this order, or none; False when another writer was first at one of them.

    What the first gives up the next may claim.
    """
    for spilled in filter(None, (write.spilled for write in writes)):
        _insert_timeline(spilled)
    leads, uids = [(with_marks(write.lead), write.read) for write in writes], [write.lead.uid for write in writes]
    try:
        mongo.transaction(lambda session: _each_replaced(leads, workflow, session))
    except _Overtaken:
        pass
    except DuplicateKeyError:
        if conflict := next(filter(None, (claimed(lead, workflow, also=uids) for lead, _ in leads)), None):
            raise conflict from None
    else:
        return True
    for uid in uids:
        withdraw(uid)
    return False


class _Overtaken(Exception):
    """Ends the transaction."""


def _each_replaced(leads: Sequence[tuple[Lead, int]], workflow: Workflow, session: ClientSession | None) -> None:
    for lead, read in leads:
        if not _replaced(lead, read, workflow, session):
            raise _Overtaken


def taken(lead: Lead, workflow: Workflow) -> set[str]:
    """Of what this lead would claim, that which others hold."""
    wanted = claims(lead, workflow)
    where = {"keys.claims": {"$in": wanted}, "uid": {"$ne": lead.uid}}
    rows = mongo.collection("leads").find(where, {"keys.claims": 1, "_id": 0}) if wanted else ()
    return {claim for row in rows for claim in row["keys"]["claims"] if claim in wanted}


def withdraw(lead: str) -> None:
    """What has been spilled for nothing: where the lead itself was removed meanwhile, nobody wants it any more."""
    if mongo.collection("leads").find_one({"type": "lead", "uid": lead}, {"_id": 1}) is None:
        _remove_timeline(lead)


def remove(lead: Lead, *, at: datetime) -> bool:
    """The lead and what was merged into it, with all their timelines, for good.

    False when it is gone, or no longer at the version that was read.
    """
    identity = {"type": "lead", "uid": lead.uid, "version": lead.version}
    uids = [lead.uid, *(uid for part in lead.merged for uid in part.names())]

    def work(session: ClientSession | None) -> bool:
        leads, notes = mongo.collection("leads"), mongo.collection("removed")
        if not leads.delete_one(identity, session=session).deleted_count:
            return False
        leads.delete_many({"type": "lead", "uid": {"$in": uids[1:]}}, session=session)
        for uid in uids:
            _remove_timeline(uid, session)
            notes.replace_one({"_id": uid}, {"at": at}, upsert=True, session=session)
        return True

    return mongo.transaction(work)


def _remove_timeline(lead: str, session: ClientSession | None = None) -> None:
    bounds = {"$gt": f"{lead}:", "$lt": f"{lead};"}
    mongo.collection("leads").delete_many({"type": "timeline", "uid": bounds}, session=session)


def removed(before: datetime) -> list[str]:
    return [row["_id"] for row in mongo.collection("removed").find({"at": {"$lt": before}})]


def forget_removed(uid: str) -> None:
    """With whatever a writer has still left of it that began before and was never told."""
    _remove_timeline(uid)
    mongo.collection("removed").delete_one({"_id": uid})


def _insert_timeline(timeline: Timeline) -> None:
    """Somebody who came before us may have written the very same one and not lived to write the lead."""
    with suppress(DuplicateKeyError):
        mongo.quick("leads").insert_one({"type": "timeline", **timeline.model_dump()})


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


def changes_since(lead: Lead, version: int) -> list[dict[str, Any]]:
    """The difference records after a version, those that have spilled over included."""
    embedded = [entry.model_dump() for entry in lead.changes]
    spilled = timelines(
        lead.uid, below=lead.version, start=timeline_uid(lead.uid, version), newest_first=False, what="changes"
    )
    entries = [entry for row in spilled for entry in row["changes"]] + embedded
    return [entry for entry in entries if entry["version"] > version]


def written(lead: Lead, version: int) -> ChangeSet:
    """What one write of this lead has changed, wherever that stands by now."""
    first = timelines(
        lead.uid, below=lead.version, start=timeline_uid(lead.uid, version), newest_first=False, what="changes"
    )
    embedded = [entry.model_dump() for entry in lead.changes]
    there = embedded if any(entry["version"] == version for entry in embedded) else next(first)["changes"]
    return next(ChangeSet.model_validate(entry) for entry in there if entry["version"] == version)


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


def standing_in(stage: str, *, actor: Actor, limit: int) -> list[str]:
    """Leads of a stage, archived ones too. Those whose person was erased stay where they were."""
    where = visible(actor, "both") | {"current_stage": stage, "erased_at": None}
    return [row["uid"] for row in mongo.collection("leads").find(where, {"uid": 1, "_id": 0}).limit(limit)]


def named_in_history(stage: str) -> bool:
    """Has any lead ever stood there? Asked only when a stage is deleted."""
    where = {"type": {"$in": ["lead", "timeline"]}, "history.stage": stage}
    return mongo.collection("leads").find_one(where, {"_id": 1}) is not None


def number_of_leads() -> int:
    """Of all centres, the archive included."""
    return mongo.collection("leads").count_documents({"type": "lead"})
