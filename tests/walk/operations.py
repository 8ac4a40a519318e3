"""What there is to walk: every operation of the OpenAPI document, with the contract that answers it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from lead_crm import openapi
from lead_crm.http import Contract

Schema = dict[str, Any]

SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    contract: Contract
    described: Schema

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    @property
    def safe(self) -> bool:
        return self.method in SAFE

    @property
    def open(self) -> bool:
        """Nobody has to sign in."""
        return self.described["security"] == []

    def parameters(self, place: str) -> list[Schema]:
        return [parameter for parameter in self.described["parameters"] if parameter["in"] == place]

    @property
    def body(self) -> Schema | None:
        if "requestBody" not in self.described:
            return None
        schema: Schema = self.described["requestBody"]["content"]["application/json"]["schema"]
        return schema


def operations() -> list[Operation]:
    contracts = dict(_contracts(get_resolver().url_patterns))
    return [
        Operation(method.upper(), path, contracts[path][method], described)
        for path, methods in openapi.document()["paths"].items()
        for method, described in methods.items()
    ]


def _contracts(patterns: Iterable[URLPattern | URLResolver], before: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _contracts(pattern.url_patterns, route)
        elif view := getattr(pattern.callback, "cls", None):
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route), view.contracts
