"""What designers may define, and what a lead's values become under it."""

import math
import time
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lead_crm.errors import Invalid
from workflow.fields import FieldDefinition, FieldValues, check_definitions

definition = TypeAdapter(FieldDefinition)
OPTIONS = [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}, {"value": "c", "label": "C"}]


def field(field_type: str = "text", field_key: str = "x", **attributes: Any) -> Any:
    if "select" in field_type:
        attributes.setdefault("options", OPTIONS)
    return definition.validate_python({"field_key": field_key, "field_type": field_type, **attributes})


def codes(faults: list[Any]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults]


def one(value: object, field_type: str, **attributes: Any) -> tuple[object, list[str]]:
    result, faults = FieldValues([field(field_type, **attributes)]).convert({"x": value}, lead_type=None)
    return result.get("x"), [fault.code for fault in faults]


def refused(**attributes: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as caught:
        field(**attributes)
    return [error["loc"][1:] for error in caught.value.errors()]


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 1


GOOD = [
    ("text", "Ann ", "Ann "), ("text", "", ""), ("long_text", "a\n\tb", "a\n\tb"),
    ("integer", 12, 12), ("integer", "12", 12), ("integer", "-007", -7), ("integer", 2**63 - 1, 2**63 - 1),
    ("decimal", "12.50", "12.50"), ("decimal", 5, "5"), ("decimal", "007.10", "7.10"),
    ("decimal", "-0.00", "0.00"), ("decimal", "0.0000000001", "0.0000000001"),
    ("decimal", "12345678901234567890.0123456789", "12345678901234567890.0123456789"),
    ("money", {"amount": 1250, "currency": "EUR"}, {"amount": 1250, "currency": "EUR"}),
    ("boolean", False, False), ("boolean", True, True), ("date", "2024-02-29", "2024-02-29"),
    ("datetime", "2026-01-31T23:30:00+05:30", "2026-01-31T18:00:00.000Z"),
    ("datetime", "2026-01-31T09:30:00.123456Z", "2026-01-31T09:30:00.123Z"),
    ("datetime", "2026-01-31T09:30Z", "2026-01-31T09:30:00.000Z"),
    ("email", "Ann@EXAMPLE.com", "Ann@example.com"), ("phone", "+49 (30) 123-45 x6", "+49 (30) 123-45 x6"),
    ("url", "https://example.com/a?b=c", "https://example.com/a?b=c"),
    ("select", "b", "b"), ("multi_select", ["c", "a"], ["a", "c"]), ("multi_select", [], []),
    ("json", {"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
    ("json", nested(8), nested(8)), ("user", "user-1", "user-1"),
]  # fmt: skip

BAD = [
    ("text", 5, "string_type"), ("text", "a\nb", "control_character"), ("text", "a\x00", "control_character"),
    ("text", "\ud800", "string_unicode"), ("email", "\ud800@a.com", "string_unicode"),
    ("url", "http://\ud800/", "string_unicode"), ("text", "a" * 501, "string_too_long"),
    ("long_text", "\x07", "control_character"), ("long_text", "a" * 10_001, "string_too_long"),
    ("integer", True, "int_type"), ("integer", 1.0, "int_type"), ("integer", "1.0", "int_type"),
    ("integer", "x", "int_type"), ("integer", "\u0661", "int_type"), ("integer", "9" * 400, "int_type"),
    ("integer", 10**400, "less_than_equal"), ("integer", 2**63, "less_than_equal"),
    *[("decimal", value, "not_a_decimal") for value in (
        1.5, True, "1e5", "NaN", "Infinity", "1,5", ".5", "1.", "+1", " 1", "1\n", "9" * 400,
        10**400, 10**5000, "1.00000000001", "\u0661",
    )],
    ("money", 5, "model_type"), ("money", {"amount": 1.5, "currency": "EUR"}, "int_type"),
    ("money", {"amount": "5", "currency": "EUR"}, "int_type"), ("money", {"amount": 5}, "required"),
    ("money", {"amount": 5, "currency": "eur"}, "string_pattern_mismatch"),
    ("money", {"amount": 5, "currency": "EUR", "a": 1}, "unknown_key"),
    ("boolean", "true", "bool_type"), ("boolean", 1, "bool_type"), ("integer", math.nan, "int_type"),
    *[("date", value, "not_a_date") for value in ("2023-02-29", "20240229", "0000-01-01", "2024-02-29\n")],
    *[("datetime", value, "not_a_datetime") for value in (
        "2026-01-31", "2026-01-31T09:30:00", "2026-13-31T09:30:00Z", "0001-01-01T00:00:00+05:00",
        "2026-01-31T09:30:00+99:00", "now",
    )],
    *[("email", value, "not_an_email") for value in (
        "ann", "Ann <ann@example.com>", "a@b", "a@@example.com", "a\x00@example.com",
    )],
    *[("phone", value, "not_a_phone") for value in ("----5----", "12345\n", "\u0661" * 6)],
    *[("url", value, "not_a_url") for value in (
        "javascript:alert(1)", "ftp://example.com", "example.com", "http://", "http://a b", "https:\\\\a",
        "http:example.com",
    )],
    ("select", "z", "not_an_option"), ("select", ["a"], "string_type"),
    ("multi_select", ["a", "a"], "repeated"), ("multi_select", ["a", "z"], "not_an_option"),
    ("multi_select", "a", "list_type"), ("user", "a b", "string_pattern_mismatch"),
    ("json", nested(9), "too_deep"), ("json", nested(900), "too_deep"), ("json", "x" * 16_384, "too_large"),
    ("json", {"$a": 1}, "forbidden_key"), ("json", {"a.b": 1}, "forbidden_key"),
    ("json", {"a\x00": 1}, "forbidden_key"),
    *[("json", [value], "not_json") for value in (math.nan, 2**63, 10**5000, "\ud800", {"\udfff": 1}, {1})],
]  # fmt: skip


@pytest.mark.parametrize(("field_type", "value", "kept"), GOOD)
def test_a_good_value_is_kept_in_one_spelling(field_type: str, value: object, kept: object) -> None:
    assert one(value, field_type) == (kept, [])


@pytest.mark.parametrize(("field_type", "value", "code"), BAD, ids=range(len(BAD)))
def test_a_bad_value_is_refused_with_its_reason(field_type: str, value: object, code: str) -> None:
    assert one(value, field_type) == (None, [code])


@pytest.mark.parametrize(("field_type", "low", "high", "under", "over"), [
    ("integer", 3, 5, 2, 6), ("decimal", "3", "10.0", "2.99", "10.01"),
    ("date", "2024-02-01", "2024-03-01", "2024-01-31", "2024-03-02"),
    ("datetime", "2024-02-01T00:00:00+01:00", None, "2024-01-31T22:59:59Z", None),
    ("money", 300, 500, {"amount": 299, "currency": "EUR"}, {"amount": 501, "currency": "EUR"}),
])  # fmt: skip
def test_bounds_follow_the_type(field_type: str, low: Any, high: Any, under: Any, over: Any) -> None:
    assert one(under, field_type, min=low, max=high)[1] == ["greater_than_equal"]
    assert over is None or one(over, field_type, min=low, max=high)[1] == ["less_than_equal"]


def test_lengths_and_patterns_hold() -> None:
    rules: dict[str, Any] = {"min_length": 2, "max_length": 4, "pattern": "[a-z]+|[0-9]+"}
    assert [one(text, "text", **rules)[1] for text in ("ab", "12", "a", "abcde", "a1")] == [
        [], [], ["string_too_short"], ["string_too_long"], ["string_pattern_mismatch"],
    ]  # fmt: skip
    assert one("+4912345", "phone", pattern=r"\+91[0-9]+")[1] == ["string_pattern_mismatch"]
    assert one("ab\n", "long_text", pattern="ab")[1] == ["string_pattern_mismatch"]


def test_a_pattern_that_would_explode_elsewhere_answers_at_once() -> None:
    values = FieldValues([field("long_text", pattern="(a+)+$")])
    began = time.perf_counter()
    assert values.convert({"x": "a" * 5000 + "!"}, lead_type=None)[1]
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("pattern", [
    "(", "a)|(b", "(?=a)", r"(a)\1", "(?:a{1000}){1000}", "(?x)a#", "", "a" * 201, "(?:a?b{400}){100}",
])  # fmt: skip
def test_a_pattern_that_is_unusable_is_refused(pattern: str) -> None:
    assert refused(field_type="long_text", pattern=pattern) == [("pattern",)]


@pytest.mark.parametrize(("attributes", "at"), [
    ({"field_type": "integer", "input_type": "switch"}, "input_type"), ({"field_key": "Bad"}, "field_key"),
    ({"field_type": "text", "min": 1}, "min"), ({"field_type": "text", "options": []}, "options"),
    ({"max_length": 1001}, "max_length"), ({"min_length": 9, "max_length": 8}, "max_length"),
    ({"field_type": "date", "unique": True}, "unique"), ({"field_type": "user", "unique": True}, "unique"),
    ({"field_type": "date", "searchable": True}, "searchable"), ({"field_type": "money", "min": "5"}, "min"),
    ({"field_type": "decimal", "min": "10", "max": "9"}, "max"),
    ({"field_type": "decimal", "min": 1.5}, "min"), ({"field_type": "date", "min": "2024-02-30"}, "min"),
    ({"field_type": "integer", "default": 3, "max": 2}, "default"),
    ({"default": "A", "pattern": "a"}, "default"), ({"default": "\0"}, "default"),
    ({"field_type": "select", "default": "z"}, "default"),
    ({"field_type": "select", "options": OPTIONS + OPTIONS}, "options"),
    ({"field_type": "json", "default": {"$a": 1}}, "default"),
    ({"lead_types": ["a", "a"]}, "lead_types"), ({"required": 1}, "required"), ({"other": 1}, "other"),
])  # fmt: skip
def test_a_senseless_definition_is_refused_where_it_is_wrong(attributes: dict[str, Any], at: str) -> None:
    assert [loc[0] for loc in refused(**attributes)][:1] == [at]


EVERY = [
    {"field_type": "text", "default": "a", "unique": True, "visible_if": {"field": "y", "equals": True}},
    {"field_type": "long_text", "pattern": "a*"}, {"field_type": "integer", "default": 4, "min": 1, "max": 5},
    {"field_type": "decimal", "default": 4, "min": "1.0"}, {"field_type": "boolean", "default": False},
    {"field_type": "money", "default": {"amount": 5, "currency": "EUR"}, "max": 10},
    {"field_type": "date", "default": "2024-02-29"}, {"field_type": "datetime", "min": "2024-01-01T00:00Z"},
    {"field_type": "email"}, {"field_type": "phone"}, {"field_type": "url"}, {"field_type": "user"},
    {"field_type": "select", "options": OPTIONS, "default": "a"},
    {"field_type": "multi_select", "options": [{"value": "a"}], "default": ["a"]},
    {"field_type": "json", "default": {"a": 1}},
]  # fmt: skip


@pytest.mark.parametrize("given_", EVERY, ids=lambda given_: given_["field_type"])
def test_a_definition_survives_the_database_and_the_wire(given_: dict[str, Any]) -> None:
    made = field(**given_)
    stored = bson.decode(bson.encode(made.model_dump()))
    assert definition.validate_python(stored) == made
    assert definition.validate_json(made.model_dump_json(), strict=True) == made
    assert made.label == "X"


def test_the_schema_names_each_kind_of_field_and_tells_them_apart() -> None:
    schema = definition.json_schema()
    assert set(schema["discriminator"]["mapping"]) == {one["field_type"] for one in EVERY}
    text = schema["$defs"]["TextField"]
    assert set(text["required"]) == {"field_key", "field_type"}
    assert text["additionalProperties"] is False


def test_contradictions_between_definitions_are_all_named() -> None:
    found = check_definitions([
        field(field_key="a"), field(field_key="a"),
        field(field_key="b", visible_if={"field": "nowhere", "equals": 1}),
        field(field_key="c", visible_if={"field": "c", "equals": "x"}),
        field(field_key="d", visible_if={"field": "e", "equals": "x"}),
        field(field_key="e", visible_if={"field": "d", "equals": "x"}),
        field("select", "f", archived=True), field(field_key="g", visible_if={"field": "f", "equals": "z"}),
        field("boolean", "h"), field(field_key="i", visible_if={"field": "h", "equals": True}),
    ])  # fmt: skip
    assert codes(found) == [
        ("/variables/1/field_key", "repeated"), ("/variables/2/visible_if/field", "unknown_field"),
        ("/variables/3/visible_if/field", "cycle"), ("/variables/4/visible_if/field", "cycle"),
        ("/variables/5/visible_if/field", "cycle"), ("/variables/7/visible_if/field", "archived_field"),
        ("/variables/7/visible_if/equals", "not_an_option"),
    ]  # fmt: skip


TRADE = FieldValues([
    field("select", "market", default="a"),
    field("text", "industry", lead_types=["sales"], required=True),
    field("integer", "tons", visible_if={"field": "market", "equals": "b"}, required=True, public=True),
    field("text", "silo", visible_if={"field": "tons", "equals": 5}),
    field("text", "old", archived=True, required=True),
    field("text", "note"),
])  # fmt: skip


def test_all_faults_are_named_at_once_with_their_pointers() -> None:
    given_ = {"market": "z", "industry": "f", "tons": "x", "old": "o", "no/such~": 1, "note": 5, "\ud800": 1}
    _, faults = TRADE.convert(given_, lead_type="procurement")
    assert codes(faults) == [
        ("/fields/market", "not_an_option"), ("/fields/industry", "not_applicable"),
        ("/fields/tons", "int_type"),
        ("/fields/old", "archived_field"), ("/fields/no~1such~0", "unknown_field"),
        ("/fields/note", "string_type"),
        ("/fields/\\ud800", "unknown_field"),
    ]  # fmt: skip


def test_a_fault_inside_a_value_points_inside() -> None:
    values = FieldValues([field("money", "price"), field("multi_select", "several")])
    _, faults = values.convert({"price": {"amount": 1.5, "currency": "EUR"}, "several": ["a", "z"]}, lead_type=None)
    assert [fault.pointer for fault in faults] == ["/fields/price/amount", "/fields/several/1"]


def test_only_touched_fields_change_and_null_clears() -> None:
    current = {"note": "n", "old": "kept though archived", "market": 5, "gone": "kept though unknown"}
    assert TRADE.convert({"note": None}, lead_type=None, current=current) == (
        {"old": "kept though archived", "market": 5, "gone": "kept though unknown"}, [],
    )  # fmt: skip


def test_a_conditional_field_needs_its_condition() -> None:
    assert TRADE.convert({"market": "b", "tons": 1}, lead_type=None) == ({"market": "b", "tons": 1}, [])
    assert codes(TRADE.convert({"tons": 1}, lead_type=None)[1]) == [("/fields/tons", "not_applicable")]
    assert TRADE.convert({"tons": None}, lead_type=None) == ({}, [])


def test_hiding_a_field_drops_it_and_what_hangs_on_it() -> None:
    current = {"market": "b", "tons": 5, "silo": "S"}
    assert TRADE.convert({"market": "a"}, lead_type=None, current=current) == ({"market": "a"}, [])
    assert TRADE.convert({"market": None}, lead_type=None, current=current) == ({}, [])


def test_a_value_hidden_by_a_change_of_the_workflow_stays() -> None:
    current = {"market": "a", "tons": 5, "industry": "fmcg"}
    after, faults = TRADE.convert({"note": "n"}, lead_type=None, current=current)
    assert (after, faults) == (current | {"note": "n"}, [])


def test_changing_the_lead_type_drops_what_no_longer_belongs() -> None:
    current = {"industry": "fmcg", "note": "n"}
    after, _ = TRADE.convert({}, lead_type="procurement", current=current, lead_type_changed=True)
    assert after == {"note": "n"}


@pytest.mark.parametrize("condition", [{"field": "nowhere", "equals": "a"}, {"field": "n", "equals": "no"}])
def test_an_impossible_condition_never_holds(condition: dict[str, str]) -> None:
    values = FieldValues([field("integer", "n"), field(visible_if=condition)])
    assert codes(values.convert({"x": "a"}, lead_type=None)[1]) == [("/fields/x", "not_applicable")]


def test_true_is_not_one() -> None:
    values = FieldValues([field("integer", "n"), field(visible_if={"field": "n", "equals": 1})])
    assert values.convert({"x": "a"}, lead_type=None, current={"n": True})[1]
    assert not values.convert({"x": "a"}, lead_type=None, current={"n": 1})[1]


def test_defaults_fill_what_was_left_out_and_belongs() -> None:
    values = FieldValues([
        field("integer", "tons", default=5, visible_if={"field": "market", "equals": "b"}),
        field("select", "market", default="b"), field("text", "sold", default="s", lead_types=["sales"]),
    ])  # fmt: skip
    assert values.with_defaults({}, lead_type=None) == {"market": "b", "tons": 5}
    assert values.with_defaults({"market": "a"}, lead_type="sales") == {"market": "a", "sold": "s"}
    empty = {"market": "b", "tons": None}
    assert values.with_defaults(empty, lead_type=None) == empty


@pytest.mark.parametrize("empty", [{}, {"industry": None}, {"industry": ""}, {"industry": []}])
def test_a_required_field_must_be_filled_where_it_belongs(empty: dict[str, object]) -> None:
    assert codes(TRADE.missing(empty, lead_type="sales")) == [("/fields/industry", "required")]
    assert TRADE.missing(empty, lead_type="procurement") == []


def test_what_is_missing_can_be_asked_for_some_keys_or_the_public_form() -> None:
    current = {"market": "b"}
    some = TRADE.missing(current, lead_type="sales", keys=["note", "old", "nowhere"])
    public = TRADE.missing(current, lead_type="sales", public_only=True)
    assert codes(some + public) == [("/fields/note", "required"), ("/fields/tons", "required")]


def test_false_and_zero_are_not_empty() -> None:
    values = FieldValues([field("boolean", "yes", required=True), field("integer", "n", required=True)])
    assert values.missing({"yes": False, "n": 0}, lead_type=None) == []


@pytest.mark.parametrize(("field_type", "one_", "other"), [
    ("text", "Ann", "aNN"), ("email", "Ann@example.com", "ann@example.com"),
    ("phone", "+49 (30) 12345", "+49-30-12345"),
    ("decimal", "1.0", "1.00"), ("decimal", "10", "10.0"),
    ("url", "https://EXAMPLE.com/A", "https://example.com/A"),
    ("decimal", "12345678901234567890.0123456780", "12345678901234567890.012345678"),
])  # fmt: skip
def test_the_same_thing_makes_the_same_claim(field_type: str, one_: str, other: str) -> None:
    values = FieldValues([field(field_type, unique=True)])
    assert values.claims({"x": one_}) == values.claims({"x": other}) != []


def test_different_things_make_different_claims_and_nothing_makes_none() -> None:
    made = FieldValues([field("decimal", unique=True), field("date", "y"), field("phone", "p", unique=True)])
    assert made.claims({"x": "10", "y": "a"}) == ["x:10"]
    assert made.claims({"x": "1.50", "p": "+1 555 1234 x5"}) == ["x:1.5", "p:+15551234x5"]
    assert made.claims({"x": "", "p": None}) == []


def test_only_searchable_texts_are_searched() -> None:
    values = FieldValues([field(searchable=True), field(field_key="y"), field("email", "e", searchable=True)])
    assert values.searchable({"x": "one", "y": "two", "e": ""}) == ["one"]


@pytest.mark.parametrize(("field_type", "text", "value"), [
    ("text", "a", "a"), ("integer", "5", 5), ("decimal", "05.0", "5.0"), ("money", "500", 500),
    ("boolean", "true", True),
    ("boolean", "false", False), ("date", "2024-01-01", "2024-01-01"), ("select", "retired", "retired"),
    ("datetime", "2024-01-01T00:00:00+01:00", "2023-12-31T23:00:00.000Z"), ("multi_select", "a", "a"),
    ("user", "u1", "u1"),
])  # fmt: skip
def test_a_query_string_speaks_of_stored_values(field_type: str, text: str, value: object) -> None:
    assert FieldValues([field(field_type)]).comparable("x", text) == value


@pytest.mark.parametrize(("field_type", "text", "code"), [
    ("integer", "five", "int_type"), ("boolean", "yes", "bool_type"), ("json", "{}", "not_comparable"),
    ("decimal", "NaN", "not_a_decimal"), ("text", "\x00", "control_character"),
    ("user", "$x", "string_pattern_mismatch"),
])  # fmt: skip
def test_a_query_string_that_cannot_be_compared_is_refused(field_type: str, text: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        FieldValues([field(field_type)]).comparable("x", text)
    assert codes(list(caught.value.faults)) == [("/field.x", code)]
    with pytest.raises(Invalid):
        FieldValues([]).comparable("x", text)


plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
int64 = st.integers(-(2**63), 2**63 - 1)
scalar = st.none() | st.booleans() | int64 | st.floats(allow_nan=False, allow_infinity=False) | plain
SOME = {
    "text": plain, "long_text": plain, "boolean": st.booleans(),
    "integer": int64 | int64.map(str),
    "decimal": st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", fullmatch=True) | int64,
    "money": st.fixed_dictionaries({"amount": st.integers(-(2**40), 2**40), "currency": st.just("EUR")}),
    "date": st.dates().map(str), "email": st.emails(),
    "datetime": st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    "phone": st.from_regex(r"\+?[0-9 ()]{5,20}", fullmatch=True),
    "url": st.from_regex(r"https?://[a-z]{1,9}\.com/[!-~]*", fullmatch=True),
    "select": st.sampled_from("abc"), "multi_select": st.lists(st.sampled_from("abc"), unique=True),
    "user": st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True),
    "json": st.recursive(scalar, lambda inner: st.lists(inner) | st.dictionaries(plain, inner)),
}  # fmt: skip
ALL = FieldValues([field(kind, kind) for kind in SOME])
rough = scalar | st.floats() | st.integers() | st.text(st.characters(exclude_categories=[]))
anything = st.recursive(rough, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional=SOME))
def test_what_was_converted_converts_to_itself_and_survives_the_database(given_: dict[str, object]) -> None:
    kept, faults = ALL.convert(given_, lead_type=None)
    assert {fault.pointer.split("/")[2] for fault in faults} <= {"email", "phone", "url", "json", "datetime"}
    assert bson.decode(bson.encode(kept)) == kept
    assert ALL.convert(kept, lead_type=None) == (kept, [])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*SOME, "unknown"]), anything))
def test_whatever_is_sent_is_kept_or_refused_but_never_crashes(given_: dict[str, object]) -> None:
    kept, faults = ALL.convert(given_, lead_type=None)
    assert all(fault.pointer.encode() and fault.detail.encode() for fault in faults)
    assert ALL.convert(kept, lead_type=None) == (bson.decode(bson.encode(kept)), [])
    ALL.claims(kept), ALL.searchable(kept)
