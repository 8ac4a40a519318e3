"""Preparing the data: indexes, and the workflow of a preset."""

from datetime import datetime
from typing import Final

from lead_crm import directory, mongo
from lead_crm.access import system
from lead_crm.errors import Conflict
from leads import store as lead_store
from workflow import preset as presets
from workflow import service as workflow_service
from workflow import store as workflow_store

USUAL: Final = "default"


def prepare(preset: str | None, *, now: datetime) -> str:
    """Says what was done. The same preset again changes nothing; None: whatever there is stays."""
    mongo.ensure_indexes()
    before = workflow_store.current()
    if before and preset is None:
        return f"The preset {workflow_store.preset()} was in place already."
    preset = preset or USUAL
    if preset not in presets.names():
        raise Conflict(f"There is no preset {preset}. There are: {', '.join(presets.names())}.")
    if before and workflow_store.preset() != preset and lead_store.number_of_leads():
        raise Conflict("There are leads already: their workflow is not replaced by a preset.")
    installed = workflow_service.install(preset, actor=system(directory.centers()), now=now)
    return f"The preset {preset} is in place." if installed else f"The preset {preset} was in place already."
