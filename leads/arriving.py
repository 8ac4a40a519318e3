"""How leads come in, by hand or through the public form: checked, compared with those there are, inserted."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from lead_crm import directory, documents
from lead_crm.access import Actor, public, system
from lead_crm.errors import Conflict, Fault, Merged
from leads import again, capture, duplicates, rules, service, store
from leads.capture import Answers, EnquiryIn
from leads.dealing import Dealer
from leads.documents import Lead
from leads.duplicates import Found
from leads.messages import LeadIn
from leads.record import Ask
from workflow import service as workflow_service
from workflow.policies import DuplicatePolicy
from workflow.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of somebody who came in; `attached`: a line on the timeline of a lead that there was already."""

    lead: Lead
    workflow: Workflow
    duplicates: Sequence[Found] = ()
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Last:
    """What is left until nothing can refuse a lead: who gets it by a rule."""

    dealer: Dealer
    made: Callable[[], Lead]

    def settled(self, lead: Lead, workflow: Workflow) -> Lead:
        return self.dealer.settled(lead, workflow, lambda: self._as(lead))

    def again(self, lead: Lead) -> Lead:
        """For another try: whoever was drawn in this one gets it."""
        self.dealer.asked()
        return self._as(lead)

    def _as(self, lead: Lead) -> Lead:
        return self.made().model_copy(update={"sole": lead.sole})


def create(body: LeadIn, *, actor: Actor, now: datetime, once: str | None) -> Entered:
    people = directory.people(rules.named(body))

    def enter(workflow: Workflow) -> Entered:
        with Dealer(now) as dealer:
            ask = _ask(actor, workflow, now, once, dealer)
            made = partial(rules.create, body, ask, people)
            return _entered(made(), ask, workflow.config.duplicates.policy, Last(dealer, made))

    return workflow_service.read(enter)


def receive(
    body: EnquiryIn, *, now: datetime, once: str | None, also: Sequence[Fault], door: Callable[[], None]
) -> Lead:
    """From the public form: an enquiry without faults, then the `door`. Of a lead that it joins only the uid shows."""
    once_only = cache(door)  # the workflow may have changed meanwhile, and all is done again

    def enter(workflow: Workflow) -> Lead:
        with Dealer(now) as dealer:
            ask = _ask(_public(), workflow, now, once, dealer)
            made = partial(capture.lead, body, ask, also)
            came = made()
            once_only()
            policies = workflow.config.duplicates
            entered = _entered(came, ask, policies.public or policies.policy, Last(dealer, made))
        return came.model_copy(update={"uid": entered.lead.uid})

    return workflow_service.read(enter)


def _ask(actor: Actor, workflow: Workflow, now: datetime, once: str | None, dealer: Dealer) -> Ask:
    return Ask(actor, workflow, now, once, pick=dealer.asked(), people=directory.named(workflow.named))


def _public() -> Actor:
    return public(directory.open_centers())


def faults_of_enquiry(body: Answers, *, also: Sequence[Fault]) -> list[Fault]:
    ask = Ask(_public(), workflow_service.current(), documents.now())
    return service.faults_of(lambda: capture.lead(body, ask, also))


def _entered(lead: Lead, ask: Ask, policy: DuplicatePolicy, last: Last) -> Entered:
    """Inserted, unless the policy finds that it should not. Of two at once with the same mark the index lets one in;
    the other looks again and finds it."""
    alone = policy in ("reject", "attach")
    if alone:
        lead = lead.model_copy(update={"sole": list(duplicates.marks(lead, ask.workflow))})
    for _ in again.attempts():
        found = duplicates.find(lead, ask.workflow, policy)
        with suppress(store.Doubled, rules.Archived, rules.Erased):
            if found and alone:
                return _instead(lead, found, ask, policy)
            return Entered(_inserted(lead, ask, last), ask.workflow, found)
        lead = last.again(lead)
    raise Conflict("Others keep sending in this e-mail address or phone number. Try again.", code="busy")


def _inserted(lead: Lead, ask: Ask, last: Last) -> Lead:
    try:
        inserted = store.insert(lead, ask.workflow, partial(last.settled, workflow=ask.workflow))
    except store.AlreadyDone as done:
        return _still_seen(done.lead, ask.actor)
    last.dealer.spent()
    return inserted


def _still_seen(lead: Lead, actor: Actor) -> Lead:
    """What a repeated POST made the first time may have gone to somebody else since."""
    if actor.kind != "public":
        store.get(lead.uid, actor=actor, projection={"uid": 1})
    return lead


def _instead(came: Lead, found: Sequence[Found], ask: Ask, policy: DuplicatePolicy) -> Entered:
    if ask.once and (made := store.made_by(ask.once)):
        return Entered(_still_seen(made, ask.actor), ask.workflow)
    to = found if ask.actor.kind == "public" else duplicates.seen(found, ask.actor)
    if policy == "reject" or not to:
        raise duplicates.refused(found, ask.actor)
    everywhere = system(directory.centers())
    lead, workflow = service.change(
        to[0].uid, lambda lead, ask: rules.came_again(lead, came, ask), actor=ask.actor, now=ask.now, once=ask.once,
        load=lambda: _there(to[0].uid, everywhere),
    )  # fmt: skip
    return Entered(lead, workflow, found, attached=True)


def _there(uid: str, actor: Actor) -> service.Changed:
    """One that has just become a part of another lead: look again, and find that."""
    try:
        return store.load(uid, actor=actor)
    except Merged:
        raise store.Doubled from None


def faults_of_new(body: LeadIn, *, actor: Actor) -> list[Fault]:
    ask = Ask(actor, workflow_service.current(), documents.now())
    return service.faults_of(lambda: rules.create(body, ask, directory.people(rules.named(body))))
