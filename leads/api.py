"""Leads over HTTP, and the one operation on stages that moves leads."""

from typing import Any

from django.conf import settings

from lead_crm import cursors
from lead_crm.documents import In
from lead_crm.errors import Conflict, Invalid, Locked, NeedsServer, NotFound, Refused
from lead_crm.http import Call, endpoint
from leads import arriving, board, duplicates, listing, search, service, shown, store, timeline, views
from leads.documents import Task
from leads.life_messages import CloseIn, CompletedOut, ConvertIn, HoldIn, NoteIn, TaskMade
from leads.merging_messages import TimelineEntry, TimelinePage
from leads.messages import (
    ActivityIn,
    AssignIn,
    CardPage,
    Column,
    CompleteIn,
    DeleteStageQuery,
    HistoryPage,
    KanbanMoveIn,
    LeadCreated,
    LeadIn,
    LeadOut,
    LeadPage,
    LeadPatch,
    LeadQuery,
    Moves,
    NotesIn,
    Nothing,
    PageQuery,
    TaskIn,
    TaskList,
    TaskOut,
    TaskPatch,
    TransitionIn,
)
from leads.service import Changed
from leads.views_messages import ViewedBoard, ViewedColumn, ViewedList
from workflow import rules as workflow_rules
from workflow import service as workflow_service
from workflow.documents import Stage
from workflow.workflow import Workflow

Row = dict[str, Any]


def _written(call: Call[Any, Any], changed: Changed) -> Row:
    lead, workflow = changed
    return shown.written(lead, workflow=workflow, now=call.now, actor=call.actor)


def _task(call: Call[Any, Any], task: Task) -> Row:
    return shown.tasks([task.model_dump()], call.actor)[0]


def _who(call: Call[Any, Any]) -> dict[str, Any]:
    return {"actor": call.actor, "now": call.now, "once": call.once}


@endpoint(
    permission="lead.create",
    body=LeadIn,
    returns=LeadCreated,
    status=201,
    raises=(Conflict,),
    versioned=True,
    also=arriving.faults_of_new,
    audits="create",
)
def create_lead(call: Call[LeadIn, None]) -> Row:
    """Create a lead in the first stage.

    Every fault is reported at once. The uid is drawn when nothing can refuse the lead any more. What happens where
    another lead has the same e-mail address or phone number is `duplicates.policy` in the config: `reject` answers
    409 `duplicate`, `attach` adds to the timeline of the oldest such lead that you may see and answers with that.
    """
    entered = arriving.create(call.body, **_who(call))
    others = [one for one in duplicates.seen(entered.duplicates, call.actor) if one.uid != entered.lead.uid]
    said = {"duplicates": duplicates.shown(others), "attached": entered.attached}
    return _written(call, (entered.lead, entered.workflow)) | said


@endpoint(permission="lead.view", query=ViewedList, returns=LeadPage, raises=(Conflict,), audits="list")
def list_leads(call: Call[None, ViewedList]) -> Row:
    """Leads by filters, search and sort order, a page at a time.

    `field.<key>=`, `field.<key>_min=` and `field.<key>_max=` filter by custom fields. A day may be relative to this one
    (in UTC): `today`, `today-30`, `today%2B7`. Lists in the order of
    creation, score or next follow-up cost the same at any size and depth. A filter that no index answers and that
    takes long examines at most 10,000 candidates for a page; then `partial` is true and `next` goes on from there.
    Other sort orders put the newest 10,000 candidates in order. Counts of 250 and more may be four seconds old;
    smaller ones know of every write on this machine, and within a second of those on others.
    """
    return workflow_service.read(lambda workflow: _listed(call, workflow))


def _listed(call: Call[None, ViewedList], workflow: Workflow) -> Row:
    query = views.applied(call.query, actor=call.actor, workflow=workflow, now=call.now)
    order = listing.order_of(query.sort, workflow, call.actor)
    asked = {"actor": call.actor, "workflow": workflow, "now": call.now, "region": settings.DEFAULT_REGION}
    found = listing.find(query, listing.plan(query, order, **asked), _projection(query))
    if not found.rows and query.q and search.is_exact(query.q):
        found = listing.find(query, listing.plan(query, order, **asked, loosely=True), _projection(query))
    shown.listed(found.rows, workflow=workflow, now=call.now, actor=call.actor)
    count, capped = listing.count(query, found)
    return {
        "results": _selected(found.rows, query.fields),
        "next": found.next and cursors.address(call.request, cursor=found.next, offset=None),
        "previous": _previous(call, found.previous),
        "count": count,
        "count_capped": capped,
        "partial": found.partial,
    }


def _projection(query: LeadQuery) -> dict[str, int]:
    if not query.fields:
        return shown.LISTED
    if faults := shown.unknown(query.fields, "/fields"):
        raise Invalid(faults)
    return shown.LISTED | {name: 1 for name in query.fields if name not in shown.COMPUTED}


def _selected(rows: list[Row], names: list[str] | None) -> list[Row]:
    if not names:
        return rows
    return [{"uid": row["uid"], **{name: row[name] for name in names}} for row in rows]


def _previous(call: Call[None, ViewedList], cursor: str | None) -> str | None:
    if cursor:
        return cursors.address(call.request, cursor=cursor, offset=None)
    if call.query.offset:
        return cursors.address(call.request, offset=max(0, call.query.offset - call.query.limit) or None)
    return None


@endpoint(permission="lead.view", returns=LeadOut, versioned=True, audits="read")
def read_lead(call: Call[None, None], uid: str) -> Row:
    """One lead, whole."""
    row = store.get(uid, actor=call.actor, projection=shown.WHOLE, plain=True)
    return shown.whole(row, workflow=workflow_service.recent(), now=call.now, actor=call.actor)


@endpoint(
    permission="lead.edit", body=LeadPatch, returns=LeadOut, raises=(Conflict,), versioned=True,
    also=service.faults_of_edit, audits="change",
)  # fmt: skip
def edit_lead(call: Call[In, None], uid: str) -> Row:
    """Change a lead: only what is sent changes, null clears (merge patch). Moving is not changing: see `transition`."""
    return _written(
        call, service.edit(uid, call.body.model_dump(), actor=call.actor, now=call.now, if_match=call.if_match)
    )


@endpoint(permission="lead.view", returns=Moves, audits="read")
def list_moves(call: Call[None, None], uid: str) -> Row:
    """Every stage: may the lead go there, and if not, exactly why, and what would make it pass."""
    return {"results": service.moves(uid, actor=call.actor, now=call.now)}


@endpoint(
    permission="lead.move", body=TransitionIn, returns=LeadOut, raises=(Refused,), versioned=True, audits="change"
)
def transition_lead(call: Call[TransitionIn, None], uid: str) -> Row:
    """Move a lead to another stage, if the gate lets it pass; a refusal (409) lists every reason."""
    return _written(call, service.transition(uid, call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.edit", body=AssignIn, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def assign_lead(call: Call[AssignIn, None], uid: str) -> Row:
    """Give a lead to one or several people, or to nobody (null). Giving it to others needs `lead.assign`.

    With `by_rule` it goes to whoever gets it by the stage's `auto_assign` or the config's `assignment`, as a new lead
    would; the timeline says by which rule. 409 `no_rule` where none applies, `nobody_there` where its pool is empty.
    """
    return _written(call, service.assign_as(uid, call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.close", body=ConvertIn, returns=LeadOut, raises=(Refused,), versioned=True, audits="change")
def convert_lead(call: Call[ConvertIn, None], uid: str) -> Row:
    """Won, through the gate, with a reference to what came of it."""
    return _written(call, service.convert(uid, call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.close", body=CloseIn, returns=LeadOut, raises=(Refused,), versioned=True, audits="change")
def close_lead(call: Call[CloseIn, None], uid: str) -> Row:
    """Lost, through the gate, for a reason: free words, or the key of a configured one."""
    return _written(call, service.close(uid, call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.close", body=NoteIn, returns=LeadOut, raises=(Refused,), versioned=True, audits="change")
def reopen_lead(call: Call[NoteIn, None], uid: str) -> Row:
    """Back from won or lost to the open stage before."""
    return _written(call, service.reopen(uid, call.body.note, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.edit", body=HoldIn, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def hold_lead(call: Call[HoldIn, None], uid: str) -> Row:
    """Put an open lead on hold: it may be edited, but not moved. Held already, it takes another note or `until`."""
    return _written(call, service.hold(uid, call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.edit", body=NoteIn, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def resume_lead(call: Call[NoteIn, None], uid: str) -> Row:
    """Take a lead up again that was on hold."""
    return _written(call, service.resume(uid, call.body.note, **_who(call), if_match=call.if_match))


@endpoint(permission="lead.view", returns=TaskList, audits="read")
def list_tasks(call: Call[None, None], uid: str) -> Row:
    """The tasks of a lead, oldest first."""
    row = store.get(uid, actor=call.actor, projection={"tasks": 1, "_id": 0}, plain=True)
    return {"results": shown.tasks(row["tasks"], call.actor)}


@endpoint(
    permission="task.edit", body=TaskIn, returns=TaskMade, status=201, raises=(Conflict,), audits="change",
    conditional=True,
)  # fmt: skip
def create_task(call: Call[TaskIn, None], uid: str) -> Any:
    """Add a task by hand. Its kind may move the lead; if the gate refuses, `automation` says why.

    `If-Match` is about the lead.
    """
    task, automation = service.add_task(uid, call.body, **_who(call), if_match=call.if_match)
    return _task(call, task) | {"automation": automation.told()}


@endpoint(
    permission="task.edit", body=TaskPatch, returns=TaskOut, raises=(Conflict,), audits="change", conditional=True
)
def edit_task(call: Call[In, None], uid: str, task: str) -> Any:
    """Change a pending task (merge patch). `If-Match` is about the lead."""
    changes = call.body.model_dump()
    return _task(call, service.edit_task(uid, task, changes, actor=call.actor, now=call.now, if_match=call.if_match))


@endpoint(
    permission="lead.view", body=CompleteIn, returns=CompletedOut, raises=(Conflict,), versioned=True, audits="change"
)
def complete_task(call: Call[CompleteIn, None], uid: str, task: str) -> Row:
    """Complete a task, with what its kind asks for. Needs `task.complete`, or `task.complete:<kind>`.

    What follows from the outcome (a move through the gate, the next task) happens in the same write. If the gate
    refuses, the task is completed all the same, the lead stays, and `automation` and the timeline say why.
    """
    changed, automation = service.complete_task(uid, task, call.body, **_who(call), if_match=call.if_match)
    return _written(call, changed) | {"automation": automation.told()}


@endpoint(permission="task.edit", body=Nothing, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def reopen_task(call: Call[Nothing, None], uid: str, task: str) -> Row:
    """Make a closed task pending again."""
    return _written(call, service.reopen_task(uid, task, **_who(call), if_match=call.if_match))


@endpoint(permission="task.edit", body=NotesIn, returns=LeadOut, raises=(Conflict,), versioned=True, audits="change")
def cancel_task(call: Call[NotesIn, None], uid: str, task: str) -> Row:
    """Cancel a pending task. A required one still blocks the lead."""
    return _written(call, service.cancel_task(uid, task, call.body.notes, **_who(call), if_match=call.if_match))


def _timeline(call: Call[None, PageQuery], uid: str, what: timeline.What, *, newest_first: bool) -> Row:
    results, following, count = timeline.page(
        uid, what, newest_first=newest_first, limit=call.query.limit, cursor=call.query.cursor, actor=call.actor
    )
    following = following and cursors.address(call.request, cursor=following)
    show = shown.activities if what == "activities" else shown.history
    return {
        "results": show(results, call.actor), "next": following, "previous": None,
        "count": count, "count_capped": False, "partial": False,
    }  # fmt: skip


@endpoint(permission="lead.view", query=PageQuery, returns=TimelinePage, audits="read")
def list_activities(call: Call[None, PageQuery], uid: str) -> Row:
    """The timeline of a lead, newest first, however long; with those of leads that were merged into it."""
    return _timeline(call, uid, "activities", newest_first=True)


@endpoint(
    permission="lead.edit", body=ActivityIn, returns=TimelineEntry, status=201, raises=(Conflict,), audits="change",
    conditional=True,
)  # fmt: skip
def create_activity(call: Call[ActivityIn, None], uid: str) -> Any:
    """Write onto the timeline. A call counts as an attempt; every contact has its time noted.

    `If-Match` is about the lead.
    """
    return service.add_activity(uid, call.body, **_who(call), if_match=call.if_match) | {"lead": uid}


@endpoint(permission="lead.view", query=PageQuery, returns=HistoryPage, audits="read")
def list_history(call: Call[None, PageQuery], uid: str) -> Row:
    """The lead's passage through the stages, from the beginning."""
    return _timeline(call, uid, "history", newest_first=False)


@endpoint(
    permission="lead.view", query=ViewedBoard, returns=list[Column], raises=(NeedsServer, Conflict), audits="list"
)
def read_board(call: Call[None, ViewedBoard]) -> list[Row]:
    """The board: every column with its first cards. Counts stop at 1,000, and large ones may be four seconds old."""
    return workflow_service.read(lambda workflow: _board(call, workflow))


def _board(call: Call[None, ViewedBoard], workflow: Workflow) -> list[Row]:
    version, columns = board.read(_match(call, workflow), workflow, limit=call.query.limit)
    if version != workflow.version:  # stages have changed within the last two seconds
        return _board(call, workflow_service.current())
    return [
        _column(call, workflow, stage, column)
        for stage, column in zip(workflow.stages, columns, strict=True)
        if not stage.archived or column["count"]
    ]


def _match(call: Call[None, Any], workflow: Workflow) -> board.Match:
    query = views.applied(call.query, actor=call.actor, workflow=workflow, now=call.now)
    return board.match(query, actor=call.actor, workflow=workflow, now=call.now, region=settings.DEFAULT_REGION)


def _column(call: Call[None, ViewedBoard], workflow: Workflow, stage: Stage, column: Row) -> Row:
    return {
        "uid": stage.uid, "name": stage.name, "slug": stage.slug, "color": stage.color, "order": stage.order,
        "kind": stage.kind, "count": column["count"], "count_capped": column["count_capped"], "value": None,
        "wip_limit": stage.wip_limit,
        "leads": shown.cards(column["leads"], workflow=workflow, now=call.now, actor=call.actor),
        "next": column["next"] and _column_address(call, stage.uid, column["next"]),
    }  # fmt: skip


def _column_address(call: Call[None, ViewedBoard], stage: str, cursor: str) -> str:
    address = cursors.address(call.request, cursor=cursor)
    return address.replace("/leads/kanban/", f"/leads/kanban/{stage}/", 1)


@endpoint(permission="lead.view", query=ViewedColumn, returns=CardPage, raises=(Conflict,), audits="list")
def read_column(call: Call[None, ViewedColumn], stage: str) -> Row:
    """The next cards of one column."""
    return workflow_service.read(lambda workflow: _cards(call, workflow, stage))


def _cards(call: Call[None, ViewedColumn], workflow: Workflow, stage: str) -> Row:
    workflow_rules.known_stage(workflow, stage)
    rows, following, partial = board.column(stage, call.query, _match(call, workflow))
    return {
        "results": shown.cards(rows, workflow=workflow, now=call.now, actor=call.actor),
        "next": following and cursors.address(call.request, cursor=following),
        "partial": partial,
    }


@endpoint(
    permission="lead.move",
    body=KanbanMoveIn,
    returns=LeadOut,
    raises=(Refused, NotFound, NeedsServer),
    versioned=True,
    audits="change",
)
def move_card(call: Call[KanbanMoveIn, None]) -> Row:
    """Drag and drop: into another column through the gate, or to another place in its own."""
    return _written(call, service.move_card(call.body, **_who(call), if_match=call.if_match))


@endpoint(permission="workflow.edit", query=DeleteStageQuery, status=204, raises=(Conflict, Locked), versioned=True)
def delete_stage(call: Call[None, DeleteStageQuery], uid: str) -> None:
    """Delete a stage. Its leads go to `move_to`; a stage that history names is archived instead."""
    service.delete_stage(uid, move_to=call.query.move_to, actor=call.actor, now=call.now, if_match=call.if_match)
