"""How gunicorn serves the CRM (`manage.py serve` adds address, workers and threads)."""

import os
from typing import Any

ON_LINUX = hasattr(os, "sched_setaffinity")

worker_class = "lead_crm.patience.Worker"
# Without it one worker takes all keep-alive connections and its threads fight over one interpreter.
reuse_port = True
keepalive = 30
timeout = 60
graceful_timeout = 15
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files must not wait for a disk
sendfile = False  # it would go past `patience.Leaving`
control_socket_disable = True  # `serve` is in control
limit_request_line = 8190
limit_request_fields = 64
max_requests = 0
loglevel = "warning"
logger_class = "lead_crm.logs.GunicornLog"


def pre_fork(server: Any, worker: Any) -> None:
    """Its share of the processors: the one that fewest of the others have."""
    shares = _shares(server.num_workers)
    taken = [other.share for other in server.WORKERS.values()]
    worker.share = min(shares, key=taken.count)


def _shares(workers: int) -> list[frozenset[int]]:
    processors = sorted(os.sched_getaffinity(0)) if ON_LINUX else []
    number = min(workers, len(processors))
    return [frozenset(processors[i::number]) for i in range(number)] or [frozenset()]


def post_fork(server: Any, worker: Any) -> None:
    """Of the threads of a process one at a time runs Python. Handing that on from processor to processor is slow, and
    so is every interruption (`docs/decisions/0012-threads-that-stay.md`)."""
    if ON_LINUX:
        os.sched_setaffinity(0, worker.share)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def post_worker_init(worker: Any) -> None:
    """Whatever the first request would have to wait for."""
    from management import warmup

    warmup.prepare()


def worker_exit(server: Any, worker: Any) -> None:
    """Who read what is written once a second: the last second's as well."""
    from lead_crm import audit

    audit.flush()
