"""Centres: made, renamed, archived; what happens to leads from the time before the first."""

from typing import Any

import pytest

from lead_crm.documents import now
from management import accounts
from tests.api.steps import at_once, codes, found, listed, read, statuses, twin
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient

PATH = "/api/centers/"


def make(client: CheckedClient, **body: object) -> Any:
    return client.post(PATH, body)


def names(client: CheckedClient, query: str = "") -> list[str]:
    return [row["uid"] for row in listed(client, query, path=PATH)["results"]]


@pytest.fixture
def alone(workflow: None) -> CheckedClient:
    """The first administrator, before there is any centre."""
    account = accounts.create(email="first@example.com", name="First", roles=["super_admin"], at=now())
    return CheckedClient(token=accounts.create_token(account, name="tests", at=now()))


def test_a_centre_is_made_and_leads_can_be_created_there_at_once(cast: Cast) -> None:
    made = make(cast.root, name="Zürich Oerlikon")
    assert made.status_code == 201
    shown = made.json()
    assert (shown["uid"], shown["name"], shown["archived"], made["ETag"]) == (
        "zurich-oerlikon", "Zürich Oerlikon", False, '"1"',
    )  # fmt: skip
    assert cast.root.get(f"{PATH}zurich-oerlikon/").json() == shown
    assert lead(cast.root, center="zurich-oerlikon")["center"] == "zurich-oerlikon"


def test_a_uid_may_be_given_and_stands_for_one_centre(cast: Cast) -> None:
    assert make(cast.root, uid="W-1", name="West").json()["uid"] == "W-1"
    refused = make(cast.root, uid="W-1", name="Another")
    assert (refused.status_code, refused.json()["code"]) == (409, "center_exists")
    assert cast.root.get(f"{PATH}W-1/").json()["name"] == "West"


def test_a_name_that_leaves_no_letters_still_gets_a_uid(cast: Cast) -> None:
    first, second = make(cast.root, name="東京"), make(cast.root, name="大阪")
    assert first.status_code == second.status_code == 201
    assert first.json()["uid"] != second.json()["uid"]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {("/name", "required")}),
        ({"name": " ", "uid": "a/b"}, {("/name", "string_too_short"), ("/uid", "string_pattern_mismatch")}),
        ({"name": "x", "colour": "red"}, {("/colour", "unknown_key")}),
    ],
)
def test_wrong_centres_are_refused(cast: Cast, body: dict[str, object], faults: set[tuple[str, str]]) -> None:
    refused = make(cast.root, **body)
    assert (refused.status_code, codes(refused)) == (422, faults)


def test_who_asks_sees_their_own_centres(cast: Cast) -> None:
    assert names(cast.root) == [NORTH, SOUTH]
    assert names(cast.alice) == names(cast.vera) == names(cast.tom) == [NORTH]
    assert names(cast.charlie) == [SOUTH]
    assert cast.charlie.get(f"{PATH}{SOUTH}/").status_code == 200
    assert cast.charlie.get(f"{PATH}{NORTH}/").status_code == 404
    assert cast.charlie.get(f"{PATH}nowhere/").status_code == 404
    assert cast.nobody.get(PATH).status_code == cast.nobody.get(f"{PATH}{NORTH}/").status_code == 401


def test_only_those_who_work_everywhere_make_and_change_centres(cast: Cast) -> None:
    for client in (cast.alice, cast.bob, cast.vera):
        assert make(client, name="Mine").status_code == 403
        assert client.patch(f"{PATH}{NORTH}/", {"name": "Mine"}).status_code == 403
    assert cast.charlie.patch(f"{PATH}{NORTH}/", {"name": "Mine"}).status_code == 404
    assert cast.root.patch(f"{PATH}nowhere/", {"name": "Mine"}).status_code == 404
    assert cast.root.get(f"{PATH}{NORTH}/").json()["name"] == "North"


def test_a_centre_is_renamed_unless_it_has_changed_meanwhile(cast: Cast) -> None:
    renamed = cast.root.patch(f"{PATH}{NORTH}/", {"name": "Upper North"}, If_Match='"1"')
    assert (renamed.status_code, renamed.json()["name"], renamed["ETag"]) == (200, "Upper North", '"2"')
    late = cast.root.patch(f"{PATH}{NORTH}/", {"name": "Lower North"}, If_Match='"1"')
    assert (late.status_code, late.json()["changed"]) == (412, ["/name"])
    assert cast.root.patch(f"{PATH}{NORTH}/", {"name": "Upper North"})["ETag"] == '"2"'  # nothing differs
    assert codes(cast.root.patch(f"{PATH}{NORTH}/", {"uid": "x"})) == {("/uid", "read_only")}


class TestAnArchivedCentre:
    @pytest.fixture
    def made(self, cast: Cast) -> dict[str, Any]:
        made = lead(cast.alice)
        assert cast.root.patch(f"{PATH}{NORTH}/", {"archived": True}).json()["archived"] is True
        return made

    def test_takes_no_new_leads(self, cast: Cast, made: dict[str, Any]) -> None:
        body = {"name": "Ada", "fields": {"budget": "1"}}
        assert codes(cast.alice.post("/api/leads/", body)) == {("/center", "required")}
        for client in (cast.alice, cast.root):
            assert codes(client.post("/api/leads/", body | {"center": NORTH})) == {("/center", "center_archived")}
        assert lead(cast.root)["center"] == SOUTH  # the only one that is offered

    def test_takes_no_new_people_and_keeps_those_it_has(self, cast: Cast, made: dict[str, Any]) -> None:
        body = {"email": "new@example.com", "name": "New", "roles": ["agent"], "centers": [NORTH]}
        assert codes(cast.root.post("/api/users/", body)) == {("/centers/0", "unknown_center")}
        bob = f"/api/users/{cast.bob.uid}/"
        assert cast.root.patch(bob, {"centers": [NORTH, SOUTH]}).json()["centers"] == [NORTH, SOUTH]

    def test_keeps_its_leads(self, cast: Cast, made: dict[str, Any]) -> None:
        assert found(cast.alice, "") == found(cast.root, "") == {made["uid"]}
        assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "Mill"}).status_code == 200
        assert cast.charlie.get(f"/api/leads/{made['uid']}/").status_code == 404

    def test_is_listed_apart_and_can_be_opened_again(self, cast: Cast, made: dict[str, Any]) -> None:
        assert names(cast.root) == [NORTH, SOUTH]
        assert (names(cast.root, "archived=true"), names(cast.root, "archived=false")) == ([NORTH], [SOUTH])
        assert cast.root.patch(f"{PATH}{NORTH}/", {"archived": False}).status_code == 200
        assert lead(cast.alice)["center"] == NORTH


class TestBeforeTheFirstCentre:
    def test_everything_belongs_to_main(self, alone: CheckedClient) -> None:
        assert lead(alone)["center"] == "main"
        (main,) = listed(alone, path=PATH)["results"]
        assert (main["uid"], main["archived"], main["version"]) == ("main", False, 0)
        assert alone.get(f"{PATH}main/").json() == main

    def test_its_leads_stay_when_a_centre_is_made_but_new_ones_go_there(self, alone: CheckedClient) -> None:
        old = lead(alone)["uid"]
        assert make(alone, name="North").status_code == 201
        assert names(alone) == ["north", "main"]
        assert names(alone, "archived=false") == ["north"]
        assert read(alone, old)["center"] == "main"
        assert lead(alone)["center"] == "north"
        assert found(alone, "center=main") == {old}
        refused = alone.post("/api/leads/", {"name": "x", "center": "main", "fields": {"budget": "1"}})
        assert codes(refused) == {("/center", "center_archived")}

    def test_without_leads_main_is_gone_with_the_first_centre(self, alone: CheckedClient) -> None:
        make(alone, name="North")
        assert names(alone) == ["north"]

    def test_the_first_centre_may_be_main_itself(self, alone: CheckedClient) -> None:
        old = lead(alone)["uid"]
        assert alone.patch(f"{PATH}main/", {"name": "Head office"}).status_code == 404  # nobody has made it
        assert make(alone, uid="main", name="Head office").status_code == 201
        assert [row["name"] for row in listed(alone, path=PATH)["results"]] == ["Head office"]
        assert (read(alone, old)["center"], lead(alone)["center"]) == ("main", "main")


def test_of_many_who_make_the_same_centre_one_does(cast: Cast) -> None:
    answers = at_once([lambda: make(twin(cast.root), uid="west", name="West")] * 8)
    assert statuses(answers) == [201, *[409] * 7]


def test_changes_at_the_same_moment_are_all_kept(cast: Cast) -> None:
    at = f"{PATH}{NORTH}/"
    bodies: list[dict[str, object]] = [{"name": "Upper North"}, {"archived": True}]
    answers = at_once([lambda body=body: twin(cast.root).patch(at, body) for body in bodies])
    assert statuses(answers) == [200, 200]
    shown = cast.root.get(at).json()
    assert (shown["name"], shown["archived"], shown["version"]) == ("Upper North", True, 3)
