"""What planning reads and what it comes to, as values: a Snapshot in, a Plan out.

How one follows from the other is in planning.py; how a plan is carried out, in worker/batch.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.model import Action, Series, SeriesMemory, Task, TaskEvent, activity_id

MAX_NESTING = 8
"""How many occurrences may hang on each other before the search for the original gives up."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tasks and series that a batch speaks of, as one moment saw them."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)

    def series_of(self, task_id: str) -> Series:
        """Return the series that a task belongs to; one without an original where nothing is known of it."""
        head = task_id
        for _ in range(MAX_NESTING):
            task = self.tasks.get(head)
            if task is None or task.parent_recurring_id is None:
                break
            head = task.parent_recurring_id
        return self.series.get(head) or Series(head, None)


@dataclass(slots=True)
class NewOccurrence:
    """An occurrence to insert, and the event that makes it; its `taskId` is given when it is written.

    `slot` is its number, None on an added date; `at` its time on the wall clock, `due` the same in UTC.
    """

    id: str
    original: Task
    slot: int | None
    due: datetime
    event_id: str
    at: datetime

    @property
    def name(self) -> str:
        """What people call the slot: its number, or the date that was added."""
        return f"{self.at:%Y-%m-%d}" if self.slot is None else str(self.slot)


@dataclass(slots=True)
class NewActivity:
    """A line for the user's activity log; the same fact always has the same id."""

    id: str
    action: Action
    user_id: str
    task_id: str
    error: str | None = None
    detail: str | None = None
    """What the message says beside action and task."""

    @classmethod
    def of(
        cls,
        action: Action,
        user_id: str,
        task_id: str,
        *,
        subject: str | None = None,
        error: str | None = None,
        detail: str | None = None,
    ) -> "NewActivity":
        """Build the activity whose identity is (action, subject); the subject is the task unless named."""
        return cls(activity_id(action, subject or task_id), action, user_id, task_id, error, detail)


@dataclass(frozen=True, slots=True)
class Reparent:
    """Hang a task on its original, where it still hangs on what it was seen to hang on."""

    task_id: str
    seen: str
    original_id: str


@dataclass(frozen=True, slots=True)
class CursorMove:
    """Raise the cursor of a series to `memory.number`, at `memory.at` on its wall clock; it is never lowered.

    Where the series `is_new` to us, all of the memory is written. Added dates are only ever put to those there.
    """

    series_id: str
    memory: SeriesMemory
    is_new: bool = False


ORIGINAL_GONE = "original gone"
"""The reason for removing what was made under an original that went away meanwhile."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Tasks to remove because of an event, and why."""

    event: TaskEvent
    task_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event came to. `created` is what it made, in any of its attempts, in the order of slots."""

    created: tuple[str, ...] = ()
    updated: str | None = None
    deleted: int = 0


@dataclass(slots=True)
class Plan:
    """Everything a batch should write, and what each of its events is told."""

    occurrences: list[NewOccurrence] = field(default_factory=list)
    activities: list[NewActivity] = field(default_factory=list)
    links: list[Reparent] = field(default_factory=list)
    cursors: list[CursorMove] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[str, RecurrenceError] = field(default_factory=dict)
    series_of_event: dict[str, str] = field(default_factory=dict)

    def refuse(self, events: Iterable[TaskEvent], error: RecurrenceError) -> None:
        """Record the same error for each event."""
        self.refusals.update((event.id, error) for event in events)


@dataclass(frozen=True, slots=True)
class DateFromDue:
    """Give a task its dueDate as originalDueDate, where it still has that dueDate and no originalDueDate."""

    task_id: str
    due: datetime


@dataclass(frozen=True, slots=True)
class CastId:
    """Write an id as what it is, where a task still has it as the `value` it was seen as."""

    task_id: str
    field: str
    value: object
    id: str
