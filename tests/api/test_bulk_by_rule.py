"""Many leads given out by the assignment rules, as one is."""

import pytest

from tests.api.dealing import dealt, shares
from tests.api.steps import read, ready
from tests.api.test_bulk import done, many, role, verdicts
from tests.cast import Cast, lead


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    return [ready(cast.alice)["uid"] for _ in range(3)]


def test_by_rule_each_goes_to_whoever_has_the_next_turn(cast: Cast, leads: list[str]) -> None:
    leads.append(lead(cast.alice)["uid"])
    dealt(cast, "round_robin", cast.bob, cast.carol)
    dry = done(many(cast.alice, "assign", leads, by_rule=True, dry_run=True))
    assert (dry["done"], shares()) == (4, {"": 4})
    for _ in range(2):  # the token does it once
        assert done(cast.alice.post("/api/leads/bulk/", {"token": dry["token"]}))["done"] == 4
    assert shares() == {cast.bob.uid: 2, cast.carol.uid: 2}
    single = [line for line in read(cast.alice, leads[0])["activities"] if line["kind"] == "assignment"]
    assert single[-1]["body"] == "By the rule for all leads: next in turn of 2 people."
    assert done(many(cast.alice, "assign", leads[:2], params={"by_rule": True}))["done"] == 2


def test_by_rule_where_no_rule_gives_it_or_nobody_is_there(cast: Cast, leads: list[str]) -> None:
    assert verdicts(many(cast.alice, "assign", leads[:1], by_rule=True)) == {leads[0]: ["no_rule"]}
    dealt(cast, "round_robin", cast.charlie)
    assert verdicts(many(cast.alice, "assign", leads[:1], by_rule=True)) == {leads[0]: ["nobody_there"]}


def test_by_rule_needs_the_right_to_assign(cast: Cast, leads: list[str]) -> None:
    bulky = role(cast, "bulky", ["lead.view", "lead.edit", "lead.bulk"])
    refused = many(bulky, "assign", leads, by_rule=True)
    assert (refused.status_code, refused.json()["permission"]) == (403, "lead.assign")
