"""The public door: anybody may ask for the form and send it in. How often is counted for each address."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from lead_crm import attempts, captcha, client, directory
from lead_crm.access import ANYBODY, Actor
from lead_crm.errors import Conflict, Fault, NotFound, TooManyRequests
from lead_crm.http import Call, endpoint
from leads import arriving, capture
from leads.capture import Answers, EnquiryIn, EnquiryOut, Form
from leads.documents import Lead
from workflow import service as workflow_service

HOUR: Final = timedelta(hours=1)


@endpoint(permission=None, returns=Form, raises=(NotFound, Conflict))
def read_form(call: Call[None, None]) -> Form:
    """What the public form asks: to build one of your own. `/enquiry/` is one that is ready."""
    return form()


def form() -> Form:
    return workflow_service.read(lambda workflow: capture.form(workflow, directory.center_names(), captcha.site_key()))


def faults(body: Answers, *, actor: Actor = ANYBODY) -> list[Fault]:
    return arriving.faults_of_enquiry(body, also=captcha.faults(body.captcha))


@endpoint(
    permission=None, body=EnquiryIn, returns=EnquiryOut, status=201, raises=(NotFound, TooManyRequests), also=faults,
    audits="create",
)  # fmt: skip
def create_enquiry(call: Call[EnquiryIn, None]) -> dict[str, Any]:
    """Send in the public form, without a login; ten an hour from one address.

    Only what the form asks is required. A repetition with the same Idempotency-Key costs nothing.
    """
    lead = receive(call.body, request=call.request, now=call.now, once=call.once)
    return {
        "id": lead.uid, "name": lead.name, "email": lead.email, "status": lead.current_stage,
        "created_at": lead.created_at,
    }  # fmt: skip


def receive(body: EnquiryIn, *, request: HttpRequest, now: datetime, once: str | None) -> Lead:
    door = _door(request, body, now)
    return arriving.receive(body, now=now, once=once, also=captcha.faults(body.captcha), door=door)


def _door(request: HttpRequest, body: EnquiryIn, now: datetime) -> Callable[[], None]:
    """What an enquiry without faults still has to pass. Counted first, so that nobody tries captchas without end."""

    def enter() -> None:
        most, key = settings.ENV.CAPTURES_PER_HOUR, f"capture:{client.fingerprint(request)}"
        if wait := attempts.take(key, most=most, per=HOUR, now=now):
            detail = f"From your address {most} enquiries were sent within an hour. Try again in {-(-wait // 60)} min."
            raise TooManyRequests(detail, retry_after=wait)
        captcha.verify(body.captcha)

    return enter
