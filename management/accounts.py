"""People, their tokens and the centres, in the collection `accounts`."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from lead_crm import directory, documents, mongo, passwords
from lead_crm.access import Actor, grant, narrowed
from lead_crm.contact import Email, same_email
from lead_crm.documents import Document, Line, Model, new_uid
from lead_crm.errors import Conflict, Fault, Invalid, NotFound, Stale
from lead_crm.store import Store

PREFIX: Final = "lcrm_"
EDITS_KEPT: Final = 20
USE_NOTED_EVERY: Final = timedelta(minutes=1)
SHOWN_AS: Final = {"invitation_hash": "invited", "invited_until": "invited"}
RoleName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]

E = TypeVar("E", bound="Edited")


class EmailTaken(Conflict):
    code, title = "email_taken", "There is already an account with this e-mail address."


class LastSuperAdmin(Conflict):
    code, title = "last_super_admin", "This is the last active super admin: make somebody else one first."


class Edit(Model):
    version: int
    pointers: list[str]


class Edited(Document):
    """Knows what its latest versions changed, for whoever comes with an old ETag."""

    edits: list[Edit] = []


class Account(Edited):
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


class Center(Edited):
    name: Line
    kind: Literal["center"] = "center"
    archived: bool = False


accounts: Final = Store(Account, kind="account", collection="accounts")
tokens: Final = Store(Token, kind="token", collection="accounts")
centers: Final = Store(Center, kind="center", collection="accounts")


def edited(document: E, *, at: datetime, **values: Any) -> E:
    """The next version; the same document where nothing differs."""
    different = [name for name, value in values.items() if getattr(document, name) != value]
    if not different:
        return document
    pointers = dict.fromkeys(f"/{SHOWN_AS.get(name, name)}" for name in different)
    edit = Edit(version=document.version + 1, pointers=list(pointers))
    edits = [*document.edits, edit][-EDITS_KEPT:]
    return document.changed(version=edit.version, updated_at=at, edits=edits, **values)


def unchanged(document: Edited, if_match: int | None) -> None:
    if if_match in (None, document.version):
        return
    pointers = {pointer for edit in document.edits if edit.version > (if_match or 0) for pointer in edit.pointers}
    raise Stale(f"It is at version {document.version} now.", version=document.version, changed=sorted(pointers))


def create(
    *, email: str, name: str, roles: Sequence[str], centers: Sequence[str] = (), password: str | None = None,
    at: datetime,
) -> Account:  # fmt: skip
    if unknown := [role for role in roles if role not in directory.roles()]:
        raise Invalid([Fault("/roles", "unknown_role", f"There is no role {role}.") for role in unknown])
    account = Account(
        uid=f"user-{new_uid()}", email=email, name=name, roles=list(roles), centers=list(centers), created_at=at,
        updated_at=at,
    )  # fmt: skip
    account = account.changed(email=same_email(account.email))
    if accounts.first({"email": account.email}):
        raise EmailTaken
    if password is not None:
        account = account.changed(password=passwords.hashed(password, personal=[account.email, account.name]))
    try:
        accounts.insert(account)
    except Conflict:  # somebody else was first in the meantime
        raise EmailTaken from None
    directory.forget()
    return account


def replace(account: Account, *, read: int, session: ClientSession | None = None) -> bool:
    try:
        return accounts.replace(account, read=read, session=session)
    except DuplicateKeyError:
        raise EmailTaken from None


def replace_super_admin(account: Account, *, read: int) -> bool:
    """Somebody ceases to be an active super admin, if another one is left.

    Whoever does so writes one and the same guard: of two who do it to each other at once, the second starts again.
    """

    def work(session: ClientSession | None) -> bool:
        guard = {"type": "guard", "uid": "super_admins"}
        accounts.collection.update_one(guard, {"$inc": {"version": 1}}, upsert=True, session=session)
        others = {"type": "account", "roles": "super_admin", "active": True, "uid": {"$ne": account.uid}}
        if accounts.collection.find_one(others, {"_id": 1}, session=session) is None:
            raise LastSuperAdmin
        return replace(account, read=read, session=session)

    return mongo.transaction(work)


def page(where: Mapping[str, Any], *, offset: int, limit: int) -> tuple[list[Account], int]:
    """By name; and how many there are in all."""
    asked = {"type": "account", **where}
    rows = accounts.collection.find(asked).sort([("name", 1), ("uid", 1)]).skip(offset).limit(limit)
    return [accounts.load(row) for row in rows], accounts.collection.count_documents(asked)


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


def create_token(account: Account, *, name: str, at: datetime, **limits: Any) -> str:
    """The bearer token itself: shown this once, only its hash is kept."""
    return issue(account, name=name, at=at, **limits)[1]


def issue(
    account: Account, *, name: str, at: datetime, scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:  # fmt: skip
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        uid=f"token-{new_uid()}", name=name, account=account.uid, secret_hash=hashed(secret),
        scopes=None if scopes is None else list(scopes), expires_at=expires_at, created_at=at, updated_at=at,
    )  # fmt: skip
    tokens.insert(token)
    return token, secret


def revoke_all(account: str, *, at: datetime) -> None:
    """Every token of an account; those made meanwhile are dead with the account."""
    for token in tokens.find({"account": account, "active": True}):
        tokens.replace(token.changed(active=False, version=token.version + 1, updated_at=at), read=token.version)


def hashed(secret: str) -> str:
    """Tokens are random: nothing needs to slow their guessing down."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def bearer(secret: str) -> Actor | None:
    """Who this token speaks for. Remembered for five seconds."""
    digest = hashed(secret)
    return directory.remembered(f"token:{digest}", lambda: _bearer(digest, documents.now()))


def _bearer(digest: str, now: datetime) -> Actor | None:
    token = tokens.first({"secret_hash": digest, "active": True})
    if token is None or (token.expires_at and token.expires_at <= now):
        return None
    account = accounts.first({"uid": token.account, "active": True})
    if account is None:
        return None
    _note_use(token, now)
    return actor_of(account, token)


def _note_use(token: Token, now: datetime) -> None:
    """To the minute. Not as a whole document: it must neither wait for others nor make them wait."""
    if token.last_used_at and now - token.last_used_at < USE_NOTED_EVERY:
        return
    where = {"type": "token", "uid": token.uid, "last_used_at": token.last_used_at}
    mongo.quick("accounts").update_one(where, {"$set": {"last_used_at": now}})


def actor_of(account: Account, token: Token | None = None) -> Actor:
    rights: dict[str, Any] = grant(account.roles, account.centers, directory.centers(), directory.roles())
    if token and token.scopes is not None:
        scopes = frozenset(token.scopes)
        rights["permissions"] = scopes if "integration" in account.roles else narrowed(rights["permissions"], scopes)
    return Actor(
        account.uid, account.name, "token" if token else "person", tuple(account.roles), **rights,
        token=token.uid if token else None, closed=frozenset(rights["centers"]).difference(directory.open_centers()),
    )  # fmt: skip


def is_first() -> bool:
    return mongo.collection("accounts").find_one({"type": "account"}, {"_id": 1}) is None
