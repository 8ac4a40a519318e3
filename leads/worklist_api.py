"""The work list over HTTP."""

from typing import Any

from lead_crm import cursors
from lead_crm.errors import Invalid, Merged, NeedsServer, NotFound
from lead_crm.http import Call, endpoint
from leads import shown, store, worklist
from leads.life_messages import WorkPage, WorkQuery

Row = dict[str, Any]


@endpoint(
    permission="lead.view", query=WorkQuery, returns=WorkPage, raises=(NeedsServer, NotFound, Merged), audits="list"
)
def list_work(call: Call[None, WorkQuery]) -> Row:
    """The tasks of all leads that you may see, the earliest due first, those without a due time last.

    By who is to do them, kind and day. Nobody counts them, except those of one lead: with `lead` there are closed ones
    too (`status`), and the other filters mean the same.
    """
    count = None
    if faults := worklist.faults(call.query):
        raise Invalid(faults)
    if call.query.lead:
        row = store.get(call.query.lead, actor=call.actor, projection=worklist.LEAD | {"tasks": 1})
        items, following, count = worklist.of_lead(row, call.query, actor=call.actor, now=call.now)
    else:
        items, following = worklist.page(call.query, actor=call.actor, now=call.now)
    return {
        "results": [_item(call, item.task, item.lead) for item in items],
        "next": following and cursors.address(call.request, cursor=following), "previous": None,
        "count": count, "count_capped": count is None, "partial": False,
    }  # fmt: skip


def _item(call: Call[None, WorkQuery], task: Row, lead: Row) -> Row:
    told = {"overdue": worklist.is_overdue(task, call.now), "lead": shown.contactable(lead, actor=call.actor)}
    return shown.tasks([task], call.actor)[0] | told
