"""One short random history: a series, a person who uses it, and workers that come late, twice, and in any order.

All of it follows from a seed. What may happen is acts.py's, what must hold after each step invariants.py's, and how
many histories are run harness.py's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from random import Random

from recurrence_pipeline.domain.announcing import believed
from recurrence_pipeline.domain.errors import Permanent, RecurrenceError, Transient
from recurrence_pipeline.domain.model import CHANGES, Operation, SeriesMemory, Source, Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import NONE, Recurrence, read_recurrence
from recurrence_pipeline.domain.revising import is_edited
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.simulation.random_series import ORIGINAL, USER, random_original
from recurrence_pipeline.simulation.store import Planner, Store, Write, plan_of

STEPS = (4, 12)
"""How many steps a history has at least, and at most."""
DIES_BEFORE_A_WRITE = 0.25
CHANGES_COME = 0.6
"""In how many histories people change their minds: the others are held against more (invariants.py)."""
SOON = timedelta(seconds=40)
"""How long a worker waits at most: longer than any event's task may take to become visible."""
ASKING = (Operation.CREATE, Operation.COMPLETE)
ROUNDS = 9
"""So often reconciliation may find something more at the end of a history."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a worker was asked, what it planned, and what was there before and after; `died` where it did not finish."""

    events: Sequence[TaskEvent]
    plans: Sequence[Plan]
    before: Store
    after: Store
    now: datetime
    died: bool

    @property
    def asking(self) -> list[TaskEvent]:
        """Those of the events that ask for slots."""
        return [event for event in self.events if event.operation in ASKING]


@dataclass
class History:
    """A series with its past. `steps` makes it, one step at a time."""

    seed: int
    planner: Planner = field(default_factory=Planner)
    store: Store = field(default_factory=Store)
    queue: list[TaskEvent] = field(default_factory=list)
    """Events that no worker has finished yet."""
    finished: list[TaskEvent] = field(default_factory=list)
    half_done: set[str] = field(default_factory=set)
    """Events of workers that died."""
    visit: Visit | None = None
    """Of the last step, where that was a worker's."""
    deleted: set[str] = field(default_factory=set)
    """What people deleted."""
    deleted_slots: set[int | None] = field(default_factory=set)
    """The numbers that those tasks had."""
    done: list[Task] = field(default_factory=list)
    """What people ever completed."""
    removed: dict[str, set[str]] = field(default_factory=dict)
    """What each deletion has removed, in all its tries."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many tasks each deletion says it removed."""
    touched: dict[str, Task] = field(default_factory=dict)
    """What people changed, as they left it."""
    reopened: set[str] = field(default_factory=set)
    """What people ever un-completed."""
    once_done: int = -1
    """The highest slot of those, as it was then."""
    is_changed: bool = False
    """Whether a person ever changed the series itself, took a completion back, or did not want a slot."""
    is_untraced: bool = False
    """Whether the rule was edited before a worker that died remembered by which one it had made tasks."""
    refusals: dict[str, RecurrenceError] = field(default_factory=dict)
    is_over: bool = False
    """Whether this was the last step."""
    raised: str | None = None
    """What went wrong in a way that nobody foresaw."""

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - repeatable is the point
        self.original = random_original(self.chance)
        """As it was created."""
        assert isinstance(self.original.due_date, datetime), "a random original has a date"  # noqa: S101
        self.wall = wall_clock("anchor", self.original.due_date, time_zone(self.original.timezone))
        """The first date on the wall clock, as it was when the task was created."""
        assert self.original.created_at is not None, "a random original says when it was created"  # noqa: S101
        self.now = self.original.created_at
        self._serial = 0
        self._head = self.original
        self._asked: Task | None = None
        self._steps = set[tuple[object, ...]]()
        self._read: tuple[Task, Recurrence] | None = None
        self.changes_come = self.chance.random() < CHANGES_COME
        """Whether people change their minds in this history."""

    @property
    def made(self) -> Mapping[str, Task]:
        """Every occurrence that ever was, as it was written."""
        return self.store.made

    @property
    def is_calm(self) -> bool:
        """Whether nothing is left to do for a worker, and the series is still there."""
        return not self.queue and ORIGINAL in self.store.tasks

    @property
    def head(self) -> Task:
        """The original as it is now, or last was."""
        self._head = self.store.tasks.get(ORIGINAL, self._head)
        return self._head

    @property
    def memory(self) -> SeriesMemory | None:
        """What the worker knows of the series."""
        return self.store.memories.get(ORIGINAL)

    @property
    def is_followed(self) -> bool:
        """Whether the worker knows of every edit of rule and options, and there is none that it had to refuse."""
        if self.head.repeat_type == NONE or (self.is_changed and self.memory is None):
            return False
        try:
            return self.memory is None or not is_edited(self.head, self.memory, None)
        except Permanent:
            return False

    @property
    def recurrence(self) -> Recurrence:
        """What the original says of its recurrence; where it recurs no more, what it said at first."""
        head = self.original if self.head.repeat_type == NONE else self.head
        if self._read is None or self._read[0] is not head:
            self._read = head, read_recurrence(head.repeat_type, head.recurrence)
        return self._read[1]

    @property
    def zone(self) -> tzinfo:
        """Whose clocks the series is on."""
        return time_zone(self.memory.current.timezone if self.memory is not None else self.head.timezone)

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
        self.half_done -= done
        self.store.unfinished -= done - self.refusals.keys()
        newest = {event.id: event for event in self.queue if event.id in done}  # with what it has announced by now
        self.finished = [newest.pop(event.id, event) for event in self.finished] + list(newest.values())
        self.queue = [event for event in self.queue if event.id not in done]

    # Looking

    def name(self, task: Task) -> str:
        """Return how a task is called in the telling of a history."""
        if task.id == ORIGINAL:
            return "the first task"
        slot = "an added date" if task.occurrence_number is None else f"slot {task.occurrence_number}"
        return slot if task.occurrence_at is None else f"{slot} ({task.occurrence_at:%a %Y-%m-%d %H:%M})"

    def named(self, event: TaskEvent) -> str:
        """Return how an event is called."""
        task = self.store.tasks.get(event.task_id) or self.made.get(event.task_id)
        return f"{event.operation.value} of {self.name(task) if task else 'what is gone'}"

    def members(self) -> list[Task]:
        """Return the tasks of the series in the order of their dates."""
        return sorted(self.store.tasks.values(), key=lambda task: (str(task.due_date), task.id))

    def open_tasks(self) -> list[Task]:
        """Return those that are not completed."""
        return [task for task in self.members() if not task.is_completed]

    def ask(
        self,
        operation: Operation,
        task_id: str,
        *,
        slot: int | None = None,
        undo: bool = False,
        source: Source = Source.OUTBOX,
    ) -> None:
        """Write an event, as an application does."""
        self._serial += 1
        self.now += timedelta(milliseconds=1)
        number = f"65920081{self._serial:016x}"
        event = TaskEvent(number, operation, task_id, self.now, user_id=USER, source=source, slot=slot, undo=undo)
        self.queue.append(event)
        self.store.note(event)
