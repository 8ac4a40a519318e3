from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lead_crm import mongo
from lead_crm.documents import now
from management import demo, setup
from management.commanding import refusals_named


class Command(BaseCommand):
    help = "Prepare indexes and the workflow of a preset; with --demo N also N believable leads. Can be repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--preset", help="the one that is in place, if none is named; at first: default")
        parser.add_argument("--demo", type=int, default=0, metavar="N")

    @refusals_named
    def handle(self, *args: Any, preset: str | None, **options: Any) -> None:
        with mongo.available():
            self.stdout.write(setup.prepare(preset, now=now()))
            if options["demo"]:
                demo.top_up(options["demo"], now=now(), say=self.stderr)
