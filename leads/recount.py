"""Scores counted anew: after their rules have changed, once a day where they depend on age, and when asked for.

Everything it does can be done again: it writes only leads whose score differs, so whoever goes on after a crash finds
less to do. Where it stands is one small document; when the rules change meanwhile, it begins anew.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm import directory, documents
from lead_crm.access import Actor, system
from lead_crm.errors import Conflict
from leads import bulk, recounts, scoring
from leads.bulk import Target, Work
from leads.documents import Lead
from leads.record import Ask, changed, line
from workflow import service as workflow_service
from workflow.scoring import AgeRule, Scoring
from workflow.workflow import Workflow

BATCH: Final = 500
AGE_EVERY: Final = timedelta(days=1)
SHOWN: Final = ("state", "workflow_version", "total", "done", "changed", "started_at", "finished_at", "by")
NONE_YET: Final = dict.fromkeys(SHOWN) | {"state": "idle", "done": 0, "changed": 0}

Row = dict[str, Any]
Going = Callable[[], bool]


def progress() -> Row:
    return _shown(recounts.get() or NONE_YET)


def _shown(row: Row) -> Row:
    return {name: row[name] for name in SHOWN}


def start(*, actor: Actor) -> Row:
    """A worker does it; who asks while it is at work joins."""
    for _ in range(10):
        row, workflow = recounts.get(), workflow_service.current()
        if row and row["state"] in ("waiting", "running") and row["rules"] == _digest(workflow):
            return _shown(row)
        if _begun(row, workflow, by=actor.uid):
            return progress()
    raise Conflict("Others start it at this moment. Try again.", code="busy")


def _begun(row: Row | None, workflow: Workflow, *, by: str | None, state: str = "waiting") -> bool:
    values = {"rules": _digest(workflow), "workflow_version": workflow.version, "by": by, "state": state}
    return recounts.begin(documents.new_uid(), row, **values)


def _digest(workflow: Workflow) -> str:
    return hashlib.sha256(workflow.config.scoring.model_dump_json().encode()).hexdigest()


def run(going: Going, *, now: datetime) -> str:
    """What is due, as the CRM itself; nothing is said where nothing is."""
    workflow = workflow_service.current()
    row = _due(workflow, now)
    if row is None:
        return ""
    actor = system(directory.centers())
    if row["state"] == "waiting":
        recounts.advance(row, state="running", started_at=now, total=recounts.living(actor))
    finished = _counted(row, workflow, actor, going, now)
    return f"{row['done']} of {row['total']} scores, {row['changed']} changed" + ("" if finished else ", not finished")


def _due(workflow: Workflow, now: datetime) -> Row | None:
    """The recount that is to be done, begun where it must be."""
    row = recounts.get()
    if row is None and not recounts.rules_were_changed():
        _begun(None, workflow, by=None, state="idle")
        row = recounts.get()
    if row and row["rules"] == _digest(workflow):
        if row["state"] in ("waiting", "running"):
            return row
        if not _aged(row, workflow.config.scoring, now):
            return None
    by = row["by"] if row and row["state"] in ("waiting", "running") else "system"
    return recounts.get() if _begun(row, workflow, by=by) else None


def _aged(row: Row, rules: Scoring, now: datetime) -> bool:
    """Leads grow older by themselves."""
    depends = any(isinstance(rule, AgeRule) for rule in rules.rules)
    return depends and (row["finished_at"] is None or row["finished_at"] <= now - AGE_EVERY)


def _counted(row: Row, workflow: Workflow, actor: Actor, going: Going, now: datetime) -> bool:
    """To the end? Not where this worker is to stop, another has gone on, or the rules are new."""
    rules = workflow.config.scoring
    names = [*scoring.needed(rules), "uid", "score", "score_reasons"]
    work = Work(recounted, actor, now, row["run"])
    while going() and _digest(workflow_service.current()) == row["rules"]:
        rows = recounts.after(row["place"], actor, names, BATCH)
        if not rows:
            return recounts.advance(row, state="finished", finished_at=documents.now())
        wrong = [Target(lead["uid"]) for lead in rows if _perhaps_wrong(lead, rules, now)]
        written = sum(verdict.ok for part in bulk.done(bulk.batches(wrong), work) for verdict in part)
        place = {name: rows[-1][name] for name in ("center", "created_at", "_id")}
        if not recounts.advance(row, place=place, done=row["done"] + len(rows), changed=row["changed"] + written):
            return False
    return False


def _perhaps_wrong(row: Row, rules: Scoring, now: datetime) -> bool:
    """Also one of which that cannot be said: reading it whole finds out and logs it, and the others are counted."""
    try:
        return _differs(row, rules, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return True


def _differs(row: Row, rules: Scoring, now: datetime) -> bool:
    total, reasons = scoring.of_row(row, rules, now)
    return bool(total != row["score"]) or [reason.model_dump() for reason in reasons] != row["score_reasons"]


def recounted(lead: Lead, ask: Ask) -> Lead:
    """The rule: a lead whose score is wrong gets the right one, with a line that says so."""
    total, reasons = scoring.score(dict(lead), ask.workflow.config.scoring, ask.now)
    if lead.status == "archived" or (total, reasons) == (lead.score, lead.score_reasons):
        return lead
    said = line(ask, "system", f"Score recounted: {lead.score} → {total}", old=lead.score, new=total)
    return changed(lead, ask.after(lead), [said], at_rest=True)
