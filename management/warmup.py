"""What a web process does before its first request."""

import gc
from contextlib import suppress

from django.urls import get_resolver

from lead_crm import mongo
from lead_crm.errors import LeadCrmError
from management import quicklook
from workflow import service as workflow_service


def prepare() -> None:
    """Connect and load; where the database is not there yet, the requests will say so."""
    _ = get_resolver().url_patterns  # imports every app
    if mongo.in_memory():
        quicklook.prepare()
    with suppress(LeadCrmError):
        mongo.ping()
        workflow_service.current()
    # What lives as long as the process need not be looked at by every collection of garbage.
    gc.collect()
    gc.freeze()
