"""How far one series is, and which slots it still lacks. Who asked, and what else a batch holds, is planning.py's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from recurrence_pipeline.domain.calendar import slot_number, slots
from recurrence_pipeline.domain.errors import InvalidRecurrence, NotAMember, RuleChanged, WrongType
from recurrence_pipeline.domain.memory import anchor_of_memory
from recurrence_pipeline.domain.model import HORIZON, Cursor, Series, SeriesMemory, Task, occurrence_id
from recurrence_pipeline.domain.plan import CursorMove, NewOccurrence
from recurrence_pipeline.domain.validation import creation_time, validate_recurrence
from recurrence_pipeline.domain.zones import time_zone, wall_clock

MAX_NEW_PER_SERIES = 1000
"""No honest history asks for more in one go; a tampered slot number would."""


class SeriesState:
    """How far a series is: which slot each member has, the cursor, and the highest completed slot.

    A series that we remember goes on from the anchor that it began with, wherever its original's dates were moved.
    One of which nothing was made yet is validated as of `asked_at`, or else as of the original's creation.
    """

    def __init__(
        self, series: Series, original: Task, timezone: str | None, *, asked_at: datetime | None = None
    ) -> None:
        self.original = original
        self.timezone = original.timezone or timezone
        self.memory = memory = series.memory
        if original.misread is not None:
            raise WrongType(original.misread)
        reached = series.recalled if memory is None else Cursor(memory.number, memory.rule)
        _require_same_rule(original, reached)
        if reached is None and not series.occurrences:
            validate_recurrence(original, asked_at=asked_at or creation_time(original))
        self.anchor = _anchor(original) if memory is None else anchor_of_memory(memory)
        self.original_slot = original.original_slot if memory is None else memory.original_slot
        self.slots = {task.id: number for task in series.occurrences if (number := self.number(task)) is not None}
        self.slots[original.id] = self.original_slot
        self.makers = {task.id: task.created_by_event for task in series.occurrences}
        self.cursor = 0 if reached is None else reached.number
        if memory is None:  # what the previous worker made has no number
            older = (self.slots.get(t.id, 0) for t in series.occurrences if t.occurrence_number is None)
            self.cursor = max(self.cursor, 0, *older)
        done = [self.slots[t.id] for t in (original, *series.occurrences) if t.is_completed and t.id in self.slots]
        self.finished = max([-1, *done])
        self.open = {
            t.id: t.parent_recurring_id for t in series.occurrences if not t.is_completed and t.id in self.slots
        }
        """What each open occurrence hangs on."""

    @property
    def wanted(self) -> int:
        """The highest slot that should have been generated."""
        return self.finished + 1 + HORIZON

    @property
    def is_behind(self) -> bool:
        """Whether slots are still to be generated."""
        return self.cursor < self.wanted

    def number(self, task: Task) -> int | None:
        """Return the slot of a member; None where it has neither a number nor a date."""
        if task.id == self.original.id:
            return self.original_slot
        if task.occurrence_number is not None:
            return task.occurrence_number
        if not isinstance(task.anchor, datetime):
            return None
        return slot_number(self.anchor, self.original.repeat_type, task.anchor, self.timezone)

    def complete(self, task: Task) -> int | None:
        """Count a task as completed, whatever its flag says, and return its slot; None where it has none."""
        self.open.pop(task.id, None)
        number = self.number(task)
        if number is not None:
            self.finished = max(self.finished, number)
        return number

    def made_by(self, event_id: str) -> dict[int, str]:
        """Return, by slot, the occurrences that an earlier attempt of this event made and that are still there."""
        return {self.slots[i]: i for i, maker in self.makers.items() if maker == event_id and i in self.slots}

    def advance(self, event_id: str) -> Iterator[tuple[NewOccurrence, bool]]:
        """Yield what the event should generate, each with whether it is there already, and move the cursor past it."""
        last = self.wanted
        if (missing := last - self.cursor) > MAX_NEW_PER_SERIES:
            raise InvalidRecurrence(
                f"slot {self.finished} is completed but the cursor is {self.cursor}: refusing {missing} new tasks",
                field="occurrenceNumber",
                value=self.finished,
            )
        ids = {number: occurrence_id(self.original.id, number) for number in range(self.cursor + 1, last + 1)}
        taken = {n for task_id, n in self.slots.items() if n in ids and task_id != ids[n]}
        dues = slots(self.anchor, self.original.repeat_type, self.cursor + 1, len(ids), self.timezone) if ids else []
        for (number, new_id), due in zip(ids.items(), dues, strict=True):
            if number in taken:
                continue
            new = NewOccurrence(new_id, self.original, number, due, event_id)
            yield new, new.id in self.slots
            self._remember(new)
        self.cursor = max(self.cursor, last)

    def _remember(self, new: NewOccurrence) -> None:
        if new.id not in self.slots:
            self.slots[new.id] = new.slot
            self.open[new.id] = self.original.id

    def moves(self, number: int) -> list[CursorMove]:
        """Return the move that brings the cursor to a slot; none where it is there already, and remembered."""
        if self.memory is not None and number <= self.memory.number:
            return []
        rule, zone = self.original.repeat_type, time_zone(self.timezone)
        at = wall_clock("slot", slots(self.anchor, rule, number, 1, self.timezone)[0], zone)
        if self.memory is not None:
            return [CursorMove(self.original.id, replace(self.memory, number=number), at)]
        anchored_at = self.original.anchor if isinstance(self.original.anchor, datetime) else None
        wall = wall_clock("anchor", self.anchor, zone)
        memory = SeriesMemory(number, rule, wall, self.timezone or "UTC", anchored_at, self.original_slot)
        return [CursorMove(self.original.id, memory, at, is_new=True)]

    def next_open(self, number: int) -> str | None:
        """Return the id of the open task with the lowest slot above `number`."""
        return min(
            (task_id for task_id in self.open if self.slots[task_id] > number),
            key=lambda task_id: (self.slots[task_id], task_id),
            default=None,
        )


def require_member(task: Task, series: Series) -> None:
    """Make sure that a task belongs to the series that it hangs on.

    Raises:
        WrongType: one of its ids cannot be told.
        NotAMember: it is another user's.
    """
    if task.misread is not None:
        raise WrongType(task.misread)
    if series.original is not None and task.user_id != series.original.user_id:
        raise NotAMember(f"userId: {task.user_id} is not the user of {series.id}, which task {task.id} hangs on")


def _require_same_rule(original: Task, reached: Cursor | None) -> None:
    if reached is not None and reached.repeat_type != original.repeat_type:
        raise RuleChanged(
            f"repeatType is {original.repeat_type!r}, but the series was counted as {reached.repeat_type!r}: "
            "it is left alone"
        )


def _anchor(original: Task) -> datetime:
    if not isinstance(original.anchor, datetime):
        raise InvalidRecurrence("Due date must be a valid date", field="originalDueDate", value=original.anchor)
    return original.anchor
