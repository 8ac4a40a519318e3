"""What the config says about people, who gets which lead, the public form, duplicates and how long leads are kept."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lead_crm.documents import Key, Line, Model, Text, Uid

RoleScope = Literal["all", "center", "own", "tasks"]
Permission = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z]+(:[A-Za-z0-9_.\-]{1,63})?$")]
DuplicatePolicy = Literal["reject", "warn", "attach", "create"]
Mode = Literal["by_hand", "round_robin", "least_loaded"]


class RoleDefinition(Model):
    """A role besides those built in."""

    key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
    label: Line
    permissions: Annotated[list[Permission], Field(max_length=100)] = []
    scope: RoleScope = Field(
        default="center",
        description="Leads of all centres, of one's own centres, there only one's own and nobody's, or only those "
        "with a task of one's own.",
    )


class InRole(Model):
    """Everybody with this role who works in the lead's centre."""

    role: Key


class Dealing(Model):
    """Who gets a lead that nobody holds."""

    mode: Mode = Field(
        description="by_hand: nobody, until somebody takes or gives it. round_robin: all in the pool in turn. "
        "least_loaded: whoever of them has the fewest open leads, of several the one whose last lead is longest ago."
    )
    pool: Annotated[list[Uid | InRole], Field(max_length=200)] = Field(
        default=[],
        description='People by uid, and everybody with a role: `["user-1", {"role": "counsellor"}]`. Whoever is '
        "deactivated, or does not work in the lead's centre, is passed over. Where nobody is left, the lead stays "
        "with nobody and its timeline says so.",
    )


class AssignmentRule(Dealing):
    """For leads that meet all conditions given; an empty list admits any."""

    source: Annotated[list[Key], Field(max_length=200)] = []
    center: Annotated[list[Key], Field(max_length=200)] = []
    lead_type: Annotated[list[Key], Field(max_length=50)] = []
    stage: Annotated[list[Uid], Field(max_length=200)] = Field(
        default=[],
        description="On entering one of these, from another stage or as a new lead. Empty: new leads only.",
    )


class Assignment(Dealing):
    """Who gets new leads that leave out `assigned_to` ([] and null mean nobody).

    The first of these decides: `auto_assign` of the stage that the lead enters, the first rule that fits, `mode` and
    `pool` here. Each counts its turns in each centre by itself; turns go on where they were when a pool changes.
    """

    mode: Mode = "by_hand"
    rules: Annotated[list[AssignmentRule], Field(max_length=100)] = []


class Duplicates(Model):
    """Leads that share an e-mail address or a phone number, contacts included."""

    on: Annotated[list[Literal["email", "phone"]], Field(max_length=2)] = ["email", "phone"]
    policy: DuplicatePolicy = Field(
        default="warn",
        description="reject the new lead, create it and warn, attach an activity to the lead there is, or just create.",
    )
    public: DuplicatePolicy | None = Field(default=None, description="For the public form; null: as `policy` says.")


class Capture(Model):
    """The public form."""

    enabled: bool = True
    title: Line = "Send us an enquiry"
    intro: Text | None = None
    button: Line = "Send"
    thanks: Line = "Thank you. We will be in touch."
    asks: Annotated[list[Literal["phone", "company", "message", "source", "center"]], Field(max_length=5)] = Field(
        default=["phone", "company", "message"], description="What is asked for besides name, e-mail and public fields."
    )
    source: Key | None = Field(default=None, description="The source of leads that name none.")
    center: Key | None = Field(default=None, description="The centre of leads that name none; null: the only one.")


class RetentionRule(Model):
    """Leads at rest for so long are archived, or erased: the person goes, the figures stay."""

    action: Literal["archive", "erase"]
    status: Annotated[list[Literal["open", "on_hold", "won", "lost", "archived"]], Field(min_length=1, max_length=5)]
    after_days: Annotated[int, Field(ge=1, le=36_500)] = Field(description="Since the last change.")


class Retention(Model):
    rules: Annotated[list[RetentionRule], Field(max_length=20)] = []
