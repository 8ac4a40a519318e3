"""A saved view at work: the list, the board and its columns ask what it says, where they say nothing themselves."""

from datetime import timedelta
from typing import Any

import pytest

from lead_crm import mongo
from lead_crm.documents import now
from leads import views
from leads.messages import LeadQuery
from leads.views_messages import ViewedList
from tests.api.steps import cards, codes, column, found, listed, local, pages, read, ready, rewrite, uids, walked
from tests.cast import Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import kinds, noted
from workflow import service as workflow_service

Row = dict[str, Any]


def view(client: CheckedClient, **values: object) -> str:
    response = client.post("/api/views/", {"name": "A view"} | values)
    assert response.status_code == 201, response.content
    return str(response.json()["uid"])


def scored(cast: Cast, *scores: int, **values: object) -> list[str]:
    return [str(lead(cast.alice, score_override=score, name=f"Lead {score}", **values)["uid"]) for score in scores]


def saved_long_ago(uid: str, **values: object) -> None:
    """With what is there no longer."""
    assert mongo.collection("views").update_one({"uid": uid}, {"$set": values}).matched_count


def told(refused: Any, used: str, expected: dict[str, str]) -> None:
    assert refused.status_code == 422
    faults = refused.json()["errors"]
    assert {fault["in_view"]: fault["code"] for fault in faults} == expected
    for fault in faults:
        assert (fault["pointer"], fault["view"]) == ("/view", used)
        assert fault["detail"].startswith('The view "East" no longer fits: ')
        assert f"PATCH /api/views/{used}/" in fault["detail"]


class TestTheList:
    def test_has_the_views_filters_columns_and_order(self, cast: Cast) -> None:
        _, high, mid = scored(cast, 20, 90, 60)
        used = view(cast.bob, filters={"score_min": 50}, columns=["name", "score"], sort="-score")
        page = listed(cast.bob, f"view={used}")
        assert page["results"] == [
            {"uid": high, "name": "Lead 90", "score": 90}, {"uid": mid, "name": "Lead 60", "score": 60},
        ]  # fmt: skip
        assert page["count"] == 2

    def test_what_the_address_says_wins(self, cast: Cast) -> None:
        low, high, mid = scored(cast, 20, 90, 60)
        used = view(cast.bob, filters={"score_min": 50, "score_max": 80}, columns=["name"], sort="-score")
        for more, expected in (
            ("score_min=10", [mid, low]), ("score_max=100", [high, mid]), ("sort=score&score_min=0", [low, mid]),
        ):  # fmt: skip
            assert uids(listed(cast.bob, f"view={used}&{more}")["results"]) == expected, more
        assert list(listed(cast.bob, f"view={used}&fields=company")["results"][0]) == ["uid", "company"]

    def test_custom_fields_win_one_by_one(self, cast: Cast) -> None:
        for budget in ("5", "50", "500"):
            lead(cast.alice, name=f"Budget {budget}", fields={"budget": budget})
        used = view(cast.bob, filters={"field": {"budget_min": "10", "budget_max": "100"}}, columns=["name"])
        named = {more: [row["name"] for row in listed(cast.bob, f"view={used}{more}")["results"]] for more in (
            "", "&field.budget_max=1000", "&field.budget_min=1",
        )}  # fmt: skip
        assert named == {
            "": ["Budget 50"], "&field.budget_max=1000": ["Budget 500", "Budget 50"],
            "&field.budget_min=1": ["Budget 50", "Budget 5"],
        }  # fmt: skip

    def test_me_is_whoever_looks(self, cast: Cast) -> None:
        used = view(cast.bob, filters={"assigned_to": ["me"]}, shared=True)
        for who in (cast.bob, cast.carol):
            lead(cast.alice, assigned_to=[who.uid])
        for who in (cast.bob, cast.carol):
            assert found(who, f"view={used}") == found(who, "assigned_to=me") != set()

    def test_nobody_sees_more_by_it_than_without(self, cast: Cast) -> None:
        hers = lead(cast.alice, assigned_to=[cast.carol.uid])["uid"]
        used = view(cast.root, filters={"assigned_to": [cast.carol.uid]}, shared=True)
        assert found(cast.carol, f"view={used}") == {hers}
        assert found(cast.bob, f"view={used}") == found(cast.charlie, f"view={used}") == set()

    @pytest.mark.parametrize("sort", ["-score", "name"])
    def test_its_pages_follow_each_other(self, cast: Cast, sort: str) -> None:
        scored(cast, *range(10, 80, 10))
        used = view(cast.bob, filters={"score_min": 20}, sort=sort, columns=["score"])
        there = list(pages(cast.bob, f"/api/leads/?limit=2&view={used}"))
        assert [row["score"] for page in there for row in page["results"]] == (
            [70, 60, 50, 40, 30, 20] if sort == "-score" else [20, 30, 40, 50, 60, 70]
        )
        back = list(pages(cast.bob, there[-1]["previous"], way="previous"))
        assert [page["results"] for page in back[::-1]] == [page["results"] for page in there[:-1]]

    def test_a_page_of_a_view_whose_order_has_changed_is_refused(self, cast: Cast) -> None:
        scored(cast, 10, 20, 30)
        used = view(cast.bob, sort="-score")
        following = local(listed(cast.bob, f"limit=1&view={used}")["next"])
        assert cast.bob.patch(f"/api/views/{used}/", {"sort": "name"}).status_code == 200
        refused = cast.bob.get(following)
        assert (refused.status_code, codes(refused)) == (422, {("/cursor", "wrong_cursor")})
        assert "another sort order" in refused.json()["errors"][0]["detail"]

    def test_it_costs_one_small_query_more(self, cast: Cast) -> None:
        used = view(cast.bob, filters={"hot": False})
        listed(cast.bob)
        for query, expected in (("", ["find leads"]), (f"view={used}", ["find views", "find leads"])):
            with noted() as commands:
                listed(cast.bob, query)
            assert kinds(commands) == expected


class TestTheBoard:
    def test_and_its_columns_have_the_views_filters(self, cast: Cast) -> None:
        ours = set(scored(cast, 50, 60, 70, tags=["tea"]))
        scored(cast, 80)
        used = view(cast.bob, filters={"tags": ["tea"]}, sort="-score", columns=["name"])
        assert set(cards(cast.bob, "stage-new", f"view={used}")) == ours
        first = column(cast.bob, "stage-new", f"view={used}&limit=1")
        assert f"view={used}" in first["next"]
        rest = walked(cast.bob, local(first["next"]))
        assert {row["uid"] for row in [*first["leads"], *rest]} == ours
        assert first["count"] == 3

    def test_what_the_address_says_wins(self, cast: Cast) -> None:
        (tea,), (milk,) = scored(cast, 50, tags=["tea"]), scored(cast, 60, tags=["milk"])
        used = view(cast.bob, filters={"tags": ["tea"]})
        assert cards(cast.bob, "stage-new", f"view={used}&tags=milk") == [milk]
        assert cast.bob.get(f"/api/leads/kanban/stage-new/?view={used}&tags=milk").json()["results"][0]["uid"] == milk
        assert cards(cast.bob, "stage-new", f"view={used}") == [tea]


class TestAViewThatNoLongerFits:
    def test_names_itself_and_what_to_change(self, cast: Cast) -> None:
        used = view(cast.bob, name="East", filters={"stage": ["stage-qualified"]}, shared=True)
        assert cast.carol.get(f"/api/leads/?view={used}").status_code == 200
        gone = {"filters.field": {"gone_min": "1"}, "filters.beauty": True, "sort": "field.gone", "columns": ["gone"]}
        saved_long_ago(used, **gone)
        assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
        expected = {
            "/filters/stage": "unknown_stage", "/filters/field/gone_min": "unknown_field", "/sort": "unknown_sort",
            "/columns": "unknown_field",
        }  # fmt: skip
        told(cast.carol.get(f"/api/leads/?view={used}"), used, {"/filters/beauty": "unknown_key"})
        saved_long_ago(used, filters={"stage": ["stage-qualified"], "field": {"gone_min": "1"}})
        told(cast.carol.get(f"/api/leads/?view={used}"), used, expected)
        filters_alone = {place: code for place, code in expected.items() if place.startswith("/filters")}
        for path in ("/api/leads/kanban/", "/api/leads/kanban/stage-new/"):
            told(cast.carol.get(f"{path}?view={used}"), used, filters_alone)

    def test_works_where_the_address_says_otherwise(self, cast: Cast) -> None:
        used = view(cast.bob, filters={"stage": ["stage-qualified"], "score_min": 60})
        high, _ = scored(cast, 60, 50)
        assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
        assert cast.bob.get(f"/api/leads/?view={used}").status_code == 422
        assert found(cast.bob, f"view={used}&stage=stage-new") == {high}

    def test_can_be_put_right(self, cast: Cast) -> None:
        used = view(cast.bob, filters={"stage": ["stage-qualified"]})
        assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
        assert cast.bob.patch(f"/api/views/{used}/", {"filters": {}}).status_code == 200
        assert listed(cast.bob, f"view={used}")["results"] == []

    @pytest.mark.parametrize("uid", ["view-unknown", "LEAD-1"])
    def test_there_is_none(self, cast: Cast, uid: str) -> None:
        for path in ("/api/leads/", "/api/leads/kanban/", "/api/leads/kanban/stage-new/"):
            assert codes(cast.bob.get(f"{path}?view={uid}")) == {("/view", "unknown_view")}


class TestRelativeDays:
    @pytest.mark.parametrize(("filters", "expected"), [
        ("created_from=today", {"now"}), ("created_from=today-1", {"now", "yesterday"}),
        ("created_to=today-1", {"yesterday", "long ago"}), ("created_from=today-40&created_to=today-30", {"long ago"}),
        ("created_from=today%2B1", set()), ("created_to=today+1", {"now", "yesterday", "long ago"}),
        ("stage_entered_from=today-400&updated_to=today", {"now", "yesterday", "long ago"}),
    ])  # fmt: skip
    def test_count_from_this_day(self, cast: Cast, filters: str, expected: set[str]) -> None:
        today = now()
        for name, days in (("now", 0), ("yesterday", 1), ("long ago", 35)):
            uid = str(lead(cast.alice, name=name)["uid"])
            rewrite(uid, created_at=today.replace(hour=0, minute=0) - timedelta(days=days))
        assert {row["name"] for row in listed(cast.bob, filters)["results"]} == expected

    def test_are_counted_on_the_day_a_view_is_used(self, cast: Cast) -> None:
        uid = str(ready(cast.alice)["uid"])
        used = view(cast.alice, filters={"follow_up_from": "today", "follow_up_to": "today+2"})
        for days, there in ((0, True), (2, True), (3, False), (-1, False)):
            day = (now() + timedelta(days=days)).date().isoformat()
            assert cast.alice.patch(f"/api/leads/{uid}/", {"next_follow_up_at": f"{day}T12:00:00Z"}).status_code == 200
            assert (found(cast.alice, f"view={used}") == {uid}) is there, days
        assert read(cast.alice, uid)["next_follow_up_at"] is not None

    @pytest.mark.parametrize("text", ["today+", "today-x", "Today", "today+12345", "tomorrow", "today++1"])
    def test_are_written_in_one_way(self, cast: Cast, text: str) -> None:
        assert codes(cast.bob.get(f"/api/leads/?created_from={text}")) == {("/created_from", "invalid")}


def test_a_query_without_a_view_is_what_it_was(cast: Cast) -> None:
    asked: Row = {"actor": None, "workflow": workflow_service.current(), "now": now()}
    for query in (ViewedList(limit=3), LeadQuery(hot=True)):
        assert views.applied(query, **asked) is query
