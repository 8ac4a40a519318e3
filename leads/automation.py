"""What follows by itself from a task: moves through the gate, and the next task."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from leads import gate
from leads.documents import Activity, Lead, Task
from leads.gate import Move
from leads.record import Ask, changed, line


@dataclass(slots=True)
class Automation:
    """Did the lead move, and if not, why? Which tasks were made?"""

    moved: bool = False
    to_stage: str | None = None
    refusals: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    added: str = ""  # the task that all this follows from, where one was added

    def begin(self) -> None:
        """Anew: another writer was first."""
        self.moved, self.to_stage, self.refusals, self.tasks, self.added = False, None, [], [], ""

    def told(self) -> dict[str, Any] | None:
        """null where nothing was to follow."""
        if not (self.to_stage or self.tasks):
            return None
        return {"moved": self.moved, "to_stage": self.to_stage, "refusals": self.refusals, "tasks": self.tasks}


class Draft:
    """A lead while several things are done to it that will be one write. Nothing is checked until `written`."""

    def __init__(self, lead: Lead, ask: Ask, automation: Automation) -> None:
        self.before, self.ask, self.automation = lead, ask, automation
        self.values: dict[str, Any] = {}
        self.lines: list[Activity] = []

    @property
    def lead(self) -> Lead:
        return self.before.model_copy(update=self.values)

    def does(self, lines: Iterable[Activity], **values: Any) -> None:
        self.values |= values
        self.lines += lines

    def adds(self, task: Task) -> None:
        self.automation.tasks.append(task.uid)
        said = line(self.ask, "task", f"Added: {task.title}", task=task.uid, status="pending", automatic=True)
        self.does([said], tasks=[*self.lead.tasks, task])

    def moves(self, uid: str, why: str, *, planned: bool = False) -> None:
        """Into that stage if the gate lets it pass; otherwise the timeline says why it stays."""
        stage, lead = self.ask.workflow.stage(uid), self.lead
        if stage is None or uid == lead.current_stage:
            return
        wish = Move(uid, reason=why, automatic=True, planned=planned)
        if against := gate.refusals(lead, stage, wish, self.ask):
            self.automation.refusals += against
            self.automation.to_stage = self.automation.to_stage or uid
            codes = [refusal["code"] for refusal in against]
            said = f"Did not move to {stage.name}: {against[0]['detail']}"
            self.does([line(self.ask, "system", said, to=uid, refused=codes)])
            return
        step = gate.entering(lead, stage, wish, self.ask)
        self.automation.moved, self.automation.to_stage = True, uid
        self.does(step.lines, **step.values)

    def written(self, made: str | None = None) -> Lead:
        return changed(self.before, self.ask, self.lines, made=made, **self.values)
