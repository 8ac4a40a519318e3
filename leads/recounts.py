"""How far the recount of all scores has come: one small document, written by whoever counts."""

from collections.abc import Sequence
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from lead_crm import mongo
from lead_crm.access import Actor, visible

NAME: Final = {"_id": "scores"}

Row = dict[str, Any]


def get() -> Row | None:
    return mongo.collection("recounts").find_one(NAME)


def begin(run: str, before: Row | None, **values: Any) -> bool:
    """Anew, unless somebody else has just begun."""
    new = NAME | {
        "run": run, "total": None, "done": 0, "changed": 0, "place": None, "started_at": None, "finished_at": None,
    } | values  # fmt: skip
    if before is None:
        try:
            mongo.collection("recounts").insert_one(new)
        except DuplicateKeyError:
            return False
        return True
    return bool(mongo.collection("recounts").replace_one(NAME | {"run": before["run"]}, new).matched_count)


def advance(row: Row, **values: Any) -> bool:
    """From where it stood; False when another worker has gone on from there, or it has begun anew."""
    was = NAME | {"run": row["run"], "place": row["place"], "state": row["state"]}
    written = mongo.quick("recounts").update_one(was, {"$set": values}).matched_count
    row.update(values)
    return bool(written)


def rules_were_changed() -> bool:
    """Ever, since the workflow was set up? Asked once, before there is a first count."""
    where = {"type": "workflow_log", "action": {"$ne": "set_up"}, "changes.pointer": {"$regex": "/scoring"}}
    return mongo.collection("workflow_log").find_one(where, {"_id": 1}) is not None


def living(actor: Actor) -> int:
    """How many there are to look at."""
    return mongo.collection("leads").count_documents(visible(actor))


def after(place: Row | None, actor: Actor, names: Sequence[str], limit: int) -> list[Row]:
    """The next leads of a centre, the oldest first, along the index; then those of the next centre."""
    centers = sorted(actor.centers)
    projection = dict.fromkeys([*names, "center", "created_at"], 1)
    for center in centers[centers.index(place["center"]) if place and place["center"] in centers else 0 :]:
        where = visible(actor, "live", [center])
        if place and place["center"] == center:
            passed = {"created_at": place["created_at"], "_id": {"$lte": place["_id"]}}
            where |= {"created_at": {"$gte": place["created_at"]}, "$nor": [passed]}
        found = mongo.collection("leads").find(where, projection, hint=mongo.index("newest"))
        if rows := list(found.sort([("created_at", 1), ("_id", 1)]).limit(limit)):
            return rows
    return []
