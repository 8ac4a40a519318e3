"""How much one caller may ask of this process in a minute: generous, and counted in memory."""

import time

from django.conf import settings

from lead_crm.errors import TooManyRequests

_asked: dict[str, int] = {}
_minute = [0]


def step(caller: str) -> None:
    minute, second = divmod(int(time.monotonic()), 60)
    if minute != _minute[0]:
        _minute[0] = minute
        _asked.clear()
    count = _asked[caller] = _asked.get(caller, 0) + 1
    if count > settings.REQUESTS_PER_MINUTE:
        raise TooManyRequests("You ask faster than this installation allows.", retry_after=60 - second)
