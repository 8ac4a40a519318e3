"""The words of a business for its demo leads: data files, `demos/<preset>.json`, over those of any sales team."""

import functools
import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from lead_crm.contact import Email
from lead_crm.documents import Key, Line, Model
from leads.documents import WrittenKind

FOLDER: Final = Path(__file__).with_name("demos")
GENERAL: Final = "general"

Row = dict[str, Any]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(gt=0, le=1000)]
Lines = Annotated[list[str], Field(min_length=1)]


class Number(Model):
    """A number between two others; text with decimals where `places` are named. `large` numbers are mostly small."""

    low: float
    high: float
    step: float = 1
    places: int | None = None
    large: bool = False


class Days(Model):
    """A day, so many days after the lead came in, or before it; with a time where it is a moment."""

    days: tuple[int, int]
    moment: bool = False


class Years(Model):
    """The full years that have passed since the day of another draw."""

    years_since: str


class Pairs(Model):
    """By the lead's number: nobody shares both words before all pairs are used up. `again` says how often they were."""

    pairs: Annotated[dict[str, Lines], Field(min_length=2, max_length=2)]


class By(Model):
    """Depends on another draw; `*` stands for whatever else it may be."""

    by: str
    of: dict[str, "Draw"]


class Weighted(Model):
    weights: Annotated[dict[str, Weight], Field(min_length=1)]


class Skewed(Model):
    """The first words are common, the last ones rare."""

    skewed: Lines


class Product(Model):
    """Of other draws, rounded to steps: what a quantity is worth, in minor units."""

    product_of: Lines
    times: float = 1
    step: int = 1


Draw = (
    Number | Days | Years | Pairs | By | Weighted | Skewed | Product | Lines
    | Annotated[list[dict[str, str | float]], Field(min_length=1)]
)  # fmt: skip


class Kind(Model):
    """Leads of one kind: what they say of themselves. Texts with {draws} in them are filled in."""

    weight: Weight = 1
    public: bool = Field(default=False, description="They fill in the form themselves; somebody takes them up later.")
    given: dict[str, str] = Field(default={}, description="Draws that are settled for leads of this kind.")
    then: str | None = Field(default=None, description="The stage where they are moved at once.")
    reason: str | None = None
    values: Row


class Ending(Model):
    weight: Weight = 1
    notes: list[str] = []
    then: str | None = Field(default=None, description="The stage the lead is moved to by hand after it.")
    reason: str | None = Field(default=None, description="Why, where that is a lost stage.")


class TaskWords(Model):
    titles: list[str] = []
    days: tuple[float, float] = (1, 6)
    outcomes: dict[str, Ending] = {}
    notes: list[str] = []
    fields: Row = {}


class StageWords(Model):
    """What is done in a stage, and where leads go from there by hand."""

    tasks: dict[str, Weight] = {}
    next: dict[str, Weight] = {}
    days: Annotated[float, Field(gt=0, le=100)] = Field(default=0.7, description="They usually wait so long there.")
    notes: list[str] = Field(default=[], description="Of the move into it.")
    said: dict[WrittenKind, Lines] | None = Field(default=None, description="Instead of what is said elsewhere.")


class Centre(Model):
    uid: Key
    name: Line


class Colleague(Model):
    name: Line
    email: Email
    roles: list[str]
    centers: list[str] = []


class Words(Model):
    draws: dict[str, Draw]
    phones: Lines
    leads: Annotated[list[Kind], Field(min_length=1)]
    often: dict[str, Share] = Field(default={}, description="How many leads have the attribute; else all.")
    kept: list[str] = Field(default=[], description="Draws that leads who live the same life have in common.")
    related: int = Field(default=0, description="Every so many leads one is of the family of the lead before; 0: none.")
    family: list[str] = Field(default=[], description="Draws that these have in common.")
    invents: bool = Field(default=False, description="Are optional custom fields filled with words that mean nothing?")
    untouched: Share = Field(default=0.1, description="Nobody has done anything with these yet.")
    stopping: Share = Field(default=0.1, description="How many are forgotten after each step.")
    tidied: Share = Field(default=0.85, description="How many of those that were forgotten are closed in the end.")
    holding: Share = Field(default=0, description="How many are put on hold at each step.")
    hours: tuple[int, int] = Field(default=(8, 17), description="Appointments fall into these hours, UTC.")
    said: dict[WrittenKind, Lines]
    tasks: dict[str, TaskWords] = {}
    stages: dict[str, StageWords] = {}
    lost: dict[str, Lines] = Field(default={}, description="Usual reasons for losing a lead, and what is noted.")
    held: Lines = ["Asked us to wait."]
    taken_up: Lines = ["Is ready to go on."]
    needed: Row = Field(default={}, description="Attributes that few leads have, for stages that ask for them.")
    reference: str = "ORDER-{year}-{n}"
    centers: list[Centre] = []
    people: list[Colleague] = []


@functools.cache
def load(preset: str | None) -> Words:
    """Of a workflow for which there is no file: the general ones."""
    general, own = _read(GENERAL), _read(preset) if preset in names() and preset is not None else {}
    return Words.model_validate(general | own | {"draws": general["draws"] | own.get("draws", {})})


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def _read(name: str) -> Row:
    row: Row = json.loads((FOLDER / f"{name}.json").read_text())
    return row
