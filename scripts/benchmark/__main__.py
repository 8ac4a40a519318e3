"""The command line: `scripts/bench --help`."""

import argparse
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

# Before Django reads its settings: whatever this machine's CRM uses, the benchmark has a database of its own.
os.environ.update(DJANGO_SETTINGS_MODULE="lead_crm.settings", MONGODB_URI="", DATA_DIR=tempfile.gettempdir())
os.environ.setdefault("LOG_LEVEL", "INFO")

import django

django.setup()
logging.getLogger("lead_crm.request").setLevel(logging.WARNING)  # here; the server logs as it always does

from scripts.benchmark import measuring, people, rival, tables  # noqa: E402
from scripts.benchmark.processes import CannotStart, say  # noqa: E402
from scripts.benchmark.timing import Plan  # noqa: E402
from scripts.benchmark.wrk import Refused  # noqa: E402


def main() -> None:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # both by name: a shell may have started us with Ctrl-C ignored
        signal.signal(number, _stop)
    if not shutil.which("wrk"):
        sys.exit("The benchmark needs wrk: apt-get install wrk")
    plan = Plan(
        names=tuple(options.ops), seconds=1 if options.quick else options.seconds, rounds=1 if options.quick else 2,
        connections=options.connections, long=500 if options.quick else measuring.LONG,
    )  # fmt: skip
    try:
        with _folder(options.data_dir) as folder:
            _run(options, plan, folder)
    except (CannotStart, Refused, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; everything that was started has been ended.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure the CRM over HTTP. See docs/benchmark.md."
    )
    parser.add_argument("--sizes", type=_numbers, default=[], help="numbers of leads, for example 10000,1000000")
    parser.add_argument(
        "--ops", type=lambda text: text.split(","), default=[], help="only these, for example get,board"
    )
    parser.add_argument("--seconds", type=float, default=4, help="length of each run")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="runs of one second: does it work at all?")
    parser.add_argument("--rival", type=Path, metavar="DIR", help="also measure the service in this folder")
    parser.add_argument("--people", type=int, metavar="SIZE", help="sign-ins, captures, what audit and scope cost")
    parser.add_argument("--data-dir", type=Path, help="keep the data here for the next time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if not (options.sizes or options.rival or options.people):
        parser.error("say --sizes, --people or --rival, or several of them")
    return options


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="lead-crm-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _run(options: argparse.Namespace, plan: Plan, folder: Path) -> None:
    found: dict[str, Any] = {"sizes": [], "people": {}, "rival": {}}
    for size in options.sizes:
        found["sizes"].append(measuring.measure(_made(folder / str(size)), size, plan))
        print(tables.of_size(found["sizes"][-1], plan.connections), flush=True)
        _keep(options.json, found)
    if len(options.sizes) > 1:
        print(tables.flatness(found["sizes"]), flush=True)
    if options.people:
        found["people"] = people.measure(_made(folder / str(options.people)), options.people, plan)
        print(tables.people(found["people"]), flush=True)
        _keep(options.json, found)
    if options.rival:
        found["rival"] = rival.compare(_made(folder / "rival"), options.rival.resolve(), plan)
        print(tables.rival(found["rival"]), flush=True)
        _keep(options.json, found)
    say("Done.")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(file: Path | None, found: dict[str, Any]) -> None:
    if file:
        file.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
