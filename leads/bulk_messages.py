"""What clients send to change many leads at once, and what they get.

An action's parameters may stand under `params` or beside `action`: each action has a shape for both.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Union, cast

from pydantic import (
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
    assigned_to: Uid | Assignees | None


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

# For the documentation: each filter as JSON, or as the text that the query of the list takes.
_FILTERS: Final[dict[str, Any]] = {
    name: (
        (dict[str, SCALARS] if name == "field" else info.rebuild_annotation()) | str | None,
        Field(default=None, description=info.description),
    )
    for name, info in Filters.model_fields.items()
}
FilterIn: Any = create_model("FilterIn", __base__=In, __module__=__name__, **_FILTERS)


def _as_in_a_query(value: object) -> object:
    """JSON values, or the texts that a query has."""
    if not isinstance(value, dict):
        return value
    fields = value.get("field")
    if isinstance(fields, dict):
        value = value | {"field": {key: _text(item) for key, item in fields.items()}}
    return Filters.model_validate({key: item for key, item in value.items() if item is not None})


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


class Selection(In):
    uids: Annotated[list[Uid], Field(min_length=1, max_length=MOST)] | None = Field(
        default=None, description="These leads, in this order; one that is named twice counts once."
    )
    filter: Annotated[Filters, BeforeValidator(_as_in_a_query, json_schema_input_type=FilterIn)] | None = Field(
        default=None, description="All leads that the list finds by these filters, at most 10,000, the newest first."
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
