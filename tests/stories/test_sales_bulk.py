"""Phone and social sales: many leads at once, told through HTTP only."""

from collections.abc import Callable

import pytest

from tests.api.steps import cards, found, read
from tests.cast import Cast
from tests.stories.test_sales import Desk, Row


@pytest.fixture
def desk(business: Callable[[str], Cast]) -> Desk:
    return Desk(business("sales"))


class TestManyAtOnce:
    @pytest.fixture
    def leads(self, desk: Desk) -> list[str]:
        """Two that may go to CONTACTED, and one that stands where nothing leads there."""
        made = [str(desk.enters(name)["uid"]) for name in ("Ada", "Bert", "Cora")]
        desk.goes(made[2], "CONTACTED", "QUALIFIED")
        return made

    def many(self, desk: Desk, **body: object) -> Row:
        return desk.done(desk.max.post("/api/leads/bulk/", body))

    def test_those_that_may_move_do_and_the_others_say_why_not(self, desk: Desk, leads: list[str]) -> None:
        told = self.many(desk, action="transition", uids=leads, to_stage="CONTACTED")
        assert [(row["uid"], row["ok"]) for row in told["results"]] == [
            (leads[0], True), (leads[1], True), (leads[2], False),
        ]  # fmt: skip
        assert (told["done"], told["refused"]) == (2, 1)
        assert [one["code"] for one in told["results"][2]["refusals"]] == ["not_allowed_from_here"]
        assert [read(desk.max, uid)["current_stage"] for uid in leads] == ["CONTACTED", "CONTACTED", "QUALIFIED"]
        assert set(cards(desk.max, "CONTACTED")) == set(leads[:2])

    def test_each_has_the_move_in_its_own_history(self, desk: Desk, leads: list[str]) -> None:
        self.many(desk, action="transition", uids=leads[:2], to_stage="CALLBACK", note="Trade fair")
        for uid in leads[:2]:
            passage = read(desk.max, uid)["history"]
            assert [(entry["stage"], entry["by"]) for entry in passage][1:] == [("CALLBACK", desk.max.uid)]
            assert passage[1]["note"] == "Trade fair"

    def test_a_desk_is_given_its_leads(self, desk: Desk, leads: list[str]) -> None:
        told = self.many(desk, action="assign", uids=leads, assigned_to=desk.bob.uid)
        assert (told["done"], told["refused"]) == (3, 0)
        assert found(desk.bob, "assigned_to=me") == set(leads)
        assert found(desk.carol, "") == set()

    def test_agents_do_nothing_to_many_at_once(self, desk: Desk, leads: list[str]) -> None:
        body = {"action": "transition", "uids": leads, "to_stage": "CONTACTED"}
        assert desk.bob.post("/api/leads/bulk/", body).status_code == 403
        assert found(desk.max, "stage=NEW") == set(leads[:2])

    def test_leads_of_another_centre_are_none(self, desk: Desk, leads: list[str]) -> None:
        foreign = str(desk.done(desk.root.post("/api/leads/", {"name": "Sid", "center": "south"}), 201)["uid"])
        told = self.many(desk, action="transition", uids=[leads[0], foreign], to_stage="CONTACTED")
        assert [(row["uid"], row["ok"]) for row in told["results"]] == [(leads[0], True), (foreign, False)]
        assert read(desk.root, foreign)["current_stage"] == "NEW"
