"""How gunicorn serves the CRM (`manage.py serve` adds address, workers and threads)."""

from typing import Any

worker_class = "lead_crm.patience.Worker"
# Without it one worker takes all keep-alive connections and its threads fight over one interpreter.
reuse_port = True
keepalive = 30
timeout = 60
graceful_timeout = 15
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files must not wait for a disk
limit_request_line = 8190
limit_request_fields = 64
max_requests = 0
loglevel = "warning"
logger_class = "lead_crm.logs.GunicornLog"


def post_worker_init(worker: Any) -> None:
    """Whatever the first request would have to wait for."""
    from management import warmup

    warmup.prepare()


def worker_exit(server: Any, worker: Any) -> None:
    """Who read what is written once a second: the last second's as well."""
    from lead_crm import audit

    audit.flush()
