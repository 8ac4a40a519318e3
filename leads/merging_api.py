"""Duplicates, merging and unmerging over HTTP."""

from typing import Any

from lead_crm.errors import Conflict, Refused
from lead_crm.http import Call, endpoint
from leads import duplicates, joining, shown, store
from leads.merging_messages import DuplicateList, MergedOut, MergeIn, UnmergedOut, UnmergeIn
from leads.service import Changed

Row = dict[str, Any]


@endpoint(permission="lead.view", returns=DuplicateList, audits="list")
def list_duplicates(call: Call[None, None], uid: str) -> Row:
    """Living leads that share an e-mail address or phone number with this one, the oldest first.

    Contacts count, and what counts at all says `duplicates.on` in the config. Needs `lead.pii` too; leads that you may
    not see are not listed.
    """
    lead, workflow = store.load(uid, actor=call.actor)
    call.actor.require("lead.pii")
    found, complete = duplicates.among(lead, workflow, call.actor)
    return {"results": [one.told() for one in found], "complete": complete}


@endpoint(
    permission="lead.merge", body=MergeIn, returns=MergedOut, raises=(Conflict,), versioned=True,
    also=joining.faults_of_merge, audits="change",
)  # fmt: skip
def merge_lead(call: Call[MergeIn, None], uid: str) -> Row:
    """Make another lead a part of this one. It can be taken back: see `unmerge`.

    Stage, status, people and centre stay this lead's. Of every attribute and custom field it keeps its own value, or
    takes the other's where it has none; `fields` chooses otherwise. Tags, contacts, tasks and timelines are joined;
    an e-mail address or phone number that is not kept becomes a contact. What the stages required of the other lead
    is not required here. A won lead is not merged into one that is not won, nor a converted one into one that is not
    converted (409 `won_lead`): merge the other way round, and the sale stays. The other lead leaves all lists; reading
    it leads here (307), writing to it is refused (409 `lead_merged`). `If-Match` is about this lead, `version` about
    the other.
    """
    changed = joining.merge(uid, call.body, actor=call.actor, now=call.now, once=call.once, if_match=call.if_match)
    return _told(call, changed, joining.said(changed[0], call.once))


@endpoint(
    permission="lead.merge", body=UnmergeIn, returns=UnmergedOut, raises=(Refused,), versioned=True, audits="change"
)
def unmerge_lead(call: Call[UnmergeIn, None], uid: str) -> Row:
    """Take the latest merge back: both leads are again as they were before it.

    What has been changed here since then stays here, and `kept` names it; tasks that came along go back with what was
    done about them. Refused where the other lead's stage is full, or a unique value of it has been given away.
    """
    changed = joining.unmerge(uid, call.body, actor=call.actor, now=call.now, once=call.once, if_match=call.if_match)
    meta = joining.said(changed[0], call.once)
    return _told(call, changed, meta) | {"kept": meta["kept"]}


def _told(call: Call[Any, None], changed: Changed, meta: Row) -> Row:
    lead, workflow = changed
    return shown.written(lead, workflow=workflow, now=call.now, actor=call.actor) | {"loser": meta["lead"]}
