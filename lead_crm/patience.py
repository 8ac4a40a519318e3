"""The gunicorn worker, with an end to its patience: a request that arrives in drips holds no thread for long."""

import socket
import time
from typing import Any, Final

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import _DEFER, DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

REQUEST_SECONDS: Final = 10.0  # for head and body together


class Arriving:
    """A socket as the parser reads from it, until the request should have arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.until = time.monotonic() + REQUEST_SECONDS

    def recv(self, size: int) -> bytes:
        self.sock.settimeout(max(0.001, self.until - time.monotonic()))
        try:
            return self.sock.recv(size)
        except TimeoutError:
            raise NoMoreData from None
        finally:
            self.sock.settimeout(None)  # answers are sent, and waited for, without it


class Worker(ThreadWorker):  # type: ignore[misc]
    def handle(self, conn: TConn) -> Any:
        if not conn.initialized:
            if not conn.wait_for_data(DEFAULT_WORKER_DATA_TIMEOUT):
                return _DEFER
            conn.init()
        conn.parser.unreader.sock = Arriving(conn.sock)
        return super().handle(conn)
