"""Rules that give leads to people: do they fit what there is, and can each of them ever apply?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lead_crm.access import ROLES
from lead_crm.errors import Fault
from workflow.documents import Stage, StageSettings
from workflow.policies import Assignment, AssignmentRule, Dealing, InRole
from workflow.workflow import Workflow

CONDITIONS: Final = ("source", "center", "lead_type", "stage")


@dataclass(frozen=True, slots=True)
class Named:
    """A person or a centre, and where they are named."""

    pointer: str
    kind: Literal["person", "center"]
    uid: str

    def missing(self) -> Fault:
        what = "active person" if self.kind == "person" else "centre"
        return Fault(self.pointer, f"unknown_{self.kind}", f"There is no {what} {self.uid}.")


def named(assignment: Assignment) -> list[Named]:
    found = list(_people("/assignment", assignment))
    for i, rule in enumerate(assignment.rules):
        at = f"/assignment/rules/{i}"
        found += _people(at, rule)
        found += [Named(f"{at}/center/{j}", "center", uid) for j, uid in enumerate(rule.center)]
    return found


def named_in(stage: StageSettings) -> list[Named]:
    if isinstance(stage.auto_assign, str):
        return [Named("/auto_assign", "person", stage.auto_assign)]
    return list(_people("/auto_assign", stage.auto_assign)) if stage.auto_assign else []


def _people(at: str, dealing: Dealing) -> Iterator[Named]:
    for i, member in enumerate(dealing.pool):
        if isinstance(member, str):
            yield Named(f"{at}/pool/{i}", "person", member)


def faults(workflow: Workflow) -> list[Fault]:
    assignment = workflow.config.assignment
    found = [*_in_pool(workflow, assignment)]
    for i, rule in enumerate(assignment.rules):
        wrong = [*_in_pool(workflow, rule), *_in_conditions(workflow, rule), *_hidden(rule, assignment.rules[:i])]
        found += [fault.under(f"/rules/{i}") for fault in wrong]
    return [fault.under("/assignment") for fault in found]


def stage_faults(workflow: Workflow, stage: Stage) -> list[Fault]:
    if not isinstance(stage.auto_assign, Dealing):
        return []
    return [fault.under("/auto_assign") for fault in _in_pool(workflow, stage.auto_assign)]


def _in_pool(workflow: Workflow, dealing: Dealing) -> Iterator[Fault]:
    if dealing.mode != "by_hand" and not dealing.pool:
        yield Fault("/pool", "empty_pool", f"Say among whom {dealing.mode} chooses: people, or a role.")
    seeing = _roles(workflow)
    for i, member in enumerate(dealing.pool):
        if isinstance(member, InRole) and member.role not in seeing:
            yield Fault(f"/pool/{i}/role", "unknown_role", f"There is no role {member.role}.")
        elif isinstance(member, InRole) and not seeing[member.role]:
            detail = f"Whoever is only {member.role} could not see the leads they are given."
            yield Fault(f"/pool/{i}/role", "sees_no_leads", detail)


def _roles(workflow: Workflow) -> dict[str, bool]:
    """Do they see the leads that are theirs?"""
    own = {role.key: "lead.view" in role.permissions and role.scope != "tasks" for role in workflow.config.roles}
    return own | {key: "lead.view" in role.permissions and role.scope != "tasks" for key, role in ROLES.items()}


def _in_conditions(workflow: Workflow, rule: AssignmentRule) -> Iterator[Fault]:
    """Where the config names no sources or lead types at all, any can come."""
    config = workflow.config
    if not any(getattr(rule, name) for name in CONDITIONS):
        yield Fault("", "no_condition", "A rule for every lead is `mode` and `pool` of `assignment` itself.")
    sources = {source.key: source for source in config.sources}
    types = [kind.key for kind in config.lead_types]
    yield from _unknown("source", rule.source, sources or rule.source)
    yield from _unknown("lead_type", rule.lead_type, types or rule.lead_type)
    yield from _unknown("stage", rule.stage, workflow.by_uid)
    meant = [sources[key].lead_types for key in rule.source if key in sources]
    if rule.lead_type and meant and all(only and not set(only) & set(rule.lead_type) for only in meant):
        detail = f"{', '.join(rule.source)} is not for {', '.join(rule.lead_type)} leads: no lead can meet both."
        yield Fault("/lead_type", "never_applies", detail)


def _unknown(name: str, asked: Sequence[str], known: Iterable[str]) -> Iterator[Fault]:
    there = set(known)
    for i, key in enumerate(asked):
        if key not in there:
            yield Fault(f"/{name}/{i}", f"unknown_{name}", f"There is no {name.replace('_', ' ')} {key}.")


def _hidden(rule: AssignmentRule, earlier: Sequence[AssignmentRule]) -> Iterator[Fault]:
    for i, other in enumerate(earlier):
        if _covers(other, rule):
            detail = f"Rule {i} comes first and fits every lead that this one fits: put this one before it."
            yield Fault("", "never_applies", detail)
            return


def _covers(wide: AssignmentRule, narrow: AssignmentRule) -> bool:
    """A rule without stages is for new leads: it leaves those that enter a stage to the others."""
    same_moment = bool(wide.stage) == bool(narrow.stage) and set(narrow.stage) <= set(wide.stage)
    return same_moment and all(
        not any_of or (len(some_of) > 0 and set(some_of) <= set(any_of))
        for any_of, some_of in ((getattr(wide, name), getattr(narrow, name)) for name in CONDITIONS[:3])
    )


def without(assignment: Assignment, stage: str) -> Assignment:
    """No rule names a stage that is gone; one that was for that stage alone goes with it."""
    left = [(rule, [uid for uid in rule.stage if uid != stage]) for rule in assignment.rules]
    return assignment.changed(rules=[rule.changed(stage=rest) for rule, rest in left if rest or not rule.stage])
