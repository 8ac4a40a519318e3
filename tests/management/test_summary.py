"""The summary: how many leads, where they stand, where they come from, how good they are."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import ExecutionTimeout

from lead_crm import mongo
from lead_crm.documents import now
from management import reports
from tests.api.steps import EVERY_STAGE, at_once, codes, found, go, listed, relaxed, rewrite, twin
from tests.cast import Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import explained, indexes, name, noted, stages

Row = dict[str, Any]

SOURCES = ("website", "referral", "phone", "event", "facebook", "instagram", "whatsapp", "other")


def summary(client: CheckedClient, query: str = "") -> Row:
    response = client.get(f"/api/reports/summary/?{query}" if query else "/api/reports/summary/")
    assert response.status_code == 200, response.content
    figures: Row = response.json()
    return figures


def figures(client: CheckedClient, query: str = "") -> Row:
    """Without when, and without what is nought."""
    told = {key: value for key, value in summary(client, query).items() if key != "as_of"}
    return {k: {n: m for n, m in v.items() if m} if isinstance(v, dict) else v for k, v in told.items()}


def made(cast: Cast, score: int, stage: str = "stage-new", **values: object) -> str:
    uid = str(lead(cast.root, **{"center": "north", "score_override": score} | values)["uid"])
    if stage != "stage-new":
        assert go(cast.root, uid, stage, reason="So").status_code == 200
    return uid


@pytest.fixture
def leads(cast: Cast) -> Cast:
    """Seven that count in the north, one in the south, and one in the archive."""
    relaxed(cast.root)
    kinds = {"stage-won": "won", "stage-lost": "lost"}
    for stage, kind in kinds.items():
        body = {"kind": kind, "allowed_next_stages": []}
        assert cast.root.patch(f"/api/stages/{stage}/", body).status_code == 200
    made(cast, 71, source="referral", tags=["tea"])
    made(cast, 70, source="referral")
    made(cast, 90, "stage-won", source="website", tags=["tea"])
    made(cast, 100, "stage-won", source="website", assigned_to=[cast.bob.uid])
    made(cast, 10, "stage-lost", source="event", assigned_to=[cast.bob.uid])
    made(cast, 20, "stage-contacted", assigned_to=[cast.carol.uid], tags=["tea"])
    made(cast, 30, "stage-contacted", assigned_to=[cast.bob.uid, cast.carol.uid])
    made(cast, 40, center="south", source="referral")
    assert cast.root.delete(f"/api/leads/{made(cast, 100, 'stage-won', source='website')}/").status_code == 204
    return cast


NORTH: Row = {
    "total_leads": 7, "average_lead_score": 55.86, "hot_leads_count": 3, "conversion_rate": 28.6,
    "leads_by_status": {"stage-new": 2, "stage-won": 2, "stage-lost": 1, "stage-contacted": 2},
    "leads_by_source": {"referral": 2, "website": 2, "event": 1, "none": 2},
}  # fmt: skip


class TestTheFigures:
    def test_are_these_and_no_others(self, leads: Cast) -> None:
        told = summary(leads.alice)
        assert set(told) == {*NORTH, "as_of"}
        assert figures(leads.alice) == NORTH
        assert told["leads_by_status"] == dict.fromkeys(EVERY_STAGE, 0) | NORTH["leads_by_status"]
        assert told["leads_by_source"] == dict.fromkeys(SOURCES, 0) | NORTH["leads_by_source"]
        assert list(told["leads_by_status"]) == list(EVERY_STAGE)

    def test_are_noughts_where_there_are_no_leads(self, cast: Cast) -> None:
        told = summary(cast.alice)
        assert told.pop("as_of")
        assert told == {
            "total_leads": 0, "average_lead_score": 0.0, "hot_leads_count": 0, "conversion_rate": 0.0,
            "leads_by_status": dict.fromkeys(EVERY_STAGE, 0), "leads_by_source": dict.fromkeys(SOURCES, 0),
        }  # fmt: skip

    @pytest.mark.parametrize(("query", "expected"), [
        ("source=referral", (2, 70.5, 1, 0.0)), ("source=website,event", (3, 66.67, 2, 66.7)),
        ("hot=true", (3, 87.0, 3, 66.7)), ("tags=tea", (3, 60.33, 2, 33.3)),
        ("stage=stage-contacted", (2, 25.0, 0, 0.0)), ("assigned_to=none", (3, 77.0, 2, 33.3)),
        ("kind=won", (2, 95.0, 2, 100.0)), ("status=open", (4, 47.75, 1, 0.0)),
        ("score_min=71&score_max=90", (2, 80.5, 2, 50.0)), ("created_from=today%2B1", (0, 0.0, 0, 0.0)),
        ("created_from=today-1&created_to=today", (7, 55.86, 3, 28.6)), ("q=lovelace", (7, 55.86, 3, 28.6)),
        ("q=nobody", (0, 0.0, 0, 0.0)), ("field.budget_min=100", (7, 55.86, 3, 28.6)),
        ("center=north", (7, 55.86, 3, 28.6)), ("center=south", (0, 0.0, 0, 0.0)),
        ("status=archived", (1, 100.0, 1, 0.0)), ("overdue=true", (0, 0.0, 0, 0.0)),
    ])  # fmt: skip
    def test_are_of_what_the_filters_let_through(self, leads: Cast, query: str, expected: tuple[float, ...]) -> None:
        told = summary(leads.alice, query)
        asked = ("total_leads", "average_lead_score", "hot_leads_count", "conversion_rate")
        assert tuple(told[key] for key in asked) == expected
        assert sum(told["leads_by_status"].values()) == sum(told["leads_by_source"].values()) == expected[0]
        assert len(found(leads.alice, query)) == expected[0]

    def test_or_of_a_saved_view(self, leads: Cast) -> None:
        body = {"name": "Tea", "filters": {"tags": ["tea"]}, "sort": "-score", "columns": ["name"]}
        view = leads.alice.post("/api/views/", body).json()["uid"]
        assert figures(leads.alice, f"view={view}") == figures(leads.alice, "tags=tea")
        assert figures(leads.alice, f"view={view}&tags=milk")["total_leads"] == 0
        assert codes(leads.charlie.get(f"/api/reports/summary/?view={view}")) == {("/view", "unknown_view")}

    def test_go_on_telling_of_what_the_workflow_no_longer_has(self, leads: Cast) -> None:
        sources = [{"key": "website", "label": "Website"}]
        assert leads.root.patch("/api/config/", {"sources": sources}).status_code == 200
        assert leads.root.patch("/api/stages/stage-contacted/", {"archived": True}).status_code == 200
        assert leads.root.patch("/api/stages/stage-qualified/", {"archived": True}).status_code == 200
        told = summary(leads.alice)
        assert told["leads_by_source"] == NORTH["leads_by_source"]
        assert (told["leads_by_status"]["stage-contacted"], "stage-qualified" in told["leads_by_status"]) == (2, False)

    @pytest.mark.parametrize(("query", "fault"), [
        ("limit=5", ("/limit", "unknown_key")), ("stage=x", ("/stage", "unknown_stage")),
        ("sort=name", ("/sort", "unknown_key")),
    ])  # fmt: skip
    def test_take_filters_alone(self, cast: Cast, query: str, fault: tuple[str, str]) -> None:
        assert codes(cast.alice.get(f"/api/reports/summary/?{query}")) == {fault}


class TestWhose:
    def test_are_of_the_centres_that_one_sees(self, leads: Cast) -> None:
        totals = {
            who: summary(getattr(leads, who))["total_leads"] for who in ("root", "alice", "vera", "nora", "charlie")
        }
        assert totals == {"root": 8, "alice": 7, "vera": 7, "nora": 7, "charlie": 1}

    def test_an_agents_are_those_of_their_own_leads(self, leads: Cast) -> None:
        """Though they see those that nobody has taken yet."""
        assert len(found(leads.bob, "")) == 6
        assert figures(leads.bob) == {
            "total_leads": 3, "average_lead_score": 46.67, "hot_leads_count": 1, "conversion_rate": 33.3,
            "leads_by_status": {"stage-won": 1, "stage-lost": 1, "stage-contacted": 1},
            "leads_by_source": {"website": 1, "event": 1, "none": 1},
        }  # fmt: skip
        assert figures(leads.carol)["total_leads"] == 2

    @pytest.mark.parametrize(("filters", "number"), [
        ("assigned_to=me", 3), ("assigned_to=none", 0), ("assigned_to={carol}", 1), ("stage=stage-won", 1),
    ])  # fmt: skip
    def test_no_filter_widens_them(self, leads: Cast, filters: str, number: int) -> None:
        assert summary(leads.bob, filters.format(carol=leads.carol.uid))["total_leads"] == number

    def test_a_trainer_has_none(self, leads: Cast) -> None:
        assert leads.tom.get("/api/reports/summary/").status_code == 403
        assert leads.nobody.get("/api/reports/summary/").status_code == 401


class TestHowLongItTakes:
    @pytest.fixture(autouse=True)
    def forgetful(self) -> Iterator[None]:
        yield
        reports.forget()

    def test_one_aggregation_along_the_index_of_what_is_asked(self, leads: Cast) -> None:
        for who, query, index in (
            (leads.alice, "", "newest"), (leads.alice, "source=event", "newest"), (leads.bob, "", "newest_held"),
            (leads.bob, "tags=tea", "newest_held"), (leads.alice, "q=lovelace", "grams"),
            (leads.alice, "hot=true&created_from=today", "newest"), (leads.alice, "stage=stage-new", "stage"),
            (leads.bob, "kind=won&created_from=today", "stage_held"), (leads.alice, "follow_up_to=today", "follow_up"),
            (leads.bob, "follow_up_to=today", "newest_held"),
        ):  # fmt: skip
            summary(who)
            with noted() as commands:
                summary(who, query)
            (asked,) = commands
            plan = explained(asked)
            assert (name(asked), indexes(plan), "COLLSCAN" in stages(plan)) == ("aggregate", {index}, False), query

    def test_what_is_quick_is_counted_whenever_somebody_asks(self, cast: Cast) -> None:
        for number in range(3):
            assert summary(cast.alice)["total_leads"] == number
            lead(cast.alice)

    def test_what_is_slow_is_remembered_as_of_when_it_was_counted(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reports, "QUICK_SECONDS", 0.0)
        monkeypatch.setattr(reports, "AS_LONG", 1e6)
        first = summary(cast.alice)
        lead(cast.alice)
        assert summary(cast.alice) == first
        assert summary(cast.alice, "hot=false")["total_leads"] == summary(cast.root)["total_leads"] == 1
        assert summary(cast.charlie)["total_leads"] == summary(cast.bob)["total_leads"] == 0
        monkeypatch.setattr(reports.time, "monotonic", lambda: 1e12)
        assert summary(cast.alice)["total_leads"] == 1

    def test_many_who_ask_at_once_have_it_counted_once(self, leads: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        summary(leads.alice)
        counted, times = reports._counted, []
        monkeypatch.setattr(reports, "QUICK_SECONDS", 0.0)
        monkeypatch.setattr(reports, "AS_LONG", 1e6)
        monkeypatch.setattr(reports, "_counted", lambda match: (times.append(1), counted(match))[1])
        answers = at_once([lambda: twin(leads.alice).get("/api/reports/summary/") for _ in range(8)], workers=8)
        assert {response.json()["total_leads"] for response in answers} == {7}
        assert len(times) == 1

    def test_what_is_too_slow_is_given_up_and_not_tried_again_at_once(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def slow(*_: Any, **options: Any) -> None:
            tried.append(options["maxTimeMS"])
            raise ExecutionTimeout("too slow")

        monkeypatch.setattr(reports, "QUICK_SECONDS", 0.0)
        monkeypatch.setattr(reports, "AS_LONG", 1e6)
        monkeypatch.setattr(type(mongo.collection("leads")), "aggregate", slow)
        for _ in range(2):
            response = cast.alice.get("/api/reports/summary/")
            assert (response.status_code, response.json()["code"]) == (503, "too_slow")
            assert int(response["Retry-After"]) >= 1
        assert tried == [reports.PATIENCE_MS]


def test_the_list_and_the_figures_agree_about_days(leads: Cast) -> None:
    uid = made(leads, 50)
    rewrite(uid, created_at=now() - timedelta(days=8))
    for query in ("created_to=today-7", "created_from=today-8", "stage_entered_to=today"):
        assert summary(leads.alice, query)["total_leads"] == listed(leads.alice, f"count=exact&{query}")["count"]
