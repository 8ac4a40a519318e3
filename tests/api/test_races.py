"""Many at the same moment: nothing is lost, nothing is doubled."""

from itertools import pairwise
from typing import Any

from lead_crm import mongo
from tests.api.steps import EVERY_STAGE, at_once, cards, column, go, listed, read, relaxed, statuses, twin, walked
from tests.cast import Cast, lead

ADA = {"name": "Ada", "fields": {"budget": "1"}}


def test_200_parallel_creates_get_200_numbers_without_a_gap(cast: Cast) -> None:
    answers = at_once([lambda: twin(cast.alice).post("/api/leads/", ADA)] * 200, workers=32)
    assert statuses(answers) == [201] * 200
    assert sorted(int(answer.json()["uid"][-5:]) for answer in answers) == list(range(1, 201))
    assert listed(cast.alice)["count"] == 200


def test_50_parallel_moves_of_one_lead_make_one_consistent_history(cast: Cast) -> None:
    relaxed(cast.root)
    uid = lead(cast.alice)["uid"]
    targets = [EVERY_STAGE[number % 6] for number in range(50)]
    works = [lambda to=to: go(twin(cast.alice), uid, to) for to in targets]
    assert statuses(at_once(works, workers=24)) == [200] * 50
    passages = walked(cast.alice, f"/api/leads/{uid}/history/?limit=200")
    end = read(cast.alice, uid)
    assert passages[0]["stage"] == "stage-new"
    assert passages[-1]["stage"] == end["current_stage"]
    assert passages[-1]["left_at"] is None
    assert all(left["left_at"] == entered["entered_at"] for left, entered in pairwise(passages))
    assert all(left["stage"] != entered["stage"] for left, entered in pairwise(passages))
    assert end["version"] == len(passages)
    assert end["history_count"] == len(passages)


def test_each_version_is_recorded_once(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    path = f"/api/leads/{uid}/"
    works = [lambda n=n: twin(cast.alice).patch(path, {"source_detail": f"{n}"}) for n in range(40)]
    assert statuses(at_once(works, workers=20)) == [200] * 40
    rows = mongo.collection("leads").find({"$or": [{"type": "lead", "uid": uid}, {"type": "timeline"}]})
    recorded = sorted({(entry["version"], entry["at"]) for row in rows for entry in row["changes"]})
    assert [version for version, _ in recorded] == list(range(1, 42))
    assert [at for _, at in recorded] == sorted({at for _, at in recorded})


def test_parallel_patches_of_different_fields_all_survive(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    patches: list[dict[str, Any]] = [
        {"company": "Mill"}, {"email": "ada@example.com"}, {"phone": "+1 415 555 0132"}, {"tags": ["a"]},
        {"source": "website"}, {"priority": "high"}, {"message": "Hello"}, {"fields": {"budget": "77"}},
        {"first_name": "Ada"}, {"last_name": "Byron"}, {"temperature": "hot"}, {"expected_close_on": "2030-01-01"},
    ]  # fmt: skip
    works = [lambda patch=patch: twin(cast.alice).patch(f"/api/leads/{uid}/", patch) for patch in patches]
    assert statuses(at_once(works)) == [200] * len(patches)
    after = read(cast.alice, uid)
    assert all(after[key] == value for patch in patches for key, value in patch.items())
    assert after["version"] == 1 + len(patches)


def test_of_parallel_writers_with_the_same_etag_one_wins(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    works = [
        lambda n=n: twin(cast.alice).patch(f"/api/leads/{uid}/", {"company": f"{n}"}, If_Match='"1"') for n in range(16)
    ]
    assert statuses(at_once(works)) == [200] + [412] * 15
    assert read(cast.alice, uid)["version"] == 2


def test_parallel_activities_are_all_there_once(cast: Cast) -> None:
    uid = lead(cast.alice)["uid"]
    path = f"/api/leads/{uid}/activities/"
    works = [lambda n=n: twin(cast.alice).post(path, {"kind": "call", "body": f"{n}"}) for n in range(60)]
    answers = at_once(works, workers=20)
    assert statuses(answers) == [201] * 60
    shown = walked(cast.alice, f"{path}?limit=7")
    assert sorted(one["body"] for one in shown if one["kind"] == "call") == sorted(f"{n}" for n in range(60))
    assert {one["uid"] for one in shown} >= {answer.json()["uid"] for answer in answers}
    assert read(cast.alice, uid)["call_attempts"] == 60


def test_parallel_tasks_are_all_there_and_each_answer_is_its_own(cast: Cast) -> None:
    path = f"/api/leads/{lead(cast.alice)['uid']}/tasks/"
    works = [lambda n=n: twin(cast.alice).post(path, {"kind": "call", "title": f"{n}"}) for n in range(24)]
    answers = at_once(works, workers=24)
    assert [answer.json()["title"] for answer in answers] == [f"{n}" for n in range(24)]
    assert len(cast.alice.get(path).json()["results"]) == 25


def test_a_task_completed_by_many_at_once_is_completed_once(cast: Cast) -> None:
    made = lead(cast.alice)
    path = f"/api/leads/{made['uid']}/tasks/{made['tasks'][0]['uid']}/complete/"
    assert statuses(at_once([lambda: twin(cast.alice).post(path, {})] * 16)) == [200] * 16
    after = read(cast.alice, made["uid"])
    assert (after["version"], after["call_attempts"]) == (2, 1)


def test_parallel_drops_beside_one_card_lose_no_card(cast: Cast) -> None:
    made = [lead(cast.alice)["uid"] for _ in range(17)]
    anchor, *others = made

    def drop(uid: str) -> Any:
        body = {"lead": uid, "to_stage": "stage-new", "after": anchor}
        return lambda: twin(cast.alice).post("/api/leads/kanban/move/", body)

    assert statuses(at_once([drop(uid) for uid in others])) == [200] * 16
    shown = cards(cast.alice, "stage-new")
    assert shown[0] == anchor
    assert sorted(shown) == sorted(made)
    ranks = [card["rank"] for card in column(cast.alice, "stage-new")["leads"]]
    assert len(set(ranks)) == 17


def test_archiving_and_editing_at_once_ends_in_one_of_two_ways(cast: Cast) -> None:
    for _ in range(5):
        path = f"/api/leads/{lead(cast.alice)['uid']}/"
        edited, archived = at_once([
            lambda path=path: twin(cast.alice).patch(path, {"company": "Mill"}),
            lambda path=path: twin(cast.alice).delete(path),
        ])  # fmt: skip
        assert archived.status_code == 204
        assert edited.status_code in (200, 409)
        after = cast.alice.get(path).json()
        assert (after["status"], after["company"] == "Mill") == ("archived", edited.status_code == 200)
