"""What clients send to merge leads, and what they get."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, create_model

from lead_crm.documents import In, Key, Moment, Out, Page, Text, Uid
from leads.documents import Attributes
from leads.messages import ActivityOut, LeadOut

Side = Literal["winner", "loser"]

UNITED: Final = frozenset({"tags", "contacts"})  # these have room for both
CHOSEN: Final = ("name", *(name for name in Attributes.model_fields if name not in UNITED | {"fields"}))


def _choices() -> Any:
    """In the shape of a lead: `{"email": "loser", "fields": {"budget": "winner"}}`."""
    attributes: dict[str, Any] = dict.fromkeys(CHOSEN, (Side | None, None))
    custom: Any = (Annotated[dict[Key, Side], Field(max_length=500)], Field(default={}, description="Custom fields."))
    return create_model("MergeChoices", __base__=In, __module__=__name__, fields=custom, **attributes)


MergeChoices = _choices()


class MergeIn(In):
    lead: Uid = Field(description="The lead that becomes a part of this one.")
    version: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Its version that you have read: refused (412) if it has changed since."
    )
    fields: MergeChoices = Field(  # type: ignore[valid-type]
        default=MergeChoices(),
        description="Whose value is kept. Left out: this lead's where it has one, else the other's.",
    )
    note: Text | None = None

    def chosen(self) -> dict[str, Side]:
        choices: Any = self.fields
        return {name: getattr(choices, name) for name in CHOSEN if getattr(choices, name)}

    def chosen_fields(self) -> dict[str, Side]:
        choices: Any = self.fields
        return dict(choices.fields)


class MergedOut(LeadOut):
    loser: str = Field(description="The lead that is a part of this one now.")


class UnmergeIn(In):
    lead: Uid | None = Field(default=None, description="The one that was merged last, which is also the default.")
    note: Text | None = None


class UnmergedOut(LeadOut):
    loser: str = Field(description="The lead that stands alone again.")
    kept: list[str] = Field(description="Pointers of what has changed since the merge, and therefore did not go back.")


class DuplicateLead(Out):
    uid: str
    name: str
    email: str | None
    phone: str | None
    center: str
    current_stage: str
    created_at: Moment
    on: list[Literal["email", "phone"]] = Field(description="What it shares, contacts included.")


class DuplicateList(Out):
    results: list[DuplicateLead]
    complete: bool = Field(description="False where there may be more than were looked at.")


class TimelineEntry(ActivityOut):
    lead: str = Field(description="Whose entry it is: this lead's, or one's that was merged into it.")


class TimelinePage(Page[TimelineEntry]):
    pass
