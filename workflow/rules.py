"""What a sound workflow is, and how one sound workflow becomes the next."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from lead_crm.access import PERMISSIONS, ROLES, Actor, covers
from lead_crm.errors import Conflict, Fault, Invalid, Locked, NotAllowed, NotFound
from workflow import assignment, consistency
from workflow.consistency import repeated, twice, unknown, unknown_one
from workflow.documents import LAST_PLACE, Config, Settings, Stage, StageIn
from workflow.fields import check_definitions
from workflow.policies import RoleDefinition
from workflow.scoring import FilledRule, SourceRule, ValueRule
from workflow.task_kinds import TaskKind
from workflow.workflow import Workflow

RESERVED: Final = frozenset({"move", "reorder"})

# Attributes of a lead that a stage may require, besides the custom fields.
ATTRIBUTES: Final = frozenset({
    "first_name", "last_name", "email", "phone", "company", "message", "address", "contacts", "source",
    "source_detail", "tags", "priority", "assigned_to", "value", "quantity", "expected_close_on",
    "next_follow_up_at", "last_contacted_at", "lead_type",
})  # fmt: skip
REFERENCE: Final = "conversion.reference"  # brought by converting, which leads to won stages: only these may require it
SORTS: Final = frozenset({
    "created_at", "updated_at", "score", "next_follow_up_at", "name", "stage_entered_at", "expected_close_on",
})  # fmt: skip


UNSORTED: Final = frozenset({"multi_select", "json"})


class NotSetUp(Conflict):
    code, title = "not_set_up", "There is no workflow yet: run `manage.py init_lead_data`, or POST /api/config/."


def unlocked(workflow: Workflow) -> None:
    if workflow.config.locked:
        raise Locked


def sound(workflow: Workflow) -> Workflow:
    """The workflow, if nothing in it contradicts anything else."""
    if faults := [
        *config_faults(workflow),
        *(f.under(f"/stages/{s.uid}") for s in workflow.stages for f in stage_faults(workflow, s)),
    ]:
        raise Invalid(faults)
    return workflow


def _no_field(workflow: Workflow, name: str) -> str:
    return unknown_one("field", name, sorted(ATTRIBUTES | workflow.field_keys))


def is_known(workflow: Workflow, name: str) -> bool:
    return name in ATTRIBUTES or name.removeprefix("fields.") in workflow.field_keys


def config_faults(workflow: Workflow) -> list[Fault]:
    config = workflow.config
    faults = check_definitions(config.variables)
    for name in ("lead_types", "sources", "priorities", "task_kinds", "close_reasons"):
        faults += repeated(name, getattr(config, name))
    types = {choice.key for choice in config.lead_types}
    for i, source in enumerate(config.sources):
        faults += unknown(f"/sources/{i}/lead_types", source.lead_types, types, "lead type")
    for i, field in enumerate(config.variables):
        if field.field_key in ATTRIBUTES:
            detail = f"Every lead has {field.field_key} already: choose another key."
            faults.append(Fault(f"/variables/{i}/field_key", "reserved", detail))
        faults += unknown(f"/variables/{i}/lead_types", field.lead_types, types, "lead type")
    for i, kind in enumerate(config.task_kinds):
        faults += [_in_task_kind(i, fault) for fault in check_definitions(kind.fields)]
        faults += [f.under(f"/task_kinds/{i}") for f in (*repeated("outcomes", kind.outcomes), *_chain(workflow, kind))]
    faults += unknown("/required", config.required, sorted(ATTRIBUTES), "attribute")
    if sum(priority.default for priority in config.priorities) > 1:
        faults.append(Fault("/priorities", "two_defaults", "At most one priority can be the default."))
    if config.temperature and config.temperature.hot_days > config.temperature.warm_days:
        faults.append(Fault("/temperature", "wrong_order", "hot_days must not be more than warm_days."))
    return [
        *faults, *_number_faults(config), *_sort_faults(workflow), *_scoring_faults(workflow), *_role_faults(workflow),
        *consistency.config_faults(workflow), *assignment.faults(workflow),
    ]  # fmt: skip


def role_names(workflow: Workflow) -> set[str]:
    return {*ROLES, *(role.key for role in workflow.config.roles)}


def is_permission(name: str, task_kinds: Iterable[str]) -> bool:
    kind = name.removeprefix("task.complete:")
    return name in PERMISSIONS or (kind != name and kind in task_kinds)


def _role_faults(workflow: Workflow) -> list[Fault]:
    faults = repeated("roles", workflow.config.roles)
    for i, role in enumerate(workflow.config.roles):
        if role.key in ROLES:
            faults.append(Fault(f"/roles/{i}/key", "built_in", f"{role.key} is built in: choose another key."))
        faults += [
            Fault(f"/roles/{i}/permissions/{j}", "unknown_permission", unknown_one("permission", name, PERMISSIONS))
            for j, name in enumerate(role.permissions) if not is_permission(name, workflow.task_kinds)
        ]  # fmt: skip
    return faults


WIDTH: Final = {"tasks": 0, "own": 1, "center": 2, "all": 3}


def may_define(old: Iterable[RoleDefinition], new: Iterable[RoleDefinition], actor: Actor, *, everywhere: bool) -> None:
    """Nobody makes a role that may, or sees, more than they do themselves."""
    before = {role.key: role for role in old}
    after = {role.key: role for role in new}
    if before == after:
        return
    actor.require("people.edit")
    widest = WIDTH["all" if everywhere else actor.scope]
    for role in after.values():
        if role == before.get(role.key):
            continue
        if beyond := [name for name in role.permissions if not covers(actor.permissions, name)]:
            raise NotAllowed(
                f"You cannot grant what you do not hold yourself: {', '.join(beyond)}.", permission=beyond[0]
            )
        if WIDTH[role.scope] > widest:
            raise NotAllowed(f"You cannot grant the scope {role.scope}: it is wider than your own.")


def _chain(workflow: Workflow, kind: TaskKind) -> Iterator[Fault]:
    """Whatever follows by itself must exist."""
    if kind.on_schedule:
        yield from _no_stage(workflow, "/on_schedule/move_to", kind.on_schedule.move_to)
    for i, outcome in enumerate(kind.outcomes):
        if outcome.move_to:
            yield from _no_stage(workflow, f"/outcomes/{i}/move_to", outcome.move_to)
        if outcome.next_task and outcome.next_task.kind not in workflow.task_kinds:
            at, name = f"/outcomes/{i}/next_task/kind", outcome.next_task.kind
            yield Fault(at, "unknown_task_kind", unknown_one("task kind", name, workflow.task_kinds))
    if sum(outcome.default for outcome in kind.outcomes) > 1:
        yield Fault("/outcomes", "two_defaults", "At most one outcome can be the default.")


def _no_stage(workflow: Workflow, pointer: str, uid: str) -> Iterator[Fault]:
    if uid not in workflow.by_uid:
        yield Fault(pointer, "unknown_stage", unknown_one("stage", uid, workflow.by_uid))


def _in_task_kind(i: int, fault: Fault) -> Fault:
    return Fault(
        fault.pointer.replace("/variables", f"/task_kinds/{i}/fields", 1), fault.code, fault.detail, fault.extra
    )


def _number_faults(config: Config) -> list[Fault]:
    if config.lead_id.period != "none" and "{period}" not in config.lead_id.pattern:
        detail = "Numbers that start again each period need {period} in the pattern; or set period to none."
        return [Fault("/lead_id/pattern", "ambiguous", detail)]
    return []


def _sort_faults(workflow: Workflow) -> list[Fault]:
    name = workflow.config.default_sort.removeprefix("-")
    key = name.removeprefix("field.")
    if name in SORTS or (key != name and key in workflow.field_keys and workflow.field(key).field_type not in UNSORTED):
        return []
    return [
        Fault(
            "/default_sort",
            "unknown_sort",
            f"{name} cannot be sorted by: take one of {', '.join(sorted(SORTS))}, or field.<key>.",
        )
    ]


def _scoring_faults(workflow: Workflow) -> list[Fault]:
    config, faults = workflow.config, []
    sources = {source.key for source in config.sources}
    for i, rule in enumerate(config.scoring.rules):
        at = f"/scoring/rules/{i}"
        if isinstance(rule, FilledRule) and not is_known(workflow, rule.field):
            faults.append(Fault(f"{at}/field", "unknown_field", _no_field(workflow, rule.field)))
        if isinstance(rule, ValueRule) and rule.field not in workflow.field_keys:
            faults.append(
                Fault(
                    f"{at}/field", "unknown_field", unknown_one("custom field", rule.field, sorted(workflow.field_keys))
                )
            )
        if isinstance(rule, SourceRule) and sources and rule not in Settings().scoring.rules:
            faults += unknown(f"{at}/any_of", rule.any_of, sources, "source")
    return faults


def stage_faults(workflow: Workflow, stage: Stage) -> list[Fault]:
    faults = unknown("/allowed_next_stages", stage.allowed_next_stages, workflow.by_uid, "stage")
    if stage.uid in RESERVED:
        faults.append(Fault("/uid", "reserved", f"{stage.uid} is an address of the API; choose another uid."))
    if stage.uid in stage.allowed_next_stages:
        at = stage.allowed_next_stages.index(stage.uid)
        faults.append(Fault(f"/allowed_next_stages/{at}", "itself", "A stage cannot follow itself."))
    if len(set(stage.allowed_next_stages)) < len(stage.allowed_next_stages):
        faults.append(Fault("/allowed_next_stages", "repeated", "A stage stands here twice: name it once."))
    if any(other.slug == stage.slug and other.uid != stage.uid for other in workflow.stages):
        faults.append(Fault("/slug", "taken", f"Another stage has the slug {stage.slug}."))
    faults += unknown("/allowed_roles", stage.allowed_roles, sorted(role_names(workflow)), "role")
    faults += _required_faults(workflow, stage)
    faults += twice("/required_fields", stage.required_fields)
    if stage.archived and (leading := consistency.led_to(workflow, stage.uid)):
        detail = f"Leads are moved here by themselves: change {', '.join(leading)} of the config first."
        faults.append(Fault("/archived", "in_use", detail))
    return faults + _template_faults(workflow, stage) + assignment.stage_faults(workflow, stage)


def _required_faults(workflow: Workflow, stage: Stage) -> Iterator[Fault]:
    for i, name in enumerate(stage.required_fields):
        at = f"/required_fields/{i}"
        if name == REFERENCE and stage.kind != "won":
            detail = f"Leads are converted into won stages only: leave {REFERENCE} out, or give the stage the kind won."
            yield Fault(at, "not_won", detail)
        elif name != REFERENCE and not is_known(workflow, name):
            yield Fault(at, "unknown_field", _no_field(workflow, name))


def _template_faults(workflow: Workflow, stage: Stage) -> list[Fault]:
    faults, seen = [], set()
    for i, template in enumerate(stage.task_templates):
        at = f"/task_templates/{i}"
        if template.kind not in workflow.task_kinds:
            faults.append(
                Fault(f"{at}/kind", "unknown_task_kind", unknown_one("task kind", template.kind, workflow.task_kinds))
            )
        if template.uid in seen:
            faults.append(Fault(f"{at}/uid", "repeated", f"{template.uid} stands here twice."))
        seen.add(template.uid)
        role = template.assignee.removeprefix("role:")
        if template.assignee.startswith("role:") and role not in role_names(workflow):
            faults.append(
                Fault(f"{at}/assignee", "unknown_role", unknown_one("role", role, sorted(role_names(workflow))))
            )
    return faults


def _next(workflow: Workflow, now: datetime, **values: Any) -> Config:
    return workflow.config.changed(version=workflow.version + 1, updated_at=now, **values)


def set_up(
    settings: Settings, *, now: datetime, before: Workflow | None = None, stages: Sequence[Stage] = ()
) -> Workflow:
    """A first workflow, or one in the place of `before`."""
    version = before.version + 1 if before else 1
    config = Config(**dict(settings), uid="default", version=version, created_at=now, updated_at=now)
    after = sound(Workflow(config, stages))
    if stages and (faults := consistency.whole_faults(after)):
        raise Invalid(faults)
    return after


def configure(workflow: Workflow, changes: dict[str, Any], *, now: datetime) -> Workflow:
    unlocked(workflow)
    config = _next(workflow, now, **changes)
    _keep_fields(workflow.config, config)
    return sound(workflow.using(config=config))


def _keep_fields(old: Config, new: Config) -> None:
    """A field may hold values in leads: it is archived, never dropped, and keeps its type."""
    after = {field.field_key: field for field in new.variables}
    faults = []
    for field in old.variables:
        heir = after.get(field.field_key)
        if heir is None:
            detail = f"The field {field.field_key} may be in use: set archived to true instead of leaving it out."
            faults.append(Fault("/variables", "field_dropped", detail, {"field": field.field_key}))
        elif heir.field_type != field.field_type:
            at = f"/variables/{new.variables.index(heir)}"
            detail = f"{field.field_key} holds {field.field_type} values: archive it and add a new field."
            faults.append(Fault(f"{at}/field_type", "type_changed", detail))
        elif heir.unique and not field.unique:
            at = f"/variables/{new.variables.index(heir)}"
            detail = "A field can be made unique only when it is new: the values it holds may repeat."
            faults.append(Fault(f"{at}/unique", "unique_too_late", detail))
    if faults:
        raise Invalid(faults)


def lock(workflow: Workflow, *, locked: bool, now: datetime) -> Workflow:
    return workflow.using(config=_next(workflow, now, locked=locked))


def slug_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-") or "stage"


def add_stage(workflow: Workflow, body: StageIn, *, now: datetime) -> tuple[Workflow, Stage]:
    unlocked(workflow)
    values = body.model_dump()
    values.setdefault("slug", slug_of(body.name))
    values.setdefault("uid", f"stage-{values['slug']}"[:64])
    values.setdefault("order", min(LAST_PLACE, max((stage.order + 1 for stage in workflow.stages), default=0)))
    if values["uid"] in workflow.by_uid:
        raise Conflict(f"There is already a stage {values['uid']}.", code="stage_exists")
    stage = Stage.model_validate(values | {"created_at": now, "updated_at": now})
    return _with_stage(workflow, stage, now=now)


def change_stage(workflow: Workflow, uid: str, changes: dict[str, Any], *, now: datetime) -> tuple[Workflow, Stage]:
    unlocked(workflow)
    old = known_stage(workflow, uid)
    return _with_stage(workflow, old.changed(version=old.version + 1, updated_at=now, **changes), now=now)


def _with_stage(workflow: Workflow, stage: Stage, *, now: datetime) -> tuple[Workflow, Stage]:
    after = workflow.using(config=_next(workflow, now), stages=[stage])
    if faults := stage_faults(after, stage):
        raise Invalid(faults)
    return after, stage


def known_stage(workflow: Workflow, uid: str) -> Stage:
    stage = workflow.stage(uid)
    if stage is None:
        raise NotFound(f"There is no stage {uid}.")
    return stage


def drop_stage(workflow: Workflow, uid: str, *, keep: bool = False, now: datetime) -> Workflow:
    """Without the stage (where history names it, it is kept in the archive), and without anyone pointing at it."""
    unlocked(workflow)
    known_stage(workflow, uid)
    pointing = [
        stage.changed(
            version=stage.version + 1, updated_at=now,
            allowed_next_stages=[other for other in stage.allowed_next_stages if other != uid],
        )
        for stage in workflow.stages if uid in stage.allowed_next_stages
    ]  # fmt: skip
    kinds = [_without(kind, uid) for kind in workflow.config.task_kinds]
    dealing = assignment.without(workflow.config.assignment, uid)
    config = _next(workflow, now, task_kinds=kinds, assignment=dealing)
    return workflow.using(config=config, stages=pointing, without=None if keep else uid)


def _without(kind: TaskKind, stage: str) -> TaskKind:
    """No task moves a lead into a stage that is gone."""
    return kind.changed(
        on_schedule=None if kind.on_schedule and kind.on_schedule.move_to == stage else kind.on_schedule,
        outcomes=[one.changed(move_to=None) if one.move_to == stage else one for one in kind.outcomes],
    )


def reorder(workflow: Workflow, order: Sequence[str], *, now: datetime) -> Workflow:
    unlocked(workflow)
    faults = unknown("/order", order, workflow.by_uid, "stage")
    if len(set(order)) < len(order):
        faults.append(Fault("/order", "repeated", "A stage stands here twice."))
    left_out = [stage.uid for stage in workflow.living if stage.uid not in order]
    if left_out:
        faults.append(Fault("/order", "incomplete", f"Left out: {', '.join(left_out)}. Name every stage."))
    if faults:
        raise Invalid(faults)
    moved = [
        stage.changed(order=position, version=stage.version + 1, updated_at=now)
        for position, stage in ((order.index(s.uid) if s.uid in order else len(order), s) for s in workflow.stages)
        if stage.order != position
    ]  # fmt: skip
    return workflow.using(config=_next(workflow, now), stages=moved)
