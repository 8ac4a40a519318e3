"""The endpoint contract: stated once with `endpoint`, enforced here, published by `lead_crm.openapi`."""

import functools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from pydantic import BaseModel
from rest_framework.views import APIView

from lead_crm import access, audit, client, documents, errors, idempotency, mongo, pace, streaming, strict
from lead_crm.access import Actor
from lead_crm.errors import (
    Fault,
    Invalid,
    LeadCrmError,
    Merged,
    NotFound,
    NotSignedIn,
    TooLarge,
    Unavailable,
    WrongMethod,
)
from lead_crm.logs import request_id
from lead_crm.streaming import Part, Streamed

B = TypeVar("B")
Q = TypeVar("Q")
Handler = TypeVar("Handler", bound=Callable[..., Any])
Answer = HttpResponse | StreamingHttpResponse

METHODS: Final = ("get", "post", "put", "patch", "delete")
JSON_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
log = logging.getLogger("lead_crm.http")
_authentication: Any = APIView.authentication_classes[0]()  # the one that the settings name


@dataclass(frozen=True, slots=True)
class Contract:
    """What an endpoint takes and gives. `permission` None means: whoever asks, signed in or not."""

    handler: Callable[..., Any]
    returns: Any
    status: int
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    permission: str | None
    raises: tuple[type[LeadCrmError], ...]
    versioned: bool
    also: Callable[..., list[Fault]] | None
    audits: audit.Action | Callable[[Any], audit.Action] | None
    secret: bool
    conditional: bool

    @property
    def matches(self) -> bool:
        """Does a write accept If-Match? What is only made now has no version that anybody could have read."""
        return self.conditional or (self.versioned and self.status != 201)


def endpoint(
    *,
    permission: str | None,
    returns: Any = None,
    status: int = 200,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    raises: tuple[type[LeadCrmError], ...] = (),
    versioned: bool = False,
    also: Callable[..., list[Fault]] | None = None,
    audits: audit.Action | Callable[[Any], audit.Action] | None = None,
    secret: bool = False,
    conditional: bool = False,
) -> Callable[[Handler], Handler]:
    """State a handler's contract. Its name is the operation id, its docstring the documentation.

    `versioned`: answers carry the document's version as ETag, and writes accept If-Match.
    `also(body, actor, **path)`: what else is wrong with a body of which the model refuses a part.
    `audits`: who did this to which leads is noted; a function, where the query decides what it was.
    `secret`: the answer is shown once and never kept.
    `conditional`: writes accept If-Match, but the answer is only a part of the document that has the version.
    """

    def state(handler: Handler) -> Handler:
        handler.contract = Contract(  # type: ignore[attr-defined]
            handler,
            returns,
            status,
            body,
            query,
            permission,
            raises,
            versioned,
            also,
            audits,
            secret,
            conditional,
        )
        return handler

    return state


@dataclass(slots=True)
class Call(Generic[B, Q]):
    """One request, read and checked."""

    request: HttpRequest
    actor: Actor
    now: datetime
    body: B
    query: Q
    if_match: int | None
    once: str | None  # names this POST for ever, where the client gave an Idempotency-Key


class Resource(APIView):
    """What answers at one address."""

    contracts: dict[str, Contract]
    allowed: str
    http_method_names = METHODS

    def dispatch(self, request: HttpRequest, *args: Any, **path: str) -> Answer:
        """Not the framework's: nobody needs its own request, with parsers, formats, versions and throttles."""
        contract = self.contracts.get(str(request.method).lower())
        if contract is None:
            response = problem_response(WrongMethod(f"This address answers {self.allowed}."))
            response["Allow"] = self.allowed
            return response
        try:
            return _answer(contract, request, path)
        except Exception as error:
            return problem(error, request, path)


def resource(**handlers: Callable[..., Any]) -> Callable[..., Any]:
    """A view out of one handler per method: `resource(get=read_lead, patch=edit_lead)`."""
    contracts = {method: handler.contract for method, handler in handlers.items()}  # type: ignore[attr-defined]
    allowed = ", ".join(sorted(method.upper() for method in contracts))
    return type("Resource", (Resource,), {"contracts": contracts, "allowed": allowed, **handlers}).as_view()  # type: ignore[attr-defined, no-any-return]


def _answer(contract: Contract, request: HttpRequest, path: dict[str, str]) -> Answer:
    actor = _actor(contract, request)
    raw = _body(request) if contract.body else b""
    query = _query(contract, request)
    also = contract.also and functools.partial(contract.also, actor=actor, **path)
    body = strict.read_body(contract.body, raw, also) if contract.body else None
    call = Call(request, actor, documents.now(), body, query, _if_match(contract, request), None)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY") if request.method == "POST" else None
    if key is None:
        return _handled(contract, call, path)[0]
    caller = f"anybody at {client.fingerprint(request)}" if contract.permission is None else access.rights(actor)
    name = idempotency.name(actor=caller, path=request.path_info, key=key)
    kept = idempotency.begin(name, body=raw, now=call.now)
    if kept:
        return _replay(kept)
    call.once = idempotency.once(name, raw)
    return _once(name, contract, call, path)


def _actor(contract: Contract, request: HttpRequest) -> Actor:
    """Who asks. Where nobody has to be signed in, a token is not looked at: /health must not fail for it."""
    if contract.permission is None:
        return access.ANYBODY
    found = _authentication.authenticate(request)
    if found is None:
        raise NotSignedIn
    actor: Actor = found[0]
    request.actor_uid = actor.uid  # type: ignore[attr-defined]
    pace.step(actor.token or actor.uid)
    actor.require(contract.permission)
    return actor


def _body(request: HttpRequest) -> bytes:
    limit = settings.MAX_BODY_BYTES
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        raw: bytes = request.META["wsgi.input"].read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        return raw
    return request.body


def _query(contract: Contract, request: HttpRequest) -> BaseModel | None:
    raw = request.META.get("QUERY_STRING", "")
    if contract.query is None:
        if raw:
            raise Invalid([Fault("/", "unknown_parameter", "This address takes no query parameters.")])
        return None
    return strict.read_query(contract.query, raw)


def _if_match(contract: Contract, request: HttpRequest) -> int | None:
    given = request.META.get("HTTP_IF_MATCH")
    if given is None or given.strip() == "*" or not (contract.versioned or contract.conditional):
        return None
    found = re.fullmatch(r'\s*(?:W/)?"([0-9]{1,15})"\s*', given)
    if not found:
        raise Invalid([Fault("/If-Match", "not_an_etag", 'Send the ETag as it was given, for example "3".')])
    return int(found[1])


def _json(data: Any) -> bytes:
    return orjson.dumps(data, default=_plain, option=JSON_OPTIONS)


def reply(data: Any, contract: Contract) -> HttpResponse:
    if contract.status == 204:
        return HttpResponse(status=204, content_type="application/json")
    content = data if isinstance(data, bytes) else _json(data)
    response = HttpResponse(content, status=contract.status, content_type="application/json")
    if contract.versioned:
        response["ETag"] = f'"{data["version"] if isinstance(data, dict) else data.version}"'
    return response


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _handled(contract: Contract, call: Call[Any, Any], path: dict[str, str]) -> tuple[Answer, list[str]]:
    """The answer, and which leads it is about."""
    data = contract.handler(call, **path)
    about: list[str] = []
    if isinstance(data, Streamed):
        return _streamed(data, contract, call), about
    if contract.audits:
        about = audit.subjects(data, path, rows=contract.audits == "list")
        action = contract.audits(call.query) if callable(contract.audits) else contract.audits
        audit.note(
            action, contract.handler.__name__, actor=call.actor, subjects=about, at=call.now,
            request_id=request_id.get(),
        )  # fmt: skip
    return (data if isinstance(data, HttpResponse) else reply(data, contract)), about


def _streamed(data: Streamed, contract: Contract, call: Call[Any, Any]) -> StreamingHttpResponse:
    request, name = request_id.get(), contract.handler.__name__

    def note(part: Part) -> None:
        for action, uids in part.about.items():
            audit.note(action, name, actor=call.actor, subjects=uids, at=call.now, request_id=request)

    first = next(data.parts, None)  # what goes wrong until here is an ordinary problem
    content = streaming.written(first, data, note=note, dump=_json)
    return StreamingHttpResponse(content, status=contract.status, content_type="application/json")


def _once(once: str, contract: Contract, call: Call[Any, Any], path: dict[str, str]) -> Answer:
    """Keep the answer, also a refusal, for whoever repeats the request; but no failure of ours."""
    about: list[str] = []
    try:
        response, about = _handled(contract, call, path)
    except LeadCrmError as error:
        response, about = problem_response(error), _named(error, call, path)
        # Failures and limits say nothing about the request itself; what strangers did wrong is not worth keeping.
        if error.status >= 500 or error.status == 429 or contract.permission is None:
            idempotency.forget(once)
            return response
    except Exception:
        idempotency.forget(once)
        raise
    if contract.secret:
        idempotency.forget(once)
        return response
    if isinstance(response, StreamingHttpResponse):  # not kept: whoever repeats it is told anew
        response.streaming_content = streaming.followed(iter(response), lambda: idempotency.release(once))
        return response
    kept = idempotency.Kept(response.status_code, response.content, response["Content-Type"], response.get("ETag"))
    idempotency.keep(once, kept, about=about)
    return response


def _named(error: LeadCrmError, call: Call[Any, Any], path: dict[str, str]) -> list[str]:
    """Leads that a refusal tells something of: open tasks by their titles, duplicates by their names."""
    asked = path.get("uid") or getattr(call.body, "lead", None)
    return [uid for uid in (asked, *(row["uid"] for row in error.extra.get("duplicates", ()))) if uid]


def _replay(kept: idempotency.Kept) -> HttpResponse:
    response = HttpResponse(kept.content, status=kept.status, content_type=kept.content_type)
    response["Idempotency-Replayed"] = "true"
    if kept.etag:
        response["ETag"] = kept.etag
    return response


def problem_response(error: LeadCrmError) -> HttpResponse:
    content = {
        "type": f"urn:lead-crm:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id.get(),
        **error.extra,
    }
    if isinstance(error, Invalid):
        content["errors"] = [
            {"pointer": f.pointer, "code": f.code, "detail": f.detail, **f.extra} for f in error.faults
        ]
    response = HttpResponse(
        orjson.dumps(content, default=_plain, option=JSON_OPTIONS),
        status=error.status,
        content_type="application/problem+json",
    )
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.status in (429, 503):
        response["Retry-After"] = str(error.extra.get("retry_after", 1))
    return response


def problem(error: Exception, request: HttpRequest, path: dict[str, str]) -> HttpResponse:
    """The one door through which exceptions leave. A defect of ours goes on, and is answered by `server_error`."""
    if isinstance(error, Merged) and request.method == "GET":
        if path.get("uid") == error.uid:
            return _elsewhere(request, error)
        if request.GET.get("lead") == error.uid:
            return _asked_of(request, error)
    if isinstance(error, LeadCrmError):
        return problem_response(error)
    if isinstance(error, Http404):
        return problem_response(NotFound())
    if isinstance(error, mongo.UNREACHABLE):
        log.error("database", exc_info=error)
        return problem_response(Unavailable())
    if isinstance(error, UnreadablePostError):
        return problem_response(LeadCrmError("The body did not arrive in time, or not whole."))
    raise error


def _elsewhere(request: HttpRequest, error: Merged) -> HttpResponse:
    """The same address of the lead that this one has become a part of."""
    steps = request.path.split("/")
    steps[steps.index(error.uid)] = error.to
    query = request.META.get("QUERY_STRING", "")
    location = quote("/".join(steps)) + (f"?{query}" if query else "")
    return HttpResponse(status=307, headers={"Location": location}, content_type="application/json")


def _asked_of(request: HttpRequest, error: Merged) -> HttpResponse:
    query = request.GET.copy()
    query["lead"] = error.to
    location = f"{quote(request.path)}?{query.urlencode()}"
    return HttpResponse(status=307, headers={"Location": location}, content_type="application/json")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(NotFound(f"There is no address {request.path}. See /api/docs/."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(LeadCrmError("The request is malformed."))


def server_error(request: HttpRequest) -> HttpResponse:
    log.exception("defect")
    error = errors.LeadCrmError("Something went wrong on our side. The request id helps to find out what.")
    error.status, error.code, error.title = 500, "internal", "Internal error"
    return problem_response(error)
