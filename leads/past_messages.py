"""What clients ask about a lead's past, and what they get."""

from typing import Any

from pydantic import Field

from lead_crm.documents import In, Moment, MomentOrDay, Out


class AsOfQuery(In):
    at: MomentOrDay | None = Field(
        default=None, description="A day means its end. Now where left out, and where it lies in the future."
    )


class DiffQuery(In):
    start: MomentOrDay | None = Field(
        default=None, alias="from", description="A day means its beginning. The creation where left out."
    )
    to: MomentOrDay | None = Field(default=None, description="A day means its end. Now where left out.")


class NetChange(Out):
    pointer: str = Field(description="Into the lead; tasks by their uid: `/tasks/<uid>/status`.")
    old: Any
    new: Any


class LeadDiff(Out):
    """What differs between two moments."""

    start: Moment = Field(alias="from")
    to: Moment
    from_version: int
    to_version: int
    changes: list[NetChange] = Field(
        description="Net: what changed and changed back is none. Hidden values are null, though named."
    )
    by: list[str] = Field(description="Who wrote in between.")
