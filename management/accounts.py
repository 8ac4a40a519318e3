"""People, their tokens and the centres, in the collection `accounts`."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from lead_crm import directory, mongo, passwords
from lead_crm.access import Actor, grant
from lead_crm.contact import Email, same_email
from lead_crm.documents import Document, Line, new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NotFound
from lead_crm.store import Store

PREFIX: Final = "lcrm_"
RoleName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class Account(Document):
    email: Email
    name: Line
    roles: list[RoleName]
    centers: list[str] = []
    password: str | None = None
    active: bool = True
    invitation_hash: str | None = None
    invited_until: datetime | None = None
    last_sign_in_at: datetime | None = None


class Token(Document):
    name: Line
    account: str
    secret_hash: str
    scopes: list[str] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    active: bool = True


class Center(Document):
    name: Line
    kind: Literal["center"] = "center"


accounts: Final = Store(Account, kind="account", collection="accounts")
tokens: Final = Store(Token, kind="token", collection="accounts")
centers: Final = Store(Center, kind="center", collection="accounts")


def create(
    *, email: str, name: str, roles: Sequence[str], centers: Sequence[str] = (), password: str | None = None,
    at: datetime,
) -> Account:  # fmt: skip
    if unknown := [role for role in roles if role not in directory.roles()]:
        raise Invalid([Fault("/roles", "unknown_role", f"There is no role {role}.") for role in unknown])
    account = Account(
        uid=f"user-{new_uid()}", email=email, name=name, roles=list(roles), centers=list(centers),
        password=password and passwords.hashed(password), created_at=at, updated_at=at,
    )  # fmt: skip
    account = account.changed(email=same_email(account.email))
    if accounts.first({"email": account.email}):
        raise Conflict(f"There is already an account for {account.email}.")
    accounts.insert(account)
    directory.forget()
    return account


def with_email(email: str) -> Account:
    account = accounts.first({"email": same_email(email)})
    if account is None:
        raise NotFound(f"There is no account for {email}.")
    return account


def add_center(*, uid: str, name: str, at: datetime) -> Center:
    center = Center(uid=uid, name=name, created_at=at, updated_at=at)
    centers.insert(center)
    directory.forget()
    return center


def create_token(account: Account, *, name: str, at: datetime) -> str:
    """The bearer token itself: shown this once, only its hash is kept."""
    secret = PREFIX + secrets.token_urlsafe(32)
    tokens.insert(Token(
        uid=f"token-{new_uid()}", name=name, account=account.uid, secret_hash=_hash(secret), created_at=at,
        updated_at=at,
    ))  # fmt: skip
    return secret


def _hash(secret: str) -> str:
    """Tokens are random: nothing needs to slow their guessing down."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer(secret: str) -> Actor | None:
    """Who this token speaks for. Remembered for five seconds."""
    hashed = _hash(secret)
    return directory.remembered(f"token:{hashed}", lambda: _bearer(hashed))


def _bearer(hashed: str) -> Actor | None:
    token = tokens.first({"secret_hash": hashed, "active": True})
    account = token and accounts.first({"uid": token.account, "active": True})
    return actor_of(account) if account else None


def actor_of(account: Account) -> Actor:
    rights: dict[str, Any] = grant(account.roles, account.centers, directory.centers(), directory.roles())
    return Actor(account.uid, account.name, "person", tuple(account.roles), **rights)


def is_first() -> bool:
    return mongo.collection("accounts").find_one({"type": "account"}, {"_id": 1}) is None
