"""People: who sees whom, who may add, change, invite and deactivate whom; and what two do at the same moment."""

from datetime import timedelta
from typing import Any

import pytest

from lead_crm import mongo
from lead_crm.documents import now
from lead_crm.errors import NotSignedIn
from management import accounts, people, sessions
from tests.api.steps import at_once, codes, listed, pages, statuses, twin
from tests.cast import NORTH, SOUTH, Cast, lead
from tests.contract import CheckedClient

PATH = "/api/users/"
GOOD = "an excellent passphrase"


def body(name: str = "dora", **values: object) -> dict[str, object]:
    return {"email": f"{name}@example.com", "name": name.title(), "roles": ["agent"], "centers": [NORTH]} | values


def add(client: CheckedClient, name: str = "dora", **values: object) -> dict[str, Any]:
    response = client.post(PATH, body(name, **values))
    assert response.status_code == 201, response.content
    return dict(response.json())


def at(client: CheckedClient | dict[str, Any]) -> str:
    return f"{PATH}{client['uid'] if isinstance(client, dict) else client.uid}/"


def names(client: CheckedClient, query: str = "") -> list[str]:
    return [row["name"] for row in listed(client, query, path=PATH)["results"]]


def everybody(cast: Cast) -> list[CheckedClient]:
    return [cast.alice, cast.bob, cast.charlie, cast.vera, cast.tom]


class TestSeeing:
    def test_colleagues_of_a_shared_centre_and_those_who_work_everywhere(self, cast: Cast) -> None:
        everybody(cast)
        assert names(cast.root) == ["Alice", "Bob", "Charlie", "Root", "Tom", "Vera"]
        assert names(cast.alice) == names(cast.bob) == names(cast.tom) == ["Alice", "Bob", "Root", "Tom", "Vera"]
        assert names(cast.charlie) == ["Charlie", "Root"]
        assert cast.charlie.get(at(cast.bob)).status_code == cast.charlie.get(f"{PATH}no-one/").status_code == 404
        assert cast.nobody.get(PATH).status_code == cast.nobody.get(at(cast.bob)).status_code == 401

    def test_a_person_is_shown_without_anything_secret(self, cast: Cast) -> None:
        made = add(cast.root, password=GOOD)
        assert made == cast.alice.get(at(made)).json()
        assert made | {"uid": "?", "created_at": "?", "updated_at": "?"} == {
            "uid": "?", "email": "dora@example.com", "name": "Dora", "roles": ["agent"], "centers": [NORTH],
            "active": True, "invited": False, "last_sign_in_at": None, "created_at": "?", "updated_at": "?",
            "version": 1,
        }  # fmt: skip

    def test_addresses_are_for_oneself_and_those_who_manage_people(self, cast: Cast) -> None:
        assert cast.bob.get(at(cast.vera)).json()["email"] is None
        assert cast.bob.get(at(cast.bob)).json()["email"] == "bob@example.com"
        assert cast.alice.get(at(cast.bob)).json()["email"] == "bob@example.com"
        assert {row["email"] for row in listed(cast.vera, path=PATH)["results"]} == {None, "vera@example.com"}

    def test_other_centres_of_a_colleague_are_not_told(self, cast: Cast) -> None:
        both = add(cast.root, centers=[NORTH, SOUTH])
        assert cast.root.get(at(both)).json()["centers"] == [NORTH, SOUTH]
        assert cast.alice.get(at(both)).json()["centers"] == [NORTH]
        assert SOUTH not in cast.bob.get(PATH).content.decode()

    def test_filters(self, cast: Cast) -> None:
        everybody(cast)
        cast.root.patch(at(cast.bob), {"active": False})
        assert names(cast.root, "q=AR") == ["Charlie"]
        assert names(cast.root, "q=bob%40example") == ["Bob"]
        assert names(cast.root, "q=.") == ["Alice", "Bob", "Charlie", "Root", "Tom", "Vera"]  # of the addresses
        assert names(cast.root, "role=center_admin") == ["Alice", "Charlie"]
        assert names(cast.root, f"center={SOUTH}") == ["Charlie", "Root"]
        assert names(cast.root, "active=false") == ["Bob"]
        assert names(cast.root, f"role=center_admin&center={NORTH}&active=true&q=a") == ["Alice"]

    def test_filters_tell_nothing_that_is_not_shown(self, cast: Cast) -> None:
        everybody(cast)
        add(cast.root, "both", centers=[NORTH, SOUTH])
        assert names(cast.vera, "q=example.com") == []
        assert names(cast.alice, f"center={SOUTH}") == names(cast.alice, "center=nowhere") == []
        assert names(cast.charlie, f"center={NORTH}") == names(cast.charlie, "q=alice") == []

    def test_pages(self, cast: Cast) -> None:
        everybody(cast)
        seen = [page["results"] for page in pages(cast.root, f"{PATH}?limit=4")]
        assert [len(page) for page in seen] == [4, 2]
        last = listed(cast.root, "limit=4&offset=4", path=PATH)
        assert (last["count"], last["next"], "limit=4" in last["previous"]) == (6, None, True)
        assert cast.root.get(f"{PATH}?limit=500").status_code == 422

    def test_programs_without_lead_view_list_nobody(self, cast: Cast) -> None:
        uid = add(cast.root, "robot", roles=["integration"])["uid"]
        account = accounts.accounts.get(uid)
        robot = CheckedClient(accounts.create_token(account, name="x", at=now(), scopes=["lead.create"]))
        assert robot.get(PATH).status_code == 403


class TestAdding:
    def test_the_super_admin_adds_anybody(self, cast: Cast) -> None:
        for role in ("super_admin", "center_admin", "integration"):
            assert add(cast.root, role.replace("_", "-"), roles=[role])["roles"] == [role]

    def test_a_centre_admin_adds_people_below_to_their_own_centre(self, cast: Cast) -> None:
        made = add(cast.alice, centers=[], roles=["manager", "manager"])
        assert (made["centers"], made["roles"]) == ([NORTH], ["manager"])
        for role in ("agent", "counsellor", "trainer", "viewer", "integration"):
            add(cast.alice, role, roles=[role])

    @pytest.mark.parametrize("role", ["super_admin", "center_admin"])
    def test_but_nobody_beside_or_above(self, cast: Cast, role: str) -> None:
        assert cast.alice.post(PATH, body(roles=[role])).status_code == 403
        assert names(cast.root, "q=dora") == []

    def test_nor_to_other_centres_of_which_they_learn_nothing(self, cast: Cast) -> None:
        elsewhere = cast.alice.post(PATH, body(centers=[SOUTH]))
        nowhere = cast.alice.post(PATH, body(centers=["nowhere"]))
        assert codes(elsewhere) == codes(nowhere) == {("/centers/0", "unknown_center")}
        said = elsewhere.json()["errors"][0]["detail"]
        assert said.replace(SOUTH, "?") == nowhere.json()["errors"][0]["detail"].replace("nowhere", "?")

    @pytest.mark.parametrize("who", ["bob", "vera", "tom"])
    def test_who_does_not_manage_people_adds_none(self, cast: Cast, who: str) -> None:
        assert getattr(cast, who).post(PATH, body()).status_code == 403

    @pytest.mark.parametrize(
        ("values", "faults"),
        [
            ({"email": "nonsense"}, {("/email", "invalid")}),
            ({"roles": []}, {("/roles", "too_short")}),
            ({"roles": ["king", "agent", "queen"], "centers": ["nowhere"], "password": "short"},
             {("/roles/0", "unknown_role"), ("/roles/2", "unknown_role"), ("/centers/0", "unknown_center"),
              ("/password", "too_short")}),
            ({"centers": []}, {("/centers", "required")}),
            ({"password": "dora@example.com"}, {("/password", "too_personal")}),
            ({"invited": True}, {("/invited", "unknown_key")}),
        ],
    )  # fmt: skip
    def test_wrong_input_is_refused_with_every_fault(
        self, cast: Cast, values: dict[str, object], faults: set[tuple[str, str]]
    ) -> None:
        refused = cast.root.post(PATH, body(**values))
        assert (refused.status_code, codes(refused)) == (422, faults)

    def test_an_address_is_taken_however_it_is_written(self, cast: Cast) -> None:
        add(cast.root)
        refused = cast.root.post(PATH, body(email="DORA@Example.com"))
        assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")

    def test_of_many_who_take_one_address_one_gets_it(self, cast: Cast) -> None:
        answers = at_once([lambda: twin(cast.root).post(PATH, body())] * 8)
        assert statuses(answers) == [201, *[409] * 7]
        assert names(cast.root, "q=dora") == ["Dora"]

    def test_somebody_new_can_be_given_a_lead_at_once(self, cast: Cast) -> None:
        made = add(cast.alice)
        assert lead(cast.alice, assigned_to=[made["uid"]])["assigned_to"] == [made["uid"]]


class TestChanging:
    def test_name_address_roles_and_centres(self, cast: Cast) -> None:
        changed = cast.root.patch(at(cast.bob), {
            "name": "Robert", "email": "Robert@Example.com", "roles": ["manager"], "centers": [NORTH, SOUTH],
        })  # fmt: skip
        shown = changed.json()
        assert (shown["name"], shown["email"], shown["roles"]) == ("Robert", "robert@example.com", ["manager"])
        assert (shown["centers"], shown["version"], changed["ETag"]) == ([NORTH, SOUTH], 2, '"2"')

    def test_new_rights_hold_from_the_next_request_on(self, cast: Cast) -> None:
        theirs = lead(cast.alice, assigned_to=[cast.alice.uid])["uid"]
        assert cast.bob.get(f"/api/leads/{theirs}/").status_code == 404
        cast.alice.patch(at(cast.bob), {"roles": ["manager"]})
        assert cast.bob.get(f"/api/leads/{theirs}/").status_code == 200
        cast.alice.patch(at(cast.bob), {"roles": ["integration"]})
        assert cast.bob.get(f"/api/leads/{theirs}/").status_code == 403

    def test_a_centre_admin_changes_those_below_only(self, cast: Cast) -> None:
        peer = add(cast.root, "peer", roles=["center_admin"])
        wider = add(cast.root, "wider", centers=[NORTH, SOUTH])
        assert cast.alice.patch(at(cast.bob), {"name": "Robert"}).status_code == 200
        for other in (at(peer), at(wider), at(cast.root)):
            assert cast.alice.patch(other, {"name": "Mine"}).status_code == 403
        assert cast.alice.patch(at(cast.charlie), {"name": "Mine"}).status_code == 404
        assert "Mine" not in names(cast.root)

    def test_nobody_is_lifted_to_where_one_stands_oneself(self, cast: Cast) -> None:
        for values in ({"roles": ["center_admin"]}, {"roles": ["super_admin"]}, {"roles": ["agent", "center_admin"]}):
            assert cast.alice.patch(at(cast.bob), values).status_code == 403
        assert codes(cast.alice.patch(at(cast.bob), {"centers": [NORTH, SOUTH]})) == {("/centers/1", "unknown_center")}
        assert codes(cast.alice.patch(at(cast.bob), {"centers": []})) == {("/centers", "required")}
        assert cast.root.get(at(cast.bob)).json()["version"] == 1

    @pytest.mark.parametrize("who", ["root", "alice"])
    @pytest.mark.parametrize("values", [{"roles": ["viewer"]}, {"centers": [SOUTH]}, {"active": False}])
    def test_nobody_changes_their_own_rights(self, cast: Cast, who: str, values: dict[str, object]) -> None:
        oneself = getattr(cast, who)
        before = oneself.get(at(oneself)).json()
        assert oneself.patch(at(oneself), values).status_code == 403
        assert oneself.get(at(oneself)).json() == before

    def test_but_their_own_name(self, cast: Cast) -> None:
        same = {"name": "Alicia", "roles": ["center_admin"], "active": True}  # what stays is no change
        assert cast.alice.patch(at(cast.alice), same).json()["name"] == "Alicia"

    def test_who_does_not_manage_people_changes_nobody(self, cast: Cast) -> None:
        assert cast.bob.patch(at(cast.bob), {"name": "Boss"}).status_code == 403
        assert cast.vera.patch(at(cast.bob), {"name": "Boss"}).status_code == 403

    def test_what_is_wrong_or_kept_by_the_crm_is_refused(self, cast: Cast) -> None:
        wrong = cast.root.patch(at(cast.bob), {"roles": ["king"], "centers": [NORTH, "nowhere"]})
        assert codes(wrong) == {("/roles/0", "unknown_role"), ("/centers/1", "unknown_center")}
        kept = cast.root.patch(at(cast.bob), {"password": GOOD, "version": 9, "name": None})
        assert {("/password", "read_only"), ("/version", "read_only")} < codes(kept)
        cast.root.patch(at(cast.vera), {"email": "v@example.com"})
        taken = cast.root.patch(at(cast.bob), {"email": "V@example.com"})
        assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
        assert cast.root.patch(f"{PATH}no-one/", {"name": "x"}).status_code == 404

    def test_who_comes_with_an_old_version_learns_what_has_changed(self, cast: Cast) -> None:
        cast.root.patch(at(cast.bob), {"name": "Robert"}, If_Match='"1"')
        cast.root.patch(at(cast.bob), {"roles": ["viewer"]})
        late = cast.alice.patch(at(cast.bob), {"name": "Rob"}, If_Match='"1"')
        assert (late.status_code, late.json()["changed"], late.json()["version"]) == (412, ["/name", "/roles"], 3)
        assert cast.alice.patch(at(cast.bob), {"name": "Rob"}, If_Match='"3"').status_code == 200

    def test_changes_at_the_same_moment_are_all_kept(self, cast: Cast) -> None:
        bodies: list[dict[str, object]] = [{"name": "Robert"}, {"email": "r@example.com"}, {"roles": ["viewer"]}]
        here = at(cast.bob)
        assert statuses(at_once([lambda b=b: twin(cast.root).patch(here, b) for b in bodies])) == [200] * 3
        shown = cast.root.get(here).json()
        assert (shown["name"], shown["email"], shown["roles"]) == ("Robert", "r@example.com", ["viewer"])
        assert shown["version"] == 4

    def test_of_two_who_take_one_address_at_the_same_moment_one_gets_it(self, cast: Cast) -> None:
        ways = [at(cast.bob), at(cast.vera)]
        answers = at_once([lambda way=way: twin(cast.root).patch(way, {"email": "x@example.com"}) for way in ways])
        assert statuses(answers) == [200, 409]


class TestDeactivating:
    def test_tokens_and_sessions_die_at_once_and_stay_dead(self, cast: Cast) -> None:
        assert cast.bob.get("/api/leads/").status_code == 200
        cookie = sessions.start(cast.bob.uid, now=now())
        assert cast.alice.patch(at(cast.bob), {"active": False}).json()["active"] is False
        assert cast.bob.get("/api/leads/").status_code == 401
        assert sessions.account_of(cookie, now=now()) is None
        cast.alice.patch(at(cast.bob), {"active": True})
        assert cast.bob.get("/api/leads/").status_code == 401
        assert sessions.account_of(cookie, now=now()) is None

    def test_gets_no_leads_any_more(self, cast: Cast) -> None:
        cast.alice.patch(at(cast.bob), {"active": False})
        refused = cast.alice.post(
            "/api/leads/", {"name": "x", "fields": {"budget": "1"}, "assigned_to": [cast.bob.uid]}
        )
        assert codes(refused) == {("/assigned_to", "unknown_person")}


class TestTheLastSuperAdmin:
    @pytest.fixture
    def second(self, cast: Cast) -> CheckedClient:
        account = accounts.create(email="two@example.com", name="Two", roles=["super_admin"], at=now())
        client = CheckedClient(token=accounts.create_token(account, name="tests", at=now()))
        client.uid = account.uid
        return client

    @pytest.mark.parametrize("values", [{"active": False}, {"roles": ["viewer"], "centers": [NORTH]}])
    def test_one_of_two_may_go(self, cast: Cast, second: CheckedClient, values: dict[str, object]) -> None:
        assert cast.root.patch(at(second), values).status_code == 200

    def test_the_last_may_not(self, cast: Cast, second: CheckedClient) -> None:
        """Whoever could ask has to be one themselves, until somebody else was faster."""
        accounts.accounts.collection.update_one({"uid": second.uid}, {"$set": {"active": False}})
        refused = second.patch(at(cast.root), {"active": False})
        assert refused.status_code == 401
        after = accounts.accounts.get(cast.root.uid).changed(active=False, version=2)
        with pytest.raises(accounts.LastSuperAdmin):
            accounts.replace_super_admin(after, read=1)
        assert cast.root.get(PATH).status_code == 200

    @pytest.mark.parametrize("values", [{"active": False}, {"roles": ["viewer"], "centers": [NORTH]}])
    def test_of_two_who_remove_each_other_at_the_same_moment_one_stays(
        self, cast: Cast, second: CheckedClient, values: dict[str, object]
    ) -> None:
        for _ in range(5):
            answers = at_once([
                lambda: cast.root.patch(at(second), values), lambda: second.patch(at(cast.root), values)
            ])  # fmt: skip
            assert statuses(answers)[0] == 200
            assert statuses(answers)[1] in (401, 403, 409)  # too late, or refused as the last
            left = {"type": "account", "roles": "super_admin", "active": True}
            assert mongo.collection("accounts").count_documents(left) == 1
            accounts.accounts.collection.update_many({}, {"$set": {"active": True}})
            accounts.accounts.collection.update_many(
                {"uid": {"$in": [cast.root.uid, second.uid]}}, {"$set": {"roles": ["super_admin"]}}
            )
            accounts.directory.forget()

    def test_writes_that_cross_are_told_apart_by_the_guard(self, cast: Cast, second: CheckedClient) -> None:
        """Without the web in between: every pair crosses."""
        for _ in range(20):
            both = [accounts.accounts.get(uid) for uid in (cast.root.uid, second.uid)]

            def leave(account: accounts.Account) -> object:
                after = account.changed(active=False, version=account.version + 1)
                try:
                    return accounts.replace_super_admin(after, read=account.version)
                except accounts.LastSuperAdmin:
                    return "last"

            assert sorted(map(str, at_once([lambda a=a: leave(a) for a in both]))) == ["True", "last"]
            accounts.accounts.collection.update_many({"type": "account"}, {"$set": {"active": True}})


class TestInviting:
    def invite(self, client: CheckedClient, whom: str) -> Any:
        return client.post(f"{whom}invite/", {})

    def test_an_invitation_is_shown_once_and_accepted_once(self, cast: Cast) -> None:
        made = add(cast.alice)
        invitation = self.invite(cast.alice, at(made)).json()
        assert (invitation["uid"], cast.alice.get(at(made)).json()["invited"]) == (made["uid"], True)
        assert invitation["token"] not in str(list(mongo.collection("accounts").find()))
        account = people.accepted(invitation["token"], GOOD, now())
        assert (account.uid, account.password is None) == (made["uid"], False)
        assert cast.alice.get(at(made)).json()["invited"] is False
        with pytest.raises(NotSignedIn):
            people.accepted(invitation["token"], GOOD, now())

    def test_a_new_one_replaces_the_old(self, cast: Cast) -> None:
        made = add(cast.alice)
        old, new = [self.invite(cast.alice, at(made)).json()["token"] for _ in range(2)]
        with pytest.raises(NotSignedIn):
            people.accepted(old, GOOD, now())
        assert people.accepted(new, GOOD, now()).uid == made["uid"]

    def test_it_ends_after_seven_days_and_with_the_account(self, cast: Cast) -> None:
        made = add(cast.alice)
        token = self.invite(cast.alice, at(made)).json()["token"]
        with pytest.raises(NotSignedIn):
            people.accepted(token, GOOD, now() + timedelta(days=7, minutes=1))
        cast.alice.patch(at(made), {"active": False})
        with pytest.raises(NotSignedIn):
            people.accepted(token, GOOD, now())
        refused = self.invite(cast.alice, at(made))
        assert (refused.status_code, refused.json()["code"]) == (409, "inactive")

    def test_of_two_who_accept_at_the_same_moment_one_does(self, cast: Cast) -> None:
        token = self.invite(cast.alice, at(add(cast.alice))).json()["token"]

        def accept(password: str) -> str:
            try:
                return people.accepted(token, password, now()).uid
            except NotSignedIn:
                return "late"

        chosen = [f"{GOOD} {n}" for n in range(4)]
        assert at_once([lambda p=p: accept(p) for p in chosen]).count("late") == 3

    def test_it_is_never_repeated_not_even_for_an_idempotency_key(self, cast: Cast) -> None:
        way = f"{at(add(cast.alice))}invite/"
        first, second = [cast.alice.post(way, {}, Idempotency_Key="once") for _ in range(2)]
        assert first.json()["token"] != second.json()["token"]

    def test_only_those_who_may_manage_somebody_invite_them(self, cast: Cast) -> None:
        peer = add(cast.root, "peer", roles=["center_admin"])
        for above in (at(peer), at(cast.root)):
            assert self.invite(cast.alice, above).status_code == 403
        assert self.invite(cast.charlie, at(cast.bob)).status_code == 404
        assert self.invite(cast.alice, at(cast.alice)).status_code == 403
        assert self.invite(cast.bob, at(cast.vera)).status_code == 403
        assert self.invite(cast.nobody, at(cast.vera)).status_code == 401

    def test_a_new_password_ends_what_the_old_one_began(self, cast: Cast) -> None:
        cookie = sessions.start(cast.bob.uid, now=now())
        people.accepted(self.invite(cast.alice, at(cast.bob)).json()["token"], GOOD, now())
        assert sessions.account_of(cookie, now=now()) is None
