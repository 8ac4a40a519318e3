"""The score of a lead, with the reasons for it, and its temperature."""

import functools
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from disposable_email_domains import blocklist

from lead_crm.documents import Model, Money
from leads.documents import Address, Conversion, Heat, Lead, Quantity, ScoreReason
from workflow.documents import Temperature
from workflow.scoring import (
    AgeRule,
    BusinessEmailRule,
    DisposableEmailRule,
    FilledRule,
    ScoreRule,
    Scoring,
    SourceRule,
    TagRule,
    ValueRule,
)

ASKED: Final = frozenset({"source", "email", "tags", "fields", "created_at", "score_override"})  # by the rules
MODELS: Final[dict[str, type[Model]]] = {
    "address": Address, "value": Money, "quantity": Quantity, "conversion": Conversion
}  # fmt: skip
FREE_MAIL: Final = Path(__file__).with_name("free_mail.txt")


@functools.cache
def free_mail() -> frozenset[str]:
    return frozenset(FREE_MAIL.read_text().split())


def is_business(email: str | None) -> bool:
    domain = _domain(email)
    return bool(domain) and domain not in free_mail() and domain not in blocklist


def is_disposable(email: str | None) -> bool:
    return _domain(email) in blocklist


def _domain(email: str | None) -> str:
    return (email or "").rpartition("@")[2].lower()


def value_of(lead: dict[str, Any], name: str) -> Any:
    """An attribute of the lead (or a part of one), or a custom field, by the name that stages and rules use."""
    whole, _, part = name.partition(".")
    if whole == "fields" and part:
        return lead["fields"].get(part)
    if part:
        return getattr(lead[whole], part, None)
    return lead[name] if name in lead else lead["fields"].get(name)


def is_filled(value: Any) -> bool:
    """0 and false are values; an address without a line in it is none."""
    if isinstance(value, Model):
        return any(item is not None for item in dict(value).values())
    return value not in (None, "", [], {})


def _text(value: Any) -> str | None:
    """As rules write it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def score(lead: dict[str, Any], scoring: Scoring, now: datetime) -> tuple[int, list[ScoreReason]]:
    reasons = [ScoreReason(points=scoring.base, reason="base")]
    reasons += [
        ScoreReason(points=r.points, reason=r.label or _label(r)) for r in scoring.rules if _holds(r, lead, now)
    ]
    total = sum(reason.points for reason in reasons)
    override = lead.get("score_override")
    if override is not None:
        return override, [*reasons, ScoreReason(points=override - total, reason="set by hand")]
    return max(0, min(100, total)), reasons


def needed(scoring: Scoring) -> frozenset[str]:
    """The attributes of a lead that its score depends on."""
    filled = {rule.field for rule in scoring.rules if isinstance(rule, FilledRule)}
    return ASKED | (filled & Lead.model_fields.keys())


def of_row(row: dict[str, Any], scoring: Scoring, now: datetime) -> tuple[int, list[ScoreReason]]:
    """Of a lead as it is stored, `needed` attributes at least; what is stored has passed its model already."""
    models = {name: MODELS[name].model_construct(**row[name]) for name in MODELS.keys() & row.keys() if row[name]}
    return score(row | models, scoring, now)


def _holds(rule: ScoreRule, lead: dict[str, Any], now: datetime) -> bool:
    match rule:
        case SourceRule():
            return bool(lead["source"] in rule.any_of)
        case FilledRule():
            return is_filled(value_of(lead, rule.field))
        case BusinessEmailRule():
            return is_business(lead["email"])
        case DisposableEmailRule():
            return is_disposable(lead["email"])
        case TagRule():
            return not {tag.casefold() for tag in lead["tags"]}.isdisjoint(tag.casefold() for tag in rule.any_of)
        case ValueRule():
            value = lead["fields"].get(rule.field)
            values = value if isinstance(value, list) else [value]
            return any(_text(item) in rule.any_of for item in values)
        case AgeRule():
            return bool((now - lead["created_at"]).days >= rule.min_days)


def _label(rule: ScoreRule) -> str:
    match rule:
        case SourceRule() | TagRule():
            return f"{rule.when}: {', '.join(rule.any_of)}"
        case ValueRule():
            return f"{rule.field}: {', '.join(rule.any_of)}"
        case FilledRule():
            return f"{rule.field} is filled"
        case BusinessEmailRule():
            return "business e-mail"
        case DisposableEmailRule():
            return "disposable e-mail"
        case AgeRule():
            return f"{rule.min_days} days old"


def heat(by_hand: Heat | None, closes_on: str | None, rule: Temperature | None, today: date) -> Heat | None:
    if by_hand or rule is None:
        return by_hand
    if closes_on is None:
        return "cold"
    days = (date.fromisoformat(closes_on) - today).days
    return "hot" if days <= rule.hot_days else "warm" if days <= rule.warm_days else "cold"
