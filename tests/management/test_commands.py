"""The commands that other programs rely on, as a newcomer uses them: processes, signals and all."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """A data directory of its own, and the commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.environment = os.environ | {
            "DATA_DIR": str(folder), "PORT": str(self.port), "MONGODB_URI": "", "MONGODB_DATABASE": "lead_crm",
            "ADMIN_PASSWORD": "a long enough password", "LOG_LEVEL": "INFO",
        }  # fmt: skip

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def start(self, **more: str) -> "subprocess.Popen[str]":
        server = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT, env=self.environment | more, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            _until(lambda: self.answers("/health"))
        except BaseException:
            self.stop(server)
            raise
        return server

    def stop(self, server: "subprocess.Popen[str]") -> None:
        server.terminate()
        server.wait(30)
        server.stdout.close()  # type: ignore[union-attr]

    def answers(self, path: str, token: str = "") -> object:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            refused.close()
            return None
        except OSError:  # not yet there, or too busy starting
            return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(done: object) -> None:
    deadline = time.monotonic() + 60
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "var")


@pytest.fixture
def ready(site: Site) -> Iterator[tuple[Site, str]]:
    assert site.manage("init_lead_data").returncode == 0
    assert site.manage("create_admin", "--email", "ada@example.com", "--name", "Ada").returncode == 0
    token = site.manage("create_token", "--email", "ada@example.com", "--name", "tests").stdout.strip()
    server = site.start()
    yield site, token
    site.stop(server)


def test_from_nothing_to_a_board(ready: tuple[Site, str]) -> None:
    site, token = ready
    board = site.answers("/api/leads/kanban/", token)
    assert next(column["uid"] for column in board) == "stage-new"
    assert site.answers("/api/leads/kanban/") is None


def test_a_second_start_finds_its_data_again(ready: tuple[Site, str]) -> None:
    site, token = ready
    assert site.manage("init_lead_data", "--demo", "5").returncode == 0
    again = site.manage("init_lead_data")
    assert "already" in again.stdout
    assert site.answers("/api/leads/", token)["count"] == 5


@pytest.mark.parametrize("leads", ["0", "3"])
def test_what_is_there_stays_where_no_preset_is_named(site: Site, leads: str) -> None:
    """As `make run` starts: also with the workflow of another business, whether there are leads yet or not."""
    assert site.manage("init_lead_data", "--preset", "enrolment", "--demo", leads).returncode == 0
    again = site.manage("init_lead_data")
    assert (again.returncode, again.stdout) == (0, "The preset enrolment was in place already.\n")
    more = site.manage("init_lead_data", "--preset", "enrolment", "--demo", "4")
    assert more.returncode == 0, more.stderr
    assert site.manage("init_lead_data", "--preset", "default").returncode == 1


def test_sigterm_stops_web_and_database(site: Site) -> None:
    site.manage("init_lead_data")
    server = site.start()
    pids = _descendants_of(site)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    site.stop(server)
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert site.answers("/health") is None


def _descendants_of(site: Site) -> list[int]:
    """The mongod of this site, and its gunicorn."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            line = _command_line(entry)
            if site.environment["DATA_DIR"] in line or f"127.0.0.1:{site.port}" in line:
                found.append(int(entry.name))
    assert len(found) >= 3
    return found


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def test_web_workers_share_the_processors_and_interrupt_nobody(ready: tuple[Site, str]) -> None:
    site, _ = ready
    workers = [pid for pid in _descendants_of(site) if os.sched_getscheduler(pid) == os.SCHED_BATCH]
    shares, processors = [os.sched_getaffinity(pid) for pid in workers], os.sched_getaffinity(0)
    assert len(workers) == 2
    assert set().union(*shares) == processors
    assert sum(map(len, shares)) == max(2, len(processors))


def test_web_and_database_that_are_killed_are_started_again(ready: tuple[Site, str]) -> None:
    site, token = ready
    for pid in _descendants_of(site):
        os.kill(pid, signal.SIGKILL)
    _until(lambda: site.answers("/health"))
    assert site.answers("/api/stages/", token)["results"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create_token", "--email", "nobody@example.com", "--name", "x"], "There is no account"),
        (["create_admin", "--email", "not an address", "--name", "x"], "email"),
        (["init_lead_data", "--preset", "nonsense"], "There is no preset nonsense"),
    ],
)
def test_a_command_that_cannot_says_why_in_a_line(site: Site, arguments: list[str], said: str) -> None:
    refused = site.manage(*arguments)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_short_password_is_refused(site: Site) -> None:
    site.environment["ADMIN_PASSWORD"] = "short"
    refused = site.manage("create_admin", "--email", "ada@example.com", "--name", "Ada")
    assert "12 characters" in refused.stderr


def test_where_nobody_can_be_asked_the_password_comes_from_the_environment(site: Site) -> None:
    refused = subprocess.run(
        [sys.executable, "manage.py", "create_admin", "--email", "ada@example.com", "--name", "Ada"],
        cwd=ROOT, env=site.environment | {"ADMIN_PASSWORD": ""}, stdin=subprocess.DEVNULL, start_new_session=True,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "set ADMIN_PASSWORD" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_quick_look_in_memory_warns_and_says_how_to_sign_in(site: Site) -> None:
    server = site.start(MONGODB_URI="mongomock://")
    try:
        said = ""
        while "Bearer" not in said:
            said += server.stdout.readline()  # type: ignore[union-attr]
        assert "WARNING: nothing is kept" in said
        token = said.rpartition("Bearer ")[2].strip()
        assert site.answers("/api/leads/", token)["count"] == 0
        assert site.answers("/api/leads/kanban/", token) is None  # 501: needs a real server
    finally:
        site.stop(server)
