"""Where a request comes from, behind trusted proxies only."""

import hashlib
import hmac
import ipaddress
from typing import Final

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN: Final = "unknown"
HOME: Final = 64  # bits of an IPv6 address that belong to one customer line


def address(request: HttpRequest) -> Address | None:
    """The last address that no trusted proxy vouches for having seen behind it: what stands before may be made up."""
    found = _parsed(request.META.get("REMOTE_ADDR", ""))
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if found is None or not _trusted(found):
            break
        if (before := _parsed(hop)) is None:
            break
        found = before
    return found


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _trusted(found: Address) -> bool:
    return any(found in network for network in settings.TRUSTED_PROXIES)


def fingerprint(request: HttpRequest) -> str:
    """Tells clients apart without keeping their addresses; an IPv6 line counts as one."""
    found = address(request)
    if isinstance(found, ipaddress.IPv6Address):
        found = ipaddress.ip_network((found, HOME), strict=False).network_address
    text = UNKNOWN if found is None else str(found)
    return hmac.new(settings.SECRET_KEY.encode(), f"address:{text}".encode(), hashlib.sha256).hexdigest()[:32]
