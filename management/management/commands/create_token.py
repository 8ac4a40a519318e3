from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lead_crm import mongo
from lead_crm.documents import now
from management import accounts
from management.commanding import refusals_named


class Command(BaseCommand):
    help = "Make a bearer token for an account and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True, help="What the token is for.")

    @refusals_named
    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        with mongo.available():
            token = accounts.create_token(accounts.with_email(email), name=name, at=now())
        self.stdout.write(token)
