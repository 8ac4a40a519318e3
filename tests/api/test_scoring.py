"""Other rules: previewed against the leads there are, then counted anew by a worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from lead_crm import mongo
from lead_crm.documents import now
from leads import bulk, recount
from tests.api.steps import Row, at_once, codes, moments, read, rewrite, twin
from tests.api.test_bulk import role
from tests.cast import Cast, lead
from tests.stores.commands import explained, name, noted, stages

ROOT = Path(__file__).parents[2]
PLAIN = {"base": 50, "rules": [{"when": "tag", "any_of": ["tea"], "points": 20}]}
COUNTER = """
import time
import django
django.setup()
from lead_crm import mongo
from lead_crm.documents import now
from leads import recount

recount.BATCH = 5

def going():
    print("batch", flush=True)
    time.sleep(0.1)
    return True

print(recount.run(going, now=now()), flush=True)
"""


def preview(cast: Cast, **scoring: Any) -> Row:
    response = cast.root.post("/api/scoring/preview/", PLAIN | scoring)
    assert response.status_code == 200, response.content
    return response.json()


def configured(cast: Cast, scoring: Row) -> None:
    response = cast.root.patch("/api/config/", {"scoring": scoring})
    assert response.status_code == 200, response.content


def progress(cast: Cast) -> Row:
    return cast.root.get("/api/scoring/recount/").json()


def work(**more: float) -> str:
    return recount.run(lambda: True, now=now() + timedelta(**more))


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    """With 50, 65 (from the website) and 50 points."""
    given: list[Row] = [{"tags": ["tea"]}, {"source": "website"}, {}]
    return [str(lead(cast.alice, **more)["uid"]) for more in given]


class TestPreview:
    def test_it_says_who_would_rise_and_fall_and_writes_nothing(self, cast: Cast, leads: list[str]) -> None:
        before = [read(cast.alice, uid) for uid in leads]
        archived = lead(cast.alice, tags=["tea"])["uid"]
        cast.alice.delete(f"/api/leads/{archived}/")
        found = preview(cast, base=60)
        assert found == {
            "examined": 3, "of": 3, "of_capped": False, "changed": 3, "higher": 2, "lower": 1,
            "hot_before": 0, "hot_after": 1, "average_before": 55.0, "average_after": 66.7,
            "examples": [
                {"uid": leads[0], "name": "Ada Lovelace", "score": 50, "would_be": 80, "reasons": [
                    {"points": 60, "reason": "base"}, {"points": 20, "reason": "tag: tea"}]},
                {"uid": leads[2], "name": "Ada Lovelace", "score": 50, "would_be": 60,
                 "reasons": [{"points": 60, "reason": "base"}]},
                {"uid": leads[1], "name": "Ada Lovelace", "score": 65, "would_be": 60,
                 "reasons": [{"points": 60, "reason": "base"}]},
            ],
        }  # fmt: skip
        assert [read(cast.alice, uid) for uid in leads] == before

    def test_the_rules_there_are_change_nothing(self, cast: Cast, leads: list[str]) -> None:
        scoring = cast.root.get("/api/config/").json()["scoring"]
        found = preview(cast, **scoring)
        assert (found["changed"], found["examples"]) == (0, [])
        assert found["average_before"] == found["average_after"] == 55.0

    def test_without_leads_there_is_no_average(self, cast: Cast) -> None:
        found = preview(cast)
        assert (found["examined"], found["of"], found["average_before"], found["average_after"]) == (0, 0, None, None)

    @pytest.mark.parametrize("field", ["address", "value", "quantity", "company", "budget", "fields.budget"])
    def test_it_counts_as_a_change_of_the_lead_would(self, cast: Cast, field: str) -> None:
        rule = {"when": "filled", "field": field, "points": 7}
        lead(cast.alice, address={"city": "Bonn"}, value={"amount": 1, "currency": "EUR"}, company="Mill")
        empty = lead(cast.alice)
        cast.alice.patch(f"/api/leads/{empty['uid']}/", {"address": {"city": "x"}})
        cast.alice.patch(f"/api/leads/{empty['uid']}/", {"address": {"city": None}})
        would = {row["uid"]: row["would_be"] for row in preview(cast, rules=[rule], base=1)["examples"]}
        configured(cast, {"base": 1, "rules": [rule]})
        for uid, score in would.items():
            cast.alice.post(f"/api/leads/{uid}/activities/", {"body": "x"})
            assert read(cast.alice, uid)["score"] == score

    def test_faults_are_named_as_the_config_names_them(self, cast: Cast) -> None:
        bad = [{"when": "value", "field": "nothing", "any_of": ["x"], "points": 1}]
        refused = cast.root.post("/api/scoring/preview/", {"base": 50, "rules": bad})
        ((pointer, code),) = codes(cast.root.patch("/api/config/", {"scoring": {"base": 50, "rules": bad}}))
        assert (refused.status_code, codes(refused)) == (422, {(pointer.removeprefix("/scoring"), code)})
        assert codes(cast.root.post("/api/scoring/preview/", {"base": 101})) == {("/base", "less_than_equal")}

    def test_only_leads_that_may_be_seen_are_counted_and_named(self, cast: Cast, leads: list[str]) -> None:
        lead(cast.charlie, name="Hidden")
        designer = role(cast, "designer", ["workflow.edit"])
        found = designer.post("/api/scoring/preview/", PLAIN).json()
        assert (found["examined"], found["changed"], found["examples"]) == (3, 2, [])
        assert cast.alice.post("/api/scoring/preview/", PLAIN).status_code == 403

    def test_it_reads_along_the_index_what_scoring_needs(self, cast: Cast, leads: list[str]) -> None:
        with noted() as taken:
            preview(cast)
        find = next(command for command in taken if command[name(command)] == "leads" and "sort" in command)
        assert not stages(explained(find)) & {"COLLSCAN", "SORT"}
        assert not {"activities", "history", "tasks", "changes"} & find["projection"].keys()

    def test_the_examples_are_noted_as_seen(self, cast: Cast, leads: list[str]) -> None:
        preview(cast)
        (entry,) = cast.root.get("/api/audit/?action=list").json()["results"]
        assert (entry["what"], set(entry["subjects"])) == ("preview_scoring", {leads[0], leads[1]})


class TestRecount:
    def test_changed_rules_are_counted_by_the_worker_by_itself(self, cast: Cast, leads: list[str]) -> None:
        assert (work(), progress(cast)["state"]) == ("", "idle")
        configured(cast, PLAIN)
        assert read(cast.alice, leads[0])["score"] == 50
        assert work() == "3 of 3 scores, 2 changed"
        assert [read(cast.alice, uid)["score"] for uid in leads] == [70, 50, 50]
        line = read(cast.alice, leads[0])["activities"][-1]
        assert (line["kind"], line["body"], line["actor"]) == ("system", "Score recounted: 50 → 70", "system")
        assert [read(cast.alice, uid)["version"] for uid in leads] == [2, 2, 1]
        done = progress(cast)
        assert (done["state"], done["by"], done["done"], done["changed"]) == ("finished", "system", 3, 2)
        assert moments([done], "started_at") <= moments([done], "finished_at")
        assert work() == ""

    def test_rules_changed_before_the_first_worker_ever_ran_are_found_out(self, cast: Cast, leads: list[str]) -> None:
        configured(cast, PLAIN)
        assert work() == "3 of 3 scores, 2 changed"

    def test_it_can_be_asked_for_and_joined(self, cast: Cast, leads: list[str]) -> None:
        rewrite(leads[0], score=1)
        asked = cast.root.post("/api/scoring/recount/")
        assert (asked.status_code, asked.json()["state"], asked.json()["by"]) == (200, "waiting", cast.root.uid)
        run = mongo.collection("recounts").find_one()
        assert cast.root.post("/api/scoring/recount/").json() == asked.json()
        assert mongo.collection("recounts").find_one() == run
        assert work() == "3 of 3 scores, 1 changed"
        assert (progress(cast)["state"], read(cast.alice, leads[0])["score"]) == ("finished", 50)
        assert cast.root.post("/api/scoring/recount/").json()["state"] == "waiting"

    def test_many_who_ask_at_once_start_one(self, cast: Cast, leads: list[str]) -> None:
        answers = at_once([lambda: twin(cast.root).post("/api/scoring/recount/") for _ in range(8)])
        assert {answer.status_code for answer in answers} == {200}
        assert work() == "3 of 3 scores, 0 changed"
        assert work() == ""

    def test_it_needs_the_right_to_edit_the_workflow(self, cast: Cast) -> None:
        assert cast.alice.post("/api/scoring/recount/").status_code == 403
        assert cast.alice.get("/api/scoring/recount/").status_code == 403

    def test_archived_and_erased_leads_are_left_alone(self, cast: Cast, leads: list[str]) -> None:
        cast.alice.delete(f"/api/leads/{leads[0]}/")
        cast.alice.post(f"/api/leads/{leads[1]}/privacy/erase/", {"reason": "Asked"})
        before = [read(cast.alice, uid)["version"] for uid in leads]
        configured(cast, PLAIN | {"base": 40})
        assert work() == "1 of 1 scores, 1 changed"
        assert [a - b for a, b in zip([read(cast.alice, u)["version"] for u in leads], before, strict=True)] == [
            0,
            0,
            1,
        ]

    def test_one_that_is_archived_in_between_stays_as_it_is(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load, seen = bulk.many.load_many, []

        def late(uids: Any, **more: Any) -> Any:
            if not seen:
                seen.append(cast.alice.delete(f"/api/leads/{leads[0]}/"))
            return load(uids, **more)

        configured(cast, PLAIN)
        monkeypatch.setattr(bulk.many, "load_many", late)
        work()
        archived = read(cast.alice, leads[0])
        assert (archived["version"], archived["activities"][-1]["kind"]) == (2, "status_change")
        assert read(cast.alice, leads[1])["score"] == 50

    @pytest.mark.parametrize(
        "spoiled", [{"priority": {"a": "secret"}}, {"tags": 3}, {"score": "secret"}], ids=["priority", "tags", "score"]
    )
    def test_one_that_cannot_be_read_is_logged_and_keeps_no_other_from_being_counted(
        self, cast: Cast, leads: list[str], caplog: pytest.LogCaptureFixture, spoiled: Row
    ) -> None:
        rewrite(leads[1], **spoiled)
        configured(cast, PLAIN)
        assert work() == "3 of 3 scores, 1 changed"
        assert read(cast.alice, leads[0])["score"] == 70
        said = [entry.getMessage() for entry in caplog.records if entry.name == "lead_crm.leads"]
        assert [leads[1] in one and next(iter(spoiled)) in one for one in said] == [True]
        assert "secret" not in caplog.text

    def test_all_centres_are_counted_batch_by_batch(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recount, "BATCH", 2)
        others = [lead(cast.charlie, tags=["tea"])["uid"] for _ in range(5)]
        moment = now()
        for uid in others:  # made in the same moment
            rewrite(str(uid), created_at=moment)
        configured(cast, PLAIN)
        assert work() == "8 of 8 scores, 7 changed"
        assert {read(cast.charlie, str(uid))["score"] for uid in others} == {70}

    def test_rules_that_change_meanwhile_make_it_begin_anew(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recount, "BATCH", 1)
        configured(cast, PLAIN)
        asked: list[int] = []

        def going() -> bool:
            asked.append(1)
            if len(asked) == 3:
                configured(cast, PLAIN | {"base": 10})
            return True

        assert recount.run(going, now=now()) == "2 of 3 scores, 2 changed, not finished"
        assert work() == "3 of 3 scores, 3 changed"
        assert [read(cast.alice, uid)["score"] for uid in leads] == [30, 10, 10]

    def test_rules_of_age_are_counted_once_a_day(self, cast: Cast, leads: list[str]) -> None:
        configured(cast, {"base": 50, "rules": [{"when": "age", "min_days": 2, "points": -10}]})
        assert work() == "3 of 3 scores, 1 changed"
        assert work(hours=23) == ""
        assert work(hours=25) == "3 of 3 scores, 0 changed"
        mongo.collection("recounts").update_one({}, {"$set": {"finished_at": now()}})
        assert work(hours=49) == "3 of 3 scores, 3 changed"
        assert {read(cast.alice, uid)["score"] for uid in leads} == {40}

    def test_a_worker_that_is_to_stop_leaves_the_rest_to_the_next(
        self, cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recount, "BATCH", 2)
        configured(cast, PLAIN)
        answers = iter([True, False])
        assert recount.run(lambda: next(answers), now=now()) == "2 of 3 scores, 2 changed, not finished"
        assert (progress(cast)["state"], progress(cast)["done"]) == ("running", 2)
        assert work() == "3 of 3 scores, 2 changed"

    @contextmanager
    def counters(self, number: int) -> Iterator[list["subprocess.Popen[str]"]]:
        environment = os.environ | {"MONGODB_URI": mongo.uri(), "MONGODB_DATABASE": settings.MONGODB_DATABASE}
        running = [
            subprocess.Popen([sys.executable, "-c", COUNTER], cwd=ROOT, env=environment, text=True, stdout=-1)
            for _ in range(number)
        ]
        yield running
        for process in running:
            process.kill()
            process.communicate()

    def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on(self, cast: Cast) -> None:
        uids = [str(lead(cast.alice, tags=["tea"])["uid"]) for _ in range(30)]
        configured(cast, PLAIN)
        with self.counters(1) as (worker,):
            assert worker.stdout
            for _ in range(3):
                assert worker.stdout.readline() == "batch\n"
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        left = progress(cast)
        assert (left["state"], 10 <= left["done"] < 30) == ("running", True)
        assert work().startswith("30 of 30 scores")
        rows = [read(cast.alice, uid) for uid in uids]
        assert {(row["score"], row["version"], row["activities_count"]) for row in rows} == {(70, 2, 2)}

    def test_two_workers_at_once_count_each_lead_once(self, cast: Cast) -> None:
        """The lease lets one of them in; should both be in after all, the leads suffer nothing from it."""
        uids = [str(lead(cast.alice, tags=["tea"])["uid"]) for _ in range(30)]
        configured(cast, PLAIN)
        with self.counters(2) as workers:
            said = [worker.communicate(timeout=60)[0] for worker in workers]
            assert [worker.returncode for worker in workers] == [0, 0]
        assert sum(text.count("batch") for text in said) >= 7
        work()
        assert progress(cast)["state"] == "finished"
        rows = [read(cast.alice, uid) for uid in uids]
        assert {(row["score"], row["version"], row["activities_count"]) for row in rows} == {(70, 2, 2)}
