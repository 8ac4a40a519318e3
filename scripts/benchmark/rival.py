"""A service written by hand with FastAPI and PostgreSQL, measured in the same sitting."""

import base64
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.benchmark import installation, operations, processes
from scripts.benchmark.operations import Operation
from scripts.benchmark.processes import say
from scripts.benchmark.timing import Plan, once
from scripts.benchmark.wrk import Figure, Request, Server

SIZE: Final = 50_000
ROUNDS: Final = 3
SECRET: Final = "bench-only-key-0123456789-0123456789"
NEEDS: Final = ("fastapi", "uvicorn[standard]", "sqlalchemy[asyncio]<2.1", "asyncpg", "pyjwt", "pydantic[email]")
WANTED: Final = {
    "get": 1.0, "list": 1.5, "list deep": 3.0, "list filtered": None, "search": 20.0, "board 20": 3.0,
    "create": 0.8, "transition": 0.8,
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Postgres:
    folder: Path
    port: int
    programs: Path

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        """PostgreSQL refuses to run as root."""
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*as_postgres, str(self.programs / program), *map(str, arguments)]

    def run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(self.command(program, *arguments), cwd="/", check=True, stdout=subprocess.DEVNULL)

    @property
    def client(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", "bench")


def compare(folder: Path, directory: Path, plan: Plan) -> Row:
    say(f"# the rival, {SIZE:,} leads")
    with installation.installed(folder, SIZE) as site:
        token = f"Bearer {site.tokens['super']}"
        ours = {each.name: each for each in (*operations.reads(site, "super"), *operations.writes())}
        deep = operations.at_depth(SIZE - 100, token)
        ours["list deep"] = Operation("list deep", lambda: [Request("GET", deep)])
        with installation.served(site) as (port, _), served(folder, directory) as rival:
            pairs = {name: (ours[name], theirs) for name, theirs in _theirs().items() if plan.wants(name)}
            return {name: _both(name, pair, site.server(port), rival, plan) for name, pair in pairs.items()}


def _both(name: str, pair: tuple[Operation, Operation], ours: Server, theirs: Server, plan: Plan) -> Row:
    figures: dict[str, list[Figure]] = {"ours": [], "theirs": []}
    sides = (("ours", pair[0], ours), ("theirs", pair[1], theirs))
    for _, operation, server in sides:
        once(operation, server, connections=plan.connections, seconds=1)
    for _ in range(max(ROUNDS, plan.rounds)):
        for side, operation, server in sides:
            figures[side].append(once(operation, server, connections=plan.connections, seconds=plan.seconds))
    row: Row = {
        side: {"rate": statistics.median(f.rate for f in found), "p99": statistics.median(f.p99 for f in found)}
        for side, found in figures.items()
    }
    row |= {"ratio": row["ours"]["rate"] / row["theirs"]["rate"], "wanted": WANTED[name]}
    say(f"  {name:14} {row['ours']['rate']:7.0f}/s, theirs {row['theirs']['rate']:7.0f}/s: x {row['ratio']:.2f}")
    return row


def _theirs() -> dict[str, Operation]:
    dice = random.Random(1)
    numbers = [dice.randint(1, SIZE) for _ in range(2_000)]
    body: Row = {
        "title": "Benchmark", "first_name": "Mira", "last_name": "Beispiel", "email": "mira.@N@@example.org",
        "phone": "+1202@D@", "status": "assigned", "source": "call", "company_name": "Wren Tools GmbH",
        "city": "Berlin", "amount": "1200.00", "probability": 10, "tags": ["newsletter"],
    }  # fmt: skip
    paths = {
        "get": [f"/leads/{number}" for number in numbers],
        "list": ["/leads?limit=20&offset=0"],
        "list deep": [f"/leads?limit=20&offset={SIZE - 100}"],
        "list filtered": ["/leads?limit=20&status=assigned&source=call"],
        "search": ["/leads?limit=20&search=globex"],
        "board 20": ["/leads/board?per_column=20"],
    }
    found = {name: [Request("GET", path) for path in each] for name, each in paths.items()}
    found["create"] = [Request("POST", "/leads", body)]
    found["transition"] = [
        Request("PATCH", f"/leads/{number}", {"status": status})
        for status in ("recycled", "in process") for number in dict.fromkeys(numbers)
    ]  # fmt: skip
    return {name: Operation(name, lambda requests=requests: requests) for name, requests in found.items()}  # type: ignore[misc]


@contextmanager
def served(folder: Path, directory: Path) -> Iterator[Server]:
    python = _interpreter(folder)
    with _postgres(folder) as postgres:
        environment = {
            "DATABASE_URL": f"postgresql+asyncpg://bench@127.0.0.1:{postgres.port}/bench", "AUTH": "1",
            "SECRET_KEY": SECRET, "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        subprocess.run([python, "create_tables.py"], cwd=directory, env=os.environ | environment, check=True)
        seed = (directory / "seed.sql").read_bytes()
        psql = postgres.command(
            "psql", *postgres.client, "-d", "bench", "-q", "-v", f"n={SIZE}", "-v", "ON_ERROR_STOP=1"
        )
        subprocess.run(psql, input=seed, cwd="/", check=True)
        postgres.run("vacuumdb", *postgres.client, "--analyze", "-q", "bench")
        port = processes.free_port()
        command = [python, "-m", "uvicorn", "app:app", "--workers", "2", "--port", str(port), "--log-level", "warning"]
        with processes.running(
            command, log=folder / "rival.log", environment=environment, folder=directory,
            ready=lambda: processes.answers(f"http://127.0.0.1:{port}/openapi.json"),
        ):  # fmt: skip
            yield Server("theirs", port, f"Bearer {_jwt()}")


def _interpreter(folder: Path) -> Path:
    """Python with what the rival needs, apart from ours."""
    home = folder / "rival-venv"
    ready, wanted = home / "ready", " ".join(NEEDS)
    if not ready.exists() or ready.read_text() != wanted:
        say("  installing what the rival needs")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS], check=True)
        ready.write_text(wanted)
    return home / "bin/python"


@contextmanager
def _postgres(folder: Path) -> Iterator[Postgres]:
    """A cluster for this run, with PostgreSQL's own defaults."""
    home = Path(tempfile.mkdtemp(prefix="lead-crm-bench-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
    try:
        postgres = Postgres(home, processes.free_port(), _programs())
        postgres.run("initdb", "-D", home / "data", "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        command = postgres.command(
            "postgres", "-D", home / "data", "-p", str(postgres.port), "-k", home, "-c", "listen_addresses=127.0.0.1"
        )
        with processes.running(
            command, log=folder / "postgres.log", environment={}, folder=Path("/"), ended_by=signal.SIGTERM,
            ready=lambda: processes.listens(postgres.port),
        ):  # fmt: skip
            time.sleep(1)
            postgres.run("createdb", *postgres.client, "bench")
            yield postgres
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    found: Sequence[Path] = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    on_path = shutil.which("initdb")
    if not (found or on_path):
        raise processes.CannotStart("The rival needs PostgreSQL: apt-get install postgresql")
    return found[-1] if found else Path(on_path or "").parent


def _jwt() -> str:
    claims = {"sub": "bench@example.com", "exp": int(time.time()) + 24 * 3600}
    unsigned = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{unsigned}.{_encoded(hmac.digest(SECRET.encode(), unsigned.encode(), hashlib.sha256))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
