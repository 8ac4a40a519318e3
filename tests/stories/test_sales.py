"""Phone and social sales: who is worth a call, who was called, what came of it; told through HTTP only."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.steps import cards, found, go, listed, read, uids
from tests.cast import Cast
from tests.contract import CheckedClient

Row = dict[str, Any]

STAGES = ["NEW", "CONTACTED", "CALLBACK", "QUALIFIED", "PROPOSAL", "NEGOTIATION", "WON", "LOST"]
SOURCES = ["website", "facebook", "instagram", "whatsapp", "referral", "other"]


class Desk:
    """Max leads the team of the north, Bob and Carol call."""

    def __init__(self, cast: Cast) -> None:
        self.root, self.bob, self.carol = cast.root, cast.bob, cast.carol
        self.max = cast._member("max", ["manager"], ["north"])

    @staticmethod
    def done(response: Any, status: int = 200) -> Row:
        assert response.status_code == status, response.content
        answer: Row = response.json()
        return answer

    def enters(self, name: str, **values: object) -> Row:
        return self.done(self.max.post("/api/leads/", {"name": name} | values), 201)

    def goes(self, uid: str, *stages: str) -> None:
        for stage in stages:
            self.done(go(self.max, uid, stage, reason="No budget" if stage == "LOST" else None))


@pytest.fixture
def desk(business: Callable[[str], Cast]) -> Desk:
    return Desk(business("sales"))


class TestWhoIsWorthACall:
    BEST: Row = {
        "source": "referral", "email": "grace@looms.example", "company": "Looms Ltd", "tags": ["Enterprise", "urgent"],
    }  # fmt: skip

    def test_the_best_lead_there_can_be_has_a_hundred_points_and_says_why(self, desk: Desk) -> None:
        lead = desk.enters("Grace Hopper", **self.BEST)
        assert (lead["score"], lead["is_hot"]) == (100, True)
        assert [(told["points"], told["reason"]) for told in lead["score_reasons"]] == [
            (50, "base"), (20, "source: referral"), (10, "company is filled"), (10, "business e-mail"),
            (15, "tag: enterprise, hot, urgent"),
        ]  # fmt: skip

    @pytest.mark.parametrize(("values", "score"), [
        ({}, 50), ({"source": "referral"}, 70), ({"source": "website"}, 65), ({"source": "facebook"}, 60),
        ({"source": "instagram"}, 60), ({"source": "whatsapp"}, 55), ({"source": "other"}, 50),
        ({"company": "Looms"}, 60), ({"email": "ada@looms.example"}, 60), ({"email": "ada@gmail.com"}, 50),
        ({"tags": ["hot", "urgent", "enterprise"]}, 65), ({"source": "referral", "company": "Looms"}, 80),
    ], ids=lambda value: str(value))  # fmt: skip
    def test_each_thing_that_is_known_counts(self, desk: Desk, values: Row, score: int) -> None:
        lead = desk.enters("Ada Lovelace", **values)
        assert (lead["score"], lead["is_hot"]) == (score, score > 70)
        assert sum(told["points"] for told in lead["score_reasons"]) == score

    def test_more_that_becomes_known_counts_at_once(self, desk: Desk) -> None:
        uid = desk.enters("Ada Lovelace", source="website")["uid"]
        changed = desk.done(desk.bob.patch(f"/api/leads/{uid}/", {"company": "Looms", "tags": ["hot"]}))
        assert (changed["score"], changed["is_hot"]) == (90, True)

    def test_hot_is_above_seventy(self, desk: Desk) -> None:
        for score in (70, 71, 100):
            desk.enters(f"Lead {score}", score_override=score)
        hot = listed(desk.max, "hot=true&sort=-score")["results"]
        assert [(row["name"], row["is_hot"]) for row in hot] == [("Lead 100", True), ("Lead 71", True)]


class TestWhatTheDeskAsksFor:
    @pytest.fixture
    def leads(self, desk: Desk) -> dict[str, str]:
        """Three, as different as can be."""
        people = [desk.bob.uid, desk.carol.uid]
        made = [
            desk.enters("Ada Lovelace", source="referral", email="ada@looms.example", phone="+1 202-555-0147",
                        company="Looms", tags=["hot", "press"], assigned_to=people[:1], priority="high"),
            desk.enters("Bert Brown", source="facebook", tags=["press"], assigned_to=people[1:],
                        next_follow_up_at=(datetime.now(UTC) + timedelta(days=3)).isoformat()),
            desk.enters("Cora Cole", source="whatsapp", company="Coal", fields={"job_title": "Buyer", "budget": "900"}),
        ]  # fmt: skip
        desk.goes(made[1]["uid"], "CONTACTED")
        return {row["name"].partition(" ")[0]: row["uid"] for row in made}

    @pytest.mark.parametrize(("query", "names"), [
        ("stage=CONTACTED", "Bert"), ("stage=NEW", "Ada Cora"), ("status=open", "Ada Bert Cora"), ("status=won", ""),
        ("source=referral", "Ada"), ("source=facebook,whatsapp", "Bert Cora"), ("assigned_to=none", "Cora"),
        ("assigned_to={bob}", "Ada"), ("created_from=today", "Ada Bert Cora"), ("created_to=today-1", ""),
        ("created_from=2020-01-01&created_to=2020-12-31", ""), ("follow_up_from=today&follow_up_to=today%2B7", "Bert"),
        ("score_min=56&score_max=65", "Bert Cora"), ("score_min=90", "Ada"), ("hot=true", "Ada"),
        ("hot=false", "Bert Cora"), ("q=lovelace", "Ada"), ("q=ada@looms.example", "Ada"), ("q=(202) 555-0147", "Ada"),
        ("q=coal", "Cora"), ("q=buyer", "Cora"), ("tags=press", "Ada Bert"), ("tags=press,hot", "Ada"),
        ("any_tags=hot,cold", "Ada"), ("priority=high", "Ada"), ("field.budget_min=500", "Cora"),
        ("source=referral,whatsapp&hot=true&tags=press&stage=NEW", "Ada"),
    ])  # fmt: skip
    def test_every_filter(self, desk: Desk, leads: dict[str, str], query: str, names: str) -> None:
        assert found(desk.max, query.format(bob=desk.bob.uid)) == {leads[name] for name in names.split()}

    @pytest.mark.parametrize(("sort", "names"), [
        ("-score", "Ada Cora Bert"), ("score", "Bert Cora Ada"), ("name", "Ada Bert Cora"), ("-name", "Cora Bert Ada"),
        ("created_at", "Ada Bert Cora"), ("-created_at", "Cora Bert Ada"), ("next_follow_up_at", "Bert"),
    ])  # fmt: skip
    def test_every_order(self, desk: Desk, leads: dict[str, str], sort: str, names: str) -> None:
        expected = [leads[name] for name in names.split()]
        assert uids(listed(desk.max, f"sort={sort}")["results"])[: len(expected)] == expected

    def test_me_is_who_asks(self, desk: Desk, leads: dict[str, str]) -> None:
        assert found(desk.bob, "assigned_to=me") == {leads["Ada"]}
        assert found(desk.carol, "assigned_to=me") == {leads["Bert"]}
        assert found(desk.bob, "") == {leads["Ada"], leads["Cora"]}


class TestCalling:
    def test_every_call_is_an_attempt_however_it_is_written_down(self, desk: Desk) -> None:
        uid = desk.enters("Ada Lovelace", assigned_to=[desk.bob.uid])["uid"]
        at = f"/api/leads/{uid}/"
        assert (read(desk.bob, uid)["call_attempts"], read(desk.bob, uid)["last_contacted_at"]) == (0, None)
        desk.done(desk.bob.post(f"{at}activities/", {"kind": "call", "body": "Nobody there"}), 201)
        assert read(desk.bob, uid)["call_attempts"] == 1
        desk.done(desk.bob.post(f"{at}activities/", {"kind": "note", "body": "Try in the evening"}), 201)
        desk.done(desk.bob.post(f"{at}activities/", {"kind": "message", "body": "Wrote instead"}), 201)
        assert read(desk.bob, uid)["call_attempts"] == 1
        task = desk.done(desk.bob.post(f"{at}tasks/", {"kind": "call"}), 201)["uid"]
        lead = desk.done(desk.bob.post(f"{at}tasks/{task}/complete/", {"outcome": "NO_ANSWER"}))
        assert (lead["call_attempts"], lead["current_stage"]) == (2, "NEW")
        again = [one for one in lead["tasks"] if one["status"] == "pending"]
        assert ([one["kind"] for one in again], lead["next_follow_up_at"]) == (["call"], again[0]["due_at"])
        assert lead["last_contacted_at"] is not None

    @pytest.mark.parametrize(("outcome", "stage", "calls"), [
        ("REACHED", "CONTACTED", 0), ("CALL_BACK", "CALLBACK", 1), ("NO_ANSWER", "NEW", 1), ("REFUSED", "NEW", 0),
    ])  # fmt: skip
    def test_what_follows_from_a_call(self, desk: Desk, outcome: str, stage: str, calls: int) -> None:
        uid = desk.enters("Ada Lovelace", assigned_to=[desk.bob.uid])["uid"]
        task = desk.done(desk.bob.post(f"/api/leads/{uid}/tasks/", {"kind": "call"}), 201)["uid"]
        at, body = f"/api/leads/{uid}/tasks/{task}/complete/", {"outcome": outcome}
        if outcome == "REFUSED":
            assert desk.bob.post(at, body).status_code == 422
        lead = desk.done(desk.bob.post(at, body | {"notes": "Asked not to be called"}))
        assert (lead["current_stage"], lead["call_attempts"]) == (stage, 1)
        due = [row for row in listed(desk.bob, "mine=true", path="/api/tasks/")["results"] if row["kind"] == "call"]
        assert len(due) == calls

    def test_from_the_first_call_to_the_contract(self, desk: Desk) -> None:
        uid = desk.enters("Ada Lovelace")["uid"]
        refused = go(desk.max, uid, "PROPOSAL")
        assert (refused.status_code, refused.json()["refusals"][0]["code"]) == (409, "not_allowed_from_here")
        desk.goes(uid, "CONTACTED", "CALLBACK", "QUALIFIED", "PROPOSAL", "NEGOTIATION", "PROPOSAL", "WON")
        lead = read(desk.max, uid)
        assert (lead["status"], lead["history_count"]) == ("won", 8)


class TestPuttingAway:
    def test_an_archived_lead_can_be_restored(self, desk: Desk) -> None:
        uid = desk.enters("Ada Lovelace")["uid"]
        desk.goes(uid, "CONTACTED")
        assert desk.max.delete(f"/api/leads/{uid}/").status_code == 204
        assert (found(desk.max, ""), cards(desk.max, "CONTACTED"), found(desk.max, "status=archived")) == (
            set(), [], {uid},
        )  # fmt: skip
        assert desk.max.patch(f"/api/leads/{uid}/", {"company": "Looms"}).status_code == 409
        lead = desk.done(desk.max.post(f"/api/leads/{uid}/restore/", {}))
        assert (lead["status"], lead["current_stage"], found(desk.max, "")) == ("open", "CONTACTED", {uid})

    def test_only_the_super_admin_removes_one_for_good(self, desk: Desk) -> None:
        uid = desk.enters("Spam")["uid"]
        for client in (desk.max, desk.bob):
            refused = client.delete(f"/api/leads/{uid}/?permanently=true")
            assert (refused.status_code, read(desk.max, uid)["status"]) == (403, "open")
        assert refused.json()["permission"] in ("lead.archive", "lead.delete")
        assert desk.root.delete(f"/api/leads/{uid}/?permanently=true").status_code == 204
        for client in (desk.max, desk.root):
            assert client.get(f"/api/leads/{uid}/").status_code == 404
            assert found(client, "status=open,on_hold,won,lost,archived") == set()
            assert client.post(f"/api/leads/{uid}/restore/", {}).status_code == 404


class TestTheFigures:
    """By hand: 80 + 75 + 65 + 50 + 70 = 340 points over five leads, two of five above 70, one of five won."""

    @pytest.fixture
    def summary(self, desk: Desk) -> Callable[..., Row]:
        won = desk.enters("Ada", source="referral", company="Looms", assigned_to=[desk.bob.uid])["uid"]
        lost = desk.enters("Bert", source="facebook", tags=["hot"], assigned_to=[desk.bob.uid])["uid"]
        called = desk.enters("Cora", source="website", assigned_to=[desk.carol.uid])["uid"]
        desk.enters("Dora")
        desk.enters("Emil", source="referral")
        gone = desk.enters("Fred", source="referral", company="Looms")["uid"]
        desk.goes(won, "CONTACTED", "QUALIFIED", "PROPOSAL", "WON")
        desk.goes(lost, "LOST")
        desk.goes(called, "CONTACTED")
        assert desk.max.delete(f"/api/leads/{gone}/").status_code == 204

        def asked(client: CheckedClient, query: str = "") -> Row:
            figures = desk.done(client.get(f"/api/reports/summary/?{query}" if query else "/api/reports/summary/"))
            assert figures.pop("as_of")
            return figures

        return asked

    def test_of_all_leads(self, desk: Desk, summary: Callable[..., Row]) -> None:
        assert summary(desk.max) == {
            "total_leads": 5, "average_lead_score": 68.0, "hot_leads_count": 2, "conversion_rate": 20.0,
            "leads_by_status": dict.fromkeys(STAGES, 0) | {"NEW": 2, "CONTACTED": 1, "WON": 1, "LOST": 1},
            "leads_by_source": dict.fromkeys(SOURCES, 0) | {"referral": 2, "facebook": 1, "website": 1, "none": 1},
        }  # fmt: skip

    @pytest.mark.parametrize(("query", "expected"), [
        ("source=referral", (2, 75.0, 1, 50.0)), ("stage=NEW,CONTACTED", (3, 61.67, 0, 0.0)),
        ("assigned_to={bob}", (2, 77.5, 2, 50.0)), ("hot=true&source=facebook", (1, 75.0, 1, 0.0)),
        ("created_from=today-1", (5, 68.0, 2, 20.0)), ("created_to=2020-01-01", (0, 0.0, 0, 0.0)),
    ])  # fmt: skip
    def test_of_some(
        self, desk: Desk, summary: Callable[..., Row], query: str, expected: tuple[float, ...]
    ) -> None:  # fmt: skip
        told = summary(desk.max, query.format(bob=desk.bob.uid))
        assert tuple(told.values())[:4] == expected

    def test_of_ones_own(self, desk: Desk, summary: Callable[..., Row]) -> None:
        assert tuple(summary(desk.bob).values())[:4] == (2, 77.5, 2, 50.0)
        assert tuple(summary(desk.carol).values())[:4] == (1, 65.0, 0, 0.0)


class TestAViewForTheTeam:
    def test_is_saved_once_and_used_by_all(self, desk: Desk) -> None:
        for name, values in {
            "Ada": {"source": "referral", "company": "Looms", "assigned_to": [desk.bob.uid]},
            "Bert": {"source": "website", "tags": ["urgent"], "assigned_to": [desk.carol.uid]},
            "Cora": {"source": "referral"},
        }.items():
            desk.enters(name, **values)
        view = desk.done(desk.max.post("/api/views/", {
            "name": "My hot ones", "shared": True, "sort": "-score", "columns": ["name", "score", "phone"],
            "filters": {"hot": True, "assigned_to": ["me"], "created_from": "today-30"},
        }), 201)  # fmt: skip
        for client, name, score in ((desk.bob, "Ada", 80), (desk.carol, "Bert", 80)):
            seen = listed(client, "", path="/api/views/")["results"]
            assert [(row["uid"], row["owner"], row["can_edit"]) for row in seen] == [(view["uid"], desk.max.uid, False)]
            (row,) = listed(client, f"view={view['uid']}")["results"]
            assert row == {"uid": row["uid"], "name": name, "score": score, "phone": None}
            assert cards(client, "NEW", f"view={view['uid']}") == [row["uid"]]
        everybody = listed(desk.max, f"view={view['uid']}&assigned_to={desk.bob.uid},{desk.carol.uid}")["results"]
        assert [row["name"] for row in everybody] in (["Ada", "Bert"], ["Bert", "Ada"])
        assert desk.bob.patch(f"/api/views/{view['uid']}/", {"name": "Mine"}).status_code == 403

    def test_is_told_when_the_workflow_has_moved_on(self, desk: Desk) -> None:
        body = {"name": "In talks", "shared": True, "filters": {"stage": ["NEGOTIATION"]}}
        view = desk.done(desk.max.post("/api/views/", body), 201)["uid"]
        assert desk.root.delete("/api/stages/NEGOTIATION/").status_code == 204
        refused = desk.bob.get(f"/api/leads/kanban/?view={view}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["detail"].startswith('The view "In talks" no longer fits')
        desk.done(desk.max.patch(f"/api/views/{view}/", {"filters": {"stage": ["CONTACTED"]}}))
        assert listed(desk.bob, f"view={view}")["results"] == []
