"""Whatever has happened to a lead, it can be seen as it was at any moment of its life, exactly."""

import copy
import json
import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, event, given, settings

from lead_crm import mongo
from lead_crm.diff import differences
from lead_crm.http import JSON_OPTIONS
from leads import past, record, shown
from leads.events import timestamp
from leads.record import UNCOMPARED
from tests.cast import Cast
from tests.stores.commands import explained, indexes, kinds, noted, parts, stages
from tests.stores.living import LIVES, Life, Row, lived, prepared, stored
from workflow import service as workflow_service

MILLISECOND = timedelta(milliseconds=1)
# The same life for every run: all there is to do, often enough to spill over many times.
LONG = [
    (command, number, 60.0) for number in range(8)
    for command in ("edit", "move", "say", "add a task", "complete", "force", "drag", "fields", "assign", "convert",
                    "reopen", "hold", "resume", "edit a task", "archive", "restore", "cancel a task", "say", "say",
                    "merge", "be merged for a while", *["unmerge"] * (number % 2))
]  # fmt: skip


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are kept more often than anybody lives here."""
    for module in (record, past):
        monkeypatch.setattr(module, "STATE_EVERY", 20)


@pytest.fixture
def house(cast: Cast, often: None) -> Cast:
    prepared(cast)
    return cast


def told(row: Row, moment: datetime, actor: Any) -> Row:
    """What a reader was shown of the stored document at that moment."""
    row = {name: value for name, value in copy.deepcopy(row).items() if shown.WHOLE.get(name) != 0}
    return shown.whole(row, workflow=workflow_service.recent(), now=moment, actor=actor)


def rebuilt(life: Life, moment: datetime) -> Row:
    row = past.at(past.read(life.uid, actor=life.actors[0]), moment).whole()
    return shown.whole(row, workflow=workflow_service.recent(), now=moment, actor=life.actors[0])


def every_moment(life: Life) -> None:
    """Each version from the moment it was written until just before the next."""
    for row, following in pairwise([*life.versions, None]):
        assert row is not None
        last = following["updated_at"] - MILLISECOND if following else row["updated_at"] + timedelta(days=9)
        for moment in (row["updated_at"], last):
            assert rebuilt(life, moment) == told(row, moment, life.actors[0])


def compared(row: Row) -> Row:
    hidden = UNCOMPARED | shown.INTERNAL | {"type"}
    return {name: value for name, value in row.items() if name not in hidden}


def as_json(value: object) -> Any:
    return json.loads(orjson.dumps(value, option=JSON_OPTIONS))


def a_pair(cast: Cast, life: Life, one: int, other: int) -> None:
    old, new = life.versions[one], life.versions[other]
    start, end = timestamp(old["updated_at"]), timestamp(new["updated_at"])
    answer = cast.alice.get(f"/api/leads/{life.uid}/diff/?from={start}&to={end}")
    assert answer.status_code == 200, answer.content
    data = answer.json()
    key = lambda change: change["pointer"]  # noqa: E731
    expected = as_json(list(differences(compared(old), compared(new))))
    assert sorted(data["changes"], key=key) == sorted(expected, key=key)
    assert (data["from_version"], data["to_version"]) == (old["version"], new["version"])
    assert data["by"] == list(dict.fromkeys(row["updated_by"] for row in life.versions[one + 1 : other + 1]))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(LIVES)
def test_every_moment_of_any_life_is_rebuilt_exactly(house: Cast, steps: list[tuple[str, int, float]]) -> None:
    life = lived(house, steps)
    event(f"versions: {len(life.versions) // 20 * 20}")
    every_moment(life)
    dice = random.Random(len(steps))
    for _ in range(5):
        a_pair(house, life, *sorted(dice.choices(range(len(life.versions)), k=2)))


@pytest.fixture
def life(house: Cast) -> Life:
    return lived(house, LONG)


def documents(life: Life) -> list[Row]:
    return list(mongo.collection("leads").find({"type": "timeline", "uid": {"$regex": f"^{life.uid}:"}}).sort("uid", 1))


class TestALongLife:
    def test_is_rebuilt_exactly_across_what_has_spilled(self, house: Cast, life: Life) -> None:
        assert len(life.versions) > 90
        assert len([row for row in documents(life) if "state" in row]) >= 4
        assert {bool(row["merged"]) for row in life.versions} == {True, False}
        assert any(row["merged_into"] for row in life.versions)
        every_moment(life)
        for one, other in ((0, -1), (3, 40), (41, 42), (10, 10), (5, 88)):
            a_pair(house, life, one, other % len(life.versions))

    def test_without_any_kept_state_is_rebuilt_all_the_same(self, life: Life) -> None:
        """As leads have been stored before there were any, and before their creation was a record."""
        first = documents(life)[0]
        unmade = [entry for entry in first["changes"] if entry["version"] > 1]
        leads = mongo.collection("leads")
        leads.update_many({"type": "timeline"}, {"$unset": {"state": 1}})
        leads.update_one({"_id": first["_id"]}, {"$set": {"changes": unmade}})
        every_moment(life)

    def test_a_timeline_document_that_nobody_has_taken_over_does_not_count(self, life: Life) -> None:
        """Whoever wrote it has not lived to write the lead."""
        row = stored(life.uid)
        left = {
            "type": "timeline", "uid": record.timeline_uid(life.uid, row["version"]), "start": row["spilled"],
            "activities": row["activities"], "history": row["history"], "changes": row["changes"],
            "state": {"uid": life.uid, "version": row["version"], "updated_at": row["updated_at"]},
        }  # fmt: skip
        mongo.collection("leads").insert_one(left)
        every_moment(life)

    def test_a_record_with_a_gap_is_said_to_be_gone(self, life: Life) -> None:
        """Somebody is being erased: what has spilled over goes first, the lead itself last."""
        mongo.collection("leads").update_many({"type": "timeline"}, {"$set": {"changes": []}, "$unset": {"state": 1}})
        with pytest.raises(past.RecordGone):
            rebuilt(life, life.versions[0]["updated_at"])
        newest = life.versions[-1]
        assert rebuilt(life, newest["updated_at"])["version"] == newest["version"]

    def test_any_moment_takes_five_reads_at_most_and_few_documents(self, house: Cast, life: Life) -> None:
        for row in life.versions[::7]:
            with noted() as taken:
                answer = house.alice.get(f"/api/leads/{life.uid}/as-of/?at={timestamp(row['updated_at'])}")
            assert answer.json()["version"] == row["version"]
            asked = [command for command in taken if "leads" in (command.get("find"), command.get("getMore"))]
            assert len(asked) <= 5, kinds(taken)
            for command in asked:
                assert not stages(explained(command)) & {"COLLSCAN", "SORT"}
                assert indexes(explained(command)) <= {"identity", "state"}

    def test_a_state_is_found_by_its_moment_alone(self, life: Life) -> None:
        with noted() as taken:
            rebuilt(life, life.versions[30]["updated_at"])
        (search,) = [command for command in taken if command.get("hint") == "state"]
        assert max(parts(explained(search, verbosity="executionStats"), "totalDocsExamined")) == 1
