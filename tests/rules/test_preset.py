"""The preset `default` is what section 10 of the design says, word for word."""

import pytest

from tests.rules.making import NOW
from workflow import preset, rules
from workflow.documents import Stage
from workflow.workflow import Workflow

DEFAULT = preset.load("default")
STAGES = [
    ("stage-new", "New Lead", "open", ["stage-contacted", "stage-lost"]),
    ("stage-contacted", "Contacted", "open", ["stage-qualified", "stage-lost"]),
    ("stage-qualified", "Qualified", "open", ["stage-proposal", "stage-lost"]),
    ("stage-proposal", "Proposal", "open", ["stage-won", "stage-lost"]),
    ("stage-won", "Won", "won", []), ("stage-lost", "Lost", "lost", []),
]  # fmt: skip


def test_its_stages() -> None:
    assert [(s.uid, s.name, s.kind, s.allowed_next_stages) for s in DEFAULT.stages] == STAGES
    assert [s.order for s in DEFAULT.stages] == list(range(6))


def test_its_first_stage_and_the_one_required_task_there() -> None:
    first = DEFAULT.stages[0]
    assert (first.slug, first.color, first.order) == ("new-lead", "#3B82F6", 0)
    assert [template.required for template in first.task_templates] == [True]
    assert not any(other.task_templates for other in DEFAULT.stages[1:])


def test_its_name_and_its_required_budget() -> None:
    (budget,) = DEFAULT.config.variables
    assert DEFAULT.config.workflow_name == "Lead Workflow"
    assert (budget.field_key, budget.label, budget.field_type, budget.input_type, budget.required) == (
        "budget", "Budget", "decimal", "number", True,
    )  # fmt: skip


@pytest.mark.parametrize("name", preset.names())
def test_every_preset_is_sound(name: str) -> None:
    data = preset.load(name)
    stages = [Stage(**dict(stage), created_at=NOW, updated_at=NOW) for stage in data.stages]
    workflow: Workflow = rules.set_up(data.config, now=NOW, stages=stages)
    assert workflow.first
