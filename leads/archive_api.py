"""Leads put away, brought back, and removed for good, over HTTP."""

from typing import Any, Literal

from pydantic import Field

from lead_crm.documents import In
from lead_crm.errors import Conflict, Refused
from lead_crm.http import Call, endpoint
from leads import removal, service, shown
from leads.messages import LeadOut, Nothing
from leads.service import Changed

Row = dict[str, Any]


class RemoveQuery(In):
    permanently: bool = Field(
        default=False, description="Remove the lead for good instead of archiving it; needs `lead.delete`."
    )


def _action(query: RemoveQuery) -> Literal["change", "erase"]:
    return "erase" if query.permanently else "change"


@endpoint(
    permission="lead.archive", query=RemoveQuery, status=204, raises=(Conflict,), versioned=True, audits=_action
)  # fmt: skip
def archive_lead(call: Call[None, RemoveQuery], uid: str) -> None:
    """Archive a lead. It leaves lists, board and counts, and can be restored.

    With `permanently=true` the lead and its whole timeline are removed instead, with nothing left to restore and no
    figures: for leads that should never have been there. Where a person wants to be forgotten, erase them
    (`privacy/erase/`): that keeps the figures.
    """
    if call.query.permanently:
        removal.remove(uid, actor=call.actor, now=call.now, if_match=call.if_match)
    else:
        service.archive(uid, actor=call.actor, now=call.now, if_match=call.if_match)


@endpoint(permission="lead.archive", body=Nothing, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def archive_lead_action(call: Call[Nothing, None], uid: str) -> Row:
    """Archive a lead, and get it back as it is then."""
    return _written(call, service.archive(uid, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.archive", body=Nothing, returns=LeadOut, raises=(Refused,), versioned=True, audits="change")
def restore_lead(call: Call[Nothing, None], uid: str) -> Row:
    """Bring an archived lead back into its stage."""
    return _written(call, service.restore(uid, **_who(call), if_match=call.if_match))


def _written(call: Call[Any, Any], changed: Changed) -> Row:
    lead, workflow = changed
    return shown.written(lead, workflow=workflow, now=call.now, actor=call.actor)


def _who(call: Call[Any, Any]) -> dict[str, Any]:
    return {"actor": call.actor, "now": call.now, "once": call.once}
