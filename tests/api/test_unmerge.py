"""POST /leads/{uid}/unmerge/: both leads are again as they were."""

import random
from typing import Any

import pytest

from lead_crm import mongo
from leads import store
from leads.record import FULL, FULL_CHANGES
from tests.api.merging import merge, merged, note, stored, two, unmerge, unmerged
from tests.api.steps import EVERY_STAGE, at_once, codes, fields, go, listed, read, relaxed, statuses, twin, uids, walked
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]
SAYING = {"version", "updated_at", "updated_by", "workflow_version", "activities", "changes", "spilled", "done"}


def plain(uid: str) -> Row:
    """All that is stored of it, but for version, times and the lines that say what happened."""
    return {name: value for name, value in stored(uid).items() if name not in SAYING}


def told(client: CheckedClient, uid: str) -> list[Row]:
    """What the timeline says, but for merging."""
    shown = walked(client, f"/api/leads/{uid}/activities/?limit=200")
    return [entry for entry in shown if entry["kind"] != "merge"]


def test_both_are_as_they_were(cast: Cast) -> None:
    one, other = two(cast.alice, {"email": "ada@a.example"}, {"company": "Mill", "email": "ada@b.example"})
    before = plain(one), plain(other)
    shown = read(cast.alice, other)
    merged(cast.alice, one, other)
    answer = unmerge(cast.alice, one, {"note": "Two sisters"})
    assert (answer.status_code, answer["ETag"]) == (200, '"3"')
    assert (answer.json()["loser"], answer.json()["kept"], answer.json()["merged"]) == (other, [], [])
    assert (plain(one), plain(other)) == before
    after = read(cast.alice, other)
    lines = ("version", "updated_at", "activities", "activities_count")
    assert after | {name: shown[name] for name in lines} == shown
    said = [lead["activities"][-1] for lead in (answer.json(), after)]
    assert [(line["kind"], line["body"], line["meta"]["event"], line["meta"]["lead"]) for line in said] == [
        ("merge", "Two sisters", "unmerged", other), ("merge", "Two sisters", "unmerged", one),
    ]  # fmt: skip
    assert set(uids(listed(cast.alice)["results"])) == {one, other}


@pytest.mark.parametrize("seed", range(6))
def test_also_after_long_lives_that_have_spilled_over(cast: Cast, seed: int) -> None:
    relaxed(cast.root)
    fields(cast.root, {"field_key": "passport", "field_type": "text", "unique": True})
    chance = random.Random(seed)
    one, other = two(cast.alice, {"tags": ["a"]}, {"fields": {"budget": "1", "passport": "X1"}})
    for number in range(2 * FULL):
        lived(cast.alice, chance.choice([one, other]), number, chance)
    before = plain(one), plain(other)
    lines = told(cast.alice, one), told(cast.alice, other)
    merged(cast.alice, one, other, fields=dict.fromkeys(chance.sample(["company", "email", "name"], 2), "loser"))
    assert sorted(line["uid"] for line in told(cast.alice, one)) == sorted(
        line["uid"] for side in lines for line in side
    )
    unmerged(cast.alice, one)
    assert (plain(one), plain(other)) == before
    assert (told(cast.alice, one), told(cast.alice, other)) == lines


def lived(client: CheckedClient, uid: str, number: int, chance: random.Random) -> None:
    path = f"/api/leads/{uid}/"
    match chance.randrange(5):
        case 0:
            note(client, uid, f"{number}", chance.choice(["note", "call"]))
        case 1:
            body = {"company": f"{number}", "tags": chance.sample("abcdef", 2), "email": f"{uid}.{number}@b.example"}
            assert client.patch(path, body).status_code == 200
        case 2:
            assert go(client, uid, chance.choice(EVERY_STAGE)).status_code == 200
        case 3:
            body = {"kind": "call", "title": f"{number}", "due_at": f"2030-01-0{chance.randrange(1, 9)}T09:00:00Z"}
            assert client.post(f"{path}tasks/", body).status_code == 201
        case _:
            body = {"contacts": [{"name": f"C{chance.randrange(3)}"}], "name": f"{uid} {number}"}
            assert client.patch(path, body).status_code == 200


def test_however_much_has_happened_since(cast: Cast) -> None:
    """What the merge has changed has spilled over by then."""
    one, other = two(cast.alice, None, {"company": "Mill", "email": "ada@b.example"})
    before = plain(other)
    merged(cast.alice, one, other)
    for number in range(3 * FULL_CHANGES):
        note(cast.alice, one, f"{number}")
    assert mongo.collection("leads").count_documents({"type": "timeline", "uid": {"$regex": f"^{one}:"}}) >= 2
    cast.alice.patch(f"/api/leads/{one}/", {"company": "Works"})
    after = unmerged(cast.alice, one)
    assert (after["company"], after["email"], after["kept"]) == ("Works", None, ["/company"])
    assert plain(other) == before
    assert len(told(cast.alice, one)) == 3 * FULL_CHANGES + 2


def test_tasks_go_back_with_what_was_done_about_them(cast: Cast) -> None:
    one, other = two(cast.alice)
    task = read(cast.alice, other)["tasks"][0]["uid"]
    merged(cast.alice, one, other)
    assert cast.alice.post(f"/api/leads/{one}/tasks/{task}/complete/", {"notes": "rang"}).status_code == 200
    after = unmerged(cast.alice, one)
    assert task not in uids(after["tasks"])
    assert [(t["uid"], t["status"], t["required"]) for t in read(cast.alice, other)["tasks"]] == [
        (task, "completed", True)
    ]
    assert go(cast.alice, other, "stage-contacted").status_code == 200


def test_the_latest_comes_first(cast: Cast) -> None:
    one, other = two(cast.alice, None, {"company": "Mill"})
    third = lead(cast.alice, company="Works")["uid"]
    fourth = lead(cast.alice)["uid"]
    merged(cast.alice, other, fourth)
    merged(cast.alice, one, other)
    merged(cast.alice, one, third)
    early = unmerge(cast.alice, one, {"lead": other})
    assert (early.status_code, early.json()["unmerge_first"]) == (409, third)
    assert codes(unmerge(cast.alice, one, {"lead": "LEAD-0"})) == {("/lead", "not_merged")}
    assert unmerged(cast.alice, one, lead=third)["loser"] == third
    assert unmerge(cast.alice, one, {"lead": fourth}).json()["code"] == "merged_later"
    assert unmerged(cast.alice, one)["loser"] == other
    assert unmerge(cast.alice, one).json()["code"] == "not_merged"
    assert unmerged(cast.alice, other)["loser"] == fourth


def test_one_that_was_merged_itself_is_left_to_its_winner(cast: Cast) -> None:
    one, other = two(cast.alice)
    third = lead(cast.alice)["uid"]
    merged(cast.alice, other, third)
    merged(cast.alice, one, other)
    answer = unmerge(cast.alice, other)
    assert (answer.status_code, answer.json()["merged_into"]) == (409, one)


def test_it_comes_back_into_its_stage_even_if_that_was_deleted(cast: Cast) -> None:
    """Deleting kept the stage, archived, as history names it. Its column shows until the lead moves on."""
    relaxed(cast.root)
    one, other = two(cast.alice)
    assert go(cast.alice, other, "stage-proposal").status_code == 200
    merged(cast.alice, one, other)
    assert cast.root.delete("/api/stages/stage-proposal/").status_code == 204
    unmerged(cast.alice, one)
    assert read(cast.alice, other)["current_stage"] == "stage-proposal"
    board = {column["uid"]: uids(column["leads"]) for column in cast.alice.get("/api/leads/kanban/").json()}
    assert board["stage-proposal"] == [other]
    assert go(cast.alice, other, "stage-won").status_code == 200


class TestWhatStandsAgainst:
    def test_a_stage_that_is_full(self, cast: Cast) -> None:
        relaxed(cast.root)
        one, other = two(cast.alice)
        third = lead(cast.alice)["uid"]
        assert go(cast.alice, other, "stage-won").status_code == 200
        merged(cast.alice, one, other)
        cast.root.patch("/api/stages/stage-won/", {"wip_limit": {"max": 1, "scope": "stage"}})
        assert go(cast.alice, third, "stage-won").status_code == 200
        full = unmerge(cast.alice, one)
        assert (full.status_code, full.json()["refusals"][0]["code"]) == (409, "wip_limit")
        assert stored(other)["merged_into"] == one
        assert go(cast.alice, third, "stage-new").status_code == 200
        unmerged(cast.alice, one)
        assert read(cast.alice, other)["current_stage"] == "stage-won"

    def test_a_unique_value_that_another_lead_has_by_now(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "passport", "field_type": "text", "unique": True})
        one, other = two(cast.alice, None, {"fields": {"budget": "1", "passport": "X1"}})
        merged(cast.alice, one, other)
        cast.alice.patch(f"/api/leads/{one}/", {"fields": {"passport": "X9"}})
        third = lead(cast.alice, fields={"budget": "1", "passport": "X1"})["uid"]
        answer = unmerge(cast.alice, one)
        told = answer.json()
        assert (answer.status_code, told["code"], told["pointers"]) == (409, "not_unique", ["/fields/passport"])
        assert read(cast.alice, one)["version"] == 3
        cast.alice.patch(f"/api/leads/{third}/", {"fields": {"passport": None}})
        assert unmerged(cast.alice, one)["kept"] == ["/fields/passport"]
        assert read(cast.alice, other)["fields"]["passport"] == "X1"

    def test_but_not_one_that_the_winner_gives_back(self, cast: Cast) -> None:
        fields(cast.root, {"field_key": "passport", "field_type": "text", "unique": True})
        one, other = two(cast.alice, None, {"fields": {"budget": "1", "passport": "X1"}})
        merged(cast.alice, one, other)
        assert unmerged(cast.alice, one)["fields"].get("passport") is None
        assert read(cast.alice, other)["fields"]["passport"] == "X1"

    def test_an_erased_person(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        cast.alice.post(f"/api/leads/{one}/privacy/erase/", {"reason": "Asked"})
        assert unmerge(cast.alice, one).json()["code"] == "lead_erased"

    def test_a_centre_that_is_not_theirs(self, cast: Cast) -> None:
        one, other = lead(cast.root, center=NORTH)["uid"], lead(cast.root, center=SOUTH)["uid"]
        merged(cast.root, one, other)
        assert unmerge(cast.alice, one).status_code == 404
        assert unmerged(cast.root, one)["loser"] == other


class TestMarks:
    """What a lead came in with where nobody was to come in twice."""

    def test_come_back(self, cast: Cast) -> None:
        cast.root.patch("/api/config/", {"duplicates": {"policy": "reject"}})
        one, other = two(cast.alice, None, {"email": "ada@b.example"})
        assert stored(other)["keys"]["claims"] == ["sole/email:ada@b.example"]
        merged(cast.alice, one, other)
        assert "claims" not in stored(other)["keys"]
        unmerged(cast.alice, one)
        assert stored(other)["keys"]["claims"] == ["sole/email:ada@b.example"]

    def test_stay_with_whoever_took_them_meanwhile(self, cast: Cast) -> None:
        cast.root.patch("/api/config/", {"duplicates": {"policy": "reject"}})
        one, other = two(cast.alice, None, {"email": "ada@b.example"})
        merged(cast.alice, one, other, fields={"email": "winner"})
        cast.alice.patch(f"/api/leads/{one}/", {"contacts": [], "email": None})
        lead(cast.alice, email="ada@b.example")
        unmerged(cast.alice, one)
        assert "claims" not in stored(other)["keys"]


class TestAtOnce:
    def test_it_happens_once(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        answers = at_once([lambda: unmerge(twin(cast.alice), one)] * 8)
        assert statuses(answers) == [200] + [409] * 7
        assert (stored(one)["version"], stored(other)["version"]) == (3, 3)

    def test_also_where_the_other_was_first_between_two_looks(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        look, others = store.part, [twin(cast.alice)]

        def late(*args: Any, **how: Any) -> Any:
            if others:
                unmerged(others.pop(), one)
            return look(*args, **how)

        monkeypatch.setattr(store, "part", late)
        answer = unmerge(cast.alice, one)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_merged")

    def test_against_changes_and_merges_of_the_winner(self, cast: Cast) -> None:
        one, other = two(cast.alice, {"tags": ["a"]}, {"tags": ["b"], "company": "Mill"})
        third = lead(cast.alice, tags=["c"])["uid"]
        before = plain(other)
        merged(cast.alice, one, other)
        works = [lambda n=n: twin(cast.alice).patch(f"/api/leads/{one}/", {"source_detail": f"{n}"}) for n in range(6)]
        works += [lambda: unmerge(twin(cast.alice), one, {"lead": other})]
        works += [lambda: merge(twin(cast.alice), one, third)]
        assert set(statuses(at_once(works))) <= {200, 409}
        while stored(one)["merged"]:
            unmerged(cast.alice, one)
        assert plain(other) == before
        assert stored(one)["tags"] == ["a"]
        assert stored(one)["company"] is None

    def test_for_the_last_seat(self, cast: Cast) -> None:
        relaxed(cast.root)
        one, other = two(cast.alice)
        go(cast.alice, other, "stage-won")
        merged(cast.alice, one, other)
        cast.root.patch("/api/stages/stage-won/", {"wip_limit": {"max": 1, "scope": "stage"}})
        third = lead(cast.alice)["uid"]
        works = [lambda: unmerge(twin(cast.alice), one), lambda: go(twin(cast.alice), third, "stage-won")]
        assert statuses(at_once(works)) == [200, 409]
