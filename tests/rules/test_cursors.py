"""Cursors say where to go on; whatever a client makes of one is read or refused, never a crash."""

from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from bson import ObjectId
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from lead_crm.cursors import address, decode, encode
from lead_crm.errors import Invalid
from tests.rules.making import NOW, faults

KINDS = [str, int, type(NOW), ObjectId]
parts = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text("atid0-"),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["at", "id"]),
                         inner))  # fmt: skip


@given(st.text(), st.integers(-(2**53), 2**53), st.integers(0, 2 * 10**14))
@example("", 0, 199_999_999_999_999).via("a time as late as any may be")
def test_what_is_put_in_comes_out(text: str, number: int, milliseconds: int) -> None:
    values = [text.encode("utf-8", "replace").decode(), number, NOW + timedelta(milliseconds=milliseconds), ObjectId()]
    assert decode(encode(*values), KINDS) == values


@given(st.text() | st.lists(parts, max_size=4).map(lambda values: encode(*values)))
@example("W10").via("an empty list")
@example(encode({"at": 10**18})).via("a year that there is not")
@example(encode({"at": -(10**15)})).via("a year that there is not")
@example(encode({"id": "x"}, {"id": None}, {"id": 5}, {"at": "x"})).via("no ids, no time")
def test_a_cursor_of_ones_own_is_refused_as_such(text: str) -> None:
    with suppress(Invalid):
        assert [type(part) for part in decode(text, KINDS)] == KINDS


@pytest.mark.parametrize("values", [[], ["a"], [1, "a"], ["a", 1, 1], ["a", 1.5], ["a", None], ["a", {"$gt": 1}]])
def test_the_parts_are_of_the_kinds_expected(values: list[Any]) -> None:
    with pytest.raises(Invalid) as caught:
        decode(encode(*values), [str, int])
    assert faults(caught) == [("/cursor", "wrong_cursor")]


def test_a_cursor_is_fit_for_an_address() -> None:
    text = encode("ü?&=/+", 1)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert orjson.loads(orjson.dumps(text)) == text


def test_a_time_without_a_zone_is_utc() -> None:
    assert encode(NOW.astimezone(UTC).replace(tzinfo=None)) == encode(NOW)


def test_an_address_goes_on_from_this_one() -> None:
    asked = "q=Müller %26 Co&cursor=old&stage=&offset=5".encode().decode("iso-8859-1")  # as WSGI hands it over
    request = RequestFactory().get("/api/leads/a b/", QUERY_STRING=asked, HTTP_HOST="crm.example")
    found = urlsplit(address(request, cursor="new", offset=None))
    assert found[:3] == ("http", "crm.example", "/api/leads/a%20b/")
    assert found.query.isascii()
    assert parse_qsl(found.query, keep_blank_values=True) == [("q", "Müller & Co"), ("stage", ""), ("cursor", "new")]
