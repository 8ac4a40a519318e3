"""Previews of bulks, kept for an hour: what was asked, which leads were judged at which version, and how."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm import mongo
from lead_crm.access import Actor, rights
from lead_crm.errors import NotFound
from leads.bulk import Verdict

KEPT_FOR: Final = timedelta(hours=1)
GRACE: Final = timedelta(minutes=10)  # for a commit that has begun in time

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters and the filter are kept as the JSON they came in."""

    action: str
    params: str
    uids: list[str]
    filter: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """The verdicts of one batch; `settled`: no longer a preview, this is what became of it."""

    verdicts: list[Verdict]
    settled: bool


def new_token() -> str:
    return secrets.token_hex(16)


def add(token: str, number: int, verdicts: Sequence[Verdict], *, now: datetime) -> None:
    rows = [_row(verdict) for verdict in verdicts]
    entry = {"_id": _name(token, number), "rows": rows, "settled": False, "expires_at": now + KEPT_FOR + GRACE}
    mongo.quick("previews").insert_one(entry)


def finish(token: str, asked: Asked, *, parts: int, actor: Actor, now: datetime) -> None:
    """Only now there is a preview."""
    entry = {
        "_id": token, "actor": rights(actor), "action": asked.action, "params": asked.params, "uids": asked.uids,
        "filter": asked.filter, "parts": parts, "valid_until": now + KEPT_FOR, "expires_at": now + KEPT_FOR + GRACE,
    }  # fmt: skip
    mongo.collection("previews").insert_one(entry)


def find(token: str, *, actor: Actor, now: datetime) -> tuple[Asked, int]:
    """What was asked, and in how many parts it was answered: of who still sees and may what they did then."""
    row = mongo.collection("previews").find_one({"_id": token, "actor": rights(actor), "valid_until": {"$gt": now}})
    if row is None:
        raise NotFound("There is no preview of yours with this token. They are kept for an hour: preview it again.")
    return Asked(row["action"], row["params"], row["uids"], row["filter"]), row["parts"]


def part(token: str, number: int) -> Part:
    row = mongo.collection("previews").find_one({"_id": _name(token, number)})
    if row is None:
        raise NotFound("The preview has expired meanwhile.")
    return Part([Verdict(**verdict) for verdict in row["rows"]], row["settled"])


def settle(token: str, number: int, verdicts: Sequence[Verdict]) -> None:
    """Whoever uses the token again gets the same answer."""
    rows = [_row(verdict) for verdict in verdicts]
    mongo.quick("previews").update_one({"_id": _name(token, number)}, {"$set": {"rows": rows, "settled": True}})


def forget_about(lead: str) -> None:
    """Refusals name open tasks by their titles: of an erased person only the verdict remains."""
    mongo.collection("previews").update_many({"rows.uid": lead}, {"$set": {"rows.$.refusals.$[].detail": ""}})


def _name(token: str, number: int) -> str:
    return f"{token}/{number:04d}"


def _row(verdict: Verdict) -> Row:
    return {
        "uid": verdict.uid, "refusals": list(verdict.refusals), "version": verdict.version, "seen": verdict.seen,
    }  # fmt: skip
