"""The things the system speaks of, as plain values. How they are stored is in storage/documents.py.

Ids are strings of 24 hex digits here and ObjectIds in the database. Times are aware UTC, cut to the millisecond
that BSON holds. No value is ever changed; those that a batch makes by the thousand do without `frozen`, with which
making one takes more than twice as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple


class Operation(str, Enum):
    """What happened to the task, as the application says it."""

    CREATE = "create"
    COMPLETE = "complete"
    DELETE = "delete"
    UPDATE = "update"
    """The original was changed: its title, date, rule or options."""
    REOPEN = "reopen"
    """A completed task was un-completed."""
    SKIP = "skip"
    """A slot is not wanted or, with `undo`, wanted again."""


CONTRACT = (Operation.CREATE, Operation.COMPLETE, Operation.DELETE)
"""What the internal contract's endpoint takes."""
CHANGES = (Operation.UPDATE, Operation.REOPEN, Operation.SKIP)
"""What follows a change of mind: processed behind creations and completions, and before deletions."""


class Source(str, Enum):
    """Who wrote the event."""

    OUTBOX = "outbox"
    API = "api"
    RECONCILE = "reconcile"
    MANUAL = "manual"


class EventStatus(str, Enum):
    """Where an event is on its way.

    pending --lease--> processing --done, or nothing to do--> completed
       ^                   |  |--permanent error------------> rejected   logged, not tried again by itself
       |--transient error--|  |--attempts used up, partial--> failed     dead letter, for review
       |--lease ran out----|
    failed, rejected --replay (manual)--> pending
    """

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"


class Action(str, Enum):
    """What the activity log of a user can say about this worker."""

    CREATED = "RECURRING_TASK_CREATED"
    UPDATED = "RECURRING_TASK_UPDATED"
    DELETED = "RECURRING_TASKS_DELETED"
    ORPHAN_CLEANED = "ORPHANED_RECURRING_TASK_CLEANED"
    MISSED = "RECURRING_TASK_MISSED"
    SKIPPED = "RECURRING_TASK_SKIPPED"
    UNSKIPPED = "RECURRING_TASK_UNSKIPPED"
    REOPENED = "RECURRING_TASK_REOPENED"
    RETIRED = "RECURRING_TASK_RETIRED"
    MOVED = "RECURRING_TASK_MOVED"
    SERIES_UPDATED = "RECURRING_SERIES_UPDATED"
    CREATE_FAILED = "WORKER_CREATE_FAILED"
    COMPLETE_FAILED = "WORKER_COMPLETE_FAILED"
    DELETE_FAILED = "WORKER_DELETE_FAILED"
    UPDATE_FAILED = "WORKER_UPDATE_FAILED"
    REOPEN_FAILED = "WORKER_REOPEN_FAILED"
    SKIP_FAILED = "WORKER_SKIP_FAILED"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last slot ever generated for a series, and the repeatType it was counted in."""

    number: int
    repeat_type: str


class Skipped(NamedTuple):
    """Who asked that a slot be skipped (an event), and the task that went for it, if there was one."""

    event_id: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """The rule that slots are counted by from number `first` on. Times are on the wall clock, under the label of UTC.

    `anchor` is what the rule counts from, in `timezone`; `anchored_at` the date of the original that it was read from:
    another one there means that somebody moved the first date since. Of a later revision slot `first` is at `start`,
    and it takes the place of all slots from number `replaces` on that an earlier one had.
    """

    rule: str
    anchor: datetime
    timezone: str
    anchored_at: datetime | None = None
    first: int = 0
    replaces: int = 0
    start: datetime | None = None
    from_completion: bool = False


class RuleVersion(NamedTuple):
    """What slots are counted by: how many rules, where the last begins, how often it changed which are not wanted."""

    revisions: int
    first: int
    skip_changes: int = 0


@dataclass(frozen=True, slots=True)
class SeriesMemory:
    """What the worker knows of a series by itself, whatever becomes of the application's documents.

    `number` is the last slot ever generated. The last revision is the one that counts now.
    """

    number: int
    revisions: tuple[Revision, ...]
    original_slot: int = 0
    """The original's own slot: 0, unless it took the place of one that was gone when a deletion was undone."""
    at: datetime | None = None
    """When slot `number` is on the wall clock, labelled as anchors are; rules of a rare kind are counted on from it."""
    added: frozenset[datetime] = frozenset()
    """The added dates, which have no numbers, that were ever generated."""
    passed: frozenset[int] = frozenset()
    """The slots up to `number` for which no task was made: passed over, not lost. Those far behind the highest
    completed one are forgotten."""
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    """The slots that are not wanted: by number, or by the text of an added date."""
    skip_changes: int = 0
    """How often it changed which slots those are."""
    followed: str | None = None
    """The digest of what the original said of its rule and options when that was last followed; see memory.py."""

    @classmethod
    def begun(  # noqa: PLR0913, PLR0917 (what is known of a series that has one rule)
        cls,
        number: int,
        rule: str,
        anchor: datetime,
        timezone: str,
        anchored_at: datetime | None = None,
        original_slot: int = 0,
        at: datetime | None = None,
        added: frozenset[datetime] = frozenset(),
    ) -> "SeriesMemory":
        """Return the memory of a series of which one rule is known."""
        return cls(number, (Revision(rule, anchor, timezone, anchored_at),), original_slot, at, added)

    @property
    def current(self) -> Revision:
        """The revision that counts now."""
        return self.revisions[-1]

    @property
    def rule_version(self) -> RuleVersion:
        """By what a plan counts slots: another rule, or another slot that is not wanted, is another version."""
        return RuleVersion(len(self.revisions), self.current.first, self.skip_changes)

    def skipping(self, slot: str, skipped: Skipped | None) -> "SeriesMemory":
        """Return the memory of a series of which one slot more is not wanted or, with None, is wanted again."""
        others = {each: who for each, who in self.skipped.items() if each != slot or skipped is not None}
        noted = others if skipped is None else others | {slot: skipped}
        return replace(self, skipped=noted, skip_changes=self.skip_changes + 1)


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


def derived_id(base_id: str, *facts: object) -> str:
    """Return the id that (base, facts) always has: the base's 4 time bytes, then 8 bytes of BLAKE2b.

    Writing the same fact twice therefore collides on `_id`, which is how a repeated write is recognised, whatever other
    indexes a collection has. 64 bits for each second of creation: for 10 million ids with one time stamp, a collision
    has odds of 1 in 360,000.
    """
    return _hashed(base_id, "\0".join(map(str, facts)))


def _hashed(base_id: str, facts: str) -> str:
    return base_id[:8] + blake2b(f"{base_id}\0{facts}".encode(), digest_size=8).hexdigest()


def time_of(object_id: str) -> datetime:
    """Return the time in an id (MongoDB manual, "ObjectId": 4 bytes of seconds since 1970)."""
    return datetime.fromtimestamp(int(object_id[:8], 16), timezone.utc)


def occurrence_id(original_id: str, slot: int | str) -> str:
    """Return the `_id` of a slot of the series: `slot` is its number or, of an added date, the text of its time."""
    return _hashed(original_id, f"occurrence\0{slot}")


def activity_id(action: Action, subject_id: str) -> str:
    """Return the `_id` of the activity that states `action` of `subject_id` (a task, or the event that deleted)."""
    return _hashed(subject_id, action.value)


REFUSED = (EventStatus.FAILED, EventStatus.REJECTED)
"""The states in which an event waits for a person."""
