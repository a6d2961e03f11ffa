"""One short random history: a series, a person who uses it, and workers that come late, twice, and in any order.

All of it follows from a seed. What may happen is acts.py's, what must hold after each step invariants.py's, and how
many histories are run harness.py's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from recurrence_pipeline.domain.announcing import believed
from recurrence_pipeline.domain.errors import Permanent, Transient
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline.domain.revising import is_edited
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation, Source
from recurrence_pipeline.simulation.past import ASKING, Past, Visit
from recurrence_pipeline.simulation.random_series import ORIGINAL
from recurrence_pipeline.simulation.store import Write, plan_of

STEPS = (4, 12)
"""How many steps a history has at least, and at most."""
DIES_BEFORE_A_WRITE = 0.25
SOON = timedelta(seconds=40)
"""How long a worker waits at most: longer than any event's task may take to become visible."""
ROUNDS = 9
"""So often reconciliation may find something more at the end of a history."""


class History(Past):
    """A series that goes on: `steps` makes its past, one step at a time."""

    def steps(self, acts: "Mapping[Callable[[History], str | None], int]") -> Iterator[str]:
        """Go on by one of the acts, and say what it was, again and again; in the end workers do all that is left.

        Each act has a weight: how often it comes.
        """
        yield self.begin()
        choices, weights = list(acts), list(acts.values())
        for _ in range(self.chance.randint(*STEPS)):
            self.visit = None
            act = self.chance.choices(choices, weights)[0]
            if (said := act(self)) is not None:
                yield said
        yield from self.drain()

    def begin(self) -> str:
        """Create the series."""
        self.store.put(self.original)
        self.ask(Operation.CREATE, ORIGINAL)
        task = self.original
        return (
            f"a task is created: {task.recurrence or task.repeat_type}, first at {self.wall:%a %Y-%m-%d %H:%M} "
            f"({task.timezone})"
        )

    # Workers

    def drain(self) -> Iterator[str]:
        """Process all that is left, and what reconciliation finds then, and say what that was, again and again."""
        self.visit = None
        for _ in range(ROUNDS):
            self.now += SOON
            said = self.process([list(self.queue)], dies=False)
            self.is_over = not (self.queue or self.reconcile())
            yield said
            if self.is_over:
                return
        raise RuntimeError("there is always something left to do")

    @property
    def is_behind(self) -> bool:
        """Whether slots are still to be generated, which reconciliation finds."""
        return SeriesState(self.store.series(ORIGINAL), self.head, None, now=self.now).is_behind

    def reconcile(self) -> bool:
        """Ask for what nobody told of, as reconciliation does; say whether there is anything."""
        head, memory = self.store.tasks.get(ORIGINAL), self.memory
        if head is None or memory is None or head.repeat_type == NONE:
            return False
        try:
            if is_edited(head, memory, None) and self._asked is not head:  # the same edit is asked for once
                self._asked = head
                self.ask(Operation.UPDATE, ORIGINAL, source=Source.RECONCILE)
                return True
            state = SeriesState(self.store.series(ORIGINAL), head, None, now=self.now)
            step = state.reach().number, *state.missed()[:1]
            if state.is_behind or (len(step) > 1 and step not in self._steps):
                self._steps.add(step)
                self.ask(Operation.CREATE, ORIGINAL, source=Source.RECONCILE)
                return True
        except Permanent:
            pass
        return False

    def process(self, batches: Sequence[Sequence[TaskEvent]], *, dies: bool) -> str:
        """Let workers read this moment, one for each batch, and write one after the other; deletions come last.

        A worker that `dies` may leave any of its writes undone.
        """
        self.now += timedelta(seconds=1)
        before, known = self.store.copy(), set(self.made)
        others = [[e for e in events if e.operation in ASKING] for events in batches]
        plans = [plan_of(before, each, self.now, self.planner) for each in others]
        died = any(self._make(self.store.writes(plan, self.now), dies=dies) for plan in plans)
        changes = [list({e.id: e for e in events if e.operation in CHANGES}.values()) for events in batches]
        while not died and any(changes):
            died, changes, made = self._process_changes(changes, dies=dies)
            plans += made
        if not died:
            deletions = [[e for e in events if e.operation is Operation.DELETE] for events in batches]
            died = any(self._process_deletions(each, dies=dies) for each in deletions)
        events = list({event.id: event for batch in batches for event in batch}.values())
        self.visit = Visit(events, plans, before, self.store.copy(), self.now, died)
        self._settle(events, died=died)
        for series_id in sorted(self.store.owed):
            self.ask(Operation.UPDATE, series_id, source=Source.RECONCILE)
        self.store.owed.clear()
        names = ", ".join(map(self.named, events)) or "nothing"
        who = "two workers at once process" if len(batches) > 1 else "a worker dies over" if died else "processed:"
        made_now = sorted((self.made[i] for i in self.made.keys() - known), key=lambda task: str(task.due_date))
        return f"{who} {names}; {', '.join(map(self.name, made_now)) or 'nothing'} made"

    def _process_changes(
        self, held: Sequence[Sequence[TaskEvent]], *, dies: bool
    ) -> tuple[bool, list[list[TaskEvent]], list[Plan]]:
        """Plan one change for each worker, all from this moment; return whether one died, what is left, the plans."""
        plans = [
            self.planner.changes(events, self.store.load_for_changes(events), now=self.now) for events in held if events
        ]
        died = any(self._make(self.store.writes(plan, self.now), dies=dies) for plan in plans)
        later = {event_id for plan in plans for event_id in plan.postponed}
        return died, [[event for event in events if event.id in later] for events in held], plans

    def _make(self, writes: Iterable[Write], *, dies: bool) -> bool:
        """Make writes one by one; a worker that `dies` may do so before any of them. Return whether it did."""
        for write in writes:
            if dies and self.chance.random() < DIES_BEFORE_A_WRITE:
                return True
            write()
        return False

    def _process_deletions(self, held: Sequence[TaskEvent], *, dies: bool) -> bool:
        ids, here = {event.id for event in held}, dict(self.store.tasks)
        events = list({e.id: e for e in self.queue if e.id in ids}.values())  # with what another announced meanwhile
        snapshot = self.store.load_for_deletion([event.task_id for event in events])
        plan = self.planner.deletions([believed(e, snapshot, self.removed.get(e.id, ())) for e in events], snapshot)
        died = self._make([lambda: self._announce(plan), *self.store.deletion_writes(plan)], dies=dies)
        for removal in plan.removals:
            gone = {*removal.task_ids} - self.store.tasks.keys()
            self.deleted_slots |= {here[i].occurrence_number for i in gone if i in here}
            self.removed.setdefault(removal.event.id, set()).update(gone)
            self.deleted |= gone
        if not died:
            self.counts |= {event_id: answer.deleted for event_id, answer in plan.answers.items()}
        return died

    def _announce(self, plan: Plan) -> None:
        """Note on events what they are about to delete."""
        announced = {r.event.id: replace(r.event, deleting=r.task_ids) for r in plan.removals}
        self.queue = [announced.get(event.id, event) for event in self.queue]

    def _settle(self, events: Sequence[TaskEvent], *, died: bool) -> None:
        assert self.visit is not None, "a worker was here"  # noqa: S101
        asked = {event.id for event in events}
        if died:
            self.half_done |= asked
            return
        for plan in self.visit.plans:
            for event_id in plan.answers.keys() - plan.refusals.keys():
                self.refusals.pop(event_id, None)
            self.refusals |= plan.refusals
        done = {i for i in asked if not isinstance(self.refusals.get(i), Transient)}
        self.half_done = (self.half_done | asked) - done  # what another's change cut off is tried again, too
        self.store.unfinished -= done - self.refusals.keys()
        newest = {event.id: event for event in self.queue if event.id in done}  # with what it has announced by now
        self.finished = [newest.pop(event.id, event) for event in self.finished] + list(newest.values())
        self.queue = [event for event in self.queue if event.id not in done]
