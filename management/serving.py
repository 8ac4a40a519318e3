"""Running the CRM: the private database where there is no other, and the web server; both stopped cleanly."""

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


class Stopped(Exception):
    pass


def serve(*, host: str, port: int, workers: int, say: Say) -> int:
    """Until SIGTERM or Ctrl-C. The answer is the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        with mongo.available() as uri:
            _greet(host, port, say)
            return _supervise(uri, lambda address: _web(host, port, workers, address))
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


def _web(host: str, port: int, workers: int, uri: str) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable, "-m", "gunicorn", "lead_crm.wsgi:application",
        "--config", "python:lead_crm.gunicorn_config", "--bind", f"{host}:{port}",
        "--workers", "1" if uri.startswith("mongomock") else str(workers),
        "--threads", str(settings.ENV.WEB_THREADS),
    ]  # fmt: skip
    environment = os.environ | {"MONGODB_URI": uri, "DJANGO_SETTINGS_MODULE": "lead_crm.settings"}
    # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop everything in order.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        command, env=environment, cwd=Path(__file__).resolve().parent.parent, start_new_session=True
    )


def _supervise(uri: str, start: Callable[[str], "subprocess.Popen[bytes]"]) -> int:
    """Both are started again when they die; but a web server that cannot live is given up."""
    web, starts = start(uri), [time.monotonic()]
    try:
        while True:
            time.sleep(CHECK_EVERY_SECONDS)
            address = uri if settings.MONGODB_URI else mongod.ensure_alive(settings.DATA_DIR)
            if web.poll() is None and address == uri:
                continue
            if len([moment for moment in starts if moment > time.monotonic() - GIVEN_UP_SECONDS]) >= MOST_STARTS:
                return web.returncode or 1
            _end(web)
            uri, web = address, start(address)
            starts.append(time.monotonic())
    finally:
        _end(web)


def _end(web: "subprocess.Popen[bytes]") -> None:
    web.terminate()
    try:
        web.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        web.kill()
        web.wait()
