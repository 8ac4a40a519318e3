"""Leads that share an e-mail address or a phone number, contacts included, in all centres."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from lead_crm import access, directory, mongo
from lead_crm.access import Actor
from lead_crm.errors import Conflict
from leads import keys
from leads.documents import Lead
from leads.search import any_of
from workflow import store as workflow_store
from workflow.policies import DuplicatePolicy
from workflow.workflow import Workflow

MOST: Final = 20
CANDIDATES: Final = 100  # grams of a phone number also find leads whose longer number begins like it
READ: Final = {
    "uid": 1, "name": 1, "email": 1, "phone": 1, "contacts": 1, "created_at": 1, "center": 1, "current_stage": 1,
    "keys.shelf": 1, "keys.holders": 1, "keys.claims": 1, "type": 1, "version": 1, "_id": 0,
}  # fmt: skip
TOLD: Final = ("uid", "name", "email", "phone", "center", "current_stage", "created_at")


class Duplicate(Conflict):
    code, title = "duplicate", "There is a lead with this e-mail address or phone number already."


class Overtaken(Conflict):
    code, title = "busy", "The workflow has just been changed. Try again."


@dataclass(frozen=True, slots=True)
class Found:
    """A living lead, and what it shares: `email`, `phone`."""

    uid: str
    name: str
    on: list[str]
    row: mongo.Row

    @property
    def keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = self.row["keys"]
        return keys

    def told(self) -> dict[str, Any]:
        return {name: self.row[name] for name in TOLD} | {"on": self.on}


def find(lead: Lead, workflow: Workflow, policy: DuplicatePolicy) -> list[Found]:
    """The oldest first; whoever may see them. The same query tells whether the workflow is still this one."""
    wanted = {} if policy == "create" else marks(lead, workflow)
    where = _sharing(lead, wanted, access.system(directory.centers()))
    rows = _read({"$or": [where, workflow_store.CONFIG]}) if wanted else []
    version = next((row["version"] for row in rows if row["type"] == "config"), None)  # many leads may crowd it out
    present = workflow_store.at(version) if version else workflow_store.current()
    if present is None or present.version != workflow.version:
        raise Overtaken
    return _shared([row for row in rows if row["type"] == "lead"], wanted)


def among(lead: Lead, workflow: Workflow, actor: Actor) -> tuple[list[Found], bool]:
    """Of the leads that the actor may see; and whether all of them were looked at."""
    wanted = marks(lead, workflow)
    rows = _read(_sharing(lead, wanted, actor)) if wanted else []
    return _shared(rows, wanted), len(rows) < CANDIDATES


def _sharing(lead: Lead, wanted: Mapping[str, str], actor: Actor) -> mongo.Row:
    grams = any_of(dict.fromkeys(wanted.values()))
    return access.visible(actor) | {"keys.grams": grams, "uid": {"$ne": lead.uid}}


def _read(where: mongo.Row) -> list[mongo.Row]:
    return list(mongo.collection("leads").find(where, READ, hint=mongo.index("grams")).limit(CANDIDATES))


def _shared(rows: Iterable[mongo.Row], wanted: Mapping[str, str]) -> list[Found]:
    region = settings.DEFAULT_REGION
    shared = ((row, wanted.keys() & _marks_of(row, region)) for row in sorted(rows, key=lambda row: row["created_at"]))
    return [
        Found(row["uid"], row["name"], sorted({mark.partition(":")[0] for mark in common}), row)
        for row, common in shared if common
    ]  # fmt: skip


def marks(lead: Lead, workflow: Workflow) -> dict[str, str]:
    return keys.marks(keys.reached(lead), workflow.config.duplicates.on, settings.DEFAULT_REGION)


def _marks_of(row: mongo.Row, region: str) -> set[str]:
    """Also those it has claimed: numbers may have been read for another region then."""
    claimed = row["keys"].get("claims", ())
    sole = {claim.removeprefix(keys.SOLE) for claim in claimed if claim.startswith(keys.SOLE)}
    return sole | keys.marks(row, ("email", "phone"), region).keys()


def seen(found: Sequence[Found], actor: Actor) -> list[Found]:
    """Whom they may see, and know by address and number: else a guess would tell."""
    return [one for one in found if access.sees(actor, one.keys)] if actor.may("lead.pii") else []


def shown(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [{"uid": one.uid, "name": one.name, "on": one.on} for one in found[:MOST]]


def refused(found: Sequence[Found], actor: Actor) -> Duplicate:
    """Names the leads to those who may see them."""
    named = seen(found, actor)
    if not named:
        return Duplicate()
    shared = " and ".join({"email": "e-mail address", "phone": "phone number"}[kind] for kind in named[0].on)
    detail = f"{named[0].uid} has this {shared} already: write to that lead."
    return Duplicate(detail, lead=named[0].uid, duplicates=shown(named))
