"""Why somebody can see a lead, or cannot: the explanation says what the filter does, for everybody and every lead."""

from typing import Any

import pytest

from lead_crm.documents import now
from management import accounts
from tests.api.steps import relaxed
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient


def explained(client: CheckedClient, uid: str, who: CheckedClient | None = None) -> dict[str, Any]:
    query = f"?user={who.uid}" if who else ""
    response = client.get(f"/api/leads/{uid}/access/{query}")
    assert response.status_code == 200, response.content
    return dict(response.json())


def failing(told: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in told["reasons"] if not reason["holds"]]


def everybody(cast: Cast) -> dict[str, CheckedClient]:
    """The cast, and people of every other kind: of two centres, of none, with own roles, with nothing."""
    cast.root.patch("/api/config/", {"roles": [
        {"key": "auditor", "label": "Auditor", "permissions": ["lead.view"], "scope": "all"},
        {"key": "caller", "label": "Caller", "permissions": ["lead.view"], "scope": "own"},
        {"key": "blind", "label": "Blind", "permissions": ["lead.create"], "scope": "all"},
    ]})  # fmt: skip
    made = {name: getattr(cast, name) for name in ("root", "alice", "bob", "carol", "charlie", "vera", "tom")}
    for name, roles, centers in (
        ("sam", ["manager"], [SOUTH]), ("both", ["agent"], [NORTH, SOUTH]), ("none", ["manager"], []),
        ("auditor", ["auditor"], []), ("caller", ["caller"], [SOUTH]), ("blind", ["blind"], []),
        ("robot", ["integration"], [NORTH]), ("mixed", ["trainer", "caller"], [NORTH]),
    ):  # fmt: skip
        made[name] = cast._member(name, roles, centers)
    return made


def every_kind_of_lead(cast: Cast, people: dict[str, CheckedClient]) -> list[str]:
    """Of both centres; of nobody, one or several; with tasks of some; one archived."""
    relaxed(cast.root)
    made = []
    for center, names in ((NORTH, ("bob", "both", "mixed", "root")), (SOUTH, ("sam", "both", "caller", "charlie"))):
        made.append(lead(cast.root, center=center)["uid"])
        made += [lead(cast.root, center=center, assigned_to=[people[name].uid])["uid"] for name in names]
        made.append(lead(cast.root, center=center, assigned_to=[people[name].uid for name in names[:2]])["uid"])
    for name in ("tom", "mixed"):
        made.append(lead(cast.root, center=NORTH, assigned_to=[people["alice"].uid])["uid"])
        task = {"kind": "visit", "assigned_to": people[name].uid}
        assert cast.root.post(f"/api/leads/{made[-1]}/tasks/", task).status_code == 201
    for archived in (made[1], made[-1]):
        assert cast.root.post(f"/api/leads/{archived}/archive/", {}).status_code == 200
    return made


def test_it_never_disagrees_with_what_happens(cast: Cast) -> None:
    people = everybody(cast)
    leads = every_kind_of_lead(cast, people)
    verdicts = set()
    for name, client in people.items():
        for uid in leads:
            told = explained(cast.root, uid, client)
            happened = client.get(f"/api/leads/{uid}/").status_code
            assert told["may_see"] == (happened == 200), (name, uid, told["reasons"], happened)
            assert told["may_see"] == (not failing(told))
            verdicts.add((told["may_see"], *failing(told)))
    assert len(verdicts) >= 5  # the cases are of many kinds


def test_it_agrees_of_oneself_with_whatever_one_comes(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    account = accounts.accounts.get(cast.bob.uid)
    reader = CheckedClient(accounts.create_token(account, name="x", at=now(), scopes=["lead.view"]))
    assert explained(reader, uid)["permissions"] == ["lead.view"]
    assert "lead.edit" in explained(cast.bob, uid)["permissions"]
    robot = cast._member("robot", ["integration"], [NORTH])
    account = accounts.accounts.get(robot.uid)
    token = CheckedClient(accounts.create_token(account, name="x", at=now(), scopes=["lead.view"]))
    assert explained(token, uid)["may_see"] is True
    assert failing(explained(cast.alice, uid, robot)) == ["permission"]


class TestReasons:
    @pytest.fixture
    def hers(self, cast: Cast) -> str:
        return str(lead(cast.alice, assigned_to=[cast.alice.uid])["uid"])

    def said(self, told: dict[str, Any], rule: str) -> str:
        return str(next(reason["detail"] for reason in told["reasons"] if reason["rule"] == rule))

    def test_an_agent_and_the_lead_of_another(self, cast: Cast, hers: str) -> None:
        told = explained(cast.alice, hers, cast.bob)
        assert (told["user"], told["lead"], told["may_see"], failing(told)) == (cast.bob.uid, hers, False, ["scope"])
        assert "assigned to others" in self.said(told, "scope")
        assert "agent" in self.said(told, "permission")

    def test_own_and_free_leads(self, cast: Cast, hers: str) -> None:
        mine, free = lead(cast.bob, assigned_to=[cast.bob.uid])["uid"], lead(cast.bob)["uid"]
        assert "assigned to them" in self.said(explained(cast.bob, mine), "scope")
        assert "assigned to nobody" in self.said(explained(cast.bob, free), "scope")

    def test_a_trainer_without_a_task(self, cast: Cast, hers: str) -> None:
        told = explained(cast.alice, hers, cast.tom)
        assert (failing(told), "none" in self.said(told, "scope")) == (["scope"], True)

    def test_another_centre(self, cast: Cast, hers: str) -> None:
        told = explained(cast.root, hers, cast.charlie)
        assert failing(told) == ["center"]
        assert NORTH in self.said(told, "center")

    def test_somebody_deactivated(self, cast: Cast, hers: str) -> None:
        cast.root.patch(f"/api/users/{cast.vera.uid}/", {"active": False})
        assert failing(explained(cast.alice, hers, cast.vera)) == ["active"]
        assert cast.vera.get(f"/api/leads/{hers}/").status_code == 401

    def test_other_centres_of_the_person_are_not_told(self, cast: Cast, hers: str) -> None:
        both = cast._member("both", ["agent"], [NORTH, SOUTH])
        assert SOUTH not in str(explained(cast.alice, hers, both)["reasons"])


class TestWhoMayAsk:
    def test_who_does_not_see_the_lead_learns_nothing(self, cast: Cast) -> None:
        hers = lead(cast.alice, assigned_to=[cast.alice.uid])["uid"]
        for client in (cast.charlie, cast.bob, cast.tom):
            assert client.get(f"/api/leads/{hers}/access/").status_code == 404
            assert client.get(f"/api/leads/{hers}/access/?user={cast.alice.uid}").status_code == 404
        assert cast.alice.get("/api/leads/no-such-lead/access/").status_code == 404
        assert cast.nobody.get(f"/api/leads/{hers}/access/").status_code == 401

    def test_of_others_only_those_ask_who_manage_people(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        assert cast.vera.get(f"/api/leads/{uid}/access/?user={cast.bob.uid}").status_code == 403
        assert explained(cast.vera, uid, cast.vera)["may_see"] is True
        assert explained(cast.alice, uid, cast.bob)["may_see"] is True

    def test_nobody_asks_of_people_of_other_centres(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        assert cast.alice.get(f"/api/leads/{uid}/access/?user={cast.charlie.uid}").status_code == 404
        assert cast.alice.get(f"/api/leads/{uid}/access/?user=no-one").status_code == 404
        assert cast.alice.get(f"/api/leads/{uid}/access/?who=no-one").status_code == 422
