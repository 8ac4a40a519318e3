"""The client of the tests as a browser: it keeps cookies and sends the CSRF token, as our own pages do."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from management import sessions
from tests.contract import CheckedClient

SAFE = ("GET", "HEAD", "OPTIONS")

DORA = "dora@example.com"
PASSWORD = "three green bottles"  # hers
WRONG = "four green bottles"


class Browser(CheckedClient):
    def __init__(self, address: str = "192.0.2.1", *, cookies: dict[str, str] | None = None) -> None:
        super().__init__()
        self.client = Client(raise_request_exception=False, REMOTE_ADDR=address)
        self.client.cookies.load(cookies or {})

    def cookie(self, name: str) -> str:
        return self.client.cookies[name].value if name in self.client.cookies else ""

    @property
    def session(self) -> str:
        return self.cookie(sessions.COOKIE)

    def sign_in(self, email: str, password: str, **headers: str) -> HttpResponse:
        return self.post("/api/auth/login/", {"email": email, "password": password}, **headers)

    def tab(self) -> "Browser":
        """Shares the cookies."""
        other = Browser()
        other.client = self.client
        return other

    def send(
        self, method: str, path: str, body: Any, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        token = self.cookie(sessions.CSRF_COOKIE)
        if token and method not in SAFE:
            headers.setdefault("X_CSRF_Token", token)
        return super().send(method, path, body, content_type, **headers)


def tries(browser: Browser, times: int, password: str = WRONG, email: str = DORA) -> list[int]:
    return [browser.sign_in(email, password).status_code for _ in range(times)]
