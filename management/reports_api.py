"""Figures over HTTP."""

from typing import Any

from django.conf import settings
from pydantic import Field

from lead_crm.documents import Moment, Out
from lead_crm.errors import NeedsServer
from lead_crm.http import Call, endpoint
from leads import views
from leads.views_messages import ViewedFilters
from management import reports
from workflow import service as workflow_service
from workflow.workflow import Workflow

Row = dict[str, Any]


class Summary(Out):
    total_leads: int
    average_lead_score: float = Field(description="To two decimals; 0 where there are no leads.")
    hot_leads_count: int = Field(description="Of those with a score above 70.")
    conversion_rate: float = Field(description="Won leads of all leads, in per cent to one decimal: 15.5.")
    leads_by_status: dict[str, int] = Field(description="By the uid of the stage; stages without leads as 0.")
    leads_by_source: dict[str, int] = Field(description="By the key of the source; `none`: leads without one.")
    as_of: Moment = Field(description="When it was counted. Figures that take long to count are kept for a while.")


@endpoint(permission="report.view", query=ViewedFilters, returns=Summary, raises=(NeedsServer,))
def read_summary(call: Call[None, ViewedFilters]) -> Row:
    """How many leads there are, where they stand, where they come from and how good they are.

    Of the leads that the filters (all of the list's, or a saved view) let through. Archived ones count where they are
    asked for. Those who see their own leads and nobody's get the figures of their own.
    A count that takes longer than a quarter of a second is remembered for twenty times as long as it took; one that
    takes longer than 10 seconds is given up (503 `too_slow`).
    """
    return workflow_service.read(lambda workflow: _summed(call, workflow))


def _summed(call: Call[None, ViewedFilters], workflow: Workflow) -> Row:
    query = views.applied(call.query, actor=call.actor, workflow=workflow, now=call.now)
    return reports.summary(
        query, actor=call.actor, workflow=workflow, now=call.now, region=settings.DEFAULT_REGION
    )  # fmt: skip
