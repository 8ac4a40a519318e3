"""The OpenAPI 3.1 document, generated from the contracts that `lead_crm.http` enforces."""

import functools
import inspect
import json
import mimetypes
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import drf_spectacular_sidecar
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import CoreModeRef, DefsRef, GenerateJsonSchema, JsonSchemaMode, models_json_schema

from lead_crm import strict
from lead_crm.documents import Out, Problem
from lead_crm.errors import Merged
from lead_crm.http import Call, Contract, endpoint, resource

Schema = dict[str, Any]

COMPONENTS: Final = "#/components/schemas/"
REASONS: Final = {
    400: "The body is not JSON.", 401: "Nobody is signed in.", 403: "The role does not permit it.",
    404: "Nothing there, or nothing that you may see.", 409: "It does not fit the present state.",
    412: "Changed since you read it; `changed` names the pointers.", 413: "The body is too large.",
    415: "Requests with a cookie say application/json.",
    422: "Faults in the input, all of them.", 423: "The workflow is locked.",
    429: "Too many requests: Retry-After says when to come back.",
    501: "Needs a real MongoDB.", 503: "The database cannot be reached.",
}  # fmt: skip
IF_MATCH: Final = {
    "name": "If-Match", "in": "header", "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,15}")$'},
    "description": "The ETag you read: the write is refused with 412 if the document has changed since.",
}  # fmt: skip
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key", "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Repeating the request with the same key within 24 hours gives the first answer again.",
}  # fmt: skip
SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of this CRM, or of your identity provider."},
    "session": {
        "type": "apiKey", "in": "cookie", "name": "lead_crm_session",
        "description": "For browsers, from /api/auth/login/. Writes also send the header X-CSRF-Token.",
    },
}  # fmt: skip
ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "The version of the document."}}

_making: Final = threading.Lock()

OF_A_LEAD: Final = "/api/leads/{uid}/"
ELSEWHERE: Final = {
    "description": "The lead was merged into another: the same address of that one.",
    "headers": {"Location": {"schema": {"type": "string"}, "description": "A path, with the query that was sent."}},
}  # fmt: skip


class ContractSchema(AutoSchema):
    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Schema:
        view: Any = self.view
        contract: Contract = view.contracts[method.lower()]
        return _operation(contract, path, method)


def _operation(contract: Contract, path: str, method: str) -> Schema:
    summary, _, description = inspect.cleandoc(contract.handler.__doc__ or "").partition("\n")
    operation: Schema = {
        "operationId": contract.handler.__name__,
        "summary": summary,
        "tags": [path.removeprefix("/api").strip("/").partition("/")[0]],
        "parameters": _parameters(contract, path, method),
        "responses": _responses(contract, path, method),
        "security": [] if contract.permission is None else [{name: []} for name in SCHEMES],
    }
    if description.strip():
        operation["description"] = description.strip()
    if contract.body:
        content = {"application/json": {"schema": _schema(contract.body, "validation")}}
        operation["requestBody"] = {"required": strict.needed(contract.body), "content": content}
    return operation


def _schema(kind: Any, mode: JsonSchemaMode) -> Schema:
    """A reference that `fill_components` resolves once it knows all models."""
    if get_origin(kind) is list:
        return {"type": "array", "items": _schema(get_args(kind)[0], mode)}
    return {"$ref": _placeholder(kind, mode)}


def _placeholder(kind: type[Any], mode: str) -> str:
    return f"{mode}:{kind.__module__}.{kind.__qualname__}"


def _parameters(contract: Contract, path: str, method: str) -> list[Schema]:
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if contract.query:
        found += _query(contract.query)
    if contract.matches and method != "GET":
        found.append(IF_MATCH)
    if method == "POST":
        found.append(IDEMPOTENCY_KEY)
    return found


def _query(model: type[BaseModel]) -> Iterable[Schema]:
    schema = model.model_json_schema(mode="validation")
    for name, inner in _inlined(schema["properties"], schema.get("$defs", {})).items():
        described = {"description": inner.pop("description")} if "description" in inner else {}
        if name == strict.FIELD_PREFIX.rstrip("."):
            yield {"name": name, "in": "query", "style": "form", "explode": True, "schema": _FIELDS} | described
        else:
            yield {"name": name, "in": "query", "explode": False, "schema": _sparse(_not_null(inner))} | described


def _inlined(value: Any, definitions: Schema) -> Any:
    """Query parameters are flat: what they refer to (an enumeration) may as well stand where it is used."""
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {key: _inlined(item, definitions) for key, item in value.items() if key != "$ref"}
    if "$ref" not in value:
        return rest
    return _inlined(definitions[value["$ref"].removeprefix("#/$defs/")], definitions) | rest


# An exploded object: each of its properties is a query parameter of its own.
_FIELDS: Final = {
    "type": "object", "additionalProperties": False,
    "patternProperties": {r"^field\.[a-z][a-z0-9_]*$": {"type": "string"}},
}  # fmt: skip


def _not_null(schema: Schema) -> Schema:
    """A query parameter is left out, not null."""
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if rest.get("default", ...) is None:
        del rest["default"]
    choices: list[Schema] = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        return choices[0] | rest
    return {"anyOf": choices, **rest} if choices else rest


def _sparse(schema: Schema) -> Schema:
    """Of a list with commas any part may be empty, as in the last parameter of `?stage=a&status=`."""
    items = schema.get("items", {})
    return schema | {"items": items | {"enum": [*items["enum"], ""]}} if "enum" in items else schema


def _responses(contract: Contract, path: str, method: str) -> Schema:
    success: Schema = {"description": "Done."}
    if contract.returns is not None:
        success["content"] = {"application/json": {"schema": _schema(contract.returns, "serialization")}}
    if contract.versioned and contract.status != 204:
        success["headers"] = ETAG
    problem = {"application/problem+json": {"schema": _schema(Problem, "serialization")}}
    failures = {
        status: {"description": REASONS[status], "content": problem} for status in _failures(contract, path, method)
    }
    leads_on = method == "GET" and (path.startswith(OF_A_LEAD) or Merged in contract.raises)
    elsewhere = {"307": ELSEWHERE} if leads_on else {}
    return {str(contract.status): success} | elsewhere | {str(code): failures[code] for code in sorted(failures)}


def _failures(contract: Contract, path: str, method: str) -> set[int]:
    found = {422, 503, *(error.status for error in contract.raises)}
    if contract.permission is not None:
        found |= {401, 403, 409, 429}  # 409: no workflow has been set up yet
    if contract.permission is not None and method != "GET":
        found |= {415}
    if method == "POST":
        found |= {409}  # the first request with this Idempotency-Key is still at work
    if contract.body:
        found |= {400, 413}
    if "{" in path:
        found |= {404}
    if contract.matches and method != "GET":
        found |= {412}
    return found


def fill_components(result: Schema, generator: Any, **kwargs: Any) -> Schema:
    """The one place where models become schemas: all at once, so that names are known to be unique."""
    places, schema = models_json_schema(
        list(dict.fromkeys(_wanted(generator.endpoints))),
        ref_template=f"{COMPONENTS}{{model}}",
        schema_generator=UniqueNames,
    )
    definitions = schema.get("$defs", {})
    names = {name: _name(name) for name in definitions}
    components = {names[name]: definition for name, definition in definitions.items()}
    references = {_placeholder(*key): place["$ref"] for key, place in places.items()}
    parts = {"schemas": dict(sorted(components.items())), "securitySchemes": SCHEMES}
    whole = _renamed({"paths": result["paths"], "components": parts}, names, references)
    return {**result, **whole}


def _wanted(endpoints: Iterable[tuple[str, str, str, Any]]) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield Problem, "serialization"
    for _, _, method, view in endpoints:
        contract: Contract = view.cls.contracts[method.lower()]
        if contract.body:
            yield contract.body, "validation"
        if contract.returns is not None:
            yield next(iter(get_args(contract.returns)), contract.returns), "serialization"


class UniqueNames(GenerateJsonSchema):
    """Pydantic tells two classes of one name apart by module or mode, without a word."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.owners: dict[str, str] = {}

    def get_defs_ref(self, core_mode_ref: CoreModeRef) -> DefsRef:
        owner = core_mode_ref[0]  # module.Name:id, for generic ones with [module.Argument:id]
        name = re.sub(r"[\w.<>]+\.|:\d+", "", owner)
        first = self.owners.setdefault(name, owner)
        if first != owner:
            raise ValueError(f"{first} and {owner} want the same component name {name}. Give one another name.")
        return super().get_defs_ref(core_mode_ref)


def _name(name: str) -> str:
    return name.replace("-Output", "").replace("-Input", "Input")


def _renamed(value: Any, names: dict[str, str], references: dict[str, str]) -> Any:
    """With every reference, also those of discriminators, pointing at the final name."""
    if isinstance(value, list):
        return [_renamed(item, names, references) for item in value]
    if not isinstance(value, dict):
        if isinstance(value, str) and (value in references or value.startswith(COMPONENTS)):
            name = references.get(value, value).removeprefix(COMPONENTS)
            return COMPONENTS + names[name]
        return value
    return {key: _renamed(item, names, references) for key, item in value.items()}


class OpenApiDocument(Out):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str


def document() -> Schema:
    with _making:  # nobody else may make it meanwhile
        return _document()


@functools.cache
def _document() -> Schema:
    generator: Any = SchemaGenerator
    return dict(generator().get_schema(request=None, public=True))


@functools.cache
def _document_bytes() -> bytes:
    return json.dumps(document()).encode()  # bounds of decimals are wider than 64 bits


@endpoint(permission=None, returns=OpenApiDocument)
def read_schema(call: Call[None, None]) -> bytes:
    """This document."""
    return _document_bytes()


# The readable docs: HTML and its assets, no part of the API and therefore not of the document.
ASSETS: Final = Path(drf_spectacular_sidecar.__file__).parent / "static/drf_spectacular_sidecar/swagger-ui-dist"
SHOWN: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lead CRM API</title>
<link rel="icon" href="/api/docs/favicon-32x32.png"><link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script>
</body>
</html>
"""
START: Final = 'SwaggerUIBundle({url: "/api/schema/", dom_id: "#docs", deepLinking: true, persistAuthorization: true});'


# The page's styles are written by its script.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE, headers={"Content-Security-Policy": POLICY})


def docs_asset(request: HttpRequest, name: str) -> HttpResponse:
    if name == "start.js":
        return HttpResponse(START, content_type="text/javascript")
    if name not in SHOWN:
        raise Http404
    kind = mimetypes.guess_type(name)[0]
    return HttpResponse((ASSETS / name).read_bytes(), content_type=kind, headers={"Cache-Control": "max-age=86400"})


urlpatterns = [
    path("api/schema/", resource(get=read_schema)),
    path("api/docs/", docs),
    path("api/docs/<str:name>/", docs_asset),
]
