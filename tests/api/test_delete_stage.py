"""DELETE /api/stages/{uid}/: no lead is lost with its stage."""

from tests.api.steps import EVERY_STAGE, cards, codes, go, read, ready, relaxed, uids
from tests.cast import Cast, lead


def stages(cast: Cast, query: str = "") -> list[str]:
    return uids(cast.root.get(f"/api/stages/{query}").json()["results"])


def next_of(cast: Cast, uid: str) -> list[str]:
    return list(cast.root.get(f"/api/stages/{uid}/").json()["allowed_next_stages"])


def test_a_stage_that_nobody_knew_goes_without_a_trace(cast: Cast) -> None:
    assert cast.root.delete("/api/stages/stage-proposal/").status_code == 204
    assert stages(cast) == [uid for uid in EVERY_STAGE if uid != "stage-proposal"]
    assert next_of(cast, "stage-qualified") == ["stage-lost"]
    assert cast.root.get("/api/stages/stage-proposal/").status_code == 404


def test_with_leads_it_needs_to_know_where_they_go(cast: Cast) -> None:
    made = lead(cast.alice)
    refused = cast.root.delete("/api/stages/stage-new/")
    assert (refused.status_code, refused.json()["code"]) == (409, "stage_has_leads")
    assert read(cast.alice, made["uid"])["version"] == 1
    assert stages(cast, "?archived=true") == []


def test_leads_are_moved_by_the_system_and_marked_forced(cast: Cast) -> None:
    made = {lead(who)["uid"] for who in (cast.alice, cast.alice, cast.charlie)}
    assert cast.root.delete("/api/stages/stage-new/?move_to=stage-qualified").status_code == 204
    assert set(cards(cast.root, "stage-qualified")) == made
    for uid in made:
        last = read(cast.root, uid)["history"][-1]
        assert (last["stage"], last["by"], last["forced"]) == ("stage-qualified", "system", True)
        assert "stage-new" in last["reason"]


def test_archived_leads_are_moved_too_and_stay_archived(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.alice.delete(f"/api/leads/{made['uid']}/")
    assert cast.root.delete("/api/stages/stage-new/").status_code == 409
    assert cast.root.delete("/api/stages/stage-new/?move_to=stage-qualified").status_code == 204
    kept = read(cast.alice, made["uid"])
    assert (kept["current_stage"], kept["status"]) == ("stage-qualified", "archived")


def test_a_stage_that_history_names_is_archived_never_deleted(cast: Cast) -> None:
    made = ready(cast.alice)
    go(cast.alice, made["uid"], "stage-contacted")
    assert cast.root.delete("/api/stages/stage-new/").status_code == 204
    assert stages(cast, "?archived=true") == ["stage-new"]


def test_references_to_a_deleted_stage_are_stripped(cast: Cast) -> None:
    made = ready(cast.alice)
    go(cast.alice, made["uid"], "stage-contacted")
    assert cast.root.delete("/api/stages/stage-contacted/?move_to=stage-qualified").status_code == 204
    assert stages(cast, "?archived=true") == ["stage-contacted"]
    assert next_of(cast, "stage-new") == ["stage-lost"]


def test_a_limit_of_the_new_stage_stops_nobody(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-qualified/", {"wip_limit": {"max": 1}})
    made = {lead(cast.alice)["uid"] for _ in range(3)}
    assert cast.root.delete("/api/stages/stage-new/?move_to=stage-qualified").status_code == 204
    assert set(cards(cast.alice, "stage-qualified")) == made


def test_leads_go_to_another_living_stage_only(cast: Cast) -> None:
    lead(cast.alice)
    cast.root.patch("/api/stages/stage-won/", {"archived": True})
    for wrong in ("stage-new", "stage-won", "moon"):
        refused = cast.root.delete(f"/api/stages/stage-new/?move_to={wrong}")
        assert codes(refused) == {("/move_to", "unknown_stage")}


def test_doing_it_again_after_a_crash_goes_on_where_it_stopped(cast: Cast) -> None:
    """The stage has been archived, some leads have been moved: that is all a crash leaves behind."""
    relaxed(cast.root)
    made = [lead(cast.alice)["uid"] for _ in range(4)]
    cast.root.patch("/api/stages/stage-new/", {"archived": True})
    for uid in made[:2]:
        go(cast.alice, uid, "stage-won")
    assert cast.root.delete("/api/stages/stage-new/?move_to=stage-won").status_code == 204
    assert set(cards(cast.alice, "stage-won")) == set(made)


def test_while_locked_nothing_is_deleted_and_no_lead_moves(cast: Cast) -> None:
    made = lead(cast.alice)
    cast.root.patch("/api/stages/stage-new/", {"archived": True})
    cast.root.post("/api/config/lock/", {})
    for query in ("?move_to=stage-qualified", ""):
        assert cast.root.delete(f"/api/stages/stage-new/{query}").status_code in (409, 423)
    assert cast.root.delete("/api/stages/stage-new/?move_to=stage-qualified").status_code == 423
    assert read(cast.alice, made["uid"])["current_stage"] == "stage-new"


def test_a_stale_administrator_gets_412(cast: Cast) -> None:
    cast.root.patch("/api/stages/stage-proposal/", {"name": "Offer"})
    assert cast.root.delete("/api/stages/stage-proposal/", If_Match='"1"').status_code == 412
