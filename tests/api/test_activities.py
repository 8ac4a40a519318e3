"""The timeline: what people write, and what happens."""

from typing import Any

import pytest

from tests.api.steps import codes, listed, read, walked
from tests.cast import Cast, lead


def write(cast: Cast, uid: str, **body: object) -> Any:
    return cast.alice.post(f"/api/leads/{uid}/activities/", body)


def test_a_note_answers_201_with_the_activity(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    response = write(cast, uid, kind="note", body="Likes tea", meta={"mood": "good"})
    said = response.json()
    assert response.status_code == 201
    assert (said["kind"], said["body"], said["meta"], said["actor"]) == (
        "note", "Likes tea", {"mood": "good"}, cast.alice.uid,
    )  # fmt: skip
    assert listed(cast.alice, path=f"/api/leads/{uid}/activities/")["results"][0] == said


@pytest.mark.parametrize("kind", ["note", "call", "visit", "email", "message", "follow_up"])
def test_people_write_six_kinds(cast: Cast, kind: str) -> None:
    assert write(cast, lead(cast.alice)["uid"], kind=kind, body="x").status_code == 201


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u00a0"], ids=["nothing", "blank", "lines", "no-break space"])
def test_blanks_say_nothing(cast: Cast, blank: str) -> None:
    made = lead(cast.alice)
    for body in ({"body": blank}, {"kind": "call", "body": blank}):
        assert {pointer for pointer, _ in codes(write(cast, made["uid"], **body))} == {"/body"}
    assert read(cast.alice, made["uid"])["version"] == made["version"]


@pytest.mark.parametrize("kind", ["task", "stage_change", "status_change", "assignment", "field_change", "system"])
def test_the_other_kinds_are_written_by_what_happens(cast: Cast, kind: str) -> None:
    response = write(cast, lead(cast.alice)["uid"], kind=kind, body="x")
    assert {pointer for pointer, _ in codes(response)} == {"/kind"}


def test_a_call_raises_the_attempts_and_every_contact_has_its_time(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    write(cast, uid, kind="note", body="x")
    assert (read(cast.alice, uid)["call_attempts"], read(cast.alice, uid)["last_contacted_at"]) == (0, None)
    said = write(cast, uid, kind="call", body="Nobody there").json()
    after = read(cast.alice, uid)
    assert (after["call_attempts"], after["last_contacted_at"]) == (1, said["at"])
    assert after["days_since_last_contact"] == 0


@pytest.mark.parametrize("key", ["ask", "kind", "body", "actor", "at", "uid"])
def test_meta_may_use_any_words(cast: Cast, key: str) -> None:
    response = write(cast, lead(cast.alice)["uid"], kind="note", body="Hello", meta={key: "x"})
    assert response.status_code == 201
    assert (response.json()["body"], response.json()["meta"]) == ("Hello", {key: "x"})


def test_the_timeline_is_read_newest_first_by_pages(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    for number in range(7):
        write(cast, uid, body=f"{number}")
    page = listed(cast.alice, "limit=3", path=f"/api/leads/{uid}/activities/")
    assert ([one["body"] for one in page["results"]], page["count"]) == (["6", "5", "4"], 8)
    everything = walked(cast.alice, f"/api/leads/{uid}/activities/?limit=3")
    assert [one["body"] for one in everything] == ["6", "5", "4", "3", "2", "1", "0", "Created"]


def test_what_is_written_while_someone_pages_is_not_shown_twice(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    for number in range(6):
        write(cast, uid, body=f"{number}")
    first = listed(cast.alice, "limit=3", path=f"/api/leads/{uid}/activities/")
    for number in range(50):
        write(cast, uid, body=f"later {number}")
    rest = walked(cast.alice, first["next"].removeprefix("http://testserver"))
    assert [one["body"] for one in rest] == ["2", "1", "0", "Created"]


@pytest.mark.parametrize("what", ["activities", "history"])
@pytest.mark.parametrize("cursor", ["x", "W10", "bm9uc2Vuc2U", "WyIiLCAtMV0", "WyIiLCB0cnVlXQ", "WyIiLCAiMSJd", "%F0"])
def test_a_wrong_cursor_is_refused(cast: Cast, what: str, cursor: str) -> None:
    uid = lead(cast.alice)["uid"]
    assert cast.alice.get(f"/api/leads/{uid}/{what}/?cursor={cursor}").status_code == 422


def test_a_cursor_of_one_lead_shows_nothing_of_another(cast: Cast) -> None:
    theirs, his = lead(cast.alice)["uid"], lead(cast.charlie)["uid"]
    for number in range(45):
        write(cast, theirs, body=f"secret {number}")
    last = listed(cast.alice, "limit=40", path=f"/api/leads/{theirs}/activities/")["next"]
    stolen = last.removeprefix("http://testserver").replace(theirs, his)
    answer = cast.charlie.get(stolen)
    assert b"secret" not in answer.content


def test_history_is_read_from_the_beginning(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
    uid = lead(cast.alice)["uid"]
    cast.alice.post(f"/api/leads/{uid}/transition/", {"to_stage": "stage-contacted"})
    page = listed(cast.alice, path=f"/api/leads/{uid}/history/")
    assert [entry["stage"] for entry in page["results"]] == ["stage-new", "stage-contacted"]
    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
