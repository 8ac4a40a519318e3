"""Was it a person? Asked of the service at CAPTCHA_VERIFY_URL, where one is set, in the usual `siteverify` way."""

import json
import logging
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from django.conf import settings

from lead_crm.errors import Fault, Invalid, Unavailable

SECONDS: Final = 4.0
LARGEST_ANSWER: Final = 64 * 1024

log = logging.getLogger("lead_crm.captcha")


def wanted() -> bool:
    return bool(settings.ENV.CAPTCHA_VERIFY_URL)


def site_key() -> dict[str, str | None] | None:
    """What the page needs that shows the captcha; None where none is asked for."""
    return {"site_key": settings.ENV.CAPTCHA_SITE_KEY} if wanted() else None


def faults(answer: str | None) -> list[Fault]:
    """What can be said without asking the service, which takes each answer once."""
    if wanted() and not answer:
        return [Fault("/captcha", "required", "Solve the captcha and send its answer.")]
    return []


def verify(answer: str | None) -> None:
    """Pass, or raise. Where the service cannot be asked nobody passes: the door stays shut, and says so."""
    if not wanted():
        return
    try:
        solved = _asked(settings.ENV.CAPTCHA_VERIFY_URL, answer or "").get("success") is True
    except (OSError, HTTPException, ValueError, AttributeError) as error:
        log.warning("the captcha service does not answer: %s", type(error).__name__)
        raise Unavailable("The captcha cannot be checked at this moment. Please try again in a minute.") from None
    if not solved:
        raise Invalid([Fault("/captcha", "not_solved", "The captcha was not solved, or too long ago. Try it again.")])


def _asked(url: str, answer: str) -> Any:
    form = urlencode({"secret": settings.ENV.CAPTCHA_SECRET, "response": answer}).encode()
    request = Request(url, form, {"Accept": "application/json"})  # noqa: S310 - settings take http(s) only
    with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
        return json.loads(response.read(LARGEST_ANSWER))
