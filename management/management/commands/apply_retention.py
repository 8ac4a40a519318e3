from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lead_crm import mongo
from lead_crm.documents import now
from management import retention
from management.commanding import refusals_named


class Command(BaseCommand):
    help = "Archive and erase leads as the config's retention rules say."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be done.")

    @refusals_named
    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        with mongo.available():
            say = self.stdout.write
            for rule in retention.apply(by=None, now=now(), dry_run=dry_run, going=lambda: True, say=say):
                say(f"  for example {', '.join(rule['examples']) or 'none'}")
