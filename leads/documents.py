"""A lead as it is stored: the person or firm, its tasks, its timeline and its passage through the stages."""

import operator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from lead_crm.contact import Email, Phone
from lead_crm.documents import Day, DecimalText, Document, Key, Line, Model, Moment, Money, Text, Uid

Status = Literal["open", "on_hold", "won", "lost", "archived"]
TaskStatus = Literal["pending", "completed", "cancelled"]
Heat = Literal["hot", "warm", "cold"]
Fields = dict[str, Any]  # values that JSON has: what comes in has been parsed as such

# What people may write onto the timeline; the other kinds are written by what happens.
WrittenKind = Literal["note", "call", "visit", "email", "message", "follow_up"]
ActivityKind = Literal[
    "note", "call", "visit", "email", "message", "follow_up",
    "task", "stage_change", "status_change", "assignment", "field_change", "merge", "system",
]  # fmt: skip
CONTACTS: Final = frozenset({"call", "visit", "email", "message"})


class Address(Model):
    line: Line | None = None
    city: Line | None = None
    state: Line | None = None
    country: Line | None = None
    pincode: Annotated[str, StringConstraints(max_length=20)] | None = None


class Contact(Model):
    name: Line
    relation: Line | None = None
    phone: Phone | None = None
    email: Email | None = None
    is_primary: bool = False


class Quantity(Model):
    amount: Annotated[DecimalText, Field(description="Not below zero.")]
    unit: Annotated[str, StringConstraints(min_length=1, max_length=20)]


class Attributes(Model):
    """What a client may write about a lead."""

    lead_type: Key | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    email: Email | None = None
    phone: Phone | None = None
    company: Line | None = None
    message: Text | None = None
    address: Address | None = None
    contacts: Annotated[list[Contact], Field(max_length=20)] = []
    source: Key | None = None
    source_detail: Line | None = None
    tags: Annotated[list[Annotated[Line, StringConstraints(max_length=50)]], Field(max_length=50)] = []
    priority: Key | None = None
    value: Money | None = None
    quantity: Quantity | None = None
    expected_close_on: Day | None = None
    temperature: Heat | None = Field(
        default=None, description="Set by hand; null: follows from expected_close_on by the configured days."
    )
    conversion_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    score_override: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="The score set by hand; null: by the rules."
    )
    next_follow_up_at: Moment | None = Field(
        default=None, description="The earliest pending dated task wins over what is written here."
    )
    fields: Fields = Field(default={}, description="Custom fields, as the config defines them.")


class Task(Model):
    uid: str
    kind: Key
    title: Line
    required: bool = False
    status: TaskStatus = "pending"
    due_at: Moment | None = None
    assigned_to: Uid | None = None
    assigned_role: Key | None = None
    outcome: Key | None = None
    notes: Text | None = None
    fields: Fields = {}
    stage: str = Field(description="The stage that the lead stood in when the task was made.")
    template: str | None = Field(default=None, description="The template it was made from; null: made by hand.")
    created_at: datetime
    created_by: str
    completed_at: datetime | None = None
    completed_by: str | None = None


class Activity(Model):
    uid: str
    kind: ActivityKind
    body: Text | None = None
    meta: dict[str, Any] = {}
    actor: str
    at: datetime


class HistoryEntry(Model):
    stage: str
    entered_at: datetime
    left_at: datetime | None = None
    duration_seconds: int | None = None
    by: str = Field(description="Who moved the lead here.")
    note: Text | None = None
    reason: str | None = None
    forced: bool = False
    workflow_version: int


class ChangeSet(Model):
    """One write: what it changed, exactly enough to go back."""

    version: int
    at: datetime
    by: str
    workflow_version: int
    changes: list[dict[str, Any]]
    events: list[dict[str, Any]] = Field(default=[], exclude_if=operator.not_, description="See `leads.events`.")


class ScoreReason(Model):
    points: int
    reason: str


class Conversion(Model):
    reference: str
    note: str | None = None


class MergedLead(Model):
    """Another lead that has become a part of this one."""

    uid: str
    at: datetime
    by: str
    version: int = Field(description="The version of this lead that took it in.")
    left_out: list[str] = Field(description="Values that do not fit this lead any more, or never did.")
    below: list[str] = Field(description="Leads that had been merged into that one before.")

    def names(self) -> list[str]:
        return [self.uid, *self.below]


class Done(Model):
    """A POST with an Idempotency-Key that has been carried out, so that its repetition is known after a crash."""

    once: str
    at: datetime
    made: str | None = None


class Spilled(Model):
    """How many entries have moved to `timeline` documents."""

    activities: int = 0
    history: int = 0
    changes: int = 0


class Lead(Attributes, Document):
    center: str
    name: Line
    current_stage: str
    stage_entered_at: datetime
    rank: str
    status: Status = "open"
    assigned_to: list[str] = []
    score: int = 0
    score_reasons: list[ScoreReason] = []
    follow_up_wish: datetime | None = None
    due: list[datetime] = Field(default=[], description="When pending tasks are due.")
    last_contacted_at: datetime | None = None
    call_attempts: int = 0
    tasks: list[Task] = []
    activities: list[Activity] = []
    history: list[HistoryEntry] = []
    changes: list[ChangeSet] = Field(default=[], description="What is to be written; older ones stay in the database.")
    converted_at: datetime | None = None
    conversion: Conversion | None = None
    closed_at: datetime | None = None
    closed_reason: str | None = None
    archived_at: datetime | None = None
    erased_at: datetime | None = None
    created_by: str
    updated_by: str
    workflow_version: int
    merged: list[MergedLead] = []
    merged_into: str | None = None
    merged_at: datetime | None = None
    spilled: Spilled = Spilled()
    done: list[Done] = []
    touched_at: datetime | None = Field(
        default=None, exclude_if=operator.not_, description="Before the CRM kept its own books in it; null: updated_at."
    )
    sole: list[str] = Field(default=[], description="Marks that it came in with where no duplicates were wanted.")


class Timeline(Model):
    """Entries that a lead no longer carries itself. The uid is `<lead>:<the version they left it at>`.

    Some carry the lead's `state` at that version too: going back to a moment begins at the nearest.
    """

    uid: str
    start: Spilled = Field(description="How many entries of the lead are older than these.")
    activities: list[Activity] = []
    history: list[HistoryEntry] = []
    changes: list[ChangeSet] = []
    state: dict[str, Any] | None = Field(default=None, exclude_if=operator.not_)
