"""Counts are remembered for a moment, and nobody notices: a small one holds only until any lead is written."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from pymongo.errors import ExecutionTimeout

from lead_crm import mongo
from lead_crm.access import system
from leads import counting, store
from tests.api.merging import merge
from tests.api.steps import go, listed, relaxed
from tests.cast import NORTH, Cast, lead
from tests.stores.commands import name, noted

ROOT = Path(__file__).parent.parent.parent
NEW = "limit=1&stage=stage-new"


@pytest.fixture
def leads(cast: Cast) -> list[str]:
    relaxed(cast.root)
    return [str(lead(cast.alice, email=f"ada@mill{n}.example")["uid"]) for n in range(4)]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says, to be set."""
    clock = [1_000.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: clock[0])
    return clock


def counted(cast: Cast, query: str = NEW) -> Any:
    return listed(cast.alice, query)["count"]


def counts(cast: Cast, query: str = NEW) -> int:
    """How often a request has the database count."""
    with noted() as taken:
        listed(cast.alice, query)
    return [name(command) for command in taken].count("count")


def unnoticed(uid: str) -> None:
    """As a write whose process has not told the others."""
    mongo.collection("leads").delete_one({"type": "lead", "uid": uid})


def test_the_same_count_is_not_counted_again(cast: Cast, leads: list[str]) -> None:
    assert [counts(cast), counts(cast), counts(cast, "limit=1&stage=stage-won,stage-new")] == [1, 0, 1]


def created(cast: Cast, uids: list[str]) -> None:
    lead(cast.alice)


def moved(cast: Cast, uids: list[str]) -> None:
    assert go(cast.alice, uids[0], "stage-won").status_code == 200


def dragged(cast: Cast, uids: list[str]) -> None:
    assert cast.alice.post("/api/leads/kanban/move/", {"lead": uids[0], "to_stage": "stage-won"}).status_code == 200


def archived(cast: Cast, uids: list[str]) -> None:
    assert cast.alice.post(f"/api/leads/{uids[0]}/archive/").status_code == 200


def in_bulk(cast: Cast, uids: list[str]) -> None:
    body = {"action": "transition", "uids": uids[:2], "to_stage": "stage-won"}
    assert cast.alice.post("/api/leads/bulk/", body).status_code == 200


def merged(cast: Cast, uids: list[str]) -> None:
    assert merge(cast.alice, uids[0], uids[1]).status_code == 200


def erased(cast: Cast, uids: list[str]) -> None:
    response = cast.alice.post(f"/api/leads/{uids[0]}/privacy/erase/", {"reason": "Asked for it"})
    assert response.status_code == 200, response.content


def removed(cast: Cast, uids: list[str]) -> None:
    response = cast.root.delete(f"/api/leads/{uids[0]}/?permanently=true")
    assert response.status_code == 204, response.content


def copied(cast: Cast, uids: list[str]) -> None:
    """As the demo does it."""
    here = system([NORTH])
    read = [store.load(uid, actor=here) for uid in uids]
    store.insert_many([one.model_copy(update={"done": []}) for one, _ in read], read[0][1])


@pytest.mark.parametrize(("write", "left"), [
    (created, 5), (moved, 3), (dragged, 3), (archived, 3), (in_bulk, 2), (merged, 3), (erased, 3), (removed, 3),
    (copied, 8),
])  # fmt: skip
def test_after_a_write_it_is_right_at_once(
    cast: Cast, leads: list[str], write: Callable[[Cast, list[str]], None], left: int
) -> None:
    assert counted(cast) == 4
    write(cast, leads)
    assert counted(cast) == left


def test_so_is_a_small_board(cast: Cast, leads: list[str]) -> None:
    def first() -> Any:
        return cast.alice.get("/api/leads/kanban/?limit=1").json()[0]["count"]

    assert first() == 4
    unnoticed(leads[0])
    assert first() == 4  # remembered
    archived(cast, leads[1:])
    assert first() == 2


def test_other_processes_of_this_machine_are_told(cast: Cast, leads: list[str], now: list[float]) -> None:
    assert counted(cast) == 4
    unnoticed(leads[0])
    assert counted(cast) == 4
    elsewhere = "import django; django.setup(); from leads import counting\nwith counting.changing(): pass"
    environment = os.environ | {"DATA_DIR": str(settings.DATA_DIR)}
    subprocess.run([sys.executable, "-c", elsewhere], env=environment, check=True, cwd=ROOT)
    assert counted(cast) == 3


def test_what_another_machine_writes_is_seen_a_second_later(cast: Cast, leads: list[str], now: list[float]) -> None:
    assert counted(cast) == 4
    unnoticed(leads[0])
    now[0] += 0.9
    assert counted(cast) == 4
    now[0] += 0.2
    assert counted(cast) == 3


def test_a_write_that_fails_may_have_reached_the_database(cast: Cast, leads: list[str], now: list[float]) -> None:
    assert counted(cast) == 4
    with suppress(ConnectionError), counting.changing():
        unnoticed(leads[0])
        raise ConnectionError
    assert counted(cast) == 3


def test_what_is_written_meanwhile_is_not_missed(
    cast: Cast, leads: list[str], now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = counting._number

    def slowly(*asked: Any) -> int:
        found = number(*asked)
        with counting.changing():
            unnoticed(leads[0])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(counting, "_number", slowly)
        assert counted(cast) == 4
    assert counted(cast) == 3


def test_processes_that_cannot_be_told_remember_no_small_count(
    cast: Cast, leads: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(counting, "_changes", counting.Stamp("not/there"))
    assert [counts(cast), counts(cast)] == [1, 1]


def test_a_large_count_may_be_four_seconds_old(
    cast: Cast, leads: list[str], now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LARGE", 4)
    assert counted(cast) == 4
    created(cast, leads)
    now[0] += 3.9
    assert counted(cast) == 4
    now[0] += 0.2
    assert counted(cast) == 5


def test_what_took_too_long_is_not_tried_again_for_a_while(
    cast: Cast, leads: list[str], now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(counting, "_number", _too_slow)
        assert counted(cast) is None
    now[0] += 9
    assert counted(cast) is None
    now[0] += 2
    assert counted(cast) == 4


def _too_slow(*asked: object) -> int:
    raise ExecutionTimeout("operation exceeded time limit")
