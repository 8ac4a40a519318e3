"""Is the CRM alive, and can it work?"""

from typing import Literal

from lead_crm import mongo
from lead_crm.documents import Out
from lead_crm.http import Call, endpoint


class Health(Out):
    status: Literal["ok"]
    database: Literal["ok"]


@endpoint(permission=None, returns=Health)
def read_health(call: Call[None, None]) -> Health:
    """Live and ready: the process answers, and its database does."""
    mongo.ping()
    return Health(status="ok", database="ok")
