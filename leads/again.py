"""Again, when another writer was first."""

import random
import time
from collections.abc import Iterator
from typing import Final

from lead_crm.errors import Conflict

ATTEMPTS: Final = 100


def attempts() -> Iterator[None]:
    """So many times, with a short pause in between that lets others pass."""
    for number in range(ATTEMPTS):
        yield
        time.sleep(random.uniform(0, 0.002 * min(number, 10)))  # noqa: S311 - only to let others pass


def busy(what: str = "this lead") -> Conflict:
    return Conflict(f"Others keep changing {what} at this moment. Try again.", code="busy")
