"""What the walk names in its requests. A new kind of address needs a line in `paths`; all else may stay as it is."""

from datetime import timedelta
from typing import Any

from lead_crm import mongo
from leads.events import timestamp
from tests.walk.asking import Things
from tests.walk.north import CENTER, NAME, North, Planted, texts
from tests.walk.worlds import tells

LEADS = "/api/leads/{uid}"
PEOPLE, CENTERS, TOKENS = "/api/users/{uid}", "/api/centers/{uid}", "/api/tokens/{uid}"
VIEWS = "/api/views/{uid}"
SHARED = frozenset({"/api/stages/{uid}", "/api/leads/kanban/{stage}"})  # whoever sees leads sees the stages


def things(north: North, planted: Planted, own: str | None, shared: frozenset[str] = frozenset()) -> Things:
    """`own`: a lead that whoever asks may name; `shared`: the kinds of address that name nothing hidden from them."""
    return Things(
        paths=_paths(north, planted),
        shared=SHARED | shared,
        values=_values(north, planted),
        any=[planted.uid, north.carla.uid, CENTER, planted.given["name"]],
        known={
            "lead": own or planted.uid, "to_stage": "stage-contacted", "stage": "stage-contacted", "kind": "call",
            "user": north.carla.uid, "role": "agent", "order": ["stage-new"], "center": CENTER,
            "password": "a password of some length", "email": "somebody@example.com",
        },
        bodies={
            "create_lead": {"name": "Somebody", "fields": {"budget": "1.00"}},
            "bulk_leads": {"action": "tag", "tags": ["seen"], "uids": [planted.uid]},
            "create_enquiry": {"name": "Somebody", "email": "somebody@example.com"},
        },
    )  # fmt: skip


def _paths(north: North, planted: Planted) -> dict[str, str]:
    return {
        LEADS: planted.uid,
        f"{LEADS}/tasks/{{task}}": planted.task,
        "/api/leads/kanban/{stage}": "stage-contacted",
        "/api/stages/{uid}": "stage-contacted",
        PEOPLE: north.carla.uid,
        CENTERS: CENTER,
        TOKENS: _token(north),
        VIEWS: north.view,
    }


def _token(north: North) -> str:
    row: Any = mongo.collection("accounts").find_one({"type": "token", "account": north.carla.uid})
    return str(row["uid"])


def own_paths(lead: str | None) -> dict[str, str]:
    if lead is None:
        return {}
    row: Any = mongo.collection("leads").find_one({"type": "lead", "uid": lead})
    return {LEADS: lead, f"{LEADS}/tasks/{{task}}": row["tasks"][0]["uid"]}


def _values(north: North, planted: Planted) -> dict[str, list[Any]]:
    given = planted.given
    people, leads, wrong = [north.carla.uid], [planted.uid], ["another long password"]
    values: dict[str, list[Any]] = {name: [value] for name, value in given.items()}
    values |= dict.fromkeys(("assigned_to", "user", "actor", "account", "by", "member", "people"), people)
    values |= dict.fromkeys(("password", "current_password", "new_password"), wrong)
    values |= dict.fromkeys(("at", "from", "to"), _moments(planted))
    values |= dict.fromkeys(("lead", "subject", "uids", "before", "after", "into", "other", "leads"), leads)
    values |= {
        "center": [CENTER], "centers": [CENTER], "name": [given["name"], NAME, "Zqcarla"],
        "email": [given["email"], "zqcarla@example.com"], "tags": given["tags"], "any_tags": given["tags"],
        "status": ["open", "open,on_hold,won,lost,archived"], "stage": ["stage-contacted", "stage-lost"],
        "to_stage": ["stage-contacted"], "kind": ["call", "open"],
        "q": [*[text for text in dict.fromkeys(texts(given)) if tells(text)][:30], planted.uid, CENTER],
        "sort": ["name", "-name", "email", "phone", "-expected_close_on", "-score",
                 *(f"field.{key}" for key in given["fields"]), "-field.f_email"],
        "fields": [{key: given["fields"][key]} for key in ("f_unique", "f_email", "f_phone", "f_user")],
        "field": [(key, _asked(value)) for key, value in given["fields"].items()],
        "columns": [*given, ",".join(given)], "view": [north.view],
        "cursor": [_cursor(north)],
        "created_from": ["2020-01-01"], "expected_close_on": [given["expected_close_on"]],
    }  # fmt: skip
    return values


def _moments(planted: Planted) -> list[str]:
    """Of the lead's life, each with the one just before it."""
    row: Any = mongo.collection("leads").find_one({"type": "lead", "uid": planted.uid})
    moments = [entry["at"] - before for entry in row["changes"] for before in (timedelta(), timedelta(milliseconds=1))]
    return [timestamp(moment) for moment in moments]


def _asked(value: Any) -> Any:
    return value["amount"] if isinstance(value, dict) and "amount" in value else value


def _cursor(north: North) -> str:
    """Of somebody who sees the branch."""
    found = north.boss.get("/api/leads/?limit=1").json()["next"]
    return str(found.partition("cursor=")[2].partition("&")[0])
