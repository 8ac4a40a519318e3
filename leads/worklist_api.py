"""The work list over HTTP."""

from typing import Any

from lead_crm import cursors
from lead_crm.errors import Fault, Invalid, NeedsServer, NotFound
from lead_crm.http import Call, endpoint
from leads import shown, store, worklist
from leads.life_messages import WorkPage, WorkQuery

Row = dict[str, Any]


@endpoint(permission="lead.view", query=WorkQuery, returns=WorkPage, raises=(NeedsServer, NotFound), audits="list")
def list_work(call: Call[None, WorkQuery]) -> Row:
    """The tasks of all leads that you may see, the earliest due first, those without a due time last.

    Pending ones, by who is to do them, kind and day; closed ones of a lead with `lead`. Nobody counts them.
    """
    if call.query.lead:
        rows, following = _of_lead(call), None
    elif call.query.status != "pending":
        raise Invalid([Fault("/status", "needs_lead", "Closed tasks are listed for one lead: send lead as well.")])
    else:
        items, following = worklist.page(call.query, actor=call.actor, now=call.now)
        rows = [_item(call, item.task, item.lead) for item in items]
    return {
        "results": rows, "next": following and cursors.address(call.request, cursor=following), "previous": None,
        "count": len(rows) if call.query.lead else None, "count_capped": not call.query.lead, "partial": False,
    }  # fmt: skip


def _of_lead(call: Call[None, WorkQuery]) -> list[Row]:
    query = call.query
    row = store.get(query.lead or "", actor=call.actor, projection=worklist.LEAD | {"tasks": 1})
    found = [
        _item(call, task, row) for task in row["tasks"]
        if task["status"] == query.status and query.kind in (None, task["kind"])
    ]  # fmt: skip
    return sorted(found, key=lambda item: (item["due_at"] is None, item["due_at"] or item["created_at"]))


def _item(call: Call[None, WorkQuery], task: Row, lead: Row) -> Row:
    due = task["due_at"]
    overdue = bool(task["status"] == "pending" and due and due < call.now)
    return shown.tasks([task], call.actor)[0] | {"overdue": overdue, "lead": shown.contactable(lead, actor=call.actor)}
