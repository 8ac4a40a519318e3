"""The collector is held off as long as anybody holds it, and never for good."""

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from lead_crm import unhurried


@pytest.fixture(autouse=True)
def collecting() -> None:
    assert gc.isenabled()


def test_while_anybody_holds_it() -> None:
    with unhurried.collector():
        with unhurried.collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_not_after_something_went_wrong() -> None:
    with pytest.raises(ValueError, match="wrong"), unhurried.collector():
        raise ValueError("wrong")
    assert gc.isenabled()


def test_from_many_threads_at_once() -> None:
    together = Barrier(8)

    def hold() -> bool:
        together.wait()
        held = []
        for _ in range(200):
            with unhurried.collector():
                held.append(gc.isenabled())
        return any(held)

    with ThreadPoolExecutor(8) as pool:
        assert not any(done.result() for done in [pool.submit(hold) for _ in range(8)])
    assert gc.isenabled()
