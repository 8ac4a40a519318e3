"""The gunicorn worker, with an end to its patience: a request that arrives in drips holds no thread for long.

While there are threads for all connections, each stays with its own: handing it to the main thread and back for every
request takes three switches between threads, and a tenth of the time in which a lead is read.
"""

import select
import socket
import time
from typing import Any, Final

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import _DEFER, DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

REQUEST_SECONDS: Final = 10.0  # for head and body together
STAYS_MILLISECONDS: Final = 50  # then it looks whether somebody else needs the thread


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
    def init_process(self) -> None:
        self.threads: int = self.cfg.threads
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        if not conn.initialized:
            if not conn.wait_for_data(DEFAULT_WORKER_DATA_TIMEOUT):
                return _DEFER
            conn.init()
        kept = self._answered(conn)
        while kept and self._stays(conn):
            kept = self._answered(conn)
        return kept

    def _answered(self, conn: TConn) -> Any:
        conn.parser.unreader.sock = Arriving(conn.sock)
        return super().handle(conn)

    def _stays(self, conn: TConn) -> bool:
        """Does the next request come while nobody else needs this thread?"""
        if conn.parser.unreader.buf.getvalue():
            return True
        soon = select.poll()
        soon.register(conn.sock, select.POLLIN)
        until = time.monotonic() + self.cfg.keepalive
        while self.alive and self.nr_conns <= self.threads and time.monotonic() < until:
            if soon.poll(STAYS_MILLISECONDS):
                return True
        return False
