"""Answers that are sent while they are found: one JSON object, whose `results` come part by part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lead_crm import audit


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, and what is noted about which leads."""

    rows: Sequence[Any]
    about: Mapping[audit.Action, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """`results` part by part, and behind them what `rest` says then."""

    parts: Iterator[Part]
    rest: Callable[[], dict[str, Any]]


def written(
    first: Part | None, data: Streamed, *, note: Callable[[Part], None], dump: Callable[[Any], bytes]
) -> Iterator[bytes]:
    """The leads of each part are noted before it is sent. Where the client hangs up, the rest is done all the same."""
    part, before = first, b'{"results":['
    try:
        while part is not None:
            note(part)
            if part.rows:
                yield before + dump(part.rows)[1:-1]
                before = b","
            part = next(data.parts, None)
        yield (b"]," if before == b"," else before + b"],") + dump(data.rest())[1:]
    except GeneratorExit:
        for part in data.parts:
            note(part)
        raise


def followed(content: Iterator[bytes], then: Callable[[], None]) -> Iterator[bytes]:
    """`then` also where the client has hung up."""
    try:
        yield from content
    finally:
        then()
