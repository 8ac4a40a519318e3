"""Which query the CRM sends for which request, told by the driver itself."""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.test import Client
from pymongo import monitoring

from lead_crm import mongo
from scripts.benchmark import processes
from scripts.benchmark.installation import ROOT, Site
from scripts.benchmark.wrk import Request, Server

OURS: Final = {"sort", "hint", "limit", "skip"}


class Heard(monitoring.CommandListener):
    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate") and _of_leads(event.command.get("filter")):
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def _of_leads(asked: Any) -> bool:
    """Not who is asking, and not the workflow: both are remembered."""
    return asked is None or asked.get("type") == "lead" or "$or" in asked


heard = Heard()
monitoring.register(heard)  # before there is a client


def ask(path: str, authorization: str) -> Any:
    response = Client().get(path, HTTP_AUTHORIZATION=authorization)
    if response.status_code != 200:
        raise AssertionError(f"{path}: {response.status_code} {response.content[:500]!r}")
    return response.json()


def _query(path: str, authorization: str) -> dict[str, Any]:
    heard.commands.clear()
    ask(path, authorization)
    command = heard.commands[0]
    if "pipeline" in command:
        options = {"hint": command["hint"]} if "hint" in command else {}
        return {"pipeline": command["pipeline"], "options": options}
    options = {name: command[name] for name in OURS & command.keys()}
    if "sort" in options:
        options["sort"] = list(options["sort"].items())
    one = command.get("limit") == 1 and command.get("singleBatch", False)
    return {"filter": command["filter"], "projection": command.get("projection"), "options": options, "one": one}


def record(requests: Iterable[tuple[str, Request]], file: Path) -> None:
    """`requests` are GETs with who sends them."""
    recorded: dict[str, Any] = {}
    for authorization, request in requests:
        if request.method == "GET":
            recorded.setdefault(authorization, {})[request.path] = _query(request.path, authorization)
    recorded["template"] = mongo.collection("leads").find_one({"type": "lead"}, {"_id": 0})
    file.write_bytes(pickle.dumps(recorded))


@contextmanager
def floor(site: Site, queries: Path) -> Iterator[Server]:
    """A second gunicorn with the settings of the first one, over the same database."""
    port = processes.free_port()
    command = [
        ROOT / ".venv/bin/python", "-m", "gunicorn", "lead_crm.wsgi:application",
        "--config", "python:lead_crm.gunicorn_config", "--bind", f"127.0.0.1:{port}",
        "--workers", str(settings.ENV.WEB_WORKERS), "--threads", str(settings.ENV.WEB_THREADS),
    ]  # fmt: skip
    environment = {
        "DJANGO_SETTINGS_MODULE": "scripts.benchmark.floor_settings", "FLOOR_QUERIES": str(queries),
        "MONGODB_URI": mongo.uri(), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    with processes.running(
        command, log=site.folder / "floor.log", environment=environment, folder=ROOT,
        ready=lambda: processes.listens(port),
    ):  # fmt: skip
        yield Server("floor", port, f"Bearer {site.tokens['super']}")
