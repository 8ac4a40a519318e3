"""What clients send and get about saved views, and the queries that may name one."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from lead_crm.documents import PRINTABLE, In, Moment, Out, Page, Uid, partial
from leads.messages import BoardQuery, ColumnQuery, Filters, LeadQuery, Limit

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PRINTABLE)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=80)]
USED: Any = Field(
    default=None, description="The uid of a saved view; what it says holds where this address says nothing itself."
)


class ViewIn(In):
    name: Name = Field(description="Each of your views has another name.")
    filters: Filters = Field(
        default=Filters(), description="As in the address of the list. Always replaced as a whole."
    )
    columns: Annotated[list[Word], Field(max_length=60)] = Field(
        default=[], description="The list then has these attributes only (`fields`)."
    )
    sort: Word | None = Field(default=None, description="As in the address of the list.")
    shared: bool = Field(default=False, description="Also for those who share a centre with you.")


ViewPatch = partial("ViewPatch", ViewIn)
ViewPatch.elsewhere = dict.fromkeys(
    ("uid", "owner", "can_edit", "created_at", "updated_at", "version"), "it is kept by the CRM itself"
)


class ViewOut(Out):
    uid: str
    version: int
    name: str
    filters: dict[str, Any] = Field(description="Those that are set.")
    columns: list[str]
    sort: str | None
    shared: bool
    owner: str
    can_edit: bool = Field(description="May you change or delete it?")
    created_at: Moment
    updated_at: Moment


class ViewPage(Page[ViewOut]):
    pass


class ViewQuery(In):
    mine: bool | None = Field(default=None, description="true: yours; false: those that others share with you.")
    limit: Limit = 100
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0


class ViewedList(LeadQuery):
    view: Uid | None = USED


class ViewedBoard(BoardQuery):
    view: Uid | None = USED


class ViewedColumn(ColumnQuery):
    view: Uid | None = USED


class ViewedFilters(Filters):
    view: Uid | None = USED
