"""The client of the tests: it holds every exchange against the OpenAPI document."""

import functools
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema_rs
from django.http import HttpResponse
from django.test import Client

from lead_crm import openapi
from tests import planted

UNDOCUMENTED = {404, 405}  # what unknown addresses and wrong methods answer


class CheckedClient:
    def __init__(self, token: str | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.token = token
        self.uid = ""

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, None, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.send("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.send("PATCH", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.send("DELETE", path, None, **headers)

    def send(
        self, method: str, path: str, body: Any, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        """`headers` are written as keywords: If_Match, Idempotency_Key."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            named.setdefault("Authorization", f"Bearer {self.token}")
        response = self.client.generic(method, path, data, content_type=content_type, headers=named)
        response = _whole(response)
        check(method, path, data, response)
        return response


def _whole(response: HttpResponse) -> HttpResponse:
    """What is streamed, once it has all arrived."""
    if not response.streaming:
        return response
    whole = HttpResponse(response.getvalue(), status=response.status_code, headers=dict(response.items()))
    response.close()
    whole.json = lambda: json.loads(whole.content)
    return whole


def check(method: str, address: str, request: bytes, response: HttpResponse) -> None:
    if response.status_code >= 400:
        assert not planted.found_in(response.content.decode()), f"{method} {address}: a problem tells a secret"
    parts = urlsplit(address)
    template = _template(parts.path)
    operation = openapi.document()["paths"].get(template, {}).get(method.lower()) if template else None
    if operation is None:
        assert response.status_code in UNDOCUMENTED, f"{method} {parts.path} answers, but is not documented"
        return
    name, status = operation["operationId"], str(response.status_code)
    assert status in operation["responses"], f"{name}: {status} is not documented: {response.content[:500]!r}"
    _check_response(name, status, operation["responses"][status], response)
    if response.status_code < 300:
        _check_request(operation, parts.query, request)


def _template(path: str) -> str | None:
    """The documented path, literal parts before variable ones; a trailing slash is optional."""
    parts = path.strip("/").split("/")
    found = [t for t in openapi.document()["paths"] if _fits(t.strip("/").split("/"), parts)]
    return min(found, key=lambda template: template.count("{"), default=None)


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        t == p or t.startswith("{") for t, p in zip(template, parts, strict=True)
    )


def _check_response(name: str, status: str, documented: dict[str, Any], response: HttpResponse) -> None:
    for header in documented.get("headers", {}):
        assert header in response, f"{name} {status}: the header {header} is missing"
    if "content" not in documented:
        assert not response.content, f"{name} {status}: a body where none is documented"
        return
    ((kind, content),) = documented["content"].items()
    assert response["Content-Type"] == kind, f"{name} {status}: {response['Content-Type']} instead of {kind}"
    _hold(f"{name} {status}", content["schema"], json.loads(response.content))


def _check_request(operation: dict[str, Any], query: str, request: bytes) -> None:
    name = operation["operationId"]
    if "requestBody" in operation and (request or operation["requestBody"]["required"]):
        _hold(f"{name} request", operation["requestBody"]["content"]["application/json"]["schema"], json.loads(request))
    known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    for key, _ in parse_qsl(query, keep_blank_values=True):
        plain = re.sub(r"^field\..*", "field", key)
        assert plain in known, f"{name}: the query parameter {key} is accepted, but not documented"


def _hold(what: str, schema: dict[str, Any], value: Any) -> None:
    faults = [
        f"{list(fault.instance_path)}: {fault.message[:300]}"
        for fault in _validator(json.dumps(schema)).iter_errors(value)
    ]
    assert not faults, f"{what} is not as documented: {faults[:3]}"


@functools.cache
def _validator(schema: str) -> Any:
    whole = json.loads(schema) | {"components": openapi.document()["components"]}
    return jsonschema_rs.validator_for(whole | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
