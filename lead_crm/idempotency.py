"""Answers of POSTs that carried an Idempotency-Key, kept for a day."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from pymongo.errors import DuplicateKeyError

from lead_crm import mongo
from lead_crm.errors import Conflict, Fault, Invalid, KeyReused

KEPT_FOR: Final = timedelta(hours=24)
# A request older than this is taken for dead. Were it not: a lead knows its POST, other documents refuse doubles.
GIVEN_UP_AFTER: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Kept:
    status: int
    content: bytes
    content_type: str
    etag: str | None


class InProgress(Conflict):
    code, title = "in_progress", "A request with this Idempotency-Key is still running."


def name(*, actor: str, path: str, key: str) -> str:
    """Keys are the caller's own, and of one address."""
    if not re.fullmatch(r"[!-~]{1,255}", key):
        fault = Fault("/Idempotency-Key", "not_a_key", "Send 1 to 255 printable ASCII characters without blanks.")
        raise Invalid([fault])
    return hashlib.sha256(f"{actor}\n{path}\n{key}".encode()).hexdigest()[:40]


def once(name: str, body: bytes) -> str:
    """Names what is done for ever, also when the answer is no longer kept and the key is used for something else."""
    return hashlib.sha256(name.encode() + body).hexdigest()[:40]


def begin(once: str, *, body: bytes, now: datetime) -> Kept | None:
    """None: go ahead. Otherwise what was answered before."""
    digest = hmac.new(settings.SECRET_KEY.encode(), body, hashlib.sha256).hexdigest()  # there may be a password in it
    entry = {"_id": once, "body": digest, "started_at": now, "expires_at": now + KEPT_FOR, "answer": None}
    try:
        mongo.quick("idempotency").insert_one(entry)
        return None
    except DuplicateKeyError:
        return _found(once, digest, now)


def _found(once: str, digest: str, now: datetime) -> Kept | None:
    row = mongo.quick("idempotency").find_one({"_id": once})
    if row is None:
        raise InProgress
    if row["body"] != digest:
        raise KeyReused
    if row["answer"]:
        return Kept(**row["answer"])
    taken_over = mongo.quick("idempotency").update_one(
        {"_id": once, "answer": None, "started_at": {"$eq": row["started_at"], "$lt": now - GIVEN_UP_AFTER}},
        {"$set": {"started_at": now}},
    )
    if not taken_over.matched_count:
        raise InProgress
    return None


def keep(once: str, answer: Kept, *, about: list[str]) -> None:
    mongo.quick("idempotency").update_one({"_id": once}, {"$set": {"answer": vars(answer), "about": about}})


def forget_about(lead: str) -> None:
    """Answers that showed an erased person. Their keys stay known to the lead itself."""
    mongo.collection("idempotency").delete_many({"about": lead})


def release(once: str) -> None:
    """Done, and no answer kept: the request goes ahead when it is repeated; another body is still refused."""
    long_ago = {"$set": {"started_at": datetime(2000, 1, 1, tzinfo=UTC)}}
    mongo.quick("idempotency").update_one({"_id": once, "answer": None}, long_ago)


def forget(once: str) -> None:
    mongo.quick("idempotency").delete_one({"_id": once, "answer": None})
