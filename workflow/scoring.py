"""The rules that score a lead, as data. `leads.scoring` applies them."""

from typing import Annotated, Literal

from pydantic import Field

from lead_crm.documents import Key, Line, Model

Points = Annotated[int, Field(ge=-100, le=100)]
Names = Annotated[list[Line], Field(min_length=1, max_length=200)]


class Rule(Model):
    points: Points
    label: Line | None = Field(default=None, description="What the reason says; made from the rule where left out.")


class SourceRule(Rule):
    when: Literal["source"] = Field(description="The lead came by one of these sources.")
    any_of: Names


class FilledRule(Rule):
    when: Literal["filled"] = Field(description="This attribute of the lead is filled.")
    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,80}$")]


class BusinessEmailRule(Rule):
    when: Literal["business_email"] = Field(description="The e-mail is neither a free one nor a disposable one.")


class DisposableEmailRule(Rule):
    when: Literal["disposable_email"] = Field(description="The e-mail is one that is thrown away after use.")


class TagRule(Rule):
    when: Literal["tag"] = Field(description="The lead has one of these tags; counted once.")
    any_of: Names


class ValueRule(Rule):
    when: Literal["value"] = Field(description="This custom field has one of these values.")
    field: Key
    any_of: Names


class AgeRule(Rule):
    when: Literal["age"] = Field(description="The lead is at least so many days old.")
    min_days: Annotated[int, Field(ge=1, le=3650)]


ScoreRule = Annotated[
    SourceRule | FilledRule | BusinessEmailRule | DisposableEmailRule | TagRule | ValueRule | AgeRule,
    Field(discriminator="when"),
]

DEFAULT_RULES: list[ScoreRule] = [
    SourceRule(when="source", any_of=["referral"], points=20),
    SourceRule(when="source", any_of=["website"], points=15),
    SourceRule(when="source", any_of=["facebook", "instagram"], points=10),
    SourceRule(when="source", any_of=["whatsapp"], points=5),
    FilledRule(when="filled", field="company", points=10),
    BusinessEmailRule(when="business_email", points=10),
    TagRule(when="tag", any_of=["enterprise", "hot", "urgent"], points=15),
]


class Scoring(Model):
    base: Annotated[int, Field(ge=0, le=100)] = 50
    rules: Annotated[list[ScoreRule], Field(max_length=100)] = DEFAULT_RULES
