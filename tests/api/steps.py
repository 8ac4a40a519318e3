"""What tests do again and again."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

from lead_crm import mongo
from tests.cast import lead
from tests.contract import CheckedClient

Row = dict[str, Any]


class Rows(list[Row]):
    """What all examples of a property have in common: a failing one is told without it."""

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


EVERY_STAGE = ("stage-new", "stage-contacted", "stage-qualified", "stage-proposal", "stage-won", "stage-lost")


def ready(client: CheckedClient, **values: object) -> Row:
    """A lead that may leave the first stage: what has to be done there is done."""
    made = lead(client, **values)
    for task in made["tasks"]:
        made = client.post(f"/api/leads/{made['uid']}/tasks/{task['uid']}/complete/", {}).json()
    return made


def go(client: CheckedClient, uid: str, to_stage: str, **more: object) -> Any:
    return client.post(f"/api/leads/{uid}/transition/", {"to_stage": to_stage, **more})


def read(client: CheckedClient, uid: str) -> Row:
    response = client.get(f"/api/leads/{uid}/")
    assert response.status_code == 200, response.content
    return response.json()


def relaxed(root: CheckedClient) -> None:
    """From every stage to every other, with nothing to do before."""
    for uid in EVERY_STAGE:
        others = [other for other in EVERY_STAGE if other != uid]
        body = {"allowed_next_stages": others, "task_templates": [], "kind": "open"}
        response = root.patch(f"/api/stages/{uid}/", body)
        assert response.status_code == 200, response.content


def fields(root: CheckedClient, *definitions: Row) -> None:
    """Custom fields in addition to those there are."""
    there = root.get("/api/config/").json()["variables"]
    response = root.patch("/api/config/", {"variables": [*there, *definitions]})
    assert response.status_code == 200, response.content


def listed(client: CheckedClient, query: str = "", *, path: str = "/api/leads/") -> Row:
    response = client.get(f"{path}?{query}" if query else path)
    assert response.status_code == 200, response.content
    return response.json()


def moments(rows: Iterable[Row], name: str = "at") -> list[datetime]:
    """To be compared: as text, a whole second would stand behind its own milliseconds."""
    return [datetime.fromisoformat(row[name]) for row in rows]


def uids(rows: Iterable[Row]) -> list[str]:
    return [row["uid"] for row in rows]


def found(client: CheckedClient, query: str) -> set[str]:
    return set(uids(listed(client, query)["results"]))


def local(address: str) -> str:
    return address.removeprefix("http://testserver")


def pages(client: CheckedClient, address: str | None, *, way: str = "next") -> Iterator[Row]:
    """This page and all that follow it."""
    while address:
        response = client.get(local(address))
        assert response.status_code == 200, response.content
        yield response.json()
        address = response.json()[way]


def walked(client: CheckedClient, address: str) -> list[Row]:
    return [row for page in pages(client, address) for row in page["results"]]


def column(client: CheckedClient, stage: str, query: str = "limit=200") -> Row:
    response = client.get(f"/api/leads/kanban/?{query}")
    assert response.status_code == 200, response.content
    return next(one for one in response.json() if one["uid"] == stage)


def cards(client: CheckedClient, stage: str, query: str = "limit=200") -> list[str]:
    return uids(column(client, stage, query)["leads"])


def twin(client: CheckedClient) -> CheckedClient:
    """The same person at another machine."""
    return CheckedClient(token=client.token)


def at_once(works: Iterable[Callable[[], Any]], *, workers: int = 16) -> list[Any]:
    """Each in a thread of its own, the first `workers` of them in the same instant."""
    waiting = list(works)
    start = Barrier(min(workers, len(waiting)))

    def run(numbered: tuple[int, Callable[[], Any]]) -> Any:
        number, work = numbered
        if number < start.parties:
            start.wait()
        return work()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, enumerate(waiting)))


def statuses(responses: Iterable[Any]) -> list[int]:
    return sorted(response.status_code for response in responses)


def codes(response: Any) -> set[tuple[str, str]]:
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


def rewrite(uid: str, **values: object) -> None:
    """Change what is stored behind the back of the app: to make things old."""
    values = {key.replace("__", "."): value for key, value in values.items()}
    result = mongo.collection("leads").update_one({"type": "lead", "uid": uid}, {"$set": values})
    assert result.matched_count
