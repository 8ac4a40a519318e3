"""Which pages of other origins a browser lets call this API: those of ALLOWED_ORIGINS, and no others."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

Answer = Callable[[HttpRequest], HttpResponseBase]

ANY: Final = "*"
PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, If-Match, Idempotency-Key, X-CSRF-Token, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED: Final = "ETag, X-Request-ID, Retry-After, Idempotency-Replayed"


def cors(get_response: Answer) -> Answer:
    origins = frozenset(settings.ALLOWED_ORIGINS)
    if not origins:
        raise MiddlewareNotUsed

    def answer(request: HttpRequest) -> HttpResponseBase:
        origin = request.META.get("HTTP_ORIGIN")
        allowed = _allowed(origin, origins)
        if allowed and request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META:
            response: HttpResponseBase = HttpResponse(status=204, headers=PREFLIGHT)
        else:
            response = get_response(request)
        if ANY not in origins:  # also where nobody asked: a cache must not give this answer to another origin
            patch_vary_headers(response, ["Origin"])
        if allowed:
            _admit(response, allowed)
        return response

    return answer


def _allowed(origin: str | None, origins: frozenset[str]) -> str | None:
    if origin is None:
        return None
    return ANY if ANY in origins else origin if origin in origins else None


def _admit(response: HttpResponseBase, allowed: str) -> None:
    response["Access-Control-Allow-Origin"] = allowed
    response["Access-Control-Expose-Headers"] = EXPOSED
    if allowed != ANY:  # whoever admits everybody gets no cookies
        response["Access-Control-Allow-Credentials"] = "true"
