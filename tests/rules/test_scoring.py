"""Points and their reasons; how hot a lead is."""

from datetime import date, timedelta
from typing import Any

import pytest

from leads.documents import Lead
from leads.scoring import heat, score
from tests.rules.making import FLOW, NOW, flow, later, new_lead
from workflow.documents import Temperature
from workflow.scoring import Scoring

FIELDS = [
    {"field_key": "size", "field_type": "select", "options": [{"value": v} for v in ("small", "big", "None")]},
    {"field_key": "likes", "field_type": "multi_select", "options": [{"value": v} for v in ("a", "b", "c")]},
    {"field_key": "n", "field_type": "integer"}, {"field_key": "yes", "field_type": "boolean"},
]  # fmt: skip
WITH_FIELDS = flow(variables=FIELDS)


def lead(**values: Any) -> Lead:
    return new_lead(WITH_FIELDS, **values)


def points(rule: dict[str, Any], now: Any = NOW, **values: Any) -> int:
    scoring = Scoring.model_validate({"base": 0, "rules": [rule | {"points": 7}]})
    return score(dict(lead(**values)), scoring, now)[0]


@pytest.mark.parametrize(("values", "total"), [
    ({}, 50), ({"source": "referral"}, 70), ({"source": "website"}, 65), ({"source": "facebook"}, 60),
    ({"source": "instagram"}, 60), ({"source": "whatsapp"}, 55), ({"source": "other"}, 50), ({"company": "Acme"}, 60),
    ({"email": "ada@acme.com"}, 60), ({"email": "ada@gmail.com"}, 50), ({"email": "ada@GMail.com"}, 50),
    ({"email": "ada@mailinator.com"}, 50), ({"email": "ada@outlook.com"}, 50), ({"email": "ada@yahoo.com"}, 50),
    ({"tags": ["enterprise"]}, 65), ({"tags": ["hot", "urgent", "enterprise"]}, 65), ({"tags": ["Urgent"]}, 65),
    ({"tags": ["hotel"]}, 50),
    ({"source": "referral", "email": "ada@acme.com", "company": "Acme", "tags": ["enterprise"]}, 100),
])  # fmt: skip
def test_the_default_rules(values: dict[str, Any], total: int) -> None:
    assert new_lead(FLOW, **values).score == total


def test_every_contribution_is_a_reason() -> None:
    made = new_lead(source="referral", email="ada@acme.com", company="Acme", tags=["enterprise"])
    assert [reason.points for reason in made.score_reasons] == [50, 20, 10, 10, 15]
    assert all(reason.reason for reason in made.score_reasons)
    assert {r.reason for r in score(dict(made), Scoring(base=0, rules=[]), NOW)[1]} == {"base"}


@pytest.mark.parametrize(("base", "given", "total"), [(90, 20, 100), (10, -20, 0), (10, 5, 15)])
def test_the_score_stays_within_bounds(base: int, given: int, total: int) -> None:
    rule = {"when": "filled", "field": "company", "points": given, "label": "Firm"}
    result, reasons = score(dict(lead(company="A")), Scoring.model_validate({"base": base, "rules": [rule]}), NOW)
    assert (result, [(r.points, r.reason) for r in reasons]) == (total, [(base, "base"), (given, "Firm")])


@pytest.mark.parametrize("by_hand", [0, 33, 100])
def test_a_score_by_hand_wins_and_says_so(by_hand: int) -> None:
    made = new_lead(score_override=by_hand, company="A")
    assert made.score == by_hand == sum(reason.points for reason in made.score_reasons)
    assert made.score_reasons[-1].reason == "set by hand"


SIZE = {"when": "value", "field": "size", "any_of": ["big"]}


@pytest.mark.parametrize(("rule", "values", "holds"), [
    ({"when": "source", "any_of": ["a", "b"]}, {"source": "b"}, True), ({"when": "source", "any_of": ["a"]}, {}, False),
    ({"when": "filled", "field": "phone"}, {"phone": "+49 30 1234"}, True),
    ({"when": "filled", "field": "phone"}, {}, False), ({"when": "filled", "field": "tags"}, {}, False),
    ({"when": "filled", "field": "size"}, {"fields": {"size": "big"}}, True),
    ({"when": "filled", "field": "fields.size"}, {"fields": {"size": "big"}}, True),
    ({"when": "filled", "field": "n"}, {"fields": {"n": 0}}, True),
    ({"when": "filled", "field": "yes"}, {"fields": {"yes": False}}, True),
    ({"when": "disposable_email"}, {"email": "a@mailinator.com"}, True),
    ({"when": "disposable_email"}, {"email": "a@acme.com"}, False), ({"when": "disposable_email"}, {}, False),
    ({"when": "business_email"}, {"email": "a@acme.com"}, True), ({"when": "business_email"}, {}, False),
    ({"when": "tag", "any_of": ["VIP"]}, {"tags": ["vip"]}, True), ({"when": "tag", "any_of": ["vip"]}, {}, False),
    (SIZE, {"fields": {"size": "big"}}, True), (SIZE, {"fields": {"size": "small"}}, False), (SIZE, {}, False),
    (SIZE | {"field": "likes", "any_of": ["b", "c"]}, {"fields": {"likes": ["a", "c"]}}, True),
    (SIZE | {"field": "likes"}, {"fields": {"likes": ["a"]}}, False),
    (SIZE | {"field": "n", "any_of": ["5"]}, {"fields": {"n": 5}}, True),
    (SIZE | {"field": "yes", "any_of": ["true"]}, {"fields": {"yes": True}}, True),
    (SIZE | {"any_of": ["None"]}, {}, False), (SIZE | {"any_of": ["None"]}, {"fields": {"size": "None"}}, True),
])  # fmt: skip
def test_each_kind_of_rule(rule: dict[str, Any], values: dict[str, Any], holds: bool) -> None:
    assert points(rule, **values) == (7 if holds else 0)


@pytest.mark.parametrize(
    ("after", "holds"), [({"days": 2, "hours": 23}, False), ({"days": 3}, True), ({"days": 9}, True)]
)
def test_age_counts_in_whole_days(after: dict[str, int], holds: bool) -> None:
    assert points({"when": "age", "min_days": 3}, later(**after)) == (7 if holds else 0)


TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(("days", "expected"), [
    (-1, "hot"), (0, "hot"), (30, "hot"), (31, "warm"), (60, "warm"), (61, "cold"), (None, "cold"),
])  # fmt: skip
def test_the_temperature_follows_from_the_expected_close(days: int | None, expected: str) -> None:
    closes = None if days is None else (TODAY + timedelta(days=days)).isoformat()
    assert heat(None, closes, Temperature(), TODAY) == expected
    assert heat("cold", closes, Temperature(), TODAY) == "cold"
    assert heat(None, closes, None, TODAY) is None


def test_a_temperature_by_hand_stands_without_a_rule() -> None:
    assert heat("hot", None, None, TODAY) == "hot"
