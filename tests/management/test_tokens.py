"""Bearer tokens: what they may, how long, who makes them for whom; and that revoked ones are dead."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from lead_crm import directory, mongo
from lead_crm.access import Actor
from lead_crm.documents import now
from management import accounts
from tests.api.steps import at_once, codes, found, listed, statuses, twin
from tests.cast import NORTH, Cast, lead
from tests.contract import CheckedClient
from tests.stores.commands import name, noted

ROOT = Path(__file__).resolve().parents[2]
PATH = "/api/tokens/"


def make(client: CheckedClient, **values: object) -> dict[str, Any]:
    response = client.post(PATH, {"name": "Import"} | values)
    assert response.status_code == 201, response.content
    return dict(response.json())


def program(made: dict[str, Any]) -> CheckedClient:
    client = CheckedClient(made["token"])
    client.uid = made["user"]
    return client


def robot(cast: Cast, by: CheckedClient | None = None) -> str:
    body = {"email": "robot@example.com", "name": "Robot", "roles": ["integration"], "centers": [NORTH]}
    return str((by or cast.root).post("/api/users/", body).json()["uid"])


def written(moment: Any) -> str:
    return str(moment.isoformat().replace("+00:00", "Z"))


class TestMaking:
    def test_a_token_is_shown_once_and_speaks_for_whoever_made_it(self, cast: Cast) -> None:
        made = make(cast.bob)
        secret = made.pop("token")
        assert cast.bob.get(f"{PATH}{made['uid']}/").json() == made
        assert (made["user"], made["scopes"], made["expired"]) == (cast.bob.uid, None, False)
        assert secret not in cast.bob.get(PATH).content.decode()
        assert secret not in str(list(mongo.collection("accounts").find()))
        mine = lead(CheckedClient(secret))
        assert mine["created_by"] == cast.bob.uid

    def test_the_actor_says_which_token_speaks(self, cast: Cast) -> None:
        made = make(cast.bob)
        actor = accounts.bearer(made["token"])
        assert isinstance(actor, Actor)
        assert (actor.kind, actor.token, actor.uid) == ("token", made["uid"], cast.bob.uid)
        assert accounts.actor_of(accounts.accounts.get(cast.bob.uid)).kind == "person"

    def test_it_is_never_repeated_not_even_for_an_idempotency_key(self, cast: Cast) -> None:
        first, second = [cast.bob.post(PATH, {"name": "x"}, Idempotency_Key="once") for _ in range(2)]
        assert first.json()["token"] != second.json()["token"]

    @pytest.mark.parametrize(
        ("values", "faults"),
        [
            ({"name": ""}, {("/name", "string_too_short")}),
            ({"scopes": []}, {("/scopes", "too_short")}),
            ({"scopes": ["lead.view", "lead.steal", "task.complete:dance"], "expires_at": "2020-01-01T00:00:00Z"},
             {("/scopes/1", "unknown_permission"), ("/scopes/2", "unknown_permission"), ("/expires_at", "past")}),
            ({"expires_at": "tomorrow", "secret": "x"}, {("/expires_at", "invalid"), ("/secret", "unknown_key")}),
            ({"user": "no-one"}, {("/user", "unknown_person")}),
        ],
    )  # fmt: skip
    def test_wrong_input(self, cast: Cast, values: dict[str, object], faults: set[tuple[str, str]]) -> None:
        refused = cast.root.post(PATH, {"name": "x"} | values)
        assert (refused.status_code, codes(refused)) == (422, faults)

    def test_nobody_makes_one_without_signing_in(self, cast: Cast) -> None:
        assert cast.nobody.post(PATH, {"name": "x"}).status_code == cast.nobody.get(PATH).status_code == 401


class TestScopes:
    def test_it_may_what_account_and_scopes_allow(self, cast: Cast) -> None:
        uid = lead(cast.bob)["uid"]
        reader = program(make(cast.bob, scopes=["lead.view"]))
        assert reader.get(f"/api/leads/{uid}/").status_code == 200
        assert reader.patch(f"/api/leads/{uid}/", {"company": "x"}).status_code == 403
        assert reader.get(f"/api/leads/{uid}/").json()["email"] is None  # lead.pii is not among its scopes

    def test_it_sees_no_more_than_the_account(self, cast: Cast) -> None:
        lead(cast.alice, assigned_to=[cast.alice.uid])
        mine = lead(cast.bob)["uid"]
        assert found(program(make(cast.bob, scopes=["lead.view"])), "") == {mine}

    def test_with_the_account_it_loses_rights(self, cast: Cast) -> None:
        token = program(make(cast.bob, scopes=["lead.view", "lead.create"]))
        assert token.get("/api/leads/").status_code == 200
        cast.root.patch(f"/api/users/{cast.bob.uid}/", {"roles": ["viewer"]})
        assert token.post("/api/leads/", {"name": "x"}).status_code == 403
        assert token.get("/api/leads/").status_code == 200

    def test_nobody_hands_on_what_they_do_not_hold(self, cast: Cast) -> None:
        for scope in ("lead.erase", "people.edit", "task.complete:call"):
            refused = cast.vera.post(PATH, {"name": "x", "scopes": ["lead.view", scope]})
            assert (refused.status_code, refused.json()["permission"]) == (403, scope)
        assert make(cast.bob, scopes=["task.complete:call"])["scopes"] == ["task.complete:call"]

    def test_one_kind_of_task_of_a_permission_for_all(self, cast: Cast) -> None:
        actor = accounts.bearer(make(cast.bob, scopes=["task.complete:call"])["token"])
        assert actor is not None
        assert actor.may("task.complete:call")
        assert not actor.may("task.complete:visit")

    def test_a_token_with_scopes_makes_none_with_more(self, cast: Cast) -> None:
        limited = program(make(cast.alice, scopes=["lead.view", "lead.edit"]))
        assert limited.post(PATH, {"name": "x"}).status_code == 403  # all of the account's
        assert limited.post(PATH, {"name": "x", "scopes": ["lead.create"]}).status_code == 403
        assert make(limited, scopes=["lead.view"])["scopes"] == ["lead.view"]

    def test_a_token_that_ends_makes_none_that_lives_longer(self, cast: Cast) -> None:
        end = now() + timedelta(hours=1)
        short = program(make(cast.bob, expires_at=written(end)))
        later = {"name": "x", "expires_at": written(end + timedelta(hours=1))}
        assert short.post(PATH, later).status_code == 403
        assert accounts.tokens.get(make(short)["uid"]).expires_at == end


class TestIntegrations:
    def test_may_what_the_scopes_say_in_their_centres(self, cast: Cast) -> None:
        theirs = lead(cast.alice, assigned_to=[cast.alice.uid])["uid"]
        lead(cast.charlie)
        token = program(make(cast.alice, user=robot(cast, cast.alice), scopes=["lead.view", "lead.create"]))
        assert found(token, "") == {theirs}
        assert lead(token)["center"] == NORTH
        assert token.patch(f"/api/leads/{theirs}/", {"company": "x"}).status_code == 403

    def test_need_scopes(self, cast: Cast) -> None:
        refused = cast.root.post(PATH, {"name": "x", "user": robot(cast)})
        assert codes(refused) == {("/scopes", "required")}

    def test_get_none_that_their_maker_does_not_hold(self, cast: Cast) -> None:
        uid = robot(cast)
        assert cast.alice.post(PATH, {"name": "x", "user": uid, "scopes": ["workflow.edit"]}).status_code == 403
        itself = program(make(cast.alice, user=uid, scopes=["lead.view"]))
        assert itself.post(PATH, {"name": "x", "scopes": ["lead.edit"]}).status_code == 403
        assert itself.post(PATH, {"name": "x", "scopes": ["lead.view"]}).status_code == 201


class TestOthers:
    def test_who_manages_people_makes_lists_and_revokes_theirs(self, cast: Cast) -> None:
        made = make(cast.alice, user=cast.bob.uid, scopes=["lead.view"])
        assert made["user"] == cast.bob.uid
        listed_there = listed(cast.alice, f"user={cast.bob.uid}", path=PATH)["results"]
        assert made["uid"] in {row["uid"] for row in listed_there}
        assert {row["user"] for row in listed_there} == {cast.bob.uid}
        assert cast.alice.delete(f"{PATH}{made['uid']}/").status_code == 204
        assert program(made).get("/api/leads/").status_code == 401

    def test_nobody_does_so_for_those_beside_or_above(self, cast: Cast) -> None:
        rooted = f"{PATH}{make(cast.root)['uid']}/"
        assert cast.alice.post(PATH, {"name": "x", "user": cast.root.uid}).status_code == 403
        assert cast.alice.get(f"{PATH}?user={cast.root.uid}").status_code == 403
        assert cast.alice.get(rooted).status_code == cast.alice.delete(rooted).status_code == 404

    def test_nor_for_people_of_other_centres(self, cast: Cast) -> None:
        his = f"{PATH}{make(cast.bob)['uid']}/"
        refused = cast.charlie.post(PATH, {"name": "x", "user": cast.bob.uid})
        assert codes(refused) == {("/user", "unknown_person")}
        assert cast.charlie.get(f"{PATH}?user={cast.bob.uid}").status_code == 404
        assert cast.charlie.get(his).status_code == cast.charlie.delete(his).status_code == 404

    def test_nor_without_people_edit(self, cast: Cast) -> None:
        made = make(cast.bob)["uid"]
        assert cast.vera.get(f"{PATH}?user={cast.bob.uid}").status_code == 403
        assert cast.vera.post(PATH, {"name": "x", "user": cast.bob.uid}).status_code == 403
        assert cast.vera.delete(f"{PATH}{made}/").status_code == cast.vera.delete(f"{PATH}nothing/").status_code == 404
        assert cast.bob.get(f"{PATH}{made}/").status_code == 200

    def test_nor_for_somebody_who_is_deactivated(self, cast: Cast) -> None:
        cast.root.patch(f"/api/users/{cast.bob.uid}/", {"active": False})
        assert cast.root.post(PATH, {"name": "x", "user": cast.bob.uid}).status_code == 409


class TestTheCommand:
    def made(self, cast: Cast, *options: str) -> Actor | None:
        said = io.StringIO()
        call_command("create_token", "--email", "root@example.com", "--name", "x", *options, stdout=said)
        return accounts.bearer(said.getvalue().strip())

    def test_prints_a_token_for_all_that_the_account_may(self, cast: Cast) -> None:
        actor = self.made(cast)
        assert actor is not None
        assert actor.may("workflow.edit")
        assert accounts.tokens.get(actor.token or "").expires_at is None

    def test_takes_scopes_and_days(self, cast: Cast) -> None:
        actor = self.made(cast, "--scopes", "lead.view,lead.create", "--days", "30")
        assert actor is not None
        assert actor.permissions == {"lead.view", "lead.create"}
        ends = accounts.tokens.get(actor.token or "").expires_at
        assert ends is not None
        assert timedelta(days=29) < ends - now() <= timedelta(days=30)

    @pytest.mark.parametrize("options", [("--scopes", "lead.steal"), ("--scopes", "No!"), ("--days", "0")])
    def test_refuses_what_is_wrong_in_a_line(self, cast: Cast, options: tuple[str, ...]) -> None:
        with pytest.raises(CommandError, match=r"no permission lead.steal|scopes|0: |still to come"):
            self.made(cast, *options)


class TestTheEnd:
    def test_a_revoked_token_is_refused_from_the_next_request_on(self, cast: Cast) -> None:
        made = make(cast.bob)
        token = program(made)
        assert token.get(PATH).status_code == 200
        assert token.delete(f"{PATH}{made['uid']}/").status_code == 204
        refused = token.get(PATH)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert made["uid"] not in {row["uid"] for row in listed(cast.bob, path=PATH)["results"]}
        assert cast.bob.delete(f"{PATH}{made['uid']}/").status_code == 404

    def test_an_expired_token_is_refused_and_listed_as_such(self, cast: Cast) -> None:
        made = make(cast.bob, expires_at=written(now() + timedelta(hours=1)))
        assert program(made).get(PATH).status_code == 200
        past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
        accounts.tokens.collection.update_one({"uid": made["uid"]}, past)
        directory.forget()
        assert program(made).get(PATH).status_code == 401
        assert cast.bob.get(f"{PATH}{made['uid']}/").json()["expired"] is True

    def test_other_processes_of_this_machine_know_at_once(self, cast: Cast) -> None:
        """They remember by themselves, and ask memory that all share whether anything has changed."""
        made = make(cast.bob)
        assert program(made).get(PATH).status_code == 200
        accounts.tokens.collection.update_one({"uid": made["uid"]}, {"$set": {"active": False}})
        assert program(made).get(PATH).status_code == 200  # nobody has told yet
        elsewhere = "import django; django.setup(); from lead_crm import directory; directory.forget()"
        environment = os.environ | {"DATA_DIR": str(settings.DATA_DIR)}
        subprocess.run([sys.executable, "-c", elsewhere], env=environment, check=True, cwd=ROOT)
        assert program(made).get(PATH).status_code == 401

    def test_what_is_revoked_while_it_is_looked_up_is_not_remembered(self, cast: Cast) -> None:
        def read() -> str:
            directory.forget()  # as a revocation does in another thread
            return "old"

        assert directory.remembered("key", read) == "old"
        assert directory.remembered("key", lambda: "new") == "new"

    def test_of_many_who_revoke_it_one_does(self, cast: Cast) -> None:
        made = make(cast.bob)["uid"]
        answers = at_once([lambda: twin(cast.bob).delete(f"{PATH}{made}/")] * 6)
        assert statuses(answers) == [204, *[404] * 5]


class TestLastUse:
    def used(self, made: dict[str, Any]) -> Any:
        return accounts.tokens.get(made["uid"]).last_used_at

    def test_is_noted_and_shown(self, cast: Cast) -> None:
        made = make(cast.bob)
        assert made["last_used_at"] is None
        before = now()
        program(made).get(PATH)
        assert before <= self.used(made) <= now()
        assert cast.bob.get(f"{PATH}{made['uid']}/").json()["last_used_at"] is not None

    def test_is_written_once_a_minute_at_most(self, cast: Cast) -> None:
        made = make(cast.bob)

        def writes() -> int:
            directory.forget()
            with noted() as taken:
                program(made).get(PATH)
            return [name(command) for command in taken].count("update")

        assert [writes(), writes(), writes()] == [1, 0, 0]
        first = self.used(made)
        long_ago = first - timedelta(seconds=61)
        accounts.tokens.collection.update_one({"uid": made["uid"]}, {"$set": {"last_used_at": long_ago}})
        directory.forget()
        program(made).get(PATH)
        assert self.used(made) >= first
