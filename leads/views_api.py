"""Saved views over HTTP."""

from typing import Any

from lead_crm import cursors
from lead_crm.access import SIGNED_IN
from lead_crm.errors import Conflict
from lead_crm.http import Call, endpoint
from leads import views
from leads.views_messages import ViewIn, ViewOut, ViewPage, ViewPatch, ViewQuery
from leads.views_store import View

Row = dict[str, Any]


def _shown(call: Call[Any, Any], view: View) -> Row:
    return views.shown_to(view, call.actor)


@endpoint(permission=SIGNED_IN, query=ViewQuery, returns=ViewPage)
def list_views(call: Call[None, ViewQuery]) -> Row:
    """Your views, and those that people share who work in a centre of yours; by name.

    Views with `q` or with filters by custom fields may name somebody: others' are listed for those with `lead.pii`.
    """
    query = call.query
    found, count = views.find(query, actor=call.actor)
    end, start = query.offset + query.limit, query.offset - query.limit
    return {
        "results": [_shown(call, view) for view in found],
        "next": cursors.address(call.request, offset=end) if end < count and end <= 10_000 else None,
        "previous": cursors.address(call.request, offset=max(0, start) or None) if query.offset else None,
        "count": count, "count_capped": False, "partial": False,
    }  # fmt: skip


@endpoint(permission=SIGNED_IN, body=ViewIn, returns=ViewOut, status=201, raises=(Conflict,), versioned=True)
def create_view(call: Call[ViewIn, None]) -> Row:
    """Save filters, columns and an order under a name; needs `lead.view`. At most 100 for each person.

    Use it with `view=<uid>` in the address of the list, the board and its columns, and of reports. Whoever may see a
    shared view sees its filters too. `assigned_to=me` is whoever uses it; `today-7` counts from the day it is used.
    """
    return _shown(call, views.create(call.body, actor=call.actor, now=call.now))


@endpoint(permission=SIGNED_IN, returns=ViewOut, versioned=True)
def read_view(call: Call[None, None], uid: str) -> Row:
    """One view, yours or shared with you."""
    return _shown(call, views.read(uid, actor=call.actor))


@endpoint(permission=SIGNED_IN, body=ViewPatch, returns=ViewOut, raises=(Conflict,), versioned=True)
def edit_view(call: Call[Any, None], uid: str) -> Row:
    """Change what is sent. `filters` and `columns` are replaced as a whole.

    For its owner; and a shared one for those with `people.edit` in all of the owner's centres.
    """
    return _shown(call, views.edit(uid, call.body, actor=call.actor, now=call.now, if_match=call.if_match))


@endpoint(permission=SIGNED_IN, status=204, raises=(Conflict,), versioned=True)
def delete_view(call: Call[None, None], uid: str) -> None:
    """Delete a view: for those who may change it."""
    views.delete(uid, actor=call.actor, if_match=call.if_match)
