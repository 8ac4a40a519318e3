"""Old entries leave the lead and go to timeline documents: none lost, none doubled, in order."""

from leads import record, rules
from leads.documents import Lead, Timeline
from leads.messages import ActivityIn
from tests.rules.making import ask, later, new_lead


def noted(lead: Lead, number: int) -> Lead:
    return rules.add_activity(lead, ActivityIn(body=str(number)), ask(at=later(hours=number)))


def written(notes: int) -> tuple[Lead, list[Timeline]]:
    lead, timelines = new_lead(), []
    for number in range(1, notes + 1):
        lead, spilled = record.spill(lead, lead.changes)
        timelines += [spilled] if spilled else []
        lead = noted(lead, number)
    return lead, timelines


def test_a_long_life_is_kept_whole_and_in_order() -> None:
    lead, timelines = written(200)
    assert [a.body for document in [*timelines, lead] for a in document.activities][1:] == [
        str(number) for number in range(1, 201)
    ]
    assert [c.version for document in [*timelines, lead] for c in document.changes] == list(range(1, 202))
    assert [entry for document in timelines for entry in document.history] == []
    assert [timeline.uid for timeline in timelines] == sorted(timeline.uid for timeline in timelines)


def test_the_lead_stays_small_and_keeps_its_latest_ten() -> None:
    for notes in (0, 5, 9, 10, 11, 19, 20, 21, 200):
        lead, _ = written(notes)
        assert min(notes + 1, record.KEPT) <= len(lead.activities) <= record.FULL
        assert len(lead.changes) <= record.FULL_CHANGES


def test_the_lead_says_how_much_it_has_given_away() -> None:
    lead, timelines = written(100)
    for name in ("activities", "history", "changes"):
        assert getattr(lead.spilled, name) == sum(len(getattr(timeline, name)) for timeline in timelines)


def test_a_short_life_does_not_spill() -> None:
    lead = new_lead()
    assert record.spill(lead, lead.changes) == (lead, None)


def test_every_hundred_changes_the_state_goes_along() -> None:
    _, timelines = written(420)
    kept = [timeline for timeline in timelines if timeline.state]
    assert [timeline.state["version"] for timeline in kept if timeline.state] == [100, 200, 300, 400]
    for timeline in kept:
        last = timeline.changes[-1]
        assert timeline.state is not None
        assert (timeline.state["version"], timeline.state["updated_at"]) == (last.version, last.at)
    assert "state" not in timelines[0].model_dump()


def test_two_writers_spill_the_very_same_document() -> None:
    lead = new_lead()
    for number in range(14, 24):
        lead = noted(lead, number)
    (kept, first), (again, second) = record.spill(lead, lead.changes), record.spill(lead, lead.changes)
    assert first is not None
    assert (kept, first) == (again, second)
    assert first.uid == f"{lead.uid}:{lead.version:010d}"
    assert record.spill(kept, kept.changes) == (kept, None)


def test_the_stage_the_lead_stands_in_never_leaves_it() -> None:
    lead = new_lead()
    kept, spilled = record.spill(lead.changed(history=lead.history * 40), lead.changes)
    assert spilled is not None
    assert (len(spilled.history), len(kept.history)) == (40 - record.KEPT, record.KEPT)
    assert kept.history[-1].left_at is None


def test_spilling_is_no_change_of_the_lead() -> None:
    lead = new_lead().changed(activities=new_lead().activities * 40)
    kept, _ = record.spill(lead, lead.changes)
    assert record.compared(kept) == record.compared(lead)
    assert (kept.version, kept.updated_at) == (lead.version, lead.updated_at)
