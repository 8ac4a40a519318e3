"""Is the CRM alive, and can it work?"""

from typing import Literal

from pymongo.errors import PyMongoError

from lead_crm import mongo
from lead_crm.documents import Out
from lead_crm.errors import Unavailable
from lead_crm.http import Call, endpoint


class Health(Out):
    status: Literal["ok"]
    database: Literal["ok"]


@endpoint(permission=None, returns=Health)
def read_health(call: Call[None, None]) -> Health:
    """Live and ready: the process answers, and its database does."""
    try:
        mongo.ping()
    except PyMongoError:
        raise Unavailable("The database does not answer.") from None
    return Health(status="ok", database="ok")
