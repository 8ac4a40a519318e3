import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from management import serving


class Command(BaseCommand):
    help = "Run the CRM: a private database where MONGODB_URI names none, web server and worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.ENV.HOST)
        parser.add_argument("--port", type=int, default=settings.ENV.PORT)
        parser.add_argument("--workers", type=int, default=settings.ENV.WEB_WORKERS, help="Web processes.")
        parser.add_argument("--no-worker", dest="worker", action="store_false", help="It runs elsewhere.")

    def handle(self, *args: Any, host: str, port: int, workers: int, worker: bool, **options: Any) -> None:
        sys.exit(serving.serve(host=host, port=port, workers=workers, worker=worker, say=self.stdout.write))
