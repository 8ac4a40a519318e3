"""The address of a lead that was merged: reading leads on, writing is refused."""

from typing import Any

import pytest

from lead_crm import audit, directory, mongo, openapi
from tests.api.merging import merged, note, two, unmerged
from tests.api.steps import at_once, local, moments, read, rewrite, twin, walked
from tests.cast import SOUTH, Cast, lead
from tests.stores.commands import explained, indexes, name, noted, parts, stages
from tests.walk.examples import example

BELOW = [path for path in openapi.document()["paths"] if path.startswith("/api/leads/{uid}/")]
READS = [path for path in BELOW if "get" in openapi.document()["paths"][path]]
WRITES = [
    (method, path) for path in BELOW for method in ("post", "patch", "delete", "put")
    if method in openapi.document()["paths"][path]
]  # fmt: skip


@pytest.mark.parametrize("path", READS)
def test_every_reading_leads_to_the_winner(cast: Cast, path: str) -> None:
    one, other = two(cast.alice)
    merged(cast.alice, one, other)
    address = path.replace("{uid}", other).replace("{task}", "x")
    answer = cast.alice.get(address)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer["Location"] == address.replace(other, one)
    if "{" not in path.replace("{uid}", ""):
        needed = openapi.document()["paths"][path]["get"]["parameters"]
        if not any(parameter.get("required") and parameter["in"] == "query" for parameter in needed):
            assert cast.alice.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_writing_is_told_where(cast: Cast, method: str, path: str) -> None:
    one, other = two(cast.alice)
    third = lead(cast.alice)["uid"]
    task = read(cast.alice, other)["tasks"][0]["uid"]
    merged(cast.alice, one, other)
    operation = openapi.document()["paths"][path][method]
    body = None
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = example(schema, {"lead": third, "to_stage": "stage-contacted", "kind": "note"})
        body |= {"assigned_to": None} if path.endswith("/assign/") else {}
    address = path.replace("{uid}", other).replace("{task}", task)
    before = mongo.collection("leads").count_documents({}), read(cast.alice, one)
    for headers in ({}, {"Idempotency_Key": "k"}) if method == "post" else ({},):
        answer = cast.alice.send(method.upper(), address, body, **headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "lead_merged"), answer.content
        assert answer.json()["merged_into"] == one
    assert (mongo.collection("leads").count_documents({}), read(cast.alice, one)) == before


def test_the_query_goes_along(cast: Cast) -> None:
    one, other = two(cast.alice)
    merged(cast.alice, one, other)
    answer = cast.alice.get(f"/api/leads/{other}/activities/?limit=1")
    assert answer["Location"] == f"/api/leads/{one}/activities/?limit=1"
    assert len(cast.alice.get(answer["Location"]).json()["results"]) == 1


def test_a_chain_is_followed_at_once(cast: Cast) -> None:
    one, other = two(cast.alice)
    third = lead(cast.alice)["uid"]
    merged(cast.alice, other, third)
    merged(cast.alice, one, other)
    for uid in (other, third):
        assert cast.alice.get(f"/api/leads/{uid}/")["Location"] == f"/api/leads/{one}/"
    unmerged(cast.alice, one)
    assert cast.alice.get(f"/api/leads/{third}/")["Location"] == f"/api/leads/{other}/"


def test_who_may_not_see_the_winner_is_told_nothing(cast: Cast) -> None:
    mine, other = two(cast.alice, {"assigned_to": [cast.carol.uid]}, {"assigned_to": [cast.bob.uid]})
    merged(cast.alice, mine, other)
    assert cast.bob.get(f"/api/leads/{other}/").status_code == 404
    assert cast.bob.patch(f"/api/leads/{other}/", {"company": "Mill"}).status_code == 404
    assert cast.charlie.get(f"/api/leads/{other}/").status_code == 404
    assert cast.carol.get(f"/api/leads/{other}/").status_code == 307


def test_moving_its_card_names_the_winner(cast: Cast) -> None:
    one, other = two(cast.alice)
    beside = lead(cast.alice)["uid"]
    merged(cast.alice, one, other)
    for more in ({}, {"before": beside}):
        answer = cast.alice.post("/api/leads/kanban/move/", {"lead": other, "to_stage": "stage-new", **more})
        assert (answer.status_code, answer.json()["merged_into"]) == (409, one)
    assert cast.alice.get(f"/api/tasks/?lead={other}")["Location"] == f"/api/tasks/?lead={one}"


def test_a_repeated_post_that_made_it_names_the_winner(cast: Cast) -> None:
    one = lead(cast.alice)["uid"]
    body = {"name": "Ada", "fields": {"budget": "1"}}
    other = cast.alice.post("/api/leads/", body, Idempotency_Key="k").json()["uid"]
    merged(cast.alice, one, other)
    mongo.collection("idempotency").delete_many({})
    again = cast.alice.post("/api/leads/", body, Idempotency_Key="k")
    assert (again.status_code, again.json()["merged_into"]) == (409, one)


class TestTimelines:
    def test_are_joined_in_the_order_of_time(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        third = lead(cast.alice)["uid"]
        for number in range(90):
            note(cast.alice, (one, other, third)[number % 3], f"{number}")
        merged(cast.alice, other, third)
        merged(cast.alice, one, other)
        for limit in (1, 7, 200):
            entries = walked(cast.alice, f"/api/leads/{one}/activities/?limit={limit}")
            notes = [(entry["body"], entry["lead"]) for entry in entries if entry["kind"] == "note"]
            assert notes == [(f"{n}", (one, other, third)[n % 3]) for n in range(89, -1, -1)]
            assert moments(entries) == sorted(moments(entries), reverse=True)
        assert cast.alice.get(f"/api/leads/{one}/activities/").json()["count"] == len(entries) == 90 + 3 + 2

    def test_of_which_one_goes_on_while_they_are_paged_through(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        for number in range(40):
            note(cast.alice, (one, other)[number % 2], f"{number}")
        merged(cast.alice, one, other)
        seen, address = [], f"/api/leads/{one}/activities/?limit=3"
        while address:
            page = cast.alice.get(local(address)).json()
            seen += [entry["body"] for entry in page["results"] if entry["kind"] == "note"]
            address = page["next"]
            note(cast.alice, one, "later")  # what was there spills over
        assert seen == [f"{n}" for n in range(39, -1, -1)]

    def test_history_stays_the_winners_own(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        before = cast.alice.get(f"/api/leads/{one}/history/").json()
        merged(cast.alice, one, other)
        assert cast.alice.get(f"/api/leads/{one}/history/").json() == before

    def test_notes_are_hidden_from_those_without_personal_data(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        note(cast.alice, other, "secret")
        merged(cast.alice, one, other)
        task = {"kind": "call", "assigned_to": cast.tom.uid}
        assert cast.alice.post(f"/api/leads/{one}/tasks/", task).status_code == 201
        told = cast.tom.get(f"/api/leads/{one}/activities/?limit=200")
        assert "secret" not in told.content.decode()
        said = next(entry for entry in told.json()["results"] if entry["kind"] == "merge")
        assert said["meta"]["lead"] == other

    @pytest.mark.parametrize(
        "cursor", ["", "W10", "W1tbIngiLDEsMSwyXV1d", "WzEsMiwzXQ", "W1tbIngiLHRydWUsMSx0cnVlXV1d"]
    )
    def test_a_made_up_cursor_is_refused(self, cast: Cast, cursor: str) -> None:
        uid = lead(cast.alice)["uid"]
        answer = cast.alice.get(f"/api/leads/{uid}/activities/?cursor={cursor or 'x'}")
        assert answer.status_code == 422

    def test_a_page_costs_the_same_however_long_they_are(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        costs = []
        for length in (60, 240):
            unmerged(cast.alice, one)
            at_once([lambda uid=uid: note(twin(cast.alice), uid, "x") for uid in (one, other) * length], workers=4)
            merged(cast.alice, one, other)
            first = cast.alice.get(f"/api/leads/{one}/activities/?limit=20").json()
            second = cast.alice.get(local(first["next"])).json()
            commands = asked(cast, local(second["next"]))
            assert all(command.get("batchSize", 0) <= 10 for command in commands)
            costs.append([name(command) for command in commands])
        assert costs[0] == costs[1] == ["find"] * 4

    def test_are_read_along_their_index(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        at_once([lambda uid=uid: note(twin(cast.alice), uid, "x") for uid in (one, other) * 40], workers=4)
        merged(cast.alice, one, other)
        commands = asked(cast, f"/api/leads/{one}/activities/?limit=100")
        assert 3 <= len(commands) <= 6
        for command in commands:
            plan = explained(command)
            assert not stages(plan) & {"COLLSCAN", "SORT"}
            assert indexes(plan) <= {"identity"}


def asked(cast: Cast, address: str) -> list[dict[str, Any]]:
    cast.alice.get(address)
    with noted() as taken:
        assert cast.alice.get(address).status_code == 200
    return [command for command in taken if command[name(command)] == "leads"]


def test_duplicates_are_found_along_the_index_of_the_search(cast: Cast) -> None:
    one = lead(cast.alice, email="ada@engines.example", phone="+1 415 555 0123")["uid"]
    for _ in range(30):
        lead(cast.charlie, email="ada@engines.example")
        lead(cast.alice)
    _, command = asked(cast, f"/api/leads/{one}/duplicates/")
    plan = explained(command, verbosity="executionStats")
    assert not stages(plan) & {"COLLSCAN", "SORT"}
    assert indexes(plan) == {"grams"}
    assert max(parts(plan, "totalDocsExamined")) <= 2


class TestPrivacy:
    def test_the_export_of_the_winner_has_all_of_them(self, cast: Cast) -> None:
        one, other = two(cast.alice, None, {"company": "Mill"})
        third = lead(cast.alice, name="Chained")["uid"]
        note(cast.alice, other, "said once")
        merged(cast.alice, other, third)
        merged(cast.alice, one, other)
        told = cast.alice.get(f"/api/leads/{one}/privacy/export/").json()
        assert [part["lead"]["uid"] for part in told["merged"]] == [other, third]
        assert "said once" in {entry["body"] for entry in told["merged"][0]["activities"]}
        assert told["merged"][0]["lead"]["company"] == "Mill"
        assert {entry["what"] for entry in told["merged"][0]["accesses"]} >= {"create_lead", "merge_lead"}

    def test_erasing_the_winner_erases_all_of_them(self, cast: Cast) -> None:
        person = {"name": "Quetzal", "email": "quetzal@b.example", "company": "Quetzal Ltd"}
        one, other = two(cast.alice, person, person)
        third = lead(cast.alice, **person)["uid"]
        for uid in (one, other, third):
            for _ in range(25):
                note(cast.alice, uid, "Quetzal said")
        merged(cast.alice, other, third)
        merged(cast.alice, one, other)
        answer = cast.alice.post(f"/api/leads/{one}/privacy/erase/", {"reason": "Asked"}, Idempotency_Key="e")
        assert answer.status_code == 200
        audit.flush()
        database = mongo.collection("leads").database
        left = [n for n in database.list_collection_names() for row in database[n].find() if "uetzal" in repr(row)]
        assert left == []
        assert cast.alice.get(f"/api/leads/{third}/").status_code == 307
        assert cast.alice.get("/api/leads/?status=archived").json()["count"] == 1

    def test_a_part_is_erased_with_its_winner_only(self, cast: Cast) -> None:
        one, other = two(cast.alice)
        merged(cast.alice, one, other)
        answer = cast.alice.post(f"/api/leads/{other}/privacy/erase/", {"reason": "Asked"})
        assert (answer.status_code, answer.json()["merged_into"]) == (409, one)

    def test_erasing_against_unmerging_erases_what_is_one_person(self, cast: Cast) -> None:
        for _ in range(4):
            one, other = two(cast.alice, {"company": "Mill"}, {"company": "Mill"})
            merged(cast.alice, one, other)
            erase = f"/api/leads/{one}/privacy/erase/"
            works = [
                lambda erase=erase: twin(cast.alice).post(erase, {"reason": "Asked"}),
                lambda one=one: twin(cast.alice).post(f"/api/leads/{one}/unmerge/", {}),
            ]
            erased, parted = at_once(works)
            assert erased.status_code == 200
            rows = [mongo.collection("leads").find_one({"type": "lead", "uid": uid}) for uid in (one, other)]
            alone = rows[1]["merged_into"] is None
            assert alone == (parted.status_code == 200)
            assert (rows[1]["company"] is None) == (not alone)


def test_a_lead_of_another_centre_can_be_a_part(cast: Cast) -> None:
    one, other = lead(cast.root, center="north")["uid"], lead(cast.root, center=SOUTH)["uid"]
    note(cast.root, other, "in the south")
    merged(cast.root, one, other)
    told = cast.alice.get(f"/api/leads/{one}/activities/").json()["results"]
    assert "in the south" in {entry["body"] for entry in told}


def test_so_can_one_from_before_there_were_centres(cast: Cast) -> None:
    """`main` stays as long as anything of it is left, be it only a part of another lead."""
    one, other = lead(cast.root, center="north")["uid"], lead(cast.root, center=SOUTH)["uid"]
    rewrite(other, center="main", keys__shelf="live/main")
    directory.forget()
    merged(cast.root, one, other)
    directory.forget()
    assert cast.alice.get(f"/api/leads/{other}/").status_code == 307
    cast.alice.post(f"/api/leads/{one}/privacy/erase/", {"reason": "Asked"})
    after = mongo.collection("leads").find_one({"type": "lead", "uid": other})
    assert after is not None
    assert after["erased_at"]
