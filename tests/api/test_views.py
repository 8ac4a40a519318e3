"""Saved views: one's own, or shared with those one works with; what is wrong with one is told when it is saved."""

from typing import Any

import pytest

from lead_crm import directory, mongo
from leads import views_store
from tests.api.steps import at_once, codes, fields, statuses, twin, walked
from tests.cast import Cast
from tests.contract import CheckedClient
from tests.stores.commands import explained, name, noted, stages

Row = dict[str, Any]

HOT: Row = {
    "name": "Hot ones", "filters": {"hot": True, "stage": ["stage-new"], "assigned_to": ["me"]},
    "columns": ["name", "score"], "sort": "-score",
}  # fmt: skip


def saved(client: CheckedClient, **values: object) -> Row:
    response = client.post("/api/views/", HOT | values)
    assert response.status_code == 201, response.content
    view: Row = response.json()
    return view


def names(client: CheckedClient, query: str = "") -> list[str]:
    return [row["name"] for row in walked(client, f"/api/views/{query}")]


class TestSaving:
    def test_answers_the_view_with_its_etag(self, cast: Cast) -> None:
        response = cast.bob.post("/api/views/", HOT)
        view = response.json()
        assert (response.status_code, response["ETag"]) == (201, '"1"')
        assert view.pop("uid").startswith("view-")
        assert view.pop("created_at") == view.pop("updated_at")
        assert view == HOT | {"shared": False, "owner": cast.bob.uid, "can_edit": True, "version": 1}

    def test_only_what_is_set_is_kept(self, cast: Cast) -> None:
        filters = {
            "hot": None,
            "stage": None,
            "overdue": False,
            "field": {"budget_min": "5"},
            "created_from": "today-7",
        }
        view = saved(cast.bob, filters=filters)
        assert view["filters"] == {"overdue": False, "field": {"budget_min": "5"}, "created_from": "today-7"}

    def test_times_are_kept_as_they_are(self, cast: Cast) -> None:
        filters = {"created_from": "2026-01-31T09:30:00Z", "created_to": "2026-02-28"}
        assert saved(cast.bob, filters=filters)["filters"] == {
            "created_from": "2026-01-31T09:30:00Z", "created_to": "2026-02-28",
        }  # fmt: skip

    def test_all_that_is_wrong_is_told_at_once_and_where(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "plan", "field_type": "json"}, {"field_key": "day", "field_type": "date"})
        response = cast.bob.post("/api/views/", {
            "name": "Wrong", "columns": ["name", "colour", "keys"], "sort": "beauty",
            "filters": {
                "stage": ["stage-new", "stage-gone"], "field": {"nothing": "1", "plan": "x", "day_min": "soon"},
            },
        })  # fmt: skip
        assert response.status_code == 422
        assert codes(response) == {
            ("/filters/stage", "unknown_stage"), ("/filters/field/nothing", "unknown_field"),
            ("/filters/field/plan", "not_comparable"), ("/filters/field/day_min", "not_a_date"),
            ("/columns", "unknown_field"), ("/sort", "unknown_sort"),
        }  # fmt: skip
        assert len([fault for fault in response.json()["errors"] if fault["pointer"] == "/columns"]) == 2

    @pytest.mark.parametrize(("body", "pointer", "code"), [
        ({"filters": {"hot": "maybe"}}, "/filters/hot", "bool_type"),
        ({"filters": {"view": "view-1"}}, "/filters/view", "unknown_key"),
        ({"filters": {"limit": 5}}, "/filters/limit", "unknown_key"),
        ({"filters": {"created_from": "tomorrow"}}, "/filters/created_from", "invalid"),
        ({"filters": {"score_min": 101}}, "/filters/score_min", "less_than_equal"),
        ({"filters": {"tags": ["x" * 9_000]}}, "/filters", "too_large"),
        ({"name": " "}, "/name", "string_too_short"),
        ({"owner": "somebody"}, "/owner", "unknown_key"),
    ], ids=lambda value: str(value)[:40])  # fmt: skip
    def test_what_the_list_would_refuse_is_refused(self, cast: Cast, body: Row, pointer: str, code: str) -> None:
        response = cast.bob.post("/api/views/", HOT | body)
        assert (response.status_code, codes(response)) == (422, {(pointer, code)})

    def test_no_two_of_ones_own_have_the_same_name(self, cast: Cast) -> None:
        saved(cast.bob)
        again = cast.bob.post("/api/views/", HOT)
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")
        assert saved(cast.carol)["name"] == "Hot ones"

    def test_of_two_who_save_under_one_name_at_once_one_does(self, cast: Cast) -> None:
        both = at_once([lambda: twin(cast.bob).post("/api/views/", HOT) for _ in range(8)], workers=8)
        assert statuses(both) == [201, *[409] * 7]
        assert names(cast.bob) == ["Hot ones"]

    def test_nobody_gets_more_than_there_are_however_they_come(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views_store, "MOST", 4)
        saved(cast.carol)
        made = at_once([
            lambda n=n: twin(cast.bob).post("/api/views/", HOT | {"name": f"View {n}"}) for n in range(8)
        ], workers=8)  # fmt: skip
        assert statuses(made) == [*[201] * 4, *[409] * 4]
        assert {response.json()["code"] for response in made if response.status_code == 409} == {"too_many_views"}
        assert cast.bob.delete(f"/api/views/{walked(cast.bob, '/api/views/')[0]['uid']}/").status_code == 204
        saved(cast.bob, name="There is room again")

    def test_coming_twice_with_one_key_saves_once(self, cast: Cast) -> None:
        first, second = (cast.bob.post("/api/views/", HOT, Idempotency_Key="k") for _ in range(2))
        assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
        assert names(cast.bob) == ["Hot ones"]

    def test_a_field_that_one_may_not_compare_is_none_to_save(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "nickname", "field_type": "text"})
        for body in ({"filters": {"field": {"nickname": "Al"}}}, {"sort": "field.nickname"}):
            assert cast.tom.post("/api/views/", HOT | body).status_code == 403


class TestSeeing:
    def test_a_private_view_is_the_owners_alone(self, cast: Cast) -> None:
        view = saved(cast.bob)
        assert cast.bob.get(f"/api/views/{view['uid']}/").json() == view
        for other in (cast.carol, cast.alice, cast.root, cast.charlie):
            assert names(other) == []
            assert other.get(f"/api/views/{view['uid']}/").status_code == 404

    def test_a_shared_one_is_for_those_of_the_same_centre(self, cast: Cast) -> None:
        view = saved(cast.bob, shared=True)
        for other in (cast.carol, cast.alice, cast.root, cast.vera, cast.tom):
            assert cast.charlie.get(f"/api/views/{view['uid']}/").status_code == 404
            read = other.get(f"/api/views/{view['uid']}/")
            assert (read.status_code, read.json()["owner"]) == (200, cast.bob.uid)
            assert names(other) == ["Hot ones"]
        assert names(cast.charlie) == []

    def test_what_somebody_of_all_centres_shares_is_for_everybody(self, cast: Cast) -> None:
        saved(cast.root, shared=True)
        assert [names(who) for who in (cast.bob, cast.charlie)] == [["Hot ones"]] * 2

    def test_it_ends_when_one_no_longer_works_together(self, cast: Cast) -> None:
        view = saved(cast.bob, shared=True)
        moved = cast.root.patch(f"/api/users/{cast.bob.uid}/", {"centers": ["south"]})
        assert moved.status_code == 200
        assert [names(who) for who in (cast.carol, cast.charlie)] == [[], ["Hot ones"]]
        assert cast.carol.get(f"/api/views/{view['uid']}/").status_code == 404

    def test_those_of_somebody_who_has_left_stay(self, cast: Cast) -> None:
        view = saved(cast.bob, shared=True)
        saved(cast.bob, name="His own")
        assert cast.root.patch(f"/api/users/{cast.bob.uid}/", {"active": False}).status_code == 200
        listed = walked(cast.carol, "/api/views/")
        assert [(row["uid"], row["owner"]) for row in listed] == [(view["uid"], cast.bob.uid)]
        assert cast.carol.get(f"/api/leads/?view={view['uid']}").status_code == 200

    @pytest.mark.parametrize("filters", [{"q": "+1 415 555 0199"}, {"field": {"nickname": "Al"}}], ids=["q", "field"])
    def test_words_about_people_are_not_shown_to_who_sees_no_personal_values(self, cast: Cast, filters: Row) -> None:
        fields(cast.root, {"field_key": "nickname", "field_type": "text"})
        view = saved(cast.bob, shared=True, filters=filters)
        assert names(cast.carol) == ["Hot ones"]
        assert names(cast.tom) == []
        assert cast.tom.get(f"/api/views/{view['uid']}/").status_code == 404
        assert codes(cast.tom.get(f"/api/leads/?view={view['uid']}")) == {("/view", "unknown_view")}

    def test_ones_own_words_are_ones_own(self, cast: Cast) -> None:
        view = saved(cast.tom, filters={"q": "ada"}, shared=True)
        assert names(cast.tom) == ["Hot ones"]
        assert cast.tom.get(f"/api/leads/?view={view['uid']}").status_code == 200

    def test_lists_are_by_name_in_pages(self, cast: Cast) -> None:
        for name_ in ("Cold", "Alpha", "Berlin"):
            saved(cast.bob, name=name_)
        saved(cast.carol, name="Bonn", shared=True)
        assert names(cast.bob, "?limit=3") == names(cast.bob) == ["Alpha", "Berlin", "Bonn", "Cold"]
        assert names(cast.bob, "?mine=true") == ["Alpha", "Berlin", "Cold"]
        assert names(cast.bob, "?mine=false") == ["Bonn"]
        second = cast.bob.get("/api/views/?limit=2&offset=2").json()
        assert (second["count"], second["next"], "offset" in second["previous"]) == (4, None, False)

    def test_lists_walk_along_indexes(self, cast: Cast) -> None:
        for number in range(20):
            saved(cast.bob, name=f"Mine {number}")
            saved(cast.carol, name=f"Hers {number}", shared=number % 2 == 0)
        for query in ("", "?mine=true", "?mine=false"):
            with noted() as commands:
                cast.bob.get(f"/api/views/{query}")
            found = [one for one in commands if name(one) == "find" and one["find"] == "views"]
            assert not stages(explained(found[0])) & {"COLLSCAN", "SORT"}, query


class TestChanging:
    def test_only_what_is_sent_and_filters_as_a_whole(self, cast: Cast) -> None:
        view = saved(cast.bob)
        response = cast.bob.patch(f"/api/views/{view['uid']}/", {"filters": {"stale": True}, "sort": None})
        assert (response.status_code, response["ETag"]) == (200, '"2"')
        changed = response.json()
        assert (changed["filters"], changed["sort"]) == ({"stale": True}, None)
        assert (changed["columns"], changed["name"]) == (view["columns"], view["name"])
        assert cast.bob.get(f"/api/views/{view['uid']}/").json() == changed

    def test_the_same_again_changes_nothing(self, cast: Cast) -> None:
        view = saved(cast.bob)
        assert cast.bob.patch(f"/api/views/{view['uid']}/", HOT).json() == view

    def test_what_is_wrong_is_told(self, cast: Cast) -> None:
        view = saved(cast.bob)
        response = cast.bob.patch(f"/api/views/{view['uid']}/", {"filters": {"stage": ["x"]}, "columns": ["y"]})
        assert codes(response) == {("/filters/stage", "unknown_stage"), ("/columns", "unknown_field")}
        owner = cast.bob.patch(f"/api/views/{view['uid']}/", {"owner": cast.carol.uid, "name": None})
        assert {pointer for pointer, _ in codes(owner)} == {"/owner", "/name"}

    def test_what_is_not_touched_is_not_checked(self, cast: Cast) -> None:
        view = saved(cast.bob, filters={"stage": ["stage-qualified"]})
        assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
        assert cast.bob.patch(f"/api/views/{view['uid']}/", {"name": "Old"}).json()["name"] == "Old"

    def test_another_of_that_name_is_in_the_way(self, cast: Cast) -> None:
        saved(cast.bob, name="Cold ones")
        view = saved(cast.bob)
        response = cast.bob.patch(f"/api/views/{view['uid']}/", {"name": "Cold ones"})
        assert (response.status_code, response.json()["code"]) == (409, "name_taken")

    def test_who_comes_late_is_told_what_has_changed(self, cast: Cast) -> None:
        view = saved(cast.bob)
        at = f"/api/views/{view['uid']}/"
        cast.bob.patch(at, {"columns": ["name"]})
        cast.bob.patch(at, {"shared": True})
        late = cast.bob.patch(at, {"name": "Mine"}, If_Match='"1"')
        assert (late.status_code, late.json()["changed"]) == (412, ["/columns", "/shared"])
        assert cast.bob.delete(at, If_Match='"2"').json()["changed"] == ["/shared"]
        assert cast.bob.patch(at, {"name": "Mine"}, If_Match='"3"').status_code == 200

    def test_two_at_once_both_have_their_way(self, cast: Cast) -> None:
        view = saved(cast.bob, shared=True)
        bodies: list[Row] = [{"name": "Renamed"}, {"columns": ["name"]}, {"sort": "name"}, {"filters": {"hot": False}}]
        done = at_once([lambda body=body: twin(cast.bob).patch(f"/api/views/{view['uid']}/", body) for body in bodies])
        assert statuses(done) == [200] * 4
        after = cast.bob.get(f"/api/views/{view['uid']}/").json()
        assert {key: after[key] for body in bodies for key in body} == {
            k: v for body in bodies for k, v in body.items()
        }
        assert after["version"] == 5

    def test_deleting(self, cast: Cast) -> None:
        view = saved(cast.bob, shared=True)
        assert cast.bob.delete(f"/api/views/{view['uid']}/", If_Match='"1"').status_code == 204
        assert cast.bob.delete(f"/api/views/{view['uid']}/").status_code == 404
        assert (names(cast.bob), mongo.collection("views").count_documents({})) == ([], 0)

    @pytest.mark.parametrize(("who", "may"), [("carol", False), ("vera", False), ("alice", True), ("root", True)])
    def test_a_shared_one_is_changed_by_its_owner_and_by_who_manages_people_there(
        self, cast: Cast, who: str, may: bool
    ) -> None:
        view, client = saved(cast.bob, shared=True), getattr(cast, who)
        assert client.get(f"/api/views/{view['uid']}/").json()["can_edit"] is may
        assert client.patch(f"/api/views/{view['uid']}/", {"sort": "name"}).status_code == (200 if may else 403)
        assert client.delete(f"/api/views/{view['uid']}/").status_code == (204 if may else 403)

    def test_not_by_who_manages_only_some_of_the_owners_centres(self, cast: Cast) -> None:
        both, everywhere = saved(cast.bob, shared=True), saved(cast.root, shared=True)
        assert cast.root.patch(f"/api/users/{cast.bob.uid}/", {"centers": ["north", "south"]}).status_code == 200
        for view in (both, everywhere):
            assert cast.alice.get(f"/api/views/{view['uid']}/").json()["can_edit"] is False
            assert cast.alice.delete(f"/api/views/{view['uid']}/").status_code == 403

    def test_a_name_belongs_to_the_owner_whoever_changes_it(self, cast: Cast) -> None:
        saved(cast.bob, name="Taken")
        saved(cast.alice, name="Free")
        view = saved(cast.bob, shared=True)
        refused = cast.alice.patch(f"/api/views/{view['uid']}/", {"name": "Taken"})
        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
        assert cast.alice.patch(f"/api/views/{view['uid']}/", {"name": "Free"}).json()["owner"] == cast.bob.uid

    def test_a_token_that_may_not_see_leads_changes_no_views(self, cast: Cast) -> None:
        view = saved(cast.bob)
        token = cast.bob.post("/api/tokens/", {"name": "figures", "scopes": ["report.view"]}).json()["token"]
        figures = CheckedClient(token=token)
        for response in (
            figures.post("/api/views/", HOT | {"name": "Another"}),
            figures.patch(f"/api/views/{view['uid']}/", {"name": "Another"}),
            figures.delete(f"/api/views/{view['uid']}/"),
        ):
            assert response.status_code == 403


def test_whoever_asks_again_within_seconds_does_not_ask_who_the_owner_is(cast: Cast) -> None:
    uid = saved(cast.bob, shared=True)["uid"]
    for who, asked in ((cast.bob, ["views"]), (cast.carol, ["views", "accounts"]), (cast.carol, ["views"])):
        who.get("/api/views/?mine=true")
        if asked != ["views"]:
            directory._remembered.pop(f"member:{cast.bob.uid}", None)
        with noted() as commands:
            assert who.get(f"/api/views/{uid}/").status_code == 200
        assert [one[name(one)] for one in commands] == asked
