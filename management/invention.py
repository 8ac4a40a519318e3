"""Invented people, goods and field values: words drawn for one lead."""

import functools
import math
import random
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from leads.search import fold
from management.words import By, Days, Draw, Number, Pairs, Product, Skewed, Weighted, Words, Years
from workflow import fields as kinds
from workflow.fields import FieldDefinition

Row = dict[str, Any]

LATIN: Final = {"Мария": "maria", "Νίκος": "nikos", "Иванова": "ivanova", "Παππάς": "pappas"}
PLAIN: Final = str.maketrans({"ł": "l", "ø": "o", "'": None, " ": None, ".": None, "&": None})
DRAWN: Final = re.compile(r"\{([a-z_]+)(?:\.([a-z_]+))?(:mail)?\}")
OTHER_PHONE: Final = 500_009  # numbers of somebody else's are this far away


class Teller:
    """Fills words into texts. What was drawn once stays, so that name, address and message fit each other."""

    def __init__(
        self, words: Words, number: int, dice: random.Random, at: datetime, kept: Mapping[str, Any] | None = None
    ) -> None:
        related = words.related and number % words.related == words.related - 1
        self.words, self.number, self.dice, self.at = words, number, dice, at
        self.family = number - 1 if related else number
        self.drawn: Row = {
            "n": number + 1, "year": at.year, "phone": phone(self.family, words.phones),
            "other_phone": phone(self.family + OTHER_PHONE, words.phones),
        } | dict(kept or {})  # fmt: skip

    def __getitem__(self, name: str) -> Any:
        if name not in self.drawn:
            self.drawn[name] = self._drawn(name)
        return self.drawn[name]

    def fresh(self, name: str) -> Any:
        return self._text_of(self._drawn(name))

    def told(self, text: Any) -> Any:
        """A tree with its texts filled in. A text that is one draw and nothing else may become a number."""
        match text:
            case str():
                return self._text(text)
            case dict():
                return {key: self.told(value) for key, value in text.items()}
            case list():
                return [self.told(item) for item in text]
        return text

    def _text(self, text: str) -> Any:
        parts = _parts(text)
        if len(parts) == 1:
            return parts[0] if isinstance(parts[0], str) else self._part(parts[0])
        return "".join(part if isinstance(part, str) else str(self._part(part)) for part in parts)

    def _part(self, part: tuple[str, str, str]) -> Any:
        name, attribute, mail = part
        value = self._text_of(self[name][attribute] if attribute else self[name])
        return mailbox(value) if mail else value

    def _text_of(self, value: Any) -> Any:
        """Words may themselves be made of others."""
        return self._text(value) if isinstance(value, str) and "{" in value else value

    def _drawn(self, name: str) -> Any:
        if name not in self.words.family:
            return self._value(self.words.draws[name], self.dice, self.number)
        dice = random.Random(f"{self.family} {name}")  # noqa: S311 - nothing secret
        return self._value(self.words.draws[name], dice, self.family)

    def _value(self, draw: Draw, dice: random.Random, number: int) -> Any:
        match draw:
            case list():
                return self._text_of(dice.choice(draw))
            case Weighted():
                return dice.choices(list(draw.weights), list(draw.weights.values()))[0]
            case Skewed():
                return draw.skewed[int(len(draw.skewed) * dice.random() ** 2)]
            case Pairs():
                return _pair(draw, number)
            case Number():
                return _between(draw, dice)
            case By():
                which = str(self._text(f"{{{draw.by}}}"))
                return self._value(draw.of.get(which) or draw.of["*"], dice, number)
        return self._reckoned(draw, dice)

    def _reckoned(self, draw: Days | Years | Product, dice: random.Random) -> Any:
        match draw:
            case Days():
                day = self.at + timedelta(days=dice.randint(*draw.days))
                return appointment(day, self.words.hours).isoformat() if draw.moment else day.date().isoformat()
            case Years():
                return _years(date.fromisoformat(self[draw.years_since]), self.at.date())
            case Product():
                factors = (float(self._text(f"{{{name}}}")) for name in draw.product_of)
                return round(math.prod(factors) * draw.times / draw.step) * draw.step


@functools.cache
def _parts(text: str) -> list[str | tuple[str, str, str]]:
    """Plain text and draws in turn."""
    found: list[str | tuple[str, str, str]] = []
    at = 0
    for drawn in DRAWN.finditer(text):
        found += [text[at : drawn.start()]] if drawn.start() > at else []
        found.append((drawn[1], drawn[2] or "", drawn[3] or ""))
        at = drawn.end()
    return [*found, text[at:]] if at < len(text) or not found else found


def _pair(draw: Pairs, number: int) -> Row:
    (one, firsts), (other, seconds) = draw.pairs.items()
    pairs = len(firsts) * len(seconds)
    again, pair = number // pairs, number * 1_009 % pairs
    return {one: firsts[pair % len(firsts)], other: seconds[pair // len(firsts)], "again": again or ""}


def _between(draw: Number, dice: random.Random) -> int | str:
    part = dice.random() ** 3 if draw.large else dice.random()
    value = draw.low + int((draw.high - draw.low) / draw.step * part) * draw.step
    return round(value) if draw.places is None else f"{value:.{draw.places}f}"


def _years(since: date, at: date) -> int:
    return at.year - since.year - ((at.month, at.day) < (since.month, since.day))


def appointment(moment: datetime, hours: tuple[int, int]) -> datetime:
    """At the full or half hour, in working hours, and not on a Sunday."""
    if moment.weekday() == 6:
        moment += timedelta(days=1)
    hour = min(max(moment.hour, hours[0]), hours[1])
    return moment.replace(hour=hour, minute=30 * (moment.minute // 30), second=0, microsecond=0)


def mailbox(name: str) -> str:
    return LATIN.get(name) or fold(name).translate(PLAIN)


def phone(number: int, patterns: list[str]) -> str:
    pattern, position = patterns[number % len(patterns)], number // len(patterns)
    width = pattern.count("#")
    digits = iter(f"{position % 10**width:0{width}d}")
    return "".join(next(digits) if c == "#" else c for c in pattern)


def invented(definition: FieldDefinition, teller: Teller, who: str) -> Any:
    """A value for a custom field that fits its definition. `who` is the lead's owner."""
    dice = teller.dice
    match definition:
        case kinds.SelectField():
            return dice.choice(definition.options).value
        case kinds.MultiSelectField():
            return [option.value for option in dice.sample(definition.options, min(2, len(definition.options)))]
        case kinds.BooleanField():
            return dice.random() < 0.5
        case kinds.IntegerField() | kinds.DecimalField() | kinds.MoneyField():
            return _number(definition, teller)
        case kinds.DateField() | kinds.DateTimeField():
            return _moment(definition, dice)
        case kinds.JsonField():
            return {"note": teller.fresh("word")}
        case kinds.UserField():
            return who
    return _text(definition, teller)


def _number(definition: Any, teller: Teller) -> Any:
    low = math.ceil(float(definition.min or 0))
    high = low + 100_000 if definition.max is None else math.floor(float(definition.max))
    value = low + teller.number if definition.unique else teller.dice.randint(low, max(low, high))
    if isinstance(definition, kinds.MoneyField):
        return {"amount": value, "currency": teller.fresh("currency")}
    return f"{value}.00" if isinstance(definition, kinds.DecimalField) else value


def _moment(definition: Any, dice: random.Random) -> str:
    day = (
        definition.min
        or definition.max
        or f"20{dice.randint(15, 24)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
    )
    return f"{day}T09:00:00Z" if isinstance(definition, kinds.DateTimeField) and "T" not in day else str(day)


def _text(definition: Any, teller: Teller) -> str:
    match definition:
        case kinds.EmailField():
            return f"contact{teller.number}@example.com"
        case kinds.PhoneField():
            return phone(teller.number, teller.words.phones)
        case kinds.UrlField():
            return f"https://example.com/{teller.number}"
    text = f"{teller.fresh('word')} {teller.number}" if definition.unique else str(teller.fresh("word"))
    return str(text.ljust(definition.min_length, ".")[: definition.max_length])
