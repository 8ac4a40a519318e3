"""What in a workflow contradicts itself, or could never come true. `workflow.rules` asks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lead_crm.errors import Fault
from workflow.documents import Config, Settings, Stage
from workflow.fields import BooleanField, FieldDefinition, MultiSelectField, SelectField
from workflow.policies import RetentionRule, RoleDefinition
from workflow.scoring import TagRule, ValueRule
from workflow.task_kinds import Choice, TaskKind
from workflow.workflow import Workflow

LONGEST_TAG: Final = 50  # what a lead takes


def config_faults(workflow: Workflow) -> list[Fault]:
    """Besides what the config says of things that must be there (`workflow.rules`)."""
    config = workflow.config
    return [
        *_said_twice(config), *capture_faults(config), *_retention_faults(config), *_tag_faults(config),
        *_unit_faults(config), *_points_faults(workflow), *_archived_faults(workflow), *_outcome_faults(config),
    ]  # fmt: skip


def _said_twice(config: Config) -> Iterator[Fault]:
    """Lists of names that say nothing more where they say one twice."""
    yield from twice("/required", config.required)
    yield from twice("/tags", config.tags or ())
    yield from twice("/quantity/units", config.quantity.units)
    yield from twice("/capture/asks", config.capture.asks)
    yield from twice("/duplicates/on", config.duplicates.on)
    for i, source in enumerate(config.sources):
        yield from twice(f"/sources/{i}/lead_types", source.lead_types)
    for i, role in enumerate(config.roles):
        yield from twice(f"/roles/{i}/permissions", role.permissions)
    for i, rule in enumerate(config.retention.rules):
        yield from twice(f"/retention/rules/{i}/status", rule.status)


def twice(pointer: str, names: Sequence[str]) -> list[Fault]:
    return [
        Fault(f"{pointer}/{i}", "repeated", f"{name} stands here twice: name it once.")
        for i, name in enumerate(names) if name in names[:i]
    ]  # fmt: skip


def repeated(name: str, choices: Sequence[Choice | RoleDefinition]) -> list[Fault]:
    counts = Counter(choice.key for choice in choices)
    return [
        Fault(f"/{name}/{i}/key", "repeated", f"{choice.key} stands here twice: choose another key for one of them.")
        for i, choice in enumerate(choices) if counts[choice.key] > 1
    ]  # fmt: skip


def unknown(pointer: str, names: Iterable[str], known: Iterable[str], what: str) -> list[Fault]:
    there = list(dict.fromkeys(known))
    return [
        Fault(f"{pointer}/{i}", f"unknown_{what.replace(' ', '_')}", unknown_one(what, name, there))
        for i, name in enumerate(names) if name not in there
    ]  # fmt: skip


def unknown_one(what: str, name: str, known: Iterable[str]) -> str:
    return f"There is no {what} {name}. There are: {', '.join(known) or 'none yet'}."


def capture_faults(config: Config) -> list[Fault]:
    """Who fills in the public form names no lead type."""
    fitting = [source.key for source in config.sources if not source.lead_types]
    if config.capture.source is None or config.capture.source in fitting:
        return []
    detail = f"{config.capture.source} is no source for leads of every type. There are: {', '.join(fitting)}."
    return [Fault("/capture/source", "unknown_source", detail)]


def _retention_faults(config: Config) -> Iterator[Fault]:
    """What cannot be undone happens only to leads that somebody has finished with; and no rule comes too late."""
    refused = {
        "archive": {"archived": "These are in the archive already: erase them, or leave them out."},
        "erase": dict.fromkeys(("open", "on_hold"), "Only won, lost and archived leads are erased: archive these."),
    }
    rules = config.retention.rules
    for i, rule in enumerate(rules):
        for j, status in enumerate(rule.status):
            at = f"/retention/rules/{i}/status/{j}"
            if status in refused[rule.action]:
                yield Fault(at, "not_at_rest", refused[rule.action][status])
            elif other := _sooner(rule, status, rules[:i], rules):
                detail = (
                    f"Another rule has to {other.action} {status} leads after {other.after_days} days already: "
                    "leave this out, or let it come sooner."
                )
                yield Fault(at, "never", detail)


def _sooner(
    rule: RetentionRule, status: str, before: Sequence[RetentionRule], rules: Sequence[RetentionRule]
) -> RetentionRule | None:
    """The rule that leaves nothing for this one to do."""
    for other in rules:
        erased = rule.action == "archive" and other.action == "erase" and other.after_days <= rule.after_days
        same = any(other is one for one in before) and other.action == rule.action
        if status in other.status and (erased or same):
            return other
    return None


def _tag_faults(config: Config) -> Iterator[Fault]:
    for i, tag in enumerate(config.tags or ()):
        if len(tag) > LONGEST_TAG:
            yield Fault(f"/tags/{i}", "too_long", f"No lead can have it: write at most {LONGEST_TAG} characters.")


def _unit_faults(config: Config) -> Iterator[Fault]:
    for i, unit in enumerate(config.quantity.units):
        if unit != unit.strip() or not unit.isprintable():
            yield Fault(f"/quantity/units/{i}", "blank", "Write the unit without blanks around it.")


def _points_faults(workflow: Workflow) -> Iterator[Fault]:
    """Points that no lead can get. The rules that a config begins with may speak of what it does not have."""
    config, usual = workflow.config, Settings().scoring.rules
    for i, rule in enumerate(config.scoring.rules):
        at = f"/scoring/rules/{i}/any_of"
        if isinstance(rule, TagRule) and config.tags is not None and rule not in usual:
            allowed = {tag.casefold() for tag in config.tags}
            lost = [tag for tag in rule.any_of if tag.casefold() not in allowed]
            yield from (
                Fault(f"{at}/{rule.any_of.index(tag)}", "unknown_tag", unknown_one("tag", tag, config.tags))
                for tag in lost
            )
        if isinstance(rule, ValueRule) and rule.field in workflow.field_keys:
            options = _options(workflow.field(rule.field))
            if options is not None:
                yield from unknown(at, rule.any_of, options, "option")


def _options(field: FieldDefinition) -> list[str] | None:
    if isinstance(field, BooleanField):
        return ["true", "false"]
    return [option.value for option in field.options] if isinstance(field, SelectField | MultiSelectField) else None


def _archived_faults(workflow: Workflow) -> Iterator[Fault]:
    """Nothing leads to a stage by itself that takes no leads any more."""
    for pointer, uid in _automatic(workflow.config.task_kinds):
        stage = workflow.stage(uid)
        if stage and stage.archived:
            yield Fault(pointer, "archived_stage", f"{stage.name} is archived: name another stage, or none.")


def _outcome_faults(config: Config) -> Iterator[Fault]:
    for i, kind in enumerate(config.task_kinds):
        if kind.outcome_required and not kind.outcomes:
            detail = f"No task of kind {kind.key} could be completed: name outcomes, or do not require one."
            yield Fault(f"/task_kinds/{i}/outcome_required", "no_outcomes", detail)


def led_to(workflow: Workflow, uid: str) -> list[str]:
    """What moves leads into this stage by itself."""
    return [pointer for pointer, to in _automatic(workflow.config.task_kinds) if to == uid]


def _automatic(kinds: Sequence[TaskKind]) -> Iterator[tuple[str, str]]:
    for i, kind in enumerate(kinds):
        if kind.on_schedule:
            yield f"/task_kinds/{i}/on_schedule/move_to", kind.on_schedule.move_to
        for j, outcome in enumerate(kind.outcomes):
            if outcome.move_to:
                yield f"/task_kinds/{i}/outcomes/{j}/move_to", outcome.move_to


def whole_faults(workflow: Workflow) -> list[Fault]:
    """What must be true once all stages are there; while somebody is still making them it need not be."""
    first = workflow.first
    if first is None:
        return [Fault("/stages", "no_open_stage", "Leads begin in an open stage: give one of them the kind open.")]
    dead_ends = [stage for stage in workflow.living if stage.kind == "open" and not _follow(workflow, stage)]
    reached = _reached(workflow, first)
    islands = [stage for stage in workflow.living if stage.uid not in reached]
    return [*map(_dead_end, dead_ends), *(_island(stage, first) for stage in islands)]


def _dead_end(stage: Stage) -> Fault:
    detail = f"Nothing follows {stage.name}: name what does, or give it the kind won or lost."
    return Fault(f"/stages/{stage.uid}/allowed_next_stages", "dead_end", detail)


def _island(stage: Stage, first: Stage) -> Fault:
    detail = f"No way leads from {first.name} to {stage.name}: let it follow another stage, or leave it out."
    return Fault(f"/stages/{stage.uid}", "unreachable", detail)


def _follow(workflow: Workflow, stage: Stage) -> list[Stage]:
    return [other for other in workflow.living if other.uid in stage.allowed_next_stages]


def _reached(workflow: Workflow, first: Stage) -> set[str]:
    reached, waiting = {first.uid}, [first]
    while waiting:
        new = [stage for stage in _follow(workflow, waiting.pop()) if stage.uid not in reached]
        reached |= {stage.uid for stage in new}
        waiting += new
    return reached
