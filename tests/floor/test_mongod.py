"""The private mongod, with real servers and real kills."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from lead_crm import mongod
from tests.floor.processes import open_files

ROOT = Path(__file__).parents[2]
PRELUDE = "import os, sys; from pathlib import Path; from lead_crm import mongod; data = Path(sys.argv[1])\n"
USE_UNTIL_TOLD = """
with mongod.running(data) as uri:
    print(uri, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _in_a_minute() -> Iterator[None]:
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("took longer than a minute"))
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if server := server_of(tmp_path):
        kill(server)


def server_of(data: Path) -> int | None:
    found = mongod._find(data / "mongo")
    return found.process if found else None


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not mongod._arguments(process))


def wait_until(condition: Callable[[], Any]) -> None:
    while not condition():
        time.sleep(0.01)


def client(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=10000)


def insert(uri: str, *names: str) -> None:
    with client(uri) as connected:
        connected.crm.leads.insert_many([{"_id": name} for name in names])


def names(uri: str) -> set[str]:
    with client(uri) as connected:
        return {lead["_id"] for lead in connected.crm.leads.find()}


def port(uri: str) -> int:
    return int(uri.partition("@")[2].partition("/")[0].partition(":")[2])


@contextmanager
def taken(number: int) -> Iterator[None]:
    """By somebody who hangs up at once; one who never answers would cost mongod 30 seconds."""
    with socket.create_server(("127.0.0.1", number)) as listener:
        thread = threading.Thread(target=hang_up, args=[listener])
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def hang_up(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


def started(script: str, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(data)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def said(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout else ""


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("go\n", timeout=30)
    assert process.returncode == 0


def test_answers_whoever_has_the_credentials(data: Path) -> None:
    with mongod.running(data) as uri:
        insert(uri, "Ada")
        assert names(uri) == {"Ada"}
        with client(f"mongodb://127.0.0.1:{port(uri)}/?directConnection=true") as stranger:
            with pytest.raises(OperationFailure, match="requires authentication"):
                stranger.crm.leads.find_one()
            with pytest.raises(OperationFailure, match="requires authentication"):
                stranger.admin.command("createUser", "stranger", pwd="stranger", roles=["root"])


def test_keeps_everything_to_its_owner(data: Path) -> None:
    home = data / "mongo"
    home.mkdir(mode=0o755)
    with mongod.running(data) as uri:
        modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in ("credentials", "keyfile")}
        assert modes == {"credentials": 0o600, "keyfile": 0o600}
        assert stat.S_IMODE(home.stat().st_mode) == stat.S_IMODE((home / "data").stat().st_mode) == 0o700
        with closing(socket.socket()) as outside, pytest.raises(ConnectionRefusedError):
            outside.connect(("127.0.0.2", port(uri)))


def test_finds_data_and_port_again_and_is_cheap_to_look_after(data: Path) -> None:
    with mongod.running(data) as first:
        insert(first, "Ada")
    assert server_of(data) is None
    with mongod.running(data) as second:
        assert second == first
        assert names(second) == {"Ada"}
        begun = time.perf_counter()
        assert {mongod.ensure_alive(data) for _ in range(100)} == {second}
        assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("lies", [[], [True]], ids=["before", "just after looking"])
def test_moves_when_its_port_is_taken(data: Path, monkeypatch: pytest.MonkeyPatch, lies: list[bool]) -> None:
    with mongod.running(data) as first:
        insert(first, "Ada")
    honest = mongod._is_free
    monkeypatch.setattr(mongod, "_is_free", lambda number: lies.pop() if lies else honest(number))
    with taken(port(first)), mongod.running(data) as second:
        assert port(second) != port(first)
        assert names(second) == {"Ada"}
        insert(second, "Bob")
    with mongod.running(data) as third:
        assert third == second
        assert names(third) == {"Ada", "Bob"}


def test_two_who_start_at_once_share_one_server(data: Path) -> None:
    with ExitStack() as stack:
        users = [started(USE_UNTIL_TOLD, data) for _ in range(4)]
        for process in users:
            stack.enter_context(process)
            stack.callback(process.kill)
        uris = {said(process) for process in users}
        server = server_of(data)
        assert len(uris) == 1
        assert server
        for process in users[:-1]:
            leave(process)
            assert server_of(data) == server
        leave(users[-1])
        assert server_of(data) is None
        assert not mongod._arguments(server)


def test_leaving_and_joining_at_once_never_meets_a_stopped_server(data: Path) -> None:
    visits = """
    from pymongo import MongoClient
    for visit in range(4):
        with mongod.running(data) as uri, MongoClient(uri, serverSelectionTimeoutMS=5000) as client:
            client.crm.visits.insert_one({})
    """
    visitors = [started(visits, data) for _ in range(3)]
    for visitor in visitors:
        visitor.communicate(timeout=50)
    assert [visitor.returncode for visitor in visitors] == [0, 0, 0]
    assert server_of(data) is None


def test_one_process_may_use_it_twice(data: Path) -> None:
    with mongod.running(data) as uri:
        with mongod.running(data) as again:
            assert again == uri
        assert names(uri) == set()
    assert server_of(data) is None


def test_a_forked_child_does_not_leave_for_its_parent(data: Path) -> None:
    script = """
    with mongod.running(data) as uri:
        child = os.fork()
        if child == 0:
            sys.exit()  # as a gunicorn worker does: through every `finally` of its parent
        os.waitpid(child, 0)
        print(mongod._find(data / "mongo"), flush=True)
    """
    with started(script, data) as process:
        output, _ = process.communicate(timeout=30)
    assert output.startswith("Server(")
    assert server_of(data) is None


def test_a_server_left_by_a_killed_user_is_joined(data: Path) -> None:
    with started(USE_UNTIL_TOLD, data) as process:
        uri = said(process)
        server = server_of(data)
        process.kill()
    assert server_of(data) == server
    with mongod.running(data) as joined:
        assert joined == uri
        assert server_of(data) == server
    assert server_of(data) is None


def test_an_interrupt_from_the_terminal_does_not_reach_it(data: Path) -> None:
    with mongod.running(data):
        server = server_of(data)
        assert os.getsid(server) != os.getsid(0)
        held = open_files(server)
        assert {held["0"], held["1"], *({"users.lock", "start.lock"} & set(held.values()))} == {"null"}


def write_until_killed(uri: str, server: int) -> list[int]:
    """Kills the server in the middle and returns what it had answered for."""
    answered: list[int] = []
    with client(uri) as connected, suppress(ConnectionFailure):
        leads = connected.get_database("crm").leads
        for number in range(100000):
            leads.insert_one({"_id": number})
            answered.append(number)
            if number == 200:
                os.kill(server, signal.SIGKILL)
    return answered


@pytest.mark.parametrize("again", ["ensure_alive", "running"])
def test_nothing_answered_is_lost_when_it_is_killed(data: Path, again: str) -> None:
    with ExitStack() as stack:
        uri = stack.enter_context(mongod.running(data))
        server = server_of(data)
        answered = write_until_killed(f"{uri}&retryWrites=false&w=majority&journal=true", server)
        assert len(answered) > 200
        wait_until(lambda: not mongod._arguments(server))
        join = mongod.running(data) if again == "running" else nullcontext(mongod.ensure_alive(data))
        back = stack.enter_context(join)
        assert back == uri
        with client(back) as connected:
            kept = {lead["_id"] for lead in connected.crm.leads.find()}
        assert kept.issuperset(answered)


def test_a_process_that_only_has_its_old_number_is_left_alone(data: Path) -> None:
    with mongod.running(data) as uri:
        insert(uri, "Ada")
    (data / "mongo" / "data" / "mongod.lock").write_text(f"{os.getpid()}\n")
    with mongod.running(data) as uri:
        assert server_of(data) != os.getpid()
        assert names(uri) == {"Ada"}


def after(function: str) -> str:
    return f"step = mongod.{function}; mongod.{function} = lambda *a, **k: (step(*a, **k), os._exit(9))"


INITIATED = """
step = mongod._refusal
def stop(client, command, *a, **k):
    result = step(client, command, *a, **k)
    return os._exit(9) if command == "replSetInitiate" else result
mongod._refusal = stop
"""


CUTS = {
    "credentials": after("_credentials"),
    "a key": after("_keyfile"),
    "half a file": "Path.replace = lambda *a: os._exit(9)",
    "a port": after("_port"),
    "a server still starting": "import subprocess; step = subprocess.Popen\n"
    "mongod.subprocess.Popen = lambda *a, **k: (step(*a, **k), os._exit(9))",
    "a server": after("_run"),
    "a replica set": INITIATED,
    "a user": after("_introduce"),
}


def cut_short(cut: str, data: Path) -> None:
    with started(textwrap.dedent(cut) + "\nwith mongod.running(data): pass", data) as process:
        process.communicate(timeout=30)
    assert process.returncode == 9


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_a_first_start_cut_short_heals(data: Path, cut: str) -> None:
    cut_short(cut, data)
    with mongod.running(data) as uri:
        insert(uri, "Ada")
        assert names(uri) == {"Ada"}
    assert server_of(data) is None


@pytest.mark.parametrize("cut", ["a server", "a replica set", "a user"])
def test_a_first_start_whose_server_dies_too_heals(data: Path, cut: str) -> None:
    cut_short(CUTS[cut], data)
    kill(server_of(data))
    with mongod.running(data) as uri:
        insert(uri, "Ada")
        assert names(uri) == {"Ada"}


def test_a_port_lost_in_the_middle_of_the_first_start_heals(data: Path) -> None:
    """The replica set knows itself by an address it no longer has, and there is no user yet."""
    cut_short(CUTS["a replica set"], data)
    lost = int((data / "mongo" / "port").read_text())
    kill(server_of(data))
    wait_until(lambda: mongod._is_free(lost))
    with taken(lost), mongod.running(data) as uri:
        assert port(uri) != lost
        insert(uri, "Ada")


def test_lost_credentials_are_said_and_nothing_is_left_running(data: Path) -> None:
    with mongod.running(data):
        pass
    (data / "mongo" / "credentials").unlink()
    with pytest.raises(mongod.CannotStart, match="does not fit the data"), mongod.running(data):
        pass
    assert server_of(data) is None


def test_without_a_binary_it_says_what_to_do(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGOD", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(mongod.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(mongod.CannotStart) as refusal, mongod.running(data):
        pass
    for remedy in ("apt-get install libcurl4", "MONGOD=", "MONGODB_URI="):
        assert remedy in str(refusal.value)


BROKEN = {
    "#!/bin/sh\necho libcurl.so.4: cannot open shared object file >&2; exit 127": "libcurl.so.4",
    "#!/no/such/loader": "No such file",
    "\x7fELF of another kind": "Exec format error",
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.items(), ids=["library", "loader", "architecture"])
def test_a_binary_that_cannot_run_is_said(
    data: Path, monkeypatch: pytest.MonkeyPatch, content: str, reason: str
) -> None:
    broken = data / "mongod"
    broken.write_text(content)
    broken.chmod(0o755)
    monkeypatch.setenv("MONGOD", str(broken))
    with pytest.raises(mongod.CannotStart, match=reason) as refusal, mongod.running(data):
        pass
    assert "apt-get install libcurl4" in str(refusal.value)


def test_a_server_that_never_comes_up_is_given_up(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = data / "mongod"
    slow.write_text("#!/bin/sh\necho thinking\nexec sleep 60")
    slow.chmod(0o755)
    monkeypatch.setenv("MONGOD", str(slow))
    monkeypatch.setattr(mongod, "PATIENCE", 0.2)
    with pytest.raises(mongod.CannotStart, match=r"slow to start(.|\n)*thinking"), mongod.running(data):
        pass


@pytest.mark.parametrize("wanted", ["lots", "0", "nan"])
def test_a_cache_of_no_size_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("MONGOD_CACHE_GB", wanted)
    with pytest.raises(mongod.CannotStart, match="MONGOD_CACHE_GB"), mongod.running(data):
        pass


def test_a_long_log_is_put_aside(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mongod.running(data):
        pass
    monkeypatch.setattr(mongod, "LOG_LIMIT", 1000)
    before_restart = (data / "mongo" / "mongod.log").read_text()
    with mongod.running(data):
        assert (data / "mongo" / "mongod.log.1").read_text() == before_restart
