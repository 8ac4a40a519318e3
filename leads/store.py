"""Leads in the database. Whoever reads or writes one says who is asking."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.conf import settings
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from lead_crm import contact, directory, mongo
from lead_crm.access import Actor, Shelves, system, visible
from lead_crm.errors import Fault, Invalid, LeadCrmError, Merged, NotFound, Unavailable
from leads import counting, numbering, record
from leads.documents import Lead, Timeline
from leads.keys import SOLE, SOMETIMES, claims, keys, quick, still_sole
from leads.search import SOURCES
from workflow import store as workflow_store
from workflow.documents import Settings
from workflow.rules import NotSetUp
from workflow.workflow import Workflow

# Leaving out costs the database less than picking; of the config only its version is wanted. The records of changes
# are half of a lead: see `leads.records`.
STORED: Final = {"_id": 0, "keys": 0, "changes": 0} | {
    name: 0 for name in Settings.model_fields if name not in Lead.model_fields
}
BRIEF: Final = STORED | {"activities": 0, "history": 0, "done": 0}  # to judge a lead by, never to write it
LISTS: Final = frozenset({"tasks", "activities", "history", "done"})
DRAWS: Final = 100


class Doubled(Exception):
    """Another lead has come in with the same mark meanwhile."""


class AlreadyDone(Exception):
    """A repeated POST: this lead carries what it did the first time."""

    def __init__(self, lead: Lead) -> None:
        self.lead = lead


def get(uid: str, *, actor: Actor, projection: Mapping[str, int], plain: bool = False) -> mongo.Row:
    """`plain`: as the driver is quickest, for showing it."""
    leads = mongo.plain("leads") if plain else mongo.collection("leads")
    row = leads.find_one(visible(actor, "both") | {"uid": uid}, projection)
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


def load(uid: str, *, actor: Actor, projection: Mapping[str, int] = STORED) -> tuple[Lead, Workflow]:
    """The lead and the workflow it stands under, in one query: the version tells whether ours is still the one."""
    asked = {"$or": [visible(actor, "both") | {"uid": uid}, workflow_store.CONFIG]}
    # Named, because planning an $or takes longer than the query itself.
    found = mongo.collection("leads").find(asked, projection, hint=mongo.index("identity"))
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
    return Lead.model_validate(row, context=contact.STORED)


def stored(lead: Lead, workflow: Workflow) -> mongo.Row:
    return {"type": "lead", **lead.model_dump(), "keys": keys(lead, workflow, settings.DEFAULT_REGION)}


@counting.changing()
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


@counting.changing()
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


@dataclass(frozen=True, slots=True)
class Write:
    """A lead, as it was read, and what no longer fits into it; `once`: the mark that tells it is done."""

    lead: Lead
    before: Lead
    spilled: Timeline | None = None
    once: str = ""

    @property
    def identity(self) -> mongo.Row:
        return {"type": "lead", "uid": self.lead.uid, "version": self.before.version}

    def update(self, workflow: Workflow) -> mongo.Row:
        """Only what has changed; of lists, such as tasks and timelines, the entries that have."""
        names = set(record.touched(self.before, self.lead, Lead.model_fields)) - {"changes"}
        entries, listed = self._entries(names)
        names -= listed
        values, found, gone = self.lead.model_dump(include=names), *self._keys(names | listed, workflow)
        gone |= names - values.keys()
        changes = [entry.model_dump() for entry in self.lead.changes]
        whole = {
            "$set": values | entries | found | ({"changes": changes} if self.spilled else {}),
            "$unset": dict.fromkeys(gone, ""),
            "$push": {} if self.spilled else {"changes": {"$each": changes}},
        }
        return {operator: what for operator, what in whole.items() if what}

    def _entries(self, names: set[str]) -> tuple[mongo.Row, set[str]]:
        """By their places, where a list has only grown and what was there keeps its place; and of which lists."""
        entries, listed = mongo.Row(), set[str]()
        for name in names & LISTS:
            old, new = getattr(self.before, name), getattr(self.lead, name)
            if 0 < len(old) <= len(new):
                changed = (at for at, entry in enumerate(new) if at >= len(old) or entry is not old[at])
                entries |= {f"{name}.{at}": new[at].model_dump() for at in changed}
                listed.add(name)
        return entries, listed

    def _keys(self, names: set[str], workflow: Workflow) -> tuple[mongo.Row, set[str]]:
        """Those to be set, and those that there are no more."""
        if names & SOURCES or self.lead.workflow_version != self.before.workflow_version:
            return {"keys": keys(self.lead, workflow, settings.DEFAULT_REGION)}, set()
        found = quick(self.lead, workflow)
        return {f"keys.{name}": value for name, value in found.items()}, {f"keys.{n}" for n in SOMETIMES - found.keys()}


@counting.changing()
def save(write: Write, *, workflow: Workflow) -> bool:
    """Write the lead over the version that was read; False when another writer was first.

    Also when that one held a value that must be unique, and has just given it up.
    """
    if write.spilled is not None:
        _insert_timeline(write.spilled)
    write = marked(write)
    saved = _unless_taken(write.lead, workflow, lambda: _saved(write, workflow))
    if write.spilled is not None and not saved:
        withdraw(write.lead.uid)
    return saved


@counting.changing()
def rewrite(lead: Lead, *, read: int, workflow: Workflow) -> bool:
    """The whole document over version `read`, with `changes` for all the records that remain in it."""
    lead = with_marks(lead)
    identity = {"type": "lead", "uid": lead.uid, "version": read}
    replaced = partial(mongo.collection("leads").replace_one, identity, stored(lead, workflow))
    return _unless_taken(lead, workflow, lambda: bool(replaced().matched_count))


def _unless_taken(lead: Lead, workflow: Workflow, written: Callable[[], bool]) -> bool:
    try:
        return written()
    except DuplicateKeyError:
        if conflict := claimed(lead, workflow):
            raise conflict from None
        return False


def marked(write: Write) -> Write:
    return replace(write, lead=with_marks(write.lead))


def with_marks(lead: Lead) -> Lead:
    return lead.model_copy(update={"sole": still_sole(lead, settings.DEFAULT_REGION)}) if lead.sole else lead


def _saved(write: Write, workflow: Workflow, session: ClientSession | None = None) -> bool:
    update = write.update(workflow)
    return bool(mongo.collection("leads").update_one(write.identity, update, session=session).matched_count)


@counting.changing()
def save_all(writes: Sequence[Write], *, workflow: Workflow) -> bool:
    """All of them in this order, or none; False when another writer was first at one of them.

    What the first gives up the next may claim.
    """
    for spilled in filter(None, (write.spilled for write in writes)):
        _insert_timeline(spilled)
    writes, uids = [marked(write) for write in writes], [write.lead.uid for write in writes]
    try:
        mongo.transaction(lambda session: _each_saved(writes, workflow, session))
    except _Overtaken:
        pass
    except DuplicateKeyError:
        taken = (claimed(write.lead, workflow, also=uids) for write in writes)
        if conflict := next(filter(None, taken), None):
            raise conflict from None
    else:
        return True
    for uid in uids:
        withdraw(uid)
    return False


class _Overtaken(Exception):
    """Ends the transaction."""


def _each_saved(writes: Sequence[Write], workflow: Workflow, session: ClientSession | None) -> None:
    for write in writes:
        if not _saved(write, workflow, session):
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


@counting.changing()
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
