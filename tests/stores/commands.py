"""What the code really says to MongoDB: every command is noted, so that tests can count and explain them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import monitoring

from lead_crm import mongo

Command = dict[str, Any]

NOTED = frozenset({"find", "aggregate", "getMore", "insert", "update", "delete", "findAndModify", "count", "distinct"})
ENVELOPE = frozenset({"lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "maxTimeMS"})


class Notes(monitoring.CommandListener):
    def __init__(self) -> None:
        self.taken: list[Command] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        of_the_audit = event.command_name == "insert" and event.command["insert"] == "audit"  # once a second
        if self.taken is not None and event.command_name in NOTED and not of_the_audit:
            self.taken.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


notes = Notes()


@contextmanager
def noted() -> Iterator[list[Command]]:
    notes.taken = taken = []
    try:
        yield taken
    finally:
        notes.taken = None


def name(command: Command) -> str:
    return next(iter(command))


def kinds(commands: list[Command]) -> list[str]:
    """For messages: `find leads`, `update leads`."""
    return [f"{name(command)} {command[name(command)]}" for command in commands]


def explained(command: Command, *, verbosity: str = "queryPlanner") -> Mapping[str, Any]:
    asked = {key: value for key, value in command.items() if key not in ENVELOPE}
    return mongo.collection("leads").database.command("explain", asked, verbosity=verbosity)


def parts(plan: object, wanted: str) -> Iterator[Any]:
    """All values under a key, wherever in the plan that won; plans that lost do not count."""
    if isinstance(plan, Mapping):
        for key, value in plan.items():
            if key == wanted:
                yield value
            if key != "rejectedPlans":
                yield from parts(value, wanted)
    elif isinstance(plan, list):
        for item in plan:
            yield from parts(item, wanted)


def stages(plan: Mapping[str, Any]) -> set[str]:
    """The steps of the plan; a sort that the aggregation does by itself counts as SORT."""
    found = {stage for stage in parts(plan, "stage") if isinstance(stage, str)}
    return found | ({"SORT"} if any("$sort" in step for step in plan.get("stages", ())) else set())


def indexes(plan: Mapping[str, Any]) -> set[str]:
    return set(parts(plan, "indexName"))
