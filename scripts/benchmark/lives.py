"""What leads go through: many moved at once, very long lives, what they were like, and being merged."""

import http.client
import json
import random
import statistics
import time
from datetime import datetime
from typing import Final

from lead_crm.documents import now
from scripts.benchmark import installation, operations
from scripts.benchmark.installation import HERE, THERE
from scripts.benchmark.processes import say
from scripts.benchmark.timing import SETTLED, Plan, Row, once, timed
from scripts.benchmark.wrk import Server

MANY: Final = 10_000  # as many as one request may move


def measure(server: Server, plan: Plan) -> Row:
    found: Row = {}
    if plan.wants("bulk"):
        found["bulk"] = _bulk(server, plan)
    if plan.wants("merge"):
        found["merge"] = _merge(server)
    if plan.wants("long"):
        say(f"  a lead with {plan.long:,} activities, each a change")
        since = now()
        uid = installation.with_activities(plan.long)
        found |= {"past": _past(server, uid, since), "long": _long(server, uid)}
    return found


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


def _merge(server: Server) -> Row:
    """Two leads made one, and two again; beside moving one of them."""
    uids = installation.leads_in(HERE, 40)
    times: dict[str, list[float]] = {"merge": [], "unmerge": [], "transition": []}
    for winner, loser in zip(uids[::2], uids[1::2], strict=True):
        times["merge"].append(timed(server, "POST", f"/api/leads/{winner}/merge/", {"lead": loser}))
        times["unmerge"].append(timed(server, "POST", f"/api/leads/{winner}/unmerge/", {}))
        for stage in (THERE, HERE):
            times["transition"].append(timed(server, "POST", f"/api/leads/{winner}/transition/", {"to_stage": stage}))
    return {name: statistics.median(taken) for name, taken in times.items()}


def _long(server: Server, uid: str) -> Row:
    """Moving a lead with a very long timeline, and leads with a usual one, in turn."""
    usual = [other for other in installation.leads_in(HERE, 101) if other != uid]
    times: dict[str, list[float]] = {"long": [], "usual": []}
    for other in usual[:100]:
        for stage in (THERE, HERE):
            for name, lead in (("long", uid), ("usual", other)):
                times[name].append(timed(server, "POST", f"/api/leads/{lead}/transition/", {"to_stage": stage}))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return medians | {"ratio": medians["long"] / medians["usual"]}


def _past(server: Server, uid: str, since: datetime) -> Row:
    """The lead as it was at any moment of its life, and as it is, in turn."""
    path, dice, until = f"/api/leads/{uid}/", random.Random(1), now()
    times: dict[str, list[float]] = {"as-of": [], "get": []}
    for _ in range(100):
        moment = since + (until - since) * dice.random()
        at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        times["as-of"].append(timed(server, "GET", f"{path}as-of/?at={at}"))
        times["get"].append(timed(server, "GET", path))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return medians | {"worst": max(times["as-of"]), "ratio": medians["as-of"] / medians["get"]}
