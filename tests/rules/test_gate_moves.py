"""What `moves` promises is what `move` does: for any workflow, any lead, anybody."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lead_crm.errors import Refused
from leads import gate
from leads.documents import Lead
from leads.gate import Move
from leads.record import Ask
from tests.rules.making import CALL, NOW, ask, flow, later, new_lead, person, stage
from workflow.documents import Stage
from workflow.workflow import Workflow

UIDS = ("new", "contacted", "won", "lost", "extra")
VARIABLES = [{"field_key": "n", "field_type": "integer"},
             {"field_key": "why", "field_type": "text", "visible_if": {"field": "n", "equals": 1}}]  # fmt: skip
some = st.lists


@st.composite
def stages(draw: st.DrawFn, uid: str) -> Stage:
    following = draw(some(st.sampled_from([other for other in UIDS if other != uid]), unique=True))
    return stage(
        uid, *following, archived=uid != "new" and draw(st.booleans()),
        kind="open" if uid == "new" else draw(st.sampled_from(["open", "won", "lost"])),
        required_fields=draw(some(st.sampled_from(["email", "n", "fields.why", "tags"]), unique=True, max_size=2)),
        allowed_roles=draw(some(st.sampled_from(["agent", "manager"]), unique=True, max_size=1)),
        task_templates=draw(st.sampled_from([[], [CALL], [CALL | {"required": False}]])),
    )  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> tuple[Lead, Ask]:
    workflow = flow(*[draw(stages(uid)) for uid in UIDS], variables=VARIABLES)
    lead = _somewhere(draw, new_lead(workflow, email=draw(st.sampled_from([None, "ada@example.com"]))), workflow)
    actor = person(draw(st.sampled_from(["center_admin", "agent", "viewer", "trainer"])))
    return lead, ask(workflow, actor, later(days=1))


def _somewhere(draw: st.DrawFn, lead: Lead, workflow: Workflow) -> Lead:
    uid = draw(st.sampled_from(UIDS))
    lead = gate.evacuate(lead, Move(uid, force=True, reason="Test"), ask(workflow)) if uid != "new" else lead
    statuses = st.sampled_from(["pending", "completed", "cancelled"])
    return lead.changed(
        status=draw(st.sampled_from([lead.status, "on_hold", "archived"])),
        tasks=[task.changed(status=draw(statuses)) for task in lead.tasks],
        fields=draw(st.sampled_from([{}, {"n": 1}, {"n": 0}, {"n": 1, "why": "x"}])),
        tags=draw(st.sampled_from([[], ["hot"]])),
    )


def tried(lead: Lead, to: str, asking: Ask) -> list[dict[str, Any]]:
    try:
        assert gate.move(lead, Move(to), asking).current_stage == to
    except Refused as refused:
        found: list[dict[str, Any]] = refused.extra["refusals"]
        return found
    return []


@settings(max_examples=150, deadline=None)
@given(situations())
def test_the_verdict_on_every_stage_is_what_moving_there_does(situation: tuple[Lead, Ask]) -> None:
    lead, asking = situation
    verdicts = gate.moves(lead, asking, ())
    assert [v["stage"] for v in verdicts] == [s.uid for s in asking.workflow.stages]
    for verdict in verdicts:
        assert verdict["refusals"] == tried(lead, verdict["stage"], asking)
        assert verdict["allowed"] is not bool(verdict["refusals"])
        assert all(refusal["code"] and refusal["detail"] and refusal["how_to_pass"] for refusal in verdict["refusals"])


def test_a_verdict_names_stage_and_limit() -> None:
    lead = new_lead()
    verdicts = {v["stage"]: v for v in gate.moves(lead, ask(), {"contacted"})}
    assert list(verdicts) == ["new", "contacted", "won", "lost"]
    assert [verdicts["new"]["allowed"], verdicts["contacted"]["refusals"][0]["code"]] == [True, "wip_limit"]
    assert verdicts["contacted"]["name"] == "Contacted"
    assert lead.created_at == NOW
