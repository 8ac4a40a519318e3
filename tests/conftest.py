"""One real private mongod for the whole run; every test begins with empty collections and the default preset."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import monitoring

# Before Django reads its settings: tests never touch the data of whoever runs them.
FOLDER = Path(tempfile.mkdtemp(prefix="lead-crm-tests-"))
os.environ.update(
    DJANGO_SETTINGS_MODULE="lead_crm.settings",
    DATA_DIR=str(FOLDER),
    LOG_LEVEL="WARNING",
    MONGODB_URI="",
    MONGODB_DATABASE="lead_crm_tests",
    MONGOD_CACHE_GB="0.25",
)

import django  # noqa: E402

django.setup()

from lead_crm import directory, mongo  # noqa: E402
from lead_crm.documents import now  # noqa: E402
from leads import counting  # noqa: E402
from management import setup  # noqa: E402
from tests.cast import Cast  # noqa: E402
from tests.stores.commands import notes  # noqa: E402
from workflow import store as workflow_store  # noqa: E402

monitoring.register(notes)  # clients made from now on tell it what they ask


@pytest.fixture(scope="session")
def mongod() -> Iterator[None]:
    with mongo.available():
        mongo.ensure_indexes()
        yield
        mongo.client().close()
        mongo.forget_client()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture
def empty(mongod: None) -> None:
    """No documents at all; the indexes stay."""
    database = mongo.collection("leads").database
    for name in database.list_collection_names():
        database[name].delete_many({})
    forget_everything()


def forget_everything() -> None:
    directory.forget()
    counting.forget()
    workflow_store.forget()


@pytest.fixture
def workflow(empty: None) -> None:
    setup.prepare("default", now=now())


@pytest.fixture
def cast(workflow: None) -> Cast:
    """Two centres with the standing cast, and a client for each of them."""
    return Cast()
