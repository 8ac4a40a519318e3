"""The measurements of one installation."""

import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from scripts.benchmark import installation, lives, operations, recording
from scripts.benchmark.installation import ACTORS, Site
from scripts.benchmark.operations import Operation
from scripts.benchmark.processes import say
from scripts.benchmark.timing import Plan, Row, once, timed
from scripts.benchmark.wrk import Figure, Server

FORGOTTEN: Final = 10.3  # seconds until no count is remembered any more, nor that it was given up
COLD: Final = ("list", "list filtered", "board", "board 20")
LONG: Final = 10_000


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
        "against_floor": {each.name: _compared(each, ours, floor, plan) for each in (*by_actor["super"], *writes)},
        "alone": {actor: _alone(each, site.server(port, actor), plan) for actor, each in by_actor.items()},
        "cold": _cold(by_actor["super"], ours, 3 if plan.rounds == 1 else 10),
        "lives": lives.measure(ours, plan),
    }


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
