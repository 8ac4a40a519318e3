"""Where a dropped card comes to stand: between the card it was dropped at and that one's neighbour."""

from datetime import datetime

from lead_crm import directory, mongo
from lead_crm.access import Actor, system, visible
from lead_crm.documents import new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NeedsServer
from leads import ranking, store
from leads.documents import Lead
from workflow import store as workflow_store
from workflow.workflow import Workflow

Neighbours = dict[str, mongo.Row]


class CardMoved(Conflict):
    code, title = "card_moved", "The card you dropped it at has moved meanwhile: reload the board."


def load(uid: str, anchor: str, *, actor: Actor) -> tuple[Lead, Workflow, Neighbours]:
    """The lead, the workflow's version, the anchor and both its neighbours, in one query.

    The neighbours are those of the whole column: the place is then right for everyone, whatever else they see.
    """
    if mongo.in_memory():
        raise NeedsServer("Placing a card beside another needs a real MongoDB.")
    rows = {row.pop("role"): row for row in mongo.collection("leads").aggregate(_pipeline(uid, anchor, actor))}
    workflow = store.workflow_at(rows)
    if "lead" not in rows:
        raise store.absent(uid, actor)
    return store.model(rows.pop("lead")), workflow, rows


def _pipeline(uid: str, anchor: str, actor: Actor) -> list[mongo.Row]:
    scope = visible(actor, "both")
    everyone = visible(system(directory.centers()), "live")
    return [
        {"$match": scope | {"uid": uid}},
        {"$project": store.STORED}, {"$set": {"role": "lead"}},
        {"$unionWith": {"coll": "leads", "pipeline": [
            {"$match": workflow_store.CONFIG}, {"$project": {"role": "config", "version": 1, "_id": 0}},
        ]}},
        {"$unionWith": {"coll": "leads", "pipeline": [
            {"$match": scope | {"uid": anchor}},
            {"$project": {"role": "anchor", "rank": 1, "current_stage": 1, "_id": 0}},
            {"$lookup": _neighbour(everyone, "$lt", -1, "above")},
            {"$lookup": _neighbour(everyone, "$gt", 1, "below")},
        ]}},
    ]  # fmt: skip


def _neighbour(everyone: mongo.Row, operator: str, direction: int, into: str) -> mongo.Row:
    beyond = {"$and": [
        {"$eq": ["$current_stage", "$$stage"]}, {operator: ["$rank", "$$rank"]},
    ]}  # fmt: skip
    steps = [
        {"$match": everyone | {"$expr": beyond}},
        {"$sort": {"rank": direction, "_id": direction}},
        {"$limit": 2},
        {"$project": {"uid": 1, "rank": 1, "_id": 0}},
    ]
    return {"from": "leads", "let": {"stage": "$current_stage", "rank": "$rank"}, "pipeline": steps, "as": into}


def rank(lead: Lead, anchor: str, *, above: bool, stage: str, neighbours: Neighbours, now: datetime) -> str:
    row = neighbours.get("anchor")
    if row is None:
        pointer = "/before" if above else "/after"
        raise Invalid([Fault(pointer, "unknown_lead", f"There is no lead {anchor} that you may see.")])
    if row["current_stage"] != stage:
        raise CardMoved
    beside = next((other["rank"] for other in row["above" if above else "below"] if other["uid"] != lead.uid), None)
    salt = new_uid()[:4] + "1"  # a key must not end in 0: nothing would fit below it
    place = ranking.above if above else ranking.below
    return place(row["rank"], beside, salt, now)
