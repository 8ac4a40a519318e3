"""Running the CRM: the private database where there is no other, web server and worker; stopped cleanly."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from django.conf import settings

from lead_crm import mongo, mongod
from management import accounts

GRACE_SECONDS: Final = 20
CHECK_EVERY_SECONDS: Final = 1.0
MOST_STARTS: Final = 3  # within GIVEN_UP_SECONDS
GIVEN_UP_SECONDS: Final = 15.0

Say = Callable[[str], object]
Process = subprocess.Popen[bytes]


class Stopped(Exception):
    pass


def serve(*, host: str, port: int, workers: int, worker: bool, say: Say) -> int:
    """Until SIGTERM or Ctrl-C. The answer is the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        with mongo.available() as uri:
            _greet(host, port, say)
            others = [] if mongo.in_memory() or not worker else [_worker]
            return _supervise(uri, lambda address: _web(host, port, workers, address), *others)
    except Stopped:
        return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _greet(host: str, port: int, say: Say) -> None:
    say(f"Lead CRM listens on http://{host}:{port}  (docs: http://{host}:{port}/api/docs/)")
    if mongo.in_memory():
        say("WARNING: nothing is kept (mongomock://), and the board and reports need a real MongoDB.")
    elif accounts.is_first():
        say("Nobody can sign in yet. In another terminal:")
        say("  .venv/bin/python manage.py create_admin --email you@example.com --name You")
        say("  .venv/bin/python manage.py create_token --email you@example.com --name laptop")


def _web(host: str, port: int, workers: int, uri: str) -> Process:
    return _process(
        uri, "-m", "gunicorn", "lead_crm.wsgi:application",
        "--config", "python:lead_crm.gunicorn_config", "--bind", f"{host}:{port}",
        "--workers", "1" if uri.startswith("mongomock") else str(workers),
        "--threads", str(settings.ENV.WEB_THREADS),
    )  # fmt: skip


def _worker(uri: str) -> Process:
    return _process(uri, "manage.py", "worker")


def _process(uri: str, *arguments: str) -> Process:
    environment = os.environ | {"MONGODB_URI": uri, "DJANGO_SETTINGS_MODULE": "lead_crm.settings"}
    # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop everything in order.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, *arguments], env=environment, cwd=Path(__file__).resolve().parent.parent,
        start_new_session=True,
    )  # fmt: skip


class Child:
    """A process that is started again when it dies, or when the database has another address."""

    def __init__(self, start: Callable[[str], Process], uri: str) -> None:
        self.start = start
        self.starts: list[float] = []
        self.run(uri)

    def run(self, uri: str) -> None:
        self.uri, self.process = uri, self.start(uri)
        self.starts = [*self.starts[1 - MOST_STARTS :], time.monotonic()]

    def lives(self, uri: str) -> bool:
        return self.process.poll() is None and self.uri == uri

    def cannot_live(self) -> bool:
        return len(self.starts) == MOST_STARTS and self.starts[0] > time.monotonic() - GIVEN_UP_SECONDS


def _supervise(uri: str, *starts: Callable[[str], Process]) -> int:
    """All are started again when they die. The first is the web server: where that cannot live, we give up."""
    children: list[Child] = []
    try:
        for start in starts:
            children.append(Child(start, uri))
        while True:
            time.sleep(CHECK_EVERY_SECONDS)
            address = uri if settings.MONGODB_URI else mongod.ensure_alive(settings.DATA_DIR)
            for child in children:
                if child.lives(address):
                    continue
                if not child.cannot_live():
                    _end(child.process)
                    child.run(address)
                elif child is children[0]:
                    return child.process.returncode or 1
    finally:
        _end(*(child.process for child in children))


def _end(*processes: Process) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
