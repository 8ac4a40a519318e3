"""Centres: the branches that leads and people belong to."""

import re
import unicodedata
from datetime import datetime
from typing import Any, Final

from lead_crm import directory
from lead_crm.access import Actor
from lead_crm.documents import new_uid
from lead_crm.errors import Conflict, NotAllowed, NotFound
from management import accounts
from management.accounts import Center
from management.authority import works_everywhere

ATTEMPTS: Final = 20

Row = dict[str, Any]


class CenterExists(Conflict):
    code, title = "center_exists", "There is already a centre with this uid: choose another one."


def find(*, actor: Actor, archived: bool | None) -> list[Row]:
    made = {center.uid: center for center in accounts.centers.find()}
    rows = [_shown(uid, made.get(uid)) for uid in actor.centers]
    return [row for row in rows if archived in (None, row["archived"])]


def _shown(uid: str, center: Center | None) -> Row:
    if center is not None:
        return shown(center)
    return {
        "uid": uid, "name": uid.title(), "archived": uid not in directory.open_centers(), "created_at": None,
        "updated_at": None, "version": 0,
    }  # fmt: skip


def shown(center: Center) -> Row:
    return center.model_dump(include={"uid", "name", "archived", "created_at", "updated_at", "version"})


def read(uid: str, *, actor: Actor) -> Row:
    if uid not in actor.centers:
        raise NotFound(f"You have no centre {uid}.")
    return _shown(uid, accounts.centers.first({"uid": uid}))


def create(*, uid: str | None, name: str, actor: Actor, at: datetime) -> Center:
    _everywhere(actor)
    try:
        return accounts.add_center(uid=uid or _slug(name), name=name, at=at)
    except Conflict:
        raise CenterExists(f"There is already a centre {uid or _slug(name)}: choose another uid.") from None


def edit(uid: str, changes: Row, *, actor: Actor, at: datetime, if_match: int | None) -> Center:
    if uid not in actor.centers:
        raise NotFound(f"You have no centre {uid}.")
    _everywhere(actor)
    for _ in range(ATTEMPTS):
        before = accounts.centers.first({"uid": uid})
        if before is None:
            raise NotFound(f"Nobody has made the centre {uid} yet: POST /api/centers/ with this uid.")
        accounts.unchanged(before, if_match)
        after = accounts.edited(before, at=at, **changes)
        if after is before or accounts.centers.replace(after, read=before.version):
            directory.forget()
            return after
    raise Conflict("Others keep changing this centre at this moment. Try again.", code="busy")


def _everywhere(actor: Actor) -> None:
    actor.require("people.edit")
    if not works_everywhere(actor.roles, directory.roles()):
        raise NotAllowed("Centres are made and changed by those who work in all of them.")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:60].strip("-") or f"center-{new_uid()}"
