"""The smallest value that a JSON Schema admits."""

import re
from collections.abc import Mapping
from typing import Any

from lead_crm import openapi

Schema = dict[str, Any]

FORMATS = {
    "date-time": "2026-01-31T09:30:00Z", "date": "2026-01-31", "email": "someone@example.com",
    "uri": "https://example.com/", "password": "a password of some length",
}  # fmt: skip
# Tried in this order where nothing but a pattern and a length is known.
TEXTS = (
    "something", "x", "a text that is longer", "stage-new", "lead.view", "lead_view", "#3B82F6", "EUR", "0", "1.5",
    "2026-01-31", "+1 415 555 0100", "someone@example.com", "https://example.com/", "something long " * 4,
)  # fmt: skip


class NoExample(AssertionError):
    pass


def resolved(schema: Schema) -> Schema:
    while "$ref" in schema:
        target = openapi.document()["components"]["schemas"][schema["$ref"].removeprefix(openapi.COMPONENTS)]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def alternatives(schema: Schema) -> list[Schema]:
    """What the schema admits besides null."""
    schema = resolved(schema)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return [one for inner in schema[word] for one in alternatives(inner) if one.get("type") != "null"]
    return [schema]


def example(schema: Schema, known: Mapping[str, Any], name: str = "") -> Any:
    """`known`: values by the name of a property, of things that are there (only the schema of none can tell)."""
    schema = alternatives(schema)[0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return known[name] if known.get(name) in schema["enum"] else schema["enum"][0]
    if name in known:
        return known[name]
    return MAKERS.get(schema.get("type", "object"), _object)(schema, known, name)


def _object(schema: Schema, known: Mapping[str, Any], name: str) -> Any:
    properties = schema.get("properties", {})
    return {key: example(properties[key], known, key) for key in schema.get("required", ())}


def _array(schema: Schema, known: Mapping[str, Any], name: str) -> Any:
    return [example(schema["items"], known, name.removesuffix("s")) for _ in range(schema.get("minItems", 0))]


def _string(schema: Schema, known: Mapping[str, Any], name: str) -> Any:
    candidates = [FORMATS[schema["format"]]] if schema.get("format") in FORMATS else TEXTS
    for text in candidates:
        fits = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        if fits and re.search(schema.get("pattern", ""), text):
            return text
    raise NoExample(f"No text of tests/walk/examples.py fits {name}: {schema}. Add one to TEXTS.")


def _number(schema: Schema, known: Mapping[str, Any], name: str) -> Any:
    return max(schema.get("minimum", 1), min(1, schema.get("maximum", 1)))


def _boolean(schema: Schema, known: Mapping[str, Any], name: str) -> Any:
    return False


MAKERS = {
    "object": _object, "array": _array, "string": _string, "integer": _number, "number": _number,
    "boolean": _boolean,
}  # fmt: skip


def takes_text(schema: Schema) -> bool:
    """May a client write a text of its own here, or a list of them?"""
    return any(
        takes_text(one["items"]) if one.get("type") == "array" and "items" in one
        else one.get("type") == "string" and not {"enum", "const"} & one.keys() and one.get("format") != "date"
        and one.get("format") != "date-time"
        for one in alternatives(schema)
    )  # fmt: skip


def takes_list(schema: Schema) -> bool:
    return all(one.get("type") == "array" for one in alternatives(schema))


def takes_anything(schema: Schema) -> bool:
    """An object with keys of the client's own choosing, such as custom fields."""
    return any(one.get("type") == "object" and "properties" not in one for one in alternatives(schema))
