"""The public form as a plain page at /enquiry/, to link to or to embed: no JavaScript, and the door of the API."""

import functools
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template import Context, Engine
from django.urls import path
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_http_methods, require_safe

from lead_crm import audit, captcha, client, documents, idempotency, mongo, strict
from lead_crm.access import ANYBODY
from lead_crm.errors import Fault, Invalid, LeadCrmError, TooLarge, Unavailable
from lead_crm.idempotency import InProgress, Kept
from lead_crm.logs import request_id
from leads import capture, public_api
from leads import enquiry_form as html
from leads.capture import EnquiryIn, Form
from workflow import service as workflow_service

View = Callable[[HttpRequest], HttpResponse]

ADDRESS: Final = "/enquiry/"
PAGES: Final = Path(__file__).with_name("pages")
STYLE: Final = PAGES.joinpath("style.css").read_bytes()
PATIENCE: Final = 30  # tenths of a second to wait for the first click's answer
NO_PLAIN_PAGE: Final = "Enquiries need a captcha here, which this plain page cannot show. Please use our website."

engine: Final = Engine(dirs=[str(PAGES)])
log = logging.getLogger("lead_crm.enquiry")


def _page(template: str, *, status: int = 200, **said: Any) -> HttpResponse:
    response = HttpResponse(engine.get_template(template).render(Context(said)), status=status)
    origins = settings.ALLOWED_ORIGINS
    framed = "*" if not origins or "*" in origins else " ".join(["'self'", *origins])
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {framed}"
    )
    response["Cache-Control"] = "no-store"
    return response


def _refused(error: LeadCrmError, *, again: str = "") -> HttpResponse:
    response = _page("base.html", status=error.status, title="This did not work", text=error.detail, again=again)
    if "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    return response


def _for_people(view: View) -> View:
    """Whatever goes wrong is a page, too; and any page may be framed by whom its policy allows."""

    @xframe_options_exempt
    @functools.wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except mongo.UNREACHABLE as error:
            log.error("database", exc_info=error)
            return _refused(Unavailable(), again="Try again")
        except RequestDataTooBig:
            return _refused(TooLarge("That was too much text."), again="Try again")
        except UnreadablePostError:
            return _refused(LeadCrmError("Your enquiry did not arrive in time, or not whole."), again="Try again")
        except LeadCrmError as error:
            return _refused(error)

    return answer


@_for_people
@require_http_methods(["GET", "HEAD", "POST"])
def enquiry(request: HttpRequest) -> HttpResponse:
    form = public_api.form()
    if captcha.wanted():
        return _page("base.html", status=404, title=form.title, text=NO_PLAIN_PAGE)
    return _send(request, form) if request.method == "POST" else _asking(form)


@_for_people
@require_safe
def thanks(request: HttpRequest) -> HttpResponse:
    return _page("base.html", title="Sent", text=public_api.form().thanks, again="Send another enquiry")


def style(request: HttpRequest) -> HttpResponse:
    return HttpResponse(STYLE, content_type="text/css; charset=utf-8", headers={"Cache-Control": "max-age=3600"})


def _asking(form: Form, sent: Any = None, error: LeadCrmError | None = None) -> HttpResponse:
    """The form; after an error with what was sent and what is wrong."""
    faults = error.faults if isinstance(error, Invalid) else [Fault("", error.code, error.detail)] if error else []
    controls = html.controls(form.fields, sent, faults)
    problems = [{"text": text} for text in html.elsewhere(form.fields, faults)]
    problems += [
        {"at": control.first, "label": control.label, "text": text} for control in controls for text in control.errors
    ]
    response = _page(
        "form.html", status=error.status if error else 200, form=form, controls=controls, problems=problems,
        token=secrets.token_urlsafe(16),
    )  # fmt: skip
    if error and "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    return response


def _send(request: HttpRequest, form: Form) -> HttpResponse:
    """Once for each form that was handed out: a double click, or a reload, gets the answer of the first."""
    key = hashlib.sha256(request.body).hexdigest()  # has the form's token in it
    once = idempotency.name(actor=f"anybody at {client.fingerprint(request)}", path=ADDRESS, key=key)
    try:
        if not _done_before(once):
            _receive(request, form, once)
    except LeadCrmError as error:
        return _asking(form, request.POST, error)
    return HttpResponse(status=303, headers={"Location": f"{ADDRESS}thanks/"})


def _done_before(once: str) -> bool:
    for _ in range(PATIENCE):
        try:
            return idempotency.begin(once, body=b"", now=documents.now()) is not None
        except InProgress:
            time.sleep(0.1)
    raise InProgress("Your enquiry is still on its way. Please wait a moment before you send it again.")


def _receive(request: HttpRequest, form: Form, once: str) -> None:
    now = documents.now()
    try:
        lead = public_api.receive(_read(request, form), request=request, now=now, once=once)
    except Exception:
        idempotency.forget(once)
        raise
    audit.note(
        "create", "create_enquiry", actor=ANYBODY, subjects=[lead.uid], at=now, request_id=request_id.get()
    )  # fmt: skip
    idempotency.keep(once, Kept(303, b"", "text/html", None), about=[lead.uid])


def _read(request: HttpRequest, form: Form) -> EnquiryIn:
    body = html.body(form.fields, request.POST)
    body["fields"] = capture.fitting(body["fields"], workflow_service.recent())
    return strict.read_body(EnquiryIn, orjson.dumps(body), public_api.faults)


urlpatterns = [
    path("enquiry/", enquiry),
    path("enquiry/thanks/", thanks),
    path("enquiry/style.css/", style),
]
