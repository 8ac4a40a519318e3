"""Driving a server with wrk, over connections that are kept open."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCRIPT: Final = Path(__file__).with_name("drive.lua")
_runs = itertools.count(int(time.time()) % 1_000_000 * 1_000)


class Refused(Exception):
    """The server refused requests that were meant to be accepted: the figure would be worth nothing."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: dict[str, Any] | None = None

    def line(self) -> str:
        body = "" if self.body is None else f"\t{json.dumps(self.body)}"
        return f"{self.method}\t{self.path}{body}\n"


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    authorization: str
    addresses: bool = False  # each request names another client


@dataclass(frozen=True)
class Figure:
    rate: float
    p50: float
    p99: float
    worst: float


@contextmanager
def written(requests: Iterable[Request]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="lead-crm-bench-", suffix=".requests") as file:
        file.writelines(request.line() for request in requests)
        file.flush()
        yield Path(file.name)


def drive(server: Server, requests: Path, *, connections: int, seconds: float) -> Figure:
    environment = {
        "REQUESTS": str(requests), "AUTHORIZATION": server.authorization, "RUN_NUMBER": str(next(_runs)),
        "ADDRESSES": str(int(server.addresses)),
    }  # fmt: skip
    found = _run(server, environment, connections, seconds)
    if found["refused"] or found["broken"]:
        again = _wrk(server, environment | {"SHOW_REFUSALS": "1"}, 1, 1)
        raise Refused(f"{server.name}: {found}\n{again.stderr[:2000]}")
    return Figure(found["requests"] / found["seconds"], found["p50"], found["p99"], found["max"])


def _run(server: Server, environment: dict[str, str], connections: int, seconds: float) -> Any:
    done = _wrk(server, environment, connections, seconds)
    for line in done.stdout.splitlines():
        if line.startswith("@RESULT@"):
            return json.loads(line.removeprefix("@RESULT@"))
    sys.exit(f"wrk did not work:\n{done.stdout}{done.stderr}")


def _wrk(
    server: Server, environment: dict[str, str], connections: int, seconds: float
) -> "subprocess.CompletedProcess[str]":
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s", "-s", str(SCRIPT),
        f"http://127.0.0.1:{server.port}",
    ]  # fmt: skip
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
