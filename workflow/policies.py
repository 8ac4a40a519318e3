"""What the config says about people, the public form, duplicates and how long leads are kept."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lead_crm.documents import Key, Line, Model, Text

RoleScope = Literal["all", "center", "own", "tasks"]
Permission = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z]+(:[A-Za-z0-9_.\-]{1,63})?$")]
DuplicatePolicy = Literal["reject", "warn", "attach", "create"]


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
