"""What should exist, compared with what does: events + snapshot + now -> Plan. Pure: nothing is read or written here.

The plan of a series does not depend on which event asked ("level-triggered"), so an event may come twice, late, out of
order or in two workers at once, and every path ends in the same documents. A plan is applied by worker/processor.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from recurrence_pipeline.domain.calendar import slot, slot_number
from recurrence_pipeline.domain.errors import (
    InvalidInput,
    InvalidRecurrence,
    OriginalNotFound,
    Permanent,
    RecurrenceError,
    RuleChanged,
    TaskNotVisibleYet,
)
from recurrence_pipeline.domain.model import (
    HORIZON,
    Action,
    Cursor,
    Operation,
    Series,
    Source,
    Task,
    TaskEvent,
    activity_id,
    occurrence_id,
)
from recurrence_pipeline.domain.validation import creation_time, validate_recurrence

PATIENCE = timedelta(seconds=30)
"""How long a task that an outbox event names may take to become visible."""

MAX_NEW_PER_SERIES = 1000
"""No honest history asks for more in one go; a tampered slot number would."""

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


@dataclass(frozen=True, slots=True)
class NewOccurrence:
    """An occurrence to insert; its `taskId` is given when it is written."""

    id: str
    original: Task
    slot: int
    due: datetime


@dataclass(frozen=True, slots=True)
class NewActivity:
    """A line for the user's activity log; the same fact always has the same id."""

    id: str
    action: Action
    user_id: str
    task_id: str
    error: str | None = None

    @classmethod
    def of(cls, action: Action, user_id: str, task_id: str, *, subject: str | None = None, error: str | None = None) -> "NewActivity":
        """Build the activity whose identity is (action, subject); the subject is the task unless named."""
        return cls(activity_id(action, subject or task_id), action, user_id, task_id, error)


@dataclass(frozen=True, slots=True)
class Link:
    """The next occurrence hangs on something else than its original: mend that."""

    task_id: str
    original_id: str


@dataclass(frozen=True, slots=True)
class CursorMove:
    """Raise the cursor of an original; it is never lowered."""

    original_id: str
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Removal:
    """Tasks to remove because of an event, and why."""

    event: TaskEvent
    task_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event came to. `created` is in the order of slots."""

    created: tuple[str, ...] = ()
    updated: str | None = None
    deleted: int = 0


@dataclass(slots=True)
class Plan:
    """Everything a batch should write, and what each of its events is told."""

    occurrences: list[NewOccurrence] = field(default_factory=list)
    activities: list[NewActivity] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    cursors: list[CursorMove] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[str, RecurrenceError] = field(default_factory=dict)
    series_of_event: dict[str, str] = field(default_factory=dict)

    def refuse(self, events: Iterable[TaskEvent], error: RecurrenceError) -> None:
        """Record the same error for each event."""
        self.refusals.update((event.id, error) for event in events)


def plan_batch(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime, timezone: str | None = None) -> Plan:
    """Plan creations and completions; events that name one series are answered in the order they were created.

    `timezone` is the IANA name for series that have none of their own (None: UTC).
    """
    plan = Plan()
    by_series: dict[str, tuple[Series, list[TaskEvent]]] = {}
    for event in sorted(events, key=lambda e: (e.created_at, e.id)):
        series = snapshot.series_of(event.task_id)
        by_series.setdefault(series.id, (series, []))[1].append(event)
        plan.series_of_event[event.id] = series.id
    for series, asking in by_series.values():
        present = [event for event in asking if event.task_id in snapshot.tasks]
        for event in asking:
            if event.task_id not in snapshot.tasks:
                plan.refusals[event.id] = _not_found(event, now)
        if series.original is None:
            plan.refuse(present, OriginalNotFound("Original task not found"))
            plan.removals += _leftovers(series, asking, plan)
        elif series.original.repeat_type == "none":
            plan.answers.update((event.id, Answer()) for event in present)
        elif present:
            _plan_series(plan, series, series.original, present, snapshot.tasks, timezone)
    return plan


def plan_deletions(events: Sequence[TaskEvent], snapshot: Snapshot, *, timezone: str | None = None) -> Plan:
    """Plan cascades: all tasks of the user that hang on the named task, or on the original of the named occurrence.

    What an earlier attempt has announced on the event counts as deleted by it, whether or not it is still there.
    """
    plan = Plan()
    gone: set[str] = set()
    for event in sorted(events, key=lambda e: (e.created_at, e.id)):
        if event.user_id is None:
            plan.refuse([event], InvalidInput("userId is required for delete operation"))
            continue
        series = _series_to_delete(event, snapshot)
        found = [t for t in series.occurrences if t.user_id == event.user_id and t.id not in gone]
        announced = set(event.deleting)
        ids = event.deleting + tuple(t.id for t in found if t.id not in announced)
        gone.update(ids)
        plan.answers[event.id] = Answer(deleted=len(ids))
        plan.series_of_event[event.id] = series.id
        if not ids:
            continue
        plan.removals.append(Removal(event, ids, "cascade"))
        plan.activities.append(NewActivity.of(Action.DELETED, event.user_id, event.task_id, subject=event.id))
        plan.cursors += _cursor_past(series, found, timezone)
    return plan


def failure_activity(action: Action, event: TaskEvent, task: Task | None, error: str) -> NewActivity | None:
    """Return the line that tells a user what could not be done; None where it is not known whose it is."""
    user_id = event.user_id or (task.user_id if task else None)
    return NewActivity.of(action, user_id, event.task_id, error=error) if user_id else None


class _Progress:
    """How far a series is: which slot each member has, the cursor, and the highest completed slot."""

    def __init__(self, series: Series, original: Task, timezone: str | None) -> None:
        self.original = original
        self.timezone = original.timezone or timezone
        if original.cursor is not None and original.cursor.repeat_type != original.repeat_type:
            raise RuleChanged(
                f"repeatType is {original.repeat_type!r}, but the series was counted as {original.cursor.repeat_type!r}: "
                "it is left alone"
            )
        if original.cursor is None and not series.occurrences:
            validate_recurrence(original, created_at=creation_time(original))
        if not isinstance(original.anchor, datetime):
            raise InvalidRecurrence("Due date must be a valid date", field="originalDueDate", value=original.anchor)
        self.anchor = original.anchor
        self.slots = {task.id: number for task in series.occurrences if (number := self.number(task)) is not None}
        self.slots[original.id] = 0
        older = [self.slots[t.id] for t in series.occurrences if t.occurrence_number is None and t.id in self.slots]
        self.cursor = original.cursor.number if original.cursor else max([0, *older])
        self.finished = max((self.slots[t.id] for t in (original, *series.occurrences) if t.is_completed and t.id in self.slots), default=-1)
        self.open = {t.id: t for t in series.occurrences if not t.is_completed and t.id in self.slots}

    def number(self, task: Task) -> int | None:
        """Return the slot of a member; None where it has neither a number nor a date."""
        if task.id == self.original.id:
            return 0
        if task.occurrence_number is not None:
            return task.occurrence_number
        if not isinstance(task.anchor, datetime):
            return None
        return slot_number(self.anchor, self.original.repeat_type, task.anchor, self.timezone)

    def complete(self, task: Task) -> int:
        """Count a task as completed, whatever its flag says, and return its slot."""
        number = self.slots.get(task.id)
        if number is None:
            number = self.number(task) or 0
        self.finished = max(self.finished, number)
        self.open.pop(task.id, None)
        return number

    def advance(self) -> Iterator[tuple[NewOccurrence, bool]]:
        """Yield the slots to be generated, each with whether it is there already, and move the cursor past them."""
        wanted = range(self.cursor + 1, self.finished + 1 + HORIZON + 1)
        if len(wanted) > MAX_NEW_PER_SERIES:
            raise InvalidRecurrence(
                f"slot {self.finished} is completed but the cursor is {self.cursor}: refusing to create {len(wanted)} tasks",
                field="occurrenceNumber",
                value=self.finished,
            )
        taken = {number for task_id, number in self.slots.items() if task_id != occurrence_id(self.original.id, number)}
        for number in wanted:
            if number not in taken:
                due = slot(self.anchor, self.original.repeat_type, number, self.timezone)
                new = NewOccurrence(occurrence_id(self.original.id, number), self.original, number, due)
                yield new, new.id in self.slots
                self._remember(new)
        self.cursor = max(self.cursor, self.finished + 1 + HORIZON)

    def _remember(self, new: NewOccurrence) -> None:
        if new.id not in self.slots:
            self.slots[new.id] = new.slot
            self.open[new.id] = Task(id=new.id, parent_recurring_id=self.original.id, occurrence_number=new.slot)

    def next_open(self, number: int) -> Task | None:
        """Return the open task with the lowest slot above `number`."""
        later = (task for task in self.open.values() if self.slots[task.id] > number)
        return min(later, key=lambda task: (self.slots[task.id], task.id), default=None)


def _plan_series(
    plan: Plan, series: Series, original: Task, events: Sequence[TaskEvent], tasks: Mapping[str, Task], timezone: str | None
) -> None:
    part = Plan()
    try:
        progress = _Progress(series, original, timezone)
        for event in events:
            _answer(part, progress, event, tasks[event.task_id])
    except Permanent as error:
        plan.refuse(events, error)
        return
    reached = Cursor(progress.cursor, original.repeat_type)
    if reached != original.cursor:
        plan.cursors.append(CursorMove(original.id, reached))
    plan.occurrences += part.occurrences
    plan.activities += part.activities
    plan.links += part.links
    plan.answers.update(part.answers)


def _answer(part: Plan, progress: _Progress, event: TaskEvent, task: Task) -> None:
    """Plan what one event adds to its series, and what it is told."""
    original = progress.original
    completed = progress.complete(task) if event.operation is Operation.COMPLETE else None
    created = []
    for new, exists in progress.advance():
        if not exists:
            part.occurrences.append(new)
        created.append(new.id)
        if original.user_id:
            part.activities.append(NewActivity.of(Action.CREATED, original.user_id, new.id))
    following = progress.next_open(completed) if completed is not None else None
    if following is not None:
        if following.parent_recurring_id != original.id:
            part.links.append(Link(following.id, original.id))
        if original.user_id:
            part.activities.append(NewActivity.of(Action.UPDATED, original.user_id, task.id))
    part.answers[event.id] = Answer(tuple(created), following.id if following else None)


def _not_found(event: TaskEvent, now: datetime) -> RecurrenceError:
    until = event.created_at + PATIENCE
    if event.source is Source.OUTBOX and now < until:
        return TaskNotVisibleYet(f"Task {event.task_id} is not there yet", until=until)
    return OriginalNotFound("Original task not found")


def _leftovers(series: Series, events: Sequence[TaskEvent], plan: Plan) -> list[Removal]:
    """Return what an earlier attempt of these events inserted before the original went away (derived ids only)."""
    retried = [e for e in events if e.term > 1 and isinstance(plan.refusals[e.id], Permanent)]
    ours = tuple(
        t.id
        for t in series.occurrences
        if t.occurrence_number is not None and t.id == occurrence_id(series.id, t.occurrence_number)
    )
    return [Removal(retried[0], ours, "original gone")] if retried and ours else []


def _series_to_delete(event: TaskEvent, snapshot: Snapshot) -> Series:
    """Return the tasks hanging on the named task or, where there are none, on what the named occurrence hangs on."""
    series = snapshot.series.get(event.task_id) or Series(event.task_id, None)
    task = snapshot.tasks.get(event.task_id)
    if any(t.user_id == event.user_id for t in series.occurrences) or task is None or task.parent_recurring_id is None:
        return series
    return snapshot.series.get(task.parent_recurring_id) or Series(task.parent_recurring_id, None)


def _cursor_past(series: Series, deleted: Sequence[Task], timezone: str | None) -> list[CursorMove]:
    """Return the move that keeps what is deleted from being generated again; none where no series goes on."""
    original = series.original
    if original is None or original.repeat_type == "none" or not deleted:
        return []
    try:
        progress = _Progress(series, original, timezone)
    except Permanent:
        return []
    reached = max([progress.cursor, *(progress.slots[t.id] for t in deleted if t.id in progress.slots)])
    cursor = Cursor(reached, original.repeat_type)
    return [] if cursor == original.cursor else [CursorMove(original.id, cursor)]
