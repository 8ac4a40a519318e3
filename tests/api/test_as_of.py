"""A lead as it was at a moment, and what differs between two, over HTTP."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from leads import past, record
from leads.events import timestamp
from tests.api.steps import codes, go, read, ready, rewrite
from tests.cast import Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]


def ok(response: Any, status: int = 200) -> Row:
    assert response.status_code == status, response.content
    data: Row = response.json()
    return data


def as_of(client: CheckedClient, uid: object, at: str) -> Any:
    return client.get(f"/api/leads/{uid}/as-of/?at={at.replace('+', '%2B')}")


def diff(client: CheckedClient, uid: object, **moments: str) -> Any:
    query = "&".join(f"{name.rstrip('_')}={at}" for name, at in moments.items())
    return client.get(f"/api/leads/{uid}/diff/?{query}")


def shifted(moment: str, **delta: float) -> str:
    return timestamp(datetime.fromisoformat(moment) + timedelta(**delta))


def changed(answer: Row) -> dict[str, tuple[Any, Any]]:
    return {change["pointer"]: (change["old"], change["new"]) for change in answer["changes"]}


@pytest.fixture
def years(cast: Cast) -> list[Row]:
    """As its readers saw it, one version after the other."""
    versions = [lead(cast.alice, name="Ada", email="ada@example.com")]
    at, task = f"/api/leads/{versions[0]['uid']}/", versions[0]["tasks"][0]["uid"]
    for client, path, body in (
        (cast.nora, f"tasks/{task}/complete/", {"notes": "Friendly"}),
        (cast.alice, "transition/", {"to_stage": "stage-contacted", "note": "Called", "fields": {"budget": "7"}}),
        (cast.nora, "assign/", {"assigned_to": cast.nora.uid}),
        (cast.alice, "close/", {"reason": "no_budget"}),
    ):
        versions.append(ok(client.post(at + path, body)))
    versions.append(ok(cast.alice.patch(at, {"email": "ada@engines.example", "company": "Mill"})))
    assert cast.alice.delete(at).status_code == 204
    for version in versions:
        for more in ("duplicates", "attached", "automation"):
            version.pop(more, None)
    return [*versions, read(cast.alice, versions[0]["uid"])]


class TestAsOf:
    def test_every_version_is_shown_as_it_was(self, cast: Cast, years: list[Row]) -> None:
        for version in years:
            answer = as_of(cast.alice, version["uid"], version["updated_at"])
            assert ok(answer) == version
            assert answer["ETag"] == f'"{version["version"]}"'

    def test_a_moment_in_between_shows_the_version_before(self, cast: Cast, years: list[Row]) -> None:
        for version, following in pairwise(years):
            before = shifted(following["updated_at"], milliseconds=-1)
            assert ok(as_of(cast.alice, version["uid"], before)) == version

    def test_offsets_are_understood(self, cast: Cast, years: list[Row]) -> None:
        moment = datetime.fromisoformat(years[2]["updated_at"])
        abroad = (moment + timedelta(hours=5, minutes=30)).replace(tzinfo=None).isoformat() + "+05:30"
        assert ok(as_of(cast.alice, years[0]["uid"], abroad)) == years[2]

    def test_now_and_the_future_are_as_it_is(self, cast: Cast, years: list[Row]) -> None:
        now = read(cast.alice, years[0]["uid"])
        for query in ("", "?at=2090-01-01T00:00:00Z", "?at=2090-01-01"):
            assert ok(cast.alice.get(f"/api/leads/{now['uid']}/as-of/{query}")) == now

    def test_a_day_means_its_end(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        rewrite(uid, created_at=datetime.fromisoformat("2026-03-01T10:00:00Z"))
        rewrite(uid, changes__0__at=datetime.fromisoformat("2026-03-01T10:00:00Z"))
        ok(cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"}))
        rewrite(uid, changes__1__at=datetime.fromisoformat("2026-03-02T23:59:59.999Z"))
        assert [ok(as_of(cast.alice, uid, f"2026-03-0{day}"))["company"] for day in (1, 2, 3)] == [None, "Mill", "Mill"]
        assert as_of(cast.alice, uid, "2026-02-28").status_code == 404

    def test_before_it_was_created_there_is_nothing(self, cast: Cast, years: list[Row]) -> None:
        answer = as_of(cast.alice, years[0]["uid"], shifted(years[0]["created_at"], milliseconds=-1))
        assert answer.status_code == 404
        assert f"created at {shifted(years[0]['created_at'])}" in answer.json()["detail"]

    @pytest.mark.parametrize("at", ["yesterday", "2026-11-21T10:00:00", "1700000000", "2026-02-30", ""])
    def test_a_moment_is_written_as_everywhere(self, cast: Cast, years: list[Row], at: str) -> None:
        assert as_of(cast.alice, years[0]["uid"], at).status_code == 422

    def test_what_is_computed_is_as_of_then(self, cast: Cast) -> None:
        uid = lead(cast.alice)["uid"]
        long_ago = datetime.fromisoformat(read(cast.alice, uid)["created_at"]) - timedelta(days=100)
        times = dict.fromkeys(("created_at", "updated_at", "stage_entered_at", "changes__0__at"), long_ago)
        rewrite(uid, **times, history__0__entered_at=long_ago, activities__0__at=long_ago)
        due = long_ago + timedelta(days=30)
        rewrite(uid, tasks__0__due_at=due, due=[due])
        for days, overdue in ((0, 0), (29, 0), (31, 1)):
            then = ok(as_of(cast.alice, uid, timestamp(long_ago + timedelta(days=days))))
            assert (then["days_since_created"], then["days_in_stage"], then["overdue_tasks"]) == (days, days, overdue)

    def test_a_stage_that_was_left_later_is_not_left_yet(self, cast: Cast, years: list[Row]) -> None:
        then = ok(as_of(cast.alice, years[0]["uid"], years[1]["updated_at"]))
        assert [(entry["stage"], entry["left_at"], entry["duration_seconds"]) for entry in then["history"]] == [
            ("stage-new", None, None)
        ]  # fmt: skip

    def test_is_for_those_who_see_the_lead(self, cast: Cast, years: list[Row]) -> None:
        uid = years[0]["uid"]
        for path in ("as-of/", "diff/"):
            assert cast.charlie.get(f"/api/leads/{uid}/{path}").status_code == 404
            assert cast.nobody.get(f"/api/leads/{uid}/{path}").status_code == 401
            assert cast.vera.get(f"/api/leads/{uid}/{path}").status_code == 200

    def test_is_noted_as_a_read(self, cast: Cast, years: list[Row]) -> None:
        uid = years[0]["uid"]
        as_of(cast.vera, uid, years[0]["updated_at"])
        diff(cast.vera, uid)
        noted = ok(cast.root.get(f"/api/audit/?lead={uid}&action=read&actor={cast.vera.uid}"))["results"]
        assert {entry["what"] for entry in noted} == {"read_lead_as_of", "diff_lead"}


class TestDiff:
    def test_tells_what_differs_and_who_has_written(self, cast: Cast, years: list[Row]) -> None:
        uid = years[0]["uid"]
        answer = ok(diff(cast.alice, uid, from_=years[1]["updated_at"], to=years[3]["updated_at"]))
        assert (answer["from_version"], answer["to_version"]) == (2, 4)
        assert answer["by"] == [cast.alice.uid, cast.nora.uid]
        told = changed(answer)
        assert told["/current_stage"] == ("stage-new", "stage-contacted")
        assert told["/fields/budget"] == ("100.00", "7")
        assert told["/assigned_to"] == ([], [cast.nora.uid])
        assert told.keys() == {"/current_stage", "/stage_entered_at", "/rank", "/assigned_to", "/fields/budget"}

    def test_back_and_forth_is_no_difference(self, cast: Cast) -> None:
        made = lead(cast.alice)
        at = f"/api/leads/{made['uid']}/"
        for company in ("Mill", None):
            last = ok(cast.alice.patch(at, {"company": company}))
        answer = ok(diff(cast.alice, made["uid"], from_=made["updated_at"], to=last["updated_at"]))
        assert (answer["changes"], answer["by"]) == ([], [cast.alice.uid])
        assert (answer["from_version"], answer["to_version"]) == (1, 3)

    def test_of_a_task_by_its_uid(self, cast: Cast, years: list[Row]) -> None:
        answer = ok(diff(cast.alice, years[0]["uid"], from_=years[0]["updated_at"], to=years[1]["updated_at"]))
        at = f"/tasks/{years[0]['tasks'][0]['uid']}"
        assert changed(answer)[f"{at}/status"] == ("pending", "completed")
        assert changed(answer)[f"{at}/notes"] == (None, "Friendly")

    def test_goes_from_the_creation_until_now_where_nothing_is_said(self, cast: Cast, years: list[Row]) -> None:
        answer = ok(diff(cast.alice, years[0]["uid"]))
        assert (answer["from"], answer["from_version"]) == (years[0]["created_at"], 1)
        assert answer["to_version"] == len(years)
        assert changed(answer)["/email"] == ("ada@example.com", "ada@engines.example")
        assert changed(answer)["/status"] == ("open", "archived")

    def test_a_moment_twice_is_no_difference(self, cast: Cast, years: list[Row]) -> None:
        moment = years[2]["updated_at"]
        answer = ok(diff(cast.alice, years[0]["uid"], from_=moment, to=moment))
        assert (answer["changes"], answer["by"]) == ([], [])

    def test_does_not_go_backwards(self, cast: Cast, years: list[Row]) -> None:
        refused = diff(cast.alice, years[0]["uid"], from_=years[3]["updated_at"], to=years[1]["updated_at"])
        assert (refused.status_code, codes(refused)) == (422, {("/from", "after_to")})

    def test_nor_before_the_creation(self, cast: Cast, years: list[Row]) -> None:
        assert diff(cast.alice, years[0]["uid"], from_="2020-01-01").status_code == 404


class TestWithoutPersonalFields:
    @pytest.fixture
    def known(self, cast: Cast) -> Row:
        """A lead that Tom has a task of, told of in its past alone."""
        made = ready(cast.alice, email="zq@example.com", message="Zq")
        at = f"/api/leads/{made['uid']}/"
        ok(cast.alice.post(f"{at}tasks/", {"kind": "visit", "assigned_to": cast.tom.uid}), 201)
        other = ok(cast.alice.post(f"{at}tasks/", {"kind": "call", "assigned_to": cast.bob.uid}), 201)
        ok(cast.alice.patch(f"{at}tasks/{other['uid']}/", {"notes": "Zq"}))
        ok(cast.alice.patch(f"{at}tasks/{other['uid']}/", {"notes": None}))
        ok(cast.alice.post(f"{at}activities/", {"body": "Zq"}), 201)
        ok(cast.alice.patch(at, {"email": "b@example.com", "message": None, "company": "Mill"}))
        ok(go(cast.alice, made["uid"], "stage-lost", reason="Zq"))
        return read(cast.alice, made["uid"])

    def test_the_past_is_as_silent_as_the_present(self, cast: Cast, known: Row) -> None:
        seen = 0
        for entry in known["activities"]:
            for moment in (entry["at"], shifted(entry["at"], milliseconds=-1)):
                if moment >= known["created_at"]:
                    answer = as_of(cast.tom, known["uid"], moment)
                    assert "zq" not in answer.content.decode().lower()
                    seen += "zq" in as_of(cast.alice, known["uid"], moment).content.decode().lower()
                    assert ok(answer).keys() == known.keys()
        assert seen > 5

    def test_what_differs_is_named_and_not_told(self, cast: Cast, known: Row) -> None:
        answer = ok(diff(cast.tom, known["uid"]))
        told, whole = changed(answer), changed(ok(diff(cast.alice, known["uid"])))
        assert told.keys() == whole.keys()
        assert whole["/email"] == ("zq@example.com", "b@example.com")
        for hidden in ("/email", "/message", "/closed_reason"):
            assert told[hidden] == (None, None)
        assert told["/company"] == (None, "Mill")
        assert "zq" not in str(answer).lower()


class TestAnErasedPerson:
    def test_is_a_tombstone_from_then_on_and_nothing_before(self, cast: Cast, years: list[Row]) -> None:
        uid = years[0]["uid"]
        tombstone = ok(cast.alice.post(f"/api/leads/{uid}/privacy/erase/", {"reason": "Asked"}))
        assert ok(as_of(cast.alice, uid, tombstone["erased_at"])) == tombstone
        for moment in (years[0]["created_at"], shifted(tombstone["erased_at"], milliseconds=-1)):
            for refused in (as_of(cast.alice, uid, moment), diff(cast.alice, uid, from_=moment)):
                assert (refused.status_code, refused.json()["code"]) == (409, "lead_erased")
                assert shifted(tombstone["erased_at"]) in refused.json()["detail"]
        assert ok(diff(cast.alice, uid, from_=tombstone["erased_at"]))["changes"] == []


def test_far_back_in_a_long_life_all_is_as_it_was(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP, across timeline documents with and without a state."""
    for module in (record, past):
        monkeypatch.setattr(module, "STATE_EVERY", 20)
    uid = lead(cast.alice)["uid"]
    seen = []
    for number in range(50):
        ok(cast.alice.patch(f"/api/leads/{uid}/", {"source_detail": f"{number}"}))
        if number % 3 == 0:
            ok(cast.nora.post(f"/api/leads/{uid}/activities/", {"kind": "call", "body": f"{number}"}), 201)
        seen.append(read(cast.alice, uid))
    for version in seen:
        assert ok(as_of(cast.alice, uid, version["updated_at"])) == version
    by = ok(diff(cast.alice, uid, from_=seen[3]["updated_at"], to=seen[5]["updated_at"]))["by"]
    assert by == [cast.alice.uid]
    assert ok(diff(cast.alice, uid, from_=seen[5]["updated_at"], to=seen[30]["updated_at"]))["by"] == [
        cast.alice.uid, cast.nora.uid,
    ]  # fmt: skip
    for number in range(12):  # so that what Nora has written is no longer in the lead itself
        ok(cast.alice.patch(f"/api/leads/{uid}/", {"company": f"{number}"}))
    assert ok(diff(cast.alice, uid, from_=seen[5]["updated_at"]))["by"] == [cast.alice.uid, cast.nora.uid]
