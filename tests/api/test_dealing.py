"""New leads that leave open whose they are, and leads that enter a stage, go to somebody by the rules of the config."""

from typing import Any

import pytest

from lead_crm import directory, mongo
from tests.api.dealing import ADA, dealt, holder, holders, on_entering, why
from tests.api.steps import codes, found, go, read, relaxed
from tests.cast import NORTH, SOUTH, Cast, lead

ENQUIRY = {"name": "Ada", "email": "ada@example.com"}


def patched(cast: Cast, uid: str, **values: Any) -> None:
    response = cast.root.patch(f"/api/users/{uid}/", values)
    assert response.status_code == 200, response.content


class TestNewLeads:
    def test_go_to_all_of_the_pool_in_turn(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol, cast.nora)
        assert holders(cast.alice, 6) == [cast.bob.uid, cast.carol.uid, cast.nora.uid] * 2

    def test_go_to_nobody_by_default(self, cast: Cast) -> None:
        assert cast.root.get("/api/config/").json()["assignment"] == {"mode": "by_hand", "pool": [], "rules": []}
        made = lead(cast.alice)
        assert (made["assigned_to"], why(cast.alice, made["uid"])) == ([], [])

    def test_say_by_which_rule_and_why(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        made = lead(cast.alice)
        assert why(cast.alice, made["uid"]) == [(
            "By the rule for all leads: next in turn of 2 people.",
            {"old": [], "new": [cast.bob.uid], "rule": "the rule for all leads"},
        )]  # fmt: skip
        assert [line["kind"] for line in made["activities"]] == ["system", "assignment"]
        assert (made["version"], made["tasks"][0]["assigned_to"]) == (1, cast.bob.uid)

    def test_stay_with_whoever_is_named(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        made = lead(cast.alice, assigned_to=[cast.nora.uid])
        assert (made["assigned_to"], why(cast.alice, made["uid"])) == ([cast.nora.uid], [])
        assert holders(cast.alice, 1) == [cast.bob.uid]

    @pytest.mark.parametrize("nobody", [[], None], ids=["empty", "null"])
    def test_go_to_nobody_where_nobody_is_named_on_purpose(self, cast: Cast, nobody: Any) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        made = lead(cast.alice, assigned_to=nobody)
        assert (made["assigned_to"], why(cast.alice, made["uid"])) == ([], [])
        assert [task["assigned_to"] for task in made["tasks"]] == [None]
        on_entering(cast, "stage-new", cast.nora.uid)
        assert holder(lead(cast.bob, assigned_to=nobody)) == ""
        assert holder(lead(cast.alice)) == cast.nora.uid
        on_entering(cast, "stage-new", None)
        assert holders(cast.alice, 1) == [cast.bob.uid]

    def test_of_nobody_stay_so_when_they_are_given_back(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        made = lead(cast.alice)
        for nobody in (None, []):
            given = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"assigned_to": nobody}).json()
            assert (given["assigned_to"], given["version"]) == ([], 2)
        assert holders(cast.alice, 1) == [cast.carol.uid]

    def test_of_an_agent_are_given_out_too_without_lead_assign(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.carol, cast.nora)
        made = lead(cast.bob)
        assert holder(made) == cast.carol.uid
        assert found(cast.bob, "") == set()
        assert holder(lead(cast.bob, assigned_to=[cast.bob.uid])) == cast.bob.uid

    def test_of_the_public_form_are_given_out(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        answers = [cast.nobody.post("/api/public/leads/", ENQUIRY | {"center": NORTH}) for _ in range(2)]
        assert [holder(read(cast.alice, one.json()["id"])) for one in answers] == [cast.bob.uid, cast.carol.uid]

    def test_that_join_another_take_no_turn(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        cast.root.patch("/api/config/", {"duplicates": {"policy": "attach"}})
        first, again = (lead(cast.alice, email="ada@example.com") for _ in range(2))
        assert (first["uid"], holder(again)) == (again["uid"], cast.bob.uid)
        assert holders(cast.alice, 1) == [cast.carol.uid]

    def test_that_are_refused_take_no_turn(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        cast.root.patch("/api/config/", {"duplicates": {"policy": "reject"}})
        assert holder(lead(cast.alice, email="ada@example.com")) == cast.bob.uid
        for body, status in ((ADA | {"email": "ada@example.com"}, 409), ({"name": "Ada"}, 422)):
            assert cast.alice.post("/api/leads/", body).status_code == status
        assert holders(cast.alice, 1) == [cast.carol.uid]

    def test_that_are_posted_twice_take_one_turn(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        first, again = (cast.alice.post("/api/leads/", ADA, Idempotency_Key="k").json() for _ in range(2))
        assert first == again
        mongo.collection("idempotency").delete_many({})  # as if it had died before the answer was kept
        assert cast.alice.post("/api/leads/", ADA, Idempotency_Key="k").json()["uid"] == first["uid"]
        assert holders(cast.alice, 1) == [cast.carol.uid]


class TestThePool:
    def test_can_be_everybody_with_a_role_in_the_centre_of_the_lead(self, cast: Cast) -> None:
        """A gym: each centre's counsellors."""
        nora, sam = cast.nora.uid, cast.sam.uid
        dealt(cast, "round_robin", {"role": "counsellor"})
        assert [holders(client, 2) for client in (cast.alice, cast.charlie)] == [[nora] * 2, [sam] * 2]

    def test_passes_over_whoever_works_elsewhere(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.charlie, cast.bob, cast.sam, cast.carol)
        assert holders(cast.alice, 4) == [cast.bob.uid, cast.carol.uid] * 2
        assert holders(cast.charlie, 2) == [cast.charlie.uid, cast.sam.uid]

    def test_passes_over_whoever_is_deactivated_meanwhile(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol, cast.nora)
        assert holders(cast.alice, 1) == [cast.bob.uid]
        patched(cast, cast.carol.uid, active=False)
        assert holders(cast.alice, 3) == [cast.nora.uid, cast.bob.uid, cast.nora.uid]
        patched(cast, cast.carol.uid, active=True)
        assert holders(cast.alice, 3) == [cast.carol.uid, cast.bob.uid, cast.nora.uid]

    def test_takes_in_whoever_gets_the_role(self, cast: Cast) -> None:
        both = {cast.nora.uid, cast.bob.uid}
        dealt(cast, "round_robin", {"role": "counsellor"})
        assert holders(cast.alice, 1) == [cast.nora.uid]
        patched(cast, cast.bob.uid, roles=["counsellor"])
        assert set(holders(cast.alice, 2)) == both

    def test_that_changes_costs_nobody_a_turn(self, cast: Cast) -> None:
        bob, carol, nora = cast.bob.uid, cast.carol.uid, cast.nora.uid
        dealt(cast, "round_robin", cast.bob, cast.carol)
        assert holders(cast.alice, 1) == [bob]
        dealt(cast, "round_robin", cast.bob, cast.carol, cast.nora)
        assert holders(cast.alice, 4) == [carol, nora, bob, carol]
        dealt(cast, "round_robin", cast.bob, cast.carol, cast.nora)
        assert holders(cast.alice, 3) == [nora, bob, carol]

    def test_with_nobody_left_leaves_the_lead_with_nobody_and_says_so(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.charlie, cast.sam)
        made = lead(cast.alice)
        said = "Left to nobody: in the pool of the rule for all leads nobody works in the centre north."
        meta = {"old": [], "new": [], "rule": "the rule for all leads"}
        assert (made["assigned_to"], why(cast.alice, made["uid"])) == ([], [(said, meta)])

    def test_of_people_who_have_all_left_says_so(self, cast: Cast) -> None:
        dealt(cast, "least_loaded", cast.bob)
        patched(cast, cast.bob.uid, active=False)
        ((said, _),) = why(cast.alice, lead(cast.alice)["uid"])
        assert said == "Left to nobody: in the pool of the rule for all leads nobody is active."


class TestRules:
    @pytest.fixture(autouse=True)
    def by_source(self, cast: Cast) -> None:
        """A website: each source has its people."""
        sources = [{"key": key, "label": key.title()} for key in ("website", "referral", "social", "other")]
        assert cast.root.patch("/api/config/", {"sources": sources}).status_code == 200
        rules = [
            {"source": ["website", "social"], "mode": "round_robin", "pool": [cast.bob.uid]},
            {"source": ["referral"], "mode": "by_hand"},
            {"center": [SOUTH], "mode": "round_robin", "pool": [cast.sam.uid]},
        ]
        dealt(cast, "round_robin", cast.carol, cast.charlie, rules=rules)

    @pytest.mark.parametrize(
        ("source", "who"), [("website", "bob"), ("social", "bob"), ("other", "carol"), (None, "carol")]
    )
    def test_the_first_that_fits_decides(self, cast: Cast, source: str | None, who: str) -> None:
        assert holder(lead(cast.alice, source=source)) == getattr(cast, who).uid

    def test_may_leave_some_leads_to_be_given_by_hand(self, cast: Cast) -> None:
        made = lead(cast.alice, source="referral")
        assert (made["assigned_to"], why(cast.alice, made["uid"])) == ([], [])

    def test_may_be_for_a_centre(self, cast: Cast) -> None:
        assert holder(lead(cast.charlie)) == cast.sam.uid
        assert why(cast.charlie, lead(cast.charlie)["uid"])[0][0] == "By the rule for centre south."

    def test_go_on_counting_wherever_they_stand_among_the_others(self, cast: Cast) -> None:
        rule = {"source": ["other"], "mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]}
        dealt(cast, "by_hand", rules=[rule])
        assert holders(cast.alice, 1, source="other") == [cast.bob.uid]
        dealt(cast, "by_hand", rules=[{"source": ["social"], "mode": "by_hand"}, rule])
        assert holders(cast.alice, 1, source="other") == [cast.carol.uid]


class TestStages:
    @pytest.fixture(autouse=True)
    def two_take_turns(self, cast: Cast) -> None:
        relaxed(cast.root)
        on_entering(cast, "stage-contacted", {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]})

    def test_give_leads_on_a_transition_and_its_tasks_with_them(self, cast: Cast) -> None:
        template = {"uid": "a", "kind": "call", "title": "Call", "required": True}
        cast.root.patch("/api/stages/stage-contacted/", {"task_templates": [template]})
        made = go(cast.alice, lead(cast.alice)["uid"], "stage-contacted").json()
        assert (holder(made), made["tasks"][-1]["assigned_to"]) == (cast.bob.uid, cast.bob.uid)
        assert [line["kind"] for line in made["activities"]] == ["system", "stage_change", "assignment"]
        assert (made["version"], why(cast.alice, made["uid"])[0][0]) == (
            2, "By the stage Contacted: next in turn of 2 people."
        )  # fmt: skip

    def test_give_leads_on_a_drag(self, cast: Cast) -> None:
        bodies = [{"lead": lead(cast.alice)["uid"], "to_stage": "stage-contacted"} for _ in range(3)]
        found = [holder(cast.alice.post("/api/leads/kanban/move/", body).json()) for body in bodies]
        assert found == [cast.bob.uid, cast.carol.uid, cast.bob.uid]

    def test_give_leads_on_an_automatic_move(self, cast: Cast) -> None:
        outcomes = [{"key": "ok", "label": "Reached", "move_to": "stage-contacted"}]
        kinds = [{"key": "call", "label": "Call", "outcomes": outcomes}]
        assert cast.root.patch("/api/config/", {"task_kinds": kinds}).status_code == 200
        made = lead(cast.alice)
        task = cast.alice.post(f"/api/leads/{made['uid']}/tasks/", {"kind": "call"}).json()["uid"]
        done = cast.alice.post(f"/api/leads/{made['uid']}/tasks/{task}/complete/", {"outcome": "ok"}).json()
        assert (holder(done), done["automation"]["moved"]) == (cast.bob.uid, True)
        assert len(why(cast.alice, made["uid"])) == 1

    def test_leave_leads_with_whoever_holds_them(self, cast: Cast) -> None:
        made = lead(cast.alice, assigned_to=[cast.nora.uid])
        assert holder(go(cast.alice, made["uid"], "stage-contacted").json()) == cast.nora.uid

    def test_that_are_full_take_no_turn(self, cast: Cast) -> None:
        cast.root.patch("/api/stages/stage-contacted/", {"wip_limit": {"max": 1}})
        first, second = (lead(cast.alice)["uid"] for _ in range(2))
        assert holder(go(cast.alice, first, "stage-contacted").json()) == cast.bob.uid
        assert go(cast.alice, second, "stage-contacted").status_code == 409
        cast.root.patch("/api/stages/stage-contacted/", {"wip_limit": None})
        assert holder(go(cast.alice, second, "stage-contacted").json()) == cast.carol.uid

    def test_asked_beforehand_take_no_turn(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        for _ in range(3):
            assert cast.alice.get(f"/api/leads/{uid}/moves/").status_code == 200
        assert mongo.collection("turns").count_documents({}) == 0
        assert holder(go(cast.alice, uid, "stage-contacted").json()) == cast.bob.uid

    def test_may_still_name_one_person(self, cast: Cast) -> None:
        on_entering(cast, "stage-contacted", cast.nora.uid)
        made = go(cast.alice, lead(cast.alice)["uid"], "stage-contacted").json()
        assert (holder(made), why(cast.alice, made["uid"])[0][0]) == (cast.nora.uid, "By the stage Contacted.")
        patched(cast, cast.nora.uid, active=False)
        assert holder(go(cast.alice, lead(cast.alice)["uid"], "stage-contacted").json()) == ""

    def test_come_before_the_rules_of_the_config(self, cast: Cast) -> None:
        on_entering(cast, "stage-new", cast.nora.uid)
        dealt(cast, "round_robin", cast.carol)
        assert holders(cast.alice, 1) == [cast.nora.uid]
        on_entering(cast, "stage-new", {"mode": "by_hand"})
        assert holders(cast.alice, 1) == [""]

    def test_may_stand_in_the_rules_with_other_conditions(self, cast: Cast) -> None:
        rule = {"stage": ["stage-qualified"], "source": ["website"], "mode": "round_robin", "pool": [cast.nora.uid]}
        dealt(cast, "by_hand", rules=[rule])
        ours, other = (lead(cast.alice, source=source) for source in ("website", "referral"))
        assert (holder(ours), holder(other)) == ("", "")
        went = [go(cast.alice, str(one["uid"]), "stage-qualified").json() for one in (ours, other)]
        assert [holder(one) for one in went] == [cast.nora.uid, ""]
        assert why(cast.alice, ours["uid"])[0][1]["rule"] == "the rule for source website, stage stage-qualified"

    def test_the_rule_for_all_leads_is_for_new_ones(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        dealt(cast, "round_robin", cast.nora)
        assert go(cast.alice, uid, "stage-qualified").json()["assigned_to"] == []

    def test_that_are_deleted_are_named_no_more(self, cast: Cast) -> None:
        both = ["stage-qualified", "stage-proposal"]
        rules = [{"stage": stages, "mode": "round_robin", "pool": [cast.nora.uid]} for stages in (both[:1], both)]
        dealt(cast, "by_hand", rules=rules)
        assert cast.root.delete("/api/stages/stage-qualified/").status_code == 204
        left = cast.root.get("/api/config/").json()["assignment"]["rules"]
        assert [rule["stage"] for rule in left] == [["stage-proposal"]]

    def test_whose_leads_are_moved_out_do_not_give_archived_ones_to_anybody(self, cast: Cast) -> None:
        living, archived = (lead(cast.alice)["uid"] for _ in range(2))
        cast.alice.delete(f"/api/leads/{archived}/")
        assert cast.root.delete("/api/stages/stage-new/?move_to=stage-contacted").status_code == 204
        assert [holder(read(cast.alice, uid)) for uid in (archived, living)] == ["", cast.bob.uid]


class TestByRuleNow:
    def test_a_lead_from_before_the_rules_is_given_out(self, cast: Cast) -> None:
        made = [lead(cast.alice)["uid"] for _ in range(2)]
        dealt(cast, "round_robin", cast.bob, cast.carol)
        given = [cast.alice.post(f"/api/leads/{uid}/assign/", {"by_rule": True}).json() for uid in made]
        assert [(holder(one), one["version"]) for one in given] == [(cast.bob.uid, 2), (cast.carol.uid, 2)]
        assert why(cast.alice, made[0])[0][1]["rule"] == "the rule for all leads"

    def test_somebody_s_lead_goes_to_whose_turn_it_is(self, cast: Cast) -> None:
        made = lead(cast.alice, assigned_to=[cast.nora.uid])
        dealt(cast, "round_robin", cast.bob, cast.carol)
        path = f"/api/leads/{made['uid']}/assign/"
        given = cast.alice.post(path, {"by_rule": True}).json()
        assert given["activities"][-1]["meta"] == {
            "old": [cast.nora.uid], "new": [cast.bob.uid], "rule": "the rule for all leads"
        }  # fmt: skip

    def test_it_takes_one_turn_however_often_it_is_sent(self, cast: Cast) -> None:
        made = lead(cast.alice)
        dealt(cast, "round_robin", cast.bob, cast.carol)
        path = f"/api/leads/{made['uid']}/assign/"
        for _ in range(3):
            assert holder(cast.alice.post(path, {"by_rule": True}, Idempotency_Key="k").json()) == cast.bob.uid
            mongo.collection("idempotency").delete_many({})
        assert holders(cast.alice, 1) == [cast.carol.uid]

    def test_whoever_has_it_and_the_turn_too_keeps_both(self, cast: Cast) -> None:
        made = lead(cast.alice, assigned_to=[cast.bob.uid])
        dealt(cast, "round_robin", cast.bob, cast.carol)
        given = cast.alice.post(f"/api/leads/{made['uid']}/assign/", {"by_rule": True}).json()
        assert (holder(given), given["version"]) == (cast.bob.uid, 1)
        assert holders(cast.alice, 1) == [cast.bob.uid]

    def test_it_needs_lead_assign(self, cast: Cast) -> None:
        dealt(cast, "round_robin", cast.bob, cast.carol)
        made = lead(cast.alice, assigned_to=[cast.bob.uid])
        refused = cast.bob.post(f"/api/leads/{made['uid']}/assign/", {"by_rule": True})
        assert (refused.status_code, refused.json()["permission"]) == (403, "lead.assign")

    def test_without_a_rule_or_anybody_it_is_refused(self, cast: Cast) -> None:
        path = f"/api/leads/{lead(cast.alice)['uid']}/assign/"
        assert cast.alice.post(path, {"by_rule": True}).json()["code"] == "no_rule"
        dealt(cast, "round_robin", cast.sam)
        refused = cast.alice.post(path, {"by_rule": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "nobody_there")

    @pytest.mark.parametrize(("body", "fault"), [
        ({}, ("/assigned_to", "required")), ({"by_rule": False}, ("/assigned_to", "required")),
        ({"by_rule": True, "assigned_to": None}, ("/by_rule", "not_both")),
    ])  # fmt: skip
    def test_it_is_one_way_or_the_other(self, cast: Cast, body: Any, fault: tuple[str, str]) -> None:
        assert codes(cast.alice.post(f"/api/leads/{lead(cast.alice)['uid']}/assign/", body)) == {fault}


class TestLeastLoaded:
    def test_whoever_has_the_fewest_open_leads_gets_the_next(self, cast: Cast) -> None:
        for person, number in ((cast.bob, 3), (cast.carol, 1)):
            for _ in range(number):
                lead(cast.alice, assigned_to=[person.uid])
        dealt(cast, "least_loaded", cast.bob, cast.carol)
        made = lead(cast.alice)
        assert why(cast.alice, made["uid"])[0][0] == "By the rule for all leads: the fewest open leads of 2 people."
        assert [holder(made), *holders(cast.alice, 3)] == [cast.carol.uid] * 2 + [cast.bob.uid, cast.carol.uid]

    def test_closed_archived_and_paused_leads_do_not_count(self, cast: Cast) -> None:
        relaxed(cast.root)
        cast.root.patch("/api/stages/stage-won/", {"kind": "won"})
        mine = [lead(cast.alice, assigned_to=[cast.bob.uid])["uid"] for _ in range(3)]
        lead(cast.alice, assigned_to=[cast.carol.uid])
        assert go(cast.alice, mine[0], "stage-won").status_code == 200
        assert cast.alice.delete(f"/api/leads/{mine[1]}/").status_code == 204
        assert cast.alice.post(f"/api/leads/{mine[2]}/hold/", {}).status_code == 200
        dealt(cast, "least_loaded", cast.carol, cast.bob)
        assert holders(cast.alice, 1) == [cast.bob.uid]

    def test_leads_of_all_centres_count(self, cast: Cast) -> None:
        patched(cast, cast.bob.uid, centers=[NORTH, SOUTH])
        lead(cast.charlie, assigned_to=[cast.bob.uid])
        dealt(cast, "least_loaded", cast.bob, cast.carol)
        assert holders(cast.alice, 1) == [cast.carol.uid]

    def test_what_people_do_by_hand_is_counted_after_a_while(self, cast: Cast) -> None:
        dealt(cast, "least_loaded", cast.bob, cast.carol)
        assert holders(cast.alice, 2) == [cast.bob.uid, cast.carol.uid]
        for _ in range(3):
            lead(cast.alice, assigned_to=[cast.bob.uid])
        mongo.collection("turns").update_one({}, [{"$set": {"counted_at": {"$subtract": ["$counted_at", 60_000]}}}])
        assert holders(cast.alice, 3) == [cast.carol.uid] * 3

    def test_somebody_new_to_the_pool_is_counted_at_once(self, cast: Cast) -> None:
        dealt(cast, "least_loaded", cast.bob, cast.carol)
        for _ in range(3):
            lead(cast.alice, assigned_to=[cast.nora.uid])
        assert holders(cast.alice, 2) == [cast.bob.uid, cast.carol.uid]
        dealt(cast, "least_loaded", cast.nora, cast.bob, cast.carol)
        directory.forget()
        assert holders(cast.alice, 2) == [cast.bob.uid, cast.carol.uid]


def test_who_may_not_see_personal_fields_sees_the_rule_but_no_words(cast: Cast) -> None:
    dealt(cast, "round_robin", cast.bob, cast.carol)
    made = lead(cast.alice)
    cast.alice.post(f"/api/leads/{made['uid']}/tasks/", {"kind": "call", "assigned_to": cast.tom.uid})
    ((said, meta),) = why(cast.tom, made["uid"])
    assert (said, meta["rule"], meta["new"]) == (None, "the rule for all leads", [cast.bob.uid])
