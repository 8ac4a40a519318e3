"""How one sound workflow becomes the next."""

from typing import Any

import pytest

from lead_crm.errors import Conflict, Invalid, Locked, NotFound
from tests.rules.making import FLOW, NOW, faults, flow, later, stage
from workflow import rules
from workflow.documents import Settings, StageIn
from workflow.workflow import Workflow

TEXT = {"field_key": "note", "field_type": "text"}
CHANGES = {
    "configure": lambda workflow: rules.configure(workflow, {"workflow_name": "X"}, now=NOW),
    "add a stage": lambda workflow: rules.add_stage(workflow, StageIn(name="X"), now=NOW),
    "change a stage": lambda workflow: rules.change_stage(workflow, "new", {"name": "X"}, now=NOW),
    "drop a stage": lambda workflow: rules.drop_stage(workflow, "lost", now=NOW),
    "reorder": lambda workflow: rules.reorder(workflow, ["new", "contacted", "won", "lost"], now=NOW),
}  # fmt: skip


def fields(*definitions: dict[str, Any]) -> Workflow:
    return flow(variables=list(definitions))


def refused(change: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        change()
    return faults(caught)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_locked_workflow_refuses_everything_but_unlocking(change: Any) -> None:
    locked = rules.lock(FLOW, locked=True, now=NOW)
    with pytest.raises(Locked):
        change(locked)
    assert change(rules.lock(locked, locked=False, now=NOW))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_a_new_version_of_the_workflow(change: Any) -> None:
    result = change(FLOW)
    after = result[0] if isinstance(result, tuple) else result
    assert (after.version, FLOW.version) == (8, 7)


def test_configuring_keeps_what_is_not_named() -> None:
    after = rules.configure(FLOW, {"workflow_name": "X"}, now=later(hours=1))
    assert (after.config.workflow_name, after.config.task_kinds) == ("X", FLOW.config.task_kinds)
    assert (after.config.updated_at, after.config.created_at, after.stages) == (later(hours=1), NOW, FLOW.stages)


def test_an_unsound_config_is_refused_even_where_a_stage_is_what_breaks() -> None:
    used = flow(stage("new", task_templates=[{"uid": "t", "kind": "call", "title": "T"}]))
    ((_, code),) = refused(lambda: rules.configure(used, {"task_kinds": []}, now=NOW))
    assert code == "unknown_task_kind"


@pytest.mark.parametrize(("before", "after", "found"), [
    ([TEXT], [], [("/variables", "field_dropped")]),
    ([TEXT], [TEXT | {"field_key": "x"}], [("/variables", "field_dropped")]),
    ([TEXT], [TEXT | {"field_type": "integer"}], [("/variables/0/field_type", "type_changed")]),
    ([TEXT], [TEXT | {"unique": True}], [("/variables/0/unique", "unique_too_late")]),
])  # fmt: skip
def test_a_field_is_archived_never_dropped_and_keeps_its_type(before: Any, after: Any, found: Any) -> None:
    assert refused(lambda: rules.configure(fields(*before), {"variables": after}, now=NOW)) == found


def test_a_field_may_be_archived_renamed_and_joined_by_others() -> None:
    after = [{"field_key": "more", "field_type": "integer", "unique": True}, TEXT | {"archived": True, "label": "Old"}]
    changed = rules.configure(fields(TEXT), {"variables": after}, now=NOW)
    assert changed.field("note").archived


def test_a_new_stage_gets_what_was_left_out() -> None:
    workflow, made = rules.add_stage(FLOW, StageIn(name="In Négotiation!"), now=NOW)
    assert (made.uid, made.slug, made.order, made.version) == ("stage-in-n-gotiation", "in-n-gotiation", 4, 1)
    assert workflow.stages[-1] == made
    assert rules.add_stage(FLOW, StageIn(name="X", uid="mine", slug="s", order=2), now=NOW)[1].uid == "mine"
    assert rules.add_stage(FLOW, StageIn(name="¡!"), now=NOW)[1].slug == "stage"


def test_a_stage_that_is_there_already_is_not_added_again() -> None:
    with pytest.raises(Conflict):
        rules.add_stage(FLOW, StageIn(name="X", uid="new"), now=NOW)
    assert refused(lambda: rules.add_stage(FLOW, StageIn(name="X", uid="move"), now=NOW)) == [("/uid", "reserved")]
    assert refused(lambda: rules.add_stage(FLOW, StageIn(name="X", slug="new"), now=NOW)) == [("/slug", "taken")]


def test_changing_a_stage_checks_it() -> None:
    after, changed = rules.change_stage(FLOW, "new", {"name": "First"}, now=later(hours=1))
    assert (changed.name, changed.version, changed.slug, changed.updated_at) == ("First", 2, "new", later(hours=1))
    assert after.by_uid["new"] == changed
    wrong = {"allowed_next_stages": ["new", "nowhere"], "required_fields": ["colour"]}
    assert refused(lambda: rules.change_stage(FLOW, "new", wrong, now=NOW)) == [
        ("/allowed_next_stages/1", "unknown_stage"), ("/allowed_next_stages/0", "itself"),
        ("/required_fields/0", "unknown_field"),
    ]  # fmt: skip
    with pytest.raises(NotFound):
        rules.change_stage(FLOW, "nowhere", {}, now=NOW)


def test_dropping_a_stage_strips_every_reference_to_it() -> None:
    after = rules.drop_stage(FLOW, "lost", now=NOW)
    assert [(s.uid, s.allowed_next_stages, s.version) for s in after.stages] == [
        ("new", ["contacted"], 2), ("contacted", ["won"], 2), ("won", [], 1),
    ]  # fmt: skip
    assert rules.sound(after) is after
    with pytest.raises(NotFound):
        rules.drop_stage(FLOW, "nowhere", now=NOW)


def test_reordering_changes_only_what_moved() -> None:
    after = rules.reorder(FLOW, ["contacted", "new", "won", "lost"], now=NOW)
    assert [(s.uid, s.order, s.version) for s in after.stages] == [
        ("contacted", 0, 2), ("new", 1, 2), ("won", 2, 1), ("lost", 3, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("order", "found"), [
    (["new", "contacted", "won"], [("/order", "incomplete")]), ([], [("/order", "incomplete")]),
    (["new", "contacted", "won", "lost", "lost"], [("/order", "repeated")]),
    (["new", "contacted", "won", "lost", "nowhere"], [("/order/4", "unknown_stage")]),
    (["new", "new", "nowhere"], [("/order/2", "unknown_stage"), ("/order", "repeated"), ("/order", "incomplete")]),
])  # fmt: skip
def test_reordering_names_every_stage_once(order: list[str], found: list[tuple[str, str]]) -> None:
    assert refused(lambda: rules.reorder(FLOW, order, now=NOW)) == found


def test_archived_stages_need_not_be_named_and_come_last() -> None:
    workflow = flow(stage("new", archived=True))
    after = rules.reorder(workflow, ["won", "contacted", "lost"], now=NOW)
    assert [s.uid for s in after.stages] == ["won", "contacted", "lost", "new"]


def test_a_first_workflow_is_version_one_and_a_replacement_goes_on_counting() -> None:
    assert rules.set_up(Settings(), now=NOW).version == 1
    assert rules.set_up(Settings(), now=NOW, before=FLOW).version == 8
    assert refused(lambda: rules.set_up(Settings(), now=NOW, stages=[stage("x", "y")])) == [
        ("/stages/x/allowed_next_stages/0", "unknown_stage")
    ]
