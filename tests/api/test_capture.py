"""POST /api/public/leads/: the public door."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.conf import settings
from django.test import Client, override_settings

from lead_crm import mongo
from tests.api.steps import at_once, codes, fields, go, listed, read
from tests.cast import NORTH, SOUTH, Cast
from tests.contract import CheckedClient

PATH = "/api/public/leads/"
ADA = {"name": "Ada Lovelace", "email": "ada@engines.example"}


@pytest.fixture(autouse=True)
def opened(cast: Cast) -> None:
    """Enquiries belong to the north."""
    configure(cast)


def configure(cast: Cast, **capture: object) -> None:
    response = cast.root.patch("/api/config/", {"capture": {"center": NORTH} | capture})
    assert response.status_code == 200, response.content


@contextmanager
def environment(**values: object) -> Iterator[None]:
    with override_settings(ENV=settings.ENV.model_copy(update=values)):
        yield


def send(cast: Cast, **values: object) -> Any:
    return cast.nobody.post(PATH, ADA | values)


def made(cast: Cast, **values: object) -> dict[str, Any]:
    response = send(cast, **values)
    assert response.status_code == 201, response.content
    return read(cast.root, response.json()["id"])


def test_answers_exactly_what_the_visitor_may_know(cast: Cast) -> None:
    response = send(cast)
    lead = read(cast.alice, response.json()["id"])
    assert response.status_code == 201
    assert response.json() == {
        "id": lead["uid"], "name": "Ada Lovelace", "email": "ada@engines.example", "status": "stage-new",
        "created_at": lead["created_at"],
    }  # fmt: skip


def test_it_is_a_lead_like_any_other(cast: Cast) -> None:
    lead = made(cast, phone="+49 30 123456", company="Engines", message="Hello\nthere")
    assert (lead["created_by"], lead["source"], lead["center"]) == ("public", "website", NORTH)
    assert (lead["phone"], lead["company"], lead["message"]) == ("+49 30 123456", "Engines", "Hello\nthere")
    assert (lead["priority"], len(lead["tasks"]), len(lead["history"])) == ("medium", 1, 1)
    assert lead["score"] == 50 + 15 + 10 + 10
    assert lead["activities"][0]["actor"] == "public"


def test_a_throwaway_address_earns_nothing(cast: Cast) -> None:
    assert made(cast, email="ada@mailinator.com")["score"] == 50 + 15


def test_name_and_email_are_required_and_every_fault_is_told_at_once(cast: Cast) -> None:
    assert codes(cast.nobody.post(PATH, {})) == {("/name", "required"), ("/email", "required")}
    response = send(cast, email="nobody", phone="1", odd=1, fields={"budget": "1"}, leave_this_empty="x")
    assert {pointer for pointer, _ in codes(response)} == {
        "/email", "/phone", "/odd", "/fields/budget", "/leave_this_empty",
    }  # fmt: skip
    response = send(cast, fields={"budget": "1"}, leave_this_empty="x")
    assert {pointer for pointer, _ in codes(response)} == {"/fields/budget", "/leave_this_empty"}


def test_what_else_is_required_blocks_leaving_the_first_stage(cast: Cast) -> None:
    """The default config requires a budget of every lead; the public form does not ask for it."""
    lead = made(cast)
    assert lead["fields"] == {}
    refused = go(cast.alice, lead["uid"], "stage-contacted").json()["refusals"]
    assert ("field_missing", "fields.budget") in {(refusal["code"], refusal.get("field")) for refusal in refused}


class TestFields:
    @pytest.fixture(autouse=True)
    def public(self, cast: Cast) -> None:
        fields(
            cast.root,
            {"field_key": "size", "field_type": "integer", "public": True, "required": True},
            {"field_key": "colour", "field_type": "text", "default": "red"},
            {"field_key": "owner", "field_type": "user", "public": True},
        )

    def test_public_ones_are_taken_and_required(self, cast: Cast) -> None:
        assert codes(send(cast)) == {("/fields/size", "required")}
        assert made(cast, fields={"size": 3})["fields"] == {"size": 3, "colour": "red"}

    @pytest.mark.parametrize("key", ["colour", "budget", "owner", "nothing"])
    def test_others_are_refused_alike_whether_they_exist_or_not(self, cast: Cast, key: str) -> None:
        refused = send(cast, fields={"size": 3, key: "x"}).json()["errors"]
        assert refused == [{
            "pointer": f"/fields/{key}", "code": "unknown_field",
            "detail": "The form does not ask for this: leave it out.",
        }]  # fmt: skip

    def test_wrong_values_are_refused(self, cast: Cast) -> None:
        assert [pointer for pointer, _ in codes(send(cast, fields={"size": "many"}))] == ["/fields/size"]


@pytest.mark.parametrize(("sent", "own", "source"), [
    ("referral", None, "referral"), ("referral", "event", "referral"), ("moon", "event", "event"),
    ("moon", None, "website"), (None, "event", "event"), (None, None, "website"),
])  # fmt: skip
def test_the_source(cast: Cast, sent: str | None, own: str | None, source: str) -> None:
    configure(cast, source=own)
    assert made(cast, source=sent)["source"] == source


def test_without_a_fitting_source_there_is_none(cast: Cast) -> None:
    sources = [{"key": "b2b", "label": "B2B", "lead_types": ["sales"]}]
    cast.root.patch("/api/config/", {"sources": sources, "lead_types": [{"key": "sales", "label": "Sales"}]})
    assert made(cast, source="b2b")["source"] is None


def test_the_centre(cast: Cast) -> None:
    assert made(cast, center=SOUTH)["center"] == SOUTH
    assert made(cast, center="moon")["center"] == NORTH
    configure(cast, center=None)
    assert codes(send(cast)) == {("/center", "required")}


def test_the_honeypot_catches_programs_and_nothing_is_created(cast: Cast) -> None:
    refused = send(cast, leave_this_empty="http://spam.example")
    assert codes(refused) == {("/leave_this_empty", "not_empty")}
    assert "please" in refused.json()["errors"][0]["detail"]
    assert listed(cast.root)["count"] == 0
    assert send(cast, leave_this_empty="").status_code == 201


def test_the_body_is_read_as_json_whatever_it_is_called(cast: Cast) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert cast.nobody.send("POST", PATH, ADA, content_type=kind).status_code == 201


def test_a_token_is_not_looked_at(cast: Cast) -> None:
    assert CheckedClient(token="wrong").post(PATH, ADA).status_code == 201


def test_nothing_can_be_read_there(cast: Cast) -> None:
    assert cast.nobody.get(PATH).status_code == 405
    assert cast.nobody.get(f"/api/leads/{made(cast)['uid']}/").status_code == 401


class TestTheLimit:
    def test_of_400_at_once_exactly_ten_come_through(self, cast: Cast) -> None:
        answers = at_once([lambda: CheckedClient().post(PATH, ADA)] * 400, workers=32)
        assert [answer.status_code for answer in answers].count(201) == 10
        assert {answer.status_code for answer in answers} == {201, 429}
        assert listed(cast.root)["count"] == 10

    def test_the_eleventh_learns_when_to_come_back(self, cast: Cast) -> None:
        for _ in range(10):
            assert send(cast).status_code == 201
        refused = send(cast)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 3500 < int(refused["Retry-After"]) <= 3600
        assert refused.json()["retry_after"] == int(refused["Retry-After"])

    def test_faults_cost_nothing(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1):
            for _ in range(3):
                assert send(cast, email="nobody").status_code == 422
                assert send(cast, leave_this_empty="x").status_code == 422
            assert [send(cast).status_code for _ in range(2)] == [201, 429]

    def test_a_repeated_key_costs_nothing(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1):
            answers = [cast.nobody.post(PATH, ADA, Idempotency_Key="k1") for _ in range(3)]
        assert {answer.content for answer in answers} == {answers[0].content}
        assert answers[2]["Idempotency-Replayed"] == "true"
        assert listed(cast.root)["count"] == 1

    def test_being_too_fast_is_no_answer_to_keep(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1):
            assert send(cast).status_code == 201
            assert cast.nobody.post(PATH, ADA, Idempotency_Key="k1").status_code == 429
        assert cast.nobody.post(PATH, ADA, Idempotency_Key="k1").status_code == 201

    def test_a_made_up_address_does_not_help(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1):
            answers = [cast.nobody.post(PATH, ADA, X_Forwarded_For=f"198.51.100.{n}") for n in range(3)]
        assert [answer.status_code for answer in answers] == [201, 429, 429]

    def test_behind_a_trusted_proxy_everybody_has_their_own(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1), override_settings(TRUSTED_PROXIES=[ip_network("127.0.0.1/32")]):
            chains = ["198.51.100.1", "198.51.100.2", "198.51.100.1", "203.0.113.1, 198.51.100.2"]
            answers = [cast.nobody.post(PATH, ADA, X_Forwarded_For=chain) for chain in chains]
        assert [answer.status_code for answer in answers] == [201, 201, 429, 429]

    def test_a_line_of_ipv6_is_one_address(self, cast: Cast) -> None:
        def post(remote: str) -> int:
            return int(Client(REMOTE_ADDR=remote).post(PATH, ADA, content_type="application/json").status_code)

        with environment(CAPTURES_PER_HOUR=1):
            assert [post(f"2001:db8:0:{line}::1") for line in ("1", "1:7", "2")] == [201, 429, 201]

    def test_no_address_is_kept(self, cast: Cast) -> None:
        Client(REMOTE_ADDR="203.0.113.77").post(PATH, ADA, content_type="application/json")
        kept = [str(row) for name in ("attempts", "leads", "idempotency") for row in mongo.collection(name).find()]
        assert any("capture:" in row for row in kept)
        assert not any("203.0.113.77" in row for row in kept)


class Service(BaseHTTPRequestHandler):
    """A captcha service for which only `good` is solved."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        solved = (form["secret"], form["response"]) == (["hush"], ["good"])
        answer = b"<html>" if form["response"] == ["odd"] else json.dumps({"success": solved}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Quietly."""


class TestTheCaptcha:
    @pytest.fixture(autouse=True)
    def service(self) -> Iterator[HTTPServer]:
        server = HTTPServer(("127.0.0.1", 0), Service)
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/siteverify"
        with environment(CAPTCHA_VERIFY_URL=url, CAPTCHA_SECRET="hush"):
            yield server
        server.shutdown()
        thread.join()
        server.server_close()

    def test_has_to_be_solved(self, cast: Cast) -> None:
        assert codes(send(cast)) == {("/captcha", "required")}
        assert codes(send(cast, captcha="bad")) == {("/captcha", "not_solved")}
        assert send(cast, captcha="good").status_code == 201
        assert listed(cast.root)["count"] == 1

    def test_is_missed_together_with_all_other_faults(self, cast: Cast) -> None:
        assert codes(send(cast, leave_this_empty="x")) == {("/captcha", "required"), ("/leave_this_empty", "not_empty")}

    @pytest.mark.parametrize("answer", ["odd", "gone"])
    def test_fails_closed(self, cast: Cast, service: HTTPServer, answer: str) -> None:
        url = settings.ENV.CAPTCHA_VERIFY_URL if answer == "odd" else "http://127.0.0.1:1/"
        with environment(CAPTCHA_VERIFY_URL=url):
            refused = send(cast, captcha=answer)
        assert (refused.status_code, refused["Retry-After"]) == (503, "1")
        assert "try again" in refused.json()["detail"]
        assert listed(cast.root)["count"] == 0

    def test_cannot_be_guessed_without_end(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=2):
            assert [send(cast, captcha="bad").status_code for _ in range(3)] == [422, 422, 429]
