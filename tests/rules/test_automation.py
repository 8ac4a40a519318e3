"""What follows by itself from tasks, told with the words of the children's gym."""

from datetime import timedelta
from typing import Any

import pytest

from lead_crm.access import Actor
from lead_crm.errors import Invalid, NotAllowed
from leads import tasks
from leads.automation import Automation
from leads.documents import Lead
from leads.messages import CompleteIn, TaskIn
from tests.rules.making import ALICE, CALL, NOW, ask, faults, flow, later, moved, new_lead, person, stage
from workflow import rules as workflow_rules
from workflow.documents import Stage
from workflow.preset import load
from workflow.workflow import Workflow


def gym(**settings: Any) -> Workflow:
    preset = load("enrolment")
    stages = [Stage(**dict(stage), created_at=NOW, updated_at=NOW) for stage in preset.stages]
    return workflow_rules.set_up(preset.config.changed(**settings), now=NOW, stages=stages)


GYM = gym()
TRAINER = person("trainer", "tom")


class Story:
    """One lead, told hour by hour."""

    def __init__(self, workflow: Workflow = GYM) -> None:
        self.workflow, self.hours = workflow, 0
        self.lead: Lead = new_lead(workflow, name="Mia", assigned_to=["bob"])
        self.automation = Automation()

    def schedules(self, kind: str, **values: Any) -> "Story":
        self.hours += 1
        self.automation = Automation()
        body = TaskIn.model_validate({"kind": kind} | values)
        self.lead = tasks.add(self.lead, body, ask(self.workflow, at=later(hours=self.hours)), self.automation)
        return self

    def completes(self, outcome: str | None = None, actor: Actor = ALICE, **body: Any) -> "Story":
        """The last task that is pending."""
        self.hours += 1
        self.automation = Automation()
        uid = [task.uid for task in self.lead.tasks if task.status == "pending"][-1]
        body = body | ({"outcome": outcome} if outcome else {})
        asking = ask(self.workflow, actor, at=later(hours=self.hours))
        self.lead = tasks.complete(self.lead, uid, CompleteIn.model_validate(body), asking, self.automation)
        return self

    @property
    def stage(self) -> str:
        return self.lead.current_stage

    def pending(self) -> list[str]:
        return [task.kind for task in self.lead.tasks if task.status == "pending"]


def test_scheduling_a_visit_moves_the_lead() -> None:
    story = Story().schedules("intro_visit", fields={"batch": "Tuesday"}, assigned_to="tom")
    assert (story.stage, story.automation.moved, story.lead.version) == ("IV_SCHEDULED", True, 2)
    assert story.lead.activities[-1].meta == {
        "from": "ENQUIRY_RECEIVED", "to": "IV_SCHEDULED", "reason": "Intro visit scheduled", "automatic": True,
    }  # fmt: skip


@pytest.mark.parametrize(("outcome", "stage"), [
    ("INTERESTED_ENROLL_NOW", "IV_COMPLETED"), ("INTERESTED_ENROLL_LATER", "FOLLOW_UP_PENDING"),
    ("NOT_INTERESTED", "FOLLOW_UP_PENDING"), ("NO_SHOW", "IV_NO_SHOW"),
])  # fmt: skip
def test_the_outcome_of_a_visit_moves_the_lead(outcome: str, stage: str) -> None:
    story = Story().schedules("intro_visit").completes(outcome)
    assert (story.stage, story.lead.tasks[0].outcome, story.lead.version) == (stage, outcome, 3)
    assert story.automation.moved


@pytest.mark.parametrize("kind", ["intro_visit", "follow_up"])
def test_how_a_visit_or_a_follow_up_went_must_be_told(kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        Story().schedules(kind).completes(None)
    assert faults(caught) == [("/outcome", "required")]
    assert all(outcome.key in caught.value.faults[0].detail for outcome in GYM.task_kinds[kind].outcomes)


def test_a_trainer_who_may_not_move_leads_sets_the_move_off_all_the_same() -> None:
    assert not TRAINER.may("lead.move")
    assert Story().schedules("intro_visit").completes("NO_SHOW", actor=TRAINER).stage == "IV_NO_SHOW"


def test_a_default_outcome_needs_no_naming_and_fills_the_leads_own_fields() -> None:
    story = Story().schedules("discovery").completes(fields={"school": "Elm Road", "parent_expectations": ["other"]})
    assert (story.stage, story.lead.tasks[0].outcome) == ("DISCOVERY_COMPLETED", "done")
    assert (story.lead.fields["school"], story.lead.fields["parent_expectations"]) == ("Elm Road", ["other"])
    assert story.lead.tasks[0].completed_at == later(hours=2)


def test_an_outcome_makes_the_next_task_which_stays_with_the_leads_owner() -> None:
    story = Story().schedules("follow_up").completes("POSTPONED")
    assert story.pending() == ["follow_up"]
    made = story.lead.tasks[-1]
    assert (made.due_at, made.assigned_to) == (later(hours=2) + timedelta(days=7), "bob")
    assert (story.automation.tasks, story.lead.next_follow_up_at) == ([made.uid], made.due_at)


def test_a_completion_may_name_its_own_next_task() -> None:
    own = {"kind": "intro_visit", "due_at": "2026-12-01T10:00:00Z", "assigned_to": "tom", "fields": {"batch": "B"}}
    story = Story().schedules("follow_up").completes("SCHEDULED_IV", next_task=own)
    assert (story.stage, story.pending()) == ("IV_SCHEDULED", ["intro_visit"])
    assert (story.lead.tasks[-1].assigned_to, story.lead.tasks[-1].fields) == ("tom", {"batch": "B"})


def test_one_completion_is_one_version_however_much_follows() -> None:
    story = Story().schedules("follow_up")
    before = story.lead.version
    story.completes("SCHEDULED_IV")
    assert (story.lead.version, story.stage) == (before + 1, "IV_SCHEDULED")
    assert [entry.stage for entry in story.lead.history] == ["ENQUIRY_RECEIVED", "FOLLOW_UP_PENDING", "IV_SCHEDULED"]


def test_where_the_gate_refuses_the_fact_stands_and_the_timeline_says_why() -> None:
    story = Story().schedules("intro_visit").schedules("follow_up")  # now it stands in FOLLOW_UP_PENDING
    visit = story.lead.tasks[0].uid
    automation = Automation()
    asking = ask(GYM, at=later(hours=5))
    lead = tasks.complete(story.lead, visit, CompleteIn(outcome="NO_SHOW"), asking, automation)
    assert (lead.tasks[0].status, lead.tasks[0].outcome, lead.current_stage) == (
        "completed", "NO_SHOW", "FOLLOW_UP_PENDING",
    )  # fmt: skip
    assert (automation.moved, [r["code"] for r in automation.refusals]) == (False, ["not_allowed_from_here"])
    assert lead.activities[-1].body == "Did not move to Did not come: Did not come does not follow Follow-up pending."


def test_a_stage_that_is_known_to_be_full_refuses() -> None:
    automation = Automation()
    asking = ask(GYM)
    full = type(asking)(asking.actor, GYM, asking.now, full=frozenset({"IV_SCHEDULED"}))
    lead = tasks.add(Story().lead, TaskIn(kind="intro_visit"), full, automation)
    assert (lead.current_stage, [r["code"] for r in automation.refusals]) == ("ENQUIRY_RECEIVED", ["wip_limit"])
    assert [task.status for task in lead.tasks] == ["pending"]


def test_a_lost_stage_takes_the_outcome_for_its_reason() -> None:
    kinds = GYM.config.model_dump()["task_kinds"]
    kinds[2]["outcomes"][1]["move_to"] = "CLOSED_LOST"
    story = Story(gym(task_kinds=kinds)).schedules("follow_up").completes("LOST")
    assert (story.stage, story.lead.closed_reason) == ("CLOSED_LOST", "Lost")


@pytest.mark.parametrize(("outcome", "attempts"), [("ENROLLED", 1), ("POSTPONED", 1)])
def test_what_counts_as_a_call_counts(outcome: str, attempts: int) -> None:
    story = Story().schedules("follow_up").completes(outcome)
    assert (story.lead.call_attempts, story.lead.last_contacted_at) == (attempts, later(hours=2))


def test_a_move_that_brings_the_next_step_along_is_planned() -> None:
    kinds = GYM.config.model_dump()["task_kinds"]
    kinds[2]["outcomes"][2]["move_to"] = "IV_SCHEDULED"
    story = Story(gym(task_kinds=kinds, next_step_required=True)).schedules("follow_up").completes("POSTPONED")
    assert (story.automation.refusals[:1], story.pending()) == ([], ["follow_up"])


def test_another_outcome_of_a_completed_task_is_not_dropped_in_silence() -> None:
    story = Story().schedules("intro_visit")
    uid = story.lead.tasks[0].uid
    lead = story.completes("NO_SHOW").lead
    again = ask(GYM, at=later(hours=9))
    assert tasks.complete(lead, uid, CompleteIn(outcome="NO_SHOW"), again) is lead
    with pytest.raises(tasks.TaskClosed):
        tasks.complete(lead, uid, CompleteIn(outcome="NOT_INTERESTED"), again)


def test_only_who_may_edit_tasks_names_the_next_one() -> None:
    with pytest.raises(NotAllowed):
        Story().schedules("intro_visit").completes("NO_SHOW", actor=TRAINER, next_task={"kind": "follow_up"})


def test_what_a_stage_requires_is_not_made_optional() -> None:
    lead = moved(new_lead(), "contacted", workflow=flow(stage("contacted", "won", task_templates=[CALL])))
    with pytest.raises(Invalid) as caught:
        tasks.edit(lead, lead.tasks[-1].uid, {"required": False}, ask(actor=person("agent", "bob")))
    assert faults(caught) == [("/required", "read_only")]


def test_a_next_task_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        Story().schedules("follow_up").completes("ENROLLED", next_task={"kind": "rain"})
    assert faults(caught) == [("/next_task/kind", "not_an_option")]


@pytest.mark.parametrize(("change", "pointer", "code"), [
    ({"on_schedule": {"move_to": "MOON"}}, "/task_kinds/0/on_schedule/move_to", "unknown_stage"),
    ({"outcomes": [{"key": "a", "label": "A", "move_to": "MOON"}]},
     "/task_kinds/0/outcomes/0/move_to", "unknown_stage"),
    ({"outcomes": [{"key": "a", "label": "A", "next_task": {"kind": "rain"}}]},
     "/task_kinds/0/outcomes/0/next_task/kind", "unknown_task_kind"),
    ({"outcomes": [{"key": k, "label": k, "default": True} for k in "ab"]}, "/task_kinds/0/outcomes", "two_defaults"),
])  # fmt: skip
def test_an_impossible_chain_is_refused_with_its_place(change: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        gym(task_kinds=[{"key": "x", "label": "X"} | change])
    assert faults(caught) == [(pointer, code)]


def test_a_stage_that_goes_takes_the_moves_into_it_along() -> None:
    after = workflow_rules.drop_stage(GYM, "IV_NO_SHOW", now=later(hours=1))
    visit = after.task_kinds["intro_visit"]
    assert {outcome.key: outcome.move_to for outcome in visit.outcomes}["NO_SHOW"] is None
    assert visit.on_schedule is not None
    assert workflow_rules.drop_stage(GYM, "IV_SCHEDULED", now=NOW).task_kinds["intro_visit"].on_schedule is None
