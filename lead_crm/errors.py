"""Situations the CRM cannot go on in. `lead_crm.http` turns them into problem documents (RFC 9457)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def escape(part: object) -> str:
    """One step of a JSON pointer, fit to be written as UTF-8 whatever the client sent."""
    text = str(part).encode("utf-8", "backslashreplace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the input: where it is (a JSON pointer), which rule it breaks, and what to do."""

    pointer: str
    code: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    def under(self, prefix: str) -> "Fault":
        return Fault(prefix + self.pointer, self.code, self.detail, self.extra)


class LeadCrmError(Exception):
    status = 400
    code = "bad_request"
    title = "The request cannot be carried out."

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra


class NotJson(LeadCrmError):
    status, code, title = 400, "not_json", "The body is not valid JSON."


class NotSignedIn(LeadCrmError):
    status, code, title = 401, "not_signed_in", "Sign in first, or send a valid bearer token."


class NotAllowed(LeadCrmError):
    status, code, title = 403, "not_allowed", "Your role does not permit this."


class NotFound(LeadCrmError):
    status, code, title = 404, "not_found", "There is nothing here that you may see."


class WrongMethod(LeadCrmError):
    status, code, title = 405, "method_not_allowed", "This address does not answer this method."


class Conflict(LeadCrmError):
    status, code, title = 409, "conflict", "This does not fit the present state."


class Merged(Conflict):
    """It goes on as part of `to`: who reads is sent there, who writes is told."""

    code, title = "lead_merged", "The lead was merged into another: use that one."

    def __init__(self, uid: str, to: str) -> None:
        super().__init__(f"{uid} was merged into {to}: use that one, or unmerge it.", merged_into=to)
        self.uid, self.to = uid, to


class Refused(Conflict):
    """The gate says no; `refusals` says why, and what would make it pass."""

    code, title = "move_refused", "The lead may not move there."


class Stale(LeadCrmError):
    status, code, title = 412, "stale", "The document has changed since you read it."


class TooLarge(LeadCrmError):
    status, code, title = 413, "too_large", "The request body is too large."


class WrongMediaType(LeadCrmError):
    status, code, title = 415, "unsupported_media_type", "Send JSON with Content-Type: application/json."


class Invalid(LeadCrmError):
    """The input is understood but wrong; every fault is named at once."""

    status, code, title = 422, "invalid", "The input has faults."

    def __init__(self, faults: Sequence[Fault], detail: str | None = None) -> None:
        super().__init__(detail or f"{len(faults)} fault(s): see errors.")
        self.faults = tuple(faults)


class KeyReused(LeadCrmError):
    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key was used with another body."


class Locked(LeadCrmError):
    status, code, title = 423, "locked", "The workflow is locked. An administrator can unlock it with a reason."


class TooManyRequests(LeadCrmError):
    """`retry_after`, in seconds, becomes the header Retry-After."""

    status, code, title = 429, "too_many_requests", "Too many requests. Try again later."


class Unavailable(LeadCrmError):
    status, code, title = 503, "unavailable", "The database cannot be reached. Try again shortly."


class NeedsServer(LeadCrmError):
    status, code, title = (
        501,
        "needs_real_mongodb",
        ("This needs a real MongoDB; the in-memory database cannot do it. Unset MONGODB_URI or name a server."),
    )
