"""Python's collector of cyclic garbage, made to run seldom while much is made that has no cycles.

It runs whenever some hundred objects more are alive than before, and looks in vain through the leads of a batch that is
just being read: a tenth of a bulk's time and more. References free them all the same.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

SELDOM: Final = 500_000  # objects: so much garbage of others may wait, also where somebody takes his time

_lock = Lock()
_usual: list[tuple[int, int, int]] = []  # of each who wants it, what was so before


@contextmanager
def collector() -> Iterator[None]:
    """For the whole process, while anybody wants it."""
    with _lock:
        _usual.append(gc.get_threshold())
        gc.set_threshold(SELDOM, *_usual[0][1:])
    try:
        yield
    finally:
        with _lock:
            before, _ = _usual[0], _usual.pop()
            if not _usual:
                gc.set_threshold(*before)
