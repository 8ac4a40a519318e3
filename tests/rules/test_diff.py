"""What differs between two documents, and the way back."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lead_crm.diff import differences, undo
from lead_crm.errors import escape, unescape

values = st.none() | st.integers(-2, 2) | st.text("a/~", max_size=2) | st.lists(st.integers(0, 1), max_size=2)
tasks = st.lists(st.fixed_dictionaries({"uid": st.sampled_from("abc"), "title": values, "due_at": values}),
                 max_size=3, unique_by=lambda task: task["uid"])  # fmt: skip
documents = st.fixed_dictionaries({
    "name": values, "a/b~c": values, "tasks": tasks,
    "fields": st.dictionaries(st.sampled_from(["x", "y/z", "~1"]), values.filter(lambda value: value is not None)),
})  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(documents, documents)
def test_undoing_what_differs_leads_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    back = copy.deepcopy(new)
    undo(back, differences(old, new))
    assert back == old


def test_undoing_brings_back_a_task_that_was_taken_away() -> None:
    old: dict[str, Any] = {"tasks": [{"uid": "t", "title": "Call"}]}
    back: dict[str, Any] = {"tasks": []}
    undo(back, differences(old, {"tasks": []}))
    assert back == old


@given(documents)
def test_nothing_differs_from_itself(document: dict[str, Any]) -> None:
    assert list(differences(document, copy.deepcopy(document))) == []


@pytest.mark.parametrize(("old", "new", "pointers"), [
    ({"name": "a"}, {"name": "b"}, ["/name"]), ({"n": 1}, {"n": True}, ["/n"]), ({"n": None}, {"n": 0}, ["/n"]),
    ({"address": {"city": "a"}}, {"address": {"city": "b"}}, ["/address"]),
    ({"fields": {"a": 1, "b": 2}}, {"fields": {"b": 3, "c/d": 4}}, ["/fields/a", "/fields/b", "/fields/c~1d"]),
    ({"fields": {"a": 1}}, {"fields": {"a": True}}, ["/fields/a"]),
    ({"fields": {"a": [1]}}, {"fields": {"a": [True]}}, ["/fields/a"]),
    ({"tasks": [{"uid": "t", "title": "a"}]}, {"tasks": [{"uid": "t", "title": "b"}]}, ["/tasks/t/title"]),
    ({"tasks": [{"uid": "t"}, {"uid": "u"}]}, {"tasks": [{"uid": "u"}, {"uid": "t"}]}, ["/tasks"]),
    ({"tasks": []}, {"tasks": [{"uid": "t"}]}, ["/tasks/t"]), ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, ["/tags"]),
])  # fmt: skip
def test_a_difference_points_at_what_differs(old: Any, new: Any, pointers: list[str]) -> None:
    assert [difference["pointer"] for difference in differences(old, new)] == pointers


@given(st.text("a/~01", max_size=6))
def test_a_step_of_a_pointer_comes_back_and_hides_no_other_step(step: str) -> None:
    assert unescape(escape(step)) == step
    assert "/" not in escape(step)
