"""GET /api/public/form/: what anybody may know, to build a form."""

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from tests.api.steps import fields
from tests.cast import NORTH, SOUTH, Cast


def form(cast: Cast) -> dict[str, Any]:
    response = cast.nobody.get("/api/public/form/")
    assert response.status_code == 200, response.content
    return response.json()


def asked(cast: Cast) -> dict[str, dict[str, Any]]:
    return {question["name"]: question for question in form(cast)["fields"]}


def configure(cast: Cast, **capture: object) -> None:
    response = cast.root.patch("/api/config/", {"capture": {"center": NORTH} | capture})
    assert response.status_code == 200, response.content


def test_it_is_in_the_words_of_the_config(cast: Cast) -> None:
    configure(cast, title="Visit us", intro="Hello", button="Go", thanks="Bye", asks=["company"])
    found = form(cast)
    assert (found["title"], found["intro"], found["button"], found["thanks"]) == ("Visit us", "Hello", "Go", "Bye")
    assert [(q["name"], q["required"]) for q in found["fields"]] == [
        ("name", True), ("email", True), ("company", False),
    ]  # fmt: skip
    assert (found["honeypot"], found["captcha"]) == ("leave_this_empty", None)


def test_only_public_fields_are_asked_for_in_their_order(cast: Cast) -> None:
    options = [{"value": "a", "label": "Ah"}]
    fields(
        cast.root,
        {"field_key": "second", "field_type": "text", "public": True, "order": 2, "help": "Why?", "max_length": 9},
        {"field_key": "first", "field_type": "select", "public": True, "order": 1, "required": True,
         "options": options, "default": "a"},
        {"field_key": "secret", "field_type": "text"},
        {"field_key": "gone", "field_type": "text", "public": True, "archived": True},
        {"field_key": "owner", "field_type": "user", "public": True},
        {"field_key": "extra", "field_type": "text", "public": True, "order": 3,
         "visible_if": {"field": "first", "equals": "a"}},
        {"field_key": "inside", "field_type": "text", "public": True, "visible_if": {"field": "secret", "equals": "a"}},
    )  # fmt: skip
    configure(cast)
    custom = [question for question in form(cast)["fields"] if question["custom"]]
    assert [question["name"] for question in custom] == ["first", "second", "extra"]
    first, second, extra = custom
    assert (first["required"], first["options"], first["default"]) == (True, options, "a")
    assert (second["label"], second["help"], second["max_length"]) == ("Second", "Why?", 9)
    assert extra["visible_if"] == {"field": "first", "equals": "a"}


def test_sources_and_centres_are_offered_where_the_config_asks(cast: Cast) -> None:
    configure(cast, asks=["source", "center"])
    found = asked(cast)
    assert {"value": "referral", "label": "Referral"} in found["source"]["options"]
    assert found["center"]["options"] == [{"value": NORTH, "label": "North"}, {"value": SOUTH, "label": "South"}]
    assert found["center"]["required"] is False


def test_the_centre_has_to_be_said_where_nothing_else_decides(cast: Cast) -> None:
    cast.root.patch("/api/config/", {"capture": {"asks": []}})
    assert asked(cast)["center"]["required"] is True


def test_it_can_be_switched_off(cast: Cast) -> None:
    configure(cast, enabled=False)
    assert cast.nobody.get("/api/public/form/").status_code == 404
    body = {"name": "Ada", "email": "ada@example.com"}
    assert cast.nobody.post("/api/public/leads/", body).status_code == 404


def test_it_names_the_captcha_but_not_our_secret(cast: Cast) -> None:
    captcha = {"CAPTCHA_VERIFY_URL": "https://captcha.example", "CAPTCHA_SECRET": "hush", "CAPTCHA_SITE_KEY": "site-1"}
    with override_settings(ENV=settings.ENV.model_copy(update=captcha)):
        response = cast.nobody.get("/api/public/form/")
        assert response.json()["captcha"] == {"site_key": "site-1"}
        assert b"hush" not in response.content


@pytest.mark.parametrize("source", ["nowhere", "b2b"])
def test_the_forms_own_source_must_fit_leads_of_every_type(cast: Cast, source: str) -> None:
    there = cast.root.get("/api/config/").json()["sources"]
    trade = {"sources": [*there, {"key": "b2b", "label": "B2B", "lead_types": ["sales"]}],
             "lead_types": [{"key": "sales", "label": "Sales"}]}  # fmt: skip
    refused = cast.root.patch("/api/config/", trade | {"capture": {"source": source}})
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/capture/source"]
