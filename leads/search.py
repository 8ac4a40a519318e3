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
PHONE: Final = re.compile(r"\+?[\d ()./\-]{5,}")


def fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def words(text: str) -> list[str]:
    return WORD.findall(fold(text))


def beginnings(word: str, shortest: int = SHORTEST) -> Iterator[str]:
    for length in range(shortest, min(len(word), LONGEST) + 1):
        yield word[:length]
    if len(word) > LONGEST or len(word) < shortest:
        yield word


def grams(lead: Lead, workflow: Workflow, region: str) -> list[str]:
    """All that the lead is found by."""
    found: dict[str, None] = {}
    for text in _texts(lead, workflow):
        for word in words(text):
            found.update(dict.fromkeys(beginnings(word)))
    for email in _emails(lead):
        found[fold(email)] = None
    for phone in _phones(lead):
        found.update(dict.fromkeys(_phone_grams(phone, region)))
    found.update(dict.fromkeys(_uid_grams(lead.uid)))
    return list(found)[:MOST_GRAMS]


def _texts(lead: Lead, workflow: Workflow) -> Iterator[str]:
    yield from (lead.name, lead.first_name or "", lead.last_name or "", lead.company or "")
    for email in _emails(lead):
        yield email.rpartition("@")[0]
        yield email.rpartition("@")[2].partition(".")[0]
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


def asked(text: str, region: str) -> list[list[str]]:
    """What a query asks for: each word may be found in one of several spellings; all words must be found."""
    whole = fold(text.strip())
    if PHONE.fullmatch(whole):
        return [_phone_spellings(whole, region)]
    tokens = [_spellings(part) for part in whole.split()[:MOST_WORDS]]
    return sorted((token for group in tokens for token in group), key=lambda spelling: -len(spelling[0]))


def _spellings(part: str) -> list[list[str]]:
    """An address or a number is one word; anything else falls into its words."""
    if "@" in part and not part.endswith("@") and "." in part.rpartition("@")[2]:
        return [[part]]
    found = [[word] for word in words(part)]
    if len(found) > 1 and any(c.isdigit() for c in part):
        return [[part]]
    return found


def _phone_spellings(text: str, region: str) -> list[str]:
    number = contact.digits(text)
    spellings = [number, number.lstrip("0"), contact.national(text, region), contact.international(text, region)]
    if number.startswith("00"):
        spellings.append(contact.international("+" + number[2:], region))
    return list(dict.fromkeys(spelling for spelling in spellings if spelling))


def any_of(spellings: Iterable[str]) -> Any:
    items = list(spellings)
    return items[0] if len(items) == 1 else {"$in": items}
