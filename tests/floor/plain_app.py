"""What a web worker is tried with: it answers with the path that was asked for."""

from collections.abc import Callable, Iterator
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes] | Iterator[bytes]:
    path = environ["PATH_INFO"].encode()
    if path == b"/empty":
        start_response("204 No Content", [])
        return []
    if path == b"/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"first", b"second"])
    start_response("200 OK", [("Content-Length", str(len(path)))])
    return [path]
