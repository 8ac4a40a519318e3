"""Who may do what, and which leads they may see."""

from typing import Any

import pytest

from lead_crm.access import PERMISSIONS, ROLES, grant, holders, shelf, system, visible
from lead_crm.errors import NotAllowed
from tests.rules.making import ALICE, person

SEE = {"lead.view", "lead.pii"}
WORK = SEE | {"lead.create", "lead.edit", "lead.move", "lead.close", "task.edit", "task.complete", "report.view"}
LEAD = WORK | {"lead.assign", "lead.bulk", "lead.export", "lead.merge", "lead.archive"}
TABLE: dict[str, tuple[Any, set[str]]] = {
    "super_admin": ("center", set(PERMISSIONS)),
    "center_admin": ("center", LEAD | {"lead.force", "lead.erase", "people.edit", "audit.view"}),
    "manager": ("center", LEAD), "agent": ("own", WORK), "counsellor": ("center", WORK),
    "trainer": ("tasks", {"lead.view", "task.complete:intro_visit"}),
    "viewer": ("center", SEE | {"report.view"}), "integration": ("center", set()),
}  # fmt: skip


@pytest.mark.parametrize("role", TABLE)
def test_each_role_may_what_the_table_says_and_no_more(role: str) -> None:
    scope, permissions = TABLE[role]
    given = grant([role], ["north"], ["north", "south"])
    assert (given["scope"], set(given["permissions"])) == (scope, permissions)
    assert given["centers"] == (("north", "south") if role == "super_admin" else ("north",))


def test_the_table_is_complete() -> None:
    assert TABLE.keys() == ROLES.keys()


@pytest.mark.parametrize("role", ["center_admin", "manager", "agent", "counsellor", "trainer", "viewer", "integration"])
def test_only_a_super_admin_changes_the_workflow(role: str) -> None:
    assert not person(role).may("workflow.edit")


HELD = {"own": {"keys.holders": {"$in": ["bob", "-"]}}, "tasks": {"keys.holders": "task:bob"}, "center": {}}


@pytest.mark.parametrize("role", TABLE)
def test_the_scope_is_part_of_every_query(role: str) -> None:
    centers = ["live/north", "live/south"] if role == "super_admin" else None
    expected = {"type": "lead", "keys.shelf": {"$in": centers} if centers else "live/north"}
    assert visible(person(role, "bob")) == expected | HELD[TABLE[role][0]]


def test_what_nobody_has_taken_is_nobodys_figure() -> None:
    assert visible(person("agent", "bob"), figures=True)["keys.holders"] == "bob"
    for role in ("center_admin", "trainer"):
        assert visible(person(role, "bob"), figures=True) == visible(person(role, "bob"))


@pytest.mark.parametrize(("shelves", "expected"), [
    ("live", "live/north"), ("archived", {"$in": ["archived/north", "erased/north"]}),
    ("both", {"$in": ["live/north", "archived/north", "erased/north"]}),
])  # fmt: skip
def test_archived_leads_stand_on_a_shelf_of_their_own(shelves: Any, expected: object) -> None:
    assert visible(ALICE, shelves)["keys.shelf"] == expected
    assert len({shelf("north", state) for state in ("live", "archived", "erased")}) == 3


@pytest.mark.parametrize(("asked", "expected"), [
    (["north"], "live/north"), (["north", "south"], "live/north"), (["south"], {"$in": []}), ([], {"$in": []}),
])  # fmt: skip
def test_asking_for_centres_only_ever_narrows(asked: list[str], expected: object) -> None:
    assert visible(ALICE, "live", asked)["keys.shelf"] == expected
    assert visible(person("manager", centers=()))["keys.shelf"] == {"$in": []}


def test_several_roles_add_up_to_the_widest() -> None:
    given = grant(["trainer", "agent"], ["north"], [])
    assert (given["scope"], given["permissions"]) == ("own", ROLES["agent"].permissions | ROLES["trainer"].permissions)
    assert grant(["agent", "viewer"], ["north"], [])["scope"] == "center"
    assert grant([], ["north"], []) == {"permissions": frozenset(), "centers": ("north",), "scope": "tasks"}


def test_a_permission_for_all_kinds_covers_each_kind_but_not_the_other_way_round() -> None:
    assert person("agent").may("task.complete:anything")
    assert person("trainer").may("task.complete:intro_visit")
    assert not person("trainer").may("task.complete:call")
    assert not person("trainer").may("task.complete")
    with pytest.raises(NotAllowed) as caught:
        person("trainer").require("lead.edit")
    assert caught.value.extra == {"permission": "lead.edit"}


def test_the_system_may_everything_everywhere() -> None:
    assert all(system(["north", "south"]).may(permission) for permission in PERMISSIONS)
    assert visible(system(["north", "south"]), "both")["keys.shelf"] == {
        "$in": [f"{state}/{center}" for state in ("live", "archived", "erased") for center in ("north", "south")]
    }


@pytest.mark.parametrize(("assigned", "tasks", "expected"), [
    ([], [], ["-"]), (["bob"], [], ["bob"]), ([], ["tom", "tom"], ["-", "task:tom"]),
    (["bob", "al"], ["tom", "ann"], ["bob", "al", "task:ann", "task:tom"]),
])  # fmt: skip
def test_a_lead_is_held_by_its_people_or_by_nobody_and_by_those_with_a_task(
    assigned: list[str], tasks: list[str], expected: list[str]
) -> None:
    assert holders(assigned, tasks) == expected
