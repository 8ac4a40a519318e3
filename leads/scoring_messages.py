"""What clients send and get about scoring: a preview of other rules, and the recount."""

from typing import Literal

from pydantic import Field

from lead_crm.documents import In, Moment, Out
from leads.documents import ScoreReason
from workflow.scoring import Scoring


class ScoringIn(In, Scoring):
    pass


class ScoreExample(Out):
    uid: str
    name: str
    score: int
    would_be: int
    reasons: list[ScoreReason] = Field(description="Of what it would be; only for those who see personal fields.")


class ScoringPreview(Out):
    examined: int = Field(description="The newest, at most 10,000.")
    of: int | None = Field(description="How many leads there are; null when counting would have been slow.")
    of_capped: bool
    number_changed: int = Field(serialization_alias="changed")
    higher: int
    lower: int
    hot_before: int = Field(description="With a score above 70.")
    hot_after: int
    average_before: float | None
    average_after: float | None
    examples: list[ScoreExample] = Field(description="The ten largest changes.")


class Recount(Out):
    """`waiting` and `running` go on by themselves where a worker runs; `idle`: none was needed yet."""

    state: Literal["idle", "waiting", "running", "finished"]
    workflow_version: int | None = Field(description="Whose rules are counted by.")
    total: int | None = Field(description="Living leads when it began.")
    done: int
    number_changed: int = Field(serialization_alias="changed", description="Whose score, or its reasons, were wrong.")
    started_at: Moment | None
    finished_at: Moment | None
    by: str | None
