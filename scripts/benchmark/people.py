"""What people and the public cost: sign-ins, captures, the audit, and seeing only a part."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from lead_crm import mongo
from lead_crm.documents import now
from lead_crm.errors import NotFound
from management import accounts
from scripts.benchmark import installation, operations, processes
from scripts.benchmark.installation import ACTORS, ROOT, UNLIMITED, Site
from scripts.benchmark.operations import Operation
from scripts.benchmark.processes import say
from scripts.benchmark.timing import Plan, once
from scripts.benchmark.wrk import Request, Server

PASSWORD: Final = "seven quiet harbours"
PARALLEL: Final = 50
NAMES: Final = ("get", "list", "board")

Row = dict[str, Any]


def measure(folder: Path, size: int, plan: Plan) -> Row:
    say(f"# people and the public, {size:,} leads")
    with installation.installed(folder, size) as site:
        logins = [_login(number) for number in range(PARALLEL)]
        reads = {actor: [o for o in operations.reads(site, actor) if o.name in NAMES] for actor in ACTORS}
        with installation.served(site) as (port, pid), _unaudited(site) as bare:
            ours = site.server(port)
            memory = _parallel(port, pid, folder, logins)  # first: what hashing takes is kept for the next time
            return {
                "audit": {each.name: _audited(each, ours, bare, plan) for each in reads["super"]},
                "scope": _scoped(site, port, reads, plan),
                "sign_in": _rate("sign in", Operation("sign in", lambda: logins), ours, plan),
                "memory": memory,
                "capture": _rate(
                    "capture", _captures(), Server("ours", port, ours.authorization, addresses=True), plan
                ),
                "create": _rate("create", operations.writes()[0], ours, plan),
            }


def _login(number: int) -> Request:
    email = f"someone-{number}@example.com"
    try:
        accounts.with_email(email)
    except NotFound:
        accounts.create(email=email, name="Someone", roles=["viewer"], centers=["north"], password=PASSWORD, at=now())
    return Request("POST", "/api/auth/login/", {"email": email, "password": PASSWORD})


@contextmanager
def _unaudited(site: Site) -> Iterator[Server]:
    port = processes.free_port()
    command = [
        ROOT / ".venv/bin/python", "-m", "gunicorn", "lead_crm.wsgi:application",
        "--config", "python:lead_crm.gunicorn_config", "--bind", f"127.0.0.1:{port}",
        "--workers", str(settings.ENV.WEB_WORKERS), "--threads", str(settings.ENV.WEB_THREADS),
    ]  # fmt: skip
    environment = UNLIMITED | {
        "DJANGO_SETTINGS_MODULE": "scripts.benchmark.unaudited_settings", "MONGODB_URI": mongo.uri(),
        "PYTHONPATH": str(ROOT), "DATA_DIR": str(site.folder),
    }  # fmt: skip
    with processes.running(
        command, log=site.folder / "unaudited.log", environment=environment, folder=ROOT,
        ready=lambda: processes.answers(f"http://127.0.0.1:{port}/health/"),
    ):  # fmt: skip
        yield Server("unaudited", port, f"Bearer {site.tokens['super']}")


def _audited(operation: Operation, ours: Server, bare: Server, plan: Plan) -> Row:
    """With and without, in turns; the ratio is of the best runs, which the machine disturbed least."""
    rates: dict[str, list[float]] = {"ours": [], "unaudited": []}
    for server in (ours, bare):
        once(operation, server, connections=plan.connections, seconds=1)
    for _ in range(max(5, plan.rounds)):
        for server in (ours, bare):
            figure = once(operation, server, connections=plan.connections, seconds=plan.seconds)
            rates[server.name].append(figure.rate)
    row = {"with": max(rates["ours"]), "without": max(rates["unaudited"])}
    say(f"  {operation.name:8} with audit {row['with']:6.0f}/s, without {row['without']:6.0f}/s")
    return row | {"share": row["with"] / row["without"], "rates": rates}


def _scoped(site: Site, port: int, reads: dict[str, list[Operation]], plan: Plan) -> Row:
    """p50 on one connection: of all centres, of one, and of one's own."""
    found: Row = {name: {actor: [] for actor in ACTORS} for name in NAMES}
    for _ in range(5):
        for actor in ACTORS:
            for each in reads[actor]:
                figure = once(each, site.server(port, actor), connections=1, seconds=max(1, plan.seconds / 2))
                found[each.name][actor].append(figure.p50)
    return {name: {actor: min(times) for actor, times in row.items()} for name, row in found.items()}


def _rate(name: str, operation: Operation, server: Server, plan: Plan) -> float:
    rates = [once(operation, server, connections=plan.connections, seconds=plan.seconds).rate for _ in range(3)]
    say(f"  {name}: {max(rates):.0f}/s")
    return max(rates)


def _captures() -> Operation:
    body = {
        "name": "Mira Beispiel", "email": "mira.@N@@wren-tools.example", "phone": "+1 202 @D@",
        "message": "Please call me back.", "center": "north",
    }  # fmt: skip
    return Operation("capture", lambda: [Request("POST", "/api/public/leads/", body)], writes=True)


def _parallel(port: int, pid: int, folder: Path, logins: list[Request]) -> Row:
    """MiB of all web workers before and, at most, while fifty people sign in at the same moment."""
    before, peak, over = installation.memory(pid, folder)["workers"], [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], installation.memory(pid, folder)["workers"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    _at_once([lambda login=login: _sign_in(port, login) for login in logins])  # type: ignore[misc]
    taken = time.perf_counter() - started
    over.set()
    watcher.join()
    say(f"  {len(logins)} sign-ins at once: {taken:.1f} s, workers {before:.0f} -> {peak[0]:.0f} MiB")
    return {"before": before, "peak": peak[0], "seconds": taken, "people": len(logins)}


def _at_once(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _sign_in(port: int, login: Request) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", login.path, json.dumps(login.body), {"Content-Type": "application/json"})
    if (status := connection.getresponse().status) != 200:
        raise AssertionError(f"a sign-in was answered with {status}")
