"""What the tests of rules begin with: a small funnel, people, a lead. No I/O."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from lead_crm.access import Actor, Person, grant
from lead_crm.errors import Fault, Invalid, Refused
from leads import gate, rules
from leads.documents import Lead
from leads.gate import Move
from leads.messages import LeadIn, LeadPatch
from leads.record import Ask
from workflow import rules as workflow_rules
from workflow.documents import Config, Stage
from workflow.workflow import Workflow

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
KINDS = [
    {"key": "call", "label": "Call"},
    {"key": "visit", "label": "Visit",
     "outcomes": [{"key": "done", "label": "Done"}, {"key": "no_show", "label": "No show", "note_required": True}],
     "fields": [{"field_key": "batch", "field_type": "text", "required": True}]},
]  # fmt: skip
CALL = {"uid": "first", "kind": "call", "title": "First call", "required": True}  # a template
BOARD = ("new", "contacted", "won", "lost")


def later(**delta: float) -> datetime:
    return NOW + timedelta(**delta)


def stage(uid: str, *following: str, **values: Any) -> Stage:
    """Name, slug and place on the board follow from the uid."""
    plain: dict[str, Any] = {"name": uid.title(), "slug": uid.lower(), "allowed_next_stages": list(following)}
    plain["order"] = BOARD.index(uid) if uid in BOARD else len(BOARD)
    return Stage(**{"uid": uid, "created_at": NOW, "updated_at": NOW} | plain | values)


NEW, CONTACTED = stage("new", "contacted", "lost"), stage("contacted", "won", "lost")
WON, LOST = stage("won", kind="won"), stage("lost", kind="lost")


def flow(*stages: Stage, **settings: Any) -> Workflow:
    """new > contacted > won, and lost from both; `stages` replace those of the same uid or are added."""
    config = Config(**{"version": 7, "created_at": NOW, "updated_at": NOW, "task_kinds": KINDS} | settings)
    by_uid = {one.uid: one for one in (NEW, CONTACTED, WON, LOST, *stages)}
    return workflow_rules.sound(Workflow(config, by_uid.values()))


def person(role: str = "center_admin", uid: str = "alice", centers: tuple[str, ...] = ("north",)) -> Actor:
    return Actor(uid, uid.title(), "person", (role,), **grant([role], centers, ("north", "south")))


ALICE, BOB, VERA = person(), person("agent", "bob"), person("viewer", "vera")
FLOW = flow()
SOON = later(hours=1)


def ask(workflow: Workflow = FLOW, actor: Actor = ALICE, at: datetime = SOON, once: str | None = None) -> Ask:
    return Ask(actor, workflow, at, once, people=everywhere(workflow.named))


def everywhere(uids: Iterable[str]) -> dict[str, Person]:
    return {uid: Person(uid, uid.title(), (), everywhere=True) for uid in uids}


def new_lead(workflow: Workflow = FLOW, actor: Actor = ALICE, **values: Any) -> Lead:
    body = LeadIn.model_validate({"name": "Ada Lovelace"} | values)
    people = everywhere(rules.named(body))
    return rules.create(body, ask(workflow, actor, NOW), people).model_copy(update={"uid": "LEAD-1"})


def patch(**values: Any) -> dict[str, Any]:
    changes: dict[str, Any] = LeadPatch.model_validate(values).model_dump()
    return changes


def moved(lead: Lead, *stages: str, workflow: Workflow = FLOW, **wish: Any) -> Lead:
    for hours, uid in enumerate(stages, 1):
        lead = gate.move(lead, Move(uid, **wish), ask(workflow, at=later(hours=hours)))
    return lead


def against(lead: Lead, to: str, asking: Ask, **wish: Any) -> list[dict[str, Any]]:
    with pytest.raises(Refused) as caught:
        gate.move(lead, Move(to, **wish), asking)
    refusals: list[dict[str, Any]] = caught.value.extra["refusals"]
    return refusals


def faults(error: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return pointed(error.value.faults)


def pointed(found: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in found if isinstance(fault, Fault)]


def stored(document: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from the database."""
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)
    return bson.decode(bson.encode(document), options)
