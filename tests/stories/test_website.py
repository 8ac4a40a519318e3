"""Enquiries from a public site: captured without a login, then worked on by the team."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from lead_crm import mongo
from leads import events, store
from tests.api.steps import codes, go, listed, read
from tests.cast import Cast

Row = dict[str, Any]

ENQUIRY = {"name": "Grace Hopper", "email": "grace@navy.example.com", "message": "Please call me", "center": "north"}


@pytest.fixture
def site(business: Callable[[str], Cast]) -> Cast:
    return business("website")


def enquired(site: Cast, **more: object) -> Row:
    response = site.nobody.post("/api/public/leads/", ENQUIRY | more)
    assert response.status_code == 201, response.content
    answer: Row = response.json()
    return answer


def test_an_enquiry_is_answered_with_just_so_much(site: Cast) -> None:
    site.alice.get("/api/leads/")
    answer = enquired(site)
    assert list(answer) == ["id", "name", "email", "status", "created_at"]
    assert (answer["name"], answer["email"], answer["status"]) == ("Grace Hopper", "grace@navy.example.com", "new")
    lead = read(site.alice, answer["id"])
    assert (lead["source"], lead["priority"], lead["message"]) == ("website", "medium", "Please call me")


@pytest.mark.parametrize("missing", ["name", "email"])
def test_name_and_email_are_asked_of_everybody(site: Cast, missing: str) -> None:
    body = {key: value for key, value in ENQUIRY.items() if key != missing}
    for client, path in ((site.nobody, "/api/public/leads/"), (site.alice, "/api/leads/")):
        response = client.post(path, body)
        assert (response.status_code, (f"/{missing}", "required") in codes(response)) == (422, True), path


def told(uid: str) -> list[Row]:
    """What others are told, as it is stored with the lead."""
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid}, {"_id": 0, "keys": 0})
    assert row is not None
    return events.of(store.model(row))


def test_others_are_told_that_it_came_and_where_it_went(site: Cast) -> None:
    uid = enquired(site)["id"]
    go(site.alice, uid, "contacted")
    go(site.alice, uid, "closed_lost", reason="spam")
    lead = read(site.alice, uid)
    came, *went, closed = told(uid)
    assert came == {
        "event_type": "LeadCreated", "lead_id": uid, "email": "grace@navy.example.com", "source": "website",
        "timestamp": came["timestamp"],
    }  # fmt: skip
    assert [list(event) for event in went] == [["event_type", "lead_id", "old_status", "new_status", "timestamp"]] * 2
    assert [(event["event_type"], event["old_status"], event["new_status"]) for event in went] == [
        ("LeadStatusChanged", "new", "contacted"), ("LeadStatusChanged", "contacted", "closed_lost"),
    ]  # fmt: skip
    assert (closed["event_type"], closed["reason"]) == ("LeadClosed", "spam")
    times = [datetime.fromisoformat(event["timestamp"]) for event in (came, *went)]
    assert times == [datetime.fromisoformat(entry["entered_at"]) for entry in lead["history"]]


def test_an_email_that_is_needed_cannot_be_taken_away(site: Cast) -> None:
    uid = enquired(site)["id"]
    assert codes(site.alice.patch(f"/api/leads/{uid}/", {"email": None})) == {("/email", "required")}


def test_the_site_may_name_a_source_that_there_is(site: Cast) -> None:
    assert read(site.alice, enquired(site, source="social")["id"])["source"] == "social"
    assert read(site.alice, enquired(site, source="carrier pigeon")["id"])["source"] == "website"


def test_the_team_takes_it_from_there(site: Cast) -> None:
    uid = enquired(site)["id"]
    assert site.bob.post(f"/api/leads/{uid}/assign/", {"assigned_to": site.bob.uid}).status_code == 200
    assert site.bob.patch(f"/api/leads/{uid}/", {"priority": "high"}).json()["priority"] == "high"
    assert site.bob.post(f"/api/leads/{uid}/activities/", {"body": "Wants a quote by Friday"}).status_code == 201
    for stage, note in (("contacted", "Called"), ("qualified", None), ("proposal", "Sent"), ("closed_won", None)):
        assert go(site.bob, uid, stage, note=note).status_code == 200, stage
    lead = read(site.alice, uid)
    assert (lead["status"], lead["assigned_to"]) == ("won", [site.bob.uid])
    assert [(entry["stage"], entry["note"]) for entry in lead["history"]] == [
        ("new", None), ("contacted", "Called"), ("qualified", None), ("proposal", "Sent"), ("closed_won", None),
    ]  # fmt: skip


def test_lists_by_what_the_team_asks(site: Cast) -> None:
    urgent = enquired(site, name="Ada Lovelace", email="ada@engine.example.com")["id"]
    enquired(site)
    site.alice.patch(f"/api/leads/{urgent}/", {"priority": "high"})
    for query in ("priority=high", "q=lovelace", "q=ada@engine.example.com"):
        assert [row["uid"] for row in listed(site.alice, query)["results"]] == [urgent], query
    assert listed(site.alice, "stage=new&source=website")["count"] == 2
