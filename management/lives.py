"""Lives of demo leads: what is done with them, step by step, through the app's own rules."""

import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from lead_crm.access import Actor, Person, public
from lead_crm.errors import LeadCrmError
from leads import gate, life, rules, tasks
from leads.documents import Lead, Task
from leads.gate import Move
from leads.life_messages import CloseIn, ConvertIn, HoldIn
from leads.messages import ActivityIn, CompleteIn, LeadIn, TaskIn
from leads.record import Ask
from management.invention import Teller, appointment, invented
from management.moments import Moment, Scene
from management.words import Ending, StageWords
from workflow.documents import Stage
from workflow.fields import FieldDefinition
from workflow.task_kinds import TaskKind

MILLISECOND: Final = timedelta(milliseconds=1)
YEAR: Final = timedelta(days=365)
MOST_STEPS: Final = 14
WEIGHTS: Final = {"open": 6.0, "won": 5.0, "lost": 2.0}
TASK_WEIGHT: Final = 3.0
NO_WORDS: Final = StageWords()

Row = dict[str, Any]


class Life:
    """One lead through its stages, as far as it gets, and how it stood after each step."""

    def __init__(self, scene: Scene, number: int, born: datetime, dice: random.Random) -> None:
        self.scene, self.dice, self.words = scene, dice, scene.words
        self.at = born
        self.used: set[str] = set()  # nobody says the same twice while there is something else to say
        self.kind = dice.choices(self.words.leads, [kind.weight for kind in self.words.leads])[0]
        self.teller = Teller(self.words, number, dice, self.at, self.kind.given)
        self.center = random.Random(self.teller.family).choice(list(scene.staff))  # noqa: S311 - nothing secret
        staff = scene.staff[self.center]
        self.owner = dice.choice(staff) if staff and dice.random() < 0.9 and not self.kind.public else None
        self.worker = self.owner or (dice.choice(staff) if staff else scene.system)
        self.moments: list[Moment] = []
        self.then = (self.kind.then, self.kind.reason) if self.kind.then else None  # where it goes next, and why
        creator = public(scene.staff) if self.kind.public else self.owner or scene.system
        lead = rules.create(self._request(), self._ask(creator), self._people())
        self.kept = self.kind.given | {name: self.teller[name] for name in self.words.kept}
        self.teller = Teller(self.words, number, dice, self.at, self.kept)
        self._began(self._lived(lead))

    def _began(self, lead: Lead) -> None:
        with suppress(LeadCrmError):  # what the rules refuse ends this life here
            if self.dice.random() >= self.words.untouched:
                lead = self._worked_on(lead)
            self._tidied(lead)

    def _worked_on(self, lead: Lead) -> Lead:
        """Until it is closed, or forgotten."""
        if self.kind.public and self.worker is not self.scene.system:
            self._pass(hours=self._hours(9))
            lead = self._lived(rules.assign(lead, [self.worker.uid], self._ask()))
        for _ in range(MOST_STEPS):
            lead = self._talked(lead)
            if lead.status in ("won", "lost") or self.dice.random() < self._stopping():
                return lead
            lead = self._lived(self._step(lead))
        return lead

    def _tidied(self, lead: Lead) -> None:
        """Most of what was forgotten long ago has been found and closed since."""
        here = self.scene.workflow.stage(lead.current_stage)
        lost = [
            s for s in self.scene.workflow.living if here and s.kind == "lost" and s.uid in here.allowed_next_stages
        ]
        if lead.status == "open" and lost and self.dice.random() < self.words.tidied:
            self._pass(days=self.dice.uniform(25, 60))
            self._lived(self._goes(lead, self.dice.choice(lost).uid, None))

    def _stopping(self) -> float:
        return 0.0 if self.then else self.words.stopping

    def _lived(self, lead: Lead) -> Lead:
        self.moments.append(Moment(self.scene, lead))
        return lead

    def again(self, number: int, born: datetime, dice: random.Random) -> Lead:
        """As far as it has come by now, lived by another person."""
        age = self.scene.now - born
        lived = [moment for moment in self.moments if moment.age <= age]
        usable = [moment for moment in lived if not moment.limited] or lived[:1]
        return usable[-1].again(self.kind, Teller(self.words, number, dice, born, self.kept), born)

    def _ask(self, actor: Actor | None = None) -> Ask:
        return Ask(actor or self.worker, self.scene.workflow, self.at, people=self.scene.named)

    def _pass(self, **later: float) -> None:
        """Nobody works at night; and only appointments are on the full minute."""
        self.at += timedelta(milliseconds=int(timedelta(**later) / MILLISECOND))
        first, last = self.words.hours
        if not first <= self.at.hour < last:
            day = self.at + timedelta(days=self.at.hour >= last)
            self.at = day.replace(hour=first) + timedelta(minutes=self.dice.randint(0, 150))
        if not self.at.second:
            self.at += timedelta(seconds=17)

    def _hours(self, usual: float) -> float:
        return 0.2 + self.dice.expovariate(1 / usual)

    def _noted(self, notes: list[str]) -> str | None:
        if not notes:
            return None
        said = self.dice.choice([note for note in notes if note not in self.used] or notes)
        self.used.add(said)
        return str(self.teller.told(said))

    def _about(self, lead: Lead) -> StageWords:
        return self.words.stages.get(lead.current_stage, NO_WORDS)

    def _talked(self, lead: Lead) -> Lead:
        said = self._about(lead).said
        said = self.words.said if said is None else said
        # Less is said where many are made: nobody reads them all, and each word costs time.
        often = (6, 3, 1) if self.scene.sharing == 1 else (9, 1, 0)
        for _ in range(self.dice.choices((0, 1, 2), often)[0] if said else 0):
            kind: Any = self.dice.choice(list(said))
            if self.used.issuperset(said[kind]):
                continue
            body = ActivityIn(kind=kind, body=self._noted(said[kind]) or "")
            self._pass(hours=self._hours(16))
            lead = self._lived(rules.add_activity(lead, body, self._ask()))
        return lead

    def _step(self, lead: Lead) -> Lead:
        pending = [task for task in lead.tasks if task.status == "pending"]
        if lead.status == "on_hold":
            self._pass(days=self.dice.uniform(5, 30))
            return life.resume(lead, self._noted(self.words.taken_up), self._ask())
        if self.then:
            (stage, reason), self.then = self.then, None
            return self._goes(lead, stage, reason)
        if pending:
            return self._completed(lead, min(pending, key=lambda task: (task.due_at or self.at, task.uid)))
        if self.dice.random() < self.words.holding:
            return self._held(lead)
        tasks_, stages = self._choices(lead)
        what = self.dice.choices([*tasks_, *stages], [*tasks_.values(), *stages.values()])[0]
        return self._planned(lead, what) if what in tasks_ else self._goes(lead, what.removeprefix("to "), None)

    def _choices(self, lead: Lead) -> tuple[dict[str, float], dict[str, float]]:
        """Kinds of tasks, and stages ("to new"), each with its weight."""
        about, workflow = self._about(lead), self.scene.workflow
        here = workflow.stage(lead.current_stage)
        following = [s for s in workflow.living if here and s.uid in here.allowed_next_stages]
        known = {kind: weight for kind, weight in about.tasks.items() if kind in workflow.task_kinds}
        stages = {f"to {s.uid}": about.next[s.uid] for s in following if s.uid in about.next}
        if not (known or stages):
            stages = {f"to {s.uid}": WEIGHTS[s.kind] for s in following}
            known = {kind: TASK_WEIGHT / len(workflow.task_kinds) for kind in workflow.task_kinds}
        return known, stages

    def _held(self, lead: Lead) -> Lead:
        self._pass(hours=self._hours(20))
        until = appointment(self.at + timedelta(days=self.dice.randint(10, 40)), self.words.hours)
        return life.hold(lead, HoldIn(note=self._noted(self.words.held), until=until), self._ask())

    def _planned(self, lead: Lead, kind: str) -> Lead:
        self._pass(hours=self._hours(24 * self._about(lead).days / 2))
        words, helper = self.words.tasks.get(kind), self._helper(kind)
        days = words.days if words else (1, 6)
        due = appointment(self.at + timedelta(days=max(1, self.dice.uniform(*days))), self.words.hours)
        body = TaskIn(
            kind=kind, title=self._noted(words.titles if words else []), due_at=due,
            assigned_to=helper.uid if helper else self.owner and self.owner.uid,
        )  # fmt: skip
        return tasks.add(lead, body, self._ask())

    def _helper(self, kind: str) -> Actor | None:
        able = [one for one in self.scene.helpers.get(self.center, ()) if one.may(f"task.complete:{kind}")]
        return self.dice.choice(able) if able else None

    def _completed(self, lead: Lead, task: Task) -> Lead:
        late = self._hours(9) if self.dice.random() < 0.7 else self._hours(40)
        waits = (task.due_at - self.at) / timedelta(hours=1) if task.due_at else self._hours(60)
        self._pass(hours=max(waits, 0) + late)
        kind = self.scene.workflow.task_kinds[task.kind]
        outcome, ending = self._ending(kind)
        words = self.words.tasks.get(task.kind)
        notes = ending.notes or (words.notes if words else [])
        body = CompleteIn(
            outcome=outcome, notes=self._noted(notes or self.words.said["note"]), fields=self._answers(kind)
        )
        helpers = [one for one in self.scene.helpers.get(self.center, ()) if one.uid == task.assigned_to]
        self.then = (ending.then, ending.reason) if ending.then else None
        return tasks.complete(lead, task.uid, body, self._ask(*helpers[:1]))

    def _ending(self, kind: TaskKind) -> tuple[str | None, Ending]:
        if not kind.outcomes:
            return None, Ending()
        words = self.words.tasks.get(kind.key)
        known = words.outcomes if words else {}
        endings = {outcome.key: known.get(outcome.key, Ending()) for outcome in kind.outcomes}
        return self.dice.choices(list(endings.items()), [ending.weight for ending in endings.values()])[0]

    def _answers(self, kind: TaskKind) -> Row:
        """What completing asks for."""
        words = self.words.tasks.get(kind.key)
        teller = Teller(self.words, self.teller.number, self.dice, self.at, self.kept)
        given = teller.told(words.fields if words else {})
        missing = [field for field in kind.fields if field.required and field.field_key not in given]
        given |= self._invented(missing)
        _, faults = self.scene.workflow.completions[kind.key].convert(given, lead_type=None)
        return _without(given, [fault.pointer for fault in faults])

    def _goes(self, lead: Lead, uid: str, reason: str | None) -> Lead:
        stage = self.scene.workflow.stage(uid)
        if stage is None:
            return lead
        self._pass(hours=self._hours(24 * self._about(lead).days))
        if stage.kind == "open":
            return gate.move(lead, Move(uid, note=self._noted(self._about_entering(stage))), self._ask())
        for task in lead.tasks:
            if task.status == "pending":
                lead = self._lived(tasks.cancel(lead, task.uid, None, self._ask()))
        if lead.follow_up_wish:
            lead = self._lived(rules.edit(lead, {"next_follow_up_at": None}, self._ask()))
        return self._closed(lead, stage, reason)

    def _about_entering(self, stage: Stage) -> list[str]:
        return self.words.stages.get(stage.uid, NO_WORDS).notes if self.dice.random() < 0.5 else []

    def _closed(self, lead: Lead, stage: Stage, reason: str | None) -> Lead:
        if stage.kind == "won":
            note = self._noted(self._about_entering(stage))
            body = ConvertIn(reference=self.teller.told(self.words.reference), note=note, to_stage=stage.uid)
            return life.convert(lead, body, self._ask())
        reasons = [choice.key for choice in self.scene.workflow.config.close_reasons] or ["no interest"]
        usual = [known for known in reasons if known in self.words.lost] or reasons
        why = reason if reason in reasons else self.dice.choice(usual)
        note = self._noted(self.words.lost.get(why, []))
        return life.close(lead, CloseIn(reason=why, note=note, to_stage=stage.uid), self._ask())

    def _invented(self, definitions: Iterable[FieldDefinition]) -> Row:
        return {field.field_key: invented(field, self.teller, self.worker.uid) for field in definitions}

    def _people(self) -> dict[str, Person]:
        """The owner works in this centre: that is where the scene took them from."""
        owner = self.owner
        return {owner.uid: Person(owner.uid, owner.name, (self.center,), everywhere=False)} if owner else {}

    def _request(self) -> LeadIn:
        """What the words say, where the workflow has such things; else what it has."""
        values, often, dice = self.teller.told(self.kind.values), self.words.often, self.dice
        values = {
            name: value for name, value in values.items()
            if name in self.scene.needed or dice.random() < often.get(name, 1)
        }  # fmt: skip
        values |= self._chosen(values)
        values["fields"] = self._fields(values.get("fields", {}), values["lead_type"])
        values |= {"center": self.center} | ({"assigned_to": [self.owner.uid]} if self.owner else {})
        needed = {name: value for name, value in self.words.needed.items() if name in self.scene.needed}
        return LeadIn.model_validate(self.teller.told(needed) | values)

    def _chosen(self, values: Row) -> Row:
        config, dice = self.scene.workflow.config, self.dice

        def one_of(name: str, known: list[str]) -> str | None:
            return values[name] if values.get(name) in known else dice.choice(known) if known else None

        lead_type = one_of("lead_type", [choice.key for choice in config.lead_types])
        sources = [s.key for s in config.sources if not s.lead_types or lead_type in s.lead_types]
        priority = one_of("priority", [choice.key for choice in config.priorities])
        tags, known = list(dict.fromkeys(values.get("tags", ()))), config.tags
        if known is not None:
            tags = dice.sample(known, min(len(known), len(tags)))
        chosen = {"lead_type": lead_type, "source": one_of("source", sources), "priority": priority, "tags": tags}
        units = config.quantity.units
        if values.get("quantity") and units and values["quantity"]["unit"] not in units:
            chosen["quantity"] = None
        return chosen

    def _fields(self, told: Row, lead_type: str | None) -> Row:
        """What is required, and what the words say; what does not belong to such a lead is left out again."""
        words, needed = self.words, self.scene.needed
        known = [field for field in self.scene.workflow.config.variables if not field.archived]
        wanted = [
            field for field in known if field.field_key not in told
            and (field.required or field.field_key in needed or (words.invents and self.dice.random() < 0.6))
        ]  # fmt: skip
        given = {
            key: value for key, value in told.items()
            if key in needed or self.dice.random() < words.often.get(f"fields.{key}", 1)
        } | self._invented(wanted)  # fmt: skip
        _, faults = self.scene.workflow.values.convert(given, lead_type=lead_type)
        return _without(given, [fault.pointer for fault in faults])


def _without(fields: Row, pointers: list[str]) -> Row:
    refused = {pointer.split("/")[2] for pointer in pointers}
    return {key: value for key, value in fields.items() if key not in refused}
