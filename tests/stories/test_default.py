"""Any sales team: what is there from the first start, and the first lead on its way, told through HTTP only."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.steps import codes, go, read, uids
from tests.cast import Cast

Row = dict[str, Any]

NEXT = {
    "stage-new": ["stage-contacted", "stage-lost"], "stage-contacted": ["stage-qualified", "stage-lost"],
    "stage-qualified": ["stage-proposal", "stage-lost"], "stage-proposal": ["stage-won", "stage-lost"],
    "stage-won": [], "stage-lost": [],
}  # fmt: skip


@pytest.fixture
def team(business: Callable[[str], Cast]) -> Cast:
    return business("default")


def moves(team: Cast, uid: str) -> dict[str, Any]:
    response = team.alice.get(f"/api/leads/{uid}/moves/")
    assert response.status_code == 200, response.content
    return {verdict["stage"]: verdict for verdict in response.json()["results"]}


def test_the_workflow_is_there(team: Cast) -> None:
    config = team.alice.get("/api/config/").json()
    assert (config["workflow_name"], config["locked"]) == ("Lead Workflow", False)
    (budget,) = config["variables"]
    asked = {key: budget[key] for key in ("field_key", "label", "field_type", "input_type", "required")}
    assert asked == {
        "field_key": "budget", "label": "Budget", "field_type": "decimal", "input_type": "number", "required": True,
    }  # fmt: skip


def test_so_are_its_stages(team: Cast) -> None:
    stages = team.alice.get("/api/stages/").json()["results"]
    assert {stage["uid"]: stage["allowed_next_stages"] for stage in stages} == NEXT
    assert [stage["name"] for stage in stages] == ["New Lead", "Contacted", "Qualified", "Proposal", "Won", "Lost"]
    assert [stage["kind"] for stage in stages] == [*["open"] * 4, "won", "lost"]
    first = stages[0]
    assert (first["slug"], first["color"], first["order"]) == ("new-lead", "#3B82F6", 0)
    assert [task["required"] for task in first["task_templates"]] == [True]
    assert [task for stage in stages[1:] for task in stage["task_templates"]] == []


def test_the_empty_board_has_all_columns(team: Cast) -> None:
    columns = team.alice.get("/api/leads/kanban/").json()
    assert uids(columns) == list(NEXT)
    assert [(column["count"], column["leads"]) for column in columns] == [(0, [])] * 6


def test_a_lead_without_a_budget_is_none(team: Cast) -> None:
    refused = team.alice.post("/api/leads/", {"name": "Ada Lovelace"})
    assert (refused.status_code, codes(refused)) == (422, {("/fields/budget", "required")})
    wrong = team.alice.post("/api/leads/", {"name": "Ada Lovelace", "fields": {"budget": "much"}})
    assert {pointer for pointer, _ in codes(wrong)} == {"/fields/budget"}


def test_the_first_lead_goes_from_the_call_to_the_contract(team: Cast) -> None:
    made = team.alice.post("/api/leads/", {"name": "Ada Lovelace", "fields": {"budget": "1250.50"}})
    lead = made.json()
    assert (made.status_code, lead["current_stage"], lead["fields"]) == (201, "stage-new", {"budget": "1250.50"})
    (task,) = lead["tasks"]
    verdict = moves(team, lead["uid"])["stage-contacted"]
    assert (verdict["allowed"], [one["code"] for one in verdict["refusals"]]) == (False, ["task_open"])
    assert verdict["refusals"][0]["task"] == task["uid"]
    refused = go(team.alice, lead["uid"], "stage-contacted")
    assert (refused.status_code, refused.json()["refusals"]) == (409, verdict["refusals"])
    assert team.alice.post(f"/api/leads/{lead['uid']}/tasks/{task['uid']}/complete/", {}).status_code == 200
    assert moves(team, lead["uid"])["stage-contacted"]["allowed"]
    for stage in ("stage-contacted", "stage-qualified", "stage-proposal", "stage-won"):
        assert go(team.alice, lead["uid"], stage).status_code == 200, stage
    won = read(team.alice, lead["uid"])
    assert (won["status"], won["current_stage"]) == ("won", "stage-won")
    assert [entry["stage"] for entry in won["history"]] == [stage for stage in NEXT if stage != "stage-lost"]


def test_an_enquiry_without_a_budget_stays_where_it_is_until_there_is_one(team: Cast) -> None:
    enquiry = {"name": "Ada Lovelace", "email": "ada@looms.example", "center": "north"}
    uid = team.nobody.post("/api/public/leads/", enquiry).json()["id"]
    (task,) = read(team.alice, uid)["tasks"]
    assert team.alice.post(f"/api/leads/{uid}/tasks/{task['uid']}/complete/", {}).status_code == 200
    (missing,) = moves(team, uid)["stage-contacted"]["refusals"]
    assert (missing["code"], missing["field"]) == ("field_missing", "fields.budget")
    assert missing["how_to_pass"]
    assert go(team.alice, uid, "stage-contacted").json()["refusals"] == [missing]
    moved = go(team.alice, uid, "stage-contacted", fields={"budget": "900"})
    assert (moved.status_code, moved.json()["fields"]) == (200, {"budget": "900"})


def test_what_is_missing_is_all_told_at_once(team: Cast) -> None:
    enquiry = {"name": "Ada Lovelace", "email": "ada@looms.example", "center": "north"}
    uid = team.nobody.post("/api/public/leads/", enquiry).json()["id"]
    told = moves(team, uid)
    assert len(told["stage-contacted"]["refusals"]) == 2
    assert {one["code"] for one in told["stage-qualified"]["refusals"]} >= {"not_allowed_from_here"}
    assert go(team.alice, uid, "stage-contacted").status_code == 409
