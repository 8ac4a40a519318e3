"""Many leads at once: every one by the rules of a single request, and with a verdict of its own."""

import re
from typing import Any

import pytest

from lead_crm import mongo
from leads import bulk
from tests.api.dealing import on_entering, shares
from tests.api.merging import merged
from tests.api.steps import Row, at_once, codes, fields, found, go, read, ready, relaxed, rewrite, twin
from tests.cast import Cast, lead
from tests.contract import CheckedClient


def many(client: CheckedClient, action: str, uids: Any = None, **more: Any) -> Any:
    """`uids`, or `filter=` among the rest."""
    chosen = {} if uids is None else {"uids": uids}
    return client.post("/api/leads/bulk/", {"action": action, **chosen, **more})


def done(response: Any) -> Row:
    assert response.status_code == 200, response.content
    return response.json()


def verdicts(response: Any) -> dict[str, list[str]]:
    """The codes of the refusals; none: done."""
    answer = done(response)
    found = {row["uid"]: [refusal["code"] for refusal in row["refusals"]] for row in answer["results"]}
    assert all(row["ok"] == (not row["refusals"]) for row in answer["results"])
    assert (answer["done"], answer["refused"]) == (
        sum(not codes for codes in found.values()), sum(bool(codes) for codes in found.values())
    )  # fmt: skip
    return found


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    """Three that may leave the first stage."""
    return [ready(cast.alice, name=f"Lead {n}")["uid"] for n in range(3)]


class TestMoving:
    def test_each_is_moved_by_the_rules_of_one(self, cast: Cast, leads: list[str]) -> None:
        unready = lead(cast.alice)["uid"]
        alone = go(cast.alice, unready, "stage-contacted").json()["refusals"]
        answer = done(many(cast.alice, "transition", [*leads, unready], to_stage="stage-contacted", note="All of them"))
        assert [(row["uid"], row["ok"]) for row in answer["results"]] == [*((u, True) for u in leads), (unready, False)]
        assert answer["results"][-1]["refusals"] == alone
        assert (answer["done"], answer["refused"], answer["dry_run"], answer["token"]) == (3, 1, False, None)
        for uid in leads:
            moved = read(cast.alice, uid)
            assert (moved["current_stage"], moved["history"][-1]["note"]) == ("stage-contacted", "All of them")
            assert moved["activities"][-1]["meta"] == {"from": "stage-new", "to": "stage-contacted"}
        assert read(cast.alice, unready)["current_stage"] == "stage-new"

    def test_what_it_leaves_is_what_a_single_move_leaves(self, cast: Cast, leads: list[str]) -> None:
        go(cast.alice, leads[0], "stage-contacted")
        many(cast.alice, "transition", [leads[1]], to_stage="stage-contacted")
        one, other = (stored(uid) for uid in leads[:2])
        assert shape(other) == shape(one)

    def test_force_needs_its_permission_and_a_reason(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        told = many(cast.alice, "transition", [uid], to_stage="stage-won", force=True)
        assert codes(told) == {("/reason", "required")}
        manager = cast._member("max", ["manager"], ["north"])
        refused = many(manager, "transition", [uid], to_stage="stage-won", force=True, reason="x")
        assert (refused.status_code, refused.json()["permission"]) == (403, "lead.force")
        assert verdicts(many(cast.alice, "transition", [uid], to_stage="stage-won", force=True, reason="x")) == {
            uid: []
        }
        assert read(cast.alice, uid)["history"][-1]["forced"] is True

    def test_into_a_stage_with_a_limit_no_more_go_than_there_is_room(self, cast: Cast, leads: list[str]) -> None:
        cast.root.patch("/api/stages/stage-contacted/", {"wip_limit": {"max": 2}})
        dry = many(cast.alice, "transition", leads, to_stage="stage-contacted", dry_run=True)
        assert list(verdicts(dry).values()) == [[], [], ["wip_limit"]]
        moved = many(cast.alice, "transition", leads, to_stage="stage-contacted")
        assert list(verdicts(moved).values()) == [[], [], ["wip_limit"]]
        assert dry.json()["results"][2] == moved.json()["results"][2]

    def test_a_limit_holds_also_when_bulks_and_single_moves_come_together(self, cast: Cast) -> None:
        cast.root.patch("/api/stages/stage-contacted/", {"wip_limit": {"max": 5}})
        uids = [ready(cast.alice)["uid"] for _ in range(12)]
        works: list[Any] = [
            lambda part=part: many(twin(cast.alice), "transition", part, to_stage="stage-contacted")
            for part in (uids[:4], uids[4:8])
        ]
        works += [lambda uid=uid: go(twin(cast.alice), uid, "stage-contacted") for uid in uids[8:]]
        at_once(works)
        assert len(found(cast.alice, "stage=stage-contacted")) == 5

    def test_whose_turn_it_is_is_drawn_for_each(self, cast: Cast) -> None:
        on_entering(cast, "stage-contacted", {"mode": "round_robin", "pool": [cast.bob.uid, cast.carol.uid]})
        uids = [ready(cast.alice)["uid"] for _ in range(4)]
        dry = many(cast.alice, "transition", uids, to_stage="stage-contacted", dry_run=True)
        moved = many(cast.alice, "transition", uids, to_stage="stage-contacted")
        assert verdicts(dry) == verdicts(moved) == {uid: [] for uid in uids}
        assert shares() == {cast.bob.uid: 2, cast.carol.uid: 2}


def stored(uid: str) -> Row:
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid})
    assert row
    return row


def shape(value: Any) -> Any:
    """Without what is drawn or is the lead's own."""
    if isinstance(value, dict):
        own = ("_id", "uid", "name", "rank", "at", "done", "grams", "claims", "task", "new", "old")
        return {key: shape(item) for key, item in value.items() if key not in own and "_at" not in key}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return re.sub(r"[0-9a-f]{16}", "...", value) if isinstance(value, str) else None


class TestOtherActions:
    def test_assigning_and_giving_back(self, cast: Cast, leads: list[str]) -> None:
        assert done(many(cast.alice, "assign", leads, assigned_to=cast.bob.uid))["done"] == 3
        assert found(cast.alice, f"assigned_to={cast.bob.uid}") == set(leads)
        assert verdicts(many(cast.alice, "assign", leads, assigned_to=None)) == {uid: [] for uid in leads}
        assert found(cast.alice, "assigned_to=none") == set(leads)

    def test_nobody_gets_leads_of_a_centre_they_do_not_work_in(self, cast: Cast, leads: list[str]) -> None:
        answer = done(many(cast.alice, "assign", leads[:1], assigned_to=[cast.charlie.uid]))
        (refusal,) = answer["results"][0]["refusals"]
        assert (refusal["code"], refusal["pointer"]) == ("unknown_person", "/assigned_to")

    def test_taking_a_free_lead_needs_no_right_to_assign(self, cast: Cast, leads: list[str]) -> None:
        bulky = role(cast, "bulky", ["lead.view", "lead.edit", "lead.bulk"])
        many(cast.alice, "assign", leads[:1], assigned_to=cast.bob.uid)
        taken = verdicts(many(bulky, "assign", leads[:2], assigned_to=bulky.uid))
        assert taken == {leads[0]: ["not_allowed"], leads[1]: []}

    def test_tags_come_and_go(self, cast: Cast, leads: list[str]) -> None:
        cast.alice.patch(f"/api/leads/{leads[0]}/", {"tags": ["tea", "hot"]})
        assert done(many(cast.alice, "tag", leads, tags=["tea", "new"]))["done"] == 3
        assert [read(cast.alice, uid)["tags"] for uid in leads] == [["tea", "hot", "new"], *[["tea", "new"]] * 2]
        assert done(many(cast.alice, "untag", leads, tags=["tea", "never there"]))["done"] == 3
        assert [read(cast.alice, uid)["tags"] for uid in leads] == [["hot", "new"], ["new"], ["new"]]

    def test_a_lead_that_would_have_too_many_tags_is_refused(self, cast: Cast, leads: list[str]) -> None:
        cast.alice.patch(f"/api/leads/{leads[0]}/", {"tags": [f"tag {n}" for n in range(50)]})
        assert verdicts(many(cast.alice, "tag", leads[:2], tags=["one more"])) == {leads[0]: ["too_long"], leads[1]: []}

    def test_what_is_set_is_what_a_patch_may_write(self, cast: Cast, leads: list[str]) -> None:
        values = {"company": "Mill", "next_follow_up_at": "2027-01-05T10:00:00Z", "fields": {"budget": "12.50"}}
        assert done(many(cast.alice, "set", leads, params=values))["done"] == 3
        after = [read(cast.alice, uid) for uid in leads]
        assert {(row["company"], row["fields"]["budget"], row["version"]) for row in after} == {("Mill", "12.50", 3)}
        assert done(many(cast.alice, "set", leads, company=None))["done"] == 3
        assert {read(cast.alice, uid)["company"] for uid in leads} == {None}

    def test_wrong_values_are_refused_lead_by_lead_with_pointers(self, cast: Cast, leads: list[str]) -> None:
        answer = done(many(cast.alice, "set", leads[:1], fields={"budget": "much", "nothing": 1}))
        refusals = answer["results"][0]["refusals"]
        assert {refusal["pointer"] for refusal in refusals} == {"/fields/budget", "/fields/nothing"}

    def test_a_value_that_must_be_unique_goes_to_the_first_alone(self, cast: Cast, leads: list[str]) -> None:
        fields(cast.root, {"field_key": "badge", "field_type": "text", "unique": True})
        answer = done(many(cast.alice, "set", leads, fields={"badge": "A1"}))
        assert (answer["done"], answer["refused"]) == (1, 2)
        refused = [row["refusals"][0] for row in answer["results"] if not row["ok"]]
        assert {(one["code"], one["pointer"]) for one in refused} == {("not_unique", "/fields/badge")}
        assert sum(read(cast.alice, uid)["fields"].get("badge") == "A1" for uid in leads) == 1

    def test_archiving_and_restoring(self, cast: Cast, leads: list[str]) -> None:
        assert done(many(cast.alice, "archive", leads))["done"] == 3
        assert found(cast.alice, "") == set()
        assert verdicts(many(cast.alice, "tag", leads[:1], tags=["x"])) == {leads[0]: ["lead_archived"]}
        assert done(many(cast.alice, "restore", filter={"status": "archived"}))["done"] == 3
        assert found(cast.alice, "") == set(leads)

    def test_what_is_so_already_is_done_without_a_new_version(self, cast: Cast, leads: list[str]) -> None:
        before = read(cast.alice, leads[0])["version"]
        assert done(many(cast.alice, "restore", leads))["done"] == 3
        assert done(many(cast.alice, "transition", leads, to_stage="stage-new"))["done"] == 3
        assert read(cast.alice, leads[0])["version"] == before


def role(cast: Cast, key: str, permissions: list[str], scope: str = "center") -> CheckedClient:
    made = {"key": key, "label": key, "permissions": permissions, "scope": scope}
    assert cast.root.patch("/api/config/", {"roles": [made]}).status_code == 200
    return cast._member(key, [key], ["north"])


class TestWhichLeads:
    def test_one_that_is_named_twice_counts_once(self, cast: Cast, leads: list[str]) -> None:
        answer = done(many(cast.alice, "tag", [leads[1], leads[0], leads[1]], tags=["x"]))
        assert [row["uid"] for row in answer["results"]] == [leads[1], leads[0]]

    def test_of_others_leads_no_more_is_said_than_of_none(self, cast: Cast, leads: list[str]) -> None:
        theirs = lead(cast.charlie)["uid"]
        answer = done(many(cast.alice, "archive", [theirs, "LEAD-209901-00001"]))
        assert [row["refusals"] for row in answer["results"]] == [[bulk.NOT_FOUND]] * 2
        assert read(cast.charlie, theirs)["status"] == "open"

    def test_a_merged_lead_names_the_one_it_is_a_part_of(self, cast: Cast, leads: list[str]) -> None:
        one, middle, part = leads
        merged(cast.alice, middle, part)
        merged(cast.alice, one, middle)
        alone = cast.alice.post(f"/api/leads/{part}/archive/", {}).json()
        for more in ({"dry_run": True}, {}):
            answer = done(many(cast.alice, "tag", [part, middle, one], tags=["x"], **more))
            refusals = [row["refusals"] for row in answer["results"]]
            assert refusals[0] == [{key: alone[key] for key in ("code", "detail", "merged_into")}]
            assert (refusals[0][0]["code"], refusals[1][0]["merged_into"], refusals[2]) == ("lead_merged", one, [])

    def test_whoever_does_not_see_that_one_is_not_told(self, cast: Cast, leads: list[str]) -> None:
        merged(cast.alice, *leads[:2])
        answer = done(many(cast.charlie, "tag", leads[:2], tags=["x"]))
        assert [row["refusals"] for row in answer["results"]] == [[bulk.NOT_FOUND]] * 2

    def test_one_that_is_merged_after_the_preview_names_it_too(self, cast: Cast, leads: list[str]) -> None:
        token = done(many(cast.alice, "archive", leads[1:], dry_run=True))["token"]
        merged(cast.alice, *leads[:2])
        told = verdicts(cast.alice.post("/api/leads/bulk/", {"token": token}))
        assert told == {leads[1]: ["lead_merged"], leads[2]: []}

    @pytest.mark.parametrize("filter", [
        {"tags": ["tea"]}, {"tags": "tea"}, {"q": "lead", "tags": "tea"}, {"field": {"budget_min": 150}, "tags": "tea"},
        {"field": {"budget_min": "150"}}, {"stage": "stage-new,stage-won", "any_tags": ["tea"], "hot": False},
        {"score_min": "0", "tags": ["tea"], "hot": "false"},
    ], ids=str)  # fmt: skip
    def test_a_filter_finds_what_the_list_finds(self, cast: Cast, filter: Row) -> None:
        wanted = [lead(cast.alice, name=f"Lead {n}", tags=["tea"], fields={"budget": "200"})["uid"] for n in range(3)]
        lead(cast.alice, name="Other", fields={"budget": "100"})
        lead(cast.charlie, name="Lead", tags=["tea"], fields={"budget": "200"})
        answer = done(many(cast.alice, "tag", filter=filter, tags=["seen"]))
        assert [row["uid"] for row in answer["results"]] == wanted[::-1]
        assert found(cast.alice, "tags=seen") == set(wanted)

    @pytest.mark.parametrize(("filter", "faults"), [
        ({"score_min": 500, "x": 1}, {("/filter/score_min", "less_than_equal"), ("/filter/x", "unknown_key")}),
        ({"stage": "nowhere"}, {("/filter/stage", "unknown_stage")}),
        ({"field": {"nothing_min": "1"}}, {("/filter/field/nothing_min", "unknown_field")}),
        ({"limit": 5}, {("/filter/limit", "unknown_key")}),
        ({"created_from": "yesterday"}, {("/filter/created_from", "invalid")}),
        ({"$where": "1"}, {("/filter/$where", "forbidden_key")}),
    ], ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value))  # fmt: skip
    def test_a_wrong_filter_is_refused_with_pointers(self, cast: Cast, filter: Row, faults: Any) -> None:
        refused = many(cast.alice, "archive", filter=filter)
        assert (refused.status_code, codes(refused)) == (422, faults)

    @pytest.mark.parametrize(("filter", "faults"), [
        ({}, {("/filter", "empty_filter")}),
        ({"stage": []}, {("/filter/stage", "empty_value")}), ({"stage": ""}, {("/filter/stage", "empty_value")}),
        ({"stage": None}, {("/filter/stage", "empty_value")}), ({"stage": " , "}, {("/filter/stage", "empty_value")}),
        ({"field": {}}, {("/filter/field", "empty_value")}),
        ({"field": {"industry": ""}, "stage": "stage-new"}, {("/filter/field/industry", "empty_value")}),
        ({"status": "open", "assigned_to": []}, {("/filter/assigned_to", "empty_value")}),
        ({"q": " ", "hot": None}, {("/filter/q", "empty_value"), ("/filter/hot", "empty_value")}),
        ({"tags": [], "score_min": 500, "x": 1}, {
            ("/filter/tags", "empty_value"), ("/filter/score_min", "less_than_equal"), ("/filter/x", "unknown_key"),
        }),
    ], ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value))  # fmt: skip
    def test_an_empty_selection_does_not_mean_all_leads(
        self, cast: Cast, leads: list[str], filter: Row, faults: Any
    ) -> None:
        for more in ({}, {"dry_run": True}):
            refused = many(cast.alice, "archive", filter=filter, **more)
            assert (refused.status_code, codes(refused)) == (422, faults)
        assert found(cast.alice, "") == set(leads)

    def test_all_leads_are_meant_where_their_status_says_so(self, cast: Cast, leads: list[str]) -> None:
        refused = many(cast.alice, "archive", filter={}).json()["errors"][0]["detail"]
        assert "all leads" in refused
        assert "open,on_hold,won,lost" in refused
        assert done(many(cast.alice, "archive", filter={"status": "open,on_hold,won,lost"}))["done"] == len(leads)

    def test_too_many_are_refused_before_anything_happens(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("leads.bulk_orders.MOST", 2)
        refused = many(cast.alice, "archive", filter={"status": "open"})
        assert codes(refused) == {("/filter", "too_many")}
        assert "2 leads" in refused.json()["errors"][0]["detail"]
        assert found(cast.alice, "") == set(leads)

    @pytest.mark.parametrize(("body", "faults"), [
        ({"action": "archive"}, {("", "invalid")}),
        ({"action": "archive", "uids": ["a"], "filter": {"q": "a"}}, {("", "invalid")}),
        ({"action": "archive", "uids": []}, {("/uids", "too_short")}),
        ({"action": "archive", "uids": ["a"] * 10_001}, {("/uids", "too_long")}),
        ({"action": "fly", "uids": ["a"]}, {("/action", "not_an_option")}),
        ({"uids": ["a"]}, {("/action", "required")}),
        ({"action": "transition", "uids": ["a"]}, {("/to_stage", "required")}),
        ({"action": "transition", "uids": ["a"], "params": {}}, {("/params/to_stage", "required")}),
        ({"action": "transition", "uids": ["a"], "to_stage": "nowhere"}, {("/to_stage", "unknown_stage")}),
        ({"action": "transition", "uids": ["a"], "params": {"to_stage": "x"}},
         {("/params/to_stage", "unknown_stage")}),
        ({"action": "tag", "uids": ["a"], "params": {"tags": ["x"]}, "tags": ["y"]}, {("/tags", "not_both")}),
        ({"action": "assign", "uids": ["a"]}, {("/assigned_to", "required")}),
        ({"action": "assign", "uids": ["a"], "params": {"by_rule": False}}, {("/params/assigned_to", "required")}),
        ({"action": "assign", "uids": ["a"], "by_rule": True, "assigned_to": None}, {("/by_rule", "not_both")}),
        ({"action": "set", "uids": ["a"]}, {("", "required")}),
        ({"action": "set", "uids": ["a"], "status": "won"}, {("/status", "read_only")}),
        ({"action": "set", "uids": ["a"], "params": {"rank": "a"}}, {("/params/rank", "read_only")}),
        ({"action": "archive", "uids": ["a"], "to_stage": "x"}, {("/to_stage", "unknown_key")}),
        ({"token": "x"}, {("/token", "string_pattern_mismatch")}),
        ({"token": "0" * 32, "dry_run": True}, {("", "invalid")}),
    ], ids=lambda value: str(value)[:60])  # fmt: skip
    def test_a_wrong_order_is_refused_as_a_whole(self, cast: Cast, body: Row, faults: Any) -> None:
        refused = cast.alice.post("/api/leads/bulk/", body)
        assert (refused.status_code, codes(refused)) == (422, faults)


class TestWhoMay:
    def test_agents_change_leads_one_by_one(self, cast: Cast, leads: list[str]) -> None:
        refused = many(cast.bob, "tag", leads, tags=["x"])
        assert (refused.status_code, refused.json()["permission"]) == (403, "lead.bulk")

    @pytest.mark.parametrize(("action", "more", "permission"), [
        ("transition", {"to_stage": "stage-lost"}, "lead.move"), ("assign", {"assigned_to": None}, "lead.edit"),
        ("tag", {"tags": ["x"]}, "lead.edit"), ("untag", {"tags": ["x"]}, "lead.edit"),
        ("set", {"company": "x"}, "lead.edit"), ("archive", {}, "lead.archive"), ("restore", {}, "lead.archive"),
    ])  # fmt: skip
    def test_each_action_needs_the_permission_of_the_single_one(
        self, cast: Cast, leads: list[str], action: str, more: Row, permission: str
    ) -> None:
        bulky = role(cast, "bulky", ["lead.view", "lead.bulk"])
        refused = many(bulky, action, leads, **more)
        assert (refused.status_code, refused.json()["permission"]) == (403, permission)

    def test_who_read_and_who_changed_what_is_noted(self, cast: Cast, leads: list[str]) -> None:
        unready, theirs = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
        many(cast.alice, "transition", [leads[0], unready, theirs], to_stage="stage-contacted")
        many(cast.alice, "archive", [leads[1]], dry_run=True)
        noted = [
            (row["action"], row["subjects"])
            for row in cast.root.get("/api/audit/?limit=200").json()["results"] if row["what"] == "bulk_leads"
        ]  # fmt: skip
        assert sorted(noted) == sorted([("change", [leads[0]]), ("read", [unready]), ("read", [leads[1]])])


def test_the_first_batches_are_small_so_that_the_answer_begins_soon() -> None:
    targets = [bulk.Target(str(number)) for number in range(1000)]
    parts = list(bulk.batches(targets))
    assert [len(part) for part in parts] == [25, 50, 100, 200, 200, 200, 200, 25]
    assert [target for part in parts for target in part] == targets


class TestManyBatches:
    @pytest.fixture
    def seven(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(bulk, "BATCH", 2)
        relaxed(cast.root)
        return [lead(cast.alice)["uid"] for _ in range(7)]

    def test_verdicts_come_in_the_order_given(self, cast: Cast, seven: list[str]) -> None:
        order = [*seven[3:], "LEAD-209901-00001", *seven[:3]]
        answer = done(many(cast.alice, "transition", order, to_stage="stage-won"))
        assert [row["uid"] for row in answer["results"]] == order
        assert (answer["done"], found(cast.alice, "stage=stage-won")) == (7, set(seven))

    def test_a_long_timeline_spills_over_as_ever(self, cast: Cast, seven: list[str]) -> None:
        for n in range(30):
            many(cast.alice, "set", seven, company=f"Firm {n}")
        page = cast.alice.get(f"/api/leads/{seven[0]}/activities/?limit=200").json()
        assert page["count"] == len(page["results"]) == 31
        assert [row["kind"] for row in page["results"]].count("field_change") == 30

    def test_what_fails_on_our_side_is_said_of_the_leads_that_are_left(
        self, cast: Cast, seven: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace, written = bulk.many.save_many, []

        def fails(writes: Any, workflow: Any) -> Any:
            written.append(len(writes))
            if len(written) == 3:
                raise RuntimeError("broken")
            return replace(writes, workflow)

        monkeypatch.setattr(bulk.many, "save_many", fails)
        told = verdicts(many(cast.alice, "tag", seven, tags=["x"]))
        assert told == {uid: [] if n < 4 else ["not_done"] for n, uid in enumerate(seven)}
        assert found(cast.alice, "tags=x") >= set(seven[:4])

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_one_that_cannot_be_read_stops_no_other(self, cast: Cast, seven: list[str], dry_run: bool) -> None:
        rewrite(seven[2], priority={"a": 1})
        told = verdicts(many(cast.alice, "tag", seven, tags=["x"], dry_run=dry_run))
        assert told == {uid: ["not_done"] if uid == seven[2] else [] for uid in seven}

    def test_what_fails_before_the_first_verdict_is_an_ordinary_problem(
        self, cast: Cast, seven: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*args: Any, **more: Any) -> Any:
            raise mongo.UNREACHABLE[0]("gone")

        monkeypatch.setattr(bulk.many, "load_many", gone)
        refused = many(cast.alice, "tag", seven, tags=["x"])
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
