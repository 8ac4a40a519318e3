"""Stages and the config over HTTP. Deleting a stage moves leads and is therefore in `leads.api`."""

from typing import Any

from lead_crm.documents import In
from lead_crm.errors import Conflict, Locked
from lead_crm.http import Call, endpoint
from workflow import service
from workflow.documents import (
    Config,
    ConfigIn,
    ConfigOut,
    ConfigPatch,
    LockIn,
    ReorderIn,
    Stage,
    StageIn,
    StageList,
    StageOut,
    StagePatch,
    StageQuery,
    UnlockIn,
)


def shown(document: Stage | Config) -> dict[str, Any]:
    kind = "stage" if isinstance(document, Stage) else "config"
    return {"type": kind, **document.model_dump()}


@endpoint(permission="lead.view", query=StageQuery, returns=StageList)
def list_stages(call: Call[None, StageQuery]) -> dict[str, Any]:
    """The stages, in the order of the board."""
    wanted = call.query.archived
    stages = [stage for stage in service.current().stages if wanted in (None, stage.archived)]
    return {"results": [shown(stage) for stage in stages]}


@endpoint(
    permission="workflow.edit", body=StageIn, returns=StageOut, status=201, raises=(Conflict, Locked), versioned=True
)
def create_stage(call: Call[StageIn, None]) -> dict[str, Any]:
    """Add a stage."""
    return shown(service.add_stage(call.body, actor=call.actor, now=call.now))


@endpoint(permission="lead.view", returns=StageOut, versioned=True)
def read_stage(call: Call[None, None], uid: str) -> dict[str, Any]:
    """One stage."""
    return shown(service.read_stage(uid))


@endpoint(permission="workflow.edit", body=StagePatch, returns=StageOut, raises=(Conflict, Locked), versioned=True)
def edit_stage(call: Call[In, None], uid: str) -> dict[str, Any]:
    """Change a stage: only what is sent changes (merge patch)."""
    changes = call.body.model_dump()
    return shown(service.change_stage(uid, changes, actor=call.actor, now=call.now, if_match=call.if_match))


@endpoint(permission="workflow.edit", body=ReorderIn, returns=StageList, raises=(Conflict, Locked))
def reorder_stages(call: Call[ReorderIn, None]) -> dict[str, Any]:
    """Put the stages into this order. Name every stage that is not archived."""
    workflow = service.reorder(call.body, actor=call.actor, now=call.now)
    return {"results": [shown(stage) for stage in workflow.stages]}


@endpoint(permission="lead.view", returns=ConfigOut, versioned=True)
def read_config(call: Call[None, None]) -> dict[str, Any]:
    """The one config."""
    return shown(service.current().config)


@endpoint(permission="workflow.edit", body=ConfigIn, returns=ConfigOut, status=201, raises=(Conflict,), versioned=True)
def create_config(call: Call[ConfigIn, None]) -> dict[str, Any]:
    """Set the workflow up. There is never a second config."""
    return shown(service.set_up(call.body, actor=call.actor, now=call.now))


@endpoint(permission="workflow.edit", body=ConfigPatch, returns=ConfigOut, raises=(Conflict, Locked), versioned=True)
def edit_config(call: Call[In, None]) -> dict[str, Any]:
    """Change the config: only what is sent changes (merge patch); lists are replaced whole."""
    changes = call.body.model_dump()
    return shown(service.configure(changes, actor=call.actor, now=call.now, if_match=call.if_match))


@endpoint(permission="workflow.edit", body=LockIn, returns=ConfigOut, raises=(Conflict,), versioned=True)
def lock_config(call: Call[LockIn, None]) -> dict[str, Any]:
    """Lock the workflow: config and stages refuse every change until unlocked."""
    return shown(
        service.lock(locked=True, reason=call.body.reason, actor=call.actor, now=call.now, if_match=call.if_match)
    )


@endpoint(permission="workflow.edit", body=UnlockIn, returns=ConfigOut, raises=(Conflict,), versioned=True)
def unlock_config(call: Call[UnlockIn, None]) -> dict[str, Any]:
    """Unlock the workflow. The reason stands in the workflow's log."""
    return shown(
        service.lock(locked=False, reason=call.body.reason, actor=call.actor, now=call.now, if_match=call.if_match)
    )
