"""Each business finds its own words in its demo: children and parents, goods and farmers, enquiries and calls."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import phonenumbers
import pytest
from django.conf import settings

from lead_crm import audit, mongo
from lead_crm.access import system
from lead_crm.documents import now
from lead_crm.errors import LeadCrmError
from leads import keys, store
from leads.documents import Lead
from management import accounts, demo, setup, words
from management.invention import DRAWN
from tests.conftest import forget_everything
from tests.contract import CheckedClient
from workflow import preset as presets
from workflow import service as workflow_service
from workflow.documents import Quantities, Source
from workflow.task_kinds import TaskKind
from workflow.workflow import Workflow

AT = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)  # the same dice, the same day: the same demo
NUMBER = 300
BUILT_IN = {"n", "year", "phone", "other_phone"}
WORDS = {
    "default": ("Smith", "example"),
    "website": ("kitchen", "staircase", "oak"),
    "sales": ("Reel", "tasting"),
    "enrolment": ("Kulkarni", "Saturday"),
    "trading": ("Cooperative", "turmeric", "cumin"),
}


class Business:
    """A preset with its demo in an otherwise empty database."""

    def __init__(self, name: str) -> None:
        self.name = name
        audit.flush()
        for collection in mongo.collection("leads").database.list_collection_names():
            mongo.collection(collection).delete_many({})
        forget_everything()
        setup.prepare(name, now=now())
        demo.top_up(NUMBER, now=AT, say=io.StringIO())
        self.workflow: Workflow = workflow_service.current()
        self.rows = list(mongo.collection("leads").find({"type": "lead"}, {"_id": 0}))
        self.leads: list[Lead] = [store.model({k: v for k, v in row.items() if k != "keys"}) for row in self.rows]
        root = accounts.create(email="root@example.com", name="Root", roles=["super_admin"], at=now())
        self.root = CheckedClient(token=accounts.create_token(root, name="tests", at=now()))


@pytest.fixture(scope="module", params=presets.names())
def business(request: pytest.FixtureRequest, mongod: None) -> Iterator[Business]:
    yield Business(request.param)
    forget_everything()


def test_every_stage_source_type_task_and_outcome_occurs(business: Business) -> None:
    config, leads = business.workflow.config, business.leads
    assert {lead.current_stage for lead in leads} == set(business.workflow.by_uid)
    assert {lead.source for lead in leads} == {source.key for source in config.sources}
    assert {lead.lead_type for lead in leads} == {choice.key for choice in config.lead_types} or {None}
    tasks = [task for lead in leads for task in lead.tasks]
    assert {task.kind for task in tasks} == {kind.key for kind in config.task_kinds}
    ended = {(task.kind, task.outcome) for task in tasks if task.status == "completed"}
    assert ended == {
        (kind.key, outcome) for kind in config.task_kinds
        for outcome in ([one.key for one in kind.outcomes] or [None])
    }  # fmt: skip


def test_every_lead_is_what_the_config_allows(business: Business) -> None:
    workflow, config = business.workflow, business.workflow.config
    for lead in business.leads:
        values, faults = workflow.values.convert(lead.fields, lead_type=lead.lead_type)
        assert (values, faults) == (lead.fields, [])
        assert not workflow.values.missing(lead.fields, lead_type=lead.lead_type)
        source = next(source for source in config.sources if source.key == lead.source)
        assert not source.lead_types or lead.lead_type in source.lead_types
        for task in lead.tasks:
            assert workflow.completions[task.kind].convert(task.fields, lead_type=None)[1] == []
        assert all(getattr(lead, name) for name in config.required)


def test_every_lead_is_found_by_what_it_holds(business: Business) -> None:
    for row, lead in zip(business.rows, business.leads, strict=True):
        assert row["keys"] == keys.keys(lead, business.workflow, settings.DEFAULT_REGION)


def test_what_is_won_or_lost_says_what_came_of_it(business: Business) -> None:
    reasons = {choice.key for choice in business.workflow.config.close_reasons}
    closed = [lead for lead in business.leads if lead.status in ("won", "lost")]
    references = [lead.conversion.reference for lead in closed if lead.conversion]
    assert len(references) == len(set(references)) == sum(lead.status == "won" for lead in closed)
    assert {lead.closed_reason for lead in closed if lead.status == "lost"} == reasons
    assert not any(task.status == "pending" for lead in closed for task in lead.tasks)


def test_there_is_something_to_do_today(business: Business) -> None:
    going = [lead for lead in business.leads if lead.status == "open"]
    due = [moment for lead in going for moment in lead.due]
    assert any(moment < AT for moment in due)
    assert any(moment > AT for moment in due)
    assert any(not lead.next_follow_up_at for lead in going)
    created = sorted(lead.created_at for lead in business.leads)
    assert (created[-1] - created[0]).days > 330
    assert created[-1] < AT


def test_appointments_are_in_working_hours(business: Business) -> None:
    first, last = words.load(business.name).hours
    by_hand = [task for lead in business.leads for task in lead.tasks if task.template is None and task.due_at]
    planned = [task.due_at for task in by_hand if task.due_at and task.due_at.second == task.due_at.microsecond == 0]
    assert planned
    assert all(first <= due.hour <= last and due.minute in (0, 30) and due.weekday() != 6 for due in planned)


def test_nobody_can_be_reached_by_mail_and_every_number_could_be_one(business: Business) -> None:
    people = [one for lead in business.leads for one in (lead, *lead.contacts)]
    domains = {str(one.email).rpartition("@")[2] for one in people if one.email}
    assert all(domain.endswith(".example") or domain.startswith("example.") for domain in domains)
    numbers = [one.phone for one in people if one.phone]
    assert numbers
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)


def test_the_board_speaks_of_the_business(business: Business) -> None:
    response = business.root.get("/api/leads/kanban/?limit=200")
    assert response.status_code == 200
    columns = response.json()
    assert [column["uid"] for column in columns] == [stage.uid for stage in business.workflow.living]
    assert sum(column["count"] for column in columns) == NUMBER
    listed = business.root.get("/api/leads/?limit=200").content + response.content
    assert [word for word in WORDS[business.name] if word.encode() not in listed] == []


def test_another_run_changes_nothing(business: Business) -> None:
    people = accounts.accounts.collection.count_documents({})
    assert demo.top_up(NUMBER, now=now(), say=io.StringIO()) == 0
    assert not setup.prepare(business.name, now=now()).endswith("is in place.")
    assert accounts.accounts.collection.count_documents({}) == people
    assert store.number_of_leads() == NUMBER


def test_another_preset_is_refused(business: Business) -> None:
    other = next(name for name in presets.names() if name != business.name)
    with pytest.raises(LeadCrmError, match="There are leads already"):
        setup.prepare(other, now=now())


def test_nobody_of_the_demo_can_sign_in(business: Business) -> None:
    made = [one for one in accounts.accounts.find() if one.name != "Root"]
    assert len(made) == len(words.load(business.name).people)
    assert all(one.password is None and one.invitation_hash is None for one in made)
    assert {uid for lead in business.leads for uid in lead.assigned_to} <= {one.uid for one in made}


def only(name: str) -> Any:
    return pytest.mark.parametrize("business", [name], indirect=True)


@only("enrolment")
def test_a_child_is_as_old_as_the_day_of_birth_says(business: Business) -> None:
    for lead in business.leads:
        born, came = date.fromisoformat(str(lead.fields["dob"])), lead.created_at.date()
        assert lead.fields["age"] == came.year - born.year - ((came.month, came.day) < (born.month, born.day))
        assert lead.name == f"{lead.fields['child_first_name']} {lead.fields['child_last_name']}"
        assert lead.contacts[0].relation in ("Mother", "Father")


@only("enrolment")
def test_brothers_and_sisters_share_a_parent(business: Business) -> None:
    numbers = [lead.contacts[0].phone for lead in business.leads]
    assert 20 <= len(numbers) - len(set(numbers)) <= 30
    twice = next(lead for lead in business.leads if numbers.count(lead.contacts[0].phone) == 2)
    family = [lead for lead in business.leads if lead.contacts[0].phone == twice.contacts[0].phone]
    assert len({(lead.last_name, lead.center) for lead in family}) == 1


@only("enrolment")
def test_visits_are_held_by_trainers_of_several_centres(business: Business) -> None:
    trainers = {one.uid for one in accounts.accounts.find({"roles": "trainer"})}
    visits = [task for lead in business.leads for task in lead.tasks if task.kind == "intro_visit"]
    assert trainers == {task.assigned_to for task in visits} & trainers
    assert trainers & {task.completed_by for task in visits}
    assert {lead.center for lead in business.leads} == {"banyan-road", "lake-view", "old-mill"}


@only("trading")
def test_goods_have_a_quantity_and_everything_lies_in_india(business: Business) -> None:
    for lead in business.leads:
        assert lead.quantity
        assert lead.value
        assert lead.address
        assert (lead.address.country, lead.value.currency) == ("India", "INR")
        assert str(lead.phone).startswith("+91 ")
        assert ("industry" in lead.fields) == (lead.lead_type == "sales")
    amounts = [lead.quantity for lead in business.leads if lead.quantity]
    assert {one.unit for one in amounts} == {"kg", "mt", "units"}
    assert any(one.amount.partition(".")[2].strip("0") for one in amounts)


@only("trading")
def test_some_are_on_hold_and_every_temperature_occurs(business: Business) -> None:
    assert {"on_hold", "open"} <= {lead.status for lead in business.leads}
    rows = business.root.get("/api/leads/?limit=200&kind=open").json()["results"]
    assert {row["temperature"] for row in rows} == {"hot", "warm", "cold"}


@only("sales")
def test_some_are_called_again_and_again_and_some_are_hot(business: Business) -> None:
    assert max(lead.call_attempts for lead in business.leads) > 2
    assert {lead.score > 70 for lead in business.leads} == {True, False}


@only("website")
def test_visitors_write_themselves_and_some_write_twice(business: Business) -> None:
    assert sum(lead.created_by == "public" for lead in business.leads) > NUMBER / 2
    addresses = [lead.email for lead in business.leads]
    assert len(set(addresses)) < NUMBER


def test_people_and_centres_of_ones_own_keep_the_demo_from_making_any(empty: None) -> None:
    setup.prepare("enrolment", now=now())
    accounts.add_center(uid="mine", name="Mine", at=now())
    demo.top_up(5, now=AT, say=io.StringIO())
    assert [center.uid for center in accounts.centers.find()] == ["mine"]
    assert list(accounts.accounts.find()) == []


def test_what_a_crash_has_left_out_is_made_the_next_time(empty: None) -> None:
    setup.prepare("enrolment", now=now())
    accounts.add_center(uid="lake-view", name="Lake View", at=now())
    demo.top_up(5, now=AT, say=io.StringIO())
    assert len(list(accounts.centers.find())) == 3
    assert len(list(accounts.accounts.find())) == 6


def test_words_fit_whatever_became_of_the_workflow(empty: None) -> None:
    """The administrator has taken out and added things since."""
    setup.prepare("trading", now=now())
    changes = {
        "sources": [Source(key="Online auction", label="Online auction")], "tags": ["one"],
        "quantity": Quantities(units=["bags"]), "task_kinds": [TaskKind(key="audit", label="Audit")],
    }  # fmt: skip
    workflow_service.configure(changes, actor=system(["main"]), now=now(), if_match=None)
    demo.top_up(30, now=AT, say=io.StringIO())
    leads = [store.model(row) for row in mongo.collection("leads").find({"type": "lead"}, {"_id": 0, "keys": 0})]
    assert {lead.source for lead in leads} == {"Online auction"}
    assert {lead.quantity for lead in leads} == {None}
    assert {tag for lead in leads for tag in lead.tags} <= {"one"}
    assert {task.kind for lead in leads for task in lead.tasks} <= {"audit"}


@pytest.mark.parametrize("name", words.names())
def test_every_draw_that_words_name_is_there(name: str) -> None:
    found = words.load(name)
    text = (words.FOLDER / f"{name}.json").read_text()
    known = {*found.draws, *BUILT_IN, *found.leads[0].given}
    assert {drawn[1] for drawn in DRAWN.finditer(text)} <= known
    assert {*found.kept, *found.family} <= known
