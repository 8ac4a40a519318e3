"""Who was a part of another lead for a while leaves nothing there when they are erased, or removed for good."""

from datetime import datetime
from typing import Any

import pytest

from lead_crm import access, directory, idempotency, mongo
from lead_crm.documents import now
from leads import record, records, removal, spilled
from leads import store as lead_store
from leads.messages import ActivityIn
from leads.service import add_activity
from management import privacy
from tests.api.merging import merge, merged, stored, two, unmerge, unmerged
from tests.api.steps import at_once, read, twin
from tests.cast import Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]

MARK = "quetzal@secret.example"
PERSON: Row = {
    "name": "Grace", "email": MARK, "contacts": [{"name": "Grace", "email": f"kid-{MARK}"}], "tags": ["vip"],
}  # fmt: skip


@pytest.fixture
def parted(cast: Cast) -> tuple[str, str]:
    """The former winner, and the one that stands alone again."""
    winner, loser = two(cast.alice, {"name": "Win"}, PERSON)
    pass_through(cast, winner, loser)
    return winner, loser


def pass_through(cast: Cast, winner: str, loser: str) -> None:
    merged_as = merge(cast.alice, winner, loser, {"note": f"Is {MARK}"}, Idempotency_Key=f"merge-{winner}-{loser}")
    assert merged_as.status_code == 200, merged_as.content
    unmerged(cast.alice, winner)


def busy(cast: Cast, uid: str, times: int) -> None:
    for number in range(times):
        assert cast.alice.patch(f"/api/leads/{uid}/", {"company": f"c{number}"}).status_code == 200


def erase(cast: Cast, uid: str) -> None:
    response = cast.alice.post(f"/api/leads/{uid}/privacy/erase/", {"reason": "Asked for it"})
    assert response.status_code == 200, response.content


def remove(cast: Cast, uid: str) -> None:
    assert cast.root.delete(f"/api/leads/{uid}/?permanently=true").status_code == 204


WAYS = {"erased": erase, "removed": remove}


@pytest.fixture(params=sorted(WAYS))
def take_away(request: pytest.FixtureRequest) -> Any:
    return WAYS[request.param]


def left(mark: str = MARK) -> set[str]:
    database = mongo.collection("leads").database
    names = (name for name in database.list_collection_names() if name != "audit")
    return {name for name in names if mark in str(list(database[name].find()))}


def as_of(client: CheckedClient, uid: str, moment: datetime) -> Any:
    return client.get(f"/api/leads/{uid}/as-of/?at={moment.isoformat().replace('+00:00', 'Z')}")


def values(answer: Any) -> Row:
    """But for what was said when it came and left."""
    assert answer.status_code == 200, answer.content
    return {name: value for name, value in answer.json().items() if name != "activities"}


def versions(uid: str) -> dict[int, datetime]:
    return {entry["version"]: entry["at"] for entry in records.since(uid, 0)}


def system() -> access.Actor:
    return access.system(directory.centers())


def test_nothing_of_the_person_stays_in_the_whole_database(cast: Cast, parted: tuple[str, str], take_away: Any) -> None:
    assert left() == {"leads", "idempotency"}
    take_away(cast, parted[1])
    assert left() == set()


def test_also_where_it_has_spilled_over_with_the_state(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, take_away: Any
) -> None:
    monkeypatch.setattr(record, "STATE_EVERY", 10)
    winner, loser = two(cast.alice, {"name": "Win"}, PERSON)
    busy(cast, winner, 7)
    merged(cast.alice, winner, loser)
    busy(cast, winner, 12)
    unmerged(cast.alice, winner)
    busy(cast, winner, 12)
    states = [row["state"] for row in mongo.collection("leads").find({"type": "timeline", "state": {"$ne": None}})]
    assert MARK in str(states)
    kept = len(states) - sum(MARK in str(state) for state in states)
    assert kept
    take_away(cast, loser)
    assert left() == set()
    assert mongo.collection("leads").count_documents({"type": "timeline", "state.uid": winner}) >= kept - 1


def test_the_past_before_the_parting_is_gone_and_what_came_after_is_exact(
    cast: Cast, parted: tuple[str, str], take_away: Any
) -> None:
    winner, loser = parted
    busy(cast, winner, 15)
    at, before = versions(winner), read(cast.alice, winner)
    after = {version: values(as_of(cast.alice, winner, moment)) for version, moment in at.items() if version >= 3}
    take_away(cast, loser)
    assert {version: values(as_of(cast.alice, winner, at[version])) for version in after} == after
    for version in (1, 2):
        refused = as_of(cast.alice, winner, at[version])
        assert (refused.status_code, refused.json()["code"]) == (409, "record_gone")
    same = {"name", "company", "email", "contacts", "tags", "tasks", "current_stage", "status", "score", "merged"}
    now_read = read(cast.alice, winner)
    assert {name: now_read[name] for name in same} == {name: before[name] for name in same}


def test_a_lead_that_it_never_was_a_part_of_keeps_its_past(cast: Cast, parted: tuple[str, str]) -> None:
    _, loser = parted
    part = str(lead(cast.alice, name="Ada")["uid"])
    pass_through(cast, loser, part)  # here the one to be erased was the winner
    at, before = versions(part), stored(part)
    erase(cast, loser)
    assert stored(part) == before
    assert {as_of(cast.alice, part, moment).status_code for moment in at.values()} == {200}


def test_tasks_that_it_brought_along_are_not_named_by_the_timeline(cast: Cast, take_away: Any) -> None:
    winner, loser = two(cast.alice, {"name": "Win"}, {"name": "Grace"})
    made = cast.alice.post(f"/api/leads/{loser}/tasks/", {"kind": "call", "title": f"Ring {MARK}"}).json()
    merged(cast.alice, winner, loser)
    done = cast.alice.post(f"/api/leads/{winner}/tasks/{made['uid']}/complete/", {})
    assert done.status_code == 200, done.content
    unmerged(cast.alice, winner)
    assert MARK in str(stored(winner)["activities"])
    take_away(cast, loser)
    assert left() == set()


def test_other_parts_can_still_be_unmerged(cast: Cast, take_away: Any) -> None:
    """Their merge stands in the record before that of the person, and is not theirs."""
    winner, loser = two(cast.alice, {"name": "Win"}, PERSON)
    other = str(lead(cast.alice, name="Ada", company="Mill")["uid"])
    merged(cast.alice, winner, other)
    pass_through(cast, winner, loser)
    take_away(cast, loser)
    assert read(cast.alice, winner)["company"] == "Mill"
    assert unmerge(cast.alice, winner).status_code == 200
    assert (read(cast.alice, winner)["company"], read(cast.alice, other)["company"]) == (None, "Mill")
    assert left() == set()


def test_winners_of_winners_had_it_along(cast: Cast, take_away: Any) -> None:
    winner, loser = two(cast.alice, {"name": "Win"}, PERSON)
    last = str(lead(cast.alice, name="Last")["uid"])
    merged(cast.alice, winner, loser)
    merged(cast.alice, last, winner)
    unmerged(cast.alice, last)
    unmerged(cast.alice, winner)
    assert MARK in str(stored(last)["changes"])
    take_away(cast, loser)
    assert left() == set()


def test_parts_of_the_person_were_parts_of_others_before(cast: Cast, parted: tuple[str, str], take_away: Any) -> None:
    whole = str(lead(cast.alice, name="Whole")["uid"])
    merged(cast.alice, whole, parted[1])
    take_away(cast, whole)
    assert left() == set()


def test_a_former_winner_that_is_a_part_by_now_is_cleaned_too(
    cast: Cast, parted: tuple[str, str], take_away: Any
) -> None:
    other = str(lead(cast.alice, name="Other")["uid"])
    merged(cast.alice, other, parted[0])
    take_away(cast, parted[1])
    assert left() == set()
    unmerged(cast.alice, other)
    assert read(cast.alice, parted[0])["name"] == "Win"


def test_leads_at_rest_are_not_woken_by_it(cast: Cast, parted: tuple[str, str]) -> None:
    since = stored(parted[0])["updated_at"]
    erase(cast, parted[1])
    assert stored(parted[0])["touched_at"] == since


def inside(take_away: Any, uid: str) -> None:
    """Not over HTTP, where whatever goes wrong becomes an answer."""
    if take_away is erase:
        privacy.erase(uid, "Asked", actor=system(), now=now())
    else:
        removal.remove(uid, actor=system(), now=now(), if_match=None)


class Killed(Exception):
    """Stands for kill -9."""


@pytest.mark.parametrize("number", range(1, 6))
def test_who_comes_again_after_a_crash_finishes(
    cast: Cast, parted: tuple[str, str], take_away: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Killed at the nth write, whichever that is."""
    winner, loser = parted
    busy(cast, winner, 12)
    writes = []

    def dying(real: Any) -> Any:
        def write(*args: Any, **named: Any) -> Any:
            writes.append(real)
            if len(writes) == number:
                raise Killed
            return real(*args, **named)

        return write

    with monkeypatch.context() as patched:
        for module, name in (
            (spilled, "put"), (lead_store, "rewrite"), (lead_store, "remove"),
            (idempotency, "forget_about"),
        ):  # fmt: skip
            patched.setattr(module, name, dying(getattr(module, name)))
        with pytest.raises(Killed):
            inside(take_away, loser)
    if cast.root.get(f"/api/leads/{loser}/").status_code == 200:
        take_away(cast, loser)
    else:
        removal.sweep(now=now() + removal.OVER_AFTER * 2)
    assert left() == set()


def test_a_writer_who_has_read_it_before_brings_nothing_back(
    cast: Cast, parted: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are about to spill what they have read, and write their timeline document after."""
    winner, loser = parted
    busy(cast, winner, 10 - len(stored(winner)["changes"]))
    write, late = lead_store.save, []

    def overtaken(*args: Any, **named: Any) -> bool:
        if not late:
            late.append(args[0].spilled)
            privacy.erase(loser, "Asked", actor=system(), now=now())
        return write(*args, **named)

    monkeypatch.setattr(lead_store, "save", overtaken)
    add_activity(winner, ActivityIn(body="Hello"), actor=system(), now=now(), once=None)
    assert MARK in str(late)
    assert left() == set()
    assert read(cast.alice, winner)["activities"][-1]["body"] == "Hello"


def test_writers_at_the_same_moment_lose_nothing(cast: Cast, parted: tuple[str, str]) -> None:
    winner, loser = parted

    def write() -> Any:
        return twin(cast.alice).post(f"/api/leads/{winner}/activities/", {"body": "Hello"})

    def go_away() -> Any:
        return twin(cast.alice).post(f"/api/leads/{loser}/privacy/erase/", {"reason": "Asked"})

    before = read(cast.alice, winner)["activities_count"]
    answers = at_once([*[write] * 10, go_away, go_away, *[write] * 10], workers=8)
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {200, 201, 409}
    erase(cast, loser)
    assert left() == set()
    assert read(cast.alice, winner)["activities_count"] == before + codes.count(201)
