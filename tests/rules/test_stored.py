"""Every document goes into the database and comes back as it was."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from lead_crm import strict
from leads import gate, keys, record, rules, tasks
from leads.documents import Activity, HistoryEntry, Lead, Task, Timeline
from leads.gate import Move
from leads.messages import ActivityIn, LeadIn, TaskIn
from tests.rules.making import CALL, FLOW, NOW, ask, flow, moved, new_lead, patch, stage, stored
from tests.rules.test_edit import FULL
from workflow import rules as workflow_rules
from workflow.documents import Change, Config, LogEntry, Settings, Stage
from workflow.fields import FieldDefinition

OPTIONS = [{"value": "a"}, {"value": "b", "label": "Bee"}]
FIELDS: dict[str, dict[str, Any]] = {
    "text": {"default": "x", "min_length": 1, "pattern": "[a-z]+", "unique": True, "lead_types": ["sales"]},
    "long_text": {"default": "a\nb"}, "integer": {"default": 2**63 - 1, "min": -(2**63)},
    "decimal": {"default": "12.50", "min": "0", "max": "12345678901234567890.0123456789"},
    "money": {"default": {"amount": 2**53 - 1, "currency": "EUR"}, "min": 0}, "boolean": {"default": False},
    "date": {"default": "2026-02-28", "min": "2026-01-01"}, "datetime": {"default": "2026-01-31T09:30:00Z"},
    "email": {"default": "a@b.co"}, "phone": {"default": "+49 30 1234"}, "url": {"default": "https://a.co/b"},
    "select": {"options": OPTIONS, "default": "a"}, "multi_select": {"options": OPTIONS, "default": ["b", "a"]},
    "user": {"default": "user-1"}, "json": {"default": {"a": [1, 2.5, None, True]}},
}  # fmt: skip


def again(model: Any, document: Any) -> Any:
    return TypeAdapter(model).validate_python(stored(TypeAdapter(model).dump_python(document)))


@pytest.mark.parametrize("kind", FIELDS)
def test_every_type_of_field_definition(kind: str) -> None:
    plain = {"field_key": "x", "field_type": kind, "visible_if": {"field": "y", "equals": True}} | FIELDS[kind]
    definition = TypeAdapter(FieldDefinition).validate_python(plain)
    assert again(FieldDefinition, definition) == definition


def test_a_config_with_all_there_is() -> None:
    variables = [{"field_key": f"my_{kind}", "field_type": kind} | FIELDS[kind] for kind in FIELDS]
    workflow = flow(
        variables=variables, lead_types=[{"key": "sales", "label": "S"}], sources=[{"key": "s", "label": "S"}],
        priorities=[{"key": "p", "label": "P", "default": True}], tags=["t"], default_sort="-score",
        close_reasons=[{"key": "c", "label": "C"}], lead_id={"period": "year"}, temperature=None, scoring={"rules": [
            {"when": "age", "min_days": 3, "points": -5},
            {"when": "value", "field": "my_select", "any_of": ["a"], "points": 1},
            *Settings().scoring.model_dump()["rules"],
        ]},
    )  # fmt: skip
    assert again(Config, workflow.config) == workflow.config
    assert workflow_rules.sound(workflow) is workflow


def test_a_stage_with_all_there_is() -> None:
    one = stage("new", "contacted", task_templates=[CALL | {"due_in_days": 1, "assignee": "user:x"}], sla_hours=4,
                wip_limit={"max": 3, "scope": "center"}, probability=0.25, auto_assign="zoe", allowed_roles=["agent"],
                required_fields=["email"], description="d\n")  # fmt: skip
    assert again(Stage, one) == one


def test_a_lead_with_all_there_is() -> None:
    workflow = flow(
        variables=[{"field_key": "budget", "field_type": "decimal"}, {"field_key": "note", "field_type": "text"}]
    )
    lead = tasks.add(new_lead(workflow, **FULL), TaskIn(kind="visit", due_at=NOW, fields={"batch": "A"}), ask(workflow))
    lead = rules.add_activity(lead, ActivityIn(kind="call", body="b", meta={"a": [1, {"b": None}]}), ask(once="k"))
    lead = rules.archive(gate.move(rules.edit(lead, patch(name="B"), ask()), Move("contacted"), ask()), ask())
    assert again(Lead, lead) == lead
    for model, entries in ((Task, lead.tasks), (Activity, lead.activities), (HistoryEntry, lead.history)):
        assert [again(model, entry) for entry in entries] == entries
    timeline = Timeline(
        uid="x", start=lead.spilled, activities=lead.activities, history=lead.history, changes=lead.changes
    )
    assert again(Timeline, timeline) == timeline


def test_moments_keep_their_milliseconds() -> None:
    lead = new_lead(next_follow_up_at="2026-12-01T10:00:00.123456+05:30")
    assert again(Lead, lead).next_follow_up_at == lead.next_follow_up_at
    assert str(lead.next_follow_up_at) == "2026-12-01 04:30:00.123000+00:00"


def test_a_log_entry() -> None:
    change = Change(pointer="/x", old={"a": 1}, new=None)
    entry = LogEntry(uid="1", created_at=NOW, updated_at=NOW, action="config", subject="config", subject_version=2,
                     by="alice", changes=[change])  # fmt: skip
    assert again(LogEntry, entry) == entry


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_number_that_the_database_cannot_hold_is_refused_or_kept(number: int) -> None:
    try:
        body = strict.read_body(ActivityIn, f'{{"body": "x", "meta": {{"n": {number}}}}}'.encode())
    except strict.Invalid:
        return
    lead = rules.add_activity(new_lead(), body, ask())
    assert again(Lead, lead).activities[-1].meta == {"n": number}


def test_a_task_that_a_template_made() -> None:
    workflow = flow(stage("contacted", task_templates=[CALL | {"assignee": "role:manager"}]))
    (task,) = moved(new_lead(), "contacted", workflow=workflow).tasks
    assert again(Task, task) == task
    assert record.compared(new_lead(FLOW))["tasks"] == []


def test_only_the_post_that_made_a_lead_is_claimed() -> None:
    made = rules.create(LeadIn(name="Ada"), ask(FLOW, once="first"))
    archived = rules.archive(new_lead(FLOW), ask(FLOW, once="later"))
    assert keys.claims(made, FLOW) == ["once:first"]
    assert keys.claims(archived, FLOW) == []
