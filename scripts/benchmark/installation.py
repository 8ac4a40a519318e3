"""An installation of the CRM to measure: its data, its people and its server."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from lead_crm import access, audit, directory, mongo
from lead_crm.documents import now
from lead_crm.errors import NotFound
from leads import service, store
from leads.messages import ActivityIn
from management import accounts, demo, setup
from scripts.benchmark import processes
from scripts.benchmark.processes import say
from scripts.benchmark.wrk import Server
from workflow import service as workflow_service

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CENTERS: Final = ("north", "south", "east", "west", "central")
HERE, THERE = "stage-contacted", "stage-qualified"  # leads may go to and fro between these two
FROM_SCRATCH: Final = 100_000  # more leads than this are loaded before their indexes are built
# One token asks as often as a thousand people would, and one machine stands for many clients.
UNLIMITED: Final = {"REQUESTS_PER_MINUTE": "100000000", "TRUSTED_PROXIES": "127.0.0.1"}
ACTORS: Final = {
    "super": ("super@example.com", "super_admin", ()),
    "centre": ("admin-north@example.com", "center_admin", ("north",)),
    "agent": ("agent-north-1@example.com", "agent", ("north",)),
}


@dataclass
class Site:
    """What is running, while it is running."""

    folder: Path
    size: int
    tokens: dict[str, str] = field(default_factory=dict)
    load_rate: float = 0.0

    def server(self, port: int, actor: str = "super") -> Server:
        return Server("ours", port, f"Bearer {self.tokens[actor]}")


@contextmanager
def installed(folder: Path, size: int) -> Iterator[Site]:
    """Data of the size asked for, in a database of its own. Kept for the next time if the folder is."""
    settings.DATA_DIR = folder
    os.environ["DATA_DIR"] = str(folder)
    with mongo.available():
        try:
            setup.prepare("default", now=now())
            _let_leads_return()
            site = Site(folder, size, _people())
            _load(site)
            yield site
        finally:
            audit.flush()
            mongo.client().close()
            mongo.forget_client()
            directory.forget()


def _let_leads_return() -> None:
    stage = workflow_service.read_stage(THERE)
    if HERE not in stage.allowed_next_stages:
        changes = {"allowed_next_stages": [*stage.allowed_next_stages, HERE]}
        workflow_service.change_stage(THERE, changes, actor=access.system(directory.centers()), now=now())


def _people() -> dict[str, str]:
    for center in CENTERS:
        if not accounts.centers.first({"uid": center}):
            accounts.add_center(uid=center, name=center.title(), at=now())
        _account(f"admin-{center}@example.com", "center_admin", (center,))
        for i in (1, 2, 3):
            _account(f"agent-{center}-{i}@example.com", "agent", (center,))
    directory.forget()
    members = {name: _account(*who) for name, who in ACTORS.items()}
    return {name: accounts.create_token(account, name="benchmark", at=now()) for name, account in members.items()}


def _account(email: str, role: str, centers: tuple[str, ...]) -> accounts.Account:
    try:
        return accounts.with_email(email)
    except NotFound:
        return accounts.create(email=email, name=email.partition("@")[0], roles=[role], centers=centers, at=now())


def _load(site: Site) -> None:
    started = now()
    missing = site.size - store.number_of_leads()
    if missing >= FROM_SCRATCH:
        for model in mongo.INDEXES["leads"]:
            if model.document["name"] not in ("identity", "claims"):
                mongo.collection("leads").drop_index(model.document["name"])
    made = demo.top_up(site.size, now=now(), say=sys.stderr)
    mongo.ensure_indexes()
    seconds = max((now() - started).total_seconds(), 0.001)
    site.load_rate = made / seconds
    say(f"{made:,} leads loaded in {seconds:.0f} s, indexes included ({site.load_rate:,.0f}/s).")


@contextmanager
def served(site: Site) -> Iterator[tuple[int, int]]:
    """As `make run` does. Gives port and process id."""
    port = processes.free_port()
    command = [ROOT / ".venv/bin/python", "manage.py", "serve", "--port", str(port)]
    with processes.running(
        command, log=site.folder / "server.log", environment={"DATA_DIR": str(site.folder)} | UNLIMITED, folder=ROOT,
        ready=lambda: processes.answers(f"http://127.0.0.1:{port}/health/"),
    ) as pid:  # fmt: skip
        yield port, pid


def leads_in(stage: str, number: int, **more: Any) -> list[str]:
    """Some leads of a stage, of all ages."""
    where = access.visible(access.system(directory.centers())) | {"current_stage": stage, "status": "open"} | more
    rows = mongo.collection("leads").find(where, {"uid": 1, "_id": 0}).limit(number * 3)
    uids = [row["uid"] for row in rows]
    random.Random(1).shuffle(uids)
    return uids[:number]


def with_activities(number: int) -> str:
    """A lead with a long timeline, written line by line as people would."""
    uid = leads_in(HERE, 1)[0]
    actor = access.system(directory.centers())
    for i in range(number):
        service.add_activity(uid, ActivityIn(body=f"Line {i}"), actor=actor, now=now(), once=None)
        if (i + 1) % 2_000 == 0:
            say(f"  {i + 1:,} activities written")
    return uid


def memory(pid: int, folder: Path) -> dict[str, float]:
    """MiB: the web workers (children of the master that `serve` started) and the database."""
    workers = [child for master in _children(pid) for child in _children(master)]
    mongod = int((folder / "mongo/data/mongod.lock").read_text())
    return {
        "worker": max(map(processes.resident, workers), default=0.0),
        "workers": sum(map(processes.resident, workers)),
        "mongod": processes.resident(mongod),
    }


def _children(pid: int) -> list[int]:
    below = processes.descendants(pid)
    deeper = {grandchild for child in below for grandchild in processes.descendants(child)}
    return [child for child in below if child not in deeper]
