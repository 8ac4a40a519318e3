"""Two leads become one, field by field, and two again."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lead_crm.access import Person
from lead_crm.errors import Conflict, Invalid, Merged
from leads import merging, record, rules, tasks
from leads.documents import Lead
from leads.merging_messages import CHOSEN, MergeIn
from leads.messages import ActivityIn, CompleteIn, LeadPatch, TaskIn
from tests.rules.making import CALL, ask, faults, flow, later, new_lead, patch, stage, stored
from tests.rules.test_record import FLOW as COMMON
from tests.rules.test_record import LIVES, life
from workflow.workflow import Workflow

FIELDS = [
    {"field_key": "budget", "field_type": "decimal"},
    {"field_key": "industry", "field_type": "text", "lead_types": ["sales"]},
    {"field_key": "vip", "field_type": "boolean"},
    {"field_key": "gift", "field_type": "text", "visible_if": {"field": "vip", "equals": True}},
    {"field_key": "must", "field_type": "text", "required": True},
]
TYPES = [{"key": "sales", "label": "Sales"}, {"key": "buying", "label": "Buying"}]
SOURCES = [
    {"key": "ads", "label": "Ads"},
    {"key": "web", "label": "Web"},
    {"key": "farm", "label": "Farm", "lead_types": ["buying"]},
]
HOUSE = flow(variables=FIELDS, lead_types=TYPES, sources=SOURCES)
REGION = "US"
PEOPLE = {
    "bob": Person("bob", "Bob", ("south",), everywhere=False), "eve": Person("eve", "Eve", (), everywhere=True),
}  # fmt: skip
MUST = {"must": "x"}


def other(workflow: Workflow = HOUSE, **values: Any) -> Lead:
    return new_lead(workflow, **{"name": "Ada L.", "fields": MUST} | values).model_copy(update={"uid": "LEAD-2"})


def winner(workflow: Workflow = HOUSE, **values: Any) -> Lead:
    return new_lead(workflow, **{"fields": MUST} | values)


def merge(one: Lead, two: Lead, workflow: Workflow = HOUSE, **fields: Any) -> tuple[Lead, Lead]:
    body = MergeIn.model_validate({"lead": two.uid, "fields": fields})
    return merging.merge(one, two, body, ask(workflow), REGION, PEOPLE)


def unmerge(one: Lead, two: Lead, written: Lead | None = None, workflow: Workflow = HOUSE) -> tuple[Lead, Lead]:
    """`written`: the winner as it was just after the merge."""
    entry = (written or one).changes[-1]
    return merging.unmerge(one, two, entry, None, ask(workflow, at=later(days=9)))


def kept(lead: Lead) -> Any:
    return lead.activities[-1].meta["kept"]


class TestValues:
    def test_the_winner_keeps_its_own_and_takes_what_it_lacks(self) -> None:
        after, _ = merge(
            winner(company="Mill", email="ada@a.example"),
            other(company="Works", phone="+1 415 555 0123", email="ada@b.example", priority="high"),
        )
        assert (after.company, after.email, after.phone, after.priority) == (
            "Mill", "ada@a.example", "+1 415 555 0123", "high",
        )  # fmt: skip

    @pytest.mark.parametrize("name", ["company", "email", "next_follow_up_at", "value", "score_override"])
    def test_a_choice_turns_it_round(self, name: str) -> None:
        values: dict[str, tuple[Any, Any]] = {
            "company": ("Mill", "Works"), "email": ("ada@a.example", "ada@b.example"), "score_override": (10, 20),
            "next_follow_up_at": (later(days=1).isoformat(), later(days=2).isoformat()),
            "value": ({"amount": 1, "currency": "EUR"}, {"amount": 2, "currency": "EUR"}),
        }  # fmt: skip
        mine, theirs = values[name]
        one, two = winner(**{name: mine}), other(**{name: theirs})
        assert getattr(merge(one, two)[0], name) == getattr(one, name)
        assert getattr(merge(one, two, **{name: "loser"})[0], name) == getattr(two, name)
        assert getattr(merge(one, two, **{name: "winner"})[0], name) == getattr(one, name)

    def test_an_empty_value_may_be_chosen(self) -> None:
        assert merge(winner(company="Mill"), other(), company="loser")[0].company is None

    def test_but_none_that_every_lead_has_to_have(self) -> None:
        strict = flow(variables=FIELDS, required=["company"], lead_types=TYPES)
        with pytest.raises(Invalid) as refused:
            merge(
                winner(strict, company="Mill"), other(strict, company="W").model_copy(update={"company": None}), strict,
                company="loser",
            )  # fmt: skip
        assert faults(refused) == [("/fields/company", "required")]

    def test_first_and_last_name_go_with_the_name(self) -> None:
        two = other(name="Augusta King", first_name="Augusta", last_name="King")
        assert merge(winner(), two)[0].first_name is None
        after, _ = merge(winner(first_name="Ada", last_name="Lovelace"), two, name="loser")
        assert (after.name, after.first_name, after.last_name) == ("Augusta King", "Augusta", "King")

    def test_of_the_same_name_the_parts_are_taken(self) -> None:
        two = other(name="ada lovelace", first_name="Ada", last_name="Lovelace")
        assert merge(winner(), two)[0].last_name == "Lovelace"

    def test_where_somebody_came_from_goes_with_its_detail(self) -> None:
        two = other(source="web", source_detail="Spring fair")
        assert merge(winner(source="ads"), two)[0].source_detail is None
        assert merge(winner(), two)[0].source_detail == "Spring fair"

    def test_an_address_that_is_only_the_default_country_gives_way(self) -> None:
        two = other(address={"city": "Pune", "country": "India"})
        assert merge(winner(address={"country": "India"}), two)[0].address == two.address

    def test_what_stays_is_where_the_winner_stands(self) -> None:
        one, two = winner(assigned_to=["bob"]), other(assigned_to=["carl"])
        after, _ = merge(one, two)
        for name in ("current_stage", "status", "rank", "center", "assigned_to", "history", "created_at"):
            assert getattr(after, name) == getattr(one, name)


class TestCustomFields:
    def test_go_key_by_key(self) -> None:
        two = other(fields=MUST | {"budget": "2.00", "vip": True, "gift": "tea"})
        after, _ = merge(winner(fields={"must": "mine", "budget": "1.00"}), two)
        assert after.fields == {"must": "mine", "budget": "1.00", "vip": True, "gift": "tea"}
        after, _ = merge(winner(fields=MUST | {"budget": "1.00"}), two, fields={"budget": "loser", "vip": "winner"})
        assert (after.fields["budget"], after.fields.get("vip")) == ("2.00", None)

    def test_what_does_not_apply_is_left_out_and_named(self) -> None:
        two = other(lead_type="sales", fields=MUST | {"industry": "tea"})
        after, _ = merge(winner(lead_type="buying"), two)
        assert "industry" not in after.fields
        assert after.merged[-1].left_out == ["fields.industry"]
        assert after.activities[-1].meta["left_out"] == ["fields.industry"]

    def test_so_is_what_hangs_on_a_field_of_the_winner(self) -> None:
        after, _ = merge(winner(fields=MUST | {"vip": False}), other(fields=MUST | {"vip": True, "gift": "tea"}))
        assert after.merged[-1].left_out == ["fields.gift"]

    def test_what_was_chosen_must_apply(self) -> None:
        two = other(lead_type="sales", fields=MUST | {"industry": "tea"})
        with pytest.raises(Invalid) as refused:
            merge(winner(lead_type="buying"), two, fields={"industry": "loser"})
        assert faults(refused) == [("/fields/fields/industry", "not_applicable")]

    def test_a_required_one_is_not_cleared(self) -> None:
        with pytest.raises(Invalid) as refused:
            merge(winner(), other().model_copy(update={"fields": {}}), fields={"must": "loser"})
        assert faults(refused) == [("/fields/fields/must", "required")]

    def test_one_that_the_config_no_longer_has_stays_behind(self) -> None:
        two = other().model_copy(update={"fields": MUST | {"gone": 1}})
        assert merge(winner(), two)[0].merged[-1].left_out == ["fields.gone"]

    def test_a_source_of_other_leads_is_left_out_or_refused(self) -> None:
        one, two = winner(lead_type="sales"), other(lead_type="buying", source="farm")
        after, _ = merge(one, two)
        assert (after.source, after.merged[-1].left_out) == (None, ["source"])
        with pytest.raises(Invalid) as refused:
            merge(one, two, source="loser")
        assert faults(refused) == [("/fields/source", "not_applicable")]


class TestBoth:
    def test_tags_are_united_and_spelled_as_the_winner_does(self) -> None:
        assert merge(winner(tags=["Hot", "a"]), other(tags=["hot", "b"]))[0].tags == ["Hot", "a", "b"]

    def test_equal_contacts_are_there_once(self) -> None:
        bea = {"name": "Bea", "phone": "+1 415 555 0123"}
        after, _ = merge(
            winner(contacts=[bea | {"is_primary": True}]),
            other(contacts=[bea | {"phone": "(415) 555-0123"}, {"name": "Cy", "is_primary": True}]),
        )
        assert [(one.name, one.is_primary) for one in after.contacts] == [("Bea", True), ("Cy", False)]

    def test_an_address_or_number_that_is_not_taken_becomes_a_contact(self) -> None:
        after, _ = merge(
            winner(email="ada@a.example", phone="+1 415 555 0123"),
            other(email="ada@b.example", phone="415 555 0123"),
        )
        assert [(one.name, one.email, one.phone) for one in after.contacts] == [("Ada L.", "ada@b.example", None)]

    def test_so_does_what_the_winner_gives_up(self) -> None:
        after, _ = merge(winner(email="ada@a.example"), other(email="ada@b.example"), email="loser")
        assert after.email == "ada@b.example"
        assert [(one.name, one.email) for one in after.contacts] == [("Ada Lovelace", "ada@a.example")]

    def test_calls_are_added_and_the_later_contact_counts(self) -> None:
        one, two = (
            rules.add_activity(lead, ActivityIn(kind="call", body="rang"), ask(HOUSE, at=later(minutes=at)))
            for lead, at in ((winner(), 5), (other(), 9))
        )
        after, _ = merge(one, two)
        assert (after.call_attempts, after.last_contacted_at) == (2, two.last_contacted_at)

    def test_the_tasks_come_over_in_the_order_of_time(self) -> None:
        one = tasks.add(winner(), TaskIn(kind="call", title="second"), ask(HOUSE, at=later(minutes=2)))
        two = tasks.add(other(), TaskIn(kind="call", title="first"), ask(HOUSE, at=later(minutes=1)))
        assert [task.title for task in merge(one, two)[0].tasks] == ["first", "second"]

    def test_what_a_stage_required_of_the_loser_does_not_hold_up_the_winner(self) -> None:
        house = flow(stage("new", "contacted", "lost", task_templates=[CALL]), variables=FIELDS, lead_types=TYPES)
        after, _ = merge(winner(house), other(house), house)
        assert [task.required for task in after.tasks] == [True, False]

    def test_the_score_follows(self) -> None:
        assert merge(winner(), other(company="Mill"))[0].score > winner().score


class TestTooMuch:
    def test_contacts(self) -> None:
        one = winner(contacts=[{"name": f"A{n}"} for n in range(15)])
        with pytest.raises(Conflict) as refused:
            merge(one, other(contacts=[{"name": f"B{n}"} for n in range(6)]))
        assert refused.value.extra["code"] == "too_many_contacts"

    def test_tags(self) -> None:
        with pytest.raises(Conflict) as refused:
            merge(winner(tags=[f"a{n}" for n in range(30)]), other(tags=[f"b{n}" for n in range(21)]))
        assert refused.value.extra["code"] == "too_many_tags"

    def test_tasks(self) -> None:
        one = tasks.add(winner(), TaskIn(kind="call"), ask(HOUSE))
        with pytest.raises(Conflict) as refused:
            merge(one.changed(tasks=one.tasks * 250), other().changed(tasks=one.tasks * 251))
        assert refused.value.extra["code"] == "too_many_tasks"

    def test_leads(self) -> None:
        one = winner()
        for number in range(merging.MOST - 1):
            one, _ = merge(one, other().model_copy(update={"uid": f"LEAD-{number + 2}"}))
        chained, _ = merge(other(), new_lead(HOUSE, fields=MUST).model_copy(update={"uid": "LEAD-99"}))
        with pytest.raises(Conflict) as refused:  # two more
            merge(one, chained)
        assert refused.value.extra["code"] == "too_many_merged"


class TestTheLoser:
    def test_is_whole_but_for_where_it_went(self) -> None:
        two = other(email="ada@b.example", tags=["b"])
        _, part = merge(winner(), two)
        assert part.merged_into == "LEAD-1"
        unchanged = {"version", "updated_at", "merged_into", "merged_at", "changes"}
        assert part.model_dump(exclude=unchanged) == two.model_dump(exclude=unchanged)

    def test_takes_no_more_changes(self) -> None:
        _, part = merge(winner(), other())
        with pytest.raises(Merged):
            rules.remaining(part)
        with pytest.raises(Merged):
            merge(winner(), part)

    def test_does_not_remember_the_post_as_its_own(self) -> None:
        body = MergeIn(lead="LEAD-2")
        after, part = merging.merge(winner(), other(), body, ask(HOUSE, once="this"), REGION, PEOPLE)
        assert [done.once for done in after.done] == ["this"]
        assert part.done == []


def test_archived_leads_are_not_merged() -> None:
    for one, two in ((rules.archive(winner(), ask(HOUSE)), other()), (winner(), rules.archive(other(), ask(HOUSE)))):
        with pytest.raises(rules.Archived):
            merge(one, two)


def test_every_attribute_that_can_be_written_can_be_chosen_or_is_joined() -> None:
    assert {*CHOSEN, "tags", "contacts", "fields"} == set(LeadPatch.model_fields)


class TestUnmerge:
    def test_takes_the_latest_first(self) -> None:
        one, _ = merge(winner(), other())
        one, _ = merge(one, other().model_copy(update={"uid": "LEAD-3"}))
        assert merging.latest(one, None).uid == "LEAD-3"
        with pytest.raises(Conflict) as refused:
            merging.latest(one, "LEAD-2")
        assert refused.value.extra["unmerge_first"] == "LEAD-3"
        with pytest.raises(Invalid):
            merging.latest(one, "LEAD-4")
        with pytest.raises(merging.NotMerged):
            merging.latest(winner(), None)

    def test_keeps_what_has_changed_since(self) -> None:
        merged, part = merge(winner(tags=["a"]), other(company="Mill", email="ada@b.example", tags=["b"]))
        since = rules.edit(merged, patch(company="Works", tags=["a", "b", "c"]), ask(HOUSE, at=later(days=1)))
        since = rules.add_activity(since, ActivityIn(kind="call", body="rang"), ask(HOUSE, at=later(days=2)))
        one, two = unmerge(since, part, merged)
        assert (one.company, one.tags, one.email, one.call_attempts) == ("Works", ["a", "c"], None, 1)
        assert sorted(kept(one)) == ["/company", "/tags"]
        assert two.company == "Mill"

    def test_does_not_name_what_follows_from_the_rest(self) -> None:
        merged, part = merge(winner(), other(company="Mill"))
        assert "/score_reasons" in [change["pointer"] for change in merged.changes[-1].changes]
        since = rules.edit(merged, patch(score_override=90), ask(HOUSE, at=later(days=1)))
        one, _ = unmerge(since, part, merged)
        assert (one.score, sum(reason.points for reason in one.score_reasons), kept(one)) == (90, 90, [])

    def test_calls_of_the_loser_go_back_with_it_and_those_since_stay(self) -> None:
        two = rules.add_activity(other(), ActivityIn(kind="call", body="rang"), ask(HOUSE, at=later(minutes=5)))
        merged, part = merge(winner(), two)
        since = rules.add_activity(merged, ActivityIn(kind="call", body="rang"), ask(HOUSE, at=later(days=2)))
        one, back = unmerge(since, part, merged)
        assert (one.call_attempts, back.call_attempts) == (1, 1)
        assert sorted(kept(one)) == ["/call_attempts", "/last_contacted_at"]

    def test_tasks_go_back_with_what_was_done_about_them(self) -> None:
        house = flow(stage("new", "contacted", "lost", task_templates=[CALL]), variables=FIELDS, lead_types=TYPES)
        merged, part = merge(winner(house), other(house), house)
        moved = part.tasks[0].uid
        since = tasks.complete(merged, moved, CompleteIn(notes="rang"), ask(house, at=later(days=1)))
        one, two = unmerge(since, part, merged, house)
        assert [task.uid for task in one.tasks] == [task.uid for task in merged.tasks if task.uid != moved]
        assert [(t.status, t.notes, t.required) for t in two.tasks] == [("completed", "rang", True)]

    @pytest.mark.parametrize(("center", "given", "after"), [("south", None, None), ("south", "eve", "eve"),
                                                            ("north", None, "bob")])  # fmt: skip
    def test_a_task_of_somebody_who_cannot_see_the_winner_is_nobodys_meanwhile(
        self, center: str, given: str | None, after: str | None
    ) -> None:
        two = tasks.add(other().changed(center=center), TaskIn(kind="call", assigned_to="bob"), ask(HOUSE))
        two = tasks.add(two, TaskIn(kind="call", assigned_to="eve"), ask(HOUSE))
        merged, part = merge(winner(), two)
        stranger = two.tasks[0].uid
        assert [task.assigned_to for task in merged.tasks] == ["bob" if center == "north" else None, "eve"]
        named = [] if center == "north" else [f"tasks.{stranger}.assigned_to"]
        assert (merged.merged[-1].left_out, merged.activities[-1].meta["left_out"]) == (named, named)
        now = tasks.edit(merged, stranger, {"assigned_to": given}, ask(HOUSE, at=later(days=1))) if given else merged
        assert unmerge(now, part, merged)[1].tasks[0].assigned_to == (given or "bob")
        assert [task.assigned_to for task in now.tasks] == [after, "eve"]

    def test_a_task_made_since_stays(self) -> None:
        merged, part = merge(winner(), other())
        since = tasks.add(merged, TaskIn(kind="call"), ask(HOUSE, at=later(days=1)))
        one, two = unmerge(since, part, merged)
        assert (len(one.tasks), two.tasks) == (1, [])

    def test_an_edited_contact_stays_and_the_others_go(self) -> None:
        merged, part = merge(winner(), other(contacts=[{"name": "Bea"}, {"name": "Cy"}]))
        edited = patch(contacts=[{"name": "Bea", "phone": "+1 415 555 0199"}, {"name": "Cy"}, {"name": "Dan"}])
        one, _ = unmerge(rules.edit(merged, edited, ask(HOUSE, at=later(days=1))), part, merged)
        assert [contact.name for contact in one.contacts] == ["Bea", "Dan"]

    def test_an_erased_or_archived_one_stays_as_it_is(self) -> None:
        merged, part = merge(winner(), other())
        with pytest.raises(rules.Archived):
            unmerge(rules.archive(merged, ask(HOUSE, at=later(days=1))), part, merged)
        with pytest.raises(rules.Erased):
            unmerge(merged, part.changed(erased_at=later()), merged)


SAYING = {
    "version", "updated_at", "updated_by", "workflow_version", "activities", "history", "changes", "spilled",
    "merged_at", "done",
}  # fmt: skip


def same_passage(one: Lead, other: Lead) -> bool:
    """Also where some of it has spilled over from one of them."""
    both = min(len(one.history), len(other.history))
    counts = [lead.spilled.history + len(lead.history) for lead in (one, other)]
    return one.history[-both:] == other.history[-both:] and counts[0] == counts[1]


def spilled(lead: Lead) -> Lead:
    return record.spill(lead, lead.changes)[0]


def shown(lead: Lead) -> dict[str, Any]:
    return stored(lead.model_dump(exclude=SAYING))


@settings(max_examples=60, deadline=None)
@given(LIVES, LIVES, st.dictionaries(st.sampled_from(CHOSEN), st.sampled_from(["winner", "loser"]), max_size=4))
def test_merging_and_unmerging_gives_both_back_exactly(mine: Any, theirs: Any, choices: dict[str, Any]) -> None:
    """But for version, times and the lines that say so."""
    one, other_life = life(mine), life(theirs)
    first = spilled(one.lead)
    second = spilled(other_life.lead.model_copy(update={"uid": "LEAD-2"}))
    body = MergeIn.model_validate({"lead": "LEAD-2", "fields": choices})
    asking = ask(COMMON, at=max(one.now, other_life.now))
    try:
        merged, part = merging.merge(first, second, body, asking, REGION, PEOPLE)
    except Conflict:
        return
    back, alone = merging.unmerge(spilled(merged), spilled(part), merged.changes[-1], None, asking)
    assert shown(back) == shown(first)
    assert shown(alone) == shown(second)
    assert same_passage(back, first)
    assert same_passage(alone, second)
    assert kept(back) == []
    before = [entry.uid for entry in first.activities]
    assert [entry.uid for entry in merged.activities][:-1] == before
    assert back.version == first.version + 2
