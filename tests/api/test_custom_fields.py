"""Custom fields through the API: what is kept, what is refused, and what no two leads may share."""

from typing import Any

import pytest

from tests.api.steps import at_once, codes, column, fields, found, read, statuses, twin
from tests.cast import Cast, lead

OPTIONS = [{"value": "a"}, {"value": "b"}]
# type -> what is sent, what is kept, what is refused
TYPES: dict[str, tuple[Any, Any, Any]] = {
    "text": ("Ann ", "Ann ", 5),
    "long_text": ("a\nb", "a\nb", "\x07"),
    "integer": ("12", 12, 1.5),
    "decimal": ("007.10", "7.10", "1e3"),
    "money": ({"amount": 5, "currency": "EUR"}, {"amount": 5, "currency": "EUR"}, {"amount": "5", "currency": "EUR"}),
    "boolean": (True, True, "yes"),
    "date": ("2024-02-29", "2024-02-29", "2023-02-29"),
    "datetime": ("2026-01-31T23:30:00+05:30", "2026-01-31T18:00:00.000Z", "2026-01-31T23:30:00"),
    "email": ("Ann@EXAMPLE.com", "Ann@example.com", "ann"),
    "phone": ("+49 30 12345", "+49 30 12345", "123"),
    "url": ("https://example.com/a", "https://example.com/a", "javascript:alert(1)"),
    "select": ("a", "a", "c"),
    "multi_select": (["b", "a"], ["a", "b"], ["a", "a"]),
    "json": ({"a": [1, None]}, {"a": [1, None]}, "\x00"),
}


def define(cast: Cast, kind: str, **more: object) -> None:
    options = {"options": OPTIONS} if "select" in kind else {}
    fields(cast.root, {"field_key": "x", "field_type": kind, **options, **more})


@pytest.mark.parametrize("kind", TYPES)
def test_a_value_of_each_type_is_kept_in_one_spelling(cast: Cast, kind: str) -> None:
    sent, kept, wrong = TYPES[kind]
    define(cast, kind)
    made = lead(cast.alice, fields={"budget": "1", "x": sent})
    assert read(cast.alice, made["uid"])["fields"]["x"] == kept
    refused = cast.alice.patch(f"/api/leads/{made['uid']}/", {"fields": {"x": wrong}})
    assert {pointer[:9] for pointer, _ in codes(refused)} == {"/fields/x"}
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"fields": {"x": None}}).json()["fields"] == {"budget": "1"}


def test_a_user_field_names_a_person(cast: Cast) -> None:
    define(cast, "user")
    made = lead(cast.alice, fields={"budget": "1", "x": cast.bob.uid})
    assert read(cast.alice, made["uid"])["fields"]["x"] == cast.bob.uid


def test_every_wrong_value_is_told(cast: Cast) -> None:
    fields(cast.root, *({"field_key": f"f{n}", "field_type": "integer", "max": n} for n in range(4)))
    sent = {"budget": "-1", **{f"f{n}": 9 for n in range(4)}, "moon": 1}
    response = cast.alice.post("/api/leads/", {"name": "Ada", "fields": sent})
    assert {pointer for pointer, _ in codes(response)} == {f"/fields/{key}" for key in sent}


class TestUnique:
    @pytest.fixture(autouse=True)
    def _defined(self, cast: Cast) -> None:
        define(cast, "text", unique=True)

    def test_no_two_leads_share_a_value_whatever_its_case(self, cast: Cast) -> None:
        lead(cast.alice, fields={"budget": "1", "x": "One"})
        body = {"name": "Ada", "fields": {"budget": "1", "x": "oNE"}}
        assert codes(cast.alice.post("/api/leads/", body)) == {("/fields/x", "not_unique")}
        assert codes(cast.charlie.post("/api/leads/", body)) == {("/fields/x", "not_unique")}

    def test_nor_by_patch_or_on_the_way_to_a_stage(self, cast: Cast) -> None:
        cast.root.patch("/api/stages/stage-new/", {"task_templates": []})
        lead(cast.alice, fields={"budget": "1", "x": "one"})
        other = f"/api/leads/{lead(cast.alice)['uid']}/"
        assert codes(cast.alice.patch(other, {"fields": {"x": "one"}})) == {("/fields/x", "not_unique")}
        moved = cast.alice.post(f"{other}transition/", {"to_stage": "stage-contacted", "fields": {"x": "one"}})
        assert codes(moved) == {("/fields/x", "not_unique")}

    def test_a_value_that_is_given_up_is_free_again(self, cast: Cast) -> None:
        made = lead(cast.alice, fields={"budget": "1", "x": "one"})
        cast.alice.patch(f"/api/leads/{made['uid']}/", {"fields": {"x": "two"}})
        assert lead(cast.alice, fields={"budget": "1", "x": "one"})

    def test_leads_without_a_value_do_not_disturb_each_other(self, cast: Cast) -> None:
        assert lead(cast.alice)["uid"] != lead(cast.alice)["uid"]

    def test_of_32_parallel_creates_exactly_one_wins_and_no_number_is_lost(self, cast: Cast) -> None:
        body = {"name": "Ada", "fields": {"budget": "1", "x": "one"}}
        answers = at_once([lambda: twin(cast.alice).post("/api/leads/", body)] * 32, workers=32)
        assert statuses(answers) == [201] + [422] * 31
        refused = [answer for answer in answers if answer.status_code == 422]
        assert all(codes(answer) == {("/fields/x", "not_unique")} for answer in refused)
        (first,) = found(cast.alice, "")
        assert int(lead(cast.alice)["uid"][-5:]) - int(first[-5:]) <= 32

    def test_of_16_parallel_patches_exactly_one_wins(self, cast: Cast) -> None:
        made = [lead(cast.alice)["uid"] for _ in range(16)]
        answers = at_once([
            lambda uid=uid: twin(cast.alice).patch(f"/api/leads/{uid}/", {"fields": {"x": "one"}}) for uid in made
        ])  # fmt: skip
        assert statuses(answers) == [200] + [422] * 15


class TestConditional:
    @pytest.fixture(autouse=True)
    def _defined(self, cast: Cast) -> None:
        cast.root.patch(
            "/api/config/", {"lead_types": [{"key": "sales", "label": "S"}, {"key": "buying", "label": "B"}]}
        )
        define(cast, "text", lead_types=["sales"], required=True)

    def test_it_is_asked_of_its_lead_types_only(self, cast: Cast) -> None:
        body = {"name": "Ada", "lead_type": "sales", "fields": {"budget": "1"}}
        assert codes(cast.alice.post("/api/leads/", body)) == {("/fields/x", "required")}
        assert cast.alice.post("/api/leads/", body | {"lead_type": "buying"}).status_code == 201

    def test_other_leads_do_not_have_it(self, cast: Cast) -> None:
        body = {"name": "Ada", "lead_type": "buying", "fields": {"budget": "1", "x": "y"}}
        assert codes(cast.alice.post("/api/leads/", body)) == {("/fields/x", "not_applicable")}

    def test_a_lead_that_changes_its_type_loses_it(self, cast: Cast) -> None:
        made = lead(cast.alice, lead_type="sales", fields={"budget": "1", "x": "y"})
        after = cast.alice.patch(f"/api/leads/{made['uid']}/", {"lead_type": "buying"}).json()
        assert after["fields"] == {"budget": "1"}


def test_an_archived_field_keeps_its_values_and_takes_no_new_ones(cast: Cast) -> None:
    define(cast, "text", show_on_card=True)
    made = lead(cast.alice, fields={"budget": "1", "x": "y"})
    variables = cast.root.get("/api/config/").json()["variables"]
    variables[-1]["archived"] = True
    assert cast.root.patch("/api/config/", {"variables": variables}).status_code == 200
    assert read(cast.alice, made["uid"])["fields"]["x"] == "y"
    assert column(cast.alice, "stage-new")["leads"][0]["fields"] == {"budget": "1"}
    refused = cast.alice.patch(f"/api/leads/{made['uid']}/", {"fields": {"x": "z"}})
    assert codes(refused) == {("/fields/x", "archived_field")}
    assert cast.alice.patch(f"/api/leads/{made['uid']}/", {"company": "Mill"}).json()["fields"]["x"] == "y"


def test_a_field_is_not_dropped_and_does_not_change_its_type(cast: Cast) -> None:
    dropped = cast.root.patch("/api/config/", {"variables": []})
    assert codes(dropped) == {("/variables", "field_dropped")}
    changed = cast.root.patch("/api/config/", {"variables": [{"field_key": "budget", "field_type": "text"}]})
    assert codes(changed) == {("/variables/0/field_type", "type_changed")}


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){12}$", "([a-z]+)*$"])
def test_a_pattern_that_would_take_for_ever_is_refused_or_harmless(cast: Cast, pattern: str) -> None:
    there = cast.root.get("/api/config/").json()["variables"]
    new = {"field_key": "x", "field_type": "text", "pattern": pattern, "max_length": 1000}
    if cast.root.patch("/api/config/", {"variables": [*there, new]}).status_code == 200:
        body = {"name": "Ada", "fields": {"budget": "1", "x": "a" * 999 + "!"}}
        assert cast.alice.post("/api/leads/", body).status_code == 422


@pytest.mark.parametrize("pattern", ["(", "[", "(?=a)b", r"(a)\1", "a{1000}{1000}"])
def test_a_pattern_that_cannot_be_used_is_refused(cast: Cast, pattern: str) -> None:
    there = cast.root.get("/api/config/").json()["variables"]
    new = {"field_key": "x", "field_type": "text", "pattern": pattern}
    response = cast.root.patch("/api/config/", {"variables": [*there, new]})
    assert {pointer for pointer, _ in codes(response)} == {"/variables/1/pattern"}
