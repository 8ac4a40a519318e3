"""Where a request comes from: what proxies say counts only where we trust them."""

import ipaddress
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings

from lead_crm import client

PROXIES = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "fd00::/8")]


def request(remote: str, forwarded: str | None = None) -> object:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, **headers)


def seen(remote: str, forwarded: str | None = None) -> str:
    return str(client.address(request(remote, forwarded)))


@pytest.fixture
def behind_proxies() -> Iterator[None]:
    with override_settings(TRUSTED_PROXIES=PROXIES):
        yield


def test_without_trusted_proxies_a_header_is_only_a_claim() -> None:
    assert settings.TRUSTED_PROXIES == []
    assert seen("203.0.113.7", "198.51.100.1") == "203.0.113.7"


@pytest.mark.usefixtures("behind_proxies")
class TestBehindProxies:
    def test_the_proxy_says_who_came(self) -> None:
        assert seen("10.0.0.1", "198.51.100.1") == "198.51.100.1"

    def test_a_stranger_says_nothing(self) -> None:
        assert seen("203.0.113.7", "198.51.100.1") == "203.0.113.7"

    def test_what_stands_before_the_last_stranger_may_be_made_up(self) -> None:
        assert seen("10.0.0.1", "1.2.3.4, 198.51.100.1") == "198.51.100.1"
        assert seen("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.9.9.9") == "198.51.100.1"

    def test_all_of_them_being_proxies_it_is_the_first(self) -> None:
        assert seen("10.0.0.1", "10.0.0.3, 10.0.0.2") == "10.0.0.3"

    def test_rubbish_ends_the_chain(self) -> None:
        assert seen("10.0.0.1", "198.51.100.1, unknown") == "10.0.0.1"
        assert seen("10.0.0.1", "") == "10.0.0.1"

    def test_proxies_may_speak_ipv6(self) -> None:
        assert seen("fd00::1", "2001:db8::5") == "2001:db8::5"
        assert seen("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"


def test_who_has_no_address_is_unknown() -> None:
    assert client.address(request("")) is None
    assert client.fingerprint(request("")) != client.fingerprint(request("203.0.113.7"))


def test_one_line_of_ipv6_is_one_client() -> None:
    home, same, other = "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"
    assert client.fingerprint(request(home)) == client.fingerprint(request(same))
    assert client.fingerprint(request(home)) != client.fingerprint(request(other))


def test_an_ipv4_address_in_ipv6_clothes_is_the_same() -> None:
    assert client.fingerprint(request("::ffff:203.0.113.7")) == client.fingerprint(request("203.0.113.7"))
    assert client.fingerprint(request("203.0.113.7")) != client.fingerprint(request("203.0.113.8"))


def test_the_address_cannot_be_told_from_its_fingerprint() -> None:
    mine = client.fingerprint(request("203.0.113.7"))
    with override_settings(SECRET_KEY="another" * 10):
        assert client.fingerprint(request("203.0.113.7")) != mine
