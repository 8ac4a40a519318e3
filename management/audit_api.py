"""The audit over HTTP."""

from typing import Any

from pydantic import Field

from lead_crm import cursors
from lead_crm.audit import Action
from lead_crm.documents import Day, In, Moment, Out, Page, Uid
from lead_crm.http import Call, endpoint
from leads.filters import moment
from leads.messages import PageQuery
from management import audit_log
from management.audit_log import Wanted

Row = dict[str, Any]


class Access(Out):
    """One person doing one thing."""

    uid: str
    at: Moment
    actor: str
    token: str | None = Field(description="The token that spoke for them.")
    action: Action
    what: str = Field(description="The operation, as this document calls it.")
    times: int = Field(description="So often within the same second.")
    request_id: str = Field(description="Of the first time; the log has it too.")


class AuditEntry(Access):
    subjects: list[str] = Field(description="Leads, or people; without those that you may not see.")


class AuditPage(Page[AuditEntry]):
    pass


class AuditQuery(PageQuery, In):
    lead: Uid | None = Field(default=None, description="What was done with this lead, or this person.")
    actor: Uid | None = Field(default=None, description="What this person did.")
    action: Action | None = None
    start: Moment | Day | None = Field(default=None, alias="from")
    end: Moment | Day | None = Field(default=None, alias="to")


def shown(row: Row) -> Row:
    row["uid"] = str(row.pop("_id"))
    return row


@endpoint(permission="audit.view", query=AuditQuery, returns=AuditPage)
def list_audit(call: Call[None, AuditQuery]) -> Row:
    """Who read, listed, exported or changed which lead, and who signed in; the newest first.

    An entry about a list names the leads that were on the page. You see entries about leads and people of your
    centres. At most 10,000 entries are examined for a page; then `partial` is true, and `next` goes on from there.
    """
    query = call.query
    wanted = Wanted(
        query.lead, query.actor, query.action,
        start=None if query.start is None else moment(query.start, first=True),
        end=None if query.end is None else moment(query.end, first=False),
    )  # fmt: skip
    found = audit_log.page(wanted, limit=query.limit, cursor=query.cursor, actor=call.actor)
    return {
        "results": [shown(row) for row in found.rows],
        "next": found.next and cursors.address(call.request, cursor=found.next),
        "previous": None, "count": None, "count_capped": True, "partial": found.partial,
    }  # fmt: skip
