"""The workflow in the database, and the one copy per version that this process remembers."""

import time
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from lead_crm import mongo
from lead_crm.store import Store
from workflow.documents import Config, LogEntry, Stage
from workflow.workflow import Workflow

configs: Final = Store(Config, kind="config")
stages: Final = Store(Stage, kind="stage")
log: Final = Store(LogEntry, kind="workflow_log", collection="workflow_log")

CONFIG: Final = {"type": "config", "uid": "default"}
RECENT_SECONDS: Final = 2.0

_known: dict[str, Any] = {"workflow": None, "checked_at": 0.0}


def forget() -> None:
    _known.update(workflow=None, checked_at=0.0)


def current() -> Workflow | None:
    """The workflow as it stands now; None before it is set up."""
    row = mongo.collection("leads").find_one(CONFIG, {"version": 1})
    return at(row["version"]) if row else None


def recent() -> Workflow | None:
    """For readers: at most two seconds old. Writers ask with the lead itself (`leads.store`)."""
    known: Workflow | None = _known["workflow"]
    if known is not None and time.monotonic() - _known["checked_at"] < RECENT_SECONDS:
        return known
    return current()


def at(version: int) -> Workflow | None:
    """The workflow of this version, or a newer one where it has moved on meanwhile."""
    known: Workflow | None = _known["workflow"]
    if known is None or known.version != version:
        known = _load()
    _known.update(workflow=known, checked_at=time.monotonic())
    return known


def _load() -> Workflow | None:
    """Config and stages in one query: publishing is one transaction, so both are of one version."""
    rows = list(mongo.collection("leads").find({"type": {"$in": ["config", "stage"]}}))
    config = [configs.load(row) for row in rows if row["type"] == "config"]
    if not config:
        return None
    return Workflow(config[0], [stages.load(row) for row in rows if row.get("type") == "stage"])


def publish(before: Workflow | None, after: Workflow, entry: LogEntry) -> bool:
    """Write all that differs, in one transaction; False when another writer was first."""

    def work(session: ClientSession | None) -> bool:
        if before is None:
            configs.insert(after.config, session=session)
        elif not configs.replace(after.config, read=before.version, session=session):
            return False
        _write_stages(before, after, session)
        log.insert(entry, session=session)
        return True

    try:
        return mongo.transaction(work)
    except DuplicateKeyError:
        return False


def _write_stages(before: Workflow | None, after: Workflow, session: ClientSession | None) -> None:
    old = before.by_uid if before else {}
    for uid, stage in after.by_uid.items():
        if uid not in old:
            stages.insert(stage, session=session)
        elif stage.version != old[uid].version:
            stages.replace(stage, read=old[uid].version, session=session)
    for uid in old.keys() - after.by_uid.keys():
        stages.delete(uid, session=session)


def changes_since(subject: str, version: int) -> list[LogEntry]:
    return list(log.find({"subject": subject, "subject_version": {"$gt": version}}))


def preset() -> str | None:
    """The preset that the present workflow began as."""
    row = mongo.collection("workflow_log").find_one(
        {"type": "workflow_log", "action": "set_up"}, sort=[("created_at", -1)]
    )
    return row["reason"] if row else None
