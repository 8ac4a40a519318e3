"""Room in stages with a WIP limit.

Whoever moves a lead into such a stage first reserves a seat. A seat is needed only until the lead itself stands
there, so the document of a stage holds the moves that are under way, and is written over the version that was read.
"""

import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from lead_crm import directory, mongo
from lead_crm.access import system, visible
from lead_crm.documents import now
from lead_crm.errors import Conflict
from workflow.documents import Stage

# A move that has not written its lead by then has died; no request lives so long.
FORGOTTEN_AFTER: Final = timedelta(seconds=60)
ATTEMPTS: Final = 200


@contextmanager
def reserved(stage: Stage, *, lead: str, center: str, refused: Exception) -> Iterator[None]:
    """Nobody else can take the room while the lead is being written; `refused` is raised where there is none."""
    seats = row_of(stage, center)
    if not _take(seats, stage, lead, center):
        raise refused
    try:
        yield
    finally:
        given_back = {"$pull": {"taken": {"lead": lead}}, "$inc": {"version": 1}}
        mongo.quick("seats").update_one({"_id": seats}, given_back)


def row_of(stage: Stage, center: str) -> str:
    """Which leads share the seats: all of the stage, or those of a centre."""
    return stage.uid if _everywhere(stage) else f"{stage.uid}@{center}"


def _everywhere(stage: Stage) -> bool:
    return stage.wip_limit is None or stage.wip_limit.scope == "stage"


def _take(seats: str, stage: Stage, lead: str, center: str) -> bool:
    for _ in range(ATTEMPTS):
        moment = now()
        row = mongo.quick("seats").find_one({"_id": seats}) or {"_id": seats, "version": 0, "taken": []}
        # The leads are counted after the seats are read: one that has given its seat back stands there by now.
        under_way = [seat for seat in row["taken"] if seat["at"] > moment - FORGOTTEN_AFTER and seat["lead"] != lead]
        if full(stage, center, without=lead, also=[seat["lead"] for seat in under_way]):
            return False
        if _written(row, [*under_way, {"lead": lead, "at": moment}]):
            return True
        time.sleep(random.uniform(0, 0.01))  # noqa: S311 - only to let others pass
    raise Conflict("Too many leads are being moved here at this moment. Try again.", code="busy")


def _written(row: dict[str, Any], taken: list[dict[str, Any]]) -> bool:
    new = {"_id": row["_id"], "version": row["version"] + 1, "taken": taken}
    if row["version"] == 0:
        try:
            mongo.quick("seats").insert_one(new)
        except DuplicateKeyError:
            return False
        return True
    was = {"_id": row["_id"], "version": row["version"]}
    return bool(mongo.quick("seats").replace_one(was, new).matched_count)


def full(stage: Stage, center: str, *, without: str, also: list[str] | None = None) -> bool:
    return stage.wip_limit is not None and left(stage, center, without=[without, *(also or [])], taken=also or []) == 0


def left(stage: Stage, center: str, *, without: Collection[str] = (), taken: Collection[str] = ()) -> int:
    """How many more leads may come in, besides those `taken` already."""
    most = (stage.wip_limit.max if stage.wip_limit else 0) - len(taken)
    centers = None if _everywhere(stage) else [center]
    where = visible(system(directory.centers()), "live", centers) | {"current_stage": stage.uid}
    if without:
        where["uid"] = {"$nin": list(without)}
    return most - mongo.collection("leads").count_documents(where, limit=most) if most > 0 else 0
