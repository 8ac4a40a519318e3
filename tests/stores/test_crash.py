"""kill -9 in the middle of writes: what has been answered is there afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pymongo import MongoClient

from lead_crm import mongod

ROOT = Path(__file__).parents[2]
WRITER = """
import json, sys
import django
django.setup()
from pymongo.errors import PyMongoError
from lead_crm import directory, mongo
from lead_crm.access import system
from lead_crm.documents import now
from leads import arriving
from leads.messages import LeadIn
from management import setup

setup.prepare("default", now=now())
actor = system(directory.centers())
while True:
    body = LeadIn(name="Ada", fields={"budget": "1"})
    try:
        lead = arriving.create(body, actor=actor, now=now(), once=None).lead
    except PyMongoError as error:
        print(json.dumps({"failed": type(error).__name__}), flush=True)
    else:
        print(json.dumps({"created": lead.uid}), flush=True)
"""


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    with mongod.running(tmp_path) as address:
        yield address


@pytest.fixture
def writer(uri: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = os.environ | {
        "MONGODB_URI": uri, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "lead_crm.settings",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", WRITER], cwd=ROOT, env=environment, text=True, stdout=-1)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def answers(writer: "subprocess.Popen[str]", number: int) -> list[str]:
    """The next so many leads that were answered for."""
    created: list[str] = []
    assert writer.stdout
    while len(created) < number:
        line = json.loads(writer.stdout.readline())
        created += [line["created"]] if "created" in line else []
    return created


def kill(data: Path) -> None:
    server = mongod._find(data / "mongo")
    assert server
    os.kill(server.process, signal.SIGKILL)
    while mongod._find(data / "mongo"):
        time.sleep(0.01)


def test_every_lead_that_was_answered_survives_a_kill_of_the_database(
    writer: "subprocess.Popen[str]", uri: str, tmp_path: Path
) -> None:
    created = []
    for _ in range(2):
        created += answers(writer, 40)
        kill(tmp_path)
        assert mongod.ensure_alive(tmp_path) == uri
    created += answers(writer, 40)
    writer.kill()
    created += [line["created"] for line in map(json.loads, writer.communicate()[0].splitlines()) if "created" in line]
    with MongoClient(uri) as client:
        kept = [row["uid"] for row in client[settings.MONGODB_DATABASE].leads.find({"type": "lead"}, {"uid": 1})]
        drawn = client[settings.MONGODB_DATABASE].counters.find_one()["drawn"]
    assert len(created) == len(set(created)) >= 120
    assert set(created) <= set(kept)
    assert drawn >= len(kept)
