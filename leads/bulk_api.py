"""Changing many leads at once, over HTTP."""

from lead_crm.errors import Conflict, NotFound
from lead_crm.http import Call, endpoint
from lead_crm.streaming import Streamed
from leads import bulk_orders
from leads.bulk_messages import BulkIn, BulkOut


@endpoint(permission="lead.bulk", body=BulkIn, returns=BulkOut, raises=(Conflict, NotFound), audits="change")
def bulk_leads(call: Call[BulkIn, None]) -> Streamed:
    """Move, assign, tag, untag, edit, archive or restore up to 10,000 leads; each gets a verdict.

    Each lead passes the rules of the single request, and needs its permission: `lead.move` (with `force`: `lead.force`
    and a reason), `lead.edit` (assigning to others: `lead.assign`), `lead.archive`. The answer is 200 also where some
    are refused; `results` are in the order given (for a `filter`: the newest first), with the refusals a single
    request would get, or one of `not_found`, `changed_since_preview`, `busy`, `not_done`. `pointer` is one into the
    action's parameters. What would be wrong for every lead is refused at once, as is a filter that finds more than
    10,000.

    `assign` with `by_rule` gives each lead to whomever the assignment rules give it; whose turn it is is drawn when it
    is written, so a dry run does not say who, nor whether somebody is there (`nobody_there`).

    `dry_run` judges every lead and writes nothing. Its `token`, sent alone within an hour, does just what was shown:
    only leads that passed, only if nobody has changed them since (`If-Match` is therefore refused here). Using it twice
    does nothing twice.

    The answer is sent while the work goes on; `done` and `refused` come last. If something fails on our side in
    between, the leads that are left get `not_done`; if you hang up, the rest is done all the same. After a failure
    repeat the request with the same Idempotency-Key, or the token: leads that are done know it, and are answered
    `ok` without being done again. (The key keeps no answer here: others are judged anew, and a filter is asked anew.)
    """
    if_match = call.request.headers.get("If-Match")
    return bulk_orders.carry_out(call.body, actor=call.actor, now=call.now, once=call.once, if_match=if_match)
