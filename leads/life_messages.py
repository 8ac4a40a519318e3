"""What clients send and get about the life of a lead, and about what follows from its tasks."""

from pydantic import Field

from lead_crm.documents import CommaList, Day, In, Key, Line, Moment, Out, Page, Reason, Text, Uid
from leads.documents import TaskStatus
from leads.messages import Cursor, LeadOut, Limit, Refusal, TaskOut


class NoteIn(In):
    note: Text | None = None


class WorkQuery(In):
    mine: bool | None = Field(default=None, description="Given to me, to a role of mine, or to nobody but on my lead.")
    assigned_to: Uid | None = Field(
        default=None,
        description="Given to this person, or to nobody but on a lead of theirs; not together with `mine=true`.",
    )
    lead: Uid | None = Field(default=None, description="Of this lead.")
    center: CommaList[str] | None = None
    kind: Key | None = None
    status: TaskStatus = Field(default="pending", description="Closed tasks are listed with `lead` only.")
    due_from: Moment | Day | None = None
    due_to: Moment | Day | None = None
    overdue: bool | None = None
    limit: Limit = 20
    cursor: Cursor | None = None


class WorkLead(Out):
    """As much of the lead as doing the task needs."""

    uid: str
    name: str
    email: str | None
    phone: str | None
    company: str | None
    center: str
    current_stage: str
    score: int
    assigned_to: list[str]


class WorkItem(TaskOut):
    overdue: bool
    lead: WorkLead


class WorkPage(Page[WorkItem]):
    pass


class ConvertIn(In):
    reference: Line = Field(description="Of what came of it: an order, an enrolment, a contract.")
    note: Text | None = None
    converted_at: Moment | None = Field(default=None, description="When it really was; now where left out.")
    to_stage: Uid | None = Field(default=None, description="The first won stage allowed from here where left out.")


class CloseIn(In):
    reason: Reason
    note: Text | None = None
    to_stage: Uid | None = Field(default=None, description="The first lost stage allowed from here where left out.")


class HoldIn(In):
    note: Text | None = None
    until: Moment | None = Field(default=None, description="Becomes the lead's next_follow_up_at.")


class AutomationOut(Out):
    """What followed by itself."""

    moved: bool
    to_stage: str | None
    refusals: list[Refusal] = Field(description="Why the lead did not move.")
    tasks: list[str] = Field(description="The tasks that were made.")


class CompletedOut(LeadOut):
    automation: AutomationOut | None = Field(description="null: nothing follows from this outcome.")


class TaskMade(TaskOut):
    automation: AutomationOut | None = Field(description="null: nothing follows from a task of this kind.")
