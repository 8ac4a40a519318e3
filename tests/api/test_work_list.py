"""The work list: whose, what kind, by when; in the order of due times, page by page."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from lead_crm.documents import now
from tests.api.steps import codes, listed, twin, walked
from tests.cast import Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import explained, indexes, noted, stages

LIST = "/api/tasks/"


def task(client: CheckedClient, uid: str, *, kind: str = "call", days: float | None = 1, **values: object) -> str:
    due = {} if days is None else {"due_at": (now() + timedelta(days=days)).isoformat()}
    response = client.post(f"/api/leads/{uid}/tasks/", {"kind": kind, **due, **values})
    assert response.status_code == 201, response.content
    return str(response.json()["uid"])


def bare(client: CheckedClient, **values: object) -> str:
    """A lead without the task that its first stage makes."""
    made = lead(client, **values)
    for one in made["tasks"]:  # type: ignore[attr-defined]
        client.post(f"/api/leads/{made['uid']}/tasks/{one['uid']}/complete/", {})
    return str(made["uid"])


def seen(client: CheckedClient, query: str = "") -> list[str]:
    return [row["uid"] for row in walked(client, f"{LIST}?{query}")]


@pytest.fixture
def uid(cast: Cast) -> str:
    return bare(cast.alice)


def test_the_earliest_come_first_and_those_without_a_time_last(cast: Cast, uid: str) -> None:
    other = bare(cast.alice)
    days = [3, None, 1, 2, None, -1]
    made = {d: task(cast.alice, uid if n % 2 else other, days=d) for n, d in enumerate(days) if d is not None}
    open_ended = {task(cast.alice, uid, days=None), task(cast.alice, other, days=None)}
    told = seen(cast.alice)
    assert told[:4] == [made[-1], made[1], made[2], made[3]]
    assert set(told[4:]) == open_ended


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_pages_show_every_task_once_and_in_order(cast: Cast, limit: int) -> None:
    leads = [bare(cast.alice) for _ in range(4)] + [bare(cast.root, center="south") for _ in range(2)]
    made = []
    for n in range(18):
        days = [5, 1, 5, None, 2, 5][n % 6]
        made.append(task(cast.root, leads[n % 6], days=days))
        made.append(task(cast.root, leads[n % 6], days=None if n % 3 else n / 10 + 0.1))
    told = walked(cast.root, f"{LIST}?limit={limit}")
    assert sorted(row["uid"] for row in told) == sorted(made)
    due = [datetime.fromisoformat(row["due_at"] or "9999-12-31T00:00:00Z") for row in told]
    assert due == sorted(due)


def test_closed_tasks_leave_the_list(cast: Cast, uid: str) -> None:
    one, other, third = (task(cast.alice, uid) for _ in range(3))
    cast.alice.post(f"/api/leads/{uid}/tasks/{one}/complete/", {})
    cast.alice.post(f"/api/leads/{uid}/tasks/{other}/cancel/", {})
    assert seen(cast.alice) == [third]
    assert seen(cast.alice, f"lead={uid}&status=cancelled") == [other]
    assert codes(cast.alice.get(f"{LIST}?status=completed")) == {("/status", "needs_lead")}


def test_mine_are_those_given_to_me_and_those_of_nobody_on_my_leads(cast: Cast) -> None:
    own = bare(cast.bob, assigned_to=[cast.bob.uid])
    shared = bare(cast.alice)
    given = task(cast.alice, shared, days=1, assigned_to=cast.bob.uid)
    nobodys = task(cast.alice, own, days=2)
    carols = task(cast.alice, own, days=3, assigned_to=cast.carol.uid)
    assert seen(cast.bob, "mine=true") == [given, nobodys]
    assert seen(cast.alice, f"assigned_to={cast.carol.uid}") == [carols]
    assert seen(cast.alice, "mine=true") == []
    assert seen(cast.bob) == [given, nobodys, carols]


def test_mine_and_somebodys_do_not_go_together(cast: Cast, uid: str) -> None:
    made = task(cast.alice, uid, assigned_to=cast.carol.uid)
    for whose in (cast.carol, cast.alice):
        for more in ("", f"&lead={uid}", "&lead=nowhere"):
            refused = cast.alice.get(f"{LIST}?mine=true&assigned_to={whose.uid}{more}")
            assert (refused.status_code, codes(refused)) == (422, {("/assigned_to", "not_both")})
    assert "mine=true" in refused.json()["errors"][0]["detail"]
    all_at_once = cast.alice.get(f"{LIST}?mine=true&assigned_to=x&status=completed")
    assert codes(all_at_once) == {("/assigned_to", "not_both"), ("/status", "needs_lead")}
    assert seen(cast.alice, f"mine=false&assigned_to={cast.carol.uid}") == [made]


def test_agents_see_no_tasks_of_their_colleagues_leads(cast: Cast) -> None:
    hers = bare(cast.alice, assigned_to=[cast.carol.uid])
    made = task(cast.alice, hers)
    secret = task(cast.alice, hers, assigned_to=cast.bob.uid)
    assert seen(cast.carol) == [made, secret]
    assert seen(cast.bob) == seen(cast.bob, "mine=true") == []
    assert seen(cast.charlie) == seen(cast.charlie, "center=north") == []
    assert cast.charlie.get(f"{LIST}?lead={hers}").status_code == 404


def test_by_kind_and_by_day(cast: Cast, uid: str) -> None:
    call, visit = task(cast.alice, uid, days=1), task(cast.alice, uid, kind="visit", days=2)
    late = task(cast.alice, uid, days=-2)
    day = (now() + timedelta(days=2)).date()
    assert seen(cast.alice, "kind=visit") == [visit]
    assert seen(cast.alice, f"due_from={day}&due_to={day}") == [visit]
    assert seen(cast.alice, "overdue=true") == [late]
    assert seen(cast.alice, "overdue=false") == [call, visit]
    assert seen(cast.alice, "kind=call&overdue=true") == [late]
    assert [row["overdue"] for row in walked(cast.alice, LIST)] == [True, False, False]


def test_a_task_says_whom_it_is_for(cast: Cast) -> None:
    uid = bare(cast.alice, email="ada@example.com")
    task(cast.alice, uid)
    shown: dict[str, Any] = listed(cast.alice, path=LIST)["results"][0]["lead"]
    assert (shown["uid"], shown["name"], shown["email"]) == (uid, "Ada Lovelace", "ada@example.com")


def test_a_trainer_sees_own_tasks_without_what_is_personal(cast: Cast) -> None:
    uid = bare(cast.alice, email="ada@example.com")
    task(cast.alice, uid)
    his = task(cast.alice, uid, kind="visit", assigned_to=cast.tom.uid)
    (row,) = walked(cast.tom, LIST)
    assert (row["uid"], row["lead"]["email"]) == (his, None)


def test_a_trainer_who_asks_for_somebody_elses_tasks_is_not_told_his_own(cast: Cast) -> None:
    uid = bare(cast.alice)
    his = task(cast.alice, uid, kind="visit", assigned_to=cast.tom.uid)
    carols = task(cast.alice, uid, assigned_to=cast.carol.uid)
    assert [seen(cast.tom, query) for query in ("", f"assigned_to={cast.tom.uid}", "mine=true")] == [[his]] * 3
    assert seen(cast.tom, f"assigned_to={cast.carol.uid}") == []
    assert set(seen(cast.tom, f"lead={uid}")) == {his, carols}  # who sees the lead sees all of its tasks
    assert seen(cast.tom, f"lead={uid}&assigned_to={cast.carol.uid}") == [carols]


def test_reassigning_the_lead_takes_its_tasks_along(cast: Cast) -> None:
    uid = bare(cast.alice, assigned_to=[cast.bob.uid])
    made = task(cast.alice, uid)
    cast.alice.post(f"/api/leads/{uid}/assign/", {"assigned_to": cast.carol.uid})
    assert (seen(cast.bob, "mine=true"), seen(cast.carol, "mine=true")) == ([], [made])


def test_archived_leads_leave_the_list(cast: Cast, uid: str) -> None:
    task(cast.alice, uid)
    cast.alice.delete(f"/api/leads/{uid}/")
    assert seen(cast.alice) == []


@pytest.mark.parametrize("query", ["", "mine=true", "kind=call", "overdue=true", "assigned_to=bob"])
def test_every_page_walks_along_its_index(cast: Cast, uid: str, query: str) -> None:
    for days in range(6):
        task(cast.alice, uid, days=days)
        task(cast.bob, bare(cast.bob), days=days)
    for client in (cast.root, cast.alice, cast.bob):
        following = twin(client).get(f"{LIST}?limit=2&{query}").json()["next"]
        for address in filter(None, (f"{LIST}?limit=2&{query}", following)):
            with noted() as taken:
                client.get(address.removeprefix("http://testserver"))
            asked = [c for c in taken if c.get("find") == "leads" and c.get("hint") == "work"]
            assert asked
            for command in asked:
                plan = explained(command)
                assert not stages(plan) & {"COLLSCAN", "SORT"}
                assert indexes(plan) == {"work"}


def test_by_kind_the_earliest_is_not_hidden_behind_other_tasks(cast: Cast) -> None:
    """Leads stand in the list by their first task of that kind, not by their first task."""
    owner = {"assigned_to": [cast.bob.uid]}
    one, two, three = (bare(cast.alice, **owner) for _ in range(3))
    for uid, days in ((one, 1), (two, 2)):
        task(cast.alice, uid, kind="visit", days=days)
    late, later, first = (task(cast.alice, uid, days=days) for uid, days in ((one, 10), (two, 20), (three, 3)))
    assert seen(cast.bob, "kind=call&limit=1") == [first, late, later]
    task(cast.alice, one, days=5, assigned_to=cast.carol.uid)
    assert seen(cast.bob, "mine=true&kind=call&limit=1") == [first, late, later]


def test_from_a_day_on_tasks_without_a_day_do_not_count(cast: Cast, uid: str) -> None:
    dated = task(cast.alice, uid, days=2)
    task(cast.alice, uid, days=None)
    assert seen(cast.alice, f"due_from={now().date()}") == [dated]


def test_the_last_day_of_the_calendar_is_a_day(cast: Cast, uid: str) -> None:
    made = task(cast.alice, uid)
    task(cast.alice, uid, days=None)
    for query in ("due_to=9999-12-31", "due_from=0001-01-01", f"due_to=9999-12-31&lead={uid}"):
        assert seen(cast.alice, query) == [made], query


class TestOfOneLead:
    """With `lead` every filter means what it means without."""

    @pytest.fixture
    def hers(self, cast: Cast) -> str:
        """Carol's lead with five tasks, and another with one that is never listed."""
        uid = bare(cast.alice, assigned_to=[cast.carol.uid])
        task(cast.alice, bare(cast.alice, assigned_to=[cast.carol.uid]), days=1)
        for days, more in (
            (-2, {"assigned_to": cast.bob.uid}), (-1, {}), (1, {"kind": "visit"}),
            (2, {"assigned_to": cast.carol.uid}), (None, {}),
        ):  # fmt: skip
            task(cast.alice, uid, days=days, title=f"{days}", **more)
        return uid

    @pytest.mark.parametrize(("query", "titles"), [
        ("", "-2 -1 1 2 None"), ("mine=true", "-1 1 2 None"), ("assigned_to=bob", "-2"),
        ("assigned_to=carol", "-1 1 2 None"),
        ("overdue=true", "-2 -1"), ("overdue=false", "1 2 None"), ("due_from=today", "1 2"), ("due_to=today", "-2 -1"),
        ("due_from=today&due_to=tomorrow", "1"), ("kind=visit", "1"), ("center=north", "-2 -1 1 2 None"),
        ("center=south", ""), ("mine=true&overdue=true&kind=call", "-1"), ("status=cancelled", ""),
    ])  # fmt: skip
    def test_filters_mean_the_same(self, cast: Cast, hers: str, query: str, titles: str) -> None:
        today = now().date()
        for word, real in (
            ("today", f"{today}"), ("tomorrow", f"{today + timedelta(days=1)}"), ("=bob", f"={cast.bob.uid}"),
            ("=carol", f"={cast.carol.uid}"),
        ):  # fmt: skip
            query = query.replace(word, real)
        told = listed(cast.carol, f"{query}&lead={hers}", path=LIST)
        assert [row["title"] for row in told["results"]] == titles.split()
        assert (told["count"], told["count_capped"]) == (len(titles.split()), False)
        if "status" not in query:
            everywhere = [row for row in walked(cast.carol, f"{LIST}?{query}") if row["lead"]["uid"] == hers]
            assert [row["title"] for row in everywhere] == titles.split()

    @pytest.mark.parametrize("limit", [1, 2, 5, 6])
    def test_pages_show_every_task_once(self, cast: Cast, hers: str, limit: int) -> None:
        first = listed(cast.carol, f"limit={limit}&lead={hers}", path=LIST)
        assert (len(first["results"]), first["count"]) == (min(limit, 5), 5)
        rows = walked(cast.carol, f"{LIST}?limit={limit}&lead={hers}")
        assert [row["title"] for row in rows] == ["-2", "-1", "1", "2", "None"]

    def test_closed_ones_are_somebodys_too_and_never_overdue(self, cast: Cast, hers: str) -> None:
        for row in walked(cast.alice, f"{LIST}?lead={hers}&overdue=true"):
            assert cast.alice.post(f"/api/leads/{hers}/tasks/{row['uid']}/cancel/", {}).status_code == 200
        for query, titles in (
            ("", ["-2", "-1"]),
            ("mine=true", ["-1"]),
            ("overdue=true", []),
            ("overdue=false", ["-2", "-1"]),
        ):
            rows = walked(cast.carol, f"{LIST}?lead={hers}&status=cancelled&{query}")
            assert [row["title"] for row in rows] == titles

    def test_a_merged_one_leads_on_to_its_winner(self, cast: Cast, hers: str) -> None:
        other = bare(cast.alice)
        assert cast.alice.post(f"/api/leads/{hers}/merge/", {"lead": other}).status_code == 200
        answer = cast.alice.get(f"{LIST}?kind=visit&lead={other}")
        assert (answer.status_code, answer.content) == (307, b"")
        assert [row["title"] for row in cast.alice.get(answer["Location"]).json()["results"]] == ["1"]
        assert cast.charlie.get(f"{LIST}?lead={other}").status_code == 404
