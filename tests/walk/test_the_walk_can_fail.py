"""The walk finds what leaks: endpoints that forget who asks, and a product whose walls have been taken down."""

import base64
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from drf_spectacular.generators import SchemaGenerator

from lead_crm import access, mongo, openapi, urls
from lead_crm.access import Actor
from lead_crm.documents import Out
from lead_crm.errors import Conflict, Invalid, NotFound
from lead_crm.http import Call, endpoint, resource
from leads import shown
from tests import contract
from tests.walk import test_walk
from tests.walk.asking import Unmapped
from tests.walk.north import North
from tests.walk.operations import operations
from tests.walk.test_walk import walked


class Told(Out):
    said: Any = None


def _row(uid: str) -> Any:
    return mongo.collection("leads").find_one({"type": "lead", "uid": uid})


@endpoint(permission="lead.view", returns=Told)
def names_of_all(call: Call[None, None]) -> dict[str, Any]:
    """Forgets the scope."""
    return {"said": [row["name"] for row in mongo.collection("leads").find({"type": "lead"})]}


@endpoint(permission="lead.view", returns=Told)
def number_of_all(call: Call[None, None]) -> dict[str, Any]:
    """Forgets the scope, and says no name."""
    return {"said": mongo.collection("leads").count_documents({"type": "lead"})}


@endpoint(permission="lead.view", returns=Told)
def encoded(call: Call[None, None]) -> dict[str, Any]:
    """Has somebody's name in its cursor."""
    row: Any = mongo.collection("leads").find_one({"type": "lead"}, sort=[("created_at", 1)])
    return {"said": base64.urlsafe_b64encode(row["name"].encode() * 3).decode()}


@endpoint(permission=None, returns=Told)
def open_door(call: Call[None, None]) -> HttpResponse:
    """Needs no sign-in, and says in a header who has been here."""
    row: Any = mongo.collection("leads").find_one({"type": "lead"}, sort=[("created_at", 1)])
    return HttpResponse(b'{"said":null}', content_type="application/json", headers={"X-Last": row["email"]})


@endpoint(permission="lead.view", returns=Told, raises=(Conflict,))
def hinting(call: Call[None, None], uid: str) -> None:
    """Another status for a lead that is there."""
    raise Conflict("Not yours.") if _row(uid) else NotFound("There is none.")


@endpoint(permission="lead.view", returns=Told)
def whispering(call: Call[None, None], uid: str) -> None:
    """The right status, but a text that knows more."""
    row = _row(uid)
    raise NotFound(f"You may not see {row['company'] if row else 'this'}.")


@endpoint(permission="lead.edit", returns=Told, raises=(Invalid,))
def writing_first(call: Call[None, None], uid: str) -> None:
    """Looks who asks when it is too late."""
    mongo.collection("leads").update_one({"type": "lead", "uid": uid}, {"$inc": {"call_attempts": 1}})
    raise NotFound(f"There is no lead {uid} that you may see.")


@endpoint(permission="people.edit", returns=Told)
def careless(call: Call[None, None]) -> dict[str, Any]:
    """Shows a password as it is kept."""
    row: Any = mongo.collection("accounts").find_one({"password": {"$ne": None, "$exists": True}})
    return {"said": row["password"]}


@endpoint(permission="lead.view", returns=Told)
def ride(call: Call[None, None], uid: str) -> None:
    """Names a kind of thing that the walk has never heard of."""


urlpatterns = [
    *urls.urlpatterns,
    path("api/leaky/names/", resource(get=names_of_all)),
    path("api/leaky/number/", resource(get=number_of_all)),
    path("api/leaky/encoded/", resource(get=encoded)),
    path("api/leaky/careless/", resource(get=careless)),
    path("api/leaky/open/", resource(get=open_door)),
    path("api/leads/<str:uid>/hinting/", resource(get=hinting)),
    path("api/leads/<str:uid>/whispering/", resource(get=whispering)),
    path("api/leads/<str:uid>/writing/", resource(post=writing_first)),
    path("api/bicycles/<str:uid>/", resource(get=ride)),
]


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The product with these endpoints in it."""
    document = dict(SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True))
    monkeypatch.setattr(openapi, "document", lambda: document)
    contract._validator.cache_clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    contract._validator.cache_clear()


def findings(north: North, name: str, *over: str) -> str:
    chosen = [operation for operation in operations() if operation.name in over]
    assert len(chosen) == len(over)
    return "\n".join(walked(name, north, chosen).findings)


CHARLIE, BERT = "charlie of another centre", "bert and nobody's leads"


@pytest.mark.parametrize(
    ("name", "over", "found"),
    [
        (CHARLIE, "names_of_all", "tells ['zqname"),
        (BERT, "names_of_all", "tells ['zqname"),
        (CHARLIE, "number_of_all", "tells that it is there"),
        (BERT, "number_of_all", "tells that it is there"),
        (CHARLIE, "encoded", "tells ['zqnamealpha'"),
        ("nobody", "open_door", "tells ['zqmailalpha@example.com'"),
        (CHARLIE, "hinting", "answers 409 instead of 404"),
        (BERT, "hinting", "answers 409 instead of 404"),
        (CHARLIE, "whispering", "tells ['zqcompanyalpha'"),
        (CHARLIE, "writing_first", "(404): changed LEAD-"),
        (BERT, "writing_first", "(404): changed LEAD-"),
    ],
)
def test_an_endpoint_that_forgets_who_asks_is_found(
    leaky: None, north: North, name: str, over: str, found: str
) -> None:
    assert found in findings(north, name, over)


def test_an_address_of_a_new_kind_is_not_passed_over(leaky: None, north: North) -> None:
    with pytest.raises(Unmapped, match=r"what /api/bicycles/\{uid\} names in GET .* Add something of the branch"):
        findings(north, CHARLIE, "ride")


def test_a_query_without_the_shelf_is_found(north: North, monkeypatch: pytest.MonkeyPatch) -> None:
    real = access.visible

    def wide(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return {key: value for key, value in real(*args, **kwargs).items() if key != "keys.shelf"}

    for module in list(sys.modules.values()):
        if getattr(module, "visible", None) is real:
            monkeypatch.setattr(module, "visible", wide)
    found = findings(north, CHARLIE, "list_leads", "read_lead", "read_column", "edit_lead")
    assert "charlie of another centre: GET /api/leads/: tells" in found
    assert "answers 200 instead of 404" in found
    assert "GET /api/leads/kanban/stage-contacted/: tells" in found
    assert "(200): changed LEAD-" in found


def test_rights_that_nobody_checks_are_found(north: North, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Actor, "require", lambda self, permission: None)
    found = findings(north, "vince who only looks", "edit_lead", "complete_task", "archive_lead", "edit_config")
    assert "/complete/ {}: answers 200 instead of 403" in found
    assert "PATCH /api/config/ {}: answers 200 instead of 403" in found
    assert "answers 204 instead of 403" in found
    assert "(200): changed LEAD-" in found
    assert "(200): changed default in leads" in found


def test_personal_values_that_nobody_masks_are_found(north: North, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "_masked", lambda *args: None)
    assert "tells [" in findings(north, "tim and his visits", "read_lead")


@pytest.mark.parametrize("name", ["an expired token", "a revoked token", "somebody dismissed"])
def test_a_token_that_works_on_is_found(north: North, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(test_walk, "spoil", lambda *args: None)
    assert "answers 200 instead of 401" in findings(north, name, "list_leads")


def test_a_hash_that_is_shown_is_found(leaky: None, north: North) -> None:
    """Also by those who may see everything else."""
    assert "tells ['argon2" in findings(north, "root who reads", "careless")
