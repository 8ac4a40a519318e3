"""Leads are not deleted: they are archived, and can be restored."""

import pytest

from tests.api.steps import cards, found, go, listed, read, ready
from tests.cast import Cast, lead


def test_delete_archives(cast: Cast) -> None:
    made = lead(cast.alice)
    response = cast.alice.delete(f"/api/leads/{made['uid']}/")
    assert (response.status_code, response.content) == (204, b"")
    kept = read(cast.alice, made["uid"])
    assert kept["status"] == "archived"
    assert kept["archived_at"] is not None


def test_an_archived_lead_leaves_lists_board_and_counts(cast: Cast) -> None:
    kept, gone = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    cast.alice.delete(f"/api/leads/{gone}/")
    assert (found(cast.alice, ""), listed(cast.alice)["count"]) == ({kept}, 1)
    assert cards(cast.alice, "stage-new") == [kept]


def test_it_is_found_by_those_who_ask_for_archived_leads(cast: Cast) -> None:
    kept, gone = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    cast.alice.delete(f"/api/leads/{gone}/")
    assert found(cast.alice, "status=archived") == {gone}
    assert found(cast.alice, "status=open,archived") == {kept, gone}
    assert found(cast.charlie, "status=archived") == set()


def test_restoring_recomputes_the_status(cast: Cast) -> None:
    made = ready(cast.alice)
    go(cast.alice, made["uid"], "stage-lost", reason="No budget")
    cast.alice.delete(f"/api/leads/{made['uid']}/")
    restored = cast.alice.post(f"/api/leads/{made['uid']}/restore/", {})
    assert restored.status_code == 200
    assert (restored.json()["status"], restored.json()["archived_at"]) == ("lost", None)
    assert cards(cast.alice, "stage-lost") == [made["uid"]]


def test_archiving_by_post_answers_the_lead(cast: Cast) -> None:
    made = lead(cast.alice)
    response = cast.alice.post(f"/api/leads/{made['uid']}/archive/", {})
    assert (response.status_code, response.json()["status"]) == (200, "archived")


@pytest.mark.parametrize("action", ["archive", "restore"])
def test_doing_it_twice_changes_nothing(cast: Cast, action: str) -> None:
    made = lead(cast.alice)
    once = cast.alice.post(f"/api/leads/{made['uid']}/{action}/", {}).json()
    twice = cast.alice.post(f"/api/leads/{made['uid']}/{action}/", {}).json()
    assert twice["version"] == once["version"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"company": "Looms"}),
        ("POST", "assign/", {"assigned_to": None}),
        ("POST", "transition/", {"to_stage": "stage-contacted"}),
        ("POST", "activities/", {"kind": "note", "body": "Hello"}),
        ("POST", "tasks/", {"kind": "call"}),
        ("PATCH", "tasks/{task}/", {"title": "Another"}),
        ("POST", "tasks/{task}/complete/", {}),
        ("POST", "tasks/{task}/cancel/", {}),
        ("POST", "tasks/{task}/reopen/", {}),
    ],
)
def test_other_writes_are_refused_until_it_is_restored(cast: Cast, method: str, path: str, body: object) -> None:
    made = lead(cast.alice)
    cast.alice.delete(f"/api/leads/{made['uid']}/")
    path = path.format(task=made["tasks"][0]["uid"])
    response = cast.alice.send(method, f"/api/leads/{made['uid']}/{path}", body)
    assert response.status_code == 409
    assert read(cast.alice, made["uid"])["version"] == 2


def test_dragging_an_archived_card_is_refused(cast: Cast) -> None:
    gone, other = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    cast.alice.delete(f"/api/leads/{gone}/")
    body = {"lead": gone, "to_stage": "stage-new", "before": other}
    assert cast.alice.post("/api/leads/kanban/move/", body).status_code == 409


def test_agents_may_not_archive(cast: Cast) -> None:
    made = lead(cast.bob)
    assert cast.bob.delete(f"/api/leads/{made['uid']}/").status_code == 403
