"""Opaque cursors. They say where to go on, never what may be seen: every query adds its scope anew."""

import base64
import binascii
import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from bson import ObjectId
from django.http import HttpRequest

from lead_crm.errors import Fault, Invalid

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def encode(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([_out(part) for part in parts])).decode().rstrip("=")


def _out(part: Any) -> Any:
    if isinstance(part, datetime):
        return {"at": (part.replace(tzinfo=UTC) - EPOCH) // MILLISECOND}
    if isinstance(part, ObjectId):
        return {"id": str(part)}
    return part


def decode(text: str, kinds: Sequence[type | tuple[type, ...]]) -> list[Any]:
    """The parts, each of the kind that is expected there."""
    try:
        parts = [_in(part) for part in orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))]
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, UnicodeError, ArithmeticError):
        raise wrong() from None
    if len(parts) != len(kinds) or not all(isinstance(p, k) for p, k in zip(parts, kinds, strict=True)):
        raise wrong()
    return parts


def _in(part: Any) -> Any:
    if isinstance(part, dict) and part.keys() == {"at"}:
        return EPOCH + part["at"] * MILLISECOND  # a float of seconds is too coarse for years to come
    if isinstance(part, dict) and part.keys() == {"id"}:
        if not ObjectId.is_valid(part["id"]):
            raise ValueError
        return ObjectId(part["id"])
    return part


def wrong() -> Invalid:
    return Invalid([Fault("/cursor", "wrong_cursor", "Use the cursor of a `next` or `previous` address, unchanged.")])


def address(request: HttpRequest, **changes: str | int | None) -> str:
    """This address with other query parameters; None leaves one out."""
    new = urlencode({name: value for name, value in changes.items() if value is not None})
    query = "&".join(filter(None, (_others(request.META.get("QUERY_STRING", ""), tuple(changes)), new)))
    return f"{request.scheme}://{request.get_host()}{quote(request.path)}?{query}"


@functools.lru_cache(maxsize=1024)
def _others(raw: str, changed: tuple[str, ...]) -> str:
    """`raw`: as WSGI hands it over."""
    asked = parse_qsl(raw.encode("iso-8859-1").decode(errors="replace"), keep_blank_values=True)
    return urlencode([(name, value) for name, value in asked if name not in changed])
