"""One JSON line per event, each with the request's id."""

import logging
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from gunicorn.glogging import Logger

request_id: ContextVar[str] = ContextVar("request_id", default="-")
log = logging.getLogger("lead_crm.request")

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()

    converter = staticmethod(time.gmtime)


def configure(config: dict[str, str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    # No line says in which file, thread or process it was written: that need not be found out.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=config["level"], handlers=[handler], force=True)
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    # Problems are answered and logged by the request line; Django would log every 4xx a second time.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)


def _incoming_id(request: HttpRequest) -> str:
    """The caller's own request id where it is harmless, so that logs of several systems can be joined."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if 0 < len(given) <= 64 and _SAFE.issuperset(given):
        return given
    return f"{random.getrandbits(64):016x}"  # a name, no secret: it needs no system call


def request_log(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def answer(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        token = request_id.set(_incoming_id(request))
        try:
            if not request.path_info.endswith("/"):  # a trailing slash is optional
                request.path_info += "/"
                request.path += "/"
            response = get_response(request)
            response["X-Request-ID"] = request_id.get()
            if isinstance(response, HttpResponse):  # a known length spares the chunked encoding
                response["Content-Length"] = str(len(response.content))
            _write_line(request, response, started)
            return response
        finally:
            request_id.reset(token)

    return answer


def _write_line(request: HttpRequest, response: HttpResponseBase, started: float) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    facts = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "ms": round((time.perf_counter() - started) * 1000, 1),
        "actor": getattr(request, "actor_uid", None),
    }
    log.info("request", extra={"facts": facts})


class GunicornLog(Logger):  # type: ignore[misc]
    """Gunicorn's own messages, in our format; requests are logged by `request_log`."""

    def setup(self, cfg: Any) -> None:
        configure({"level": "INFO"})
        self.error_log = logging.getLogger("gunicorn.error")
        self.error_log.setLevel(logging.WARNING)

    def access(self, *args: Any) -> None:
        """Not twice."""
