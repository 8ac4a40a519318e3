"""Requests that arrive in drips hold no thread for ever."""

import socket
import threading
import time
from typing import Any

import pytest
from gunicorn.http.errors import NoMoreData

from lead_crm import patience
from lead_crm.patience import Arriving


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
