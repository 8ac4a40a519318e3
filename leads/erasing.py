"""What remains of a lead when the person is erased: where it stood and how long, dates, figures, who did what."""

from typing import Final

from leads import personal
from leads.documents import Activity, HistoryEntry, Lead, ScoreReason, Task, Timeline
from leads.record import Ask, line
from workflow.workflow import Workflow

NAME: Final = "Erased person"


def erased(lead: Lead, reason: str, ask: Ask) -> Lead:
    """The tombstone. Its score stays as it was, though what it was counted from is gone."""
    ask, workflow = ask.after(lead), ask.workflow
    said = line(ask, "system", f"Erased: {reason}")
    return Lead.model_validate(dict(lead) | personal.EMPTY | {
        "name": NAME, "company": None,
        "fields": personal.fields(lead.fields, workflow),
        "tasks": [_task(task, workflow) for task in lead.tasks],
        "activities": [*map(activity, lead.activities), said],
        "history": [_passage(entry, workflow) for entry in lead.history],
        "changes": [], "sole": [],
        "score_reasons": [ScoreReason(points=lead.score, reason="counted before the person was erased")],
        "closed_reason": personal.reason(lead.closed_reason, workflow),
        "status": "archived", "archived_at": lead.archived_at or ask.now, "erased_at": ask.now,
        "version": lead.version + 1, "updated_at": ask.now, "updated_by": ask.actor.uid, "touched_at": None,
        "workflow_version": workflow.version,
    })  # fmt: skip


def scrubbed(timeline: Timeline, workflow: Workflow) -> Timeline:
    """The same entries in the same places, without what was written in them."""
    return timeline.changed(
        activities=[activity(entry) for entry in timeline.activities],
        history=[_passage(entry, workflow) for entry in timeline.history],
        changes=[],
        state=None,
    )


def activity(entry: Activity) -> Activity:
    return entry.model_copy(update={"body": None, "meta": personal.meta(entry.kind, entry.meta)})


def _passage(entry: HistoryEntry, workflow: Workflow) -> HistoryEntry:
    return entry.model_copy(update={"note": None, "reason": personal.reason(entry.reason, workflow)})


def _task(task: Task, workflow: Workflow) -> Task:
    kind = workflow.task_kinds.get(task.kind)
    title = task.title if task.title in workflow.task_titles else kind.label if kind else task.kind
    return task.model_copy(update={"title": title, "notes": None, "fields": {}})
