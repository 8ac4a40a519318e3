"""POST /api/leads/."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lead_crm import attempts
from leads import duplicates
from tests.api.steps import codes, fields, read
from tests.cast import NORTH, Cast, lead
from workflow import store as workflow_store

ADA = {"name": "Ada Lovelace", "fields": {"budget": "100.00"}}


def test_answers_201_with_the_whole_lead_and_an_etag(cast: Cast) -> None:
    response = cast.alice.post("/api/leads/", ADA)
    made = response.json()
    assert response.status_code == 201
    assert response["ETag"] == '"1"'
    assert made == read(cast.alice, made["uid"]) | {"duplicates": [], "attached": False}
    assert made["type"] == "lead"


def test_a_lead_begins_in_the_first_stage_with_its_tasks_history_and_timeline(cast: Cast) -> None:
    made = lead(cast.alice)
    assert (made["current_stage"], made["status"], made["version"]) == ("stage-new", "open", 1)
    assert [(t["title"], t["status"], t["required"]) for t in made["tasks"]] == [
        ("Make the first contact", "pending", True)
    ]
    assert [(h["stage"], h["left_at"], h["by"]) for h in made["history"]] == [("stage-new", None, cast.alice.uid)]
    assert [activity["kind"] for activity in made["activities"]] == ["system"]


def test_uids_count_within_the_month(cast: Cast) -> None:
    month = datetime.now(UTC).strftime("%Y%m")
    made = [lead(cast.alice)["uid"] for _ in range(3)]
    assert made == [f"LEAD-{month}-0000{n}" for n in (1, 2, 3)]


def test_a_refused_lead_leaves_no_gap(cast: Cast) -> None:
    first = lead(cast.alice)["uid"]
    assert cast.alice.post("/api/leads/", {"name": "No budget"}).status_code == 422
    assert int(lead(cast.alice)["uid"][-5:]) == int(first[-5:]) + 1


def test_the_pattern_of_uids_is_configuration(cast: Cast) -> None:
    number = {"prefix": "TLGC", "pattern": "{prefix}{seq:04d}", "period": "none"}
    cast.root.patch("/api/config/", {"lead_id": number})
    assert [lead(cast.alice)["uid"] for _ in range(2)] == ["TLGC0001", "TLGC0002"]


def test_a_name_is_joined_from_first_and_last(cast: Cast) -> None:
    made = lead(cast.alice, name=None, first_name="Grace", last_name="Hopper")
    assert (made["name"], made["full_name"]) == ("Grace Hopper", "Grace Hopper")


def test_somebody_without_any_name_is_refused(cast: Cast) -> None:
    assert cast.alice.post("/api/leads/", {"fields": {"budget": "1"}}).status_code == 422


def test_defaults_come_from_the_config(cast: Cast) -> None:
    fields(cast.root, {"field_key": "size", "field_type": "integer", "default": 3})
    made = lead(cast.alice)
    assert (made["priority"], made["fields"]) == ("medium", {"budget": "100.00", "size": 3})
    assert (made["tags"], made["assigned_to"], made["email"]) == ([], [], None)


def test_the_centre_is_the_actors_only_one(cast: Cast) -> None:
    assert lead(cast.alice)["center"] == NORTH


def test_whoever_has_several_centres_says_which(cast: Cast) -> None:
    assert codes(cast.root.post("/api/leads/", ADA)) == {("/center", "required")}
    assert lead(cast.root, center=NORTH)["center"] == NORTH


def test_nobody_creates_leads_for_another_centre(cast: Cast) -> None:
    assert codes(cast.charlie.post("/api/leads/", ADA | {"center": NORTH})) == {("/center", "unknown_center")}


def test_decimals_come_in_as_text_or_whole_numbers_and_go_out_as_text(cast: Cast) -> None:
    assert lead(cast.alice, fields={"budget": 5})["fields"] == {"budget": "5"}
    assert lead(cast.alice, fields={"budget": "12.50"})["fields"] == {"budget": "12.50"}


def test_all_faults_of_schema_and_custom_fields_come_at_once(cast: Cast) -> None:
    body = {"name": "A\x07", "email": "nobody", "wrong": 1, "fields": {"budget": "much", "unknown": 1}}
    pointers = {pointer for pointer, _ in codes(cast.alice.post("/api/leads/", body))}
    assert pointers == {"/name", "/email", "/wrong", "/fields/budget", "/fields/unknown"}


def test_a_wrong_email_does_not_hide_what_else_is_missing_or_unknown(cast: Cast) -> None:
    body = {"name": "Ada", "email": "nobody", "source": "nowhere", "center": "moon"}
    pointers = {pointer for pointer, _ in codes(cast.alice.post("/api/leads/", body))}
    assert pointers == {"/email", "/source", "/center", "/fields/budget"}


def test_an_unknown_assignee_is_told_together_with_the_rest(cast: Cast) -> None:
    body = {"name": "Ada", "source": "nowhere", "assigned_to": ["user-of-the-moon"], "fields": {"budget": "1"}}
    assert codes(cast.alice.post("/api/leads/", body)) == {
        ("/source", "not_an_option"), ("/assigned_to", "unknown_person"),
    }  # fmt: skip


def test_a_lead_cannot_be_given_to_somebody_of_another_centre(cast: Cast) -> None:
    response = cast.alice.post("/api/leads/", ADA | {"assigned_to": [cast.charlie.uid]})
    assert codes(response) == {("/assigned_to", "unknown_person")}


@pytest.mark.parametrize("key", ["uid", "status", "current_stage", "version", "score", "rank", "history"])
def test_what_the_crm_keeps_itself_cannot_be_given(cast: Cast, key: str) -> None:
    assert cast.alice.post("/api/leads/", ADA | {key: "x"}).status_code == 422


def test_the_score_explains_itself(cast: Cast) -> None:
    made = lead(cast.alice, source="referral", company="Analytical Engines", tags=["hot", "urgent"])
    assert made["score"] == sum(reason["points"] for reason in made["score_reasons"]) == 50 + 20 + 10 + 15
    assert made["is_hot"] is True


def test_an_address_without_the_last_slash_is_the_same(cast: Cast) -> None:
    response = cast.alice.post("/api/leads", ADA)
    assert response.status_code == 201
    assert cast.alice.get(f"/api/leads/{response.json()['uid']}").status_code == 200


def test_times_are_utc_with_a_z(cast: Cast) -> None:
    made: dict[str, Any] = lead(cast.alice, next_follow_up_at="2030-01-01T12:00:00+02:00")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", made["created_at"])


class TestUnderAWorkflowThatAnotherProcessHasJustChanged:
    """This process knows the one before, and takes it for the present one for two seconds."""

    @pytest.fixture
    def changed(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def change(**values: object) -> None:
            before = workflow_store.current()
            assert cast.root.patch("/api/config/", values).status_code == 200
            monkeypatch.setattr(workflow_store, "recent", lambda: before)

        return change

    @pytest.mark.parametrize("reached", [{}, {"email": "ada@engines.example"}], ids=["not reached", "reached"])
    @pytest.mark.parametrize("policy", ["create", "warn", "reject", "attach"])
    def test_a_lead_comes_in_by_the_present_one(
        self, cast: Cast, changed: Callable[..., None], policy: str, reached: dict[str, str]
    ) -> None:
        changed(priorities=[{"key": "urgent", "label": "Urgent", "default": True}], duplicates={"policy": policy})
        made = cast.alice.post("/api/leads/", ADA | reached).json()
        assert made["priority"] == "urgent"
        assert made["history"][0]["workflow_version"] == cast.root.get("/api/config/").json()["version"]

    def test_the_present_one_refuses(self, cast: Cast, changed: Callable[..., None]) -> None:
        changed(required=["company"])
        assert codes(cast.alice.post("/api/leads/", ADA)) == {("/company", "required")}

    def test_the_one_before_refuses_nothing(self, cast: Cast, changed: Callable[..., None]) -> None:
        changed(variables=[{"field_key": "budget", "label": "Budget", "field_type": "decimal", "required": False}])
        assert cast.alice.post("/api/leads/", {"name": "Ada"}).status_code == 201

    def test_an_enquiry_is_counted_once(
        self, cast: Cast, changed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(priorities=[{"key": "urgent", "label": "Urgent", "default": True}], capture={"center": NORTH})
        enter, entered = attempts.take, list[str]()
        monkeypatch.setattr(attempts, "take", lambda key, **how: entered.append(key) or enter(key, **how))
        came = cast.nobody.post("/api/public/leads/", {"name": "Ada", "email": "ada@engines.example"})
        assert (came.status_code, len(entered)) == (201, 1)
        assert read(cast.alice, came.json()["id"])["priority"] == "urgent"


@pytest.mark.parametrize("reached", [{}, {"phone": "+1 415 555 0123"}], ids=["one mark", "two marks"])
def test_many_duplicates_do_not_hide_that_the_workflow_is_still_the_same(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, reached: dict[str, str]
) -> None:
    monkeypatch.setattr(duplicates, "CANDIDATES", 1)
    twins = [lead(cast.alice, email="ada@engines.example", **reached) for _ in range(4)]
    assert all(len(each["duplicates"]) <= 1 for each in twins)
