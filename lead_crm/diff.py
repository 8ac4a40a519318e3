"""What differs between two documents, as pointers with the old and the new value; and the way back.

Compared key by key: the document itself, its custom `fields` (a key that is not there counts as null) and its
`tasks`, each under its uid. Everything below is compared, and put back, as a whole. Where the order of the tasks does
not follow from what has come and gone, it is a difference of its own, of `/tasks`: their uids.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from lead_crm.errors import escape, unescape

Difference = dict[str, Any]


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if same(before, after):
            continue
        if key == "fields":
            yield from _of_each(before or {}, after or {}, "/fields")
        elif key == "tasks":
            yield from _of_tasks(_by_uid(before), _by_uid(after))
        else:
            yield {"pointer": f"/{escape(key)}", "old": before, "new": after}


def same(one: Any, other: Any) -> bool:
    """Equal, and also of one mind about true and 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _of_each(old: dict[str, Any], new: dict[str, Any], under: str) -> Iterator[Difference]:
    for key in [*old, *(key for key in new if key not in old)]:
        if not same(old.get(key), new.get(key)):
            yield {"pointer": f"{under}/{escape(key)}", "old": old.get(key), "new": new.get(key)}


def _by_uid(tasks: list[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    return {task["uid"]: task for task in tasks or []}


def _of_tasks(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for uid in [*old, *(uid for uid in new if uid not in old)]:
        if uid in old and uid in new:
            yield from _of_each(old[uid], new[uid], f"/tasks/{uid}")
        else:
            yield {"pointer": f"/tasks/{uid}", "old": old.get(uid), "new": new.get(uid)}
    put_back = [*(uid for uid in new if uid in old), *(uid for uid in old if uid not in new)]
    if put_back != list(old):
        yield {"pointer": "/tasks", "old": list(old), "new": list(new)}


def undo(document: dict[str, Any], changes: Iterable[Difference]) -> None:
    """Turn `document` into what it was before `changes`."""
    for change in changes:
        path = [unescape(step) for step in change["pointer"][1:].split("/")]
        if path[0] == "fields":
            _put_field(document["fields"], path[1], change["old"])
        elif path == ["tasks"]:
            by_uid = _by_uid(document["tasks"])
            document["tasks"] = [by_uid[uid] for uid in change["old"]]
        elif path[0] == "tasks":
            document["tasks"] = list(_put_task(document["tasks"], path[1:], change["old"]))
        else:
            document[path[0]] = change["old"]


def _put_field(fields: dict[str, Any], key: str, old: Any) -> None:
    fields.pop(key, None)
    if old is not None:
        fields[key] = old


def _put_task(tasks: list[dict[str, Any]], path: list[str], old: Any) -> Iterator[dict[str, Any]]:
    if len(path) == 1 and old is not None and all(task["uid"] != path[0] for task in tasks):
        tasks = [*tasks, old]
    for task in tasks:
        if task["uid"] != path[0]:
            yield task
        elif len(path) > 1:
            yield task | {path[1]: old}
        elif old is not None:
            yield old
