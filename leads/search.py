"""Words of a lead, and words of a query: what is found by equality in an index is found fast.

Each word is stored with its beginnings of two to ten letters. Accents and case are folded away.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

from lead_crm import contact
from leads.documents import Lead
from workflow.workflow import Workflow

SHORTEST, LONGEST = 2, 10
MOST_GRAMS: Final = 400
MOST_WORDS: Final = 8
WORD: Final = re.compile(r"[^\W_]+")
PHONE: Final = re.compile(r"(?=.*\d)\+?[\d ()./\-]{5,}")


def fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def words(text: str) -> list[str]:
    return WORD.findall(fold(text))


def beginnings(word: str, shortest: int = SHORTEST) -> Iterator[str]:
    for length in range(shortest, min(len(word), LONGEST) + 1):
        yield word[:length]
    if len(word) > LONGEST or len(word) < shortest:
        yield word


# What grams are made of, besides the uid; which of the fields, the workflow says.
SOURCES: Final = frozenset({
    "name", "first_name", "last_name", "company", "email", "phone", "contacts", "fields", "merged", "merged_into",
})  # fmt: skip


def grams(lead: Lead, workflow: Workflow, region: str) -> list[str]:
    """All that the lead is found by; what names it exactly comes first, so that no limit cuts it off."""
    found: dict[str, None] = dict.fromkeys(_uid_grams(lead.uid))
    found.update(dict.fromkeys(fold(uid) for part in lead.merged for uid in part.names()))
    found.update(dict.fromkeys(fold(email) for email in _emails(lead)))
    for phone in _phones(lead):
        found.update(dict.fromkeys(_phone_grams(phone, region)))
    for text in _texts(lead, workflow):
        for word in words(text):
            found.update(dict.fromkeys(beginnings(word)))
    return list(found)[:MOST_GRAMS]


def _texts(lead: Lead, workflow: Workflow) -> Iterator[str]:
    yield from (lead.name, lead.first_name or "", lead.last_name or "", lead.company or "")
    for email in _emails(lead):
        yield email.rpartition("@")[0]
        yield email.rpartition("@")[2].rpartition(".")[0]
    yield from (contact.name for contact in lead.contacts)
    yield from workflow.values.searchable(lead.fields)


def _emails(lead: Lead) -> list[str]:
    return [email for email in (lead.email, *(person.email for person in lead.contacts)) if email]


def _phones(lead: Lead) -> list[str]:
    return [phone for phone in (lead.phone, *(person.phone for person in lead.contacts)) if phone]


def _phone_grams(phone: str, region: str) -> Iterator[str]:
    """The number as it is dialled at home, by its beginnings from the fourth digit; and with its country code."""
    home = contact.national(phone, region) or contact.digits(phone)
    yield from beginnings(home, shortest=4)
    yield home
    yield contact.international(phone, region) or contact.digits(phone)


def _uid_grams(uid: str) -> Iterator[str]:
    folded = fold(uid)
    yield folded
    head, _, last = folded.rpartition("-")
    if head:
        yield head
    yield from beginnings(last)
    yield last.lstrip("0")


def asked(text: str, region: str, *, loosely: bool = False) -> list[list[str]]:
    """What a query asks for: groups of spellings. A lead is found if it has one of each group; the first leads.

    Strictly, an address, a uid or a phone number is one word, which is quick. Loosely, it may also be only a part of
    one, or words that look alike.
    """
    whole = fold(text.strip())
    parts = [whole] if PHONE.fullmatch(whole) else whole.split()[:MOST_WORDS]
    groups = [group for part in parts for group in _groups(part, region, loosely=loosely)]
    return sorted(groups, key=lambda group: -len(group[0]))  # the longest is likely the rarest


def is_exact(text: str) -> bool:
    """Is there a looser reading of this query?"""
    whole = fold(text.strip())
    return bool(PHONE.fullmatch(whole)) or any(_names_one(part) for part in whole.split())


def _names_one(part: str) -> bool:
    """An e-mail address or a uid, by its looks."""
    return ("@" in part.strip("@") and "." in part.rpartition("@")[2]) or bool(re.fullmatch(r".+-\d+", part))


def _groups(part: str, region: str, *, loosely: bool) -> list[list[str]]:
    found = words(part)
    if PHONE.fullmatch(part):
        whole = _phone_spellings(part, region)
    elif _names_one(part):
        whole = [part]
    else:
        return [_shortened(word) for word in found]
    if not loosely:
        return [whole]
    head = part.rpartition("-")[0]
    return [[*_shortened(word), *whole, *([head] if head and word != found[-1] else [])] for word in found]


def _shortened(word: str) -> list[str]:
    """Beginnings are stored up to a length; what is typed beyond it narrows no further."""
    return [word] if len(word) <= LONGEST else [word, word[:LONGEST]]


def _phone_spellings(text: str, region: str) -> list[str]:
    """The whole number with its country code, or the beginning of what is dialled at home."""
    number = contact.digits(text)
    if number.startswith("00") and not text.startswith("+"):
        text = f"+{number[2:]}"
    if text.startswith("+"):
        spellings = [contact.international(text, region), contact.digits(text), contact.national(text, region)]
    else:
        spellings = [contact.national(text, region), number, number.lstrip("0"), contact.international(text, region)]
    return list(dict.fromkeys(spelling for spelling in spellings if spelling))


def any_of(spellings: Iterable[str]) -> Any:
    items = list(spellings)
    return items[0] if len(items) == 1 else {"$in": items}
