"""Signing in and out, and what people change about themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lead_crm import audit, directory, passwords
from lead_crm.access import ANYBODY, Actor
from lead_crm.contact import same_email
from lead_crm.errors import Conflict, Fault, Invalid, LeadCrmError, NotSignedIn
from management import accounts, guessing, people, sessions
from management.accounts import Account

ACTIONS: Final[dict[str, audit.Action]] = {
    "login": "sign_in", "accept_invitation": "sign_in", "logout": "sign_out",
    "change_password": "people", "edit_me": "people",
}  # fmt: skip

Rule = Callable[[Account], Account]


class WrongCredentials(NotSignedIn):
    code, title = "wrong_credentials", "The e-mail address or the password is wrong."


@dataclass(frozen=True)
class Visit:
    """Somebody at a browser."""

    operation: str
    address: str  # its fingerprint
    now: datetime
    request_id: str
    session: str | None  # the secret that the browser sent


@dataclass(frozen=True)
class SignedIn:
    account: Account
    session: str | None


def sign_in(email: str, password: str, *, visit: Visit) -> SignedIn:
    guess = guessing.of_password(email, address=visit.address, now=visit.now)
    account = accounts.accounts.first({"email": same_email(email), "active": True})
    right = passwords.verified(password, account.password if account else None)
    if account is None or not right:
        _failed(visit, account.uid if account else f"unknown:{guessing.mark(email)}")
        raise WrongCredentials
    signed_in = _entered(account, lambda kept: _renewed(kept, password, account.password), visit=visit)
    guess.was_right()
    return signed_in


def accept(token: str, password: str, *, visit: Visit) -> SignedIn:
    """Whoever was invited chooses a password, and is in."""
    guess = guessing.of_invitation(address=visit.address, now=visit.now)
    account = people.accepted(token, password, visit.now)
    guess.was_right()
    return _entered(account, lambda kept: kept, visit=visit)


def _entered(account: Account, rule: Rule, *, visit: Visit) -> SignedIn:
    """Signing in makes no new version of the account: whoever is editing it need not know."""
    signed_in = _with_session(account, lambda kept: rule(kept).changed(last_sign_in_at=visit.now), visit=visit)
    if visit.session:
        sessions.end(visit.session)
    _noted(visit, signed_in.account)
    return signed_in


def _with_session(account: Account, rule: Rule, *, visit: Visit) -> SignedIn:
    """First the session, then the account as it was found: whoever deactivates it in between finds the session."""
    secret = sessions.start(account.uid, now=visit.now)
    try:
        return SignedIn(_changed(account.uid, lambda kept: rule(_active(kept))), secret)
    except LeadCrmError:
        sessions.end(secret)
        raise


def _active(account: Account) -> Account:
    if not account.active:
        raise WrongCredentials
    return account


def _renewed(account: Account, password: str, verified: str | None) -> Account:
    """What was verified must still be their password. Its hash is made anew where the parameters have changed."""
    if account.password != verified:
        raise WrongCredentials
    if account.password and passwords.outdated(account.password):
        return account.changed(password=passwords.renewed(password))
    return account


def sign_out(actor: Actor, *, visit: Visit) -> None:
    if visit.session is None:
        raise Conflict("There is no session to end: you came with a token.")
    sessions.end(visit.session)
    audit.note(
        "sign_out", visit.operation, actor=actor, subjects=[actor.uid], at=visit.now, request_id=visit.request_id
    )


def change_password(uid: str, current: str, new: str, *, visit: Visit) -> SignedIn:
    """All sessions end; the one that asks goes on under a new secret."""
    account = accounts.accounts.get(uid)
    guess = guessing.of_password(account.email, address=visit.address, now=visit.now)
    if not passwords.verified(current, account.password):
        _failed(visit, uid)
        raise _wrong_current()
    guess.was_right()
    chosen = passwords.hashed(new, personal=(account.email, account.name), pointer="/new_password")

    def rule(kept: Account) -> Account:
        if kept.password != account.password:
            raise _wrong_current()
        return accounts.edited(kept, at=visit.now, password=chosen)

    changed = _with_session(account, rule, visit=visit)
    kept = changed.session if visit.session else None
    sessions.end_all(uid, but=kept)
    _noted(visit, changed.account)
    return SignedIn(changed.account, kept)


def _wrong_current() -> Invalid:
    return Invalid([Fault("/current_password", "wrong_password", "This is not your present password.")])


def edit(uid: str, changes: dict[str, Any], *, visit: Visit) -> Account:
    account = _changed(uid, lambda kept: accounts.edited(kept, at=visit.now, **changes))
    directory.forget()
    _noted(visit, account)
    return account


def _changed(uid: str, rule: Rule) -> Account:
    while True:
        before = accounts.accounts.get(uid)
        after = rule(before)
        if accounts.accounts.replace(after, read=before.version):
            return after


def _noted(visit: Visit, account: Account) -> None:
    audit.note(
        ACTIONS[visit.operation], visit.operation, actor=accounts.actor_of(account), subjects=[account.uid],
        at=visit.now, request_id=visit.request_id,
    )  # fmt: skip


def _failed(visit: Visit, subject: str) -> None:
    audit.note(
        "sign_in_failed", visit.operation, actor=ANYBODY, subjects=[subject], at=visit.now,
        request_id=visit.request_id,
    )  # fmt: skip
