"""The collector runs seldom as long as anybody wants that, and then as before."""

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from lead_crm import unhurried

USUAL = gc.get_threshold()
SELDOM = (unhurried.SELDOM, *USUAL[1:])


def test_while_anybody_wants_it() -> None:
    with unhurried.collector():
        with unhurried.collector():
            assert gc.get_threshold() == SELDOM
        assert gc.get_threshold() == SELDOM
    assert gc.get_threshold() == USUAL


def test_not_after_something_went_wrong() -> None:
    with pytest.raises(ValueError, match="wrong"), unhurried.collector():
        raise ValueError("wrong")
    assert gc.get_threshold() == USUAL


def test_from_many_threads_at_once() -> None:
    together = Barrier(8)

    def hold() -> set[tuple[int, int, int]]:
        together.wait()
        seen = set()
        for _ in range(200):
            with unhurried.collector():
                seen.add(gc.get_threshold())
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert [done.result() for done in [pool.submit(hold) for _ in range(8)]] == [{SELDOM}] * 8
    assert gc.get_threshold() == USUAL
