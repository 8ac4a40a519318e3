"""kill -9 in the middle of a bulk: whoever repeats it goes on, and no lead is done twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from lead_crm import access, directory, mongo
from lead_crm.documents import now
from leads import bulk, gate
from leads.bulk import Target, Work
from leads.gate import Move
from tests.cast import Cast, lead

ROOT = Path(__file__).parents[2]
MOVER = """
import sys
import django
django.setup()
from lead_crm import access, directory
from lead_crm.documents import now
from leads import bulk, gate
from leads.bulk import Target, Work
from leads.gate import Move

bulk.BATCH = 5
targets = [Target(uid) for uid in sys.stdin.read().split()]
wish = Move("stage-won", reason="x", force=True)
work = Work(lambda lead, ask: gate.move(lead, wish, ask), access.system(directory.centers()), now(), "the same")
for verdicts in bulk.done(bulk.batches(targets), work):
    print(len(verdicts), flush=True)
"""


@pytest.mark.parametrize("batches", [1, 3])
def test_what_was_done_before_a_kill_is_not_done_again(cast: Cast, batches: int) -> None:
    uids = [str(lead(cast.alice)["uid"]) for _ in range(100)]
    environment = os.environ | {"MONGODB_URI": mongo.uri(), "MONGODB_DATABASE": settings.MONGODB_DATABASE}
    mover = subprocess.Popen(
        [sys.executable, "-c", MOVER], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert mover.stdin
    assert mover.stdout
    mover.stdin.write(" ".join(uids))
    mover.stdin.close()
    for _ in range(batches):
        assert mover.stdout.readline().strip() == "5"
    mover.send_signal(signal.SIGKILL)
    mover.wait()
    mover.stdout.close()
    moved = mongo.collection("leads").count_documents({"type": "lead", "current_stage": "stage-won"})
    assert 5 * batches <= moved < 100
    wish = Move("stage-won", reason="x", force=True)
    # Some have been moved on since: those would be moved again, did they not know.
    mongo.collection("leads").update_many({"current_stage": "stage-won"}, {"$set": {"current_stage": "stage-lost"}})
    work = Work(lambda one, ask: gate.move(one, wish, ask), access.system(directory.centers()), now(), "the same")
    again = [v for part in bulk.done(bulk.batches([Target(uid) for uid in uids]), work) for v in part]
    assert [(verdict.uid, verdict.ok) for verdict in again] == [(uid, True) for uid in uids]
    rows = list(mongo.collection("leads").find({"type": "lead"}, {"history.stage": 1, "current_stage": 1}))
    assert [len(row["history"]) for row in rows] == [2] * 100
    assert sum(row["current_stage"] == "stage-lost" for row in rows) == moved
