"""The connection: one client per process, made when first needed; the collections; their indexes."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, TypeVar

import mongomock
import pymongo
from bson.codec_options import CodecOptions
from django.conf import settings
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError
from pymongo.write_concern import WriteConcern

from lead_crm import mongod
from lead_crm.errors import Unavailable

T = TypeVar("T")
Row = dict[str, Any]

UNREACHABLE = (ConnectionFailure, ExecutionTimeout)

_private: dict[str, str] = {}  # the address of the private database; whether it has ever answered

LIVE = [("type", ASCENDING), ("keys.shelf", ASCENDING)]
HELD = [*LIVE, ("keys.holders", ASCENDING)]
BOARD = [("current_stage", ASCENDING), ("rank", ASCENDING), ("_id", ASCENDING)]
NEWEST = [("created_at", DESCENDING), ("_id", DESCENDING)]
LATEST = [("at", DESCENDING), ("_id", DESCENDING)]

INDEXES: dict[str, list[IndexModel]] = {
    "leads": [
        IndexModel([("type", ASCENDING), ("uid", ASCENDING)], name="identity", unique=True),
        IndexModel(
            [("type", ASCENDING), ("slug", ASCENDING)], name="slug", unique=True,
            partialFilterExpression={"slug": {"$exists": True}},
        ),
        IndexModel([("keys.claims", ASCENDING)], name="claims", unique=True, sparse=True),
        IndexModel([*LIVE, *BOARD], name="board"),
        IndexModel([*HELD, *BOARD], name="board_held"),
        IndexModel([*LIVE, *NEWEST], name="newest"),
        IndexModel([*HELD, *NEWEST], name="newest_held"),
        IndexModel([*LIVE, ("current_stage", ASCENDING), *NEWEST], name="stage"),
        IndexModel([*HELD, ("current_stage", ASCENDING), *NEWEST], name="stage_held"),
        IndexModel([*LIVE, ("score", DESCENDING), ("_id", ASCENDING)], name="score"),
        IndexModel([*LIVE, ("keys.follow_up", ASCENDING), ("_id", ASCENDING)], name="follow_up"),
        IndexModel([*LIVE, ("keys.grams", ASCENDING), *NEWEST], name="grams"),
        IndexModel(
            [("state.uid", ASCENDING), ("state.updated_at", ASCENDING)], name="state",
            partialFilterExpression={"state.uid": {"$exists": True}},
        ),
        IndexModel(
            [*LIVE, ("keys.work.who", ASCENDING), ("keys.work.at", ASCENDING), ("_id", ASCENDING)], name="work",
            partialFilterExpression={"keys.work": {"$exists": True}},
        ),
    ],
    "views": [
        IndexModel([("type", ASCENDING), ("uid", ASCENDING)], name="identity", unique=True),
        IndexModel([("owner", ASCENDING), ("name", ASCENDING)], name="name", unique=True),
        IndexModel([("owner", ASCENDING), ("slot", ASCENDING)], name="slot", unique=True),
        IndexModel([("shared", ASCENDING), ("name", ASCENDING), ("owner", ASCENDING)], name="shared"),
    ],
    "accounts": [
        IndexModel([("type", ASCENDING), ("uid", ASCENDING)], name="identity", unique=True),
        IndexModel(
            [("email", ASCENDING)], name="email", unique=True,
            partialFilterExpression={"email": {"$exists": True}},
        ),
        IndexModel(
            [("secret_hash", ASCENDING)], name="secret", unique=True,
            partialFilterExpression={"secret_hash": {"$exists": True}},
        ),
        IndexModel(
            [("invitation_hash", ASCENDING)], name="invitation", unique=True,
            partialFilterExpression={"invitation_hash": {"$type": "string"}},
        ),
    ],
    "idempotency": [
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        IndexModel([("about", ASCENDING)], name="about", sparse=True),
    ],
    "sessions": [
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        IndexModel([("account", ASCENDING)], name="account"),
    ],
    "previews": [
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        IndexModel([("rows.uid", ASCENDING)], name="about"),
    ],
    "attempts": [IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0)],
    "audit": [
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        IndexModel([("subjects", ASCENDING), *LATEST], name="subject"),
        IndexModel([("actor", ASCENDING), *LATEST], name="actor"),
        IndexModel([("action", ASCENDING), *LATEST], name="action"),
        IndexModel(LATEST, name="newest"),
    ],
}  # fmt: skip


def in_memory() -> bool:
    return uri().startswith("mongomock://")


def uri() -> str:
    address = settings.MONGODB_URI or _private.get("uri")
    if not address:
        raise Unavailable("No database is running: start one with `manage.py serve`, or set MONGODB_URI.")
    return str(address)


@contextmanager
def available() -> Iterator[str]:
    """A database for the length of a command: the one MONGODB_URI names, or the private one."""
    if settings.MONGODB_URI:
        yield settings.MONGODB_URI
        return
    with mongod.running(settings.DATA_DIR) as address:
        _private["uri"] = address
        yield address


@functools.cache
def client() -> pymongo.MongoClient[Row]:
    if in_memory():
        return mongomock.MongoClient(tz_aware=True)
    return pymongo.MongoClient(
        uri(), tz_aware=True, tzinfo=UTC, serverSelectionTimeoutMS=5_000, retryWrites=True, appname="lead-crm",
    )  # fmt: skip


def collection(name: str) -> Collection[Row]:
    return _collection(name)


def quick(name: str) -> Collection[Row]:
    """For writes that need not wait for the journal: a lead's write that follows them does, and brings them along."""
    return _collection(name, w=1)


def plain(name: str) -> Collection[Row]:
    """For rows that are shown as they are read: times are UTC without saying so, which halves the time to decode."""
    return _collection(name, plain=True)


@functools.cache
def _collection(name: str, w: int | None = None, *, plain: bool = False) -> Collection[Row]:
    database = client()[settings.MONGODB_DATABASE]
    if in_memory():
        return database[name]
    options = CodecOptions[Row]() if plain else None
    return database.get_collection(name, options, write_concern=WriteConcern(w) if w else None)


def ping() -> None:
    """Quickly, whatever the other time limits are: /health must answer in under 200 ms."""
    if in_memory():
        return
    gone = Unavailable("The database does not answer.")
    if "answered" in _private and not client().topology_description.has_writable_server():
        raise gone  # asking would wait half a second for news
    try:
        with pymongo.timeout(0.15):
            client().admin.command("ping")
    except PyMongoError:
        raise gone from None
    _private["answered"] = "yes"


def forget_client() -> None:
    """For tests and forks: the next caller connects anew."""
    client.cache_clear()
    _collection.cache_clear()


def index(name: str) -> str | None:
    """The hint that names an index; nothing in memory, where there is nothing to choose from."""
    return None if in_memory() else name


def ensure_indexes() -> None:
    for name, models in INDEXES.items():
        if in_memory():
            _imitate_indexes(name, models)
        else:
            collection(name).create_indexes(models)


def _imitate_indexes(name: str, models: list[IndexModel]) -> None:
    """One by one: together they would lose their filters. Without the one over an array, which it cannot do."""
    for model in models:
        document = dict(model.document)
        keys = list(document.pop("key").items())
        if document["name"] != "claims":
            collection(name).create_index(keys, **document)


def transaction(work: Callable[[ClientSession | None], T]) -> T:
    """Run `work` in one transaction, again if another writer was first. In memory there is none: it just runs."""
    if in_memory():
        return work(None)
    with client().start_session() as session:
        return session.with_transaction(lambda s: work(s))
