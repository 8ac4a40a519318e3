"""What may be done with a lead, besides moving it (`leads.gate`) and its tasks (`leads.tasks`)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast

from pydantic import MISSING

from lead_crm.access import Actor, Person
from lead_crm.diff import same
from lead_crm.errors import Conflict, Fault, Invalid, Merged, NotAllowed
from leads import assignment
from leads.documents import CONTACTS, Address, Fields, Lead, Quantity
from leads.gate import begin
from leads.messages import ActivityIn, LeadIn
from leads.record import Ask, begun, changed, derived, line
from leads.scoring import is_filled
from workflow.rules import NotSetUp


class Archived(Conflict):
    code, title = "lead_archived", "The lead is archived: restore it first."


class Erased(Conflict):
    code, title = "lead_erased", "The person was erased for good: only figures are left, and nothing can be written."


def remaining(lead: Lead) -> None:
    """Asked before every change, whatever it is."""
    if lead.merged_into is not None:
        raise Merged(lead.uid, lead.merged_into)
    if lead.erased_at is not None:
        raise Erased


def living(lead: Lead) -> None:
    if lead.status == "archived":
        raise Archived


def create(
    body: LeadIn, ask: Ask, people: Mapping[str, Person] = MappingProxyType({}),
    required: Collection[str] | None = None,
) -> Lead:  # fmt: skip
    """A new lead in the first stage; its number is drawn afterwards, when nothing can refuse it any more.

    `required`: the custom fields asked for here, where they are not all that the config requires.
    """
    stage = ask.workflow.first
    if stage is None:
        raise NotSetUp("There is no open stage for new leads yet: POST /api/stages/.")
    given = ask.workflow.values.with_defaults(body.fields, lead_type=body.lead_type)
    fields, faults = ask.workflow.values.convert(given, lead_type=body.lead_type)
    center, center_faults = _center(body.center, ask.actor)
    wrong = {fault.pointer for fault in faults}
    missing = ask.workflow.values.missing(fields, lead_type=body.lead_type, keys=required)
    faults += [fault for fault in missing if fault.pointer not in wrong]
    values = {name: getattr(body, name) for name in type(body).model_fields}
    values |= {"fields": fields, "center": center, "name": body.name or _joined(body), "assigned_to": named(body)}
    values["priority"] = body.priority or _default_priority(ask)
    values["address"] = _in_default_country(body.address, ask)
    if not values["name"]:
        faults.append(Fault("/name", "required", "Give a name, or a first_name or last_name."))
    faults += _missing(values, ask.workflow.config.required if required is None else ())
    strangers = [] if center_faults else unknown_people(values["assigned_to"], center, people)
    if faults := [*faults, *center_faults, *_choice_faults(values, ask), *strangers]:
        raise Invalid(faults)
    _may_assign(values["assigned_to"], ask)
    return _first_version(begin(values, stage, ask, by_rule=body.assigned_to is MISSING), ask)


def named(body: LeadIn) -> list[str]:
    """Who is to get it; where nobody is named, that may be meant, or left to the rules."""
    return [] if body.assigned_to is MISSING else list(dict.fromkeys(body.assigned_to or ()))


def _first_version(values: dict[str, Any], ask: Ask) -> Lead:
    values["follow_up_wish"] = values["next_follow_up_at"]
    values |= {
        "uid": "?", "last_contacted_at": None, "call_attempts": 0,
        "created_at": ask.now, "updated_at": ask.now, "created_by": ask.actor.uid, "updated_by": ask.actor.uid,
        "workflow_version": ask.workflow.version,
    }  # fmt: skip
    created = line(ask, "system", "Created", source=values["source"], stage=values["current_stage"])
    values["activities"] = [created, *values["activities"]]
    if ask.once:
        values["done"] = [{"once": ask.once, "at": ask.now}]
    return begun(Lead.model_validate(derived(values, ask)), ask)


def _joined(body: LeadIn) -> str:
    return " ".join(part for part in (body.first_name, body.last_name) if part)


def _center(wanted: str | None, actor: Actor) -> tuple[str, list[Fault]]:
    offered = [center for center in actor.centers if center not in actor.closed]
    if wanted is None and len(offered) == 1:
        return offered[0], []
    if wanted is None and not offered:
        return "", [Fault("/center", "required", "You have no centre that takes new leads.")]
    if wanted is None:
        return "", [Fault("/center", "required", f"Say which centre: {', '.join(offered)}.")]
    if wanted not in actor.centers:
        return "", [Fault("/center", "unknown_center", f"You have no centre {wanted}.")]
    if wanted in actor.closed:
        return "", [Fault("/center", "center_archived", f"The centre {wanted} is archived and takes no new leads.")]
    return wanted, []


def unknown_people(
    uids: Sequence[str], center: str, people: Mapping[str, Person], pointer: str = "/assigned_to"
) -> list[Fault]:
    """Nobody gets a lead who does not exist, or who could not see it."""
    return [
        Fault(pointer, "unknown_person", f"There is no active person {uid} in the centre {center}.")
        for uid in uids if uid not in people or not people[uid].works_in(center)
    ]  # fmt: skip


def _default_priority(ask: Ask) -> str | None:
    return next((priority.key for priority in ask.workflow.config.priorities if priority.default), None)


def _in_default_country(address: Address | None, ask: Ask) -> Address | None:
    country = ask.workflow.config.default_country
    if country is None or (address and address.country):
        return address
    return (address or Address()).changed(country=country)


def _missing(values: dict[str, Any], names: Iterable[str]) -> list[Fault]:
    """An address of which only the country is known, by default, is none."""
    return [
        Fault(f"/{name}", "required", f"Every lead here has {name}.") for name in names
        if name in values and not is_filled(values[name])
    ]  # fmt: skip


def _quantity_faults(given: Quantity | dict[str, Any] | None, ask: Ask) -> list[Fault]:
    quantity = Quantity.model_validate(given) if isinstance(given, dict) else given  # a patch is plain
    allowed, faults = ask.workflow.config.quantity, []
    if quantity and allowed.units and quantity.unit not in allowed.units:
        detail = f"{quantity.unit} is not one of: {', '.join(allowed.units)}."
        faults.append(Fault("/quantity/unit", "not_an_option", detail))
    if quantity and quantity.amount.startswith("-"):
        faults.append(Fault("/quantity/amount", "below_zero", "There is no quantity below zero."))
    if quantity and len(quantity.amount.partition(".")[2]) > allowed.decimals:
        detail = f"Write at most {allowed.decimals} decimals."
        faults.append(Fault("/quantity/amount", "too_many_decimals", detail))
    return faults


def _choice_faults(values: dict[str, Any], ask: Ask) -> list[Fault]:
    """Of the attributes that are there: are they among the configured choices? (Where none are configured: any.)"""
    config, faults = ask.workflow.config, _quantity_faults(values.get("quantity"), ask)
    for name, choices in (
        ("lead_type", config.lead_types), ("source", config.sources), ("priority", config.priorities)
    ):  # fmt: skip
        value, known = values.get(name), [choice.key for choice in choices]
        if value is not None and known and value not in known:
            faults.append(Fault(f"/{name}", "not_an_option", f"{value} is not one of: {', '.join(known)}."))
    source = next((s for s in config.sources if s.key == values.get("source")), None)
    if source and source.lead_types and values.get("lead_type") not in source.lead_types:
        faults.append(Fault("/source", "not_applicable", f"{source.key} is for {', '.join(source.lead_types)} leads."))
    if config.tags is not None:
        faults += [
            Fault(f"/tags/{i}", "not_an_option", f"There is no tag {tag}.")
            for i, tag in enumerate(values.get("tags") or []) if tag not in config.tags
        ]  # fmt: skip
    return faults


def edit(lead: Lead, changes: dict[str, Any], ask: Ask) -> Lead:
    """Merge-patch: checks the keys it touches."""
    living(lead)
    ask = ask.after(lead)
    values = dict(changes)
    if values.get("address") is not None:  # an object is merged, not replaced
        values["address"] = (lead.address or Address()).changed(**values["address"])
    faults: list[Fault] = []
    lead_type = values.get("lead_type", lead.lead_type)
    if "fields" in values or "lead_type" in values:
        values["fields"], faults = ask.workflow.values.convert(
            values.get("fields") or {},
            lead_type=lead_type,
            current=lead.fields,
            lead_type_changed=lead_type != lead.lead_type,
        )
        touched = {f"/fields/{key}" for key in changes.get("fields") or {}}
        missing = ask.workflow.values.missing(values["fields"], lead_type=lead_type)
        faults += [fault for fault in missing if fault.pointer in touched and fault not in faults]
    touched_choices = {name: value for name, value in values.items() if name in ("priority", "tags", "quantity")}
    if "source" in values or "lead_type" in values:
        touched_choices |= {"source": values.get("source", lead.source), "lead_type": lead_type}
    faults += _missing(values, ask.workflow.config.required)
    if faults := [*faults, *_choice_faults(touched_choices, ask)]:
        raise Invalid(faults)
    if "next_follow_up_at" in values:
        values["follow_up_wish"] = values.pop("next_follow_up_at")
    return _edited(lead, values, ask)


def _edited(lead: Lead, values: dict[str, Any], ask: Ask) -> Lead:
    different = [name for name, value in values.items() if not same(_plain(getattr(lead, name)), _plain(value))]
    if not different:
        return lead
    said = line(ask, "field_change", fields=sorted(_said(lead, values, different)))
    return changed(lead, ask, [said], **{name: values[name] for name in different})


def _plain(value: Any) -> Any:
    return (
        value.model_dump()
        if hasattr(value, "model_dump")
        else [_plain(v) for v in value]
        if isinstance(value, list)
        else value
    )


def _said(lead: Lead, values: dict[str, Any], different: Sequence[str]) -> list[str]:
    names = [{"follow_up_wish": "next_follow_up_at"}.get(name, name) for name in different if name != "fields"]
    if "fields" in different:
        old, new = lead.fields, values["fields"]
        names += [f"fields.{key}" for key in {*old, *new} if not same(old.get(key), new.get(key))]
    return names


def merged_fields(lead: Lead, fields: Fields, ask: Ask) -> Fields | None:
    """What a move that brings `fields` makes of the lead's; None where it brings none."""
    if not fields:
        return None
    converted, faults = ask.workflow.values.convert(fields, lead_type=lead.lead_type, current=lead.fields)
    if faults:
        raise Invalid(faults)
    return cast(Fields, converted)


def assign(lead: Lead, assigned_to: Sequence[str], ask: Ask) -> Lead:
    living(lead)
    _may_assign(assigned_to, ask, lead)
    new = list(dict.fromkeys(assigned_to))
    if new == lead.assigned_to:
        return lead
    ask = ask.after(lead)
    said = line(ask, "assignment", old=lead.assigned_to, new=new)
    return changed(lead, ask, [said], assigned_to=new)


def whom(*, named: bool, by_rule: bool) -> list[Fault]:
    """Somebody (or nobody) is named, or drawn."""
    if by_rule and named:
        return [Fault("/by_rule", "not_both", "Send assigned_to or by_rule, not both.")]
    return [] if by_rule or named else [Fault("/assigned_to", "required", "Say who gets it, or send by_rule: true.")]


class NoRule(Conflict):
    code, title = "no_rule", "No rule of `assignment`, and no stage, gives this lead to anybody: say who gets it."


class NobodyThere(Conflict):
    code, title = "nobody_there", "Nobody in the pool can get this lead."


def deal(lead: Lead, ask: Ask) -> Lead:
    """To whomever the rules give it, as if it came in where it stands."""
    living(lead)
    ask.actor.require("lead.assign")
    wanted = assignment.wanted(dict(lead), ask.workflow.stage(lead.current_stage), ask.workflow, moving=False)
    if wanted is None:
        raise NoRule
    ask, picked = ask.after(lead), ask.pick(wanted)
    if picked is None:  # not yet
        return changed(lead, ask, [])
    if picked.person is None:
        raise NobodyThere(picked.why)
    new = [picked.person]
    if new == lead.assigned_to:
        return lead
    said = line(ask, "assignment", picked.why, old=lead.assigned_to, new=new, rule=wanted.name)
    return changed(lead, ask, [said], assigned_to=new)


def _may_assign(assigned_to: Sequence[str], ask: Ask, lead: Lead | None = None) -> None:
    """Everyone may take a free lead; giving one away, or taking somebody's, needs lead.assign."""
    taking = list(assigned_to) == [ask.actor.uid] and (lead is None or not lead.assigned_to)
    if assigned_to or lead:
        if taking and ask.actor.may("lead.edit"):
            return
        if not ask.actor.may("lead.assign"):
            raise NotAllowed("Assigning leads to others needs the permission lead.assign.", permission="lead.assign")


def archive(lead: Lead, ask: Ask) -> Lead:
    if lead.status == "archived":
        return lead
    ask = ask.after(lead)
    said = line(ask, "status_change", old=lead.status, new="archived")
    return changed(lead, ask, [said], status="archived", archived_at=ask.now)


def restore(lead: Lead, ask: Ask) -> Lead:
    """Back to where it was; the status follows from the stage."""
    if lead.status != "archived":
        return lead
    ask = ask.after(lead)
    stage = ask.workflow.stage(lead.current_stage)
    status = stage.kind if stage else "open"
    said = line(ask, "status_change", old="archived", new=status)
    return changed(lead, ask, [said], status=status, archived_at=None)


def add_activity(lead: Lead, body: ActivityIn, ask: Ask) -> Lead:
    living(lead)
    ask = ask.after(lead)
    said = line(ask, body.kind, body.body, **body.meta)
    return changed(lead, ask, [said], made=said.uid, **contacted(lead, body.kind, ask.now))


CAME: Final = frozenset({
    "name", "first_name", "last_name", "email", "phone", "company", "contacts", "source", "source_detail", "fields",
})  # fmt: skip


def came_again(lead: Lead, came: Lead, ask: Ask) -> Lead:
    """Somebody who is a lead already came in once more, as `came`."""
    living(lead)
    ask = ask.after(lead)
    who = came.model_dump(include=set(CAME), exclude_defaults=True)
    said = line(ask, "system", came.message or "Came in again.", event="came_again", came=who)
    return changed(lead, ask, [said], made=said.uid)


def contacted(lead: Lead, kind: str, at: datetime) -> dict[str, Any]:
    """A call counts, and every contact has a time."""
    values: dict[str, Any] = {}
    if kind in CONTACTS:
        values["last_contacted_at"] = max(at, lead.last_contacted_at or at)
    if kind == "call":
        values["call_attempts"] = lead.call_attempts + 1
    return values
