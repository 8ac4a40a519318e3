"""Python's collector of cyclic garbage, held off while much is made that has no cycles.

It runs whenever some hundred objects more are alive than before, and looks in vain through the leads of a batch that is
just being read: a tenth of a bulk's time. References free them all the same.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_holding = 0


@contextmanager
def collector() -> Iterator[None]:
    """For the whole process, so only for a moment: what others leave meanwhile is collected as soon as this ends."""
    global _holding
    with _lock:
        _holding += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _holding -= 1
            if not _holding:
                gc.enable()
