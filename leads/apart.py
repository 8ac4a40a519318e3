"""What a lead that was a part of another for a while has left in that one's record: and the record without it.

A stay is the versions at which it was a part; the version at its stop is the one that let it go.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from leads import erasing
from leads.documents import Activity, ChangeSet, Lead, Timeline

Record = TypeVar("Record", Lead, Timeline)


@dataclass(frozen=True, slots=True)
class Gone:
    """Leads of one person, and their tasks, which they brought along."""

    uids: frozenset[str]
    tasks: frozenset[str]


def gone(leads: Sequence[Lead]) -> Gone:
    tasks = (task.uid for lead in leads for task in lead.tasks)
    return Gone(frozenset(lead.uid for lead in leads), frozenset(tasks))


def winners(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Of which other leads this one was a part, by what its own timeline says."""
    said = (line["meta"] for line in lines if line["kind"] == "merge")
    left = (meta["lead"] for meta in said if meta["event"] == "unmerged" and "merged_at" in meta)
    return list(dict.fromkeys(left))


def stays(changes: Iterable[ChangeSet], who: Gone) -> Iterator[range]:
    """The version that lets a part go says since when it was there: nothing else is needed to know the stay."""
    for entry in changes:
        for change in entry.changes:
            if change["pointer"] == "/merged":
                there = {part["uid"] for part in change["new"]}
                left = (part for part in change["old"] if part["uid"] not in there)
                yield from (
                    range(part["version"], entry.version)
                    for part in left if not who.uids.isdisjoint((part["uid"], *part["below"]))
                )  # fmt: skip


def cleaned(record: Record, found: Sequence[range], who: Gone) -> Record:
    """Without what was changed during the stays: no way leads back to before their ends any more."""
    return record.model_copy(update={
        "changes": [_ended(entry, found) for entry in record.changes if not _during(entry.version, found)],
        "activities": [erasing.activity(line) if _about(line, who) else line for line in record.activities],
    })  # fmt: skip


def timeline(old: Timeline, found: Sequence[range], who: Gone) -> Timeline:
    version = int(old.uid.rpartition(":")[2])
    state = None if _during(version, found) else old.state
    return cleaned(old, found, who).model_copy(update={"state": state})


def _during(version: int, found: Sequence[range]) -> bool:
    return any(version in stay for stay in found)


def _ended(entry: ChangeSet, found: Sequence[range]) -> ChangeSet:
    """That it was written is told, so that the lead can be read as it was from then on."""
    ends = any(entry.version == stay.stop for stay in found)
    return entry.model_copy(update={"changes": [], "events": []}) if ends else entry


def _about(line: Activity, who: Gone) -> bool:
    """What was said when they came and left, and of their tasks by their titles."""
    return (line.kind == "merge" and line.meta.get("lead") in who.uids) or (
        line.kind == "task" and line.meta.get("task") in who.tasks
    )
