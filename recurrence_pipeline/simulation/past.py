"""What came to be in one random history, and how things are called in its telling. What goes on is history.py's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from random import Random

from recurrence_pipeline.domain.errors import Permanent, RecurrenceError
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import NONE, Recurrence, read_recurrence
from recurrence_pipeline.domain.revising import is_edited
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.simulation.random_series import ORIGINAL, USER, random_original
from recurrence_pipeline.simulation.store import Planner, Store

CHANGES_COME = 0.6
"""In how many histories people change their minds: the others are held against more (invariants.py)."""
ASKING = (Operation.CREATE, Operation.COMPLETE)


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
class Past:
    """A series with its past."""

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
