"""What clients send is read strictly: every fault with its pointer, nothing dangerous, nothing echoed."""

import copy
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lead_crm.errors import Invalid, NotJson
from lead_crm.strict import MAX_ARRAY, MAX_DEPTH, parse, read_body, read_query
from leads import messages
from leads.bulk_messages import BulkIn
from leads.messages import ActivityIn, LeadIn, LeadPatch, LeadQuery, NotesIn, TransitionIn
from leads.past_messages import AsOfQuery, DiffQuery
from leads.views_messages import ViewIn
from tests.rules.making import faults
from tests.rules.test_edit import FULL
from tests.rules.test_stored import FIELDS
from workflow.documents import ConfigPatch, Settings, StageIn, StagePatch

SECRET = "s3cr3t-val"  # as long as a date
STAGE = {"name": "A", "wip_limit": {"max": 3},
    "task_templates": [{"uid": "t", "kind": "k", "title": "T", "due_in_days": 1}],
         "allowed_next_stages": ["x"], "probability": 0.5, "uid": "u", "slug": "s", "order": 1}  # fmt: skip
VISIBLE = {"visible_if": {"field": "y", "equals": ["a"]}}
CONFIG = {
    "variables": [{"field_key": kind, "field_type": kind} | VISIBLE | FIELDS[kind] for kind in ("date", "money",
        "select")],
    "scoring": Settings().scoring.model_dump(), "temperature": {"hot_days": 1}, "lead_id": {"period": "year"},
    "tags": ["t"],
    "task_kinds": [{"key": "k", "label": "K", "fields": [{"field_key": "f", "field_type": "text"}]}],
}  # fmt: skip
BODIES: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "lead": (LeadIn, FULL | {"name": "A", "assigned_to": ["bob"], "center": "north"}), "patch": (LeadPatch, FULL),
    "stage": (StageIn, STAGE), "stage patch": (StagePatch, {k: STAGE[k] for k in STAGE if k != "uid"}),
    "config": (ConfigPatch, CONFIG), "assign": (messages.AssignIn, {"assigned_to": ["b"]}),
    "task": (messages.TaskIn, {"kind": "k", "due_at": "2026-01-01T00:00:00Z", "fields": {"a": 1}}),
    "complete": (messages.CompleteIn, {"outcome": "o", "notes": "n", "completed_at": "2026-01-01T00:00:00Z"}),
    "move": (messages.TransitionIn,
        {"to_stage": "s", "fields": {"a": [1]}, "position": "top", "force": True, "reason": "r"}),
    "card": (messages.KanbanMoveIn, {"lead": "l", "to_stage": "s", "before": "b"}),
    "activity": (ActivityIn, {"kind": "note", "body": "b", "meta": {"a": {"b": 1}}}),
}  # fmt: skip
JUNK = [None, -1, 1.5, SECRET, [], {}, {"junk": 1}, [5]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def spoiled(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in places(body):
        for junk in JUNK if path else ():
            copied = inner = copy.deepcopy(body)
            for part in path[:-1]:
                inner = inner[part]
            inner[path[-1]] = junk
            yield copied


def found(model: type[BaseModel], body: dict[str, Any]) -> list[Any]:
    try:
        read_body(model, orjson.dumps(body, default=str, option=orjson.OPT_PASSTHROUGH_SUBCLASS))
    except Invalid as invalid:
        return list(invalid.faults)
    except (NotJson, TypeError):
        return []
    return []


def leads_somewhere(pointer: str, code: str, data: Any) -> bool:
    """To something that was sent, or to what is missing from something that was sent."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]] or [""]
    for part in path:
        data = data[int(part)] if isinstance(data, list) else data[part]
    if isinstance(data, list):
        return int(last) < len(data)
    return pointer == "" or last in data or code == "required"


@pytest.mark.parametrize("name", BODIES)
def test_every_pointer_leads_to_what_was_sent(name: str) -> None:
    """Names of union members, which Pydantic mixes in, are not among them."""
    model, body = BODIES[name]
    assert found(model, body) == []
    lost = [
        (fault.pointer, fault.code) for wrong in spoiled(body) for fault in found(model, wrong)
        if not leads_somewhere(fault.pointer, fault.code, wrong)
    ]  # fmt: skip
    assert set(lost) == set()


@pytest.mark.parametrize("name", BODIES)
def test_what_was_sent_is_never_echoed(name: str) -> None:
    model, body = BODIES[name]
    details = {fault.detail for wrong in spoiled(body) for fault in found(model, wrong)}
    assert details
    assert {detail for detail in details if SECRET in detail} == set()


@pytest.mark.parametrize("name", BODIES)
def test_unknown_keys_are_refused_wherever_they_stand(name: str) -> None:
    model, body = BODIES[name]
    assert [(f.pointer, f.code) for f in found(model, body | {"no/pe": 1})] == [("/no~1pe", "unknown_key")]


def test_unknown_keys_inside_are_refused_too() -> None:
    assert [f.pointer for f in found(LeadIn,
        {"name": "A", "address": {"planet": 1}, "contacts": [{"name": "B", "x": 1}]})] == [
        "/address/planet", "/contacts/0/x"
    ]  # fmt: skip


def test_a_key_that_is_written_elsewhere_says_where() -> None:
    (fault,) = found(LeadPatch, {"current_stage": "won"})
    assert (fault.pointer, fault.code) == ("/current_stage", "read_only")
    assert "/transition/" in fault.detail


@pytest.mark.parametrize(("body", "expected"), [
    ('{"a": {"$gt": 1}}', [("/a/$gt", "forbidden_key")]), ('{"a.b": 1}', [("/a.b", "forbidden_key")]),
    ('{"a\\u0000": 1}', [("/a\x00", "forbidden_key")]), ('{"a": "b\\u0000"}', [("/a", "nul_byte")]),
    ('{"a": [{"$where": "x"}], "b": "\\u0000"}', [("/a/0/$where", "forbidden_key"), ("/b", "nul_byte")]),
    ("[]", [("", "not_an_object")]), ("5", [("", "not_an_object")]), ("null", [("", "not_an_object")]),
    ('{"a": ' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}", []),
    ('{"a": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", [("/a" + "/0" * (MAX_DEPTH - 1), "too_deep")]),
    ('{"a": [' + ",".join("1" * MAX_ARRAY) + "]}", []),
    ('{"a": [' + ",".join("1" * (MAX_ARRAY + 1)) + "]}", [("/a", "too_long")]),
], ids=str)  # fmt: skip
def test_what_no_query_must_ever_see_is_refused(body: str, expected: list[tuple[str, str]]) -> None:
    if not expected:
        assert parse(body.encode())
        return
    with pytest.raises(Invalid) as caught:
        parse(body.encode())
    assert faults(caught) == expected


@pytest.mark.parametrize("body", [
    b"{", b"nope", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": ' + b"9" * 400 + b"}",
    b'{"a": 1e999}',
    b'{"a": "\\ud800"}', b'{"\\ud800": 1}', b'{"a": "\xff"}', b"\xff\xfe{}", b'{"a": 1} x', b"{'a': 1}",
    b'{"a": 01}', b"[" * 5000,
], ids=lambda body: repr(body[:14]))  # fmt: skip
def test_what_is_not_json_is_not_read(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_body(LeadIn, body)


def test_where_nothing_has_to_be_said_nothing_has_to_be_sent() -> None:
    assert read_body(NotesIn, b"") == NotesIn()
    for needs in (TransitionIn, LeadPatch):  # what a patch without a body would mean is not guessed
        with pytest.raises(NotJson):
            read_body(needs, b"")


@pytest.mark.parametrize(("value", "code"), [
    ("2026-W01-1", "invalid"), ("2026-02-30", "invalid"), ("20260101", "invalid"), (SECRET, "invalid"),
    (20260101, "string_type"),
])  # fmt: skip
def test_a_day_is_a_day_of_the_calendar(value: object, code: str) -> None:
    assert [f.code for f in found(LeadIn, {"name": "A", "expected_close_on": value})] == [code]


@pytest.mark.parametrize("text", ["2026-12-01T10:00:00Z", "2026-12-01T10:00:00.000+00:00", "2026-12-01T11:00:00+01:00"])
def test_a_moment_in_a_body_is_read_in_any_offset(text: str) -> None:
    task = read_body(messages.TaskIn, orjson.dumps({"kind": "call", "due_at": text}))
    assert task.due_at == datetime(2026, 12, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", "2026-13-01T00:00:00Z", [], {}]
)
def test_a_moment_that_is_none_is_a_fault_not_a_crash(value: object) -> None:
    assert [f.pointer for f in found(LeadIn, {"name": "A", "next_follow_up_at": value})] == ["/next_follow_up_at"]


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63),
    2**63 - 1) | st.text("a$./~\x00") | st.just(math.pi),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab$./~"), inner)))  # fmt: skip
def test_whatever_is_sent_is_read_or_refused_but_never_crashes(value: object) -> None:
    for name in ("meta", "kind", "body", "x"):
        assert all(fault.code for fault in found(ActivityIn, {"body": "b", name: value}))


@pytest.mark.parametrize(("query", "expected"), [
    ("foo=1&limit=x", [("/foo", "unknown_key"), ("/limit", "int_parsing")]),
    ("limit=1&limit=2", [("/limit", "repeated")]),
    ("q=a%00b", [("/q", "nul_byte")]), ("q=%ff", [("/q", "not_unicode")]),
    ("limit=201", [("/limit", "less_than_equal")]),
    ("status=open,nope", [("/status", "literal_error")]), ("$where=1", [("/$where", "unknown_key")]),
    ("score_min=1&score_max=101&hot=maybe", [("/hot", "bool_parsing"), ("/score_max", "less_than_equal")]),
])  # fmt: skip
def test_query_parameters_are_read_as_strictly(query: str, expected: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as caught:
        read_query(LeadQuery, query)
    assert sorted((pointer.split("/1")[0], code) for pointer, code in faults(caught)) == expected


def test_query_parameters_of_custom_fields_are_gathered() -> None:
    query = read_query(LeadQuery, "field.budget=5&field.n_min=1&tags=a,b&limit=5")
    assert (query.field, query.tags, query.limit) == ({"budget": "5", "n_min": "1"}, ["a", "b"], 5)


@pytest.mark.parametrize("value", ["x", "2026-13-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00Z", "today+x", ""])
def test_a_time_that_may_be_written_in_several_ways_has_one_fault(value: str) -> None:
    for model, name, ways in ((LeadQuery, "created_from", 3), (AsOfQuery, "at", 2), (DiffQuery, "from", 2)):
        with pytest.raises(Invalid) as caught:
            read_query(model, urlencode({name: value}))
        (fault,) = caught.value.faults
        assert (fault.pointer, fault.code) == (f"/{name}", "invalid")
        assert [way in fault.detail for way in ("2026-11-21,", "2026-11-21T10:00:00Z", "today+7")] == [
            True, True, ways == 3,
        ]  # fmt: skip


@pytest.mark.parametrize("value", ["2026-11-21", "2026-11-21T10:00:00+01:00", "today", "today+7"])
def test_each_way_of_writing_a_time_is_read(value: str) -> None:
    assert read_query(LeadQuery, urlencode({"created_from": value})).created_from


def test_a_time_is_no_number() -> None:
    """Where JSON is read as a query is, too."""
    bulk = {"action": "archive", "filter": {"created_from": 5}}
    assert [(fault.pointer, fault.code) for fault in found(BulkIn, bulk)] == [("/filter/created_from", "invalid")]


@pytest.mark.parametrize("model", [BulkIn, ViewIn])
def test_a_filter_by_a_field_that_is_written_as_in_an_address_says_how_it_is_in_json(model: type[BaseModel]) -> None:
    (fault,) = found(model, {"name": "a", "filters": {"field.industry": "x"}})
    assert (fault.pointer, fault.code) == ("/filters/field.industry", "forbidden_key")
    assert '{"field": {"industry": ...}}' in fault.detail
    (fault,) = found(model, {"filters": {"a.b": "x"}})
    assert '"field"' not in fault.detail
