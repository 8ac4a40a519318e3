"""Kinds of tasks: what completing one asks for, how it can end, and what follows by itself."""

from typing import Annotated, Literal

from pydantic import Field

from lead_crm.documents import Key, Line, Model, Uid
from workflow.fields import FieldDefinition


class Choice(Model):
    key: Key
    label: Line


class NextTask(Model):
    """Made by itself, unless the completion names its own."""

    kind: Key
    due_in_days: Annotated[int, Field(ge=0, le=3650)] | None = None


class Outcome(Choice):
    default: bool = Field(default=False, description="Taken where a completion names none.")
    note_required: bool = False
    move_to: Uid | None = Field(default=None, description="The stage the lead goes to by itself, through the gate.")
    next_task: NextTask | None = None


class Scheduling(Model):
    move_to: Uid


class TaskKind(Choice):
    fields: Annotated[list[FieldDefinition], Field(max_length=50)] = []
    on_schedule: Scheduling | None = Field(
        default=None, description="A new task of this kind moves the lead there, through the gate."
    )
    outcomes: Annotated[list[Outcome], Field(max_length=50)] = []
    outcome_required: bool = Field(default=False, description="Completing needs an outcome, unless one is the default.")
    counts_as: Literal["call", "visit", "email", "message"] | None = Field(
        default=None, description="Completing one is such a contact; null: as its key says."
    )
