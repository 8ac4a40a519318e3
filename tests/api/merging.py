"""What the tests of merging do again and again."""

from typing import Any

from lead_crm import mongo
from tests.cast import lead
from tests.contract import CheckedClient

Row = dict[str, Any]


def two(client: CheckedClient, first: Row | None = None, second: Row | None = None) -> tuple[str, str]:
    """The one that stays, and the one that becomes a part of it."""
    return str(lead(client, **(first or {}))["uid"]), str(lead(client, **(second or {}))["uid"])


def merge(client: CheckedClient, winner: str, loser: str, body: Row | None = None, **headers: str) -> Any:
    return client.post(f"/api/leads/{winner}/merge/", {"lead": loser} | (body or {}), **headers)


def merged(client: CheckedClient, winner: str, loser: str, **body: object) -> Row:
    response = merge(client, winner, loser, body)
    assert response.status_code == 200, response.content
    after: Row = response.json()
    return after


def unmerge(client: CheckedClient, winner: str, body: Row | None = None, **headers: str) -> Any:
    return client.post(f"/api/leads/{winner}/unmerge/", body or {}, **headers)


def unmerged(client: CheckedClient, winner: str, **body: object) -> Row:
    response = unmerge(client, winner, body)
    assert response.status_code == 200, response.content
    after: Row = response.json()
    return after


def note(client: CheckedClient, uid: str, body: str, kind: str = "note") -> Row:
    response = client.post(f"/api/leads/{uid}/activities/", {"body": body, "kind": kind})
    assert response.status_code == 201, response.content
    made: Row = response.json()
    return made


def stored(uid: str) -> Row:
    """Behind the back of the app, but for what only the database knows."""
    row: Any = mongo.collection("leads").find_one({"type": "lead", "uid": uid}, {"_id": 0})
    return dict(row)
