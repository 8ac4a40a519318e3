"""What tests of the assignment rules do again and again."""

from collections import Counter
from typing import Any

from lead_crm import mongo
from tests.api.steps import read
from tests.cast import Cast, lead
from tests.contract import CheckedClient

Row = dict[str, Any]

ADA = {"name": "Ada", "fields": {"budget": "1"}}


def dealt(cast: Cast, mode: str, *pool: CheckedClient | Row, **more: Any) -> Row:
    """The config's assignment; people stand for their uids."""
    rule = {"mode": mode, "pool": [one if isinstance(one, dict) else one.uid for one in pool], **more}
    response = cast.root.patch("/api/config/", {"assignment": rule})
    assert response.status_code == 200, response.content
    return response.json()["assignment"]


def on_entering(cast: Cast, stage: str, auto_assign: Any) -> None:
    response = cast.root.patch(f"/api/stages/{stage}/", {"auto_assign": auto_assign})
    assert response.status_code == 200, response.content


def holders(client: CheckedClient, number: int, **values: Any) -> list[str]:
    """Who gets the next leads."""
    return [holder(lead(client, **values)) for _ in range(number)]


def holder(made: Row) -> str:
    return made["assigned_to"][0] if made["assigned_to"] else ""


def shares() -> Counter[str]:
    """Who holds how many."""
    rows = mongo.collection("leads").find({"type": "lead"}, {"assigned_to": 1})
    return Counter(holder(row) for row in rows)


def why(client: CheckedClient, uid: str) -> list[tuple[str, Any]]:
    """What the timeline says of assignments."""
    lines = read(client, uid)["activities"]
    return [(line["body"], line["meta"]) for line in lines if line["kind"] == "assignment"]
