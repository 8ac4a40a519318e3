"""What can be done with many leads: for each action the rule that one lead knows, and who may."""

from collections.abc import Mapping
from typing import Final

from pydantic import MISSING

from lead_crm.access import Actor, Person
from lead_crm.documents import In
from lead_crm.errors import Fault, Invalid
from leads import gate, rules
from leads.bulk_messages import AssignParams, SetParams, TagParams, TransitionParams, UntagParams
from leads.documents import Lead
from leads.gate import Move
from leads.record import Ask
from workflow.workflow import Workflow

PERMISSIONS: Final = {
    "transition": "lead.move", "assign": "lead.edit", "tag": "lead.edit", "untag": "lead.edit", "set": "lead.edit",
    "archive": "lead.archive", "restore": "lead.archive",
}  # fmt: skip
MOST_TAGS: Final = 50

People = Mapping[str, Person]


def allowed(action: str, params: In, actor: Actor, workflow: Workflow) -> None:
    """What would be refused for every lead is said once, before anything happens."""
    actor.require(PERMISSIONS[action])
    if isinstance(params, TransitionParams):
        if params.force:
            actor.require("lead.force")
        faults = [] if params.reason or not params.force else [_fault("/reason", "A forced move needs a reason.")]
        if workflow.stage(params.to_stage) is None:
            known = ", ".join(stage.uid for stage in workflow.living)
            detail = f"There is no stage {params.to_stage}. There are: {known}."
            faults.append(Fault("/to_stage", "unknown_stage", detail))
    elif isinstance(params, AssignParams):
        if params.by_rule:
            actor.require("lead.assign")
        faults = rules.whom(named=params.assigned_to is not MISSING, by_rule=params.by_rule)
    else:
        faults = _of_others(params, workflow)
    if faults:
        raise Invalid(faults)


def _of_others(params: In, workflow: Workflow) -> list[Fault]:
    if isinstance(params, TagParams) and workflow.config.tags is not None:
        known = workflow.config.tags
        return [
            Fault(f"/tags/{i}", "not_an_option", f"There is no tag {tag}.")
            for i, tag in enumerate(params.tags) if tag not in known
        ]  # fmt: skip
    if isinstance(params, SetParams) and not params.model_dump():
        return [Fault("", "required", "Say what to set.")]
    return []


def _fault(pointer: str, detail: str) -> Fault:
    return Fault(pointer, "required", detail)


def assignees(params: In) -> list[str]:
    """The people that are named."""
    given = params.assigned_to if isinstance(params, AssignParams) else None
    if given is None or given is MISSING:
        return []
    return [given] if isinstance(given, str) else given


def apply(lead: Lead, params: In, ask: Ask, action: str, people: People) -> Lead:
    """The lead afterwards, by the very rules of the single requests."""
    match params:
        case TransitionParams():
            wish = Move(params.to_stage, note=params.note, reason=params.reason, force=params.force)
            return gate.move(lead, wish, ask)
        case AssignParams(by_rule=True):
            return rules.deal(lead, ask)
        case AssignParams():
            named = assignees(params)
            if faults := rules.unknown_people(named, lead.center, people):
                raise Invalid(faults)
            return rules.assign(lead, named, ask)
        case TagParams():
            return rules.edit(lead, {"tags": _tagged(lead, params.tags)}, ask)
        case UntagParams():
            return rules.edit(lead, {"tags": [tag for tag in lead.tags if tag not in params.tags]}, ask)
        case _ if action == "set":
            return rules.edit(lead, params.model_dump(), ask)
    return rules.archive(lead, ask) if action == "archive" else rules.restore(lead, ask)


def _tagged(lead: Lead, tags: list[str]) -> list[str]:
    merged = list(dict.fromkeys([*lead.tags, *tags]))
    if len(merged) > MOST_TAGS:
        raise Invalid([Fault("/tags", "too_long", f"A lead has at most {MOST_TAGS} tags.")])
    return merged
