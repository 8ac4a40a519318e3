"""The work list by any filters, in pages of any length: all that there is to do, each task once, in order."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lead_crm.documents import now
from tests.api.steps import Row, Rows, pages, uids
from tests.api.test_work_list import LIST, bare
from tests.cast import Cast

FAR = "9999-12-31T00:00:00Z"
KINDS = ("call", "visit")

filters = st.fixed_dictionaries({}, optional={
    "kind": st.sampled_from(KINDS), "overdue": st.booleans(),
    "due_from": st.integers(-3, 3), "due_to": st.integers(-3, 3),
    "whose": st.sampled_from(["bob", "carol", "mine"]),
})  # fmt: skip


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """Several of a lead, several at the same moment."""
    people, days, start = (cast.bob.uid, cast.carol.uid, None), (-2, -1, 1, 2, None), now()
    found = Rows()
    for n in range(9):
        holders = [cast.bob.uid] if n % 3 else []
        lead = bare(cast.alice, assigned_to=holders)
        for i in range(4):
            due = days[(n + 2 * i) % 5]
            body = {"kind": KINDS[(n + i) % 2], "assigned_to": people[(n * i) % 3]}
            if due is not None:
                body["due_at"] = (start + timedelta(days=due)).isoformat()
            made = cast.alice.post(f"/api/leads/{lead}/tasks/", {k: v for k, v in body.items() if v}).json()
            found.append(made | {"holders": holders})
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters, limit=st.integers(1, 9), by=st.sampled_from(["alice", "bob"]))
def test_all_pages_together(cast: Cast, rows: Rows, asked: dict[str, Any], limit: int, by: str) -> None:
    client, today = getattr(cast, by), now().date()
    query = {name: asked[name] for name in asked if name in ("kind", "overdue")}
    query |= {name: today + timedelta(days=asked[name]) for name in asked if name.startswith("due_")}
    if whose := asked.get("whose"):
        query |= {"mine": True} if whose == "mine" else {"assigned_to": getattr(cast, whose).uid}
    address = f"{LIST}?{urlencode(query | {'limit': limit}).replace('True', 'true').replace('False', 'false')}"

    told = [row for page in islice(pages(client, address), len(rows) + 2) for row in page["results"]]

    wanted = [row["uid"] for row in rows if _asked(row, query, client.uid, by)]
    assert sorted(uids(told)) == sorted(wanted)
    dues = [datetime.fromisoformat(row["due_at"] or FAR) for row in told]
    assert dues == sorted(dues)


def _asked(row: Row, query: dict[str, Any], asker: str, by: str) -> bool:
    due = datetime.fromisoformat(row["due_at"]) if row["due_at"] else None
    doers = [row["assigned_to"]] if row["assigned_to"] else row["holders"]
    seen = by == "alice" or not row["holders"] or asker in row["holders"]
    late = due is not None and due < now()
    return bool(
        seen
        and query.get("kind") in (None, row["kind"])
        and query.get("overdue") in (None, late)
        and ("due_from" not in query or (due and due.date() >= query["due_from"]))
        and ("due_to" not in query or (due and due.date() <= query["due_to"]))
        and ("assigned_to" not in query or query["assigned_to"] in doers)
        and (not query.get("mine") or asker in doers)
    )
