"""By which rule somebody gets a lead that nobody holds. Who that is turns out when it is written (`leads.dealing`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow.documents import Stage
from workflow.policies import AssignmentRule, Dealing, InRole, Mode
from workflow.workflow import Workflow

NAMED: Final = 3  # of many sources and the like, only the first are told


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody for a lead."""

    key: str  # under which turns are counted
    name: str  # how people know the rule
    mode: Mode
    pool: tuple[str | InRole, ...]
    center: str


@dataclass(frozen=True, slots=True)
class Picked:
    """Who, or nobody, and why."""

    person: str | None
    why: str


Pick = Callable[[Wanted], Picked | None]


def unasked(wanted: Wanted) -> Picked | None:
    """Where no turn is taken (a dry run), only a rule that names one person tells who it would be."""
    match wanted.pool:
        case (str(person),):
            return Picked(person, f"By {wanted.name}.")
    return None


def wanted(lead: Mapping[str, Any], stage: Stage | None, workflow: Workflow, *, moving: bool) -> Wanted | None:
    """For a lead that enters `stage`, from another one if it is `moving`; None where nobody gets it by a rule."""
    config = workflow.config.assignment
    if stage and stage.auto_assign is not None:
        return _wanted(lead, f"stage/{stage.uid}", f"the stage {stage.name}", _dealing(stage.auto_assign))
    for rule in config.rules:
        if _fits(rule, lead, stage) and (rule.stage or not moving):
            return _wanted(lead, f"rule/{_conditions(rule)}", f"the rule for {_conditions(rule, NAMED)}", rule)
    return None if moving else _wanted(lead, "all", "the rule for all leads", config)


def _wanted(lead: Mapping[str, Any], key: str, name: str, dealing: Dealing) -> Wanted | None:
    if dealing.mode == "by_hand":
        return None
    center = lead["center"]
    return Wanted(f"{key}@{center}", name, dealing.mode, tuple(dealing.pool), center)


def _dealing(given: str | Dealing) -> Dealing:
    return Dealing(mode="round_robin", pool=[given]) if isinstance(given, str) else given


def _fits(rule: AssignmentRule, lead: Mapping[str, Any], stage: Stage | None) -> bool:
    asked = (
        (rule.source, lead["source"]), (rule.center, lead["center"]), (rule.lead_type, lead["lead_type"]),
        (rule.stage, stage and stage.uid),
    )  # fmt: skip
    return all(not any_of or value in any_of for any_of, value in asked)


def _conditions(rule: AssignmentRule, most: int | None = None) -> str:
    """The same whatever its pool and its place among the rules, so that turns go on when these change."""
    named = {"source": rule.source, "centre": rule.center, "lead type": rule.lead_type, "stage": rule.stage}
    return ", ".join(f"{what} {_listed(sorted(set(names)), most)}" for what, names in named.items() if names)


def _listed(names: list[str], most: int | None) -> str:
    more = 0 if most is None else max(0, len(names) - most)
    return " or ".join(names[:most]) + (f" or {more} more" if more else "")
