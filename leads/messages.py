"""What clients send about leads, and what they get."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, Field, StringConstraints, model_validator

from lead_crm.access import DEFAULT_CENTER
from lead_crm.documents import (
    CommaList,
    In,
    Key,
    Line,
    Model,
    Moment,
    Out,
    Page,
    Reason,
    Text,
    Uid,
    When,
    partial,
)
from leads.documents import (
    Activity,
    Address,
    Attributes,
    Conversion,
    Fields,
    Heat,
    HistoryEntry,
    MergedLead,
    ScoreReason,
    Status,
    Task,
    TaskStatus,
    WrittenKind,
)
from leads.gate import Position
from workflow.documents import StageKind, WipLimit

Assignees = Annotated[list[Uid], Field(max_length=20)]


class LeadIn(In, Attributes):
    name: Line | None = Field(default=None, description="Joined from first and last name where left out.")
    center: Key | None = Field(
        default=None, description=f"Your only one where left out (`{DEFAULT_CENTER}` where none are made)."
    )
    assigned_to: Assignees | MISSING | None = Field(
        default=MISSING, description="Left out: whoever gets it by `assignment` in the config; [] or null: nobody."
    )


AddressPatch = partial("AddressPatch", Address)


class Named(Attributes):
    name: Line
    address: AddressPatch | None  # type: ignore[valid-type]


LeadPatch = partial("LeadPatch", Named)
LeadPatch.elsewhere = {  # what to say of keys that are refused here: where they are written instead
    "current_stage": "move the lead with POST /api/leads/{uid}/transition/",
    "status": "it follows from POST /api/leads/{uid}/transition/, archive/ and restore/",
    "assigned_to": "use POST /api/leads/{uid}/assign/",
    "rank": "use POST /api/leads/kanban/move/",
    "tasks": "use /api/leads/{uid}/tasks/",
    "activities": "use POST /api/leads/{uid}/activities/",
    "uid": "it never changes",
    "center": "a lead stays in its centre",
    **dict.fromkeys(
        ("history", "score", "score_reasons", "full_name", "is_hot", "days_since_created", "days_since_last_contact",
         "days_in_stage", "overdue_tasks", "stale", "stage_entered_at", "call_attempts", "last_contacted_at",
         "created_at", "created_by", "updated_at", "updated_by", "version", "workflow_version", "closed_at",
         "closed_reason", "converted_at", "conversion", "archived_at", "erased_at", "type", "activities_count",
         "history_count", "merged"),
        "it is kept by the CRM itself",
    ),
}  # fmt: skip


class LeadRow(Out, Attributes):
    """A lead in a list: everything but tasks and timeline."""

    type: Literal["lead"]
    uid: str
    version: int
    center: str
    name: str
    full_name: str
    current_stage: str
    stage_entered_at: Moment
    status: Status
    assigned_to: list[str]
    score: int
    is_hot: bool = Field(description="The score is above 70.")
    last_contacted_at: Moment | None
    call_attempts: int
    days_since_created: int
    days_since_last_contact: int | None
    days_in_stage: int
    overdue_tasks: int
    stale: bool = Field(description="Longer in its stage than the stage's sla_hours.")
    converted_at: Moment | None
    closed_at: Moment | None
    closed_reason: str | None
    archived_at: Moment | None
    erased_at: Moment | None = Field(description="When the person was erased; the figures remain.")
    created_by: str
    updated_by: str
    created_at: Moment
    updated_at: Moment
    workflow_version: int


class TaskOut(Out, Task):
    pass


class ActivityOut(Out, Activity):
    pass


class HistoryOut(Out, HistoryEntry):
    pass


class LeadOut(LeadRow):
    """A whole lead. Of timeline and passage the latest 10; `/activities/` and `/history/` have all."""

    rank: str
    score_reasons: list[ScoreReason]
    conversion: Conversion | None
    tasks: list[TaskOut]
    activities: list[ActivityOut] = Field(description="The latest 10, oldest of them first.")
    activities_count: int
    history: list[HistoryOut] = Field(description="The latest 10, oldest of them first.")
    history_count: int
    merged: list[MergedLead] = Field(description="Other leads that were merged into this one.")


class DuplicateOut(Out):
    uid: str
    name: str
    on: list[Literal["email", "phone"]]


class LeadCreated(LeadOut):
    duplicates: list[DuplicateOut] = Field(description="Those you may see of the leads it shares contact details with.")
    attached: bool = Field(description="No new lead: this one was there, and its timeline says that they came again.")


class PartialLead(Out):
    """A lead with the selected fields only."""

    model_config = {"extra": "allow"}

    uid: str


class LeadPage(Page[LeadRow | PartialLead]):
    pass


class HistoryPage(Page[HistoryOut]):
    pass


class TaskList(Out):
    results: list[TaskOut]


class Refusal(Out):
    model_config = {"extra": "allow"}

    code: str
    stage: str
    detail: str
    how_to_pass: str


class Verdict(Out):
    stage: str
    name: str
    allowed: bool
    refusals: list[Refusal]


class Moves(Out):
    results: list[Verdict]


class TransitionIn(In):
    to_stage: Uid
    note: Text | None = None
    reason: Reason | None = None
    fields: Fields = Field(default={}, description="Custom fields to write with the move.")
    position: Position = "top"
    force: bool = Field(default=False, description="Skip the guards; needs lead.force and a reason.")


class AssignIn(In):
    assigned_to: Uid | Assignees | MISSING | None = Field(default=MISSING, description="null: to nobody.")
    by_rule: bool = Field(default=False, description="To whomever the assignment rules give it; needs lead.assign.")


class Nothing(In):
    """An empty object."""


class TaskIn(In):
    kind: Key
    title: Line | None = Field(default=None, description="The label of the kind where left out.")
    due_at: Moment | None = None
    assigned_to: Uid | None = None
    fields: Fields = {}
    required: bool = False


class TaskSettings(Model):
    title: Line
    due_at: Moment | None
    assigned_to: Uid | None
    required: bool
    notes: Text | None
    fields: Fields


TaskPatch = partial("TaskPatch", TaskSettings)
TaskPatch.elsewhere = {
    "status": "use .../complete/, .../reopen/ or .../cancel/",
    "outcome": "use .../complete/",
    **dict.fromkeys(("uid", "kind", "stage", "template", "created_at", "created_by"), "it never changes"),
}


class CompleteIn(In):
    outcome: Key | None = None
    notes: Text | None = None
    fields: Fields = {}
    completed_at: Moment | None = Field(default=None, description="When it really was; now where left out.")
    next_task: TaskIn | None = Field(default=None, description="Instead of the one that the outcome makes by itself.")


class NotesIn(In):
    notes: Text | None = None


class ActivityIn(In):
    kind: WrittenKind = "note"
    body: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1)]
    meta: Annotated[Fields, Field(max_length=20)] = {}


class Filters(In):
    """Which leads: a comma means any of."""

    stage: CommaList[str] | None = None
    status: CommaList[Status] | None = Field(default=None, description="Archived leads are listed only when asked for.")
    kind: CommaList[StageKind] | None = Field(default=None, description="Of the stage the lead stands in.")
    source: CommaList[str] | None = None
    lead_type: CommaList[str] | None = None
    center: CommaList[str] | None = None
    assigned_to: CommaList[str] | None = Field(default=None, description="uids, `me`, or `none`.")
    priority: CommaList[str] | None = None
    temperature: CommaList[Heat] | None = None
    tags: CommaList[str] | None = Field(default=None, description="All of these.")
    any_tags: CommaList[str] | None = Field(default=None, description="Any of these.")
    score_min: Annotated[int, Field(ge=0, le=100)] | None = None
    score_max: Annotated[int, Field(ge=0, le=100)] | None = None
    hot: bool | None = None
    created_from: When | None = None
    created_to: When | None = None
    updated_from: When | None = None
    updated_to: When | None = None
    follow_up_from: When | None = None
    follow_up_to: When | None = None
    stage_entered_from: When | None = None
    stage_entered_to: When | None = None
    overdue: bool | None = Field(default=None, description="With a pending task past its due time.")
    starving: bool | None = Field(default=None, description="Open, without a pending task or a follow-up date.")
    stale: bool | None = Field(default=None, description="Longer in its stage than the stage's sla_hours.")
    q: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="Words or their beginnings: name, e-mail, phone, company, uid, searchable fields."
    )
    field: dict[str, str] = Field(
        default={}, description="`field.<key>=`, `field.<key>_min=`, `field.<key>_max=` for custom fields."
    )


Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str, StringConstraints(max_length=4000)]


class LeadQuery(Filters):
    limit: Limit = 20
    offset: Annotated[int, Field(ge=0, le=10_000)] | None = None
    cursor: Cursor | None = Field(default=None, description="Opaque; from `next` or `previous`.")
    sort: Annotated[str, StringConstraints(max_length=80)] | None = Field(
        default=None, description="For example `-score`; empty values last. Default: the config's default_sort."
    )
    count: Literal["exact", "none"] | None = Field(
        default=None, description="`exact` insists on counting all, `none` skips it; default: up to 10,000."
    )
    fields: CommaList[str] | None = Field(default=None, description="Only these attributes (uid always).")


class PageQuery(In):
    limit: Limit = 20
    cursor: Cursor | None = None


class BoardQuery(Filters):
    limit: Limit = Field(default=50, description="Cards per column.")


class ColumnQuery(BoardQuery):
    cursor: Cursor | None = None


class CardTask(Out):
    uid: str
    title: str
    status: TaskStatus
    due_at: Moment | None


class Card(Out):
    """What a card shows. Every attribute more is paid for three hundred times on a board."""

    uid: str
    version: int
    name: str
    company: str | None
    email: str | None
    phone: str | None
    source: str | None
    tags: list[str]
    priority: str | None
    value: Any
    temperature: Heat | None
    score: int
    is_hot: bool
    assigned_to: list[str]
    center: str
    current_stage: str
    status: Status
    rank: str
    next_follow_up_at: Moment | None
    stage_entered_at: Moment
    days_in_stage: int
    overdue_tasks: int
    stale: bool
    fields: Fields = Field(description="Those with show_on_card.")
    tasks: list[CardTask]


class Column(Out):
    uid: str
    name: str
    slug: str
    color: str
    order: int
    kind: StageKind
    count: int
    count_capped: bool
    value: dict[str, int] | None = Field(description="Sum per currency in minor units; null until computed.")
    wip_limit: WipLimit | None
    leads: list[Card]
    next: str | None


class CardPage(Out):
    results: list[Card]
    next: str | None
    partial: bool


class KanbanMoveIn(In):
    lead: Uid
    to_stage: Uid
    before: Uid | None = Field(default=None, description="Place the card directly above this one.")
    after: Uid | None = Field(default=None, description="Place the card directly below this one.")
    note: Text | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def one_neighbour(self) -> "KanbanMoveIn":
        if self.before and self.after:
            raise ValueError("send before or after, not both")
        if self.lead in (self.before, self.after):
            raise ValueError("a card cannot be its own neighbour")
        return self


class DeleteStageQuery(In):
    move_to: Uid | None = Field(default=None, description="Where its leads go; needed when there are any.")
