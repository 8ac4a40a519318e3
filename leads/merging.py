"""Two leads that are one person become one, and can become two again."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lead_crm.access import Person
from lead_crm.contact import same_email, same_phone
from lead_crm.diff import same
from lead_crm.errors import Conflict, Fault, Invalid, escape, unescape
from leads import events, record, rules, tasks
from leads.documents import ChangeSet, Contact, Fields, Lead, MergedLead, Task
from leads.merging_messages import CHOSEN, MergeIn, Side
from leads.record import Ask, changed, line
from leads.scoring import is_filled

MOST: Final = 30  # leads that may become parts of one: each page of its timeline looks into all of them
MOST_CONTACTS: Final = 20
MOST_TAGS: Final = 50
STORED_AS: Final = {"next_follow_up_at": "follow_up_wish"}
# These say nothing without the other: they come from the same lead.
FOLLOWING: Final = {"first_name": "name", "last_name": "name", "source_detail": "source"}
DERIVED: Final = frozenset({"score", "score_reasons", "next_follow_up_at", "merged"})


class WonLead(Conflict):
    """A part of another lead is in no figure: what was sold would be lost."""

    code, title = "won_lead", "A won lead does not become a part of one that is not won."


class NotMerged(Conflict):
    code, title = "not_merged", "Nothing was merged into this lead."


@dataclass(frozen=True, slots=True)
class Pair:
    """Who stays, who becomes a part of it, and what was chosen."""

    winner: Lead
    loser: Lead
    chosen: dict[str, Side]
    chosen_fields: dict[str, Side]
    ask: Ask

    def of(self, side: Side) -> Lead:
        return self.winner if side == "winner" else self.loser

    def value(self, name: str) -> Any:
        return getattr(self.of(self.side(name)), STORED_AS.get(name, name))

    def side(self, name: str) -> Side:
        if name in self.chosen:
            return self.chosen[name]
        leader = FOLLOWING.get(name)
        if leader and self.side(leader) == "loser":
            return "loser"
        if leader and not _alike(getattr(self.winner, leader), getattr(self.loser, leader)):
            return "winner"
        stored = STORED_AS.get(name, name)
        return (
            "winner" if _filled(getattr(self.winner, stored)) or not _filled(getattr(self.loser, stored)) else "loser"
        )


def _filled(value: Any) -> bool:
    """An address of which only the country is known, by default, is none."""
    if hasattr(value, "country"):
        return is_filled(value.changed(country=None))
    return is_filled(value)


def _alike(one: str | None, other: str | None) -> bool:
    return (one or "").casefold() == (other or "").casefold()


def faults(uid: str, body: MergeIn, ask: Ask) -> list[Fault]:
    found = []
    if body.lead == uid:
        found.append(Fault("/lead", "same_lead", "A lead cannot be merged into itself."))
    return found + [
        Fault(f"/fields/fields/{escape(key)}", "unknown_field", f"There is no custom field {key}.")
        for key in body.chosen_fields() if key not in ask.workflow.field_keys
    ]  # fmt: skip


def merge(
    winner: Lead, loser: Lead, body: MergeIn, ask: Ask, region: str, people: Mapping[str, Person]
) -> tuple[Lead, Lead]:
    """Both as they are then. Stage, status, place, centre and people stay the winner's.

    `people`: of those with tasks of the loser, whom there is.
    """
    for lead in (winner, loser):
        _whole(lead)
    _sold(winner, loser)
    pair = Pair(winner, loser, body.chosen(), body.chosen_fields(), ask.after(winner))
    values, left_out = _values(pair)
    strangers = _strangers(pair, people)
    values |= _joined(pair, values, region, strangers)
    left_out = [*left_out, *(f"tasks.{uid}.assigned_to" for uid in strangers)]
    return _won(pair, values, left_out, body.note), _lost(loser, winner.uid, ask)


def _whole(lead: Lead) -> None:
    rules.remaining(lead)
    if lead.status == "archived":
        raise rules.Archived(f"{lead.uid} is archived: restore it first.")


def _sold(winner: Lead, loser: Lead) -> None:
    """Neither what was won, nor the reference to what came of it, is given up for a lead that has none."""
    if _sale(loser) > _sale(winner):
        has = "is converted" if loser.conversion else "is won"
        detail = f"{loser.uid} {has}, and {winner.uid} is not: merge {winner.uid} into {loser.uid} instead."
        raise WonLead(detail, winner=loser.uid, loser=winner.uid)


def _sale(lead: Lead) -> tuple[bool, bool]:
    return lead.status == "won" or lead.converted_at is not None, lead.conversion is not None


def _won(pair: Pair, values: dict[str, Any], left_out: list[str], note: str | None) -> Lead:
    winner, loser, ask = pair.winner, pair.loser, pair.ask
    below = [uid for part in loser.merged for uid in part.names()]
    if sum(len(part.names()) for part in winner.merged) + 1 + len(below) > MOST:
        raise Conflict(f"At most {MOST} leads can be merged into one.", code="too_many_merged")
    part = MergedLead(
        uid=loser.uid, at=ask.now, by=ask.actor.uid, version=winner.version + 1, left_out=left_out, below=below
    )
    before, after = record.compared(winner), record.compared(winner.changed(**values))
    said = line(
        ask, "merge", note, event="merged", lead=loser.uid, fields=list(_differing(before, after)), left_out=left_out
    )
    tells, merged = [events.merged(loser.uid)], [*winner.merged, part]
    return changed(winner, ask, [said], made=said.uid, tells=tells, **values, merged=merged)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """As people know them; tasks have a line of their own in the list of tasks."""
    known = {stored: name for name, stored in STORED_AS.items()}
    for name in before:
        if name == "fields":
            old, new = before[name], after[name]
            yield from (f"fields.{key}" for key in {**old, **new} if not same(old.get(key), new.get(key)))
        elif name not in ("tasks", *STORED_AS) and not same(before[name], after[name]):
            yield known.get(name, name)


def _lost(loser: Lead, winner: str, ask: Ask) -> Lead:
    """Nothing else of it changes, so that it can come back as it was. The POST is the winner's."""
    ask = replace(ask, once=None).after(loser)
    return changed(loser, ask, [], merged_into=winner, merged_at=ask.now)


def _values(pair: Pair) -> tuple[dict[str, Any], list[str]]:
    """One value of each: attributes and custom fields; and what fits neither the lead nor the config."""
    values = {STORED_AS.get(name, name): pair.value(name) for name in CHOSEN}
    source_left, wrong = _fitting_source(pair, values)
    fields, left_out, faults = _fields(pair, values["lead_type"])
    if faults := [*wrong, *_cleared(pair, values), *faults, *_cleared_fields(pair, fields, values["lead_type"])]:
        raise Invalid(faults)
    return values | {"fields": fields}, [*source_left, *left_out]


def _fitting_source(pair: Pair, values: dict[str, Any]) -> tuple[list[str], list[Fault]]:
    source = next((s for s in pair.ask.workflow.config.sources if s.key == values["source"]), None)
    if source is None or not source.lead_types or values["lead_type"] in source.lead_types:
        return [], []
    if pair.chosen.keys() & {"source", "lead_type"}:
        return [], [Fault("/fields/source", "not_applicable", f"{source.key} is for {', '.join(source.lead_types)}.")]
    values.update(source=pair.winner.source, source_detail=pair.winner.source_detail)
    return ["source"], []


def _cleared(pair: Pair, values: dict[str, Any]) -> list[Fault]:
    """Nobody loses what every lead has to have by choosing the empty one."""
    return [
        Fault(f"/fields/{name}", "required", f"Every lead here has {name}.")
        for name in pair.ask.workflow.config.required
        if name in pair.chosen and not is_filled(values[STORED_AS.get(name, name)])
    ]


def _cleared_fields(pair: Pair, fields: Fields, lead_type: str | None) -> list[Fault]:
    missing = pair.ask.workflow.values.missing(fields, lead_type=lead_type)
    chosen = {f"/fields/{escape(key)}" for key in pair.chosen_fields}
    return [fault.under("/fields") for fault in missing if fault.pointer in chosen]


def _fields(pair: Pair, lead_type: str | None) -> tuple[Fields, list[str], list[Fault]]:
    """Key by key. What was not chosen and does not fit is left out; what was chosen must fit."""
    own, others = pair.winner.fields, pair.loser.fields
    taken = {key: others.get(key) for key, side in pair.chosen_fields.items() if side == "loser"}
    taken |= {
        key: value for key, value in others.items()
        if key not in pair.chosen_fields and is_filled(value) and not is_filled(own.get(key))
    }  # fmt: skip
    while True:
        fields, wrong = pair.ask.workflow.values.convert(
            taken, lead_type=lead_type, current=own, lead_type_changed=lead_type != pair.winner.lead_type
        )
        unfit = {_key(fault) for fault in wrong} - pair.chosen_fields.keys()
        if not unfit & taken.keys():
            break
        taken = {key: value for key, value in taken.items() if key not in unfit}
    wanted = [key for key in {**own, **others} if key not in fields and key not in pair.chosen_fields]
    left_out = [f"fields.{key}" for key in wanted if is_filled(own.get(key)) or is_filled(others.get(key))]
    return fields, left_out, [fault.under("/fields") for fault in wrong]


def _key(fault: Fault) -> str:
    return unescape(fault.pointer.split("/")[2])


def _joined(pair: Pair, values: dict[str, Any], region: str, strangers: Sequence[str]) -> dict[str, Any]:
    """What has room for both."""
    winner, loser = pair.winner, pair.loser
    contacted = [at for at in (winner.last_contacted_at, loser.last_contacted_at) if at]
    return {
        "contacts": _contacts(pair, values, region),
        "tags": _tags(winner.tags, loser.tags),
        "tasks": _tasks(winner, loser, strangers),
        "call_attempts": winner.call_attempts + loser.call_attempts,
        "last_contacted_at": max(contacted, default=None),
    }


def _tags(own: Sequence[str], others: Sequence[str]) -> list[str]:
    known = {tag.casefold() for tag in own}
    tags = [*own, *(tag for tag in others if tag.casefold() not in known)]
    if len(tags) > MOST_TAGS:
        raise Conflict(f"Together they have {len(tags)} tags, and {MOST_TAGS} is the most.", code="too_many_tags")
    return tags


def _contacts(pair: Pair, values: dict[str, Any], region: str) -> list[Contact]:
    """Equal ones once, and whoever was reached by what neither kept is a contact: search and duplicates find them."""
    joined = list(pair.winner.contacts)
    known = {_mark(contact, region) for contact in joined}
    primary = any(contact.is_primary for contact in joined)
    for contact in pair.loser.contacts:
        if _mark(contact, region) not in known:
            joined.append(contact.changed(is_primary=False) if primary else contact)
            known.add(_mark(contact, region))
    for lead in (pair.winner, pair.loser):
        joined += _unreached(lead, values, joined, region)
    if len(joined) > MOST_CONTACTS:
        detail = f"Together they have {len(joined)} contacts, and {MOST_CONTACTS} is the most: delete some first."
        raise Conflict(detail, code="too_many_contacts")
    return joined


def _mark(contact: Contact, region: str) -> tuple[str | None, ...]:
    email, phone = contact.email, contact.phone
    return (
        contact.name.casefold(), (contact.relation or "").casefold(), email and same_email(email),
        phone and same_phone(phone, region),
    )  # fmt: skip


def _unreached(lead: Lead, values: dict[str, Any], contacts: Sequence[Contact], region: str) -> list[Contact]:
    emails = {same_email(one) for one in (values["email"], *(c.email for c in contacts)) if one}
    phones = {same_phone(one, region) for one in (values["phone"], *(c.phone for c in contacts)) if one}
    email = lead.email if lead.email and same_email(lead.email) not in emails else None
    phone = lead.phone if lead.phone and same_phone(lead.phone, region) not in phones else None
    return [Contact(name=lead.name, email=email, phone=phone)] if email or phone else []


def _strangers(pair: Pair, people: Mapping[str, Person]) -> list[str]:
    """Tasks that are to be done by somebody who could not see the winner."""
    if pair.winner.center == pair.loser.center:
        return []
    pending = [(task.uid, task.assigned_to) for task in pair.loser.tasks if task.status == "pending"]
    return [
        task for task, uid in pending if uid and rules.unknown_people([uid], pair.winner.center, people)
    ]  # fmt: skip


def _tasks(winner: Lead, loser: Lead, strangers: Sequence[str]) -> list[Task]:
    """Those of both in order of time. What a stage required of the loser does not hold up the winner."""
    if len(winner.tasks) + len(loser.tasks) > tasks.MOST:
        raise Conflict(f"Together they have more than {tasks.MOST} tasks.", code="too_many_tasks")
    came = [task.changed(required=False) if task.template else task for task in loser.tasks]
    came = [task.changed(assigned_to=None) if task.uid in strangers else task for task in came]
    return list(heapq.merge(winner.tasks, came, key=lambda task: task.created_at))


def latest(winner: Lead, wanted: str | None) -> MergedLead:
    """Merges are taken back in the reverse order: what a later one found there is not pulled away under it."""
    rules.remaining(winner)
    if not winner.merged:
        raise NotMerged
    last = winner.merged[-1]
    if wanted in (None, last.uid):
        return last
    if any(part.uid == wanted for part in winner.merged):
        detail = f"{last.uid} was merged later: unmerge that one first."
        raise Conflict(detail, code="merged_later", unmerge_first=last.uid)
    through = next((part.uid for part in winner.merged if wanted in part.below), None)
    if through:
        raise Conflict(f"{wanted} is a part of {through}: unmerge that one first.", code="merged_later")
    raise Invalid([Fault("/lead", "not_merged", f"{wanted} was not merged into this lead.")])


def unmerge(winner: Lead, loser: Lead, written: ChangeSet, note: str | None, ask: Ask) -> tuple[Lead, Lead]:
    """Both as they were; what has changed on the winner since then stays there, but for the loser's tasks."""
    _whole(winner)
    if loser.erased_at is not None:
        raise rules.Erased
    values, kept = _going_back(winner, written)
    came = {change["pointer"][len("/tasks/") :]: change["new"] for change in written.changes if _is_task(change)}
    now = {task.uid: task for task in winner.tasks if task.uid in came}
    values["tasks"] = [task for task in winner.tasks if task.uid not in came]
    values["merged"] = [part for part in winner.merged if part.uid != loser.uid]
    returned = [_returned(task, came[task.uid], now[task.uid]) if task.uid in now else task for task in loser.tasks]
    return _apart(winner, loser.uid, values, kept, note, ask.after(winner)), _alone(
        loser, winner.uid, returned, note, ask
    )


def _is_task(change: dict[str, Any]) -> bool:
    return str(change["pointer"]).startswith("/tasks/")


def _apart(winner: Lead, loser: str, values: dict[str, Any], kept: list[str], note: str | None, ask: Ask) -> Lead:
    said = line(ask, "merge", note, event="unmerged", lead=loser, kept=kept)
    back = winner.changed(**values)
    again = {name: getattr(back, name) for name in values}
    return changed(winner, ask, [said], made=said.uid, tells=[events.unmerged(loser)], **again)


def _alone(loser: Lead, winner: str, returned: list[Task], note: str | None, ask: Ask) -> Lead:
    ask = replace(ask, once=None).after(loser)
    merged_at = loser.merged_at.isoformat() if loser.merged_at else None
    said = line(ask, "merge", note, event="unmerged", lead=winner, merged_at=merged_at)
    return changed(loser, ask, [said], tasks=returned, merged_into=None, merged_at=None)


def _returned(was: Task, came: dict[str, Any], now: Task) -> Task:
    """As it is now, but for what merging itself has changed about it."""
    before, after = was.model_dump(), now.model_dump()
    return Task.model_validate({name: before[name] if same(came[name], after[name]) else after[name] for name in after})


def _going_back(winner: Lead, written: ChangeSet) -> tuple[dict[str, Any], list[str]]:
    """Three ways: before the merge, after it, now."""
    now, kept = record.compared(winner), []
    values: dict[str, Any] = {"fields": dict(winner.fields)}
    for change in written.changes:
        pointer, old, new = change["pointer"], change["old"], change["new"]
        name, _, key = pointer[1:].partition("/")
        if name in DERIVED or name == "tasks":
            continue
        is_now = now["fields"].get(unescape(key)) if key else now[name]
        if not same(is_now, new):
            kept.append(pointer)
        if key:
            _put_back(values["fields"], unescape(key), old if same(is_now, new) else is_now)
        else:
            values[name] = old if same(is_now, new) else _without(name, old, new, is_now)
    return values, kept


def _put_back(fields: dict[str, Any], key: str, value: Any) -> None:
    fields.pop(key, None)
    if value is not None:
        fields[key] = value


def _without(name: str, old: Any, new: Any, now: Any) -> Any:
    """Of a value that has changed since the merge: what the merge has added goes, the rest stays."""
    if name == "call_attempts":
        return max(0, now - (new - old))
    if name in ("tags", "contacts"):
        added = [item for item in new if item not in old]
        return [item for item in now if item not in added]
    return now
