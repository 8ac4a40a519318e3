"""What clients send about people, centres, roles and tokens, and what they get."""

from typing import Annotated

from pydantic import Field, StringConstraints

from lead_crm import passwords
from lead_crm.contact import Email
from lead_crm.documents import In, Line, Model, Moment, Out, Page, Uid, partial
from management.accounts import RoleName
from workflow.policies import Permission, RoleScope

CenterUid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}$")]
Roles = Annotated[list[RoleName], Field(min_length=1, max_length=20)]
Centers = Annotated[list[CenterUid], Field(max_length=1_000)]
Limit = Annotated[int, Field(ge=1, le=200)]


class CenterIn(In):
    uid: CenterUid | None = Field(default=None, description="Made from the name where left out.")
    name: Line


class CenterSettings(Model):
    name: Line
    archived: bool


CenterPatch = partial("CenterPatch", CenterSettings)
CenterPatch.elsewhere = {"uid": "it never changes"}


class CenterOut(Out):
    """A centre. `main` stands for itself while none is made, or while it still has leads from that time."""

    uid: str
    name: str
    archived: bool = Field(description="Takes no new leads and no new people; its leads stay.")
    created_at: Moment | None
    updated_at: Moment | None
    version: int = Field(description="0: nobody has made it.")


class CenterList(Out):
    results: list[CenterOut]


class CenterQuery(In):
    archived: bool | None = Field(default=None, description="Only archived ones, or only open ones; default: all.")


class UserIn(In):
    email: Email
    name: Line
    roles: Roles
    centers: Centers = Field(
        default=[],
        description="Your only open one where left out; people whose role covers all centres need none.",
    )
    password: Annotated[str, Field(max_length=passwords.LONGEST)] | None = Field(
        default=None, description="Left out: the person is invited and chooses it."
    )


class UserSettings(Model):
    email: Email
    name: Line
    roles: Roles
    centers: Centers
    active: bool


UserPatch = partial("UserPatch", UserSettings)
UserPatch.elsewhere = {
    "password": "people choose it themselves: POST /api/users/{uid}/invite/, or POST /api/auth/password/",
    "invited": "use POST /api/users/{uid}/invite/",
    **dict.fromkeys(("uid", "last_sign_in_at", "created_at", "updated_at", "version"), "it is kept by the CRM itself"),
}


class UserOut(Out):
    """A person. E-mail address and last sign-in are shown to the person, and to those who manage people."""

    uid: str
    email: str | None
    name: str
    roles: list[str]
    centers: list[str] = Field(description="Of these, those that are yours too.")
    active: bool
    invited: bool = Field(description="There is an invitation that can still be accepted.")
    last_sign_in_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: int


class UserPage(Page[UserOut]):
    pass


class UserQuery(In):
    q: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="Part of the name, or of an e-mail address you may see."
    )
    role: RoleName | None = None
    center: CenterUid | None = Field(default=None, description="Who works there.")
    active: bool | None = None
    limit: Limit = 20
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0


class InvitationOut(Out):
    """Shown this once."""

    uid: str = Field(description="Whom it invites.")
    token: str = Field(description="For POST /api/auth/accept/. A new invitation replaces it.")
    expires_at: Moment


class RoleOut(Out):
    key: str
    label: str
    permissions: list[str]
    scope: RoleScope
    built_in: bool


class RoleList(Out):
    results: list[RoleOut]


class TokenIn(In):
    name: Line = Field(description="What it is for.")
    scopes: Annotated[list[Permission], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The token may what the account and these allow; left out: all that the account may. "
        "For an account with the role `integration` they are what it may.",
    )
    expires_at: Moment | None = None
    user: Uid | None = Field(default=None, description="For whom, if not for yourself; somebody you may manage.")


class TokenOut(Out):
    uid: str
    name: str
    user: str
    scopes: list[str] | None
    expires_at: Moment | None
    expired: bool
    last_used_at: Moment | None = Field(description="To the minute.")
    created_at: Moment


class NewTokenOut(TokenOut):
    """The token itself is shown this once."""

    token: str


class TokenList(Out):
    results: list[TokenOut]


class TokenQuery(In):
    user: Uid | None = Field(default=None, description="Somebody you may manage; left out: your own tokens.")


class AccessQuery(In):
    user: Uid | None = Field(default=None, description="Left out: you.")


class Reason(Out):
    rule: str = Field(description="active, permission, center or scope: all of them have to hold.")
    holds: bool
    detail: str


class AccessOut(Out):
    user: str
    lead: str
    may_see: bool
    reasons: list[Reason]
    permissions: list[str]
