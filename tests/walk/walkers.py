"""Those who walk: what they may not see, and what they may not do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from lead_crm import access, audit, directory, mongo
from lead_crm.documents import now
from management import accounts
from tests.contract import CheckedClient
from tests.walk import worlds
from tests.walk.north import CENTER, NAME, North, Planted
from tests.walk.things import CENTERS, LEADS, PEOPLE, VIEWS
from tests.walk.worlds import Row, World


@dataclass
class Walker:
    name: str
    client: CheckedClient
    secrets: set[str]
    targets: list[Planted]
    headers: tuple[str, ...] = ()  # instead of a token that works
    own: str | None = None
    speaks: access.Actor | None = None
    reads_only: bool = False  # only the reading operations are walked
    guards_all: bool = False  # may change nothing but what is their own
    masked: list[Planted] = field(default_factory=list)  # seen without personal values
    knocks: bool = False  # tries the open doors, one way after the other
    shares: frozenset[str] = frozenset()  # kinds of addresses that name nothing hidden from them

    def may(self, permission: str | None) -> bool:
        if permission is None or self.speaks is None:
            return permission is None
        return permission == access.SIGNED_IN or self.speaks.may(permission)

    def guarded(self, row: Row) -> bool:
        """Must not be changed, whatever is answered."""
        if row.get("type") in ("config", "stage", "log"):
            return True
        if row.get("uid") in [planted.uid for planted in self.masked]:
            return False  # a visit of theirs may be completed
        if self.guards_all:
            return not worlds.mentions(row, [self.client.uid])
        return worlds.mentions(row, self.secrets)

    def without_secrets(self, world: World) -> World:
        gone = self.secrets - {text for planted in self.masked for text in _personal(planted)}
        return worlds.disguised(worlds.without(world, lambda row: worlds.mentions(row, gone)), self.masked)


COLLEAGUES = frozenset({PEOPLE, CENTERS})
NAMES = (
    "charlie of another centre", "vince who only looks", "bert and nobody's leads", "tim and his visits",
    "root who reads", "a token for something else", "an expired token", "a revoked token", "a malformed token",
    "somebody dismissed", "nobody",
)  # fmt: skip


def walker(name: str, north: North, world: World) -> Walker:
    """One of NAMES."""
    rows = world["leads"].values()
    viewed = _needles(world["views"].values(), [north.view])
    everything = _of_leads(rows, north.planted) | _of_people(world) | viewed | {CENTER, NAME.casefold()}
    south = _needles(rows, [north.own["charlie"]])

    def kept(client: CheckedClient) -> set[str]:
        """Not for the branch's own people either: another branch's lead, and others' tokens."""
        return south | _tokens(world, client)

    made = {
        "charlie of another centre": lambda: Walker(
            name, north.charlie, everything, [north.hers], own=north.own["charlie"]
        ),
        "vince who only looks": lambda: Walker(
            name, north.vince, kept(north.vince), [north.hers], guards_all=True, shares=COLLEAGUES | {LEADS, VIEWS}
        ),
        "bert and nobody's leads": lambda: Walker(
            name,
            north.bert,
            _of_leads(rows, north.planted) | kept(north.bert),
            [north.hers],
            own=north.own["bert"],
            shares=COLLEAGUES | {VIEWS},
        ),
        "tim and his visits": lambda: _tim(name, north, rows, kept(north.tim) | viewed),
        "root who reads": lambda: Walker(name, north.root, set(), [north.hers], reads_only=True),
        "a token for something else": lambda: Walker(name, north.machine, everything, [north.hers]),
        "nobody": lambda: Walker(name, north.nobody, everything, [north.hers], knocks=True),
    }
    found = made[name]() if name in made else _turned_away(name, north, everything)
    if found.client.token:
        found.speaks = accounts.bearer(found.client.token)
    return found


def _tokens(world: World, client: CheckedClient) -> set[str]:
    rows = (row for row in world["accounts"].values() if row["type"] == "token")
    return {row["uid"] for row in rows if row["account"] != client.uid}


def _tim(name: str, north: North, rows: Iterable[Row], kept: set[str]) -> Walker:
    his = [north.shared, north.second]
    personal = {text for planted in his for text in _personal(planted)}
    unseen = _of_leads(rows, [north.hers, north.past])
    return Walker(
        name, north.tim, unseen | personal | kept, [north.hers, north.shared], own=north.second.uid, masked=his,
        shares=COLLEAGUES,
    )  # fmt: skip


def _turned_away(name: str, north: North, secrets: set[str]) -> Walker:
    token = str(north.former.token)
    spoilt = f"Bearer {token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    malformed = (spoilt, "Bearer", "Bearer ", f"bearer  {token} x", f"Basic {token}", token, "Bearer " + "x" * 5000)
    headers = malformed if name == "a malformed token" else (f"Bearer {token}",)
    return Walker(name, CheckedClient(), secrets, [north.hers], headers=headers)


def spoil(name: str, north: North) -> None:
    """Make the token of the one who has left what `name` says."""
    entries, moment = mongo.collection("accounts"), now() - timedelta(minutes=1)
    mine = {"type": "token", "account": north.former.uid}
    changes = {
        "an expired token": (mine, {"expires_at": moment}),
        "a revoked token": (mine, {"active": False}),
        "somebody dismissed": ({"type": "account", "uid": north.former.uid}, {"active": False}),
        "a token for something else": (
            {"type": "token", "account": north.machine.uid}, {"scopes": ["report.view"]}
        ),
    }  # fmt: skip
    if name in changes:
        where, change = changes[name]
        assert entries.update_one(where, {"$set": change}).matched_count == 1
    directory.forget()
    audit.flush()


def _personal(planted: Planted) -> set[str]:
    return {worlds.squeezed(text.casefold()) for text in planted.personal}


def _of_leads(rows: Iterable[Row], leads: list[Planted]) -> set[str]:
    return _needles(rows, [planted.uid for planted in leads])


def _needles(rows: Iterable[Row], uids: Collection[str]) -> set[str]:
    return {text for row in rows if str(row["uid"]).partition(":")[0] in uids for text in worlds.needles(row)}


def _of_people(world: World) -> set[str]:
    """The branch's people and whatever belongs to them: by the centre, or by the uid of one of them."""
    rows = list(world["accounts"].values())
    people = [row for row in rows if CENTER in row.get("centers", ())]
    uids = {row["uid"] for row in people}
    theirs = [row for row in rows if row.get("account") in uids]
    return {text for row in [*people, *theirs] for text in worlds.needles(row)}
