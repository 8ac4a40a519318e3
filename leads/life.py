"""The life of a lead beside its stages: converted, closed, reopened, put on hold and taken up again."""

from itertools import takewhile
from typing import Any, Final

from lead_crm.errors import Conflict, Fault, Invalid, Refused
from leads import gate
from leads.documents import Conversion, Lead
from leads.gate import Move
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from leads.record import Ask, changed, line
from leads.rules import living
from workflow.documents import Stage, StageKind

# Nothing follows a closed stage, and what was to be done there is over.
NO_MATTER: Final = ("not_allowed_from_here", "task_open")


class NotOpen(Conflict):
    code, title = "not_open", "The lead is closed already: reopen it first."


class NotClosed(Conflict):
    code, title = "not_closed", "The lead is open: only won and lost leads are reopened."


class NotOnHold(Conflict):
    code, title = "not_on_hold", "The lead is not on hold."


def convert(lead: Lead, body: ConvertIn, ask: Ask) -> Lead:
    """Won, with a reference to what came of it. A lead that stands in a won stage already only gets the reference."""
    living(lead)
    if body.converted_at and body.converted_at > ask.now:
        raise Invalid([Fault("/converted_at", "in_the_future", "A lead cannot have been converted in the future.")])
    ask = ask.after(lead)
    also: dict[str, Any] = {
        "conversion": Conversion(reference=body.reference, note=body.note),
        "converted_at": body.converted_at or ask.now,
    }
    if lead.conversion is not None:
        raise Conflict("The lead is converted already: reopen it first.", code="already_converted")
    if lead.status == "won" and body.to_stage in (None, lead.current_stage):
        said = line(ask, "system", f"Converted: {body.reference}", reference=body.reference)
        return changed(lead, ask, [said], **also)
    stage = _elsewhere(lead, _target(lead, "won", body.to_stage, ask))
    return gate.move(lead, Move(stage.uid, note=body.note), ask, **also)


def close(lead: Lead, body: CloseIn, ask: Ask) -> Lead:
    """Lost, for a reason."""
    living(lead)
    if lead.status in ("won", "lost"):
        raise NotOpen
    stage = _elsewhere(lead, _target(lead, "lost", body.to_stage, ask))
    return gate.move(lead, Move(stage.uid, note=body.note, reason=body.reason), ask)


def _elsewhere(lead: Lead, stage: Stage) -> Stage:
    """A stage may have become a closed one while leads stand in it: then there is nowhere to go."""
    if stage.uid == lead.current_stage:
        raise Conflict(f"The lead stands in {stage.name} already: move it out first.", code="there_already")
    return stage


def _target(lead: Lead, kind: StageKind, wanted: str | None, ask: Ask) -> Stage:
    """The stage asked for, else the first of its kind that may follow."""
    if wanted is not None:
        stage = gate.target(ask, wanted)
        if stage.kind != kind:
            raise Invalid([Fault("/to_stage", "wrong_kind", f"{stage.name} is no stage of kind {kind}.")])
        return stage
    current = ask.workflow.stage(lead.current_stage)
    allowed = set(current.allowed_next_stages) if current else set()
    candidates = [stage for stage in ask.workflow.living if stage.kind == kind]
    if not candidates:
        raise Conflict(f"The workflow has no stage of kind {kind}.", code="no_such_stage")
    return next((stage for stage in candidates if stage.uid in allowed), candidates[0])


def reopen(lead: Lead, note: str | None, ask: Ask) -> Lead:
    """Back to the open stage it came from: nothing follows a closed stage, so this is the one way out of it."""
    living(lead)
    if lead.status not in ("won", "lost"):
        raise NotClosed
    stage = _before(lead, ask)
    wish = Move(stage.uid, note=note, reason="Reopened")
    against = [found for found in gate.refusals(lead, stage, wish, ask) if found["code"] not in NO_MATTER]
    if against:
        raise Refused(f"{lead.uid} may not go back to {stage.uid}: {against[0]['detail']}", refusals=against)
    return gate.entered(lead, stage, wish, ask.after(lead))


def _before(lead: Lead, ask: Ask) -> Stage:
    """The last open stage that the lead left and that still is one; else where leads begin."""
    for entry in reversed(lead.history[:-1]):
        stage = ask.workflow.stage(entry.stage)
        if stage and stage.kind == "open" and not stage.archived:
            return stage
    if ask.workflow.first is None:
        raise Conflict("The workflow has no open stage to go back to.", code="no_such_stage")
    return ask.workflow.first


def hold(lead: Lead, body: HoldIn, ask: Ask) -> Lead:
    """It stays where it is and moves no more, until it is resumed.

    One that is on hold already stays so; another `until` or note is taken over, as when a customer calls once more to
    put it off further. Saying the same again changes nothing.
    """
    living(lead)
    if lead.status not in ("open", "on_hold"):
        raise NotOpen
    if lead.status == "on_hold" and _is_held_so(lead, body):
        return lead
    if body.until and body.until <= ask.now:
        raise Invalid([Fault("/until", "in_the_past", "Say a time that is still to come, or leave it out.")])
    ask = ask.after(lead)
    said = line(ask, "status_change", body.note, old=lead.status, new="on_hold")
    wish = body.until or lead.follow_up_wish
    return changed(lead, ask, [said], status="on_hold", follow_up_wish=wish)


def _is_held_so(lead: Lead, body: HoldIn) -> bool:
    """What was noted last may have left the lead for its timeline: then it counts as new."""
    said = (one for one in reversed(lead.activities) if one.kind == "status_change")
    notes = [one.body for one in takewhile(lambda one: one.meta["new"] == "on_hold", said) if one.body]
    return body.until in (None, lead.follow_up_wish) and (not body.note or notes[:1] == [body.note])


def resume(lead: Lead, note: str | None, ask: Ask) -> Lead:
    living(lead)
    if lead.status != "on_hold":
        raise NotOnHold
    ask, stage = ask.after(lead), ask.workflow.stage(lead.current_stage)
    status = stage.kind if stage else "open"  # its stage may have been deleted, and it moved to a closed one
    return changed(lead, ask, [line(ask, "status_change", note, old="on_hold", new=status)], status=status)
