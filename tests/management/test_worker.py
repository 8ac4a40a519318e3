"""What is due is done by one worker at a time; one that dies is replaced; one that is told to stops."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from lead_crm import mongo
from lead_crm.documents import now
from management import worker
from management.worker import Going, Job, Stop, run_if_due
from tests.api.steps import at_once, listed, rewrite
from tests.cast import Cast, lead
from tests.management.test_commands import Site, ready, site

__all__ = ["ready", "site"]

ROOT = Path(__file__).resolve().parents[2]
HOUR = timedelta(hours=1)
ENDLESS = """
import sys, time
from datetime import timedelta
import django
django.setup()
from management import worker

def run(going):
    print("started", flush=True)
    while going():
        time.sleep(0.05)
    print("stopping", flush=True)
    return "endless"

worker.LEASE = timedelta(seconds=float(sys.argv[1]))
worker.run_if_due(worker.Job("test", timedelta(hours=1), run), worker.Stop())
"""


class Counted:
    """A job that counts how often it ran."""

    def __init__(self, name: str = "test", every: timedelta = HOUR) -> None:
        self.times = 0
        self.job = Job(name, every, self.run)

    def run(self, going: Going) -> str:
        assert going()
        self.times += 1
        time.sleep(0.05)
        return "done"


def stored(name: str = "test") -> dict[str, Any]:
    row = mongo.collection("jobs").find_one({"_id": name})
    assert row is not None
    return row


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def endless(empty: None) -> Iterator[Callable[[float], "subprocess.Popen[str]"]]:
    """Worker processes whose job never ends; what they say is read line by line."""
    running: list[subprocess.Popen[str]] = []

    def start(lease: float) -> "subprocess.Popen[str]":
        environment = os.environ | {"MONGODB_URI": mongo.uri(), "MONGODB_DATABASE": settings.MONGODB_DATABASE}
        running.append(subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(lease)], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE
        ))  # fmt: skip
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_of_many_workers_at_once_one_runs_a_job(empty: None) -> None:
    counted = Counted()
    ran = at_once([lambda: run_if_due(counted.job, Stop()) for _ in range(16)])
    assert (sum(ran), counted.times) == (1, 1)


def test_a_job_is_due_again_after_its_time(empty: None) -> None:
    counted = Counted(every=timedelta(seconds=0.4))
    assert run_if_due(counted.job, Stop())
    assert not run_if_due(counted.job, Stop())
    until(lambda: run_if_due(counted.job, Stop()))
    assert counted.times == 2


def test_jobs_do_not_wait_for_each_other(empty: None) -> None:
    assert run_if_due(Counted("one").job, Stop())
    assert run_if_due(Counted("other").job, Stop())


def test_a_worker_that_is_killed_is_replaced_when_its_lease_has_run_out(endless: Any) -> None:
    counted = Counted()
    killed = endless(2.0)
    assert said(killed) == "started"
    assert not run_if_due(counted.job, Stop())
    killed.kill()
    started = time.monotonic()
    assert not run_if_due(counted.job, Stop())
    until(lambda: run_if_due(counted.job, Stop()))
    assert time.monotonic() - started > 0.5
    assert counted.times == 1


def test_a_worker_that_lives_keeps_its_job_however_long_it_takes(endless: Any) -> None:
    counted = Counted()
    assert said(endless(0.9)) == "started"
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert not run_if_due(counted.job, Stop())
        time.sleep(0.1)


def test_a_worker_that_was_thought_dead_stops_when_it_wakes_up(endless: Any) -> None:
    counted = Counted()
    slow = endless(1.0)
    assert said(slow) == "started"
    slow.send_signal(signal.SIGSTOP)
    until(lambda: run_if_due(counted.job, Stop()))
    after = stored()
    slow.send_signal(signal.SIGCONT)
    assert said(slow) == "stopping"
    slow.wait(30)
    assert (stored(), counted.times) == (after, 1)


def test_a_job_that_fails_is_tried_again_soon_and_spoils_nothing(empty: None) -> None:
    def fails(going: Going) -> str:
        raise ValueError("broken")

    assert run_if_due(Job("test", HOUR, fails), Stop())
    row = stored()
    assert (row["holder"], row["until"] <= datetime.now(UTC)) == (None, True)
    assert timedelta(0) < row["due_at"] - datetime.now(UTC) <= timedelta(minutes=1)


def test_a_job_that_was_interrupted_is_due_at_once(empty: None) -> None:
    stop = Stop()

    def interrupted(going: Going) -> str:
        stop.ask()
        assert not going()
        return "half"

    assert run_if_due(Job("test", HOUR, interrupted), stop)
    assert run_if_due(Counted().job, Stop())


def test_the_worker_runs_its_jobs_until_it_is_told_to_stop(empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, stop = Counted("one"), Counted("other"), Stop()
    monkeypatch.setattr(worker, "JOBS", (one.job, other.job))
    working = threading.Thread(target=worker.work, args=[stop])
    working.start()
    until(lambda: one.times and other.times)
    asked = time.monotonic()
    stop.ask()
    working.join(10)
    assert time.monotonic() - asked < 1
    assert (one.times, other.times) == (1, 1)


def test_a_database_that_is_away_is_waited_for(empty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, stop = Counted(), Stop()
    monkeypatch.setattr(worker, "JOBS", (counted.job,))
    monkeypatch.setattr(worker, "LOOK_EVERY_SECONDS", 0.05)
    known, failures = worker._make_known, iter([True, True, False])

    def away(job: Job) -> None:
        if next(failures, False):
            raise mongo.UNREACHABLE[0]("gone")
        known(job)

    monkeypatch.setattr(worker, "_make_known", away)
    working = threading.Thread(target=worker.work, args=[stop])
    working.start()
    until(lambda: counted.times)
    stop.ask()
    working.join(10)


def test_retention_is_one_of_its_jobs(cast: Cast) -> None:
    rule = {"action": "archive", "status": ["open"], "after_days": 30}
    assert cast.root.patch("/api/config/", {"retention": {"rules": [rule]}}).status_code == 200
    uid, long_ago = lead(cast.alice)["uid"], now() - timedelta(days=40)
    rewrite(str(uid), created_at=long_ago, updated_at=long_ago)
    job = next(job for job in worker.JOBS if job.name == "retention")
    assert job.every == HOUR
    assert run_if_due(job, Stop())
    assert listed(cast.alice)["results"] == []


def start(uri: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"MONGODB_URI": uri, "LOG_LEVEL": "INFO"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE
    )


def test_the_command_stops_at_sigterm_and_logs_a_line_for_each_run(workflow: None) -> None:
    process = start(mongo.uri())
    assert process.stderr
    line = ""
    while '"job"' not in line:
        line = process.stderr.readline()
    process.terminate()
    rest = process.communicate(timeout=10)[1]
    assert (process.returncode, "Traceback" in rest) == (0, False)
    assert '"said":"no rules"' in line


def test_in_memory_there_is_nothing_to_work_on(tmp_path: Path) -> None:
    refused = start("mongomock://")
    assert "nothing to work on" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 1


def workers(site: Site) -> set[int]:
    """The worker processes of this site, by the environment they were started with."""
    mine = f"DATA_DIR={site.environment['DATA_DIR']}\0"
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        try:
            is_worker = entry.name.isdigit() and "manage.py\0worker" in (entry / "cmdline").read_text()
            if is_worker and mine in (entry / "environ").read_text():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def test_serving_starts_a_worker_starts_it_again_and_stops_it(ready: tuple[Site, str]) -> None:
    site, _ = ready
    until(lambda: workers(site))
    (first,) = workers(site)
    os.kill(first, signal.SIGKILL)
    until(lambda: workers(site) - {first})
    assert site.answers("/health")


def test_serving_ends_with_its_worker(site: Site) -> None:
    site.manage("init_lead_data")
    server = site.start()
    until(lambda: workers(site))
    site.stop(server)
    assert workers(site) == set()
