"""What happens when somebody comes in who shares an e-mail address or a phone number with a lead there is."""

from typing import Any

import pytest
from django.test import override_settings

from lead_crm import mongo
from leads import arriving, duplicates, service, store
from tests.api.steps import at_once, listed, moments, read, statuses, twin, uids
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import kinds, noted

ADA = {"name": "Ada", "email": "ada@engines.example", "fields": {"budget": "1"}}
DOOR = "/api/public/leads/"
CAME = {"name": "Ada", "email": "ada@engines.example"}


def policy(cast: Cast, name: str, **more: object) -> None:
    body = {"duplicates": {"policy": name, **more}, "capture": {"center": NORTH}}
    response = cast.root.patch("/api/config/", body)
    assert response.status_code == 200, response.content


def post(client: CheckedClient, **values: object) -> Any:
    return client.post("/api/leads/", ADA | values)


def twins(response: Any) -> list[tuple[str, list[str]]]:
    assert response.status_code == 201, response.content
    return [(one["uid"], one["on"]) for one in response.json()["duplicates"]]


def reached(**values: object) -> dict[str, object]:
    return {"name": "Grace", "email": None, **values}


class TestWarn:
    def test_is_the_default_and_lists_whom_it_may_be(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA, phone="+49 30 123456")
        assert first["duplicates"] == []
        again = post(cast.alice, phone="0049 30 123456")
        assert again.json()["uid"] != first["uid"]
        assert again.json()["duplicates"] == [{"uid": first["uid"], "name": "Ada", "on": ["email"]}]

    @pytest.mark.parametrize(("old", "new", "on"), [
        ({"email": "ada@engines.example"}, {"email": "ADA@Engines.example"}, ["email"]),
        ({"phone": "+1 415-555-0123"}, {"phone": "(415) 555 0123"}, ["phone"]),
        ({"phone": "+49 30 123456"}, {"phone": "+49 (30) 12-34.56"}, ["phone"]),
        ({"email": "a@b.example", "phone": "+1 415 555 0123"}, {"email": "a@b.example", "phone": "+14155550123"},
         ["email", "phone"]),
        ({"phone": "+1 415 555 0123"}, {"contacts": [{"name": "Mother", "phone": "415 555 0123"}]}, ["phone"]),
        ({"contacts": [{"name": "Mother", "email": "m@b.example"}]}, {"email": "m@b.example"}, ["email"]),
        ({"contacts": [{"name": "Mother", "email": "m@b.example"}]},
         {"contacts": [{"name": "Mum", "email": "M@B.example"}]}, ["email"]),
        ({"email": "jose@b.example"}, {"email": "josé@b.example"}, None),
        ({"phone": "+1 415 555 0123 x1"}, {"phone": "+1 415 555 0123 x2"}, None),
        ({"phone": "+1 415 555 0123"}, {"phone": "+1 415 555 01"}, None),
        ({"phone": "12345"}, {"phone": "12345"}, None),
        ({"email": "a@b.example"}, {"email": "b@b.example"}, None),
        ({"name": "Grace"}, {"name": "Grace"}, None),
    ])  # fmt: skip
    def test_spellings_of_one_address_are_one(
        self, cast: Cast, old: dict[str, Any], new: dict[str, Any], on: list[str] | None
    ) -> None:
        first = lead(cast.alice, **reached(**old))
        assert twins(post(cast.alice, **reached(**new))) == ([] if on is None else [(first["uid"], on)])

    def test_the_config_says_by_what(self, cast: Cast) -> None:
        policy(cast, "warn", on=["phone"])
        first = lead(cast.alice, **ADA, phone="+1 415 555 0123")
        assert twins(post(cast.alice)) == []
        assert twins(post(cast.alice, phone="+1 415 555 0123")) == [(first["uid"], ["phone"])]

    def test_only_those_you_may_see_are_named(self, cast: Cast) -> None:
        mine, theirs = lead(cast.alice, **ADA), lead(cast.charlie, **ADA)
        assert theirs["duplicates"] == []
        assert twins(post(cast.alice)) == [(mine["uid"], ["email"])]
        assert {uid for uid, _ in twins(post(cast.root, center=NORTH))} >= {mine["uid"], theirs["uid"]}

    def test_an_agent_is_not_told_of_leads_of_others(self, cast: Cast) -> None:
        lead(cast.alice, **ADA, assigned_to=[cast.carol.uid])
        free = lead(cast.alice, **ADA)
        assert twins(post(cast.bob)) == [(free["uid"], ["email"])]

    def test_archived_leads_do_not_count(self, cast: Cast) -> None:
        cast.alice.delete(f"/api/leads/{lead(cast.alice, **ADA)['uid']}/")
        assert twins(post(cast.alice)) == []

    def test_at_most_twenty_are_named_the_oldest_first(self, cast: Cast) -> None:
        made = [lead(cast.alice, **ADA)["uid"] for _ in range(22)]
        assert [uid for uid, _ in twins(post(cast.alice))] == made[:20]

    def test_a_repeated_post_is_no_duplicate_of_itself(self, cast: Cast) -> None:
        first = cast.alice.post("/api/leads/", ADA, Idempotency_Key="k")
        mongo.collection("idempotency").delete_many({})  # the process died before it could keep its answer
        assert cast.alice.post("/api/leads/", ADA, Idempotency_Key="k").json() == first.json()


class TestCreate:
    def test_does_not_even_look(self, cast: Cast) -> None:
        policy(cast, "create")
        lead(cast.alice, **ADA)
        with noted() as taken:
            assert twins(post(cast.alice)) == []
        assert kinds(taken) == ["find leads", "findAndModify counters", "insert leads"]


class TestReject:
    @pytest.fixture(autouse=True)
    def rejecting(self, cast: Cast) -> None:
        policy(cast, "reject")

    def test_names_the_lead_to_those_who_may_see_it(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)
        refused = post(cast.alice)
        assert (refused.status_code, refused.json()["code"]) == (409, "duplicate")
        assert (refused.json()["lead"], first["uid"] in refused.json()["detail"]) == (first["uid"], True)
        assert refused.json()["duplicates"] == [{"uid": first["uid"], "name": "Ada", "on": ["email"]}]
        assert listed(cast.root)["count"] == 1

    def test_names_nothing_to_others(self, cast: Cast) -> None:
        uid = lead(cast.alice, **ADA)["uid"]
        for refused in (post(cast.charlie), cast.nobody.post(DOOR, CAME)):
            assert (refused.status_code, refused.json()["code"]) == (409, "duplicate")
            assert uid not in refused.content.decode()
            assert not {"lead", "duplicates"} & refused.json().keys()

    def test_counts_leads_from_before_the_policy(self, cast: Cast) -> None:
        policy(cast, "warn")
        lead(cast.alice, **ADA), lead(cast.alice, **ADA)
        policy(cast, "reject")
        assert post(cast.alice).status_code == 409

    def test_faults_come_first(self, cast: Cast) -> None:
        lead(cast.alice, **ADA)
        assert post(cast.alice, fields={}).status_code == 422

    @pytest.mark.parametrize("on", [{"email": "ada@engines.example"}, {"phone": "+1 415 555 0123"}])
    def test_of_many_at_once_one_is_created(self, cast: Cast, on: dict[str, str]) -> None:
        answers = at_once([lambda: post(twin(cast.alice), **reached(**on))] * 24, workers=24)
        assert statuses(answers) == [201] + [409] * 23
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"duplicate"}
        assert listed(cast.root)["count"] == 1

    def test_also_where_neither_saw_the_other(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both looked before either had written: the index decides."""
        first, find = lead(cast.alice, **ADA), duplicates.find
        looked: list[object] = []

        def too_early(*asked: Any) -> Any:
            looked.append(asked)
            return [] if len(looked) == 1 else find(*asked)

        monkeypatch.setattr(arriving.duplicates, "find", too_early)
        refused = post(cast.alice)
        assert (refused.status_code, refused.json()["lead"], len(looked)) == (409, first["uid"], 2)
        monkeypatch.undo()
        after = int(lead(cast.alice, **reached())["uid"][-5:])
        assert after == int(first["uid"][-5:]) + 1, "a refused lead leaves no gap"

    def test_whoever_shares_with_two_is_refused_for_either(self, cast: Cast) -> None:
        lead(cast.alice, **reached(email="a@b.example"))
        lead(cast.alice, **reached(phone="+1 415 555 0123"))
        assert post(cast.alice, email="a@b.example", phone="+1 415 555 0123").status_code == 409

    def test_an_address_that_is_given_up_is_free_again(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)
        cast.alice.patch(f"/api/leads/{first['uid']}/", {"email": "new@engines.example"})
        assert post(cast.alice).status_code == 201
        cast.alice.patch(f"/api/leads/{first['uid']}/", {"email": ADA["email"]})
        assert read(cast.alice, first["uid"])["email"] == ADA["email"], "the policy is one for the way in"

    def test_the_archive_keeps_nothing_from_others_and_gets_nothing_back(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)["uid"]
        cast.alice.delete(f"/api/leads/{first}/")
        assert post(cast.alice).status_code == 201
        assert cast.alice.post(f"/api/leads/{first}/restore/").status_code == 200
        assert cast.alice.patch(f"/api/leads/{first}/", {"company": "Mill"}).status_code == 200

    def test_another_policy_afterwards_lets_everybody_in(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)
        policy(cast, "warn")
        assert twins(post(cast.alice)) == [(first["uid"], ["email"])]

    def test_another_region_does_not_hide_a_number(self, cast: Cast) -> None:
        with override_settings(DEFAULT_REGION="DE"):
            first = lead(cast.alice, **reached(phone="030 123456"))
        refused = post(cast.alice, **reached(phone="+49 30 123456"))
        assert (refused.status_code, refused.json()["lead"]) == (409, first["uid"])

    def test_a_repeated_post_gets_its_lead(self, cast: Cast) -> None:
        first = cast.alice.post("/api/leads/", ADA, Idempotency_Key="k")
        mongo.collection("idempotency").delete_many({})
        assert cast.alice.post("/api/leads/", ADA, Idempotency_Key="k").json() == first.json()

    def test_marks_do_not_show(self, cast: Cast) -> None:
        uid = lead(cast.alice, **ADA)["uid"]
        assert mongo.collection("leads").find_one({"uid": uid})["sole"] == ["email:ada@engines.example"]
        assert "sole" not in read(cast.alice, uid)


class TestAttach:
    @pytest.fixture(autouse=True)
    def attaching(self, cast: Cast) -> None:
        policy(cast, "attach")

    def test_writes_onto_the_timeline_of_the_lead_there_is(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)
        again = post(cast.alice, name="Ada L.", message="Me again", phone="+1 415 555 0123")
        assert (again.status_code, again.json()["uid"], again.json()["attached"]) == (201, first["uid"], True)
        line = again.json()["activities"][-1]
        assert (line["kind"], line["body"], line["actor"]) == ("system", "Me again", cast.alice.uid)
        assert line["meta"] == {"event": "came_again", "came": {
            "name": "Ada L.", "email": ADA["email"], "phone": "+1 415 555 0123", "fields": {"budget": "1"},
        }}  # fmt: skip
        after = read(cast.alice, first["uid"])
        assert (after["name"], after["phone"], after["version"]) == ("Ada", None, 2)
        assert uids(listed(cast.root)["results"]) == [first["uid"]]

    def test_a_first_lead_is_created(self, cast: Cast) -> None:
        assert lead(cast.alice, **ADA)["attached"] is False

    def test_the_oldest_you_may_see_is_taken(self, cast: Cast) -> None:
        policy(cast, "warn")
        lead(cast.charlie, **ADA)
        mine = [lead(cast.alice, **ADA)["uid"] for _ in range(2)]
        policy(cast, "attach")
        assert post(cast.alice).json()["uid"] == mine[0]

    def test_to_a_lead_of_others_nothing_is_attached(self, cast: Cast) -> None:
        uid = lead(cast.charlie, **ADA)["uid"]
        refused = post(cast.alice)
        assert (refused.status_code, refused.json()["code"]) == (409, "duplicate")
        assert uid not in refused.content.decode()
        assert read(cast.charlie, uid)["version"] == 1

    def test_of_many_at_once_one_is_created_and_all_others_attached(self, cast: Cast) -> None:
        answers = at_once([lambda: post(twin(cast.alice))] * 16)
        assert {answer.status_code for answer in answers} == {201}
        (uid,) = {answer.json()["uid"] for answer in answers}
        assert sum(answer.json()["attached"] for answer in answers) == 15
        assert read(cast.alice, uid)["activities_count"] == 16

    def test_one_that_is_archived_meanwhile_is_not_written_to(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, load = lead(cast.alice, **ADA)["uid"], store.load
        loaded: list[str] = []

        def late(uid: str, **asked: Any) -> Any:
            if not loaded:
                loaded.append(uid)
                assert cast.root.delete(f"/api/leads/{uid}/").status_code == 204
            return load(uid, **asked)

        monkeypatch.setattr(service.store, "load", late)
        made = post(cast.alice).json()
        assert (made["uid"] != first, made["attached"], loaded) == (True, False, [first])

    def test_a_repeated_post_writes_one_line(self, cast: Cast) -> None:
        first = lead(cast.alice, **ADA)["uid"]
        for _ in range(2):
            assert cast.alice.post("/api/leads/", ADA, Idempotency_Key="k").json()["uid"] == first
            mongo.collection("idempotency").delete_many({})
        assert read(cast.alice, first)["activities_count"] == 2


class TestThePublicDoor:
    def test_has_a_policy_of_its_own(self, cast: Cast) -> None:
        policy(cast, "reject", public="create")
        lead(cast.alice, **ADA)
        assert cast.nobody.post(DOOR, CAME).status_code == 201
        assert post(cast.alice).status_code == 409

    def test_takes_the_general_one_otherwise(self, cast: Cast) -> None:
        policy(cast, "reject")
        lead(cast.alice, **ADA)
        assert cast.nobody.post(DOOR, CAME).status_code == 409

    def test_warns_nobody_outside(self, cast: Cast) -> None:
        policy(cast, "warn")
        uid = lead(cast.alice, **ADA)["uid"]
        answer = cast.nobody.post(DOOR, CAME)
        assert answer.status_code == 201
        assert uid not in answer.content.decode()

    def test_attaching_shows_nothing_of_the_lead_but_its_id(self, cast: Cast) -> None:
        """Not even of another centre than the form's."""
        policy(cast, "warn", public="attach")
        first = lead(cast.root, **ADA, company="Secret", center=SOUTH)
        cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
        came = CAME | {"name": "A. L.", "email": "Ada@engines.example", "message": "Hello?"}
        answer = cast.nobody.post(DOOR, came)
        assert answer.status_code == 201
        assert answer.json() == {
            "id": first["uid"], "name": "A. L.", "email": "Ada@engines.example", "status": "stage-new",
            "created_at": answer.json()["created_at"],
        }  # fmt: skip
        assert moments([answer.json()], "created_at") > moments([first], "created_at")
        line = read(cast.charlie, first["uid"])["activities"][-1]
        assert (line["actor"], line["body"], line["meta"]["came"]["name"]) == ("public", "Hello?", "A. L.")

    def test_of_many_at_once_one_is_created(self, cast: Cast) -> None:
        policy(cast, "warn", public="attach")
        answers = at_once([lambda: CheckedClient().post(DOOR, CAME)] * 8)
        assert statuses(answers) == [201] * 8
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert listed(cast.root)["count"] == 1
