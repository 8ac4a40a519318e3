"""ALLOWED_ORIGINS: whose pages may call the API from a browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client, override_settings

SHOP, THIEF = "https://shop.example", "https://thief.example"
Ask = Callable[..., Any]


@contextmanager
def allowed(*origins: str) -> Iterator[Ask]:
    """A server with this setting."""
    with override_settings(ALLOWED_ORIGINS=list(origins)):
        client = Client()

        def ask(method: str = "GET", path: str = "/api/schema/", **headers: str) -> Any:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.generic(method, path, headers=named)

        yield ask


def told(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.items() if name.startswith("Access-Control")}


def preflight(ask: Ask, origin: str, method: str = "POST") -> Any:
    return ask(
        "OPTIONS", "/api/public/leads/", Origin=origin, Access_Control_Request_Method=method,
        Access_Control_Request_Headers="content-type,idempotency-key",
    )  # fmt: skip


def test_nothing_is_added_where_nothing_is_set() -> None:
    with allowed() as ask:
        response = ask(Origin=SHOP)
        assert (response.status_code, told(response)) == (200, {})
        assert "Origin" not in response.get("Vary", "")
        assert preflight(ask, SHOP).status_code == 405


def test_an_allowed_origin_may_read_the_answer_and_send_its_cookies() -> None:
    with allowed("https://other.example", SHOP) as ask:
        response = ask(Origin=SHOP)
        assert told(response) == {
            "Access-Control-Allow-Origin": SHOP,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "ETag, X-Request-ID, Retry-After, Idempotency-Replayed",
        }
        assert "Origin" in response["Vary"]


@pytest.mark.parametrize("origin", [THIEF, f"{SHOP}.thief.example", SHOP.upper(), "http://shop.example", "null"])
def test_an_origin_matches_exactly_or_not_at_all(origin: str) -> None:
    with allowed(SHOP) as ask:
        assert told(ask(Origin=origin)) == {}
        assert preflight(ask, origin).status_code == 405


def test_caches_are_told_that_answers_differ_also_where_nobody_asked() -> None:
    with allowed(SHOP) as ask:
        for response in (ask(), ask(Origin=THIEF)):
            assert "Origin" in response["Vary"]
            assert told(response) == {}


def test_a_star_admits_everybody_but_no_cookies() -> None:
    with allowed("*", SHOP) as ask:
        for origin in (THIEF, SHOP):
            response = ask(Origin=origin)
            assert response["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in response


def test_a_preflight_is_answered_without_a_login() -> None:
    with allowed(SHOP) as ask:
        response = preflight(ask, SHOP, "PATCH")
        assert (response.status_code, response.content) == (204, b"")
        assert response["Access-Control-Allow-Origin"] == SHOP
        methods = response["Access-Control-Allow-Methods"].split(", ")
        assert set(methods) == {"GET", "POST", "PUT", "PATCH", "DELETE"}
        assert set(response["Access-Control-Allow-Headers"].lower().split(", ")) == {
            "authorization", "content-type", "if-match", "idempotency-key", "x-csrf-token", "x-request-id",
        }  # fmt: skip


def test_a_refusal_can_be_read_too() -> None:
    with allowed(SHOP) as ask:
        response = ask(path="/api/leads/", Origin=SHOP)
        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (401, SHOP)
