"""What is typed finds the leads it should, and no others."""

from typing import Any

import pytest

from leads.documents import Lead
from leads.search import asked, grams
from tests.rules.making import flow, new_lead

FIELDS = [
    {"field_key": "order_no", "field_type": "text", "searchable": True}, {"field_key": "secret", "field_type": "text"},
]  # fmt: skip
FLOW = flow(variables=FIELDS)


def lead(**values: Any) -> Lead:
    return new_lead(FLOW, **values).model_copy(update={"uid": "LEAD-202611-00042"})


ADA = lead(
    name="Ada Lovelace", email="Ada.Lovelace@Example.org", phone="+49 30 1234567", company="Analytical Engines GmbH",
    contacts=[{"name": "Lord Byron", "phone": "0171 9876543", "email": "byron@poets.net"}],
    fields={"order_no": "PO Blue", "secret": "rosebud"},
)  # fmt: skip
OTHER = lead(name="Grace Hopper", email="grace@navy.mil", phone="+1 212 555 1234").model_copy(
    update={"uid": "LEAD-202611-00007"}
)


def finds(query: str, found: Lead, region: str = "DE") -> bool:
    """As the list does: loosely where the strict reading finds nothing."""
    known = set(grams(found, FLOW, region))
    readings = (asked(query, region, loosely=loosely) for loosely in (False, True))
    return any(wanted and all(known.intersection(group) for group in wanted) for wanted in readings)


@pytest.mark.parametrize("query", [
    "ada", "ADA", "lovel", "ada lovelace", "lovelace ada", "  ada   love  ", "analytical", "engines gmbh", "GmbH",
    "ada.lovelace@example.org", "ADA.LOVELACE@EXAMPLE.ORG", "example", "byron", "lord byron", "byron@poets.net",
    "po blue", "blue", "lovelace, ada", "(ada)", "ada-lovelace", "ada ana exam",
    "LEAD-202611-00042", "lead-202611-00042", "00042", "42",
])  # fmt: skip
def test_words_and_their_beginnings_find_a_lead(query: str) -> None:
    assert finds(query, ADA)
    assert not finds(query, OTHER)


@pytest.mark.parametrize(
    "query", ["rosebud", "adas", "xyz", "ada hopper", "velace", "ada@example.org", "@", "-", "....."]
)
def test_what_does_not_match_finds_nothing(query: str) -> None:
    assert not finds(query, ADA)


@pytest.mark.parametrize("query", [
    "+49 30 1234567", "030 1234567", "0301234567", "030/123 45 67", "(030) 123-4567", "0049 30 1234567",
    "+49301234567", "49301234567", "301234567", "030 1234", "+49 30 123", "0049 30 1234", "0171 9876543", "01719876",
    "+49 171 9876543",
])  # fmt: skip
def test_any_spelling_of_a_number_finds_it_by_its_beginning(query: str) -> None:
    assert finds(query, ADA)
    assert not finds(query, OTHER)


@pytest.mark.parametrize("query", ["030 7654321", "1234567"])
def test_another_number_does_not(query: str) -> None:
    assert not finds(query, ADA)


def test_the_region_says_which_country_a_plain_number_belongs_to() -> None:
    home = lead(phone="(212) 555-1234")
    assert finds("+1 212 555 1234", home, "US")
    assert finds("212 555 1234", home, "DE")


@pytest.mark.parametrize(("name", "query"), [
    ("José Núñez", "jose nunez"), ("Jose Nunez", "JOSÉ NÚÑEZ"), ("Straße", "strasse"), ("STRASSE", "straße"),
    ("Ærø", "ærø"), ("Łódź", "łodz"), ("\uff37\uff49\uff44\uff45", "wide"), ("Äda", "A\u0308DA"),
    ("Ngô Bảo Châu", "ngo bao"),
    ("O'Brien", "o'brien"), ("O'Brien", "brien"), ("Владимир", "ВЛАД"), ("山田 太郎", "山田"), ("X", "x"),
])  # fmt: skip
def test_accents_and_case_do_not_matter(name: str, query: str) -> None:
    assert finds(query, lead(name=name))


@pytest.mark.parametrize("company", ["3M-Deutschland", "B2B/Trading", "Haus 12-14"])
def test_a_company_is_found_as_it_is_written(company: str) -> None:
    assert finds(company, lead(company=company))
    assert finds(company, lead(fields={"order_no": company}))


def test_a_searchable_number_is_found_as_it_is_written() -> None:
    assert finds("2024-00017", lead(fields={"order_no": "2024-00017"}))


@pytest.mark.parametrize("length", [2, 10, 12, 14])
def test_every_beginning_of_a_long_word_finds_it(length: int) -> None:
    assert finds("Schwarzenegger"[:length], lead(name="Schwarzenegger"))


@pytest.mark.parametrize("length", [11, 14, 16, 17])
def test_every_beginning_of_a_uid_finds_it(length: int) -> None:
    assert finds("LEAD-202611-00042"[:length], ADA)


def test_other_patterns_of_uids_are_found_too() -> None:
    child = lead().model_copy(update={"uid": "TLGC0001"})
    assert all(finds(query, child) for query in ("TLGC0001", "tlgc", "tlgc00"))


def test_a_lead_with_many_contacts_is_still_found_by_itself() -> None:
    people = [
        {"name": f"{a}aximiliane {a}bendroth", "email": f"{a}m@{a}xample.de", "phone": f"030 98{ord(a)}76"}
        for a in "abcdefghijklmnopqrst"
    ]
    crowded = lead(name="Ada", email="ada@example.org", phone="+49 30 1234567", contacts=people)
    assert [q for q in ("ada", "ada@example.org", "030 1234567", crowded.uid) if not finds(q, crowded)] == []


def test_a_query_asks_for_its_longest_word_first_and_for_so_many_at_most() -> None:
    assert asked("a bbb cc", "DE") == [["bbb"], ["cc"], ["a"]]
    assert len(asked(" ".join("abcdefghijkl"), "DE")) == 8
    assert asked("   ", "DE") == []
