"""Saved views in the database, in a collection of their own."""

from collections.abc import Collection
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from lead_crm import mongo
from lead_crm.documents import Document
from lead_crm.errors import Conflict
from lead_crm.store import Store

MOST: Final = 100  # of one person

Row = dict[str, Any]


class View(Document):
    name: str
    owner: str
    slot: int  # no two of an owner's have the same, so that nobody gets more than there are
    shared: bool
    filters: dict[str, Any]
    columns: list[str]
    sort: str | None
    touched: dict[str, int] = {}  # in which version each attribute was last changed


class NameTaken(Conflict):
    code, title = "name_taken", "The owner has a view of this name already: choose another, or change that one."


class TooMany(Conflict):
    code, title = "too_many_views", f"Nobody has more than {MOST} views: delete one first."


views: Final = Store(View, kind="view", collection="views")


def insert(view: View) -> bool:
    """Into the first free slot; False when another of the same owner was first."""
    theirs = list(views.collection.find({"owner": view.owner}, {"name": 1, "slot": 1}))
    if any(row["name"] == view.name for row in theirs):
        raise NameTaken
    free = set(range(MOST)).difference(row["slot"] for row in theirs)
    if not free:
        raise TooMany
    try:
        views.insert(view.changed(slot=min(free)))
    except Conflict:
        return False
    return True


def replace(view: View, *, read: int) -> bool:
    try:
        return views.replace(view, read=read)
    except DuplicateKeyError:
        raise NameTaken from None


def delete(view: View) -> bool:
    """Only this version of it."""
    identity = {"type": "view", "uid": view.uid, "version": view.version}
    return bool(mongo.collection("views").delete_one(identity).deleted_count)


def page(
    *, own: str | None, shared_by: Collection[str] | None, plain: bool, offset: int, limit: int, mine: bool | None
) -> tuple[list[View], int]:
    """By name; and how many there are in all. `shared_by` None: by anybody; `plain`: without words about people."""
    ours: Row = {"owner": own}
    theirs: Row = {"shared": True, "owner": {"$ne": own}}
    if shared_by is not None:
        theirs["owner"] = {"$in": [uid for uid in shared_by if uid != own]}
    if plain:
        theirs |= {"filters.q": {"$exists": False}, "filters.field": {"$exists": False}}
    where: Row = {None: {"$or": [ours, theirs]}, True: ours, False: theirs}[mine]
    where = {"type": "view", **where}
    rows = views.collection.find(where).sort([("name", 1), ("owner", 1)]).skip(offset).limit(limit)
    return [views.load(row) for row in rows], views.collection.count_documents(where)
