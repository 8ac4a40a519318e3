"""How a figure is taken."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Final

from scripts.benchmark.operations import Operation
from scripts.benchmark.wrk import Figure, Server, drive, written

SETTLED: Final = 0.5  # seconds until the last writes of the run before are through

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    names: tuple[str, ...]  # of the operations wanted; none: all
    seconds: float
    rounds: int
    connections: int
    long: int

    def wants(self, name: str) -> bool:
        return not self.names or name in self.names


def once(operation: Operation, server: Server, *, connections: int, seconds: float) -> Figure:
    if operation.writes:
        time.sleep(SETTLED)
    with written(operation.requests()) as file:
        return drive(server, file, connections=connections, seconds=seconds)


def timed(server: Server, method: str, path: str, body: Row | None = None) -> float:
    """Milliseconds of one request, the connection not included."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    headers = {"Authorization": server.authorization, "Content-Type": "application/json"}
    started = time.perf_counter()
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read()
    taken = (time.perf_counter() - started) * 1000
    connection.close()
    if response.status >= 300:
        raise AssertionError(f"{method} {path}: {response.status} {content[:300]!r}")
    return taken
