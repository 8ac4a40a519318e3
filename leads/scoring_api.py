"""Scoring over HTTP: what other rules would make of the leads, and counting all of them anew."""

from typing import Any

from lead_crm.http import Call, endpoint
from leads import recount, score_preview
from leads.messages import Nothing
from leads.scoring_messages import Recount, ScoringIn, ScoringPreview


@endpoint(permission="workflow.edit", body=ScoringIn, returns=ScoringPreview, audits="list")
def preview_scoring(call: Call[ScoringIn, None]) -> dict[str, Any]:
    """What these rules would make of the scores there are. Nothing is written.

    The newest 10,000 living leads that you may see are scored by the rules that are sent (as `scoring` in the config)
    and compared with the scores they have.
    """
    return score_preview.preview(call.body, actor=call.actor, now=call.now)


@endpoint(permission="workflow.edit", body=Nothing, returns=Recount)
def start_recount(call: Call[Nothing, None]) -> dict[str, Any]:
    """Count the scores of all living leads anew, by the config's rules; or join the recount that is under way.

    The worker does it, also by itself: when `scoring` in the config has changed, and once a day where a rule of kind
    `age` is among the rules. Only leads whose score or its reasons differ are written, each with a line in its
    timeline. If the rules change meanwhile, it begins anew.
    """
    return recount.start(actor=call.actor)


@endpoint(permission="workflow.edit", returns=Recount)
def read_recount(call: Call[None, None]) -> dict[str, Any]:
    """How far the latest recount has come. After a crash its counts may be a little low."""
    return recount.progress()
