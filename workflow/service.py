"""Changing the workflow: load, rule, publish; again when another administrator was first."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from lead_crm import directory
from lead_crm.access import Actor
from lead_crm.diff import differences
from lead_crm.errors import Conflict, Invalid, LeadCrmError, Stale
from workflow import assignment, rules, store
from workflow import preset as presets
from workflow.assignment import Named
from workflow.documents import Change, Config, ConfigIn, LogEntry, ReorderIn, Stage, StageIn
from workflow.workflow import Workflow

T = TypeVar("T")

ATTEMPTS = 10


def recent() -> Workflow:
    return _there(store.recent())


def read(work: Callable[[Workflow], T]) -> T:
    """`work` under a workflow at most two seconds old; before anything is refused, under the present one."""
    seen = recent()
    try:
        return work(seen)
    except LeadCrmError:
        present = current()
        if present.version == seen.version:
            raise
        return work(present)


def current() -> Workflow:
    return _there(store.current())


def _forget() -> None:
    """In this process at once; the roles are the config's, but who holds them is remembered with the people."""
    store.forget()
    directory.forget()


def _everywhere(actor: Actor) -> bool:
    known = directory.roles()
    return any(known[role].all_centers for role in actor.roles if role in known)


@contextmanager
def _at_hand(named: Sequence[Named], before: Sequence[Named] = ()) -> Iterator[None]:
    """People and centres that a change names must be there; what else is wrong with it is told with them.

    Those named before may have gone since: they are passed over.
    """
    old = {(one.kind, one.uid) for one in before}
    new = [one for one in named if (one.kind, one.uid) not in old]
    there = {"person": directory.people(one.uid for one in new if one.kind == "person"), "center": directory.centers()}
    missing = [one.missing() for one in new if one.uid not in there[one.kind]]
    try:
        yield
    except Invalid as refused:
        raise Invalid([*refused.faults, *missing]) from None
    if missing:
        raise Invalid(missing)


def _there(workflow: Workflow | None) -> Workflow:
    if workflow is None:
        raise rules.NotSetUp
    return workflow


def read_stage(uid: str) -> Stage:
    return rules.known_stage(current(), uid)


def set_up(body: ConfigIn, *, actor: Actor, now: datetime) -> Config:
    if store.current() is not None:
        raise Conflict("There is already a config; there is never a second one. PATCH it.", code="config_exists")
    with _at_hand(assignment.named(body.assignment)):
        after = rules.set_up(body, now=now)
    rules.may_define((), after.config.roles, actor, everywhere=_everywhere(actor))
    entry = _entry("set_up", "config", 1, None, after, actor=actor, now=now)
    if not store.publish(None, after, entry):
        raise Conflict("There is already a config; there is never a second one.", code="config_exists")
    _forget()
    return after.config


def install(preset: str, *, actor: Actor, now: datetime) -> bool:
    """Put a preset in place of whatever workflow there is; False where it is in place already."""
    before = store.current()
    if before is not None:
        if store.preset() == preset:
            return False
        rules.unlocked(before)
    after = presets.workflow(presets.load(preset), now=now, before=before)
    entry = _entry("set_up", "config", after.version, before, after, actor=actor, now=now, reason=preset)
    if not store.publish(before, after, entry):
        raise Conflict("Somebody else has just set up the workflow.", code="busy")
    _forget()
    return True


def configure(changes: dict[str, Any], *, actor: Actor, now: datetime, if_match: int | None) -> Config:
    def rule(before: Workflow) -> Workflow:
        _unchanged("config", before.version, if_match)
        wanted = before.config.changed(**changes).assignment
        with _at_hand(assignment.named(wanted), assignment.named(before.config.assignment)):
            after = rules.configure(before, changes, now=now)
        rules.may_define(before.config.roles, after.config.roles, actor, everywhere=_everywhere(actor))
        return after

    return _change("config", "config", rule, actor=actor, now=now).config


def lock(*, locked: bool, reason: str | None, actor: Actor, now: datetime, if_match: int | None) -> Config:
    action = "lock" if locked else "unlock"

    def rule(before: Workflow) -> Workflow:
        _unchanged("config", before.version, if_match)
        return before if before.config.locked == locked else rules.lock(before, locked=locked, now=now)

    return _change(action, "config", rule, actor=actor, now=now, reason=reason).config


def add_stage(body: StageIn, *, actor: Actor, now: datetime) -> Stage:
    made: list[Stage] = []

    def rule(before: Workflow) -> Workflow:
        with _at_hand(assignment.named_in(body)):
            after, stage = rules.add_stage(before, body, now=now)
        made[:] = [stage]
        return after

    _change("stage_created", lambda: made[0].uid, rule, actor=actor, now=now)
    return made[0]


def change_stage(
    uid: str, changes: dict[str, Any], *, actor: Actor, now: datetime, if_match: int | None = None
) -> Stage:
    def rule(before: Workflow) -> Workflow:
        old = rules.known_stage(before, uid)
        _unchanged(uid, old.version, if_match)
        with _at_hand(assignment.named_in(old.changed(**changes)), assignment.named_in(old)):
            return rules.change_stage(before, uid, changes, now=now)[0]

    return _change("stage_changed", uid, rule, actor=actor, now=now).by_uid[uid]


def drop_stage(uid: str, *, keep: bool, actor: Actor, now: datetime) -> None:
    def rule(before: Workflow) -> Workflow:
        return rules.drop_stage(before, uid, keep=keep, now=now)

    _change("stage_deleted", uid, rule, actor=actor, now=now)


def reorder(body: ReorderIn, *, actor: Actor, now: datetime) -> Workflow:
    return _change(
        "reordered", "config", lambda before: rules.reorder(before, body.order, now=now), actor=actor, now=now
    )


def _unchanged(subject: str, version: int, if_match: int | None) -> None:
    if if_match is None or if_match == version:
        return
    pointers = {change.pointer for entry in store.changes_since(subject, if_match) for change in entry.changes}
    raise Stale(f"It is at version {version} now.", version=version, changed=sorted(pointers))


def _change(
    action: Any,
    subject: str | Callable[[], str],
    rule: Callable[[Workflow], Workflow],
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> Workflow:
    for _ in range(ATTEMPTS):
        before = current()
        after = rule(before)
        if after is before:
            return before
        name = subject if isinstance(subject, str) else subject()
        version = after.by_uid[name].version if name in after.by_uid else after.version
        entry = _entry(action, name, version, before, after, actor=actor, now=now, reason=reason)
        if store.publish(before, after, entry):
            _forget()
            return after
    raise Conflict("Others keep changing the workflow at this moment. Try again.", code="busy")


def _entry(
    action: Any, subject: str, version: int, before: Workflow | None, after: Workflow, *,
    actor: Actor, now: datetime, reason: str | None = None,
) -> LogEntry:  # fmt: skip
    return LogEntry(
        uid=str(after.version), created_at=now, updated_at=now, action=action, subject=subject,
        subject_version=version, by=actor.uid, reason=reason, changes=_changes(before, after, subject),
    )  # fmt: skip


def _changes(before: Workflow | None, after: Workflow, subject: str) -> list[Change]:
    """Of one document relative to itself; of a reordering relative to the workflow."""
    old, new = _dumped(before, subject), _dumped(after, subject)
    return [Change(**d) for d in differences(old, new) if d["pointer"] not in ("/version", "/updated_at")]


def _dumped(workflow: Workflow | None, subject: str) -> dict[str, Any]:
    if workflow is None:
        return {}
    if subject == "config":
        order = [stage.uid for stage in workflow.stages]
        return workflow.config.model_dump(exclude={"created_at"}) | {"stage_order": order}
    stage = workflow.stage(subject)
    return stage.model_dump(exclude={"created_at"}) if stage else {}
