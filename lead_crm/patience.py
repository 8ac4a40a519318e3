"""The gunicorn worker, with an end to its patience: a request that arrives in drips holds no thread for long.

Of a process's threads one at a time runs Python, and at every system call another may take over, so there are few: a
thread stays with its connection while there are enough of them, what has arrived is read without asking whether it
has, and an answer leaves in one piece.
"""

import select
import socket
import time
from typing import Any, Final

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import _DEFER, DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

REQUEST_SECONDS: Final = 10.0  # for head and body together
STAYS_SECONDS: Final = 0.05  # a new connection may have to wait as long


class Arriving:
    """A socket as the parser reads from it, until the request should have arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.until = time.monotonic() + REQUEST_SECONDS

    def recv(self, size: int) -> bytes:
        try:
            return self.sock.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if not _readable(self.sock, self.until - time.monotonic()):
                raise NoMoreData from None
            return self.sock.recv(size)


class Leaving(socket.socket):
    """A connection that keeps the head of an answer until the first of its body goes out with it."""

    _head = b""

    def sendall(self, data: Any, flags: int = 0) -> None:
        head, self._head = self._head, b""
        if not head and data.startswith(b"HTTP/"):
            self._head = data
        else:
            super().sendall(head + data, flags)

    def flush(self) -> None:
        """The head of an answer that has no body."""
        if self._head:
            self.sendall(b"")


class Worker(ThreadWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        self.threads: int = self.cfg.threads
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        if not conn.initialized:
            if not conn.wait_for_data(DEFAULT_WORKER_DATA_TIMEOUT):
                return _DEFER
            conn.sock = Leaving(fileno=conn.sock.detach())
            conn.init()
        kept = self._answered(conn)
        while kept and self._stays(conn):
            kept = self._answered(conn)
        return kept

    def _answered(self, conn: TConn) -> Any:
        conn.parser.unreader.sock = Arriving(conn.sock)
        kept = super().handle(conn)
        conn.sock.flush()
        return kept

    def _stays(self, conn: TConn) -> bool:
        """Does the next request come soon, while nobody else needs this thread?"""
        if conn.parser.unreader.buf.getvalue():
            return True
        return self.alive and self.nr_conns <= self.threads and _readable(conn.sock, STAYS_SECONDS)


def _readable(sock: socket.socket, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(max(0, seconds) * 1000))
