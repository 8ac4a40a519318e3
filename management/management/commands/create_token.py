from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lead_crm import mongo
from lead_crm.documents import now
from management import accounts, tokens
from management.commanding import refusals_named
from management.people_messages import TokenIn


class Command(BaseCommand):
    help = "Make a bearer token for an account and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True, help="What the token is for.")
        parser.add_argument("--scopes", type=_names, help="Permissions, with commas between; default: all it may.")
        parser.add_argument("--days", type=int, help="How long it is valid; default: until it is revoked.")

    @refusals_named
    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        with mongo.available():
            body = TokenIn(name=name, scopes=options["scopes"], expires_at=_until(options["days"]))
            token = tokens.create_for(accounts.with_email(email), body, now=now())
        self.stdout.write(token)


def _names(text: str) -> list[str]:
    return text.split(",")


def _until(days: int | None) -> datetime | None:
    return None if days is None else now() + timedelta(days=days)
