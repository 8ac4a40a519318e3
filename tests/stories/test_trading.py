"""A firm that buys raw goods and sells products: two kinds of leads in one workflow."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.api.steps import codes, go, listed, read
from tests.cast import Cast
from tests.contract import CheckedClient

Row = dict[str, Any]

FARMER = {"name": "Ravi Patil", "lead_type": "procurement", "source": "Farmers", "center": "north"}
BUYER = {"name": "Spice House", "lead_type": "sales", "source": "B2B", "center": "north"}


@pytest.fixture
def trader(business: Callable[[str], Cast]) -> CheckedClient:
    return business("trading").alice


def made(client: CheckedClient, body: Row, **more: object) -> Row:
    response = client.post("/api/leads/", body | more)
    assert response.status_code == 201, response.content
    answer: Row = response.json()
    return answer


def refused(client: CheckedClient, body: Row, **more: object) -> set[tuple[str, str]]:
    response = client.post("/api/leads/", body | more)
    assert response.status_code == 422, response.content
    return codes(response)


def test_each_type_has_its_sources(trader: CheckedClient) -> None:
    made(trader, FARMER, source="Mandi Broker")
    made(trader, BUYER, source="B2C")
    assert refused(trader, FARMER, source="B2B") == {("/source", "not_applicable")}
    assert refused(trader, BUYER, source="Farmers") == {("/source", "not_applicable")}
    assert refused(trader, {"name": "Nobody", "center": "north"}) == {("/lead_type", "required")}
    assert refused(trader, BUYER, lead_type="rental", source=None) == {("/lead_type", "not_an_option")}


def test_an_industry_is_for_those_who_buy(trader: CheckedClient) -> None:
    assert made(trader, BUYER, fields={"industry": "ayurvedic"})["fields"]["industry"] == "ayurvedic"
    assert refused(trader, FARMER, fields={"industry": "fmcg"}) == {("/fields/industry", "not_applicable")}
    assert refused(trader, BUYER, fields={"industry": "mining"}) == {("/fields/industry", "not_an_option")}


def test_goods_are_weighed_with_three_decimals(trader: CheckedClient) -> None:
    lead = made(trader, FARMER, quantity={"amount": "1250.125", "unit": "kg"})
    assert lead["quantity"] == {"amount": "1250.125", "unit": "kg"}
    assert refused(trader, FARMER, quantity={"amount": "1.2345", "unit": "mt"}) == {
        ("/quantity/amount", "too_many_decimals"),
    }  # fmt: skip
    assert refused(trader, FARMER, quantity={"amount": "-5", "unit": "kg"}) == {("/quantity/amount", "below_zero")}
    below = trader.patch(f"/api/leads/{lead['uid']}/", {"quantity": {"amount": -1, "unit": "kg"}})
    assert codes(below) == {("/quantity/amount", "below_zero")}
    wrong = trader.patch(f"/api/leads/{lead['uid']}/", {"quantity": {"amount": "3", "unit": "bags"}})
    assert codes(wrong) == {("/quantity/unit", "not_an_option")}
    right = trader.patch(f"/api/leads/{lead['uid']}/", {"quantity": {"amount": 3, "unit": "units"}})
    assert right.json()["quantity"] == {"amount": "3", "unit": "units"}


@pytest.mark.parametrize(("days", "heat"), [(0, "hot"), (30, "hot"), (31, "warm"), (60, "warm"), (61, "cold")])
def test_the_temperature_follows_from_the_expected_date(trader: CheckedClient, days: int, heat: str) -> None:
    today: date = datetime.now(UTC).date()
    lead = made(trader, BUYER, expected_close_on=str(today + timedelta(days=days)))
    assert lead["temperature"] == heat
    assert [row["uid"] for row in listed(trader, f"temperature={heat}")["results"]] == [lead["uid"]]


def test_without_a_date_it_is_cold_unless_somebody_says_otherwise(trader: CheckedClient) -> None:
    assert made(trader, BUYER)["temperature"] == "cold"
    assert made(trader, BUYER, temperature="hot")["temperature"] == "hot"


def test_everybody_is_from_india_unless_they_are_not(trader: CheckedClient) -> None:
    assert made(trader, FARMER)["address"]["country"] == "India"
    assert made(trader, FARMER, address={"city": "Nashik"})["address"] == {
        "line": None, "city": "Nashik", "state": None, "country": "India", "pincode": None,
    }  # fmt: skip
    assert made(trader, BUYER, address={"country": "Nepal"})["address"]["country"] == "Nepal"


def test_who_is_to_be_called_next_comes_first_and_the_undated_last(trader: CheckedClient) -> None:
    for name, day in (("late", "2030-03-01"), ("never", None), ("soon", "2030-01-01"), ("middle", "2030-02-01")):
        made(trader, BUYER, name=name, next_follow_up_at=day and f"{day}T10:00:00Z")
    assert [row["name"] for row in listed(trader)["results"]] == ["soon", "middle", "late", "never"]


def test_through_the_stages_and_into_the_hold_and_out(trader: CheckedClient) -> None:
    uid = made(trader, FARMER)["uid"]
    for stage in ("hold", "open", "wip", "won"):
        assert go(trader, uid, stage).status_code == 200, stage
    assert read(trader, uid)["status"] == "won"
    other = made(trader, FARMER)["uid"]
    assert go(trader, other, "won").json()["refusals"][0]["code"] == "not_allowed_from_here"
    assert go(trader, other, "rejected", reason="quality").json()["status"] == "lost"


@pytest.mark.parametrize("kind", ["note", "call", "visit", "follow_up"])
def test_what_happens_is_written_down(trader: CheckedClient, kind: str) -> None:
    uid = made(trader, FARMER)["uid"]
    assert trader.post(f"/api/leads/{uid}/activities/", {"kind": kind, "body": "Ten sacks"}).status_code == 201
    go(trader, uid, "wip")
    told = [line["kind"] for line in read(trader, uid)["activities"]]
    assert told == ["system", kind, "stage_change"]


def test_a_sale_that_is_lost_says_so_in_stage_and_status(trader: CheckedClient) -> None:
    uid = made(trader, BUYER)["uid"]
    go(trader, uid, "lost", reason="price")
    assert [line["kind"] for line in read(trader, uid)["activities"]][-2:] == ["stage_change", "status_change"]


def test_the_public_form_asks_for_no_type_and_the_first_stage_does(trader: CheckedClient, business: object) -> None:
    answer = CheckedClient().post("/api/public/leads/", {"name": "A", "email": "a@mill.example.com", "center": "north"})
    assert answer.status_code == 201, answer.content
    uid = answer.json()["id"]
    assert {r.get("field") for r in go(trader, uid, "wip").json()["refusals"]} == {"lead_type"}
    trader.patch(f"/api/leads/{uid}/", {"lead_type": "sales"})
    assert go(trader, uid, "wip").status_code == 200
