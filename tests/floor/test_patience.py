"""The web worker: threads, connections, and what goes over them."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.errors import NoMoreData

from lead_crm import gunicorn_config, patience
from lead_crm.patience import Arriving, Leaving


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_what_is_there_is_read_at_once(pair: Any) -> None:
    ours, theirs = pair
    theirs.sendall(b"GET /")
    assert Arriving(ours).recv(100) == b"GET /"


def test_silence_ends_the_request(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(NoMoreData):
        Arriving(pair[0]).recv(100)
    assert time.monotonic() - started < 1


def test_drips_do_not_begin_the_time_anew(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.4)
    ours, theirs = pair
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            theirs.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    arriving, started = Arriving(ours), time.monotonic()
    with pytest.raises(NoMoreData):
        _read_for_ever(arriving)
    stop.set()
    dripping.join()
    assert 0.3 < time.monotonic() - started < 2


def _read_for_ever(arriving: Arriving) -> None:
    while True:
        arriving.recv(1)


def test_answers_are_sent_without_a_limit(pair: Any) -> None:
    ours, theirs = pair
    theirs.sendall(b"x")
    Arriving(ours).recv(1)
    assert ours.gettimeout() is None


def test_the_head_leaves_with_the_first_of_the_body(pair: Any) -> None:
    leaving, theirs = Leaving(fileno=pair[0].detach()), pair[1]
    leaving.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(BlockingIOError):
        theirs.recv(100, socket.MSG_DONTWAIT)
    leaving.sendall(b"{}")
    assert theirs.recv(100) == b"HTTP/1.1 200 OK\r\n\r\n{}"
    leaving.sendall(b"more")
    assert theirs.recv(100) == b"more"
    leaving.close()


def test_a_head_without_a_body_leaves_alone_and_once(pair: Any) -> None:
    leaving, theirs = Leaving(fileno=pair[0].detach()), pair[1]
    leaving.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    leaving.flush()
    leaving.flush()
    leaving.close()
    assert theirs.recv(100) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert theirs.recv(100) == b""


Ask = Callable[[str], tuple[str, bytes]]


@contextmanager
def connected(port: int) -> Iterator[Ask]:
    """One connection that is kept open; gives head and body of what is answered first."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:

        def ask(request: str) -> tuple[str, bytes]:
            sock.sendall(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, _, body = sock.recv(65536).partition(b"\r\n\r\n")
            return head.decode(), body

        yield ask


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen([
        sys.executable, "-m", "gunicorn", "tests.floor.plain_app:application", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "lead_crm.patience.Worker", "--threads", "2", "--keep-alive", "2", "--no-control-socket",
    ], cwd=Path(__file__).parents[2])  # fmt: skip
    _until(lambda: _answers(port))
    yield port
    with connected(port) as ask:  # one that is kept does not keep the server from stopping
        ask("GET /")
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


class TestServed:
    """By two threads; a connection on which nothing comes is closed after two seconds."""

    def test_request_after_request_over_one_connection(self, port: int) -> None:
        with connected(port) as ask:
            for number in range(5):
                head, body = ask(f"GET /{number}")
                assert (head.splitlines()[0], body) == ("HTTP/1.1 200 OK", f"/{number}".encode())

    @pytest.mark.parametrize(("request_line", "status"), [("GET /empty", "204 No Content"), ("HEAD /", "200 OK")])
    def test_what_has_no_body_is_answered_too(self, port: int, request_line: str, status: str) -> None:
        with connected(port) as ask:
            assert ask(request_line)[0].splitlines()[0] == f"HTTP/1.1 {status}"
            assert ask("GET /next")[1] == b"/next"

    def test_a_stream_begins_at_once(self, port: int) -> None:
        with connected(port) as ask:
            head, body = ask("GET /stream")
            assert "Transfer-Encoding: chunked" in head
            assert body.startswith(b"5\r\nfirst")

    def test_more_connections_than_threads(self, port: int) -> None:
        """Each waits for a moment at most, until those who have a thread and ask nothing make room."""
        started = time.monotonic()
        with connected(port) as a, connected(port) as b, connected(port) as c, connected(port) as d:
            for _ in range(3):
                assert [ask("GET /x")[1] for ask in (a, b, c, d)] == [b"/x"] * 4
        assert time.monotonic() - started < 2

    def test_requests_that_come_together_are_all_answered(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            answered = b""
            while answered.count(b"200 OK") < 3 or not answered.endswith(b"/1"):
                answered += sock.recv(65536)

    def test_who_asks_nothing_any_more_is_hung_up_on(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536)
            started = time.monotonic()
            assert sock.recv(65536) == b""
            assert 1 < time.monotonic() - started < 5


def _answers(port: int) -> bool:
    try:
        with connected(port) as ask:
            return ask("GET /")[1] == b"/"
    except OSError:
        return False


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestProcessorsAreDealtOut:
    """Each web process keeps to its own, so that its threads do not hand Python on from one to another."""

    @pytest.fixture
    def shares(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[set[int]]]:
        def dealt(workers: int, processors: set[int], living: Any = ()) -> list[set[int]]:
            monkeypatch.setattr("os.sched_getaffinity", lambda pid: processors)
            master = SimpleNamespace(num_workers=workers, WORKERS=dict(enumerate(living)))
            for _ in range(workers - len(master.WORKERS)):
                worker = SimpleNamespace()
                gunicorn_config.pre_fork(master, worker)
                master.WORKERS[id(worker)] = worker
            return [set(worker.share) for worker in master.WORKERS.values()]

        return dealt

    def test_one_each(self, shares: Any) -> None:
        assert shares(2, {0, 1}) == [{0}, {1}]

    def test_several_each(self, shares: Any) -> None:
        assert shares(2, {0, 1, 2, 3, 4}) == [{0, 2, 4}, {1, 3}]

    def test_more_workers_than_processors(self, shares: Any) -> None:
        assert sorted(map(tuple, shares(5, {0, 1}))) == [(0,), (0,), (0,), (1,), (1,)]

    @pytest.mark.parametrize("left", [0, 1])
    def test_whoever_comes_for_one_that_died_takes_its_place(self, shares: Any, left: int) -> None:
        there = SimpleNamespace(share=frozenset({left}))
        assert shares(2, {0, 1}, [there]) == [{left}, {1 - left}]

    def test_only_what_the_system_allows_us(self, shares: Any) -> None:
        assert shares(1, {3}) == [{3}]
