"""The uid of a lead: `LEAD-202611-00001`, or as the config says."""

from datetime import datetime

from workflow.documents import SEQUENCE, LeadNumber


def series(number: LeadNumber, now: datetime) -> str:
    """The uid with the place of the number left open; each series counts by itself."""
    period = now.strftime({"month": "%Y%m", "year": "%Y", "none": ""}[number.period])
    return number.pattern.replace("{prefix}", number.prefix).replace("{period}", period)


def uid(series: str, sequence: int) -> str:
    """Numbers that outgrow their width widen."""
    return SEQUENCE.sub(lambda found: f"{sequence:0{found[1] or 1}d}", series)
