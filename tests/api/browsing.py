"""A browser without JavaScript, as far as forms go."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from django.test import Client

VOID = {"input", "meta", "link", "br"}


class Page(HTMLParser):
    """What a browser makes of it: elements with their attributes and texts; and that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> says an attribute twice: {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def named(self, name: str) -> dict[str, str]:
        (found,) = [attributes for _, attributes in self.elements if attributes.get("name") == name]
        return found

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def controls(self) -> list[dict[str, str]]:
        found = [*self.all("input"), *self.all("select"), *self.all("textarea")]
        return [control for control in found if control.get("type") != "hidden"]

    def filled(self) -> dict[str, Any]:
        """What a browser would send if the button were pressed now; of selects nothing."""
        return {
            control["name"]: control.get("value", "") for control in self.all("input")
            if control.get("type") not in ("checkbox", "radio") or "checked" in control
        }  # fmt: skip


def page(response: Any) -> Page:
    assert response["Content-Type"] == "text/html; charset=utf-8"
    return Page(response.content.decode())


def opened_page() -> Page:
    response = Client().get("/enquiry/")
    assert response.status_code == 200, response.content
    return page(response)


def submit(form: dict[str, Any]) -> Any:
    """As browsers do."""
    body = urlencode(form, doseq=True)
    return Client().post("/enquiry/", body, content_type="application/x-www-form-urlencoded")
