"""What planning comes to, as values: a Plan. What it reads is snapshot.py's.

How one follows from the other is in planning.py; how a plan is carried out, in worker/plan_writer.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from recurrence_pipeline.domain.difference import SlotChange
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.ids import activity_id
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.series_memory import RuleVersion, SeriesMemory, Skipped
from recurrence_pipeline.domain.vocabulary import Action


class SubtaskCopies(NamedTuple):
    """How far the dates of sub-tasks move with an occurrence, on the wall clock of a zone."""

    zone: tzinfo
    later: timedelta


@dataclass(slots=True)
class NewOccurrence:
    """An occurrence to insert, and the event that makes it; its `taskId` is given when it is written.

    `slot` is its number, None on an added date; `at` its time on the wall clock, which is `due` in UTC, unless it was
    `shifted_to` another day.
    """

    id: str
    original: Task
    slot: int | None
    due: datetime
    event_id: str
    at: datetime
    shifted_to: datetime | None = None
    subtasks: "SubtaskCopies | None" = None
    """How it gets copies of its original's sub-tasks; None where it gets none."""
    timezone: str | None = None
    """The zone whose clocks it is on, where that is not the one its original says now."""
    is_there: bool = False
    """Whether it was made already, and may lack sub-tasks."""

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


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """Write the cursor and the revisions of `new`, where the series is remembered as it was `seen`.

    That is the cursor, the rule, and which slots are not wanted.
    """

    series_id: str
    seen: SeriesMemory
    new: SeriesMemory


@dataclass(frozen=True, slots=True)
class SlotSkip:
    """Note that a slot is not wanted, under its number or the text of its added date; `skipped` None: wanted again."""

    series_id: str
    slot: str
    skipped: Skipped | None
    rule_version: RuleVersion
    """By what the slot is one: by another rule it may be none, and with another skip others have tasks ahead."""

    def is_noted(self, memory: SeriesMemory | None) -> bool:
        """Say whether it was noted already, by the rule that it was asked by."""
        if memory is None or memory.rule_version[:2] != self.rule_version[:2]:
            return False
        return memory.skipped.get(self.slot) == self.skipped


ORIGINAL_GONE = "original gone"
"""The reason for removing what was made under an original that went away meanwhile."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Tasks to remove because of an event, and why."""

    event: TaskEvent
    task_ids: tuple[str, ...]
    reason: str


MISSED = "missed"
UPDATED = "updated"
SKIPPED = "skipped"
REOPENED = "reopened"
NO_LONGER_RECURS = "no longer recurs"
RETIRED = (MISSED, UPDATED, SKIPPED, REOPENED, NO_LONGER_RECURS)
"""The reasons for retiring a task: what `deleted_tasks` says of its copy."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """Occurrences of a series that go, with copies kept, and the activity that says so of each, if any.

    Only what hangs on the original and nobody touched goes, unless it is what was asked for, `whatever` was done to it.
    """

    event: TaskEvent
    task_ids: tuple[str, ...]
    reason: str
    action: Action | None
    original: Task
    slots: Mapping[str, int | None]
    """The numbers that the tasks have by this plan: what another worker put elsewhere meanwhile does not go."""
    whatever: bool = False


@dataclass(frozen=True, slots=True)
class PutBack:
    """Put back the task that an event retired, with its sub-tasks, `instead` of making that occurrence anew."""

    event_id: str
    task_id: str
    instead: str


@dataclass(frozen=True, slots=True)
class SlotEdit:
    """Put an untouched occurrence on another slot (None: it stays on its own), or give it other content (None: no)."""

    task_id: str
    original_id: str
    slot: NewOccurrence | None
    content: Mapping[str, object] | None
    may_stay: bool = False
    """Whether it is right where it is, too, if a person touched it: else the plan is made anew."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event came to. `created` is what it made, in any of its attempts, in the order of slots."""

    created: tuple[str, ...] = ()
    updated: str | None = None
    deleted: int = 0
    changed: tuple[str, ...] = ()
    """The tasks that moved, or whose content followed their original's."""


@dataclass(slots=True)
class Plan:
    """Everything a batch should write, and what each of its events is told."""

    occurrences: list[NewOccurrence] = field(default_factory=list)
    activities: list[NewActivity] = field(default_factory=list)
    links: list[Reparent] = field(default_factory=list)
    cursors: list[CursorMove] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    begun: list[CursorMove] = field(default_factory=list)
    """What is remembered of series that nothing was remembered of, as they are before they are changed."""
    memories: list[MemoryChange] = field(default_factory=list)
    """What is remembered before tasks are changed."""
    skips: list[SlotSkip] = field(default_factory=list)
    put_back: list[PutBack] = field(default_factory=list)
    edits: list[SlotEdit] = field(default_factory=list)
    retirements: list[Retirement] = field(default_factory=list)
    raised: list[MemoryChange] = field(default_factory=list)
    """Cursors that go on in a change, after its tasks are in their places and before any goes."""
    lowered: list[MemoryChange] = field(default_factory=list)
    """Cursors that go back, after the tasks behind them are gone."""
    changes: dict[str, Sequence[SlotChange]] = field(default_factory=dict)
    """What each change comes to, slot by slot."""
    postponed: list[str] = field(default_factory=list)
    """The events that are planned once what this plan writes can be seen."""
    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[str, RecurrenceError] = field(default_factory=dict)
    series_of_event: dict[str, str] = field(default_factory=dict)

    @property
    def only_makes(self) -> bool:
        """Whether it changes and removes nothing that is there, but for cursors."""
        return not any(getattr(self, name) for name in _LISTS if name not in {"occurrences", "activities", "cursors"})

    def add(self, part: "Plan") -> None:
        """Take over what was planned for one series."""
        for name in _LISTS:
            if planned := getattr(part, name):
                getattr(self, name).extend(planned)
        for name in ("answers", "changes", "refusals"):
            getattr(self, name).update(getattr(part, name))

    def leave_out(self, ids: Collection[str]) -> None:
        """Tell no event that it made what is not there in the end, or was not its doing."""
        for event_id, answer in self.answers.items() if ids else ():
            if any(i in ids for i in answer.created):
                self.answers[event_id] = replace(answer, created=tuple(i for i in answer.created if i not in ids))

    def refuse(self, events: Iterable[TaskEvent], error: RecurrenceError) -> None:
        """Record the same error for each event."""
        self.refusals.update((event.id, error) for event in events)


_LISTS = (
    "occurrences", "activities", "links", "cursors", "removals", "begun", "memories", "skips", "put_back", "edits",
    "retirements", "raised", "lowered", "postponed",
)  # fmt: skip


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
