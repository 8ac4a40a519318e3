"""Writing only what has changed leaves the very document that writing all of it would."""

from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings

from lead_crm import mongo
from leads import many, record, records, store
from leads.store import Write
from tests.api.steps import fields, go, listed, relaxed, uids
from tests.cast import Cast, lead
from tests.stores.living import LIVES, Row, lived, prepared
from tests.stores.test_past import LONG


def decoded(row: Row) -> Row:
    """As the database gives it back: in milliseconds, without tuples."""
    return dict(bson.decode(bson.encode(row), mongo.collection("leads").codec_options))


def there(uid: str, session: Any = None) -> Row:
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid}, {"_id": 0}, session=session)
    return dict(row or {})


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every write is looked at: the lead as a whole, its keys, and after the records that there were the new ones."""
    saved, seen = store._saved, list[str]()

    def look(write: Write, workflow: Any, session: Any = None) -> bool:
        before = [] if write.spilled else there(write.lead.uid, session)["changes"]
        if not saved(write, workflow, session):
            return False
        whole = decoded(store.stored(write.lead, workflow))
        assert there(write.lead.uid, session) == whole | {"changes": [*before, *whole["changes"]]}
        seen.append(write.lead.uid)
        return True

    monkeypatch.setattr(store, "_saved", look)
    return seen


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=LIVES)
def test_in_whatever_lives(cast: Cast, checked: list[str], steps: Any) -> None:
    prepared(cast)
    lived(cast, steps)
    mongo.collection("leads").delete_many({"type": {"$in": ["lead", "timeline"]}})


def test_in_a_life_with_all_there_is(cast: Cast, checked: list[str]) -> None:
    prepared(cast)
    lived(cast, LONG)
    assert len(checked) > 100


def test_of_many_at_once_too(cast: Cast) -> None:
    relaxed(cast.root)
    made = [str(lead(cast.alice)["uid"]) for _ in range(5)]
    for number in range(record.FULL_CHANGES - 1):  # then the first of them is full
        for uid in made[: 1 + number // 2]:
            cast.alice.post(f"/api/leads/{uid}/activities/", {"body": f"{number}"})
    written: list[tuple[Write, Any]] = []
    save_many = many.save_many

    def noted(writes: Any, workflow: Any) -> many.Outcome:
        written.extend((write, workflow) for write in writes)
        return save_many(writes, workflow)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(many, "save_many", noted)
        body = {"action": "transition", "uids": made, "to_stage": "stage-won"}
        assert cast.alice.post("/api/leads/bulk/", body).json()["done"] == 5
    assert {write.spilled is None for write, _ in written} == {True, False}
    for write, workflow in written:
        row, whole = there(write.lead.uid), decoded(store.stored(write.lead, workflow))
        assert row | {"changes": row["changes"][-1:]} == whole
        recorded = [entry["version"] for entry in records.since(write.lead.uid, 0)]
        assert recorded == list(range(1, write.lead.version + 1))


def test_what_a_lead_is_found_by_is_made_anew_when_the_config_asks_for_more(cast: Cast) -> None:
    relaxed(cast.root)
    fields(cast.root, {"field_key": "nick", "field_type": "text"})
    uid = lead(cast.alice, fields={"budget": "1", "nick": "Quetzal"})["uid"]
    assert uids(listed(cast.alice, "q=quetzal")["results"]) == []
    variables = cast.root.get("/api/config/").json()["variables"]
    more = [one | {"searchable": True} if one["field_key"] == "nick" else one for one in variables]
    assert cast.root.patch("/api/config/", {"variables": more}).status_code == 200
    assert go(cast.alice, uid, "stage-contacted").status_code == 200
    assert uids(listed(cast.alice, "q=quetzal")["results"]) == [uid]


def test_an_attribute_that_says_nothing_any_more_is_left_out(cast: Cast) -> None:
    """`touched_at` is stored only while the CRM was the last to write."""
    uid = lead(cast.alice)["uid"]
    mongo.collection("leads").update_one(
        {"type": "lead", "uid": uid}, {"$set": {"touched_at": there(uid)["updated_at"]}}
    )
    assert cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"}).status_code == 200
    assert "touched_at" not in there(uid)
