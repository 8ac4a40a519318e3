import getpass
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lead_crm import mongo
from lead_crm.documents import now
from management import accounts
from management.commanding import refusals_named


class Command(BaseCommand):
    help = "Make a super administrator. The password is read from ADMIN_PASSWORD, or asked for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True)

    @refusals_named
    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        password = os.environ.get("ADMIN_PASSWORD") or _asked()
        with mongo.available():
            mongo.ensure_indexes()
            accounts.create(email=email, name=name, roles=["super_admin"], password=password, at=now())
        self.stdout.write(f"{name} <{email}> is a super administrator.")


def _asked() -> str:
    try:
        return getpass.getpass("Password: ")
    except EOFError:
        raise CommandError("There is nobody here to ask for the password: set ADMIN_PASSWORD.") from None
