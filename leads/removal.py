"""A lead taken out of the database for good, as if it had never been there. Its uid is not used again."""

from datetime import datetime, timedelta
from typing import Final

from lead_crm.access import Actor
from leads import again, service, store
from leads.forgetting import forget, parts, withdrawn

# A request that read the lead before it was removed, and has not ended by then, has died.
OVER_AFTER: Final = timedelta(minutes=10)


def remove(uid: str, *, actor: Actor, now: datetime, if_match: int | None) -> None:
    """The lead and what was merged into it, their timelines, the answers that showed them, and what they have left in
    leads that they were merged into before; in whatever state."""
    actor.require("lead.delete")
    for _ in again.attempts():
        lead, _ = store.load(uid, actor=actor)
        service.unchanged(lead, if_match)
        withdrawn([lead, *parts(lead)], now=now)
        if store.remove(lead, at=now):
            for gone in (uid, *(name for part in lead.merged for name in part.names())):
                forget(gone)
            return
    raise again.busy()


def sweep(*, now: datetime) -> int:
    """What requests have left that were under way when their lead was removed: spilled entries, answers, previews."""
    uids = store.removed(now - OVER_AFTER)
    for uid in uids:
        forget(uid)
        store.forget_removed(uid)
    return len(uids)
