import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lead_crm import mongo
from management import worker
from management.commanding import refusals_named


class Command(BaseCommand):
    help = "Run what is due by itself, until SIGTERM. Several may run at once."

    @refusals_named
    def handle(self, *args: Any, **options: Any) -> None:
        stop = worker.Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop.ask)
        with mongo.available():
            if mongo.in_memory():
                raise CommandError("With mongomock:// every process has data of its own: there is nothing to work on.")
            worker.work(stop)
