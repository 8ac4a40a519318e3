"""What every answer tells browsers: run nothing, keep nothing, frame nothing."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

API: Final = "default-src 'none'; frame-ancestors 'none'"


def security_headers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Beside those of Django's own middleware. A page that needs more says so itself."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", API)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer
