"""Who gets a lead by a rule: whoever of the pool is there and has the next turn."""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType

from lead_crm import directory
from lead_crm.access import Person
from leads import turns
from leads.assignment import Picked, Wanted
from leads.documents import Lead
from leads.turns import Turn
from workflow.policies import InRole
from workflow.workflow import Workflow


class Dealer:
    """For one request. Rules only ask; a turn is taken when nothing can refuse the lead any more, and then they run
    again with the answer. Whoever was drawn stays drawn when another writer was first; a turn that was taken for
    nothing is given back.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._picked: dict[Wanted, Picked] = {}
        self._open: Wanted | None = None
        self._taken: list[Turn] = []

    def __enter__(self) -> "Dealer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for turn in reversed(self._taken):
            turns.give_back(turn)

    def asked(self) -> Callable[[Wanted], Picked | None]:
        """For the next run of the rules."""
        self._open = None
        return self._pick

    def _pick(self, wanted: Wanted) -> Picked | None:
        if wanted not in self._picked:
            self._open = self._open or wanted
        return self._picked.get(wanted)

    def settled(self, lead: Lead, workflow: Workflow, again: Callable[[], Lead]) -> Lead:
        """The lead with whoever gets it; as it is where nobody was asked for."""
        while wanted := self._open:
            self._picked[wanted] = self._drawn(wanted, workflow)
            self._open = None
            lead = again()
        return lead

    def spent(self) -> None:
        """It is written: the turns are used."""
        self._taken.clear()

    def _drawn(self, wanted: Wanted, workflow: Workflow) -> Picked:
        there, why = _there(wanted)
        if len(there) < 2:
            return Picked(there[0] if there else None, why)
        if wanted.mode == "least_loaded":
            open_stages = [stage.uid for stage in workflow.stages if stage.kind == "open"]
            turn, why = turns.least_loaded(wanted.key, there, open_stages, now=self.now), "the fewest open leads"
        else:
            turn, why = turns.next_one(wanted.key, there), "next in turn"
        if turn is None:
            return Picked(None, f"Left to nobody: {wanted.name} needs a real MongoDB to know whose turn it is.")
        self._taken.append(turn)
        return Picked(turn.person, f"By {wanted.name}: {why} of {len(there)} people.")


def _people(pool: Sequence[str | InRole]) -> dict[str, Person]:
    """In the order of the pool."""
    named = directory.people(member for member in pool if isinstance(member, str))
    found: dict[str, Person] = {}
    for member in pool:
        if isinstance(member, InRole):
            found |= {person.uid: person for person in directory.holding(member.role)}
        elif member in named:
            found[member] = named[member]
    return found


def _there(wanted: Wanted) -> tuple[list[str], str]:
    """Who of the pool can get it; with why it is the only one, or nobody."""
    people = _people(wanted.pool)
    there = [uid for uid, person in people.items() if person.works_in(wanted.center)]
    if there:
        return there, f"By {wanted.name}."
    if people:
        return [], f"Left to nobody: in the pool of {wanted.name} nobody works in the centre {wanted.center}."
    return [], f"Left to nobody: in the pool of {wanted.name} nobody is active."
