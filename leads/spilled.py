"""Timeline documents as wholes: read and rewritten where something is to be taken out of them."""

from collections.abc import Iterator

from lead_crm import mongo
from leads.documents import Timeline


def of(lead: str) -> Iterator[Timeline]:
    """All, the oldest first; also one that a writer has left who did not live to write the lead."""
    where = {"type": "timeline", "uid": {"$gt": f"{lead}:", "$lt": f"{lead};"}}
    rows = mongo.collection("leads").find(where, {"_id": 0, "type": 0}, hint=mongo.index("identity"))
    return (Timeline.model_validate(row) for row in rows.sort("uid", 1).batch_size(20))


def put(old: Timeline | None, new: Timeline) -> None:
    if new != old:
        where = {"type": "timeline", "uid": new.uid}
        mongo.quick("leads").replace_one(where, where | new.model_dump(), upsert=True)
