"""POST /leads/{uid}/merge/: another lead becomes a part of this one."""

from typing import Any

import pytest

from lead_crm import audit, mongo
from leads import duplicates, store
from tests.api.merging import merge, merged, note, stored, two, unmerge, unmerged
from tests.api.steps import at_once, codes, fields, found, go, listed, read, ready, relaxed, statuses, twin, uids
from tests.cast import NORTH, SOUTH, Cast, lead

ADA = {"email": "ada@engines.example"}


class TestDuplicates:
    def test_are_the_living_leads_that_share_an_address_or_number(self, cast: Cast) -> None:
        one = lead(cast.alice, **ADA, phone="+1 415 555 0123")["uid"]
        mother = lead(cast.alice, name="Mother", contacts=[{"name": "M", "phone": "(415) 555-0123"}])["uid"]
        gone = lead(cast.alice, **ADA)["uid"]
        again = lead(cast.alice, **ADA)
        lead(cast.alice, name="Stranger", email="other@engines.example")
        cast.alice.delete(f"/api/leads/{gone}/")
        told = cast.alice.get(f"/api/leads/{one}/duplicates/").json()
        assert told["complete"]
        assert [(row["uid"], row["on"]) for row in told["results"]] == [(mother, ["phone"]), (again["uid"], ["email"])]
        assert told["results"][1] == {"on": ["email"]} | {
            name: again[name] for name in ("uid", "name", "email", "phone", "center", "current_stage", "created_at")
        }

    def test_are_named_to_those_only_who_may_see_them(self, cast: Cast) -> None:
        mine = lead(cast.bob, **ADA, assigned_to=[cast.bob.uid])["uid"]
        lead(cast.alice, **ADA, assigned_to=[cast.carol.uid])
        lead(cast.charlie, **ADA)
        assert len(cast.root.get(f"/api/leads/{mine}/duplicates/").json()["results"]) == 2
        assert len(cast.alice.get(f"/api/leads/{mine}/duplicates/").json()["results"]) == 1
        assert cast.bob.get(f"/api/leads/{mine}/duplicates/").json()["results"] == []

    def test_are_not_told_without_personal_data(self, cast: Cast) -> None:
        task = {"kind": "call", "assigned_to": cast.tom.uid}
        uid = lead(cast.alice, **ADA)["uid"]
        assert cast.alice.post(f"/api/leads/{uid}/tasks/", task).status_code == 201
        answer = cast.tom.get(f"/api/leads/{uid}/duplicates/")
        assert (answer.status_code, answer.json()["permission"]) == (403, "lead.pii")

    def test_whom_it_showed_stands_in_the_audit(self, cast: Cast) -> None:
        one, two_ = two(cast.alice, ADA, ADA)
        cast.alice.get(f"/api/leads/{one}/duplicates/")
        audit.flush()
        row: Any = mongo.collection("audit").find_one({"what": "list_duplicates"})
        assert row["subjects"] == [one, two_]


class TestMerging:
    def test_answers_with_the_whole_winner(self, cast: Cast) -> None:
        one, other = two(cast.alice, ADA, {"company": "Mill"})
        answer = merge(cast.alice, one, other, {"note": "The same person"})
        told = answer.json()
        assert (answer.status_code, answer["ETag"], told["loser"], told["company"]) == (200, '"2"', other, "Mill")
        assert [(part["uid"], part["by"], part["below"]) for part in told["merged"]] == [(other, cast.alice.uid, [])]
        said = told["activities"][-1]
        assert (said["kind"], said["body"]) == ("merge", "The same person")
        assert said["meta"] == {"event": "merged", "lead": other, "fields": ["company"], "left_out": []}
        assert read(cast.alice, one) == {key: value for key, value in told.items() if key != "loser"}

    def test_takes_the_loser_out_of_everything(self, cast: Cast) -> None:
        relaxed(cast.root)
        one, other = two(cast.alice, ADA, {"name": "Zuzana", "email": "zu@engines.example"})
        cast.alice.post(f"/api/leads/{other}/tasks/", {"kind": "call", "title": "Ring"})
        merged(cast.alice, one, other)
        assert uids(listed(cast.alice)["results"]) == [one]
        assert listed(cast.alice)["count"] == 1
        assert found(cast.alice, "status=open,archived,won,lost,on_hold") == {one}
        assert found(cast.alice, "q=zuzana") == {one}  # as a contact
        assert found(cast.alice, f"q={other}") == {one}  # the number that somebody has noted down
        board = cast.alice.get("/api/leads/kanban/").json()
        assert [card["uid"] for column in board for card in column["leads"]] == [one]
        work = listed(cast.alice, path="/api/tasks/")["results"]
        assert [(item["title"], item["lead"]["uid"]) for item in work] == [("Ring", one)]
        assert cast.alice.get(f"/api/leads/{one}/duplicates/").json()["results"] == []

    def test_leaves_room_where_the_loser_stood(self, cast: Cast) -> None:
        relaxed(cast.root)
        limit = {"wip_limit": {"max": 1, "scope": "stage"}}
        assert cast.root.patch("/api/stages/stage-won/", limit).status_code == 200
        one, other = two(cast.alice)
        assert go(cast.alice, other, "stage-won").status_code == 200
        assert go(cast.alice, one, "stage-won").status_code == 409
        merged(cast.alice, one, other)
        assert go(cast.alice, one, "stage-won").status_code == 200

    def test_gives_the_winner_what_must_be_unique(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "passport", "field_type": "text", "unique": True})
        one, other = two(cast.alice, None, {"fields": {"budget": "1", "passport": "X1"}})
        assert merged(cast.alice, one, other)["fields"]["passport"] == "X1"
        body = {"name": "Thief", "fields": {"budget": "1", "passport": "x1"}}
        assert codes(cast.alice.post("/api/leads/", body)) == {("/fields/passport", "not_unique")}

    def test_frees_what_the_winner_does_not_take(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "passport", "field_type": "text", "unique": True})
        one, other = (
            lead(cast.alice, fields={"budget": "1", "passport": passport})["uid"] for passport in ("X1", "X2")
        )
        merged(cast.alice, one, other)
        lead(cast.alice, fields={"budget": "1", "passport": "X2"})

    def test_choices_are_those_of_the_body(self, cast: Cast) -> None:
        one, other = two(cast.alice, {"company": "Mill"}, {"company": "Works", "fields": {"budget": "7.00"}})
        told = merged(cast.alice, one, other, fields={"company": "loser", "fields": {"budget": "loser"}})
        assert (told["company"], told["fields"]["budget"]) == ("Works", "7.00")

    def test_two_leads_of_two_centres_need_somebody_who_sees_both(self, cast: Cast) -> None:
        one = lead(cast.root, center=NORTH)["uid"]
        other = lead(cast.root, center=SOUTH)["uid"]
        assert codes(merge(cast.alice, one, other)) == {("/lead", "unknown_lead")}
        assert merged(cast.root, one, other)["center"] == NORTH
        assert cast.charlie.get(f"/api/leads/{other}/").status_code == 404
        assert cast.alice.get(f"/api/leads/{other}/").status_code == 307

    def test_needs_the_permission(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        for client in (cast.bob, cast.nora, cast.vera):
            assert merge(client, one, other).json()["permission"] == "lead.merge"
            assert unmerge(client, one).json()["permission"] == "lead.merge"
        assert merge(cast.charlie, one, other).status_code == 404

    def test_is_noted_for_both(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        audit.flush()
        row: Any = mongo.collection("audit").find_one({"what": "merge_lead"})
        assert (row["action"], row["subjects"]) == ("change", [one, other])
        about = cast.alice.get(f"/api/audit/?lead={other}").json()["results"]
        assert {entry["what"] for entry in about} == {"merge_lead", "create_lead"}

    def test_a_lead_that_comes_in_again_finds_the_winner(self, cast: Cast) -> None:
        one, other = two(cast.alice, None, ADA)
        merged(cast.alice, one, other)
        assert cast.root.patch("/api/config/", {"duplicates": {"policy": "attach"}}).status_code == 200
        again = cast.alice.post("/api/leads/", {"name": "Ada", **ADA, "fields": {"budget": "1"}}).json()
        assert (again["uid"], again["attached"]) == (one, True)

    def test_also_where_it_was_merged_just_then(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between looking for the lead and writing onto its timeline."""
        one, other = two(cast.alice, None, ADA)
        assert cast.root.patch("/api/config/", {"duplicates": {"policy": "attach"}}).status_code == 200
        look = duplicates.find

        def slowly(*asked: Any) -> Any:
            seen = look(*asked)
            monkeypatch.undo()
            merged(cast.alice, one, other)
            return seen

        monkeypatch.setattr(duplicates, "find", slowly)
        again = cast.alice.post("/api/leads/", {"name": "Ada", **ADA, "fields": {"budget": "1"}}).json()
        assert (again["uid"], again["attached"]) == (one, True)

    def test_stages_of_the_loser_hold_up_nobody(self, cast: Cast) -> None:
        one, other = ready(cast.alice)["uid"], lead(cast.alice)["uid"]
        merged(cast.alice, one, other)
        assert go(cast.alice, one, "stage-contacted").status_code == 200


class TestRefusals:
    def test_all_faults_at_once(self, cast: Cast) -> None:
        one = lead(cast.alice)["uid"]
        body = {"fields": {"uid": "loser", "company": "both", "tags": "loser"}, "surprise": 1}
        assert codes(merge(cast.alice, one, one, body)) == {
            ("/fields/uid", "unknown_key"), ("/fields/tags", "unknown_key"), ("/surprise", "unknown_key"),
            ("/fields/company", "literal_error"), ("/lead", "same_lead"),
        }  # fmt: skip
        assert codes(merge(cast.alice, one, "LEAD-0", {"fields": {"fields": {"nothing": "loser"}}})) == {
            ("/lead", "unknown_lead"), ("/fields/fields/nothing", "unknown_field"),
        }  # fmt: skip

    def test_archived_erased_and_merged_ones(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        archived, erased, part = (lead(cast.alice)["uid"] for _ in range(3))
        cast.alice.delete(f"/api/leads/{archived}/")
        cast.alice.post(f"/api/leads/{erased}/privacy/erase/", {"reason": "Asked"})
        merged(cast.alice, other, part)
        for bad, code in ((archived, "lead_archived"), (erased, "lead_erased"), (part, "lead_merged")):
            for body in ((one, bad), (bad, one)):
                answer = merge(cast.alice, *body)
                assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert merge(cast.alice, one, part).json()["merged_into"] == other

    def test_a_sale_is_not_lost_in_a_lead_that_is_not_won(self, cast: Cast) -> None:
        relaxed(cast.root)
        for kind in ("won", "lost"):
            closed = cast.root.patch(f"/api/stages/stage-{kind}/", {"kind": kind, "allowed_next_stages": []})
            assert closed.status_code == 200, closed.content
        one, won = two(cast.alice)
        assert cast.alice.post(f"/api/leads/{won}/convert/", {"reference": "ENR-1"}).status_code == 200
        on_hold, lost, only_won = (lead(cast.alice)["uid"] for _ in range(3))
        cast.alice.post(f"/api/leads/{on_hold}/hold/", {})
        cast.alice.post(f"/api/leads/{lost}/close/", {"reason": "No time"})
        assert go(cast.alice, only_won, "stage-won").status_code == 200
        before = stored(won)
        for winner in (one, on_hold, lost, only_won):
            refused = merge(cast.alice, winner, won)
            assert (refused.status_code, refused.json()["code"]) == (409, "won_lead")
            assert f"merge {winner} into {won} instead" in refused.json()["detail"]
        assert merge(cast.alice, one, only_won).json()["code"] == "won_lead"
        assert stored(won) == before
        for loser in (one, on_hold, lost, only_won):
            after = merged(cast.alice, won, loser)
            assert (after["status"], after["conversion"]["reference"]) == ("won", "ENR-1")

    def test_a_winner_or_loser_that_has_changed(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        note(cast.alice, one, "hello")
        cast.alice.patch(f"/api/leads/{other}/", {"company": "Mill"})
        stale = merge(cast.alice, one, other, If_Match='"1"')
        assert (stale.status_code, stale.json()["version"]) == (412, 2)
        stale = merge(cast.alice, one, other, {"version": 1}, If_Match='"2"')
        assert (stale.status_code, stale.json()["lead"], stale.json()["changed"]) == (
            412,
            other,
            ["/company", "/score"],
        )
        assert merge(cast.alice, one, other, {"version": 2}, If_Match='"2"').status_code == 200

    def test_too_many_contacts(self, cast: Cast) -> None:
        one, other = two(
            cast.alice, {"contacts": [{"name": f"A{n}"} for n in range(11)]},
            {"contacts": [{"name": f"B{n}"} for n in range(10)]},
        )  # fmt: skip
        assert merge(cast.alice, one, other).json()["code"] == "too_many_contacts"
        assert read(cast.alice, other)["version"] == 1


class TestAtOnce:
    def test_two_merges_of_one_loser(self, cast: Cast) -> None:
        winners = [lead(cast.alice)["uid"] for _ in range(6)]
        other = lead(cast.alice)["uid"]
        answers = at_once([lambda one=one: merge(twin(cast.alice), one, other) for one in winners])
        assert statuses(answers) == [200] + [409] * 5
        (won,) = [one for one, answer in zip(winners, answers, strict=True) if answer.status_code == 200]
        assert {a.json()["merged_into"] for a in answers if a.status_code == 409} == {won}
        assert stored(other)["merged_into"] == won
        assert [len(stored(one)["merged"]) for one in winners].count(0) == 5

    def test_each_into_the_other(self, cast: Cast) -> None:
        for _ in range(5):
            one, other = two(cast.alice)
            pairs = [(one, other), (other, one)] * 3
            answers = at_once([lambda a=a, b=b: merge(twin(cast.alice), a, b) for a, b in pairs])
            assert statuses(answers) == [200] + [409] * 5
            assert sorted([stored(one)["merged_into"] is None, stored(other)["merged_into"] is None]) == [False, True]

    def test_many_into_one_while_it_is_changed(self, cast: Cast) -> None:
        relaxed(cast.root)
        one = lead(cast.alice)["uid"]
        others = [lead(cast.alice, tags=[f"t{n}"])["uid"] for n in range(8)]
        works = [lambda other=other: merge(twin(cast.alice), one, other) for other in others]
        works += [lambda n=n: note_(twin(cast.alice), one, n) for n in range(8)]
        works += [lambda: go(twin(cast.alice), one, "stage-won")]
        assert set(statuses(at_once(works, workers=17))) <= {200, 201}
        after = read(cast.alice, one)
        assert sorted(after["tags"]) == [f"t{n}" for n in range(8)]
        assert sorted(part["uid"] for part in after["merged"]) == sorted(others)
        assert (after["current_stage"], after["version"]) == ("stage-won", 18)
        assert [part["version"] for part in after["merged"]] == sorted(part["version"] for part in after["merged"])

    def test_against_changes_of_the_loser(self, cast: Cast) -> None:
        relaxed(cast.root)
        one, other = two(cast.alice)
        works = [lambda n=n: note_(twin(cast.alice), other, n) for n in range(12)]
        works.insert(3, lambda: merge(twin(cast.alice), one, other))
        answers = at_once(works, workers=13)
        assert set(statuses(answers)) <= {200, 201, 409}
        written = [a.json()["body"] for a in answers if a.status_code == 201]
        told = cast.alice.get(f"/api/leads/{one}/activities/?limit=200").json()["results"]
        assert sorted(entry["body"] for entry in told if entry["kind"] == "note") == sorted(written)


def note_(client: Any, uid: str, number: int) -> Any:
    return client.post(f"/api/leads/{uid}/activities/", {"body": f"{number}"})


class TestDying:
    def test_between_the_two_writes_changes_neither(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        one, other = two(cast.alice, None, {"company": "Mill"})
        before = stored(one), stored(other)
        real, seen = store._saved, []

        def dying(write: Any, *args: Any) -> bool:
            seen.append(write.lead.uid)
            if len(seen) == 2:
                raise RuntimeError("killed")
            return real(write, *args)

        monkeypatch.setattr(store, "_saved", dying)
        with pytest.raises(AssertionError, match="500 is not documented"):
            merge(cast.alice, one, other, Idempotency_Key="k")
        assert seen == [other, one]
        assert (stored(one), stored(other)) == before
        monkeypatch.undo()
        assert merge(cast.alice, one, other, Idempotency_Key="k").status_code == 200

    def test_before_the_answer_is_kept_merges_once(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        one, other = two(cast.alice)
        first = merge(cast.alice, one, other, Idempotency_Key="k").json()
        mongo.collection("idempotency").delete_many({})
        again = merge(cast.alice, one, other, Idempotency_Key="k")
        assert (again.status_code, again.json()) == (200, first)
        back = unmerge(cast.alice, one, Idempotency_Key="u").json()
        mongo.collection("idempotency").delete_many({})
        assert unmerge(cast.alice, one, Idempotency_Key="u").json() == back
        assert read(cast.alice, one)["version"] == 3

    def test_the_same_post_again_gives_the_same_answer(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        first, again = (merge(cast.alice, one, other, Idempotency_Key="k") for _ in range(2))
        assert first.content == again.content
        assert again["Idempotency-Replayed"] == "true"

    def test_merging_old_leads_with_a_key_claims_nothing(self, cast: Cast) -> None:
        """Only the POST that made a lead is."""
        one, other = two(cast.alice)
        assert stored(one)["done"] == stored(other)["done"] == []
        assert merge(cast.alice, one, other, Idempotency_Key="k").status_code == 200
        assert [len(stored(uid)["keys"].get("claims", ())) for uid in (one, other)] == [0, 0]


def test_leads_merge_again_after_they_were_parted(cast: Cast) -> None:
    one, other = two(cast.alice)
    merged(cast.alice, one, other)
    unmerged(cast.alice, one)
    assert merged(cast.alice, other, one)["merged"][0]["uid"] == one


def test_a_task_of_somebody_of_another_centre_falls_to_nobody(cast: Cast) -> None:
    winner, loser = (str(lead(cast.root, center=center)["uid"]) for center in (NORTH, SOUTH))
    tasks = f"/api/leads/{loser}/tasks/"
    made = {
        name: cast.root.post(tasks, {"kind": "call", "assigned_to": uid}).json()["uid"]
        for name, uid in (("sam", cast.sam.uid), ("root", cast.root.uid))
    }
    after = merged(cast.root, winner, loser)
    assert after["merged"][-1]["left_out"] == [f"tasks.{made['sam']}.assigned_to"]
    theirs = {task["uid"]: task["assigned_to"] for task in after["tasks"]}
    assert (theirs[made["sam"]], theirs[made["root"]]) == (None, cast.root.uid)
    unmerged(cast.root, winner)
    back = {task["uid"]: task["assigned_to"] for task in read(cast.root, loser)["tasks"]}
    assert (back[made["sam"]], back[made["root"]]) == (cast.sam.uid, cast.root.uid)
