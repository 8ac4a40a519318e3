"""Leads at rest for as long as the config says are archived, or erased, by the CRM itself."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from lead_crm import mongo
from lead_crm.documents import now
from leads import recount, service
from management import privacy, retention
from tests.api.steps import codes, found, read, relaxed, rewrite
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import explained, indexes, name, noted, stages

Row = dict[str, Any]


def rules(cast: Cast, *given: Row) -> None:
    response = cast.root.patch("/api/config/", {"retention": {"rules": list(given)}})
    assert response.status_code == 200, response.content


def aged(client: CheckedClient, days: int, *, made: int | None = None, **values: object) -> str:
    """A lead last changed so long ago."""
    uid = str(lead(client, **values)["uid"])
    then = now() - timedelta(days=days)
    rewrite(uid, updated_at=then, created_at=now() - timedelta(days=made or days), stage_entered_at=then)
    return uid


def applied(client: CheckedClient, **body: object) -> list[Row]:
    response = client.post("/api/privacy/retention/", body)
    assert response.status_code == 200, response.content
    results: list[Row] = response.json()["results"]
    return results


ARCHIVE: Row = {"action": "archive", "status": ["open"], "after_days": 30}
ERASE: Row = {"action": "erase", "status": ["archived"], "after_days": 60}


def test_leads_at_rest_are_archived_and_others_are_not(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    old, changed = aged(cast.alice, 31), aged(cast.alice, 29, made=400)
    (verdict,) = applied(cast.root)
    assert (verdict["leads"], verdict["done"], verdict["skipped"], verdict["complete"]) == (1, 1, 0, True)
    assert verdict["examples"] == [old]
    assert found(cast.alice, "") == {changed}
    line = read(cast.alice, old)["activities"][-1]
    assert (line["kind"], line["meta"]["new"], line["actor"]) == ("status_change", "archived", "system")


def test_archived_ones_are_erased_counting_from_the_archiving(cast: Cast) -> None:
    rules(cast, ARCHIVE, ERASE)
    uid = aged(cast.alice, 400, name="Quetzalcoatl")
    assert [verdict["done"] for verdict in applied(cast.root)] == [1, 0]
    rewrite(uid, updated_at=now() - timedelta(days=61))
    assert [verdict["done"] for verdict in applied(cast.root)] == [0, 1]
    tombstone = read(cast.alice, uid)
    assert (tombstone["name"], tombstone["updated_by"]) == ("Erased person", "system")
    assert tombstone["activities"][-1]["body"] == "Erased: At rest for 60 days."
    assert [verdict["leads"] for verdict in applied(cast.root)] == [0, 0]


def test_a_merged_lead_goes_with_its_winner(cast: Cast) -> None:
    rules(cast, ARCHIVE, ERASE)
    winner, loser = lead(cast.alice)["uid"], lead(cast.alice, company="Mill")["uid"]
    assert cast.alice.post(f"/api/leads/{winner}/merge/", {"lead": loser}).status_code == 200
    then = now() - timedelta(days=90)
    rewrite(loser, updated_at=then, created_at=then)
    assert [verdict["leads"] for verdict in applied(cast.root)] == [0, 0]
    cast.alice.delete(f"/api/leads/{winner}/")
    rewrite(winner, updated_at=then, created_at=then)
    assert [(verdict["leads"], verdict["done"]) for verdict in applied(cast.root)][1] == (1, 1)
    row = mongo.collection("leads").find_one({"type": "lead", "uid": loser})
    assert row is not None
    assert (row["company"], row["erased_at"] is None, row["keys"]["shelf"]) == (None, False, "merged/north")


def test_all_centres_and_every_status_named_are_gone_through(cast: Cast) -> None:
    relaxed(cast.root)
    rules(cast, {"action": "erase", "status": ["won", "lost", "archived"], "after_days": 10})
    gone = [aged(client, 11, name=f"Nr {n}") for client in (cast.alice, cast.charlie) for n in range(3)]
    for uid, status in zip(gone, ("won", "lost", "archived") * 2, strict=True):
        rewrite(uid, status=status)
        if status == "archived":
            center = read(cast.root, uid)["center"]
            rewrite(uid, keys__shelf=f"archived/{center}")
    stays = aged(cast.alice, 11)
    assert {read(cast.root, uid)["center"] for uid in gone} == {NORTH, SOUTH}
    (verdict,) = applied(cast.root)
    assert (verdict["leads"], verdict["done"], set(verdict["examples"])) == (6, 6, set(gone))
    assert read(cast.alice, stays)["erased_at"] is None


def test_a_dry_run_counts_and_changes_nothing(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    old = {aged(cast.alice, 40, name=f"Nr {n}") for n in range(12)}
    (verdict,) = applied(cast.root, dry_run=True)
    assert (verdict["leads"], verdict["done"], len(verdict["examples"])) == (12, 0, 10)
    assert set(verdict["examples"]) < old
    assert found(cast.alice, "") == old


def test_a_lead_that_changes_meanwhile_is_left_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between being found and being written."""
    rules(cast, {"action": "erase", "status": ["won"], "after_days": 30}, ARCHIVE)
    uids = [aged(cast.alice, 40), aged(cast.alice, 40)]
    rewrite(uids[0], status="won")
    for module, operation in ((privacy, "erase"), (service, "archive")):
        real = getattr(module, operation)

        def late(uid: str, *args: Any, real: Any = real, **named: Any) -> Any:
            assert cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"}).status_code == 200
            return real(uid, *args, **named)

        monkeypatch.setattr(module, operation, late)
    assert [(one["leads"], one["done"], one["skipped"]) for one in applied(cast.root)] == [(1, 0, 1), (1, 0, 1)]
    assert [(read(cast.alice, uid)["erased_at"], read(cast.alice, uid)["archived_at"]) for uid in uids] == [
        (None, None)
    ] * 2  # fmt: skip


def test_a_run_that_is_stopped_goes_on_with_the_next(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    for n in range(5):
        aged(cast.alice, 40, name=f"Nr {n}")
    asked = iter([True, True, False])

    def run(going: retention.Going) -> Row:
        (verdict,) = retention.apply(by=None, now=now(), dry_run=False, going=going, say=str)
        return verdict

    first = run(lambda: next(asked))
    assert (first["done"], first["complete"]) == (2, False)
    second = run(lambda: True)
    assert (second["leads"], second["done"], second["complete"]) == (3, 3, True)


def test_candidates_are_read_along_an_index_and_young_leads_not_at_all(cast: Cast) -> None:
    rules(cast, ARCHIVE, ERASE)
    aged(cast.alice, 40)
    for n in range(20):
        lead(cast.alice, name=f"Nr {n}")
    with noted() as commands:
        applied(cast.root, dry_run=True)
    walks = [c for c in commands if name(c) == "find" and "created_at" in c["filter"]]
    assert len(walks) == 4  # one for each centre and shelf
    for command in walks:
        plan = explained(command, verbosity="executionStats")
        assert (stages(plan) & {"COLLSCAN", "SORT"}, indexes(plan)) == (set(), {"newest"})
        assert plan["executionStats"]["totalDocsExamined"] <= 1


def test_what_is_done_is_noted_with_who_asked(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    uid = aged(cast.alice, 40)
    applied(cast.root)
    (entry,) = cast.root.get(f"/api/audit/?lead={uid}&action=change").json()["results"]
    assert (entry["actor"], entry["what"]) == (cast.root.uid, "apply_retention")


def test_only_who_sees_all_centres_and_may_erase_can_ask_for_it(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    for client in (cast.alice, cast.bob, cast.vera, cast.tom):
        assert client.post("/api/privacy/retention/", {"dry_run": True}).status_code == 403
    assert cast.nobody.post("/api/privacy/retention/", {}).status_code == 401


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"action": "erase", "status": ["won", "open"], "after_days": 9}, "/retention/rules/0/status/1"),
        ({"action": "erase", "status": ["on_hold"], "after_days": 9}, "/retention/rules/0/status/0"),
        ({"action": "archive", "status": ["archived"], "after_days": 9}, "/retention/rules/0/status/0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(cast: Cast, rule: Row, pointer: str) -> None:
    refused = cast.root.patch("/api/config/", {"retention": {"rules": [rule]}})
    assert (refused.status_code, codes(refused)) == (422, {(pointer, "not_at_rest")})


def test_the_command_says_how_far_it_is(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    rules(cast, ARCHIVE)
    uids = [aged(cast.alice, 40 - n, name=f"Nr {n}") for n in range(5)]

    def run(*arguments: str) -> list[str]:
        said = StringIO()
        call_command("apply_retention", *arguments, stdout=said)
        return said.getvalue().splitlines()

    assert run("--dry-run") == [
        "archive open after 30 days: 2 found, 0 done, 0 changed meanwhile, 2 looked at",
        "archive open after 30 days: 4 found, 0 done, 0 changed meanwhile, 4 looked at",
        "archive open after 30 days: 5 found, 0 done, 0 changed meanwhile",
        f"  for example {', '.join(uids)}",
    ]
    assert len(found(cast.alice, "")) == 5
    assert run()[-2] == "archive open after 30 days: 5 found, 5 done, 0 changed meanwhile"
    assert found(cast.alice, "") == set()
    assert mongo.collection("leads").count_documents({"type": "lead", "status": "archived"}) == 5


def test_without_rules_nothing_happens(cast: Cast) -> None:
    aged(cast.alice, 4000)
    assert applied(cast.root) == []


def recounted(cast: Cast, base: int) -> None:
    scoring = cast.root.get("/api/config/").json()["scoring"]
    assert cast.root.patch("/api/config/", {"scoring": scoring | {"base": base}}).status_code == 200
    recount.run(lambda: True, now=now())


def test_a_recount_of_scores_disturbs_nobody_at_rest(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    uid = aged(cast.alice, 31)
    recount.run(lambda: True, now=now())
    before = read(cast.alice, uid)
    for base in (41, 42):
        recounted(cast, base)
    after = read(cast.alice, uid)
    assert (after["version"], after["score"]) == (before["version"] + 2, before["score"] - 8)
    assert [verdict["done"] for verdict in applied(cast.root)] == [1]
    assert read(cast.alice, uid)["status"] == "archived"


def test_who_comes_after_a_recount_does_disturb(cast: Cast) -> None:
    rules(cast, ARCHIVE)
    uid = aged(cast.alice, 31)
    recount.run(lambda: True, now=now())
    recounted(cast, 41)
    assert cast.alice.post(f"/api/leads/{uid}/activities/", {"body": "Still there?"}).status_code == 201
    assert [verdict["leads"] for verdict in applied(cast.root)] == [0]


def test_what_a_recount_remembers_is_no_difference(cast: Cast) -> None:
    uid = aged(cast.alice, 31)
    recount.run(lambda: True, now=now())
    recounted(cast, 41)
    row = mongo.collection("leads").find_one({"type": "lead", "uid": uid})
    assert row
    assert row["touched_at"] < row["updated_at"]
    assert {change["pointer"] for change in row["changes"][-1]["changes"]} <= {"/score", "/score_reasons"}
    assert "touched_at" not in read(cast.alice, uid)
    then = cast.alice.get(f"/api/leads/{uid}/as-of/?at={row['changes'][-1]['at'].isoformat().replace('+00:00', 'Z')}")
    assert (then.status_code, then.json()["score"]) == (200, row["score"])
    assert cast.alice.patch(f"/api/leads/{uid}/", {"company": "Mill"}).status_code == 200
    assert "touched_at" not in (mongo.collection("leads").find_one({"type": "lead", "uid": uid}) or {})
