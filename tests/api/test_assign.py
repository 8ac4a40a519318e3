"""POST /api/leads/{uid}/assign/."""

import pytest

from tests.api.steps import codes, found, read
from tests.cast import Cast, lead


@pytest.mark.parametrize("several", [False, True])
def test_a_lead_is_given_to_one_or_several(cast: Cast, several: bool) -> None:
    made = lead(cast.alice)
    people = [cast.bob.uid, cast.carol.uid] if several else [cast.bob.uid]
    body = {"assigned_to": people if several else people[0]}
    response = cast.alice.post(f"/api/leads/{made['uid']}/assign/", body)
    assert (response.status_code, response.json()["assigned_to"]) == (200, people)
    assert response.json() == read(cast.alice, made["uid"])


@pytest.mark.parametrize("nobody", [None, []])
def test_null_gives_it_to_nobody(cast: Cast, nobody: object) -> None:
    made = lead(cast.alice, assigned_to=[cast.bob.uid])
    response = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": nobody})
    assert response.json()["assigned_to"] == []
    assert found(cast.alice, "assigned_to=none") == {made["uid"]}


def test_the_timeline_tells_of_it(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": cast.bob.uid})
    last = read(cast.alice, made["uid"])["activities"][-1]
    assert (last["kind"], last["meta"]) == ("assignment", {"old": [], "new": [cast.bob.uid]})


def test_giving_it_to_the_same_person_changes_nothing(cast: Cast) -> None:
    made = lead(cast.alice, assigned_to=[cast.bob.uid])
    again = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": cast.bob.uid})
    assert again.json()["version"] == 1


@pytest.mark.parametrize("whom", ["charlie", "a stranger"])
def test_nobody_gets_a_lead_who_could_not_see_it(cast: Cast, whom: str) -> None:
    made = lead(cast.alice)
    uid = cast.charlie.uid if whom == "charlie" else "user-stranger"
    response = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": [cast.bob.uid, uid]})
    assert codes(response) == {("/assigned_to", "unknown_person")}
    assert read(cast.alice, made["uid"])["assigned_to"] == []


def test_the_super_admin_works_in_every_centre(cast: Cast) -> None:
    made = lead(cast.alice)
    response = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": cast.root.uid})
    assert response.status_code == 200


def test_a_lead_that_moves_from_agent_to_agent_leaves_the_first_ones_list(cast: Cast) -> None:
    made = lead(cast.alice, assigned_to=[cast.bob.uid])
    assert found(cast.bob, "") == {made["uid"]}
    cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": cast.carol.uid})
    assert (found(cast.bob, ""), found(cast.carol, "")) == (set(), {made["uid"]})
