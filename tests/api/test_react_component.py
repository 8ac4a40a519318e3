"""The first board that most people would write, word for word: no content type, no trailing slash rules, no options."""

import json
from typing import Any

from django.test import Client

from tests.api.steps import ready
from tests.cast import Cast, lead

COLUMN = {"uid", "name", "color", "count", "leads"}
CARD = {"uid", "name", "email", "tasks"}


def fetch(token: str, path: str, *, method: str = "GET", body: str = "") -> Any:
    """What `fetch(path, {method, headers: {Authorization}, body: JSON.stringify(...)})` puts on the wire."""
    kind = {"content_type": "text/plain;charset=UTF-8"} if body else {}
    return Client().generic(method, path, body, headers={"Authorization": f"Bearer {token}"}, **kind)


def columns(token: str) -> list[dict[str, Any]]:
    response = fetch(token, "/api/leads/kanban/")
    assert response.status_code == 200
    assert isinstance(response.json(), list)
    return list(response.json())


def test_it_draws_columns_with_cards_and_their_open_tasks(cast: Cast) -> None:
    made = lead(cast.alice, email="ada@example.com")
    shown = columns(cast.alice.token)
    assert all(one.keys() >= COLUMN for one in shown)
    (card,) = shown[0]["leads"]
    assert card.keys() >= CARD
    assert (card["uid"], card["email"]) == (made["uid"], "ada@example.com")
    assert sum(task["status"] != "completed" for task in card["tasks"]) == 1


def test_dropping_a_card_moves_it(cast: Cast) -> None:
    made = ready(cast.alice)
    token, target = cast.alice.token, columns(cast.alice.token)[1]
    path = f"/api/leads/{made['uid']}/transition/"
    response = fetch(token, path, method="POST", body=json.dumps({"to_stage": target["uid"]}))
    assert response.status_code == 200
    after = columns(token)
    assert [one["count"] for one in after[:2]] == [0, 1]
    assert after[1]["leads"][0]["uid"] == made["uid"]


def test_a_refused_drop_says_why(cast: Cast) -> None:
    made = lead(cast.alice)
    path = f"/api/leads/{made['uid']}/transition"
    response = fetch(cast.alice.token, path, method="POST", body='{"to_stage": "stage-won"}')
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert {refusal["code"] for refusal in response.json()["refusals"]} == {"not_allowed_from_here", "task_open"}
    assert response.json()["detail"]
