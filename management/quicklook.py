"""Data for `MONGODB_URI=mongomock://`: it lives and dies with the process."""

import secrets
import sys

from lead_crm.documents import now
from management import accounts, setup


def prepare() -> None:
    setup.prepare("default", now=now())
    admin = accounts.create(
        email="admin@example.com", name="Admin", roles=["super_admin"], password=secrets.token_urlsafe(16), at=now()
    )
    token = accounts.create_token(admin, name="quick look", at=now())
    sys.stdout.write(f"Sign in with: Authorization: Bearer {token}\n")
    sys.stdout.flush()
