"""Reading what clients send: valid JSON within bounds, then the model; every fault with its pointer."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson
from django.http import QueryDict
from pydantic import MISSING, BaseModel, ValidationError

from lead_crm.errors import Fault, Invalid, NotJson, escape

M = TypeVar("M", bound=BaseModel)

MAX_DEPTH = 20
MAX_ARRAY = 10_000
LARGEST = 2**63 - 1
CODES = {"extra_forbidden": "unknown_key", "missing": "required", "value_error": "invalid"}
SAID = {"extra_forbidden": "There is nothing of this name here.", "missing": "This is required."}
FIELD_PREFIX = "field."


def parse(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"The body is not valid JSON: {error}.") from None
    if not isinstance(data, dict):
        raise Invalid([Fault("", "not_an_object", "Send a JSON object.")])
    if faults := list(_dangers(data, "", 1)):
        raise Invalid(faults)
    return data


def _dangers(value: object, pointer: str, depth: int) -> Iterable[Fault]:
    """What no model needs and no query must ever see."""
    if isinstance(value, str):
        if "\x00" in value:
            yield Fault(pointer, "nul_byte", "Text must not contain NUL.")
    elif isinstance(value, (int, float)) and abs(value) > LARGEST:
        yield Fault(pointer, "too_large", "Numbers must fit into 64 bits.")
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            yield Fault(pointer, "too_deep", f"Nested deeper than {MAX_DEPTH} levels.")
        elif isinstance(value, list) and len(value) > MAX_ARRAY:
            yield Fault(pointer, "too_long", f"More than {MAX_ARRAY} items.")
        else:
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                if isinstance(key, str) and (key.startswith("$") or "." in key or "\x00" in key):
                    yield Fault(f"{pointer}/{escape(key)}", "forbidden_key", _forbidden(key))
                yield from _dangers(item, f"{pointer}/{escape(key)}", depth + 1)


def _forbidden(key: str) -> str:
    said = "Keys must not start with $ or contain . or NUL."
    if not key.startswith(FIELD_PREFIX):
        return said
    name = orjson.dumps(key.removeprefix(FIELD_PREFIX)).decode()
    return f'{said} `field.` is for addresses: in JSON, filter by a custom field with {{"field": {{{name}: ...}}}}.'


def needed(model: type[BaseModel]) -> bool:
    """Where nothing has to be said, no body has to be sent. (A patch without one would be a slip.)"""
    fields = model.model_fields.values()
    return any(field.is_required() or field.default is MISSING for field in fields)


def read_body(model: type[M], body: bytes, also: Callable[[M], list[Fault]] | None = None) -> M:
    """The model, or all that is wrong; `also` finds what only the rules know, in what the model does not refuse."""
    body = body or (b"" if needed(model) else b"{}")
    data = parse(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        found = faults(error, data, getattr(model, "elsewhere", {}))
        raise Invalid([*found, *(_more(model, data, found, also) if also else [])]) from None


def _more(model: type[M], data: dict[str, Any], found: list[Fault], also: Callable[[M], list[Fault]]) -> list[Fault]:
    wrong = {fault.pointer.split("/")[1] for fault in found if fault.pointer}
    rest = {key: value for key, value in data.items() if escape(key) not in wrong}
    try:
        sound = getattr(model, "partly", model).model_validate_json(orjson.dumps(rest), strict=True)
    except ValidationError:
        return []
    return [fault for fault in also(sound) if fault.pointer.split("/")[1:2] not in [[name] for name in wrong]]


def read_query(model: type[M], raw: str) -> M:
    return _read_query(model, raw)  # type: ignore[return-value]


@functools.lru_cache(maxsize=1024)
def _read_query(model: type[BaseModel], raw: str) -> BaseModel:
    """Cached: programs and boards repeat the same query strings, and the models are frozen."""
    values = QueryDict(raw.encode("iso-8859-1"))  # as WSGI hands it over
    wrong = [
        Fault(f"/{escape(key)}", "repeated", "Give each query parameter once.")
        for key, items in values.lists() if len(items) > 1
    ]  # fmt: skip
    wrong += [f for key, text in values.items() for f in _dangers(text, f"/{escape(key)}", 1)]
    wrong += [
        Fault(f"/{escape(key)}", "not_unicode", "This is not valid UTF-8.")
        for key, text in values.dict().items() if "\ufffd" in f"{key}{text}"
    ]  # fmt: skip
    if wrong:
        raise Invalid(wrong)
    data: dict[str, Any] = dict(values.items())
    if "field" in data:
        raise Invalid([Fault("/field", "unknown_parameter", "Name the custom field: field.<key>=.")])
    if "field" in model.model_fields:
        data["field"] = {key[6:]: data.pop(key) for key in list(data) if key.startswith(FIELD_PREFIX)}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Invalid(faults(error, data)) from None


def faults(error: ValidationError, data: object, elsewhere: Mapping[str, str] | None = None) -> list[Fault]:
    """Pydantic's findings as pointers into what was sent; its `input` is never echoed (it may be a secret).

    `elsewhere` says of keys that are refused here where they are written instead.
    """
    found = error.errors(include_url=False, include_input=False)
    return list(dict.fromkeys(_fault(dict(fault), data, elsewhere or {}) for fault in found))


def _fault(found: dict[str, Any], data: object, elsewhere: Mapping[str, str]) -> Fault:
    kind, loc = found["type"], found["loc"]
    said = SAID.get(kind, found["msg"].removeprefix("Value error, "))
    pointer = _pointer(loc, data, missing=kind == "missing")
    if kind == "extra_forbidden" and loc[-1] in elsewhere and pointer.removeprefix("/params").count("/") == 1:
        return Fault(pointer, "read_only", f"This cannot be written here: {elsewhere[str(loc[-1])]}.")
    if kind == "union_tag_invalid":  # Pydantic would quote what was sent
        said = f"{found['ctx']['discriminator']} must be one of: {found['ctx']['expected_tags']}."
    return Fault(pointer, CODES.get(kind, kind), said)


def _pointer(loc: tuple[int | str, ...], data: object, *, missing: bool) -> str:
    """Follow `loc` through the data, leaving out the names of union members that Pydantic mixes in."""
    pointer = ""
    for position, part in enumerate(loc):
        absent = missing and position == len(loc) - 1
        if isinstance(data, dict) and (part in data or absent):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        pointer += f"/{escape(part)}"
    return pointer
