"""The things the system speaks of, as plain values. How they are stored is in storage/documents.py.

Ids are strings of 24 hex digits here and ObjectIds in the database. Times are aware UTC, cut to the millisecond
that BSON holds. No value is ever changed; those that a batch makes by the thousand do without `frozen`, with which
making one takes more than twice as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.vocabulary import Operation, Source


@dataclass(slots=True)
class Task:
    """What the worker needs to know of a task.

    `due_date` and `original_due_date` are whatever is stored where that is not a date, so that validation can say so.
    """

    id: str
    user_id: str | None = None
    title: str = ""
    repeat_type: str = "none"
    due_date: object = None
    original_due_date: object = None
    is_completed: bool = False
    completed_at: datetime | None = None
    """As far as the application says so."""
    parent_task_id: str | None = None
    parent_recurring_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    timezone: str | None = None
    occurrence_number: int | None = None
    occurrence_at: datetime | None = None
    """When its slot is on the wall clock of the series, under the label of UTC."""
    recurrence: object = None
    """Of an original: the subdocument that says more than `repeat_type`, as stored; domain/recurrence.py reads it."""
    shifted_to: datetime | None = None
    """Where its slot was moved to from a day off, on the wall clock; None where it stayed."""
    is_touched: bool | None = None
    """Whether somebody changed what the worker wrote; None where that was not looked at."""
    created_by_event: str | None = None
    cursor: Cursor | None = None
    """Of an original that an earlier version wrote: how far it was."""
    original_slot: int = 0
    """Of an original that an earlier version put in the place of another: its own slot."""
    odd_ids: Mapping[str, object] | None = None
    """Its ids that are of another type than ObjectId, by field, as stored."""
    content: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """The fields that occurrences copy from their original, as stored; read of originals, and where asked for."""

    digested: tuple[object, str] | None = field(default=None, repr=False, compare=False)
    """The digest of some content, once content.py has worked it out."""

    @property
    def misread(self) -> str | None:
        """Which of its ids cannot be told, and what is there: nothing is made of such a task.

        A user's id that is stored as text is understood.
        """
        if not self.odd_ids:
            return None
        odd = (
            f"{n}: {v!r:.100} is not an ObjectId" for n, v in self.odd_ids.items() if n != "userId" or not self.user_id
        )
        return next(odd, None)

    @property
    def anchor(self) -> object:
        """The wall-clock date that a task's slot is counted from or at."""
        return self.original_due_date if isinstance(self.original_due_date, datetime) else self.due_date


@dataclass(frozen=True, slots=True)
class Series:
    """An original and its members: the tasks of the same user that hang on it. `original` is None where it has gone."""

    id: str
    original: Task | None
    occurrences: tuple[Task, ...] = ()
    strangers: tuple[Task, ...] = ()
    """What hangs on it and is another user's: no member."""
    memory: SeriesMemory | None = None
    recalled: Cursor | None = None
    """Without a memory: how far the series is at least, by what else is left of its past; see domain/memory.py."""

    @property
    def hanging(self) -> tuple[Task, ...]:
        """Everything that hangs on it, whoever's it is."""
        return (*self.occurrences, *self.strangers)


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """One failed try, as kept on the event (the last five are)."""

    kind: str
    code: str
    message: str
    at: datetime
    attempt: int


@dataclass(slots=True)
class TaskEvent:
    """Look at this task, because of what happened to it."""

    id: str
    operation: Operation
    task_id: str
    created_at: datetime
    user_id: str | None = None
    source: Source = Source.OUTBOX
    attempts: int = 0
    term: int = 0
    owner: str | None = None
    suspected: bool = False
    """Whether a worker seems to have died while it held this and others."""
    holder_deaths: int = 0
    """How many seem to have died while they held this alone."""
    leased_until: datetime | None = None
    started_at: datetime | None = None
    errors: tuple[ErrorRecord, ...] = ()
    deleting: tuple[str, ...] = ()
    """The tasks a deletion has said it will remove; its count stays true after a crash."""
    slot: int | None = None
    """Of a skip: the slot it speaks of, where it does not name that slot's task. Of an update: the first to change."""
    undo: bool = False
    """Of a skip: take it back."""
    is_new: bool = False
    """Whether it is not stored yet: whoever made it holds it, and its first write is that."""
