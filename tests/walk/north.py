"""A branch full of unmistakable things. Every word that begins with zq is one of its secrets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lead_crm import passwords
from lead_crm.documents import now
from management import accounts
from tests.api.steps import fields, go
from tests.cast import SOUTH, Cast, lead
from tests.contract import CheckedClient

CENTER, NAME = "zqnorth", "Zqnorthern Branch"

FIELDS: dict[str, dict[str, Any]] = {
    "f_text": {"field_type": "text", "searchable": True, "show_on_card": True},
    "f_long": {"field_type": "long_text", "searchable": True},
    "f_integer": {"field_type": "integer", "show_on_card": True},
    "f_decimal": {"field_type": "decimal"},
    "f_money": {"field_type": "money"},
    "f_boolean": {"field_type": "boolean"},
    "f_date": {"field_type": "date", "show_on_card": True},
    "f_datetime": {"field_type": "datetime"},
    "f_email": {"field_type": "email", "show_on_card": True},
    "f_phone": {"field_type": "phone", "show_on_card": True},
    "f_url": {"field_type": "url"},
    "f_select": {"field_type": "select", "options": [{"value": "one"}, {"value": "two"}]},
    "f_multi": {"field_type": "multi_select", "options": [{"value": "one"}, {"value": "two"}]},
    "f_user": {"field_type": "user"},
    "f_json": {"field_type": "json"},
    "f_known": {"field_type": "text", "personal": True, "show_on_card": True},
    "f_unique": {"field_type": "text", "unique": True},
}


def attributes(mark: str, number: int, carol: str) -> dict[str, Any]:
    """Of one lead; `mark` and `number` (0 to 9) tell its values from those of another."""
    day, hour = f"2031-07-1{number}", f"2032-03-1{number}T09:08:07Z"
    return {
        "name": f"Zqname{mark}", "first_name": f"Zqfirst{mark}", "last_name": f"Zqlast{mark}",
        "email": f"zqmail{mark}@example.com", "phone": f"+1 415 555 01{number}7", "company": f"Zqcompany{mark}",
        "message": f"Zqmessage{mark}", "source_detail": f"Zqdetail{mark}", "tags": [f"zqtag{mark}"],
        "lead_type": f"zqtype{mark}", "source": "event", "priority": "high", "temperature": "hot",
        "address": {part: f"Zq{part}{mark}" for part in ("line", "city", "state", "country", "pincode")},
        "contacts": [{
            "name": f"Zqfriend{mark}", "relation": f"Zqrelation{mark}", "phone": f"+1 415 555 02{number}7",
            "email": f"zqfriend{mark}@example.com",
        }],
        "value": {"amount": 7418520 + number, "currency": "EUR"},
        "quantity": {"amount": f"8529630.{number}", "unit": f"zqunit{mark}"},
        "expected_close_on": day, "next_follow_up_at": hour, "conversion_probability": 0.987650 + number / 10**7,
        "score_override": 93,
        "fields": {
            "budget": f"9637410.{number}", "f_text": f"Zqtext{mark}", "f_long": f"Zqlong{mark}",
            "f_integer": 1472580 + number, "f_decimal": f"2583690.{number}",
            "f_money": {"amount": 3691470 + number, "currency": "EUR"}, "f_boolean": True,
            "f_date": f"2034-05-1{number}", "f_datetime": f"2035-06-1{number}T05:04:03Z",
            "f_email": f"zqfield{mark}@example.com", "f_phone": f"+1 415 555 03{number}7",
            "f_url": f"https://zqurl{mark}.example.com/", "f_select": "two", "f_multi": ["two"], "f_user": carol,
            "f_json": {"zq": f"Zqjson{mark}"}, "f_known": f"Zqknown{mark}", "f_unique": f"Zqunique{mark}",
        },
    }  # fmt: skip


PERSONAL = ("first_name", "last_name", "email", "phone", "message", "address", "contacts", "source_detail")
PERSONAL_FIELDS = ("f_text", "f_long", "f_email", "f_phone", "f_date", "f_datetime", "f_json", "f_url", "f_known")


@dataclass
class Planted:
    """A lead of the branch, and what of it is personal."""

    given: dict[str, Any]
    uid: str
    task: str
    personal: list[str]


class North(Cast):
    """The branch, its people, and those who must not see what is in it."""

    def __init__(self) -> None:
        super().__init__()
        accounts.add_center(uid=CENTER, name=NAME, at=now())
        self.boss = self._member("zqboss", ["center_admin"], [CENTER])
        self.carla = self._member("zqcarla", ["agent"], [CENTER])
        self.bert = self._member("bert", ["agent"], [CENTER])
        self.vince = self._member("vince", ["viewer"], [CENTER])
        self.tim = self._member("tim", ["trainer"], [CENTER])
        self.former = self._member("zqformer", ["center_admin"], [CENTER])
        self.machine = self._member("machine", ["integration"], [SOUTH])
        self._password(self.carla)
        self._configure()
        self.hers = self._plant("alpha", 1)
        self.shared = self._plant("beta", 2, visitor=self.tim.uid)
        self.second = self._plant("gamma", 3, visitor=self.tim.uid)
        self.past = self._plant("delta", 4)
        self._bury(self.past)
        self.view = self._view()
        self.own = self._ordinary()

    def _configure(self) -> None:
        fields(self.root, *({"field_key": key, **more} for key, more in FIELDS.items()))
        sources = [{"key": "event", "label": "Event"}, {"key": "website", "label": "Website"}]
        outcomes = [{"key": "talked", "label": "Said something"}]
        kinds = [{"key": key, "label": key.title(), "outcomes": outcomes} for key in ("call", "visit", "intro_visit")]
        body = {"sources": sources, "task_kinds": kinds, "capture": {"center": SOUTH}}
        assert self.root.patch("/api/config/", body).status_code == 200

    def _password(self, client: CheckedClient) -> None:
        """So that signing in as somebody who is there is not the same as signing in as nobody."""
        account = accounts.accounts.get(client.uid)
        assert account is not None
        changed = account.changed(password=passwords.hashed("a long zq password"), version=account.version + 1)
        assert accounts.accounts.replace(changed, read=account.version)

    def _plant(self, mark: str, number: int, visitor: str | None = None) -> Planted:
        """Made with half of its values, so that the other half stands in the record of changes too."""
        given = attributes(mark, number, self.carla.uid)
        first = {key: value for key, value in given.items() if key not in ("email", "phone", "message", "company")}
        made = lead(self.root, center=CENTER, assigned_to=[self.carla.uid], **first)
        at, task = f"/api/leads/{made['uid']}/", made["tasks"][0]["uid"]
        ending = {"outcome": "talked", "notes": f"Zqending{mark}"}
        note = {"body": f"Zqbody{mark}", "meta": {"zq": f"Zqmeta{mark}"}}
        another = {
            "kind": "intro_visit", "title": f"Zqtitle{mark}", "due_at": "2033-04-15T06:07:08Z", "assigned_to": visitor,
        }  # fmt: skip
        done = [
            self.root.patch(at, given),
            self.root.post(f"{at}tasks/{task}/complete/", ending),
            self.root.post(f"{at}activities/", note),
            go(self.root, made["uid"], "stage-contacted", note=f"Zqnote{mark}", reason=f"Zqreason{mark}"),
            self.root.post(f"{at}tasks/", another),
        ]
        assert all(response.status_code < 300 for response in done), [response.content for response in done]
        personal = [*texts([given[name] for name in PERSONAL])]
        personal += texts([given["fields"][key] for key in PERSONAL_FIELDS])
        personal += [f"Zq{word}{mark}" for word in ("body", "meta", "note", "reason", "ending")]
        return Planted(given, made["uid"], done[-1].json()["uid"], personal)

    def _bury(self, planted: Planted) -> None:
        lost = go(self.root, planted.uid, "stage-lost", reason="Zqlostdelta")
        assert lost.status_code == 200, lost.content
        assert self.root.delete(f"/api/leads/{planted.uid}/").status_code == 204

    def _ordinary(self) -> dict[str, str]:
        """What those who walk may see: a lead each, with nothing about it that anybody must not know."""
        return {
            "charlie": lead(self.charlie)["uid"],
            "bert": lead(self.root, center=CENTER, assigned_to=[self.bert.uid])["uid"],
        }

    def _view(self) -> str:
        """Shared with the branch; its words are for those alone who see personal values."""
        body = {"name": "Zqview of the branch", "filters": {"q": "zqviewed"}, "shared": True}
        response = self.carla.post("/api/views/", body)
        assert response.status_code == 201, response.content
        return str(response.json()["uid"])

    @property
    def planted(self) -> list[Planted]:
        return [self.hers, self.shared, self.second, self.past]


def texts(value: Any) -> Iterator[str]:
    """Every text and every long number in it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str) or (isinstance(value, int) and value > 1_000_000):
        yield str(value)


def squeezed(text: str) -> str:
    """Phone numbers in any spelling become their digits."""
    return re.sub(r"(?<=[0-9])[ ().\-]+(?=[0-9])|\+(?=[0-9])", "", text)
