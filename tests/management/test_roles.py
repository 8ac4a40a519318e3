"""Roles of the config: what a sound one is, who may make one, and what becomes of those who hold one that goes."""

from typing import Any

import pytest

from management import accounts
from tests.api.steps import codes, found, go, listed, ready
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient

CALLER = {"key": "caller", "label": "Caller", "permissions": ["lead.view", "task.complete:call"], "scope": "center"}


def define(client: CheckedClient, *roles: dict[str, object]) -> Any:
    return client.patch("/api/config/", {"roles": list(roles)})


def hold(cast: Cast, who: CheckedClient, *roles: str) -> None:
    response = cast.root.patch(f"/api/users/{who.uid}/", {"roles": list(roles)})
    assert response.status_code == 200, response.content


def listed_roles(client: CheckedClient) -> dict[str, dict[str, Any]]:
    return {role["key"]: role for role in listed(client, path="/api/roles/")["results"]}


def test_built_in_roles_are_listed_for_whoever_is_signed_in(cast: Cast) -> None:
    roles = listed_roles(cast.tom)
    assert list(roles)[:3] == ["super_admin", "center_admin", "manager"]
    assert [roles[key]["scope"] for key in ("super_admin", "agent", "viewer")] == ["all", "own", "center"]
    assert roles["trainer"] == {
        "key": "trainer", "label": "Trainer", "permissions": ["lead.view", "task.complete:intro_visit"],
        "scope": "tasks", "built_in": True,
    }  # fmt: skip
    assert cast.nobody.get("/api/roles/").status_code == 401


def test_an_own_role_is_listed_held_and_grants_what_it_says(cast: Cast) -> None:
    theirs = lead(cast.alice, assigned_to=[cast.alice.uid])["uid"]
    assert define(cast.root, CALLER).status_code == 200
    assert listed_roles(cast.bob)["caller"] == {**CALLER, "built_in": False}
    hold(cast, cast.bob, "caller")
    assert cast.bob.get(f"/api/leads/{theirs}/").status_code == 200
    assert cast.bob.patch(f"/api/leads/{theirs}/", {"company": "x"}).status_code == 403


@pytest.mark.parametrize(("scope", "sees"), [("all", 4), ("center", 3), ("own", 2), ("tasks", 1)])
def test_the_scope_of_an_own_role(cast: Cast, scope: str, sees: int) -> None:
    for people in ([], [cast.bob.uid], [cast.alice.uid]):
        lead(cast.alice, assigned_to=people)
    lead(cast.charlie)
    define(cast.root, CALLER | {"scope": scope})
    hold(cast, cast.bob, "caller")
    assert len(found(cast.bob, "")) == sees


@pytest.mark.parametrize(
    ("roles", "faults"),
    [
        ([CALLER, CALLER], {("/roles/0/key", "repeated"), ("/roles/1/key", "repeated")}),
        ([CALLER | {"key": "agent"}], {("/roles/0/key", "built_in")}),
        ([CALLER | {"permissions": ["lead.view", "lead.steal", "task.complete:dance", "task.edit:call"]}],
         {(f"/roles/0/permissions/{i}", "unknown_permission") for i in (1, 2, 3)}),
        ([CALLER | {"scope": "moon", "key": "No"}], {("/roles/0/scope", "literal_error"),
                                                     ("/roles/0/key", "string_pattern_mismatch")}),
    ],
)  # fmt: skip
def test_unsound_roles_are_refused(cast: Cast, roles: list[Any], faults: set[tuple[str, str]]) -> None:
    refused = define(cast.root, *roles)
    assert (refused.status_code, codes(refused)) == (422, faults)
    assert "caller" not in listed_roles(cast.root)


class TestStages:
    def test_a_stage_may_name_an_own_role(self, cast: Cast) -> None:
        define(cast.root, CALLER | {"permissions": ["lead.view", "lead.move"]})
        template = {"uid": "t", "kind": "call", "title": "Call", "assignee": "role:caller"}
        settings = {"allowed_roles": ["caller"], "task_templates": [template]}
        assert cast.root.patch("/api/stages/stage-contacted/", settings).status_code == 200
        waiting = ready(cast.alice)["uid"]
        (refusal,) = go(cast.alice, waiting, "stage-contacted").json()["refusals"]
        assert (refusal["code"], refusal["role"]) == ("role_not_allowed", ["caller"])
        hold(cast, cast.bob, "caller")
        moved = go(cast.bob, waiting, "stage-contacted").json()
        assert moved["tasks"][-1]["assigned_role"] == "caller"

    def test_a_role_that_a_stage_names_stays(self, cast: Cast) -> None:
        define(cast.root, CALLER)
        cast.root.patch("/api/stages/stage-contacted/", {"allowed_roles": ["agent", "caller"]})
        assert codes(define(cast.root)) == {("/stages/stage-contacted/allowed_roles/1", "unknown_role")}

    def test_a_task_kind_that_a_role_names_stays(self, cast: Cast) -> None:
        define(cast.root, CALLER)
        kinds = [kind for kind in cast.root.get("/api/config/").json()["task_kinds"] if kind["key"] != "call"]
        refused = cast.root.patch("/api/config/", {"task_kinds": kinds})
        assert ("/roles/0/permissions/1", "unknown_permission") in codes(refused)


def test_a_role_that_goes_grants_nothing_any_more_and_comes_back_with_its_name(cast: Cast) -> None:
    lead(cast.alice)
    define(cast.root, CALLER)
    hold(cast, cast.bob, "caller")
    assert cast.bob.get("/api/leads/").status_code == 200
    assert define(cast.root).status_code == 200
    assert cast.bob.get("/api/leads/").status_code == 403
    kept = cast.root.patch(f"/api/users/{cast.bob.uid}/", {"name": "Robert", "roles": ["caller", "viewer"]})
    assert kept.json()["roles"] == ["caller", "viewer"]  # held before, so it may stay
    new = {"email": "new@example.com", "name": "New", "roles": ["caller"], "centers": [NORTH]}
    assert codes(cast.root.post("/api/users/", new)) == {("/roles/0", "unknown_role")}
    define(cast.root, CALLER)
    hold(cast, cast.bob, "caller")
    assert cast.bob.get("/api/leads/").status_code == 200


class TestWhoMayDefine:
    @pytest.fixture
    def editor(self, cast: Cast) -> CheckedClient:
        """Edits the workflow and people of her centre, without holding everything."""
        held = ["workflow.edit", "people.edit", "lead.view", "lead.edit"]
        define(cast.root, CALLER | {"key": "editor", "permissions": held}, CALLER)
        hold(cast, cast.vera, "editor")
        return cast.vera

    def roles(self, cast: Cast) -> list[dict[str, Any]]:
        return list(cast.root.get("/api/config/").json()["roles"])

    def test_a_role_within_ones_own_rights(self, cast: Cast, editor: CheckedClient) -> None:
        small = {"key": "reader", "label": "Reader", "permissions": ["lead.view"], "scope": "own"}
        assert define(editor, *self.roles(cast), small).status_code == 200
        assert listed_roles(cast.bob)["reader"]["permissions"] == ["lead.view"]

    @pytest.mark.parametrize("more", [{"permissions": ["lead.view", "lead.erase"]}, {"scope": "all"}])
    def test_but_none_that_may_or_sees_more(self, cast: Cast, editor: CheckedClient, more: dict[str, object]) -> None:
        before = self.roles(cast)
        assert define(editor, *before, CALLER | {"key": "more"} | more).status_code == 403
        assert define(editor, before[0] | more, before[1]).status_code == 403  # not even for oneself
        assert self.roles(cast) == before

    def test_other_settings_and_roles_left_as_they_are_need_no_more_than_before(self, cast: Cast) -> None:
        held = ["workflow.edit", "lead.view"]
        define(cast.root, CALLER | {"key": "designer", "permissions": held}, CALLER | {"permissions": ["lead.erase"]})
        hold(cast, cast.vera, "designer")
        body = {"workflow_name": "Ours", "roles": self.roles(cast)}
        assert cast.vera.patch("/api/config/", body).status_code == 200
        refused = define(cast.vera)
        assert (refused.status_code, refused.json()["permission"]) == (403, "people.edit")

    def test_who_does_not_edit_the_workflow_defines_none(self, cast: Cast) -> None:
        assert define(cast.alice, CALLER).status_code == 403

    def test_a_token_defines_no_more_than_its_scopes(self, cast: Cast) -> None:
        root = accounts.accounts.get(cast.root.uid)
        scopes = ["workflow.edit", "people.edit", "lead.view"]
        program = CheckedClient(accounts.create_token(root, name="x", at=root.created_at, scopes=scopes))
        assert define(program, CALLER).status_code == 403
        assert define(program, CALLER | {"permissions": ["lead.view"]}).status_code == 200


def test_who_sees_only_their_own_leads_manages_nobody_who_sees_more(cast: Cast) -> None:
    held = [*listed_roles(cast.root)["agent"]["permissions"], "people.edit"]
    define(cast.root, {"key": "lead_agent", "label": "Lead agent", "permissions": held, "scope": "own"})
    hold(cast, cast.vera, "lead_agent")
    hold(cast, cast.carol, "counsellor")
    assert cast.vera.patch(f"/api/users/{cast.bob.uid}/", {"name": "Robert"}).status_code == 200
    assert cast.vera.patch(f"/api/users/{cast.carol.uid}/", {"name": "Carola"}).status_code == 403
    assert cast.vera.patch(f"/api/users/{cast.bob.uid}/", {"roles": ["counsellor"]}).status_code == 403


def test_somebody_with_all_rights_by_an_own_role_is_as_good_as_a_super_admin(cast: Cast) -> None:
    everything = listed_roles(cast.root)["super_admin"]["permissions"]
    define(cast.root, {"key": "owner", "label": "Owner", "permissions": everything, "scope": "all"})
    hold(cast, cast.bob, "owner")
    assert cast.bob.patch(f"/api/users/{cast.alice.uid}/", {"name": "Alicia"}).status_code == 200
    last = cast.bob.patch(f"/api/users/{cast.root.uid}/", {"active": False})
    assert (last.status_code, last.json()["code"]) == (409, "last_super_admin")  # that role can be taken away again
