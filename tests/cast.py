"""The standing cast. Alice owns leads, Bob is on her team, Charlie is of another centre and must see nothing."""

from functools import cached_property

from lead_crm.documents import now
from management import accounts
from tests.contract import CheckedClient

NORTH, SOUTH = "north", "south"


class Cast:
    def __init__(self) -> None:
        for center in (NORTH, SOUTH):
            accounts.add_center(uid=center, name=center.title(), at=now())
        self.root = self._member("root", ["super_admin"], [])

    def _member(self, name: str, roles: list[str], centers: list[str]) -> CheckedClient:
        account = accounts.create(
            email=f"{name}@example.com", name=name.title(), roles=roles, centers=centers, at=now()
        )
        client = CheckedClient(token=accounts.create_token(account, name="tests", at=now()))
        client.uid = account.uid
        return client

    @cached_property
    def alice(self) -> CheckedClient:
        return self._member("alice", ["center_admin"], [NORTH])

    @cached_property
    def bob(self) -> CheckedClient:
        return self._member("bob", ["agent"], [NORTH])

    @cached_property
    def carol(self) -> CheckedClient:
        """Bob's colleague: an agent as well."""
        return self._member("carol", ["agent"], [NORTH])

    @cached_property
    def charlie(self) -> CheckedClient:
        return self._member("charlie", ["center_admin"], [SOUTH])

    @cached_property
    def vera(self) -> CheckedClient:
        """Only looks."""
        return self._member("vera", ["viewer"], [NORTH])

    @cached_property
    def tom(self) -> CheckedClient:
        """Sees leads with a task of his, without personal fields."""
        return self._member("tom", ["trainer"], [NORTH])

    @cached_property
    def nora(self) -> CheckedClient:
        """A counsellor: sees all leads of her centre."""
        return self._member("nora", ["counsellor"], [NORTH])

    @cached_property
    def sam(self) -> CheckedClient:
        """A counsellor of the other centre."""
        return self._member("sam", ["counsellor"], [SOUTH])

    @cached_property
    def nobody(self) -> CheckedClient:
        return CheckedClient()


def lead(client: CheckedClient, **values: object) -> dict[str, object]:
    """A lead made by `client` with what the default preset requires."""
    body = {"name": "Ada Lovelace", "fields": {"budget": "100.00"}} | values
    response = client.post("/api/leads/", body)
    assert response.status_code == 201, response.content
    return response.json()
