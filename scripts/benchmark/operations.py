"""What is measured: which requests each operation sends."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from lead_crm import access, mongo
from lead_crm.documents import now
from management import accounts
from scripts.benchmark.installation import HERE, THERE, Site, leads_in
from scripts.benchmark.recording import ask
from scripts.benchmark.wrk import Request

DEPTH: Final = 5_000
MOVED: Final = 2_000
WORDS: Final = (
    "northwind", "gmbh", "müller", "emma", "yarrow", "robotics", "zanele", "okafor", "sofia.rossi", "lum", "202-555",
    "emma smith", "northwind foods", "łukasz nowak", "zephyr energy ltd", "nobodyhasthisname",
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    name: str
    requests: Callable[[], list[Request]]
    writes: bool = False


def _get(*paths: str) -> list[Request]:
    return [Request("GET", path) for path in paths]


def reads(site: Site, actor: str) -> list[Operation]:
    token = f"Bearer {site.tokens[actor]}"
    some = sample(site, actor, 1_000)
    column = _address(ask("/api/leads/kanban/?limit=50", token)[0]["next"])
    found = {
        "get": _get(*(f"/api/leads/{uid}/" for uid in some)),
        "list": _get("/api/leads/"),
        "list deep": _get(at_depth(DEPTH, token)),
        "list filtered": _get(f"/api/leads/?stage={HERE}&source=referral"),
        "search": _get("/api/leads/?q=northwind"),
        "search mixed": _get(*(f"/api/leads/?q={quote(word)}" for word in WORDS)),
        "board": _get("/api/leads/kanban/"),
        "board 20": _get("/api/leads/kanban/?limit=20"),
        "column": _get(column or f"/api/leads/kanban/{HERE}/"),
        "moves": _get(*(f"/api/leads/{uid}/moves/" for uid in some[:200])),
        "work": _get("/api/tasks/"),
        "work mine": _get("/api/tasks/?mine=true"),
        "work overdue": _get("/api/tasks/?overdue=true"),
    }
    return [Operation(name, lambda requests=requests: requests) for name, requests in found.items()]  # type: ignore[misc]


def writes() -> list[Operation]:
    """What they send depends on where the leads stand: it is put together anew for each run."""
    return [
        Operation("create", _creations, writes=True),
        Operation("patch", _patches, writes=True),
        Operation("transition", _transitions, writes=True),
        Operation("kanban move", _drops, writes=True),
    ]


def sample(site: Site, actor: str, number: int) -> list[str]:
    """Leads of all ages that the actor may see."""
    who = accounts.bearer(site.tokens[actor])
    if who is None:
        raise AssertionError("the token was not accepted")
    dice, uids = random.Random(1), dict[str, None]()
    for _ in range(number // 10):
        until = now() - timedelta(days=365 * dice.random())
        where = access.visible(who) | {"created_at": {"$lte": until}}
        rows = mongo.collection("leads").find(where, {"uid": 1}).sort([("created_at", -1), ("_id", -1)]).limit(10)
        uids |= dict.fromkeys(row["uid"] for row in rows)
    return list(uids)


def at_depth(depth: int, token: str) -> str:
    """The address of a page so deep in the list, by cursor."""
    step = min(depth, 10_000)
    address = f"/api/leads/?limit=20&offset={max(0, step - 20)}"
    following = ask(address, token)["next"]
    if following is None:
        return address
    path = _address(following)
    while step < depth:
        jump = min(200, depth - step)
        path = _address(ask(path.replace("limit=20", f"limit={jump}"), token)["next"]).replace(
            f"limit={jump}", "limit=20"
        )
        step += jump
    return path


def _address(url: str | None) -> str:
    return "/api/" + url.partition("/api/")[2] if url else ""


def _creations() -> list[Request]:
    body: dict[str, Any] = {
        "name": "Mira Beispiel", "first_name": "Mira", "last_name": "Beispiel", "email": "mira.@N@@wren-tools.example",
        "phone": "+1 202 @D@", "company": "Wren Tools GmbH", "source": "website", "center": "north",
        "tags": ["newsletter"], "value": {"amount": 120000, "currency": "EUR"}, "fields": {"budget": "1200.00"},
    }  # fmt: skip
    return [Request("POST", "/api/leads/", body)]


def _patches() -> list[Request]:
    uids = leads_in(HERE, MOVED) + leads_in(THERE, MOVED)
    return [Request("PATCH", f"/api/leads/{uid}/", {"company": "Firm @N@"}) for uid in uids]


def _transitions() -> list[Request]:
    return [
        Request("POST", f"/api/leads/{uid}/transition/", {"to_stage": stage})
        for uid, stage in _journeys({stage: leads_in(stage, MOVED) for stage in (HERE, THERE)})
    ]


def _drops() -> list[Request]:
    """Half of the leads are moved to and fro beside the other half, who stay where they are."""
    cards = {stage: leads_in(stage, MOVED) for stage in (HERE, THERE)}
    beside = {stage: uids[::2] for stage, uids in cards.items()}
    drops = []
    for i, (uid, stage) in enumerate(_journeys({stage: uids[1::2] for stage, uids in cards.items()})):
        anchor = beside[stage][i % len(beside[stage])]
        drops.append({"lead": uid, "to_stage": stage, ("before" if i % 2 else "after"): anchor})
    return [Request("POST", "/api/leads/kanban/move/", body) for body in drops]


def _journeys(standing: dict[str, list[str]]) -> list[tuple[str, str]]:
    """All to the other stage, then all back: each move is accepted, however often the list is gone through."""
    away = [(uid, THERE if stage == HERE else HERE) for stage, uids in standing.items() for uid in uids]
    return away + [(uid, stage) for stage, uids in standing.items() for uid in uids]
