"""What a lead is found by: values kept beside it under `keys`, for indexes alone, made anew at every write."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lead_crm import contact
from lead_crm.access import NOBODY, State, holders, shelf
from leads.documents import Lead, Task
from leads.search import fold, grams
from workflow.workflow import Workflow

NO_FOLLOW_UP: Final = datetime(9999, 12, 31, tzinfo=UTC)  # leads without one come last
EVERYBODY: Final = "*"
SOLE: Final = "sole/"  # no field key has a slash
SOMETIMES: Final = frozenset({"work", "claims"})  # keys that not every lead has
FEWEST_DIGITS: Final = 7  # what is shorter is no number of its own


def keys(lead: Lead, workflow: Workflow, region: str) -> dict[str, Any]:
    return quick(lead, workflow) | {"grams": [] if lead.merged_into else grams(lead, workflow, region)}


def quick(lead: Lead, workflow: Workflow) -> dict[str, Any]:
    """All but the grams, which take longest and seldom change."""
    found: dict[str, Any] = {
        "shelf": shelf(lead.center, _state(lead)),
        "holders": holders(lead.assigned_to, (task.assigned_to for task in lead.tasks if task.assigned_to)),
        "follow_up": lead.next_follow_up_at or NO_FOLLOW_UP,
    }
    to_do = () if lead.merged_into else work(lead.tasks, lead.assigned_to)
    if tasks := [{"who": who, "at": at} for who, at in dict.fromkeys(e[:2] for e in to_do)]:
        found["work"] = tasks
    if claimed := claims(lead, workflow):
        found["claims"] = claimed
    return found


def _state(lead: Lead) -> State:
    if lead.merged_into:
        return "merged"
    if lead.erased_at:
        return "erased"
    return "archived" if lead.status == "archived" else "live"


def work(tasks: Sequence[Task], assigned_to: Sequence[str]) -> Iterator[tuple[str, datetime, str]]:
    """Under which name and due time each pending task is found. One that nobody was given is its lead's owners'."""
    for task in tasks:
        if task.status == "pending":
            for who in doing(task, assigned_to):
                for name in (who, of_kind(who, task.kind)):
                    yield name, task.due_at or NO_FOLLOW_UP, task.uid


def doing(task: Task, assigned_to: Sequence[str]) -> list[str]:
    """Under which names a task is found, whatever its kind."""
    owners = [f"lead:{owner}" for owner in assigned_to or [NOBODY]]
    role = [f"role:{task.assigned_role}"] if task.assigned_role else assigned_to
    doers = [task.assigned_to] if task.assigned_to else role
    return list(dict.fromkeys((EVERYBODY, *doers, *owners)))


def of_kind(who: str, kind: str) -> str:
    return f"{who}/{kind}"


def claims(lead: Lead, workflow: Workflow) -> list[str]:
    """What no other lead may have: values of unique fields, the POST that made this one, the marks it came in with.

    One that has become a part of another holds on to the POST alone.
    """
    posts = [f"once:{done.once}" for done in lead.done[:1] if done.at == lead.created_at]
    sole = (SOLE + mark for mark in lead.sole)
    return posts if lead.merged_into else [*workflow.values.claims(lead.fields), *posts, *sole]


def marks(reached: Mapping[str, Any], on: Collection[str], region: str) -> dict[str, str]:
    """What makes two leads duplicates, each with the gram by which such leads are found.

    `reached` has `email`, `phone` and `contacts` of a lead, as they are stored.
    """
    people = [reached, *reached["contacts"]]
    emails = [person["email"] for person in people if person["email"]]
    phones = [person["phone"] for person in people if person["phone"]]
    found = {f"email:{contact.same_email(email)}": fold(email) for email in emails if "email" in on}
    for phone in phones if "phone" in on else ():
        gram = contact.international(phone, region) or contact.digits(phone)
        if len(gram) >= FEWEST_DIGITS:
            found[f"phone:{contact.same_phone(phone, region)}"] = gram
    return found


def reached(lead: Lead) -> dict[str, Any]:
    return lead.model_dump(include={"email", "phone", "contacts"})


def still_sole(lead: Lead, region: str) -> list[str]:
    """Of the marks it came in with, those that it has kept all the time. The archive keeps none from others.

    A lead that has become a part of another remembers its marks: it may come back.
    """
    if lead.merged_into:
        return lead.sole
    if not lead.sole or _state(lead) != "live":
        return []
    there = marks(reached(lead), ("email", "phone"), region)
    return [mark for mark in lead.sole if mark in there]
