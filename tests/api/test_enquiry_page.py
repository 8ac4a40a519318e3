"""/enquiry/: the public form as a page, as somebody without JavaScript sees it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.http import UnreadablePostError
from django.test import Client, override_settings
from pymongo.errors import ServerSelectionTimeoutError

from leads import public_api
from tests.api.browsing import opened_page, page, submit
from tests.api.steps import at_once, fields, listed, read, uids
from tests.cast import NORTH, Cast, lead

NASTY = '<script>alert("x")</script>\'&'


@pytest.fixture(autouse=True)
def opened(cast: Cast) -> None:
    configure(cast)


def configure(cast: Cast, **capture: object) -> None:
    response = cast.root.patch("/api/config/", {"capture": {"center": NORTH} | capture})
    assert response.status_code == 200, response.content


@contextmanager
def environment(**values: object) -> Iterator[None]:
    with override_settings(ENV=settings.ENV.model_copy(update=values)):
        yield


def send(**values: Any) -> Any:
    """A person opens the page, fills it in and presses the button. (A name with a dot is written with two lines.)"""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return submit(opened_page().filled() | {"name": "Ada", "email": "ada@b.example"} | named)


def made(cast: Cast, response: Any) -> dict[str, Any]:
    assert (response.status_code, response.get("Location")) == (303, "/enquiry/thanks/"), response.content.decode()
    return read(cast.root, listed(cast.root)["results"][0]["uid"])


EVERY_TYPE = {
    "text": {"required": True, "help": "What for?", "max_length": 20}, "long_text": {}, "integer": {"min": 1, "max": 9},
    "decimal": {"unit": "kg"}, "money": {}, "boolean": {}, "date": {"min": "2026-01-01"}, "datetime": {}, "email": {},
    "phone": {}, "url": {}, "json": {},
    "select": {"options": [{"value": "a", "label": "Ah"}, {"value": "b", "label": "Bee"}]},
    "multi_select": {"options": [{"value": "a", "label": "Ah"}, {"value": "b", "label": "Bee"}]},
}  # fmt: skip


def every_type(cast: Cast) -> None:
    fields(cast.root, *(
        {"field_key": f"my_{kind}", "field_type": kind, "public": True} | more for kind, more in EVERY_TYPE.items()
    ))  # fmt: skip


class TestThePage:
    def test_is_in_the_words_of_the_config(self, cast: Cast) -> None:
        configure(cast, title="Visit us", intro="Come in.\nSit down.", button="Off it goes", asks=["company"])
        found = opened_page()
        assert all(word in found.text for word in ("Visit us", "Come in.", "Sit down.", "Off it goes", "Company"))
        assert "Phone" not in found.text
        assert found.all("html") == [{"lang": "en"}]
        assert found.named("viewport")["content"] == "width=device-width, initial-scale=1"

    def test_every_control_has_a_label_and_every_id_is_there_once(self, cast: Cast) -> None:
        every_type(cast)
        configure(cast, asks=["phone", "company", "message", "source", "center"])
        found = opened_page()
        labelled = {label["for"] for label in found.all("label")}
        assert {control["id"] for control in found.controls} == labelled
        assert len(set(found.ids)) == len(found.ids)
        described = {part for _, has in found.elements for part in has.get("aria-describedby", "").split()}
        assert described <= set(found.ids)

    def test_what_is_required_says_so_in_words(self, cast: Cast) -> None:
        every_type(cast)
        found = opened_page()
        assert {control["name"] for control in found.controls if "required" in control} == {
            "name", "email", "fields.my_text",
        }  # fmt: skip
        assert found.text.count("(required)") == 3

    def test_each_type_has_the_control_that_fits(self, cast: Cast) -> None:
        every_type(cast)
        found = opened_page()
        types = {c["name"].removeprefix("fields.my_"): c.get("type", "") for c in found.controls}
        assert types == {
            "name": "text", "email": "email", "phone": "tel", "company": "text", "message": "",
            "leave_this_empty": "text", "text": "text", "long_text": "", "integer": "number", "decimal": "text",
            "money": "text", "money.currency": "text", "boolean": "checkbox", "date": "date",
            "datetime": "datetime-local", "url": "url", "json": "", "select": "", "multi_select": "checkbox",
        }  # fmt: skip
        assert found.named("fields.my_integer") | {"min": "1", "max": "9"} == found.named("fields.my_integer")
        assert "What for?" in found.text
        assert "My decimal (kg)" in found.text

    def test_the_honeypot_is_for_nobody(self, cast: Cast) -> None:
        found = opened_page()
        pot = found.named("leave_this_empty")
        assert (pot["tabindex"], pot["autocomplete"]) == ("-1", "off")
        assert next(has for tag, has in found.elements if tag == "div" and "hidden" in has)["aria-hidden"] == "true"

    def test_words_of_the_config_are_words_and_no_markup(self, cast: Cast) -> None:
        configure(cast, title=NASTY, intro=NASTY, button=NASTY, thanks=NASTY)
        nasty = {"public": True, "label": NASTY, "help": NASTY}
        options = [{"value": NASTY, "label": NASTY}]
        fields(
            cast.root,
            {"field_key": "one", "field_type": "text", "default": NASTY, "unit": NASTY, **nasty},
            {"field_key": "two", "field_type": "select", "options": options, "default": NASTY, **nasty},
            {"field_key": "three", "field_type": "text", "visible_if": {"field": "two", "equals": NASTY}, **nasty},
            {"field_key": "four", "field_type": "multi_select", "options": options, **nasty},
        )
        for response in (Client().get("/enquiry/"), Client().get("/enquiry/thanks/"), send(email="x", name=NASTY)):
            assert b"<script" not in response.content
            page(response)
        assert opened_page().named("fields.one")["value"] == NASTY
        assert send(fields__two=NASTY).status_code == 303


class TestSending:
    def test_creates_a_lead_and_thanks(self, cast: Cast) -> None:
        configure(cast, thanks="Thank you so much")
        found = made(cast, send(phone="+49 30 123456", company="Engines", message="One\r\nTwo"))
        assert (found["name"], found["email"], found["phone"]) == ("Ada", "ada@b.example", "+49 30 123456")
        assert (found["company"], found["message"], found["created_by"]) == ("Engines", "One\nTwo", "public")
        thanks = Client().get("/enquiry/thanks/")
        assert thanks.status_code == 200
        assert "Thank you so much" in page(thanks).text
        assert page(thanks).all("a") == [{"href": "/enquiry/"}]

    def test_values_of_every_type_arrive(self, cast: Cast) -> None:
        every_type(cast)
        sent = {
            "text": "x", "long_text": "a\r\nb", "integer": "3", "decimal": "12,50", "money": "19.90",
            "money.currency": "eur", "boolean": "true", "date": "2026-02-28", "datetime": "2026-02-28T09:30",
            "email": "a@b.example", "phone": "+49 30 1234", "url": "https://b.example/x", "json": '{"a": [1]}',
            "select": "b", "multi_select": ["b", "a"],
        }  # fmt: skip
        found = made(cast, send(**{f"fields.my_{name}": value for name, value in sent.items()}))
        assert {key.removeprefix("my_"): value for key, value in found["fields"].items()} == {
            "text": "x", "long_text": "a\nb", "integer": 3, "decimal": "12.50",
            "money": {"amount": 1990, "currency": "EUR"}, "boolean": True, "date": "2026-02-28",
            "datetime": "2026-02-28T09:30:00.000Z", "email": "a@b.example", "phone": "+49 30 1234",
            "url": "https://b.example/x", "json": {"a": [1]}, "select": "b", "multi_select": ["a", "b"],
        }  # fmt: skip

    def test_what_is_left_empty_stays_empty(self, cast: Cast) -> None:
        every_type(cast)
        fields(cast.root, {"field_key": "size", "field_type": "integer", "default": 3, "public": True})
        assert opened_page().named("fields.size")["value"] == "3"
        found = made(cast, send(fields__my_text="x", fields__size="", company=" ", phone=""))
        assert found["fields"] == {"my_text": "x", "my_boolean": False}
        assert (found["company"], found["phone"]) == (None, None)

    @pytest.mark.parametrize(("amount", "currency", "minor"), [("500", "JPY", 500), ("1,5", "KWD", 1500)])
    def test_currencies_have_their_own_minor_units(self, cast: Cast, amount: str, currency: str, minor: int) -> None:
        fields(cast.root, {"field_key": "worth", "field_type": "money", "public": True})
        found = made(cast, send(fields__worth=amount, **{"fields.worth.currency": currency}))
        assert found["fields"]["worth"] == {"amount": minor, "currency": currency}

    def test_answers_to_questions_that_do_not_apply_are_left_out(self, cast: Cast) -> None:
        fields(
            cast.root,
            {"field_key": "pet", "field_type": "boolean", "public": True},
            {"field_key": "kind", "field_type": "text", "public": True, "required": True, "label": "Which kind",
             "visible_if": {"field": "pet", "equals": True}},
            {"field_key": "legs", "field_type": "integer", "public": True,
             "visible_if": {"field": "kind", "equals": "dog"}},
        )  # fmt: skip
        assert "Only if “Pet” is: Yes." in opened_page().text
        assert "required" not in opened_page().named("fields.kind")
        found = made(cast, send(fields__kind="dog", fields__legs="4"))
        assert found["fields"] == {"pet": False}
        found = made(cast, send(fields__pet="true", fields__kind="dog", fields__legs="4"))
        assert found["fields"] == {"pet": True, "kind": "dog", "legs": 4}
        assert "Which kind: Please fill this in." in page(send(fields__pet="true")).text

    def test_conditions_are_told_in_words(self, cast: Cast) -> None:
        options = EVERY_TYPE["select"]["options"]
        fields(
            cast.root,
            {"field_key": "size", "field_type": "integer", "public": True},
            {"field_key": "plan", "field_type": "select", "public": True, "options": options},
            {"field_key": "x", "field_type": "text", "public": True, "visible_if": {"field": "size", "equals": 1}},
            {"field_key": "y", "field_type": "text", "public": True, "visible_if": {"field": "plan", "equals": "b"}},
        )
        assert "Only if “Size” is: 1." in opened_page().text
        assert "Only if “Plan” is: Bee." in opened_page().text

    def test_a_double_click_makes_one_lead(self, cast: Cast) -> None:
        form = opened_page().filled() | {"name": "Ada", "email": "ada@b.example"}
        answers = at_once([lambda: submit(form)] * 8)
        assert {(answer.status_code, answer["Location"]) for answer in answers} == {(303, "/enquiry/thanks/")}
        assert listed(cast.root)["count"] == 1

    def test_two_visits_make_two_leads(self, cast: Cast) -> None:
        assert [send().status_code for _ in range(2)] == [303, 303]
        assert listed(cast.root)["count"] == 2

    def test_going_back_and_changing_something_is_another_enquiry(self, cast: Cast) -> None:
        form = opened_page().filled() | {"name": "Ada", "email": "ada@b.example"}
        for message in ("One", "Two"):
            assert submit(form | {"message": message}).status_code == 303
        assert listed(cast.root)["count"] == 2

    def test_the_policy_for_duplicates_is_the_doors(self, cast: Cast) -> None:
        cast.root.patch("/api/config/", {"duplicates": {"public": "attach"}})
        first = lead(cast.alice, email="ada@b.example")
        assert made(cast, send(message="Me again"))["uid"] == first["uid"]
        cast.root.patch("/api/config/", {"duplicates": {"public": "reject"}})
        refused = send()
        assert refused.status_code == 409
        assert first["uid"] not in refused.content.decode()
        assert uids(listed(cast.root)["results"]) == [first["uid"]]


class TestErrors:
    def test_are_listed_first_with_links_to_their_places(self, cast: Cast) -> None:
        every_type(cast)
        response = send(email="nobody", name="", fields__my_integer="77", fields__my_multi_select=["a", "z"],
                        fields__my_money="much")  # fmt: skip
        assert response.status_code == 422
        found = page(response)
        assert found.text.startswith("Error: Send us an enquiry")
        links = [link["href"].removeprefix("#") for link in found.all("a")]
        assert set(links) == {
            "q-name", "q-email", "q-fields-my_text", "q-fields-my_integer", "q-fields-my_multi_select-0",
            "q-fields-my_money",
        }  # fmt: skip
        assert set(links) <= set(found.ids)
        email = found.named("email")
        assert email["aria-invalid"] == "true"
        assert email["aria-describedby"] in found.ids
        assert listed(cast.root)["count"] == 0

    def test_keep_what_was_written(self, cast: Cast) -> None:
        every_type(cast)
        sent = {
            "email": "nobody", "company": NASTY, "fields.my_integer": "7", "fields.my_boolean": "true",
            "fields.my_multi_select": ["b"], "fields.my_select": "b", "fields.my_money": "5",
            "fields.my_money.currency": "EUR", "fields.my_date": "2026-03-01", "message": "\n</textarea>",
        }  # fmt: skip
        response = send(**sent)
        found = page(response)
        for name in ("email", "company", "fields.my_integer", "fields.my_money", "fields.my_money.currency",
                     "fields.my_date"):  # fmt: skip
            assert found.named(name)["value"] == sent[name]
        ticked = [control["name"] + control["value"] for control in found.all("input") if "checked" in control]
        assert sorted(ticked) == ["fields.my_booleantrue", "fields.my_multi_selectb"]
        assert [option["value"] for option in found.all("option") if "selected" in option] == ["b"]
        assert "&lt;/textarea&gt;" in response.content.decode()

    def test_the_corrected_form_is_accepted(self, cast: Cast) -> None:
        again = page(send(email="nobody")).filled() | {"email": "ada@b.example"}
        assert submit(again).status_code == 303

    def test_the_honeypot_says_what_to_do_and_is_empty_again(self, cast: Cast) -> None:
        found = page(send(leave_this_empty="x"))
        assert "please leave it empty" in found.text
        assert "value" not in found.named("leave_this_empty")
        assert listed(cast.root)["count"] == 0

    def test_the_limit_is_the_doors_and_says_when_to_come_back(self, cast: Cast) -> None:
        with environment(CAPTURES_PER_HOUR=1):
            assert cast.nobody.post("/api/public/leads/", {"name": "A", "email": "a@b.example"}).status_code == 201
            refused = send(message="Keep me")
        assert (refused.status_code, 3500 < int(refused["Retry-After"]) <= 3600) == (429, True)
        assert "Try again in 60 min" in page(refused).text
        assert "Keep me" in page(refused).text

    def test_a_closed_form_is_a_page_too(self, cast: Cast) -> None:
        form = opened_page().filled()
        configure(cast, enabled=False)
        for response in (Client().get("/enquiry/"), Client().get("/enquiry/thanks/"), submit(form)):
            assert response.status_code == 404
            assert "no public form" in page(response).text

    def test_where_a_captcha_is_wanted_this_page_is_no_way_around_it(self, cast: Cast) -> None:
        form = opened_page().filled() | {"name": "Ada", "email": "ada@b.example"}
        with environment(CAPTCHA_VERIFY_URL="http://127.0.0.1:1/", CAPTCHA_SECRET="hush"):
            for response in (Client().get("/enquiry/"), submit(form)):
                assert response.status_code == 404
                assert "captcha" in page(response).text
        assert listed(cast.root)["count"] == 0

    def test_too_much_text_is_told_kindly(self, cast: Cast) -> None:
        response = send(message="x" * (settings.MAX_BODY_BYTES + 1))
        assert response.status_code == 413
        assert "too much text" in page(response).text

    @pytest.mark.parametrize(("trouble", "status"), [(ServerSelectionTimeoutError, 503), (UnreadablePostError, 400)])
    def test_trouble_on_the_way_is_told_kindly_and_can_be_tried_again(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch, trouble: type[Exception], status: int
    ) -> None:
        def away(*args: object, **kwargs: object) -> None:
            raise trouble("away")

        form = opened_page().filled() | {"name": "Ada", "email": "ada@b.example"}
        with monkeypatch.context() as patched:
            patched.setattr(public_api.arriving, "receive", away)
            response = submit(form)
            assert response.status_code == status
            assert page(response).all("a") == [{"href": "/enquiry/"}]
        assert submit(form).status_code == 303

    def test_rubbish_is_answered_with_the_form(self, cast: Cast) -> None:
        for body in (b"\xff\xfe=%ff%00&name=%00", b"{}", b""):
            response = Client().post("/enquiry/", body, content_type="application/x-www-form-urlencoded")
            assert response.status_code == 422
            page(response)


class TestEmbedding:
    @pytest.mark.parametrize(("origins", "ancestors"), [
        ([], "*"), (["*"], "*"), (["https://shop.example"], "'self' https://shop.example"),
    ])  # fmt: skip
    def test_the_setting_says_who_may_frame_it(self, cast: Cast, origins: list[str], ancestors: str) -> None:
        with override_settings(ALLOWED_ORIGINS=origins):
            for response in (Client().get("/enquiry/"), Client().get("/enquiry/thanks/"), send(email="nobody")):
                policy = dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
                assert policy == {
                    "default-src": "'none'", "style-src": "'self'", "base-uri": "'none'", "form-action": "'self'",
                    "frame-ancestors": ancestors,
                }  # fmt: skip
                assert "X-Frame-Options" not in response
                assert response["Cache-Control"] == "no-store"

    def test_the_page_needs_no_more_than_its_policy_allows(self, cast: Cast) -> None:
        text = Client().get("/enquiry/").content.decode()
        assert re.findall(r"<script|<style|style=|\son\w+=|<img|https?://", text) == []
        (style,) = [link["href"] for link in opened_page().all("link")]
        response = Client().get(style)
        assert (response.status_code, response["Content-Type"]) == (200, "text/css; charset=utf-8")

    def test_it_sets_no_cookie(self, cast: Cast) -> None:
        assert Client().get("/enquiry/").cookies == {}
