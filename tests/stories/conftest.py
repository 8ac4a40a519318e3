"""Each business begins with an empty database and its own preset."""

from collections.abc import Callable

import pytest

from lead_crm.documents import now
from management import setup
from tests.cast import Cast


@pytest.fixture
def business(empty: None) -> Callable[[str], Cast]:
    """`business("enrolment")`: its preset is installed; the cast works there."""

    def begin(preset: str) -> Cast:
        setup.prepare(preset, now=now())
        return Cast()

    return begin
