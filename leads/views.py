"""Saved views: filters, columns and an order under a name, one's own or shared with those one works with.

Filters may be somebody's phone number. A view that others share with a search text or a filter by a custom field is
therefore nothing to those who do not see personal values: neither listed nor read nor used.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from pydantic import ValidationError

from lead_crm import directory, strict
from lead_crm.access import Actor, Person
from lead_crm.documents import new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NotAllowed, NotFound, Stale, escape
from leads import filters, listing, service, shown, views_store
from leads.messages import Filters
from leads.views_messages import ViewIn, ViewQuery
from leads.views_store import View
from workflow import service as workflow_service
from workflow.workflow import Workflow

ATTEMPTS: Final = 20
LARGEST: Final = 8_000  # bytes of filters: what an address can hold
TELLING: Final = ("q", "field")  # filters in which people may be named

Q = TypeVar("Q", bound=Filters)
Row = dict[str, Any]


def find(query: ViewQuery, *, actor: Actor) -> tuple[list[View], int]:
    everywhere, sees = directory.works_everywhere(actor.roles), actor.may("lead.view")
    shared_by = None if everywhere and sees else directory.colleagues(actor.centers) if sees else []
    return views_store.page(
        own=actor.uid, shared_by=shared_by, plain=not actor.may("lead.pii"), offset=query.offset, limit=query.limit,
        mine=query.mine,
    )  # fmt: skip


def read(uid: str, *, actor: Actor) -> View:
    view = _seen(uid, actor)
    if view is None:
        raise NotFound(f"There is no view {uid} that you may see.")
    return view


def _seen(uid: str, actor: Actor) -> View | None:
    view = views_store.views.first({"uid": uid})
    if view is None or view.owner == actor.uid:
        return view
    told = actor.may("lead.view") and (actor.may("lead.pii") or not view.filters.keys() & TELLING)
    return view if view.shared and told and _works_with(actor, directory.member(view.owner)) else None


def _works_with(actor: Actor, owner: Person | None) -> bool:
    if directory.works_everywhere(actor.roles):
        return True
    return owner is not None and (owner.everywhere or not set(owner.centers).isdisjoint(actor.centers))


def may_edit(view: View, actor: Actor) -> bool:
    """The owner; and of a shared one who manages people in all the centres that the owner works in."""
    if view.owner == actor.uid:
        return actor.may("lead.view")
    if not actor.may("people.edit") or directory.works_everywhere(actor.roles):
        return actor.may("people.edit")
    owner = directory.member(view.owner)
    return owner is not None and not owner.everywhere and set(owner.centers) <= set(actor.centers)


def create(body: ViewIn, *, actor: Actor, now: datetime) -> View:
    actor.require("lead.view")
    values = _checked(body, actor, now, set(ViewIn.model_fields))
    view = View(
        uid=f"view-{new_uid()}", owner=actor.uid, slot=0, created_at=now, updated_at=now,
        touched=dict.fromkeys(values, 1), **values,
    )  # fmt: skip
    for _ in range(ATTEMPTS):
        if views_store.insert(view):
            return view
    raise Conflict("Your views are being changed at this moment. Try again.", code="busy")


def edit(uid: str, body: Any, *, actor: Actor, now: datetime, if_match: int | None) -> View:
    for _ in range(ATTEMPTS):
        before = _mine(uid, actor, if_match)
        values = _checked(body, actor, now, body.model_fields_set)
        different = {name: value for name, value in values.items() if getattr(before, name) != value}
        if not different:
            return before
        version = before.version + 1
        touched = before.touched | dict.fromkeys(different, version)
        after = before.changed(**different, version=version, updated_at=now, touched=touched)
        if views_store.replace(after, read=before.version):
            return after
    raise Conflict("Others keep changing this view at this moment. Try again.", code="busy")


def delete(uid: str, *, actor: Actor, if_match: int | None) -> None:
    for _ in range(ATTEMPTS):
        if views_store.delete(_mine(uid, actor, if_match)):
            return
    raise Conflict("Others keep changing this view at this moment. Try again.", code="busy")


def _mine(uid: str, actor: Actor, if_match: int | None) -> View:
    """To be changed."""
    view = read(uid, actor=actor)
    if not may_edit(view, actor):
        raise NotAllowed("Only the owner changes a view, or who manages the people of the owner's centres.")
    if if_match not in (None, view.version):
        since = sorted(f"/{name}" for name, version in view.touched.items() if version > (if_match or 0))
        raise Stale(f"It is at version {view.version} now.", version=view.version, changed=since)
    return view


def _checked(body: Any, actor: Actor, now: datetime, names: set[str]) -> Row:
    """The values as they are stored; or all that the list would refuse of them, and a view must not promise."""
    values = {name: getattr(body, name) for name in names}
    asked = values.get("filters", Filters())
    columns, sort = list(dict.fromkeys(values.get("columns", ()))), values.get("sort")
    faults = list(_faults(asked, columns, sort, actor, workflow_service.current(), now))
    if "columns" in values:
        values["columns"] = columns
    if "filters" in values:
        values["filters"] = asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        if len(orjson.dumps(values["filters"])) > LARGEST:
            faults.append(Fault("/filters", "too_large", f"The filters are larger than {LARGEST} bytes."))
    if faults:
        raise Invalid(faults)
    return values


def _faults(
    asked: Filters, columns: list[str], sort: str | None, actor: Actor, workflow: Workflow, now: datetime
) -> Iterator[Fault]:
    """One part after the other, so that each is told about."""
    for pointer, part in _parts(asked):
        asking = partial(filters.where, part, actor=actor, workflow=workflow, now=now)
        for fault in service.faults_of(asking):
            yield Fault(f"/filters{pointer}", fault.code, fault.detail, fault.extra)
    yield from shown.unknown(columns, "/columns")
    yield from service.faults_of(lambda: listing.order_of(sort, workflow, actor))


def _parts(asked: Filters) -> Iterator[tuple[str, Filters]]:
    for name in sorted(asked.model_fields_set - {"field"}):
        yield f"/{name}", Filters().model_copy(update={name: getattr(asked, name)})
    for key, text in asked.field.items():
        yield f"/field/{escape(key)}", Filters(field={key: text})


def applied(query: Q, *, actor: Actor, workflow: Workflow, now: datetime) -> Q:
    """The query, and what the view that it names says where the query itself says nothing.

    For every query with `view`: of a list (with `sort` and `fields`), a board, an export, a report.
    """
    uid: str | None = getattr(query, "view", None)
    if uid is None:
        return query
    view = _seen(uid, actor)
    if view is None:
        raise Invalid([Fault("/view", "unknown_view", f"There is no view {uid} that you may use.")])
    said = query.model_fields_set - {"field"}
    free = type(query).model_fields.keys() - said
    columns = view.columns if "fields" in free else []
    sort = view.sort if "sort" in free else None
    kept = _still(view, {name: value for name, value in view.filters.items() if name not in said})
    if faults := list(_faults(kept, columns, sort, actor, workflow, now)):
        raise _outdated(view, faults)
    more = {name: getattr(kept, name) for name in kept.model_fields_set} | {"field": kept.field | query.field}
    return query.model_copy(update=more | _given(fields=columns, sort=sort))


def _given(**values: Any) -> Row:
    return {name: value for name, value in values.items() if value}


def _still(view: View, stored: Row) -> Filters:
    try:
        return Filters.model_validate(stored)
    except ValidationError as error:  # saved by an earlier version of the program
        faults = [fault.under("/filters") for fault in strict.faults(error, stored)]
        raise _outdated(view, faults) from None


def _outdated(view: View, faults: list[Fault]) -> Invalid:
    """It was right when it was saved; the workflow has changed since."""
    said = f'The view "{view.name}" no longer fits'
    how = f"Change it with PATCH /api/views/{view.uid}/, or say otherwise in this address."
    return Invalid([
        Fault("/view", f"{fault.code}", f"{said}: {fault.detail} {how}", {"view": view.uid, "in_view": fault.pointer})
        for fault in faults
    ])  # fmt: skip


def shown_to(view: View, actor: Actor) -> Row:
    row = view.model_dump(exclude={"slot", "touched"})
    return row | {"can_edit": may_edit(view, actor)}
