"""Who sees which leads. What is not yours is not there: 404, never 403."""

import pytest

from tests.api.steps import cards, column, found, listed, read, uids
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient


@pytest.mark.parametrize("path", ["", "moves/", "tasks/", "activities/", "history/", "as-of/", "diff/"])
def test_charlie_of_another_centre_can_read_nothing_of_a_lead(cast: Cast, path: str) -> None:
    made = lead(cast.alice)
    assert cast.charlie.get(f"/api/leads/{made['uid']}/{path}").status_code == 404
    assert cast.charlie.get(f"/api/leads/no-such-lead/{path}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"company": "Mine"}),
        ("DELETE", "", None),
        ("POST", "transition/", {"to_stage": "stage-contacted"}),
        ("POST", "transition/", {"to_stage": "stage-contacted", "force": True, "reason": "Because"}),
        ("POST", "assign/", {"assigned_to": None}),
        ("POST", "archive/", {}),
        ("POST", "restore/", {}),
        ("POST", "tasks/", {"kind": "call"}),
        ("PATCH", "tasks/{task}/", {"title": "Mine"}),
        ("POST", "tasks/{task}/complete/", {}),
        ("POST", "tasks/{task}/cancel/", {}),
        ("POST", "tasks/{task}/reopen/", {}),
        ("POST", "activities/", {"kind": "note", "body": "Mine"}),
    ],
)
def test_charlie_can_change_nothing_of_it(cast: Cast, method: str, path: str, body: object) -> None:
    made = lead(cast.alice)
    path = path.format(task=made["tasks"][0]["uid"])
    assert cast.charlie.send(method, f"/api/leads/{made['uid']}/{path}", body).status_code == 404
    assert read(cast.alice, made["uid"]) | {"duplicates": [], "attached": False} == made


def test_charlie_cannot_drag_it(cast: Cast) -> None:
    made = lead(cast.alice)
    body = {"lead": made["uid"], "to_stage": "stage-contacted"}
    assert cast.charlie.post("/api/leads/kanban/move/", body).status_code == 404


def test_charlie_cannot_drop_a_card_of_his_beside_it(cast: Cast) -> None:
    theirs, his = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
    body = {"lead": his, "to_stage": "stage-new", "before": theirs}
    unknown = body | {"before": "no-such-lead"}
    refused = cast.charlie.post("/api/leads/kanban/move/", body)
    assert refused.status_code == cast.charlie.post("/api/leads/kanban/move/", unknown).status_code == 422


@pytest.mark.parametrize(
    "query",
    ["", "q=lovelace", "q=ada@example.com", f"center={NORTH}", "status=open,archived", "sort=-score", "sort=name",
     "assigned_to=none", "field.budget=100", "count=exact"],
)  # fmt: skip
def test_lists_searches_and_counts_of_charlie_leave_it_out(cast: Cast, query: str) -> None:
    lead(cast.alice, email="ada@example.com")
    page = listed(cast.charlie, query)
    assert (page["results"], page["count"]) == ([], 0)


def test_the_board_of_charlie_is_empty(cast: Cast) -> None:
    lead(cast.alice)
    shown = cast.charlie.get("/api/leads/kanban/").json()
    assert [(one["count"], one["leads"], one["next"]) for one in shown] == [(0, [], None)] * 6
    assert cast.charlie.get("/api/leads/kanban/stage-new/").json()["results"] == []


def test_the_super_admin_sees_all_centres(cast: Cast) -> None:
    north, south = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
    assert found(cast.root, "") == {north, south}
    assert found(cast.root, f"center={SOUTH}") == {south}
    assert column(cast.root, "stage-new")["count"] == 2


class TestAnAgent:
    """Sees his own leads and those of nobody."""

    @pytest.fixture
    def leads(self, cast: Cast) -> dict[str, str]:
        given = {"his": [cast.bob.uid], "free": [], "hers": [cast.carol.uid], "both": [cast.carol.uid, cast.bob.uid]}
        return {name: lead(cast.alice, assigned_to=people)["uid"] for name, people in given.items()}

    def test_lists(self, cast: Cast, leads: dict[str, str]) -> None:
        seen = {leads["his"], leads["free"], leads["both"]}
        for query in ("", "sort=-score", "sort=next_follow_up_at", "sort=name", "q=lovelace"):
            assert found(cast.bob, query) == seen, query
        assert listed(cast.bob)["count"] == 3

    def test_board(self, cast: Cast, leads: dict[str, str]) -> None:
        assert cards(cast.bob, "stage-new") == [leads["both"], leads["free"], leads["his"]]
        assert column(cast.bob, "stage-new")["count"] == 3
        rest = cast.bob.get("/api/leads/kanban/stage-new/").json()["results"]
        assert uids(rest) == [leads["both"], leads["free"], leads["his"]]

    def test_a_single_lead(self, cast: Cast, leads: dict[str, str]) -> None:
        assert cast.bob.get(f"/api/leads/{leads['his']}/").status_code == 200
        assert cast.bob.get(f"/api/leads/{leads['free']}/").status_code == 200
        assert cast.bob.get(f"/api/leads/{leads['hers']}/").status_code == 404
        assert cast.bob.patch(f"/api/leads/{leads['hers']}/", {"company": "x"}).status_code == 404

    def test_filters_widen_nothing(self, cast: Cast, leads: dict[str, str]) -> None:
        assert found(cast.bob, "assigned_to=me") == {leads["his"], leads["both"]}
        assert found(cast.bob, "assigned_to=none") == {leads["free"]}
        assert found(cast.bob, f"assigned_to={cast.carol.uid}") == {leads["both"]}

    def test_may_take_a_free_lead_but_not_give_one_away(self, cast: Cast, leads: dict[str, str]) -> None:
        at = "/api/leads/{}/assign/".format
        assert cast.bob.post(at(leads["free"]), {"assigned_to": cast.bob.uid}).status_code == 200
        assert cast.bob.post(at(leads["his"]), {"assigned_to": cast.carol.uid}).status_code == 403
        assert cast.bob.post(at(leads["hers"]), {"assigned_to": cast.bob.uid}).status_code == 404


class TestATrainer:
    """Sees leads with a task of his, and not who can be reached how."""

    PERSONAL = {
        "email": "ada@example.com", "phone": "+1 415 555 0132", "message": "Call me", "first_name": "Ada",
        "last_name": "Byron", "contacts": [{"name": "Anne", "phone": "+1 415 555 0133"}],
        "address": {"city": "London"},
    }  # fmt: skip

    @pytest.fixture
    def his(self, cast: Cast) -> str:
        lead(cast.alice)
        made = lead(cast.alice, **self.PERSONAL)
        task = {"kind": "visit", "assigned_to": cast.tom.uid}
        assert cast.alice.post(f"/api/leads/{made['uid']}/tasks/", task).status_code == 201
        return str(made["uid"])

    def test_sees_nothing_else(self, cast: Cast, his: str) -> None:
        assert found(cast.tom, "") == {his}
        assert found(cast.tom, "sort=-score") == {his}
        assert cards(cast.tom, "stage-new") == [his]

    def hidden(self, shown: dict[str, object]) -> None:
        personal = {name: shown[name] for name in self.PERSONAL if name in shown}
        assert not any(personal.values()), personal
        assert "Byron" not in str(shown)

    def test_a_whole_lead_is_masked(self, cast: Cast, his: str) -> None:
        self.hidden(read(cast.tom, his))

    def test_lists_and_selected_fields_are_masked(self, cast: Cast, his: str) -> None:
        self.hidden(listed(cast.tom)["results"][0])
        self.hidden(listed(cast.tom, "fields=email,phone,full_name")["results"][0])

    def test_cards_are_masked(self, cast: Cast, his: str) -> None:
        self.hidden(column(cast.tom, "stage-new")["leads"][0])

    def test_masked_fields_cannot_be_searched_for(self, cast: Cast, his: str) -> None:
        for query in ("q=ada@example.com", "q=4155550132", "q=anne"):
            assert found(cast.tom, query) == set(), query


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/leads/", {"name": "Ada", "fields": {"budget": "1"}}),
        ("PATCH", "/api/leads/{uid}/", {"company": "x"}),
        ("DELETE", "/api/leads/{uid}/", None),
        ("POST", "/api/leads/{uid}/transition/", {"to_stage": "stage-contacted"}),
        ("POST", "/api/leads/{uid}/assign/", {"assigned_to": None}),
        ("POST", "/api/leads/{uid}/archive/", {}),
        ("POST", "/api/leads/{uid}/restore/", {}),
        ("POST", "/api/leads/{uid}/tasks/", {"kind": "call"}),
        ("PATCH", "/api/leads/{uid}/tasks/{task}/", {"title": "x"}),
        ("POST", "/api/leads/{uid}/tasks/{task}/complete/", {}),
        ("POST", "/api/leads/{uid}/tasks/{task}/cancel/", {}),
        ("POST", "/api/leads/{uid}/tasks/{task}/reopen/", {}),
        ("POST", "/api/leads/{uid}/activities/", {"body": "x"}),
        ("POST", "/api/leads/kanban/move/", {"lead": "{uid}", "to_stage": "stage-contacted"}),
        ("POST", "/api/stages/", {"name": "New"}),
        ("PATCH", "/api/stages/stage-new/", {"name": "x"}),
        ("DELETE", "/api/stages/stage-new/", None),
        ("POST", "/api/stages/reorder/", {"order": ["stage-new"]}),
        ("POST", "/api/config/", {}),
        ("PATCH", "/api/config/", {"workflow_name": "x"}),
        ("POST", "/api/config/lock/", {}),
        ("POST", "/api/config/unlock/", {"reason": "x"}),
    ],
)
def test_whoever_only_looks_is_refused_and_nobody_is_asked_to_sign_in(
    cast: Cast, method: str, path: str, body: dict[str, object] | None
) -> None:
    made = lead(cast.alice)
    task = made["tasks"][0]["uid"]
    path = path.format(uid=made["uid"], task=task)
    body = body and {key: made["uid"] if value == "{uid}" else value for key, value in body.items()}
    assert cast.vera.send(method, path, body).status_code == 403
    for stranger in (cast.nobody, CheckedClient(token="lcrm_no-such-token")):
        refused = stranger.send(method, path, body)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert read(cast.alice, made["uid"]) | {"duplicates": [], "attached": False} == made


@pytest.mark.parametrize("path", ["/api/leads/", "/api/leads/kanban/", "/api/stages/", "/api/config/"])
def test_nobody_reads_without_signing_in(cast: Cast, path: str) -> None:
    assert cast.nobody.get(path).status_code == 401
    assert cast.vera.get(path).status_code == 200


def test_health_answers_without_a_login(cast: Cast) -> None:
    assert cast.nobody.get("/health").json()["status"] == "ok"
