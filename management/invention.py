"""Invented people, firms and field values."""

import math
import random
from typing import Any, Final

from leads.search import fold
from workflow import fields as kinds
from workflow.fields import FieldDefinition

Row = dict[str, Any]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST: Final = _words("""
    Emma Liam Olivia Noah Grace Ethan Hannah Jakob Lukas Annika Jürgen Sabine Chloé Étienne Margaux Théo Camille Lucía
    Mateo Sofía Álvaro Inés João Beatriz Tiago Mariana Giulia Lorenzo Chiara Zofia Jakub Łukasz Şebnem Emre Defne
    Søren Freja Åsa Björn Aoife Priya Arjun Ananya Rohan Yuki Haruto Mei Wei Linh Minh Amara Chidi Zanele Thabo Leila
    Omar Noor Yusuf Darya Мария Νίκος
""")
LAST: Final = _words("""
    Smith Taylor Murphy Walker Bennett Müller Schäfer Weiß Krüger Hofmann Dubois Lefèvre Moreau Girard García Muñoz
    Ibáñez Romero Silva Gonçalves Araújo Rossi Ferrari Conti Nowak Wójcik Kowalska Demir Öztürk Jensen Nyström Øberg
    O'Brien Sharma Patel Iyer Tanaka Sato Chen Nguyễn Okafor Dlamini Haddad Rahimi Petrova Иванова Παππάς
""")
WORDS: Final = _words("""
    Northwind Lumen Kestrel Alder Brightwater Copperfield Harbour Juniper Meridian Quarry Saffron Tidewater Umbra
    Verdant Willow Zephyr Basalt Cobalt Dovetail Ember Foxglove Granite Heron Indigo Lantern Marigold Nimbus Orchard
    Pebble Quill Rowan Sable Thistle Upland Vesper Wren Yarrow Anchor Beacon Cinder Drift Falcon Garnet Hazel Iris
""")
TRADES: Final = _words("""
    Foods Logistics Textiles Software Dental Energy Interiors Media Tools Travel Coffee Optics Print Robotics
""")
FORMS: Final = ("Ltd", "GmbH", "SARL", "S.L.", "Lda", "S.r.l.", "ApS", "AB", "Inc", "Pvt Ltd")
PLACES: Final = (
    ("Leeds", "United Kingdom"), ("Köln", "Germany"), ("Lyon", "France"), ("Sevilla", "Spain"), ("Porto", "Portugal"),
    ("Torino", "Italy"), ("Kraków", "Poland"), ("Malmö", "Sweden"), ("Austin", "United States"), ("Pune", "India"),
)  # fmt: skip
# Numbers that are kept free for films and examples: whoever dials them reaches nobody.
PHONES: Final = (
    *(f"+1 {area}-555-01##" for area in (202, 206, 212, 303, 312, 404, 415, 512, 617, 702)),
    *(f"+44 {area} 496 0###" for area in (113, 114, 116, 117, 118, 121, 131, 141, 151, 161)),
    *(f"+33 {area} ## ##" for area in ("1 99 00", "2 61 91", "3 53 01", "4 65 71", "5 36 49")),
    *(f"+61 {area} 5550 ####" for area in (2, 3, 7, 8)), *(f"+61 {area} 7010 ####" for area in (2, 3, 7, 8)),
    "+49 30 23125 ###", "+49 40 66969 ###", "+49 69 90009 ###",
)  # fmt: skip
LATIN: Final = {"Мария": "maria", "Νίκος": "nikos", "Иванова": "ivanova", "Παππάς": "pappas"}
PLAIN: Final = str.maketrans({"ł": "l", "ø": "o", "'": None})
CURRENCIES: Final = ("EUR", "EUR", "USD", "GBP", "INR")


def person(number: int, dice: random.Random, *, company: bool) -> Row:
    """Somebody, whose address nobody else has."""
    pairs = len(FIRST) * len(LAST)
    again, pair = number // pairs, number * 1_009 % pairs
    first, last = FIRST[pair % len(FIRST)], LAST[pair // len(FIRST)]
    word, trade = WORDS[int(len(WORDS) * dice.random() ** 2)], dice.choice(TRADES)
    domain = f"{word}-{trade}.example".lower() if company else dice.choice(("example.com", "example.org"))
    return {
        "first_name": first, "last_name": last, "name": f"{first} {last}", "phone": phone(number),
        "email": f"{mailbox(first)}.{mailbox(last)}{again or ''}@{domain}",
        "company": f"{word} {trade} {dice.choice(FORMS)}" if company else None,
    }  # fmt: skip


def mailbox(name: str) -> str:
    return LATIN.get(name) or fold(name).translate(PLAIN)


def phone(number: int) -> str:
    pattern, position = PHONES[number % len(PHONES)], number // len(PHONES)
    width = pattern.count("#")
    digits = iter(f"{position % 10**width:0{width}d}")
    return "".join(next(digits) if c == "#" else c for c in pattern)


def invented(definition: FieldDefinition, number: int, dice: random.Random, who: str) -> Any:
    """A value for a custom field. `number` makes unique ones differ; `who` is the lead's owner."""
    match definition:
        case kinds.SelectField():
            return dice.choice(definition.options).value
        case kinds.MultiSelectField():
            return [option.value for option in dice.sample(definition.options, min(2, len(definition.options)))]
        case kinds.BooleanField():
            return dice.random() < 0.5
        case kinds.IntegerField() | kinds.DecimalField() | kinds.MoneyField():
            return _number(definition, number, dice)
        case kinds.DateField() | kinds.DateTimeField():
            return _moment(definition, dice)
        case kinds.JsonField():
            return {"note": dice.choice(WORDS)}
        case kinds.UserField():
            return who
    return _text(definition, number, dice)


def _number(definition: Any, number: int, dice: random.Random) -> Any:
    low = math.ceil(float(definition.min or 0))
    high = low + 100_000 if definition.max is None else math.floor(float(definition.max))
    value = low + number if definition.unique else dice.randint(low, max(low, high))
    if isinstance(definition, kinds.MoneyField):
        return {"amount": value, "currency": dice.choice(CURRENCIES)}
    return f"{value}.00" if isinstance(definition, kinds.DecimalField) else value


def _moment(definition: Any, dice: random.Random) -> str:
    day = (
        definition.min
        or definition.max
        or f"20{dice.randint(15, 24)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
    )
    return f"{day}T09:00:00Z" if isinstance(definition, kinds.DateTimeField) and "T" not in day else str(day)


def _text(definition: Any, number: int, dice: random.Random) -> str:
    match definition:
        case kinds.EmailField():
            return f"contact{number}@example.com"
        case kinds.PhoneField():
            return phone(number)
        case kinds.UrlField():
            return f"https://example.com/{number}"
    text = f"{dice.choice(WORDS)} {number}" if definition.unique else dice.choice(WORDS)
    return str(text.ljust(definition.min_length, ".")[: definition.max_length])
