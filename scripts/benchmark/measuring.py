"""The measurements of one installation."""

import http.client
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.benchmark import installation, operations, recording
from scripts.benchmark.installation import ACTORS, HERE, THERE, Site
from scripts.benchmark.operations import Operation
from scripts.benchmark.processes import say
from scripts.benchmark.wrk import Figure, Server, drive, written

FORGOTTEN: Final = 4.3  # seconds until a count is not remembered any more
SETTLED: Final = 0.5  # seconds until the last writes of the run before are through
COLD: Final = ("list", "list filtered", "board", "board 20")
LONG: Final = 10_000
MANY: Final = 10_000  # as many as one request may move

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


def measure(folder: Path, size: int, plan: Plan) -> Row:
    """Everything about one size."""
    say(f"# {size:,} leads")
    with installation.installed(folder, size) as site:
        by_actor = {actor: [o for o in operations.reads(site, actor) if plan.wants(o.name)] for actor in ACTORS}
        queries = folder / "floor.queries"
        mine = f"Bearer {site.tokens['super']}"
        recording.record(((mine, request) for each in by_actor["super"] for request in each.requests()), queries)
        with installation.served(site) as (port, pid), recording.floor(site, queries) as floor:
            row = _measured(site, port, floor, by_actor, plan)
            row |= {"memory": installation.memory(pid, folder), "size": size, "load_rate": site.load_rate}
        return row


def _measured(site: Site, port: int, floor: Server, by_actor: dict[str, list[Operation]], plan: Plan) -> Row:
    ours = site.server(port)
    writes = [operation for operation in operations.writes() if plan.wants(operation.name)]
    return {
        "bulk": _bulk(ours, plan) if plan.wants("bulk") else {},
        "against_floor": {each.name: _compared(each, ours, floor, plan) for each in (*by_actor["super"], *writes)},
        "alone": {actor: _alone(each, site.server(port, actor), plan) for actor, each in by_actor.items()},
        "cold": _cold(by_actor["super"], ours, 3 if plan.rounds == 1 else 10),
        "long": _long(ours, plan) if plan.wants("transition") else {},
    }


def once(operation: Operation, server: Server, *, connections: int, seconds: float) -> Figure:
    if operation.writes:
        time.sleep(SETTLED)
    with written(operation.requests()) as file:
        return drive(server, file, connections=connections, seconds=seconds)


def _compared(operation: Operation, ours: Server, floor: Server, plan: Plan) -> Row:
    """Ours, floor, ours, floor: whatever else the machine does meets both."""
    many: dict[str, list[Figure]] = {"ours": [], "floor": []}
    one: dict[str, list[Figure]] = {"ours": [], "floor": []}
    for server in (ours, floor):
        once(operation, server, connections=plan.connections, seconds=1)
    for _ in range(plan.rounds):
        for server in (ours, floor):
            many[server.name].append(once(operation, server, connections=plan.connections, seconds=plan.seconds))
        for server in (ours, floor):
            one[server.name].append(once(operation, server, connections=1, seconds=plan.seconds / 2))
    row = {name: _summary(many[name], one[name]) for name in many}
    row["share"] = row["ours"]["rate"] / row["floor"]["rate"]
    say(f"  {operation.name:14} {row['ours']['rate']:7.0f}/s, floor {row['floor']['rate']:7.0f}/s: {row['share']:.2f}")
    return row


def _summary(many: Sequence[Figure], one: Sequence[Figure]) -> Row:
    return {
        "rate": statistics.mean(f.rate for f in many), "rates": [f.rate for f in many],
        "p50": statistics.mean(f.p50 for f in many), "p99": max(f.p99 for f in many),
        "p50_one": min(f.p50 for f in one), "p99_one": max(f.p99 for f in one),
    }  # fmt: skip


def _alone(reads: Iterable[Operation], server: Server, plan: Plan) -> Row:
    """On one connection, the better of two runs."""
    return {
        each.name: min(once(each, server, connections=1, seconds=max(1, plan.seconds / 2)).p50 for _ in range(2))
        for each in reads
    }


def _cold(reads: Iterable[Operation], server: Server, cycles: int) -> Row:
    """The request that has to count anew, because nobody has asked for so long."""
    asked = {each.name: each.requests()[0].path for each in reads if each.name in COLD}
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(cycles if asked else 0):
        time.sleep(FORGOTTEN)
        for name, path in asked.items():
            times[name].append(timed(server, "GET", path))
    return {name: {"p50": statistics.median(taken), "worst": max(taken)} for name, taken in times.items()}


def timed(server: Server, method: str, path: str, body: Row | None = None) -> float:
    """Milliseconds of one request, the connection not included."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    headers = {"Authorization": server.authorization, "Content-Type": "application/json"}
    started = time.perf_counter()
    connection.request(method, path, json.dumps(body) if body else None, headers)
    response = connection.getresponse()
    content = response.read()
    taken = (time.perf_counter() - started) * 1000
    connection.close()
    if response.status >= 300:
        raise AssertionError(f"{method} {path}: {response.status} {content[:300]!r}")
    return taken


def _bulk(server: Server, plan: Plan) -> Row:
    """Many leads in one request, there and back, and as many as fit into the same time one by one, in turn."""
    single = next(operation for operation in operations.writes() if operation.name == "transition")
    uids = installation.leads_in(HERE, MANY)
    found: dict[str, list[float]] = {"bulk": [], "one connection": [], "many connections": [], "first byte": []}
    for _ in range(plan.rounds):
        for stage in (THERE, HERE):
            seconds, first = _moved_together(server, uids, stage)
            found["bulk"].append(len(uids) / seconds)
            found["first byte"].append(first * 1000)
            time.sleep(SETTLED)
        for name, connections in (("one connection", 1), ("many connections", plan.connections)):
            found[name].append(once(single, server, connections=connections, seconds=plan.seconds).rate)
    row: Row = {name: statistics.mean(rates) for name, rates in found.items()} | {"leads": len(uids)}
    row["ratio"] = row["bulk"] / row["many connections"]
    say(f"  bulk           {row['bulk']:7.0f} leads/s: x {row['ratio']:.2f} of {row['many connections']:.0f}/s singly")
    return row


def _moved_together(server: Server, uids: list[str], stage: str) -> tuple[float, float]:
    """Seconds until all is answered, and until the first byte of it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {"Authorization": server.authorization, "Content-Type": "application/json"}
    started = time.perf_counter()
    body = json.dumps({"action": "transition", "uids": uids, "to_stage": stage})
    connection.request("POST", "/api/leads/bulk/", body, headers)
    response = connection.getresponse()
    response.read(1)
    first = time.perf_counter() - started
    answer = json.loads(b"{" + response.read())
    taken = time.perf_counter() - started
    connection.close()
    if response.status != 200 or answer["refused"]:
        raise AssertionError(f"bulk: {response.status} {str(answer)[-300:]}")
    return taken, first


def _long(server: Server, plan: Plan) -> Row:
    """Moving a lead with a very long timeline, and leads with a usual one, in turn."""
    say(f"  a lead with {plan.long:,} activities")
    uid = installation.with_activities(plan.long)
    usual = [other for other in installation.leads_in(HERE, 101) if other != uid]
    times: dict[str, list[float]] = {"long": [], "usual": []}
    for other in usual[:100]:
        for stage in (THERE, HERE):
            for name, lead in (("long", uid), ("usual", other)):
                times[name].append(timed(server, "POST", f"/api/leads/{lead}/transition/", {"to_stage": stage}))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return medians | {"ratio": medians["long"] / medians["usual"]}
