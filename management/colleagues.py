"""Centres and people of a demo. Nobody can sign in as one of them: they have no password, and nobody invites them."""

from datetime import datetime

from lead_crm import directory
from leads import store
from management import accounts
from management.words import Words

NOT_STAFF = frozenset({"super_admin", "integration"})


def join(words: Words, *, now: datetime) -> None:
    """Those of the demo that are not there yet; none where somebody else has begun to set this place up."""
    centers = {center.uid for center in accounts.centers.find()}
    people = {one.email for one in accounts.accounts.find() if not NOT_STAFF.issuperset(one.roles)}
    if store.number_of_leads() or centers - {center.uid for center in words.centers}:
        return
    if people - {one.email for one in words.people}:
        return
    for center in words.centers:
        if center.uid not in centers:
            accounts.add_center(uid=center.uid, name=center.name, at=now)
    for one in words.people:
        if one.email not in people and set(one.roles) <= directory.roles().keys():
            accounts.create(
                email=one.email, name=one.name, roles=one.roles, centers=one.centers or directory.open_centers(), at=now
            )
