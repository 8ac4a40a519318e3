"""Each filter of the list: what it lets through, and what it does not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.steps import codes, fields, found, go, listed, rewrite
from tests.cast import NORTH, SOUTH, Cast, lead

TODAY = datetime.now(UTC)


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).date().isoformat()


def moment(days: int) -> datetime:
    return TODAY + timedelta(days=days)


# filter -> what the lead it finds has; what the lead it does not find has
BY_VALUES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "source=website": ({"source": "website"}, {"source": "referral"}),
    "source=website,phone": ({"source": "phone"}, {"source": None}),
    "priority=high": ({"priority": "high"}, {"priority": "low"}),
    "lead_type=sales": ({"lead_type": "sales"}, {"lead_type": "buying"}),
    "tags=a,b": ({"tags": ["b", "c", "a"]}, {"tags": ["a"]}),
    "any_tags=a,b": ({"tags": ["b"]}, {"tags": ["c"]}),
    "score_min=60": ({"score_override": 60}, {"score_override": 59}),
    "score_max=60": ({"score_override": 60}, {"score_override": 61}),
    "score_min=10&score_max=20": ({"score_override": 15}, {"score_override": 25}),
    "hot=true": ({"score_override": 71}, {"score_override": 70}),
    "hot=false": ({"score_override": 70}, {"score_override": 71}),
    "hot=true&score_max=80": ({"score_override": 80}, {"score_override": 81}),
    "temperature=hot": ({"expected_close_on": day(30)}, {"expected_close_on": day(31)}),
    "temperature=warm": ({"expected_close_on": day(60)}, {"expected_close_on": day(61)}),
    "temperature=cold": ({"expected_close_on": None}, {"expected_close_on": day(60)}),
    "temperature=cold,warm": ({"temperature": "warm", "expected_close_on": day(1)}, {"expected_close_on": day(1)}),
    "field.budget=9.50": ({"fields": {"budget": "9.5"}}, {"fields": {"budget": "95"}}),
    "field.budget=1,2": ({"fields": {"budget": "2.00"}}, {"fields": {"budget": "12"}}),
    "field.budget_min=9.5": ({"fields": {"budget": "10"}}, {"fields": {"budget": "9"}}),
    "field.budget_max=9.5": ({"fields": {"budget": "9.5"}}, {"fields": {"budget": "10"}}),
    "field.budget_min=2&field.budget_max=11": ({"fields": {"budget": "11"}}, {"fields": {"budget": "100"}}),
    "q=lovelace": ({"name": "Ada Lovelace"}, {"name": "Grace Hopper"}),
}


@pytest.mark.parametrize("query", BY_VALUES)
def test_a_filter_of_values_finds_the_one_and_not_the_other(cast: Cast, query: str) -> None:
    right, wrong = (lead(cast.alice, **values)["uid"] for values in BY_VALUES[query])
    everything = {right, wrong}
    assert found(cast.alice, query) == {right}
    assert found(cast.alice, f"{query}&sort=name") == {right}
    assert listed(cast.alice, query)["count"] == 1
    assert found(cast.alice, "") == everything


# filter -> the stored values of the lead it finds; of the lead it does not find
BY_TIMES = {
    f"created_from={day(-2)}": ("created_at", -2, -4),
    f"created_to={day(-2)}": ("created_at", -2, -1),
    f"created_from={day(-3)}&created_to={day(-2)}": ("created_at", -3, -1),
    f"updated_from={day(-2)}": ("updated_at", -1, -3),
    f"updated_to={day(-2)}": ("updated_at", -3, -1),
    f"follow_up_from={day(2)}": ("keys__follow_up", 3, 1),
    f"follow_up_to={day(2)}": ("keys__follow_up", 1, 3),
    f"stage_entered_from={day(-2)}": ("stage_entered_at", -1, -3),
    f"stage_entered_to={day(-2)}": ("stage_entered_at", -3, -1),
}


@pytest.mark.parametrize("query", BY_TIMES)
@pytest.mark.parametrize("sort", ["", "&sort=created_at", "&sort=next_follow_up_at", "&sort=updated_at"])
def test_from_and_to_include_both_ends(cast: Cast, query: str, sort: str) -> None:
    path, right_day, wrong_day = BY_TIMES[query]
    right, wrong = (lead(cast.alice)["uid"] for _ in range(2))
    rewrite(right, **{path: moment(right_day)})
    rewrite(wrong, **{path: moment(wrong_day)})
    assert found(cast.alice, query + sort) == {right}


def test_times_can_be_exact(cast: Cast) -> None:
    made = lead(cast.alice)
    at = made["created_at"]
    assert found(cast.alice, f"created_from={at}&created_to={at}") == {made["uid"]}
    assert found(cast.alice, "created_from=2099-01-01T00:00:00Z") == set()


ENDS = [
    f"{name}_{end}" for name in ("created", "updated", "follow_up", "stage_entered")
    for end in ("from=0001-01-01", "to=9999-12-31", "from=today-9999", "to=today%2B9999")
]  # fmt: skip


@pytest.mark.parametrize("query", ENDS)
def test_the_calendar_may_be_asked_to_its_ends(cast: Cast, query: str) -> None:
    uid = lead(cast.alice, next_follow_up_at="2027-01-01T00:00:00Z")["uid"]
    assert found(cast.alice, query) == found(cast.alice, f"{query}&sort=name") == {uid}
    for path in ("/api/leads/kanban/", "/api/leads/kanban/stage-new/", "/api/reports/summary/"):
        assert cast.alice.get(f"{path}?{query}").status_code == 200


def test_beyond_its_ends_nothing_is_found(cast: Cast) -> None:
    lead(cast.alice)
    assert found(cast.alice, "created_from=9999-12-31") == found(cast.alice, "created_to=0001-01-01") == set()


@pytest.mark.parametrize(("asked", "before"), [("as-of/?at", 404), ("diff/?to", 422), ("diff/?from", 404)])
def test_so_may_the_past(cast: Cast, asked: str, before: int) -> None:
    uid = lead(cast.alice)["uid"]
    assert cast.alice.get(f"/api/leads/{uid}/{asked}=9999-12-31").status_code == 200
    assert cast.alice.get(f"/api/leads/{uid}/{asked}=0001-01-01").status_code == before


def test_so_may_what_is_done_at_once_and_what_is_saved(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    filters = {"created_to": "9999-12-31", "created_from": "0001-01-01"}
    order = {"action": "tag", "tags": ["x"], "filter": filters, "dry_run": True}
    told = cast.alice.post("/api/leads/bulk/", order)
    assert told.status_code == 200, told.content
    view = cast.alice.post("/api/views/", {"name": "All", "filters": filters})
    assert view.status_code == 201, view.content
    assert found(cast.alice, f"view={view.json()['uid']}") == {uid}


@pytest.mark.parametrize("at", [
    "1900-01-01T00:00:00+01:00", "9000-12-31T23:30:00-01:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
])  # fmt: skip
def test_a_time_that_is_out_of_bounds_in_utc_is_refused(cast: Cast, at: str) -> None:
    made = lead(cast.alice)
    answer = cast.alice.patch(f"/api/leads/{made['uid']}/", {"next_follow_up_at": at})
    assert {pointer for pointer, _ in codes(answer)} == {"/next_follow_up_at"}
    assert cast.alice.get(f"/api/leads/?created_to={at.replace('+', '%2B')}").status_code == 422


def test_follow_up_to_leaves_out_leads_without_one(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
    lead(cast.alice)
    assert found(cast.alice, "follow_up_to=2090-01-01") == set()
    assert found(cast.alice, "follow_up_from=2020-01-01") == set()


def test_stage_and_kind(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
    new, lost = lead(cast.alice)["uid"], lead(cast.alice)["uid"]
    go(cast.alice, lost, "stage-lost", reason="x")
    assert found(cast.alice, "stage=stage-new") == {new}
    assert found(cast.alice, "stage=stage-new,stage-lost") == {new, lost}
    assert found(cast.alice, "kind=lost") == found(cast.alice, "status=lost") == {lost}
    assert found(cast.alice, "kind=open,won") == found(cast.alice, "status=open") == {new}
    assert found(cast.alice, "kind=lost&stage=stage-new") == set()


def test_centre(cast: Cast) -> None:
    north, south = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
    assert found(cast.root, f"center={NORTH}") == {north}
    assert found(cast.root, f"center={NORTH},{SOUTH}") == {north, south}
    assert found(cast.root, "center=moon") == set()


def test_assignee(cast: Cast) -> None:
    bobs, mine, nobodys = (
        lead(cast.alice, assigned_to=people)["uid"] for people in ([cast.bob.uid], [cast.alice.uid], [])
    )
    assert found(cast.alice, f"assigned_to={cast.bob.uid}") == {bobs}
    assert found(cast.alice, "assigned_to=me") == {mine}
    assert found(cast.alice, "assigned_to=none") == {nobodys}
    assert found(cast.alice, f"assigned_to=me,none,{cast.bob.uid}") == {bobs, mine, nobodys}
    assert found(cast.alice, "assigned_to=me,none&sort=-score&q=lovelace") == {mine, nobodys}


def test_overdue(cast: Cast) -> None:
    late, calm = (lead(cast.alice)["uid"] for _ in range(2))
    rewrite(late, due=[moment(-1)])
    assert found(cast.alice, "overdue=true") == {late}
    assert found(cast.alice, "overdue=false") == {calm}
    by_uid = {row["uid"]: row["overdue_tasks"] for row in listed(cast.alice)["results"]}
    assert by_uid == {late: 1, calm: 0}


def test_stale(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"sla_hours": 24})
    old, fresh = (lead(cast.alice)["uid"] for _ in range(2))
    rewrite(old, stage_entered_at=moment(-2))
    assert found(cast.alice, "stale=true") == {old}
    assert found(cast.alice, "stale=false") == {fresh}
    assert {row["uid"]: row["stale"] for row in listed(cast.alice)["results"]} == {old: True, fresh: False}


def test_custom_fields_of_all_comparable_types(cast: Cast) -> None:
    options = [{"value": "a"}, {"value": "b"}]
    types = {
        "text": ("x", "y"), "integer": (9, 10), "boolean": (True, False), "date": ("2026-01-02", "2026-01-03"),
        "datetime": ("2026-01-02T10:00:00Z", "2026-01-02T10:00:01Z"), "email": ("a@example.com", "b@example.com"),
        "phone": ("+1 415 555 0132", "+1 415 555 0133"), "url": ("https://a.example", "https://b.example"),
        "select": ("a", "b"), "multi_select": (["a"], ["b"]), "user": (cast.bob.uid, cast.alice.uid),
        "money": ({"amount": 5, "currency": "EUR"}, {"amount": 6, "currency": "EUR"}),
    }  # fmt: skip
    fields(cast.root, *(
        {"field_key": f"f_{kind}", "field_type": kind, **({"options": options} if "select" in kind else {})}
        for kind in types
    ))  # fmt: skip
    right, wrong = (
        lead(cast.alice, fields={"budget": "1"} | {f"f_{kind}": values[n] for kind, values in types.items()})["uid"]
        for n in (0, 1)
    )
    for kind, (value, _) in types.items():
        asked = {"money": "5", "multi_select": "a", "boolean": "true", "phone": "%2B1 415 555 0132"}.get(kind, value)
        assert found(cast.alice, f"field.f_{kind}={asked}") == {right}, kind
    assert found(cast.alice, "field.f_integer_min=10") == {wrong}
    assert found(cast.alice, "field.f_date_max=2026-01-02") == {right}
    assert found(cast.alice, "field.f_money_min=6") == {wrong}
    assert found(cast.alice, "field.f_select=a,b") == {right, wrong}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("stage=moon", "/stage"),
        ("status=moon", "/status/0"),
        ("kind=moon", "/kind/0"),
        ("temperature=tepid", "/temperature/0"),
        ("hot=perhaps", "/hot"),
        ("score_min=101", "/score_min"),
        ("score_max=-1", "/score_max"),
        ("created_from=yesterday", "/created_from"),
        ("created_from=2026-02-30", "/created_from"),
        ("created_from=5", "/created_from"),
        ("created_to=2026-01-01T10:00:00", "/created_to"),
        ("field.moon=1", "/field.moon"),
        ("field.budget=much", "/field.budget"),
        ("field.budget_min=", "/field.budget"),
        ("colour=red", "/colour"),
        ("budget=1", "/budget"),
        ("stage=stage-new&stage=stage-won", "/stage"),
        ("$where=1", "/$where"),
        ("q=%00", "/q"),
    ],
)
def test_what_cannot_be_asked_is_refused(cast: Cast, query: str, pointer: str) -> None:
    response = cast.alice.get(f"/api/leads/?{query}")
    assert response.status_code == 422
    assert {at.partition("/0")[0] for at, _ in codes(response)} == {pointer.partition("/0")[0]}


@pytest.mark.parametrize("query", ["status=", "status=,", "status=,open", "temperature=&stage="])
def test_what_is_left_empty_filters_nothing(cast: Cast, query: str) -> None:
    """As forms send it."""
    lead(cast.alice)
    assert cast.alice.get(f"/api/leads/?{query}").json()["count"] == 1
