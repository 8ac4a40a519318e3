"""Processes that the benchmark starts, and ends again by their ids."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PATIENCE: Final = 120.0
GRACE: Final = 30.0


class CannotStart(Exception):
    pass


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[object], *, log: Path, environment: Mapping[str, str], folder: Path,
    ready: Callable[[], bool], ended_by: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:  # fmt: skip
    """A process in a session of its own, so that Ctrl-C reaches us alone and we end it in order."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, **environment},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(process, ready, log)
        yield process.pid
    finally:
        _end(process, ended_by)


def _wait(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"{process.args!r} does not work:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]", ended_by: signal.Signals) -> None:
    process.send_signal(ended_by)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        for pid in [*descendants(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found, open_ones = [], [pid]
    while open_ones:
        new = children.get(open_ones.pop(), [])
        found += new
        open_ones += new
    return found


def resident(pid: int) -> float:
    """MiB in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
