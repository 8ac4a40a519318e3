"""Tokens of an outside identity provider: its keys are made here, and served by a tiny server."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from lead_crm import directory
from management import accounts, identity
from tests.api.steps import at_once
from tests.cast import Cast
from tests.contract import CheckedClient

ISSUER, AUDIENCE = "https://id.example.com/", "lead-crm"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


class Provider:
    """Answers with its keys as they are now; counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(RSA, "one")]
        self.text: bytes | None = None
        self.status, self.asked = 200, 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = provider.text or json.dumps({"keys": provider.keys}).encode()
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


def public(key: Any, name: str | None, **more: Any) -> dict[str, Any]:
    how: Any = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((how[kind] for kind in how if isinstance(key, kind)), OKPAlgorithm)
    row = algorithm.to_jwk(key.public_key(), as_dict=True)
    return row | ({} if name is None else {"kid": name}) | more


def token(
    key: Any = RSA, name: str | None = "one", algorithm: str = "RS256", leave_out: str = "", **claims: Any
) -> str:  # fmt: skip
    values = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "42", "exp": time.time() + 600, "email": "alice@example.com",
        "nonce": time.perf_counter_ns(),
    } | claims  # fmt: skip
    values.pop(leave_out, None)
    return jwt.encode(values, key, algorithm=algorithm, headers={"kid": name} if name else None)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, cast: Cast) -> Iterator[Provider]:
    assert cast.alice.uid
    provider = Provider()
    configured = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS_URL": provider.url}
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=configured))
    yield provider
    provider.stop()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`later(301)`: for the keys, so many seconds have gone by."""
    gone, real = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + gone[0])

    def forward(seconds: float) -> None:
        gone[0] += seconds

    return forward


def me(bearer: str) -> Any:
    return CheckedClient(token=bearer).get("/api/auth/me/")


def status(bearer: str) -> int:
    return int(me(bearer).status_code)


def signed(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """Made by hand: the library refuses to."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    mac = b"" if secret is None else hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def claims() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "42", "exp": time.time() + 600, "email": "alice@example.com"}


class TestAGoodToken:
    def test_is_its_person(self, cast: Cast, provider: Provider) -> None:
        answer = me(token()).json()
        assert (answer["uid"], answer["kind"], answer["csrf_token"]) == (cast.alice.uid, "person", None)
        assert "lead.force" in answer["permissions"]

    def test_may_write_without_what_guards_cookies(self, provider: Provider) -> None:
        body = {"name": "Ada Lovelace", "fields": {"budget": "100.00"}}
        assert CheckedClient(token=token()).post("/api/leads/", body).status_code == 201

    @pytest.mark.parametrize(
        ("key", "algorithm"), [(RSA, "RS512"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")]
    )  # fmt: skip
    def test_may_be_signed_in_several_ways(self, provider: Provider, key: Any, algorithm: str) -> None:
        provider.keys = [public(OTHER_RSA, "other"), public(key, "this")]
        assert status(token(key, "this", algorithm)) == 200

    def test_need_not_name_the_only_key(self, provider: Provider) -> None:
        provider.keys = [public(RSA, None)]
        assert status(token(name=None)) == 200

    def test_may_be_for_several_audiences_and_just_have_expired(self, provider: Provider) -> None:
        assert status(token(aud=["another", AUDIENCE], exp=time.time() - 10)) == 200

    def test_spells_the_address_as_it_likes(self, provider: Provider) -> None:
        assert status(token(email="Alice@Example.com", email_verified=True)) == 200


class TestABadToken:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"iss": "https://id.example.org/"}, {"aud": "another"}, {"exp": 1_000_000_000}, {"leave_out": "exp"},
            {"leave_out": "iss"}, {"leave_out": "aud"}, {"leave_out": "sub"}, {"leave_out": "email"},
            {"key": OTHER_RSA}, {"name": "unknown"}, {"nbf": time.time() + 3600}, {"email": "nobody@example.com"},
            {"email": ["alice@example.com"]}, {"email_verified": False}, {"email_verified": "false"},
        ],
        ids=lambda wrong: "-".join(wrong),
    )  # fmt: skip
    def test_is_refused(self, provider: Provider, wrong: dict[str, Any]) -> None:
        assert status(token(**wrong)) == 401

    def test_signed_with_the_public_key_as_a_secret_is_refused(self, provider: Provider) -> None:
        pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        for secret in (pem, json.dumps(provider.keys[0]).encode()):
            assert status(signed({"alg": "HS256", "kid": "one", "typ": "JWT"}, claims(), secret)) == 401

    def test_with_a_shared_secret_is_refused_even_if_the_provider_publishes_one(self, provider: Provider) -> None:
        secret = b"a secret that everybody can read on the web"
        published = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
        provider.keys.append({"kty": "oct", "kid": "shared", "k": published})
        assert status(signed({"alg": "HS256", "kid": "shared"}, claims(), secret)) == 401

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
    def test_signed_by_nobody_is_refused(self, provider: Provider, algorithm: str) -> None:
        assert status(signed({"alg": algorithm, "kid": "one"}, claims(), None)) == 401
        assert status(token().rpartition(".")[0] + ".") == 401

    @pytest.mark.parametrize("text", ["x", "a.b.c", "....", "e30.e30.", "\x7f", "é.é.é", "a" * 9_000])
    def test_that_is_none_is_refused(self, provider: Provider, text: str) -> None:
        assert status(text) == 401

    def test_with_a_key_for_another_use_is_refused(self, provider: Provider) -> None:
        provider.keys = [public(RSA, "one", use="enc")]
        assert status(token()) == 401

    def test_of_an_inactive_account_is_refused(self, cast: Cast, provider: Provider) -> None:
        bearer = token()
        assert status(bearer) == 200
        assert cast.root.patch(f"/api/users/{cast.alice.uid}/", {"active": False}).status_code == 200
        directory.forget()  # as after five seconds
        assert status(bearer) == 401

    def test_of_our_own_prefix_never_goes_this_way(self, provider: Provider) -> None:
        assert status(accounts.PREFIX + token()) == 401
        assert provider.asked == 0

    def test_is_nothing_where_no_provider_is_configured(self, cast: Cast) -> None:
        assert settings.ENV.JWT_ISSUER is None
        assert status(token()) == 401


class TestTheKeys:
    def test_are_asked_for_once(self, provider: Provider) -> None:
        assert [status(token()) for _ in range(5)] == [200] * 5
        assert provider.asked == 1

    def test_are_asked_for_once_by_many_at_the_same_moment(self, provider: Provider) -> None:
        assert at_once([lambda: status(token())] * 16) == [200] * 16
        assert provider.asked <= 1  # none where one of the last seconds' keys or tokens is still known

    def test_are_asked_for_again_after_five_minutes(self, provider: Provider, later: Any) -> None:
        status(token())
        later(299)
        status(token())
        assert provider.asked == 1
        later(2)
        provider.keys = [public(OTHER_RSA, "two")]
        assert status(token()) == 401
        assert provider.asked == 2

    def test_that_are_new_are_known_at_once(self, provider: Provider, later: Any) -> None:
        assert status(token()) == 200
        provider.keys.append(public(OTHER_RSA, "two"))
        later(11)
        assert status(token(OTHER_RSA, "two")) == 200
        assert status(token()) == 200
        assert provider.asked == 2

    def test_that_nobody_has_do_not_make_us_ask_each_time(self, provider: Provider, later: Any) -> None:
        assert status(token()) == 200
        flood = at_once([lambda n=n: status(token(name=f"made-up-{n}")) for n in range(60)])
        assert set(flood) == {401}
        assert provider.asked == 1
        later(11)
        assert {status(token(name=f"more-{n}")) for n in range(20)} == {401}
        assert provider.asked == 2
        assert status(token()) == 200

    @pytest.mark.parametrize("trouble", ["gone", "error", "nonsense", "html"])
    def test_go_on_being_good_while_the_provider_is_in_trouble(
        self, provider: Provider, later: Any, trouble: str
    ) -> None:
        assert status(token()) == 200
        if trouble == "gone":
            provider.stop()
        provider.status = 500 if trouble == "error" else 200
        provider.text = {"nonsense": b'{"keys": {}}', "html": b"<html>"}.get(trouble)
        later(301)
        assert status(token()) == 200
        later(3600)
        assert status(token()) == 200
        later(24 * 3600)
        assert status(token()) == 401

    def test_come_back_with_the_provider(self, provider: Provider, later: Any) -> None:
        provider.status = 503
        assert status(token()) == 401
        provider.status = 200
        assert status(token()) == 401  # not asked again so soon
        later(11)
        assert status(token()) == 200

    def test_that_we_do_not_understand_are_left_out(self, provider: Provider) -> None:
        strange: list[Any] = [
            {}, {"kty": ["RSA"]}, {"kty": "RSA", "kid": "x"}, {"kty": "OKP", "crv": "X25519", "kid": "y", "x": "AA"},
            public(RSA, "one") | {"kid": ["one"]}, public(RSA, "z", alg="RSA-OAEP"),
        ]  # fmt: skip
        provider.keys = [*strange, *provider.keys]
        assert status(token()) == 200

    def test_are_not_waited_for_for_long(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        assert identity.TIMEOUT_SECONDS <= 5
        monkeypatch.setattr(identity, "TIMEOUT_SECONDS", 0.2)
        provider.stop()
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # takes connections, says nothing
            url = f"http://127.0.0.1:{silent.server_address[1]}/"
            monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"JWT_JWKS_URL": url}))
            start = time.perf_counter()
            assert status(token()) == 401
            assert time.perf_counter() - start < 2
