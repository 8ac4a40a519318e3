"""The public form: what it asks, and what becomes of the answers. Whoever fills it in sees nothing of what is there."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, StringConstraints

from lead_crm.contact import Email, Phone
from lead_crm.documents import In, Key, Line, Moment, Out, Text
from lead_crm.errors import Fault, Invalid, NotFound, escape
from leads import rules
from leads.documents import Fields, Lead
from leads.messages import LeadIn
from leads.record import Ask
from workflow.fields import FieldDefinition
from workflow.policies import Capture
from workflow.values import controllers
from workflow.workflow import Workflow

HONEYPOT: Final = "leave_this_empty"
USUAL_SOURCE: Final = "website"
ASKED: Final = {  # label, type, input type
    "name": ("Your name", "text", "text"),
    "email": ("E-mail", "email", "email"),
    "phone": ("Phone", "phone", "tel"),
    "company": ("Company", "text", "text"),
    "message": ("Message", "long_text", "textarea"),
    "source": ("How did you hear of us?", "select", "select"),
    "center": ("Branch", "select", "select"),
}


class Answers(In):
    name: Line | None = None
    email: Email | None = None
    phone: Phone | None = None
    company: Line | None = None
    message: Text | None = None
    source: Key | None = Field(default=None, description="Where the config does not know it, the form's own.")
    center: Key | None = Field(default=None, description="Where there is no such open centre, the form's own.")
    fields: Annotated[Fields, Field(max_length=200)] = Field(
        default={}, description="Custom fields, those marked public."
    )
    leave_this_empty: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="Hidden from people; whoever fills it in is a program."
    )
    captcha: Annotated[str, StringConstraints(max_length=8192)] | None = Field(
        default=None, description="What the captcha answered, where the form names one."
    )


class EnquiryIn(Answers):
    partly: ClassVar[type[In]] = Answers  # what else is wrong is told also where one of these is

    name: Line
    email: Email


class EnquiryOut(Out):
    id: str
    name: str
    email: str
    status: str = Field(description="The uid of the stage.")
    created_at: Moment


class Option(Out):
    value: str
    label: str


class ShownIf(Out):
    field: str
    equals: Any


class Question(Out):
    """One field of the form. Answers to `custom` ones go into `fields`."""

    name: str
    label: str
    help: str = ""
    type: str
    input_type: str
    required: bool = False
    custom: bool = False
    options: list[Option] = []
    default: Any = None
    unit: str | None = None
    min: Any = None
    max: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    visible_if: ShownIf | None = Field(default=None, description="Asked only while that other field has this value.")


class CaptchaOut(Out):
    site_key: str | None


class Form(Out):
    title: str
    intro: str | None
    button: str
    thanks: str
    fields: list[Question]
    honeypot: str = Field(description="Name of a field to hide from people and to leave empty.")
    captcha: CaptchaOut | None


def opened(workflow: Workflow) -> Capture:
    if not workflow.config.capture.enabled:
        raise NotFound("There is no public form here.")
    return workflow.config.capture


def form(workflow: Workflow, centers: Mapping[str, str], captcha: Mapping[str, Any] | None) -> Form:
    """`centers`: the names of those that take new leads."""
    capture = opened(workflow)
    return Form(
        title=capture.title, intro=capture.intro, button=capture.button, thanks=capture.thanks,
        fields=questions(workflow, centers), honeypot=HONEYPOT,
        captcha=CaptchaOut(**captcha) if captcha else None,
    )  # fmt: skip


def questions(workflow: Workflow, centers: Mapping[str, str]) -> list[Question]:
    capture = workflow.config.capture
    undecided = len(centers) > 1 and capture.center not in centers
    wanted = ["name", "email", *capture.asks, *(["center"] if undecided and "center" not in capture.asks else [])]
    choices = {
        "source": {source.key: source.label for source in workflow.config.sources if not source.lead_types},
        "center": centers,
    }
    required = {"name", "email", *(["center"] if undecided else [])}
    plain = [_plain(name, choices.get(name, {}), name in required) for name in dict.fromkeys(wanted)]
    return [
        *(question for question in plain if question.options or question.type != "select"),
        *(_custom(definition) for definition in offered(workflow)),
    ]


def _plain(name: str, choices: Mapping[str, str], required: bool) -> Question:
    label, kind, input_type = ASKED[name]
    options = [Option(value=value, label=text) for value, text in choices.items()]
    return Question(name=name, label=label, type=kind, input_type=input_type, required=required, options=options)


def offered(workflow: Workflow) -> list[FieldDefinition]:
    """The custom fields that anybody can fill in: nothing that hangs on what only people inside know."""
    known = {field.field_key: field for field in workflow.config.variables}
    public = {
        key for key, field in known.items()
        if field.public and not field.archived and not field.lead_types and field.field_type != "user"
    }  # fmt: skip
    return sorted(
        (known[key] for key in known if public.issuperset([key, *controllers(known, key)])),
        key=lambda field: field.order,
    )


def _custom(field: FieldDefinition) -> Question:
    values = field.model_dump()
    told = {name: values.get(name) for name in Question.model_fields if values.get(name) is not None}
    return Question.model_validate(told | {"name": field.field_key, "type": field.field_type, "custom": True})


def fitting(fields: Fields, workflow: Workflow) -> Fields:
    """Without answers to questions that these very answers leave out; a page without scripts shows them all."""
    while True:
        faults = workflow.values.convert(fields, lead_type=None)[1]
        left_out = {fault.pointer for fault in faults if fault.code == "not_applicable"}
        if not left_out:
            return fields
        fields = {key: value for key, value in fields.items() if f"/fields/{escape(key)}" not in left_out}


def lead(body: Answers, ask: Ask, also: Sequence[Fault] = ()) -> Lead:
    """A new lead by the rules for all, but of the custom fields only those are required that the form asks for."""
    opened(ask.workflow)
    asked = {field.field_key: field for field in offered(ask.workflow)}
    faults = [*also, *_strange(body, asked)]
    try:
        made = rules.create(_told(body, asked, ask), ask, required={key for key in asked if asked[key].required})
    except Invalid as refused:
        faults += refused.faults
    if faults:
        raise Invalid(faults)
    return made


def _strange(body: Answers, asked: Collection[str]) -> list[Fault]:
    faults = [
        Fault(f"/fields/{escape(key)}", "unknown_field", "The form does not ask for this: leave it out.")
        for key in body.fields if key not in asked
    ]  # fmt: skip
    if body.leave_this_empty:
        detail = "This field is there to catch programs. If you are a person: please leave it empty and send again."
        faults.append(Fault(f"/{HONEYPOT}", "not_empty", detail))
    return faults


def _told(body: Answers, asked: Collection[str], ask: Ask) -> LeadIn:
    known = {key: value for key, value in body.fields.items() if key in asked}
    return LeadIn(
        name=body.name, email=body.email, phone=body.phone, company=body.company, message=body.message,
        source=_source(body.source, ask.workflow), center=_center(body.center, ask), fields=known,
    )  # fmt: skip


def _source(wanted: str | None, workflow: Workflow) -> str | None:
    known = {source.key for source in workflow.config.sources if not source.lead_types}
    asked = (wanted, workflow.config.capture.source, USUAL_SOURCE)
    return next((source for source in asked if source in known), None)


def _center(wanted: str | None, ask: Ask) -> str | None:
    asked = (wanted, ask.workflow.config.capture.center)
    return next((center for center in asked if center in ask.actor.centers), None)
