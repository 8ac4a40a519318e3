"""What a lead can go through: the one config and its stages."""

import re
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, Field, StringConstraints

from lead_crm.documents import (
    Color,
    Document,
    In,
    Key,
    Line,
    Model,
    Moment,
    Out,
    Reason,
    Slug,
    Text,
    Uid,
    partial,
)
from workflow.fields import FieldDefinition
from workflow.policies import Assignment, Capture, Dealing, Duplicates, Retention, RoleDefinition
from workflow.scoring import Scoring
from workflow.task_kinds import Choice, TaskKind

StageKind = Literal["open", "won", "lost"]
LAST_PLACE = 100_000
Order = Annotated[int, Field(ge=0, le=LAST_PLACE)]

SEQUENCE = re.compile(r"\{seq(?::0([1-9])d)?\}")


def _numbering(pattern: str) -> str:
    rest = SEQUENCE.sub("", pattern).replace("{prefix}", "").replace("{period}", "")
    if len(SEQUENCE.findall(pattern)) != 1:
        raise ValueError("the pattern needs {seq} or {seq:05d} exactly once")
    if not re.fullmatch(r"[A-Za-z0-9_\-]*", rest):
        raise ValueError("besides {prefix}, {period} and {seq} use letters, digits, - and _ only")
    return pattern


class LeadNumber(Model):
    """How leads are numbered; each period counts from 1."""

    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{0,20}$")] = "LEAD"
    pattern: Annotated[str, StringConstraints(max_length=60), AfterValidator(_numbering)] = (
        "{prefix}-{period}-{seq:05d}"
    )
    period: Literal["month", "year", "none"] = "month"


class Source(Choice):
    lead_types: Annotated[list[Key], Field(max_length=50)] = Field(
        default=[], description="Offered for these lead types only; empty: for all."
    )


class Priority(Choice):
    default: bool = False


class Quantities(Model):
    """How much is traded, in what."""

    units: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=20)]], Field(max_length=50)] = (
        Field(default=[], description="The units there are; empty: any.")
    )
    decimals: Annotated[int, Field(ge=0, le=6)] = 6


class Temperature(Model):
    """Hot when the expected close is at most `hot_days` away, warm up to `warm_days`, cold beyond or without a date."""

    hot_days: Annotated[int, Field(ge=0, le=3650)] = 30
    warm_days: Annotated[int, Field(ge=0, le=3650)] = 60


class Settings(Model):
    """What an administrator may set in the config."""

    workflow_name: Line = "Lead Workflow"
    lead_id: LeadNumber = LeadNumber()
    lead_types: Annotated[list[Choice], Field(max_length=50)] = []
    sources: Annotated[list[Source], Field(max_length=200)] = []
    priorities: Annotated[list[Priority], Field(max_length=20)] = []
    tags: Annotated[list[Line], Field(max_length=1000)] | None = Field(
        default=None, description="The only tags allowed; null: any."
    )
    variables: Annotated[list[FieldDefinition], Field(max_length=200)] = []
    task_kinds: Annotated[list[TaskKind], Field(max_length=50)] = []
    close_reasons: Annotated[list[Choice], Field(max_length=100)] = []
    required: Annotated[list[Key], Field(max_length=50)] = Field(
        default=[], description="Attributes that every lead must have, besides its name and the required custom fields."
    )
    quantity: Quantities = Quantities()
    default_country: Line | None = Field(default=None, description="Of addresses that name none.")
    next_step_required: bool = Field(
        default=False, description="Open leads may not move on without a pending task or a follow-up date."
    )
    scoring: Scoring = Scoring()
    temperature: Temperature | None = Temperature()
    default_sort: Annotated[str, StringConstraints(pattern=r"^-?[a-z_.0-9]{1,80}$")] = "-created_at"
    roles: Annotated[list[RoleDefinition], Field(max_length=50)] = Field(
        default=[], description="Roles besides those built in."
    )
    assignment: Assignment = Assignment()
    duplicates: Duplicates = Duplicates()
    capture: Capture = Capture()
    retention: Retention = Retention()


class Config(Settings, Document):
    uid: Literal["default"] = "default"
    locked: bool = False


class WipLimit(Model):
    max: Annotated[int, Field(ge=1, le=10_000)]
    scope: Literal["stage", "center"] = Field(
        default="stage", description="Counted over all centres together, or for each centre by itself."
    )


class TaskTemplate(Model):
    uid: Uid
    kind: Key
    title: Line
    required: bool = False
    due_in_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    assignee: Annotated[str, StringConstraints(pattern=r"^(owner|role:[a-z_]{1,40}|user:[A-Za-z0-9_.:\-]{1,64})$")] = (
        Field(
            default="owner",
            description="`owner` (of the lead), `role:<name>` or `user:<uid>`: nobody, where that person is not active "
            "or does not work in the lead's centre.",
        )
    )


class StageSettings(Model):
    """What an administrator may set in a stage."""

    name: Line
    slug: Slug
    color: Color = "#64748B"
    order: Order = 0
    kind: StageKind = "open"
    allowed_next_stages: Annotated[list[Uid], Field(max_length=200)] = []
    required_fields: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,80}$")]], Field(max_length=100)
    ] = Field(
        default=[],
        description="Attributes of the lead, or keys of custom fields, to be filled on entering. A won stage may also "
        "name `conversion.reference`: then only `convert/`, which brings it, gets there, or force.",
    )
    task_templates: Annotated[list[TaskTemplate], Field(max_length=50)] = []
    allowed_roles: Annotated[list[Key], Field(max_length=50)] = Field(
        default=[], description="Who may move leads here; empty: everyone who may move leads."
    )
    wip_limit: WipLimit | None = None
    sla_hours: Annotated[int, Field(ge=1, le=87_600)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Becomes the lead's conversion_probability on entering."
    )
    auto_assign: Uid | Dealing | None = Field(
        default=None,
        description="Who gets a lead that nobody holds on entering: one person, or one out of a pool. Comes before the "
        "config's `assignment`; `by_hand` keeps its rules from leads that begin here.",
    )
    description: Text | None = None
    archived: bool = False


class Stage(StageSettings, Document):
    pass


class Change(Model):
    """One difference: where, what it was, what it is."""

    pointer: str
    old: Any = None
    new: Any = None


class LogEntry(Document):
    """One change of the workflow; its uid is the workflow version that it made."""

    action: Literal[
        "set_up", "config", "lock", "unlock", "stage_created", "stage_changed", "stage_deleted", "reordered"
    ]
    subject: str
    subject_version: int
    by: str
    reason: str | None = None
    changes: list[Change] = []


# What clients send and get.


class ConfigIn(In, Settings):
    pass


ConfigPatch = partial("ConfigPatch", Settings)


class ConfigOut(Out, Settings):
    type: Literal["config"]
    uid: Literal["default"]
    version: int
    locked: bool
    created_at: Moment
    updated_at: Moment


class LockIn(In):
    reason: Reason | None = None


class UnlockIn(In):
    reason: Reason


class StageIn(In, StageSettings):
    uid: Uid | MISSING = Field(default=MISSING, description="Made from the slug where left out.")
    slug: Slug | MISSING = Field(default=MISSING, description="Made from the name where left out.")  # type: ignore[assignment]
    order: Order | MISSING = Field(default=MISSING, description="At the end where left out.")  # type: ignore[assignment]


StagePatch = partial("StagePatch", StageSettings)


class StageOut(Out, StageSettings):
    type: Literal["stage"]
    uid: str
    version: int
    created_at: Moment
    updated_at: Moment


class StageList(Out):
    results: list[StageOut]


class StageQuery(In):
    archived: bool | None = Field(default=None, description="Only archived ones, or only living ones; default: all.")


class ReorderIn(In):
    order: Annotated[list[Uid], Field(min_length=1, max_length=500)]
