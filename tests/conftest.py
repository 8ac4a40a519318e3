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

from lead_crm import audit, directory, mongo  # noqa: E402
from lead_crm.documents import now  # noqa: E402
from leads import counting  # noqa: E402
from management import reports, setup  # noqa: E402
from tests import planted  # noqa: E402
from tests.cast import Cast  # noqa: E402
from tests.stores.commands import notes  # noqa: E402
from workflow import store as workflow_store  # noqa: E402

monitoring.register(notes)  # clients made from now on tell it what they ask
planted.watch()
audit.EVERY_SECONDS = 3600  # tests write when they say so; a thread's use of chance would disturb Hypothesis


@pytest.fixture(scope="session", autouse=True)
def secrets_stay_secret() -> Iterator[None]:
    """After the last test: no log line of the whole run shows a token, a session or a password."""
    yield
    leaked = {secret[:6] + "..." for secret in planted.found_in("\n".join(planted.lines))}
    assert not leaked, f"these secrets stand in the logs: {leaked}"


@pytest.fixture(scope="session")
def mongod() -> Iterator[None]:
    with mongo.available():
        mongo.ensure_indexes()
        yield
        audit.flush()
        mongo.client().close()
        mongo.forget_client()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture
def empty(mongod: None) -> None:
    """No documents at all; the indexes stay."""
    audit.flush()  # what the last test has left
    database = mongo.collection("leads").database
    for name in database.list_collection_names():
        database[name].delete_many({})
    forget_everything()


def forget_everything() -> None:
    directory.forget()
    counting.forget()
    reports.forget()
    workflow_store.forget()


@pytest.fixture
def workflow(empty: None) -> None:
    setup.prepare("default", now=now())


@pytest.fixture
def cast(workflow: None) -> Cast:
    """Two centres with the standing cast, and a client for each of them."""
    return Cast()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests/walk has found, however many processes have walked."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    noted = [dict(report.user_properties) for report in reports if report.when == "call"]
    if walks := [walk["walk"] for walk in noted if "walk" in walk]:
        operations, requests, leaks = zip(*walks, strict=True)
        figure = f"{max(operations)} operations x {len(walks)} actors, {sum(requests):,} requests, {sum(leaks)} leaks"
        terminalreporter.write_line(f"walk: {figure}")
