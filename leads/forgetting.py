"""What is kept of a lead for a while beside itself: answers for who repeats a request, and previews of bulks."""

from lead_crm import idempotency
from leads import previews


def forget(uid: str) -> None:
    idempotency.forget_about(uid)
    previews.forget_about(uid)
