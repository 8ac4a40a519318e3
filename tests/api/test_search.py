"""?q=: words and their beginnings; case, accents and the spelling of numbers do not matter."""

from urllib.parse import quote

import pytest

from tests.api.steps import fields, found
from tests.cast import Cast, lead

JURGEN = {
    "name": "Jürgen O'Neill-Straßer", "first_name": "Jürgen", "last_name": "O'Neill", "company": "3M-Tech Köln GmbH",
    "email": "Juergen.Oneill@Mail.Example.com", "phone": "(415) 555-0132",
    "contacts": [{"name": "Zoë Quist", "phone": "+49 30 901820", "email": "zoe@quist.example"}],
    "fields": {"budget": "1", "code": "XK-77", "secret": "hidden"},
}  # fmt: skip

SPELLINGS = [
    "Jürgen", "jurgen", "JÜRGEN", "jür", "ju", "o'neill", "neill", "O\u2019Neill",
    "strasser", "STRASSER", "straßer",
    "jurgen koln", "KÖLN jür", "neill jurgen", "  jurgen  ",
    "3m-tech", "3M", "tech", "köln",
    "juergen.oneill@mail.example.com", "JUERGEN.ONEILL@MAIL.EXAMPLE.COM", "juergen.oneill", "juergen.oneill@",
    "juergen.oneill@mail", "juergen.oneill@mail.exam", "oneill",
    "(415) 555-0132", "4155550132", "415-555-0132", "+14155550132", "+1 415 555 0132", "001 415 555 0132",
    "415555", "4155", "415 555",
    "zoe", "zoë quist", "zoe@quist.example", "+49 30 901820", "+4930901820", "004930901820", "030 901820",
    "xk-77", "XK", "77",
]  # fmt: skip


@pytest.fixture
def jurgen(cast: Cast) -> str:
    fields(
        cast.root,
        {"field_key": "code", "field_type": "text", "searchable": True},
        {"field_key": "secret", "field_type": "text"},
    )
    lead(cast.alice, name="Somebody Else", phone="+1 212 555 7777", company="Other")
    return str(lead(cast.alice, **JURGEN)["uid"])


def test_every_spelling_finds_him(cast: Cast, jurgen: str) -> None:
    missed = [query for query in SPELLINGS if found(cast.alice, f"q={quote(query)}") != {jurgen}]
    assert missed == []


def test_letters_may_stand_in_the_address_as_they_are(cast: Cast, jurgen: str) -> None:
    """As `curl` sends them: UTF-8 that nobody has quoted."""
    assert found(cast.alice, "q=Jürgen") == {jurgen}


def test_other_words_do_not(cast: Cast, jurgen: str) -> None:
    others = ["hidden", "urgen", "jurgen other", "jurgens", "99999", "nobody@example.com", "---", "$where", ".*"]
    assert [query for query in others if found(cast.alice, f"q={quote(query)}")] == []


def test_the_uid_and_its_beginnings_find_him(cast: Cast, jurgen: str) -> None:
    parts = [jurgen, jurgen.lower(), jurgen[:14], jurgen[:11], jurgen[12:]]
    assert [part for part in parts if jurgen not in found(cast.alice, f"q={part}")] == []


def test_an_empty_search_is_none(cast: Cast, jurgen: str) -> None:
    assert len(found(cast.alice, "q=")) == len(found(cast.alice, "q=%20")) == 2


def test_what_is_no_longer_there_is_not_found(cast: Cast, jurgen: str) -> None:
    cast.alice.patch(f"/api/leads/{jurgen}/", {"company": "Mill", "phone": None})
    assert found(cast.alice, "q=koln") == found(cast.alice, "q=4155550132") == set()
    assert found(cast.alice, "q=mill") == {jurgen}


def test_any_order_can_be_asked_for(cast: Cast) -> None:
    made = {lead(cast.alice, name=f"Mill {n}", score_override=n)["uid"] for n in range(3)}
    for sort in ("-score", "score", "name", "-created_at", "next_follow_up_at", "field.budget"):
        assert found(cast.alice, f"q=mill&sort={sort}") == made


def test_very_long_questions_are_refused_and_many_words_are_no_harm(cast: Cast, jurgen: str) -> None:
    assert cast.alice.get(f"/api/leads/?q={'a' * 201}").status_code == 422
    assert cast.alice.get(f"/api/leads/?q={'a+' * 99}").status_code == 200
