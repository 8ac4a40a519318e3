"""One JSON line per request, with an id that stands in the answer and in every problem."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lead_crm.logs import JsonLines
from tests.cast import Cast

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="lead_crm.request")
    return caplog


def test_a_request_is_logged_with_who_asked_and_what_came_of_it(cast: Cast, lines: pytest.LogCaptureFixture) -> None:
    response = cast.alice.get("/api/leads/LEAD-1/")
    line = json.loads(JsonLines().format(lines.records[-1]))
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/leads/LEAD-1/", 404)
    assert line["actor"] == cast.alice.uid
    assert response.json()["request_id"] == response["X-Request-ID"]


def test_the_callers_own_request_id_is_kept(cast: Cast) -> None:
    assert cast.alice.get("/api/leads/", X_Request_ID="call-42")["X-Request-ID"] == "call-42"


@pytest.mark.parametrize("harmful", ['x"y', "a b", "x" * 65, "line\tbreak"])
def test_a_harmful_request_id_is_replaced(cast: Cast, harmful: str) -> None:
    assert cast.alice.get("/api/leads/", X_Request_ID=harmful)["X-Request-ID"] != harmful


def test_processes_of_one_parent_name_their_requests_differently() -> None:
    """Web workers are forks of one process, with the chance that it had."""
    script = (
        "import os, types; from lead_crm.logs import _incoming_id\n"
        "_incoming_id(types.SimpleNamespace(META={}))\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        print(_incoming_id(types.SimpleNamespace(META={})), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )
    names = done.stdout.split()
    assert (len(names), len(set(names))) == (2, 2)
    assert all(len(name) == 16 for name in names)


def test_no_token_stands_in_the_log(cast: Cast, lines: pytest.LogCaptureFixture) -> None:
    cast.alice.get("/api/leads/")
    assert str(cast.alice.token) not in "".join(JsonLines().format(record) for record in lines.records)


def test_a_defect_answers_a_problem_and_logs_the_trace(
    cast: Cast, lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("leads.service.moves", broken)
    response = cast.alice.client.get("/api/leads/x/moves/", headers={"Authorization": f"Bearer {cast.alice.token}"})
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert "secret detail" not in response.content.decode()
    assert any("ZeroDivisionError" in JsonLines().format(record) for record in lines.records)
