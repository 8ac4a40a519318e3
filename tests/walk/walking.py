"""The walk: every request is asked in the world as it is, and in one without the secrets; both must answer alike."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote_plus

from django.http import HttpResponse

from lead_crm import mongo
from lead_crm.access import SIGNED_IN
from tests.stores.commands import noted
from tests.walk import worlds
from tests.walk.asking import Asked, loaded, plain, requests
from tests.walk.north import squeezed
from tests.walk.operations import Operation
from tests.walk.things import North, own_paths, things
from tests.walk.walkers import Walker
from tests.walk.worlds import World

WRITES = {"insert", "update", "delete", "findAndModify", "aggregate"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
# Made anew at every request, and therefore different in the two worlds.
DRAWN = re.compile(
    r'"(?:request_id|rank)":"[^"]*"|lcrm_[\w\-]+|(?<![0-9a-f])[0-9a-f]{16,64}(?![0-9a-f])|LEAD-\d{6}-\d{5,}'
)
COMPARED = ("Content-Type", "ETag", "Location", "WWW-Authenticate", "Allow", "Retry-After")
# What no two may share tells that somebody has it: docs/security.md says so.
TOLD = ('"not_unique"', '"email_taken"', '"code":"duplicate"')

Answer = tuple[int, str, tuple[str | None, ...]]


@dataclass
class Walk:
    walker: Walker
    world: World
    about: str = ""
    findings: list[str] = field(default_factory=list)
    operations: int = 0
    requests: int = 0

    def over(self, operations: Iterable[Operation], north: North) -> "Walk":
        asked = []
        for operation in operations:
            if operation.safe or not self.walker.reads_only:
                self.operations += 1
                asked += [one for one in self._asked(operation, north) if self.about in one.text]
        there = [self._first(one, number) for number, one in enumerate(asked)]
        self._same(worlds.present(), self.world, "the whole walk", guarded=False)
        if self.walker.secrets:
            self._elsewhere(asked, there)
        worlds.enter(self.world)
        return self

    def _asked(self, operation: Operation, north: North) -> list[Asked]:
        own, shared = own_paths(self.walker.own), self.walker.shares
        lists = [things(north, planted, self.walker.own, shared) for planted in self.walker.targets]
        if self.refused(operation) or (operation.open and not self.walker.knocks):
            return [plain(operation, lists[0]), loaded(operation, lists[0])]
        found = [one for named in lists for one in requests(operation, named, own)]
        return list({(one.text, one.plain): one for one in found}.values())

    def refused(self, operation: Operation) -> bool:
        return not operation.open and not self.walker.may(operation.contract.permission)

    def _first(self, asked: Asked, number: int) -> Answer | None:
        """In the world as it is."""
        with noted() as commands:
            response = self._send(asked, number)
        wrote = any(_writes(command) for command in commands)
        if response is None:
            return None
        self._expected(asked, response)
        self._leaked(asked, response)
        if wrote:
            after, refused = worlds.present(), response.status_code >= 400
            self._same(after, self.world, f"{asked.text} ({response.status_code})", guarded=not refused)
            worlds.enter(self.world, after)
        return _answer(response, self._known)

    def _elsewhere(self, asked: list[Asked], there: list[Answer | None]) -> None:
        """In the world without the secrets."""
        other = self.walker.without_secrets(self.world)
        worlds.enter(other)
        for number, (one, before) in enumerate(zip(asked, there, strict=True)):
            with noted() as commands:
                response = self._send(one, number)
            if response is not None and before is not None:
                self._alike(one, before, _answer(response, self._known))
            if any(_writes(command) for command in commands):
                worlds.enter(other)

    def _send(self, asked: Asked, number: int) -> HttpResponse | None:
        self.requests += 1
        headers = dict(asked.headers)
        if self.walker.headers:
            headers["Authorization"] = self.walker.headers[number % len(self.walker.headers)]
        client = self.walker.client
        client.client.cookies.clear()
        if asked.operation.open:  # nobody who walks is slowed down for having been here
            mongo.collection("attempts").delete_many({})
        try:
            return client.send(asked.operation.method, asked.address, asked.body, **headers)
        except AssertionError as undocumented:
            self.found(asked, f"is not as documented: {undocumented}")
            return None

    @cached_property
    def _known(self) -> str:
        return f"{self.world['leads']} {self.world['accounts']}"

    @cached_property
    def _hidden_texts(self) -> set[str]:
        return self.walker.secrets | worlds.hashes(self.world)

    def found(self, asked: Asked, what: str) -> None:
        self.findings.append(f"{self.walker.name}: {asked.text[:400]}: {what[:600]}")

    def _expected(self, asked: Asked, response: HttpResponse) -> None:
        wanted, operation, status = self._wanted(asked), asked.operation, response.status_code
        if wanted is not None and status != wanted:
            self.found(asked, f"answers {status} instead of {wanted}: {response.content[:300]!r}")
        if status >= 500 and status not in (501,):
            self.found(asked, f"fails with {status}")
        if status < 400 and not operation.open and self._hidden(asked):
            self.found(asked, f"answers {status} about what is not theirs")

    def _hidden(self, asked: Asked) -> bool:
        return bool(self.walker.secrets) and asked.foreign and not self._masked(asked)

    def _masked(self, asked: Asked) -> bool:
        return any(planted.uid in asked.path for planted in self.walker.masked)

    def _wanted(self, asked: Asked) -> int | None:
        """The status that must be answered; None where more than one is right."""
        operation = asked.operation
        if operation.open:
            return None
        if self.walker.speaks is None:
            return 401
        if self.refused(operation):
            return 403
        if asked.plain and self._hidden(asked):
            return 404
        if asked.plain and self.walker.reads_only:
            return 200  # what the walk names is there
        if asked.plain and self.walker.guards_all and operation.contract.permission != SIGNED_IN:
            return 200 if operation.safe else 403
        return None

    def _leaked(self, asked: Asked, response: HttpResponse) -> None:
        sent = squeezed(asked.text.casefold())
        text = squeezed(whole(response).casefold())
        told = [secret for secret in self._hidden_texts if secret in text and secret not in sent]
        if told:
            self.found(asked, f"tells {sorted(told)[:5]} ({response.status_code})")

    def _same(self, after: World, before: World, what: str, *, guarded: bool) -> None:
        for name, key in worlds.differences(before, after):
            row = before.get(name, {}).get(key)
            if not guarded or (row is not None and name != "counters" and self.walker.guarded(row)):
                seen = (row or after[name][key]).get("uid", key)
                self.findings.append(f"{self.walker.name}: {what[:400]}: changed {seen} in {name}")

    def _alike(self, asked: Asked, there: Answer, elsewhere: Answer) -> None:
        if there != elsewhere and not any(code in there[1] + elsewhere[1] for code in TOLD):
            self.found(asked, f"tells that it is there: {_apart(there, elsewhere)}; {_apart(elsewhere, there)}")


def _apart(one: Answer, other: Answer) -> str:
    """The answer from where it begins to differ."""
    texts = [f"{status} {headers} {text}" for status, text, headers in (one, other)]
    same = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    return f"{one[0]} ...{texts[0][max(0, same - 40) : same + 120]}..."


def _writes(command: dict[str, Any]) -> bool:
    verb = next(iter(command))
    if verb == "aggregate" and not {"$out", "$merge"} & {key for step in command["pipeline"] for key in step}:
        return False
    if verb == "update" and all(_passing(update["u"]) for update in command["updates"]):
        return False
    return verb in WRITES and command[verb] not in worlds.BESIDE


def _passing(update: Any) -> bool:
    return isinstance(update, dict) and set(update.get("$set", {"all": 1})) <= worlds.PASSING


def whole(response: HttpResponse) -> str:
    """Status line, headers and body, and what stands in them encoded."""
    headers = "\n".join(f"{name}: {value}" for name, value in response.items())
    plain = f"{response.reason_phrase}\n{headers}\n{response.content.decode()}"
    return "\n".join([plain, unquote_plus(plain), *_decoded(plain)])


def _decoded(text: str) -> Iterator[str]:
    for part in set(re.findall(r"[A-Za-z0-9_\-+/]{16,}", text)):
        try:
            yield base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_").decode("utf-8", "ignore")
        except (binascii.Error, ValueError):
            continue


def _answer(response: HttpResponse, known: str) -> Answer:
    """What of a response must not depend on what is hidden."""
    text = MOMENT.sub(_moment, response.content.decode())
    text = DRAWN.sub(lambda found: found[0] if found[0] in known else "drawn", text)
    return response.status_code, _ordered(text), tuple(response.get(name) for name in COMPARED)


def _moment(found: re.Match[str]) -> str:
    """Times near the present one follow from the time of the request."""
    return "now" if worlds.recent(found[0]) else found[0]


def _ordered(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
