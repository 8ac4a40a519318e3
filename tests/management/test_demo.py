"""Demo leads are what the app itself would have stored, made quickly."""

import io
from datetime import timedelta
from typing import Any

import phonenumbers
import pytest
from django.conf import settings

from lead_crm import mongo
from lead_crm.access import system
from lead_crm.diff import undo
from lead_crm.documents import now
from leads import events, keys, record, scoring, store
from leads.documents import Lead
from management import demo
from tests.cast import NORTH, SOUTH, Cast, lead
from workflow import service as workflow_service
from workflow import store as workflow_store
from workflow.documents import Settings
from workflow.workflow import Workflow

RICH: dict[str, Any] = {
    "lead_types": [{"key": "buy", "label": "Buying"}, {"key": "sell", "label": "Selling"}],
    "sources": [{"key": "fair", "label": "Fair", "lead_types": ["buy"]}, {"key": "web", "label": "Web"}],
    "tags": ["one", "two"],
    "lead_id": {"prefix": "D", "pattern": "{prefix}{seq:04d}", "period": "none"},
    "variables": [
        {"field_key": "budget", "field_type": "decimal", "required": True, "min": "10", "max": "20"},
        {"field_key": "serial", "field_type": "text", "required": True, "unique": True},
        {"field_key": "size", "field_type": "select", "required": True, "options": [{"value": "s"}, {"value": "l"}]},
        {"field_key": "colours", "field_type": "multi_select", "required": True, "options": [{"value": "red"}]},
        {"field_key": "born", "field_type": "date", "required": True},
        {"field_key": "meets", "field_type": "datetime", "required": True},
        {"field_key": "home", "field_type": "url", "required": True},
        {"field_key": "other_phone", "field_type": "phone", "required": True},
        {"field_key": "other_email", "field_type": "email", "required": True},
        {"field_key": "rooms", "field_type": "integer", "required": True, "min": 2, "max": 4},
        {"field_key": "price", "field_type": "money", "required": True},
        {"field_key": "sure", "field_type": "boolean", "required": True},
        {"field_key": "more", "field_type": "json", "required": True},
        {"field_key": "friend", "field_type": "user", "required": True},
        {"field_key": "only_buyers", "field_type": "long_text", "required": True, "lead_types": ["buy"]},
    ],
}


def made(number: int) -> list[Lead]:
    demo.top_up(number, now=now(), say=io.StringIO())
    return stored()


def stored() -> list[Lead]:
    rows = mongo.collection("leads").find({"type": "lead"}, {"_id": 0, "keys": 0}).sort("created_at", 1)
    return [store.model(row) for row in rows]


def workflow_now() -> Workflow:
    return workflow_service.current()


def configure(**changes: Any) -> None:
    values = Settings.model_validate(workflow_now().config.model_dump(include=set(Settings.model_fields)) | changes)
    given = {name: getattr(values, name) for name in changes}
    workflow_service.configure(given, actor=system([NORTH]), now=now(), if_match=None)
    workflow_store.forget()


def test_tops_up_to_the_number_and_no_further(cast: Cast) -> None:
    assert demo.top_up(30, now=now(), say=io.StringIO()) == 30
    assert demo.top_up(30, now=now(), say=io.StringIO()) == 0
    assert demo.top_up(40, now=now(), say=io.StringIO()) == 10
    assert store.number_of_leads() == 40


def test_numbers_count_on_from_the_demo_in_every_month(cast: Cast) -> None:
    by_series: dict[str, list[int]] = {}
    for each in made(200):
        head, _, number = each.uid.rpartition("-")
        assert head == f"LEAD-{each.created_at:%Y%m}"
        by_series.setdefault(head, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_series.values())
    this_month = f"LEAD-{now():%Y%m}"
    following = lead(cast.root, center=NORTH)
    assert following["uid"] == f"{this_month}-{len(by_series.get(this_month, [])) + 1:05d}"


def test_a_taken_number_is_skipped(cast: Cast) -> None:
    first = lead(cast.root, center=NORTH)
    mongo.collection("counters").delete_many({})
    uids = [each.uid for each in made(60)]
    assert len(set(uids)) == 60
    assert first["uid"] in uids


def test_keys_score_and_follow_up_are_what_the_app_would_have_written(cast: Cast) -> None:
    made(60)
    workflow = workflow_now()
    for row in mongo.collection("leads").find({"type": "lead"}):
        stored_keys, _ = row.pop("keys"), row.pop("_id")
        each = store.model(row)
        assert stored_keys == keys.keys(each, workflow, settings.DEFAULT_REGION)
        ask = record.Ask(system([NORTH]), workflow, each.updated_at)
        derived = record.derived(dict(each), ask)
        assert each.next_follow_up_at == derived["next_follow_up_at"]
        assert (each.score, each.score_reasons) == scoring.score(dict(each), workflow.config.scoring, each.updated_at)


def test_its_record_leads_back_to_the_first_version(cast: Cast) -> None:
    workflow = workflow_now()
    for each in made(80):
        assert [entry.version for entry in each.changes] == list(range(1, each.version + 1))
        created = events.of(each)[0]
        assert (created["event_type"], created["lead_id"]) == ("LeadCreated", each.uid)
        assert (created["email"], created["source"]) == (each.email, each.source)
        document = each.model_dump()
        for entry in reversed(each.changes):
            undo(document, entry.changes)
        assert document["current_stage"] == workflow.stages[0].uid
        assert document["rank"][-1] == "1"
        assert all(task["status"] == "pending" for task in document["tasks"])


def test_passes_through_allowed_stages_at_plausible_times(cast: Cast) -> None:
    workflow = workflow_now()
    leads = made(150)
    for each in leads:
        assert each.history[-1].stage == each.current_stage
        assert now() >= each.updated_at >= each.created_at >= now() - timedelta(days=366)
        for before, after in zip(each.history, each.history[1:], strict=False):
            stage = workflow.stage(before.stage)
            assert stage is not None
            assert after.stage in stage.allowed_next_stages
            assert before.left_at == after.entered_at
            assert not any(t.required and t.status != "completed" for t in each.tasks if t.stage == before.stage)
    reached = {each.current_stage for each in leads}
    assert reached == {stage.uid for stage in workflow.stages}


def test_people_are_different_and_can_be_told_apart(cast: Cast) -> None:
    leads = made(300)
    assert len({each.email for each in leads}) == 300
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(each.phone)) for each in leads if each.phone)
    assert any(not each.name.isascii() for each in leads)
    assert {bool(each.company) for each in leads} == {True, False}


def test_leads_belong_to_people_of_their_centre(cast: Cast) -> None:
    people = {NORTH: {cast.alice.uid, cast.bob.uid}, SOUTH: {cast.charlie.uid}}
    leads = made(200)
    for each in leads:
        assert set(each.assigned_to) <= people[each.center]
    assert {each.center for each in leads} == {NORTH, SOUTH}
    assert 5 <= sum(not each.assigned_to for each in leads) <= 45


def test_works_with_whatever_workflow_there_is(cast: Cast) -> None:
    configure(**RICH)
    for each in made(60):
        assert each.uid.startswith("D")
        assert ("only_buyers" in each.fields) == (each.lead_type == "buy")
        assert not workflow_now().values.missing(each.fields, lead_type=each.lead_type)
        assert workflow_now().values.convert(each.fields, lead_type=each.lead_type)[1] == []
        assert set(each.tags) <= {"one", "two"}


def test_many_leads_share_lives_but_nothing_personal(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SHARED", 100)
    leads = made(200)
    uids = [entry.uid for each in leads for entry in (*each.tasks, *each.activities)]
    assert len(set(uids)) == len(uids)
    assert len({each.rank for each in leads}) == 200
    emails = [entry["email"] for each in leads for entry in events.of(each) if entry["event_type"] == "LeadCreated"]
    assert emails == [each.email for each in leads]
    for each in leads:
        assert {event["task"] for event in events.of(each) if "task" in event} <= {task.uid for task in each.tasks}
        assert {a.meta["task"] for a in each.activities if "task" in a.meta} <= {task.uid for task in each.tasks}


def test_several_processes_make_as_many(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MANY", 40)
    monkeypatch.setattr(demo, "BATCH", 20)
    assert len({each.uid for each in made(60)}) == 60


def test_the_api_serves_them(cast: Cast) -> None:
    made(40)
    page = cast.root.get("/api/leads/?limit=40").json()
    assert len(page["results"]) == 40
    for row in page["results"][:10]:
        assert cast.root.get(f"/api/leads/{row['uid']}/").status_code == 200
    assert sum(column["count"] for column in cast.root.get("/api/leads/kanban/").json()) == 40


def test_progress_is_one_line_on_a_terminal_and_a_few_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    told: list[str] = []
    for say in (Terminal(), told.append):
        progress = demo.Progress(say, 100)
        for _ in range(100):
            progress.add(1)
        if isinstance(say, Terminal):
            assert say.getvalue().count("\r") == 100
            assert say.getvalue().count("\n") == 1
    assert len(told) == 10
    assert told[-1].startswith("100 of 100 leads")
