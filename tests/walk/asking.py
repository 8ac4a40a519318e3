"""What is asked of an operation: the plain request, and those that name things of the branch."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

from tests.walk.examples import alternatives, example, resolved, takes_anything, takes_list, takes_text
from tests.walk.operations import Operation, Schema

MOST = 40  # of values for one parameter or property


@dataclass(frozen=True)
class Asked:
    operation: Operation
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False  # nothing but what has to be sent
    foreign: bool = False  # its address names something that must not be seen

    @property
    def address(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def text(self) -> str:
        body = "" if self.body is None else json.dumps(self.body, ensure_ascii=False)
        return f"{self.operation.method} {unquote_plus(self.address)} {body} {dict(self.headers) or ''}".strip()


@dataclass(frozen=True)
class Things:
    """What requests name: `paths` by the address up to the parameter, `values` by the name of a parameter or property.

    `known` are things that whoever asks may name; where no name says what is meant, `any` of the branch's are.
    """

    paths: Mapping[str, str]
    shared: frozenset[str]
    values: Mapping[str, list[Any]]
    any: list[str]
    known: Mapping[str, Any]
    bodies: Mapping[str, Any]


class Unmapped(AssertionError):
    pass


def addresses(operation: Operation, things: Things, own: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """The address with the branch's things in it, and with things of one's own; whether it names a foreign one."""
    prefixes = [operation.path[:found] for found in _ends(operation.path)]
    missing = [prefix for prefix in prefixes if prefix not in things.paths]
    if missing:
        raise Unmapped(
            f"The walk does not know what {missing[0]} names in {operation.method} {operation.path}. "
            "Add something of the branch under this prefix to `paths` in tests/walk/things.py."
        )
    hidden = any(not prefix.startswith(tuple(things.shared)) for prefix in prefixes)
    yield _filled(operation.path, prefixes, things.paths), hidden
    if prefixes and any(prefix in own for prefix in prefixes):
        yield _filled(operation.path, prefixes, {**things.paths, **own}), False


def _ends(path: str) -> list[int]:
    return [index + 1 for index, letter in enumerate(path) if letter == "}"]


def _filled(path: str, prefixes: list[str], values: Mapping[str, str]) -> str:
    for prefix in sorted(prefixes, key=len, reverse=True):
        start = prefix.rindex("{")
        path = path[:start] + values[prefix] + path[len(prefix) :]
    return path


def plain(operation: Operation, things: Things) -> Asked:
    path, foreign = next(addresses(operation, things, {}))
    query = tuple(_needed(operation, things))
    return Asked(operation, path, query, _body(operation, things), plain=True, foreign=foreign)


def requests(operation: Operation, things: Things, own: Mapping[str, str]) -> Iterator[Asked]:
    for path, foreign in addresses(operation, things, own):
        base = Asked(operation, path, tuple(_needed(operation, things)), _body(operation, things), foreign=foreign)
        yield Asked(operation, path, base.query, base.body, plain=True, foreign=foreign)
        if not operation.safe and operation.parameters("header"):
            yield Asked(operation, path, base.query, base.body, _headers(operation), foreign=foreign)
        for pairs in _queries(operation, things):
            yield Asked(operation, path, (*base.query, *pairs), base.body, foreign=foreign)
        for body in _bodies(operation, things, base.body):
            yield Asked(operation, path, base.query, body, foreign=foreign)


def loaded(operation: Operation, things: Things) -> Asked:
    """Everything at once, for whoever is refused before anything is read."""
    path, foreign = next(addresses(operation, things, {}))
    query = {name: value for pairs in _queries(operation, things) for name, value in pairs}
    body = {}
    for one in _bodies(operation, things, {}):
        body |= one
    return Asked(operation, path, tuple(query.items()), body if operation.body else None, foreign=foreign)


def _headers(operation: Operation) -> dict[str, str]:
    values = {"If-Match": '"999999"', "Idempotency-Key": "the-walk"}
    return {one["name"]: values[one["name"]] for one in operation.parameters("header") if one["name"] == "If-Match"}


def _needed(operation: Operation, things: Things) -> Iterator[tuple[str, str]]:
    for parameter in operation.parameters("query"):
        if parameter.get("required"):
            yield parameter["name"], _written(example(parameter["schema"], things.known, parameter["name"]))


def _queries(operation: Operation, things: Things) -> Iterator[tuple[tuple[str, str], ...]]:
    parameters = operation.parameters("query")
    one_each = [("limit", "1")] if any(one["name"] == "limit" for one in parameters) else []
    for parameter in parameters:
        name, schema = parameter["name"], parameter["schema"]
        if name == "field":
            yield from (((f"field.{key}", _written(value)),) for key, value in things.values["field"])
        elif name == "fields":
            yield from (((name, value),) for value in things.values["columns"])
        elif name == "sort":
            yield from (((name, value), *one_each) for value in things.values["sort"])
        else:
            yield from (((name, _written(value)),) for value in _values(name, schema, things))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _values(name: str, schema: Schema, things: Things) -> list[Any]:
    if name in things.values:
        return things.values[name][:MOST]
    if takes_text(schema):
        return things.any
    one = alternatives(schema)[0]
    if one.get("type") == "array":
        one = alternatives(one["items"])[0]
    if one.get("type") == "boolean":
        return [True, False]
    return list(one["enum"]) if "enum" in one else [example(one, things.known, name)]


def _body(operation: Operation, things: Things) -> Any:
    if operation.body is None:
        return None
    return things.bodies.get(operation.name) or example(operation.body, things.known)


def _bodies(operation: Operation, things: Things, base: Any) -> Iterator[Any]:
    for schema in alternatives(operation.body) if operation.body else []:
        for name, inner in schema.get("properties", {}).items():
            yield from ({**base, name: value} for value in _pointing(name, inner, things))


def _pointing(name: str, schema: Schema, things: Things, most: int = MOST) -> Iterator[Any]:
    """Values for a property that may name something; inside of another property one each."""
    if takes_anything(schema) and name in things.values:
        yield from things.values[name][:most]
    elif takes_text(schema):
        for value in things.values.get(name, things.any)[:most]:
            yield [value] if takes_list(schema) and not isinstance(value, list) else value
    for one in alternatives(schema):
        for key, inner in resolved(one).get("properties", {}).items():
            base = example(one, things.known)
            yield from ({**base, key: value} for value in _pointing(key, inner, things, 1))
