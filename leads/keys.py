"""What a lead is found by: values kept beside it under `keys`, for indexes alone, made anew at every write."""

from datetime import UTC, datetime
from typing import Any, Final

from lead_crm.access import State, holders, shelf
from leads.documents import Lead
from leads.search import grams
from workflow.workflow import Workflow

NO_FOLLOW_UP: Final = datetime(9999, 12, 31, tzinfo=UTC)  # leads without one come last


def keys(lead: Lead, workflow: Workflow, region: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "shelf": shelf(lead.center, _state(lead)),
        "holders": holders(lead.assigned_to, (task.assigned_to for task in lead.tasks if task.assigned_to)),
        "follow_up": lead.next_follow_up_at or NO_FOLLOW_UP,
        "grams": grams(lead, workflow, region),
    }
    if claimed := claims(lead, workflow):
        found["claims"] = claimed
    return found


def _state(lead: Lead) -> State:
    if lead.erased_at:
        return "erased"
    return "archived" if lead.status == "archived" else "live"


def claims(lead: Lead, workflow: Workflow) -> list[str]:
    """What no other lead may have: values of unique fields, and the POST that made this one."""
    return [*workflow.values.claims(lead.fields), *(f"once:{done.once}" for done in lead.done[:1])]
