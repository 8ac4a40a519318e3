"""The OpenAPI document says what the contracts do, and the tests' client holds the API to it."""

import io
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import get_resolver, path
from drf_spectacular.generators import SchemaGenerator
from pydantic import Field, RootModel

from lead_crm import openapi
from lead_crm.documents import CommaList, In, Out, Page
from lead_crm.errors import Locked
from lead_crm.http import Call, endpoint, resource
from tests import contract
from tests.contract import CheckedClient

Schema = dict[str, Any]


class Wheel(Out):
    size: int = 26


class Saddle(Out):
    soft: bool


class Bicycle(Out):
    uid: str
    version: int
    bell: str = "ring"
    front: Wheel
    saddle: Saddle


class BicyclePage(Page[Bicycle]):
    pass


class Bell(In):
    kind: Literal["bell"] = "bell"
    loud: bool = False


class Lamp(In):
    kind: Literal["lamp"]


class Extra(RootModel[Annotated[Bell | Lamp, Field(discriminator="kind")]]):
    pass


class BicycleIn(In):
    name: str
    bell: str = "ring"
    front: Wheel = Wheel()
    saddle: Saddle | None = None
    extras: list[Extra] = []


class Frame(Enum):
    STEEL = "steel"
    WOOD = "wood"


class Bicycles(In):
    frame: Frame | None = None
    tags: CommaList[Literal["red", "blue"]] | None = Field(default=None, description="Any of these.")
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    field: dict[str, str] = Field(default={}, description="`field.<key>=` for custom fields.")


SHOWN = {"uid": "b1", "version": 3, "bell": "ring", "front": {"size": 26}, "saddle": {"soft": True}}


@endpoint(permission=None, query=Bicycles, returns=BicyclePage)
def list_bicycles(call: Call[None, Bicycles]) -> Schema:
    """All bicycles.

    The newest first.
    """
    return {"results": [SHOWN], "next": None, "previous": None, "count": 1, "count_capped": False, "partial": False}


@endpoint(permission=None, body=BicycleIn, returns=Bicycle, status=201, versioned=True)
def make_bicycle(call: Call[BicycleIn, None]) -> Schema:
    """Make one."""
    return SHOWN | ({"surprise": 1} if call.body.name == "odd" else {})


@endpoint(permission="lead.edit", body=BicycleIn, returns=Bicycle, raises=(Locked,), versioned=True)
def edit_bicycle(call: Call[BicycleIn, None], uid: str) -> Schema:
    """Change one."""
    return SHOWN


@endpoint(permission="lead.edit", status=204, versioned=True)
def scrap_bicycle(call: Call[None, None], uid: str) -> None:
    """Away with it."""


@endpoint(permission=None, returns=list[Wheel])
def list_wheels(call: Call[None, None]) -> list[Schema]:
    """All wheels."""
    return [{"size": 28}]


@endpoint(permission=None, returns=Page[Wheel])
def page_wheels(call: Call[None, None], uid: str) -> Schema:
    """The wheels of one bicycle."""
    return {}


urlpatterns = [
    path("api/bicycles/", resource(get=list_bicycles, post=make_bicycle)),
    path("api/bicycles/wheels/", resource(get=list_wheels)),
    path("api/bicycles/<str:uid>/", resource(patch=edit_bicycle, delete=scrap_bicycle)),
    path("api/bicycles/<str:uid>/wheels/", resource(get=page_wheels)),
]


def generate(patterns: list[Any]) -> Schema:
    return dict(SchemaGenerator(patterns=patterns).get_schema(request=None, public=True))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Schema]:
    """The toy API is what is served and documented."""
    document = generate(urlpatterns)
    monkeypatch.setattr(openapi, "document", lambda: document)
    contract._validator.cache_clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield document
    contract._validator.cache_clear()


def operation(document: Schema, method: str, address: str) -> Schema:
    found: Schema = document["paths"][address][method]
    return found


def component(document: Schema, name: str) -> Schema:
    found: Schema = document["components"]["schemas"][name]
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        yield from value.get("discriminator", {}).get("mapping", {}).values()
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from references(item)


def parameters(document: Schema, method: str, address: str) -> dict[str, Schema]:
    return {found["name"]: found for found in operation(document, method, address)["parameters"]}


def statuses(document: Schema, method: str, address: str) -> set[int]:
    return {int(status) for status in operation(document, method, address)["responses"]}


def test_an_operation_is_named_after_its_handler_and_described_by_its_docstring(toy: Schema) -> None:
    found = operation(toy, "get", "/api/bicycles/")
    assert found["operationId"] == "list_bicycles"
    assert (found["summary"], found["description"]) == ("All bicycles.", "The newest first.")
    assert found["tags"] == ["bicycles"]


def test_only_operations_with_a_permission_want_a_token(toy: Schema) -> None:
    assert operation(toy, "patch", "/api/bicycles/{uid}/")["security"] == [{"bearer": []}, {"session": []}]
    assert operation(toy, "get", "/api/bicycles/")["security"] == []


def test_what_is_sent_may_leave_defaults_out_and_what_is_answered_never_does(toy: Schema) -> None:
    assert operation(toy, "post", "/api/bicycles/")["requestBody"]["required"] is True
    assert component(toy, "BicycleIn")["required"] == ["name"]
    assert set(component(toy, "Bicycle")["required"]) == set(Bicycle.model_fields)


def test_a_model_has_two_components_only_where_request_and_answer_differ(toy: Schema) -> None:
    assert "required" not in component(toy, "WheelInput")
    assert component(toy, "Wheel")["required"] == ["size"]
    assert "SaddleInput" not in toy["components"]["schemas"]


def test_every_reference_leads_to_a_component_with_a_clean_name(toy: Schema) -> None:
    names = set(toy["components"]["schemas"])
    assert {reference.removeprefix(openapi.COMPONENTS) for reference in references(toy)} <= names
    assert all(name.replace("_", "").isalnum() for name in names)


def test_a_page_is_a_component_of_its_own(toy: Schema) -> None:
    answer = operation(toy, "get", "/api/bicycles/")["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/BicyclePage"}
    assert component(toy, "BicyclePage")["properties"]["results"]["items"] == {"$ref": "#/components/schemas/Bicycle"}


def test_a_union_says_what_tells_its_members_apart(toy: Schema) -> None:
    told = component(toy, "Extra")["discriminator"]
    assert told["propertyName"] == "kind"
    assert told["mapping"] == {"bell": "#/components/schemas/Bell", "lamp": "#/components/schemas/Lamp"}


def test_a_list_is_an_array(toy: Schema) -> None:
    answer = operation(toy, "get", "/api/bicycles/wheels/")["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"type": "array", "items": {"$ref": "#/components/schemas/Wheel"}}


def test_query_parameters_have_their_bounds_and_are_never_null(toy: Schema) -> None:
    found = parameters(toy, "get", "/api/bicycles/")
    limit, tags = found["limit"]["schema"], found["tags"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 20)
    assert tags["schema"] == {"type": "array", "items": {"type": "string", "enum": ["red", "blue", ""]}}
    assert (tags["explode"], tags["description"]) == (False, "Any of these.")


def test_an_enumeration_stands_in_the_parameter_itself(toy: Schema) -> None:
    assert parameters(toy, "get", "/api/bicycles/")["frame"]["schema"]["enum"] == ["steel", "wood"]


def test_custom_fields_are_a_family_of_query_parameters(toy: Schema) -> None:
    family = parameters(toy, "get", "/api/bicycles/")["field"]
    assert (family["style"], family["explode"]) == ("form", True)
    assert list(family["schema"]["patternProperties"]) == [r"^field\.[a-z][a-z0-9_]*$"]


def test_headers_stand_where_they_are_read(toy: Schema) -> None:
    assert "Idempotency-Key" in parameters(toy, "post", "/api/bicycles/")
    assert set(parameters(toy, "patch", "/api/bicycles/{uid}/")) == {"uid", "If-Match"}
    assert "If-Match" in parameters(toy, "delete", "/api/bicycles/{uid}/")
    assert "ETag" in operation(toy, "patch", "/api/bicycles/{uid}/")["responses"]["200"]["headers"]


def test_every_refusal_is_documented_as_a_problem(toy: Schema) -> None:
    assert statuses(toy, "patch", "/api/bicycles/{uid}/") >= {200, 400, 401, 403, 404, 412, 413, 422, 423, 503}
    assert statuses(toy, "delete", "/api/bicycles/{uid}/") >= {204, 401, 403, 404, 412, 503}
    assert statuses(toy, "get", "/api/bicycles/").isdisjoint({400, 403, 404, 412, 413})
    refused = operation(toy, "patch", "/api/bicycles/{uid}/")["responses"]["423"]["content"]
    assert refused == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_where_nobody_has_to_sign_in_no_token_is_refused(toy: Schema) -> None:
    assert 401 not in statuses(toy, "get", "/api/bicycles/")


def test_a_post_may_meet_its_own_first_attempt(toy: Schema) -> None:
    assert 409 in statuses(toy, "post", "/api/bicycles/")


def test_nothing_is_said_of_a_body_where_there_is_none(toy: Schema) -> None:
    assert "content" not in operation(toy, "delete", "/api/bicycles/{uid}/")["responses"]["204"]


@pytest.mark.parametrize("answered", [{"soft": bool}, {"other": int}], ids=["alike", "different"])
def test_two_classes_of_one_name_are_refused(answered: dict[str, type]) -> None:
    """Also one that is sent and one that is answered: Pydantic would call them -Input and -Output."""
    twin = type("Saddle", (Out,), {"__module__": "elsewhere", "__annotations__": answered})

    @endpoint(permission=None, body=Saddle, returns=twin)
    def repair_saddle(call: Call[Saddle, None]) -> None: ...

    with pytest.raises(
        ValueError, match=r"test_openapi\.Saddle.*elsewhere\.Saddle.*want the same component name Saddle"
    ):
        generate([path("api/saddle/", resource(post=repair_saddle))])


def test_one_document_knows_nothing_of_another(toy: Schema) -> None:
    other = generate([path("api/wheels/", resource(get=list_wheels))])
    assert set(other["components"]["schemas"]) == {"Problem", "ProblemFault", "Wheel"}


def test_an_exchange_as_documented_passes(toy: Schema) -> None:
    client = CheckedClient()
    assert client.get("/api/bicycles?tags=red,blue&limit=5&field.color=red").status_code == 200
    assert client.get("/api/bicycles/wheels/").json() == [{"size": 28}]
    assert client.post("/api/bicycles/", {"name": "x", "extras": [{"kind": "lamp"}]})["ETag"] == '"3"'
    assert client.post("/api/bicycles/", {"name": 1}).status_code == 422


def test_an_answer_that_deviates_is_caught(toy: Schema) -> None:
    with pytest.raises(AssertionError, match=r"make_bicycle 201.*surprise"):
        CheckedClient().post("/api/bicycles/", {"name": "odd"})


def test_a_status_that_is_not_documented_is_caught(toy: Schema) -> None:
    del operation(toy, "post", "/api/bicycles/")["responses"]["422"]
    with pytest.raises(AssertionError, match="422 is not documented"):
        CheckedClient().post("/api/bicycles/", {})


def test_an_api_that_takes_more_than_its_document_says_is_caught(toy: Schema) -> None:
    component(toy, "BicycleIn")["properties"]["name"] = {"type": "string", "maxLength": 2}
    with pytest.raises(AssertionError, match="make_bicycle request"):
        CheckedClient().post("/api/bicycles/", {"name": "long"})


def test_a_query_parameter_that_is_not_documented_is_caught(toy: Schema) -> None:
    operation(toy, "get", "/api/bicycles/")["parameters"].pop()
    with pytest.raises(AssertionError, match="accepted, but not documented"):
        CheckedClient().get("/api/bicycles/?limit=1&field.color=red")


def test_a_hidden_address_is_caught(toy: Schema) -> None:
    del toy["paths"]["/api/bicycles/wheels/"]
    with pytest.raises(AssertionError, match="not documented"):
        contract.check("GET", "/api/bicycles/wheels/", b"", HttpResponse(b"[]"))


def test_an_unknown_address_and_a_wrong_method_need_no_document(toy: Schema) -> None:
    assert CheckedClient().put("/api/bicycles/", {}).status_code == 405


def test_the_real_document_is_valid_and_made_without_warnings() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=io.StringIO())
    assert openapi.document()["openapi"] == "3.1.1"


def test_every_address_is_documented_but_the_pages_for_people() -> None:
    addresses = {
        f"/{pattern.pattern}".replace("<str:", "{").replace(">", "}") for pattern in get_resolver().url_patterns
    }
    assert addresses - set(openapi.document()["paths"]) == {
        "/api/docs/", "/api/docs/{name}/", "/enquiry/", "/enquiry/thanks/", "/enquiry/style.css/",
    }  # fmt: skip


def test_the_document_is_served_to_whoever_asks() -> None:
    assert CheckedClient().get("/api/schema/").json()["info"]["title"] == "Lead CRM"


@pytest.mark.parametrize("name", ["", "start.js", "swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"])
def test_the_readable_docs_bring_their_own_assets(name: str) -> None:
    assert Client().get(f"/api/docs/{name}").status_code == 200


@pytest.mark.parametrize("name", ["index.html", "..", "../../apps.py", "%2e%2e%2fLICENSE", "swagger-ui.css.map"])
def test_no_other_file_is_served(name: str) -> None:
    assert Client().get(f"/api/docs/{name}").status_code == 404
