"""What clients send to change many leads at once, and what they get.

An action's parameters may stand under `params` or beside `action`: each action has a shape for both.
"""

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, Literal, Union, cast, get_args

from pydantic import (
    MISSING,
    BeforeValidator,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from lead_crm.documents import In, Line, Out, Reason, Text, Uid
from leads.messages import Assignees, Filters, LeadPatch

MOST: Final = 10_000
COMMIT: Final = "commit"
SCALARS = str | int | float | bool

Tags = Annotated[list[Annotated[Line, StringConstraints(max_length=50)]], Field(min_length=1, max_length=50)]
Token = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class TransitionParams(In):
    to_stage: Uid
    note: Text | None = None
    reason: Reason | None = None
    force: bool = Field(default=False, description="Skip the guards; needs lead.force and a reason.")


class AssignParams(In):
    assigned_to: Uid | Assignees | MISSING | None = Field(default=MISSING, description="null: to nobody.")
    by_rule: bool = Field(
        default=False, description="Each to whomever the assignment rules give it, turn by turn; needs lead.assign."
    )


class TagParams(In):
    tags: Tags


class UntagParams(In):
    tags: Tags


class ArchiveParams(In):
    """Nothing."""


class RestoreParams(In):
    """Nothing."""


SetParams = LeadPatch
PARAMS: Final[dict[str, type[In]]] = {
    "transition": TransitionParams, "assign": AssignParams, "tag": TagParams, "untag": UntagParams,
    "set": SetParams, "archive": ArchiveParams, "restore": RestoreParams,
}  # fmt: skip


def _documented(name: str, info: FieldInfo) -> tuple[Any, Any]:
    """As JSON, or as the text that the query of the list takes; but never null."""
    kinds = [kind for kind in get_args(info.rebuild_annotation()) if kind is not NoneType]
    said: Any = dict[str, SCALARS] if name == "field" else Union[tuple(kinds)]  # noqa: UP007
    return said | str | MISSING, Field(default=MISSING, description=info.description)


_FILTERS: Final[dict[str, Any]] = {name: _documented(name, info) for name, info in Filters.model_fields.items()}
FilterIn: Any = create_model("FilterIn", __base__=In, __module__=__name__, **_FILTERS)

ALL_LEADS: Final = PydanticCustomError(
    "empty_filter",
    "An empty filter would mean all leads. If you do mean them, say so by their status: open,on_hold,won,lost.",
)
NOTHING: Final = PydanticCustomError(
    "empty_value", "Empty, this would leave out nothing and so mean more leads than you may think: leave it out."
)


def _as_in_a_query(value: object) -> object:
    """JSON values, or the texts that a query has. A list without such a filter shows all; here all would be changed."""
    if not isinstance(value, dict):
        return value
    if not value:
        raise ALL_LEADS
    fields = value.get("field")
    if isinstance(fields, dict):
        value = value | {"field": {key: _text(item) for key, item in fields.items()}}
    empty = list(_empty(value))
    faults = [InitErrorDetails(type=NOTHING, loc=path, input=None) for path in empty]
    try:
        found = Filters.model_validate({key: item for key, item in value.items() if (key,) not in empty})
    except ValidationError as error:
        raise ValidationError.from_exception_data("Filters", [*faults, *_again(error)]) from None
    if faults:
        raise ValidationError.from_exception_data("Filters", faults)
    return found


def _empty(value: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where nothing stands that could leave out a lead."""
    for name, item in value.items():
        if _blank(item):
            yield (name,)
        elif name == "field" and isinstance(item, dict):
            yield from ((name, key) for key, text in item.items() if _blank(text))


def _blank(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip(", ")
    return value is None or (isinstance(value, list | dict) and not value)


def _again(error: ValidationError) -> list[InitErrorDetails]:
    """What was found, to be told with more."""
    return [
        InitErrorDetails(type=PydanticCustomError(fault["type"], fault["msg"]), loc=fault["loc"], input=None)
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


class Selection(In):
    uids: Annotated[list[Uid], Field(min_length=1, max_length=MOST)] | None = Field(
        default=None, description="These leads, in this order; one that is named twice counts once."
    )
    filter: Annotated[Filters, BeforeValidator(_as_in_a_query, json_schema_input_type=FilterIn)] | None = Field(
        default=None,
        description="All leads that the list finds by these filters, at most 10,000, the newest first. "
        "Neither the filter nor a value in it may be empty.",
    )
    dry_run: bool = Field(default=False, description="Judge every lead, write nothing, and give a token.")
    token: Token | None = Field(default=None, description="Do what the dry run that gave this token has shown.")

    @model_validator(mode="after")
    def one_way_to_say_which(self) -> "Selection":
        if self.uids is not None and self.filter is not None:
            raise ValueError("send uids or filter, not both")
        if self.uids is None and self.filter is None and self.token is None:
            raise ValueError("say which leads: uids, or filter, or the token of a dry run")
        if self.token is not None and self.dry_run:
            raise ValueError("send a token or dry_run, not both")
        return self


class BulkCommit(Selection):
    """A token alone."""

    token: Token


def _shapes() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action, params in PARAMS.items():
        said: Any = (Literal[action], Field(description="What is done with each lead."))
        named = f"Bulk{action.title()}"
        found[action] = create_model(f"{named}In", __base__=(Selection, params), __module__=__name__, action=said)
        inside: dict[str, Any] = {"action": said, "params": (params, ...)}
        found[_inside(action)] = create_model(f"{named}ParamsIn", __base__=Selection, __module__=__name__, **inside)
    return found | {COMMIT: BulkCommit}


def _inside(action: object) -> str:
    return f"{action} with params"


def _shape(value: Any) -> str:
    if "action" not in value:
        return COMMIT
    return _inside(value["action"]) if "params" in value else str(value["action"])


SHAPES: Final = _shapes()
Shape: Any = Annotated[
    Union[tuple(Annotated[model, Tag(name)] for name, model in SHAPES.items())],  # noqa: UP007
    Discriminator(_shape),
]


def _fault(kind: Any, said: Any, key: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, said), loc=(key,), input=None)


def _faults(value: dict[str, Any]) -> list[InitErrorDetails]:
    """What a union of shapes cannot say well: which action there is, and that its parameters stand in two places."""
    action = value.get("action")
    if "action" not in value:
        return [] if "token" in value else [_fault("missing", "", "action")]
    if not isinstance(action, str) or action not in PARAMS:
        return [_fault("not_an_option", f"Say one of: {', '.join(PARAMS)}.", "action")]
    twice = [key for key in PARAMS[action].model_fields if key in value] if "params" in value else []
    return [_fault("not_both", "Send it in params or beside action, not in both places.", key) for key in twice]


class BulkIn(RootModel[Shape]):
    elsewhere: ClassVar[Mapping[str, str]] = LeadPatch.elsewhere

    @model_validator(mode="before")
    @classmethod
    def a_shape(cls, value: Any) -> Any:
        if isinstance(value, dict) and (faults := _faults(value)):
            raise ValidationError.from_exception_data("BulkIn", faults)
        return value

    @property
    def selection(self) -> Selection:
        return cast(Selection, self.root)

    @property
    def wish(self) -> tuple[str, In] | None:
        """The action and its parameters, wherever they stood; None where the token says it all."""
        sent: Any = self.root
        if isinstance(sent, BulkCommit):
            return None
        model = PARAMS[sent.action]
        if hasattr(sent, "params"):
            return sent.action, sent.params
        return sent.action, model.model_validate(sent.model_dump(include=set(model.model_fields)))

    @property
    def under(self) -> str:
        """Where the parameters stood, for pointers."""
        return "/params" if hasattr(self.root, "params") else ""


class BulkRefusal(Out):
    """As a refused single request would say it; `stage` and `how_to_pass` where the gate refuses a move."""

    model_config = {"extra": "allow"}

    code: str
    detail: str


class BulkVerdict(Out):
    uid: str
    ok: bool = Field(description="It is done; in a dry run: it would be done.")
    refusals: list[BulkRefusal]


class BulkOut(Out):
    """One JSON object, sent while the work goes on."""

    results: list[BulkVerdict]
    done: int
    refused: int
    dry_run: bool
    token: str | None = Field(description="Of the dry run: send it within an hour to do just that.")
