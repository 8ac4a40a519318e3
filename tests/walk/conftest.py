"""The branch is planted once for all walks, and put back as it was before each."""

import pytest

from lead_crm.documents import now
from management import setup
from tests.walk import worlds
from tests.walk.north import North
from tests.walk.worlds import World


@pytest.fixture(scope="session")
def planted(mongod: None) -> tuple[North, World]:
    worlds.enter({})
    setup.prepare("default", now=now())
    north = North()
    return north, worlds.present()


@pytest.fixture
def north(planted: tuple[North, World]) -> North:
    north, world = planted
    worlds.enter(world)
    return north
