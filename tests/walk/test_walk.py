"""Nothing leaks: every operation there is, walked by those who must not see the branch `zqnorth`.

What is asked follows from the OpenAPI document, what must be answered from the contracts; so a new operation is walked
without anybody remembering it. Each request is asked twice: with the branch's secrets in the database and without
them. Whoever must not know them must not be able to tell the difference.
"""

import re
from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import get_resolver

from lead_crm import openapi
from tests.walk import worlds
from tests.walk.asking import plain
from tests.walk.north import North
from tests.walk.operations import Operation, operations
from tests.walk.things import things
from tests.walk.walkers import NAMES, spoil, walker
from tests.walk.walking import Walk, whole

Record = Callable[[str, object], None]


def walked(name: str, north: North, over: list[Operation], about: str = "") -> Walk:
    """With the requests alone that speak of `about`."""
    spoil(name, north)
    world = worlds.present()
    with override_settings(AUDITED=False):  # what they read themselves would tell the two worlds apart
        return Walk(walker(name, north, world), world, about=about).over(over, north)


def nothing(walk: Walk) -> None:
    if walk.findings:
        pytest.fail("\n".join([f"{len(walk.findings)} leaks:", *walk.findings[:25]]), pytrace=False)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaks(north: North, name: str, record_property: Record) -> None:
    walk = walked(name, north, operations())
    record_property("walk", [len(operations()), walk.requests, len(walk.findings)])
    nothing(walk)


def test_what_the_walk_looks_for_is_there_to_be_seen(north: North) -> None:
    """By those who may: were it not, nothing could leak."""
    secrets = walker("charlie of another centre", north, worlds.present()).secrets
    asked = things(north, north.hers, None)
    reading = [plain(one, asked) for one in operations() if one.safe and not one.open]
    answers = {one.operation.name: whole(north.boss.get(one.address)).casefold() for one in reading}
    telling = {name for name, text in answers.items() if any(secret in text for secret in secrets)}
    assert telling > {"list_leads", "read_lead", "read_board", "list_activities", "list_users", "read_user"}
    assert len(telling) > len(answers) / 2


@pytest.mark.parametrize("policy", ["create", "warn", "reject", "attach"])
@pytest.mark.parametrize("name", ["charlie of another centre", "bert and nobody's leads", "nobody"])
def test_whoever_enters_a_lead_learns_nothing_about_its_duplicates(north: North, name: str, policy: str) -> None:
    """But that there is one, where the policy is to refuse it: docs/security.md says so."""
    public = "warn" if policy == "attach" else None
    _policy(north, policy=policy, public=public)
    entering = [one for one in operations() if one.name in ("create_lead", "create_enquiry")]
    walk = walked(name, north, entering, about=north.hers.given["email"])
    assert walk.requests > 1
    nothing(walk)


def test_a_visitor_whose_enquiry_joins_a_lead_learns_its_number_alone(north: North) -> None:
    _policy(north, policy="attach", public=None)
    sent = {"name": "Somebody", "email": north.hers.given["email"]}
    answer = north.nobody.post("/api/public/leads/", sent).json()
    assert worlds.recent(answer.pop("created_at"))
    assert answer == {"id": north.hers.uid, "status": "stage-new", **sent}


def _policy(north: North, **duplicates: object) -> None:
    assert north.root.patch("/api/config/", {"duplicates": duplicates}).status_code == 200


def test_the_pages_for_people_tell_nothing_either(north: North) -> None:
    world = worlds.present()
    nobody = walker("nobody", north, world)
    addresses = {f"/{pattern.pattern}" for pattern in get_resolver().url_patterns} - set(openapi.document()["paths"])
    pages = sorted(address for address in addresses if "<" not in address)
    there = [whole(Client().get(page)) for page in pages]
    before = [_lasting(Client().get(page)) for page in pages]
    assert "/enquiry/" in pages
    assert not [secret for secret in nobody.secrets if any(secret in text.casefold() for text in there)]
    worlds.enter(nobody.without_secrets(world))
    assert [_lasting(Client().get(page)) for page in pages] == before


def _lasting(response: HttpResponse) -> tuple[int, str]:
    """Without what is drawn for each page."""
    return response.status_code, re.sub(r"[\w\-]{16,}", "", response.content.decode())
