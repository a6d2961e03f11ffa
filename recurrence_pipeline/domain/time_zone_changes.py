"""Open tasks whose instant is no longer what their wall clock says, since the law of time has changed. Pure.

People mean the wall clock: 09:00 stays 09:00 when a country gives up its summer time. An occurrence says what it means
(`occurrenceAt`, or `shiftedTo` where a day off moved it) and in which zone; which instant that is, the time zone data
of today say. Finding the tasks and moving them is maintenance/time_zones.py's business.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.counting import Known
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.zones import UTC, time_zone, wall_clock


class Stays(str, Enum):
    """Why a task stays where it is."""

    HEAD = "the head of the series is the application's"
    TOUCHED = "somebody changed the task, or an earlier version wrote it"
    UNKNOWN = "nothing says what its wall clock was"
    ZONE = "RECURRENCE_TIMEZONE was another when the series began"
    NO_ZONE = "it has no time zone of its own, and nothing is remembered of its series"
    INVALID = "its time zone, or its time there, is not known"


@dataclass(frozen=True, slots=True)
class TimeZoneChange:
    """A task that lies elsewhere than its wall clock says, or of which that cannot be told.

    `was` is its dueDate, `due` and `original_due` are what its dates should be. `stays` is why it is left as it is;
    None where it is to be moved.
    """

    task: Task
    timezone: str
    was: datetime
    wall: datetime | None = None
    due: datetime | None = None
    original_due: datetime | None = None
    stays: Stays | None = None

    @property
    def series_id(self) -> str:
        """The original's id."""
        return series_of(self.task)


def series_of(task: Task) -> str:
    """Return the id of what a task hangs on; its own where it is the head."""
    return task.parent_recurring_id or task.id


def is_ahead(task: Task, now: datetime) -> bool:
    """Say whether a task is open and due in the future: others are never moved."""
    due = task.due_date
    return isinstance(due, datetime) and due > now and not task.is_completed and task.misread is None


def time_zone_change(task: Task, memory: SeriesMemory | None, timezone: str) -> TimeZoneChange | None:
    """Return what today's time zone data make of a task that is ahead; None where it lies as its wall clock says.

    `memory` is that of its series, `timezone` the zone of tasks that have none. Of an occurrence of which it is not
    known whether somebody touched it, the answer is that of an untouched one.
    """
    name = task.timezone or timezone
    if not isinstance(task.due_date, datetime):
        return None
    change = TimeZoneChange(task, name, task.due_date)
    try:
        zone = time_zone(name)
        if task.parent_recurring_id is None:
            return _of_head(change, memory, zone)
        return _of_occurrence(change, memory, zone)
    except InvalidRecurrence:
        return _left(change, Stays.INVALID)


def _of_head(change: TimeZoneChange, memory: SeriesMemory | None, zone: tzinfo) -> TimeZoneChange | None:
    """Judge an original by the anchor that was remembered when its date was what it is now.

    Its time may be the second of two: then its wall clock still shows it, and all is well.
    """
    if memory is None or memory.original_slot or memory.current.timezone != change.timezone:
        return None
    anchor = memory.current.anchor
    moved_by_hand = not change.task.anchor == change.was == memory.current.anchored_at
    if moved_by_hand or wall_clock("dueDate", change.was, zone) == anchor:
        return None
    with suppress(InvalidRecurrence):  # at an end of the calendar there is no other instant
        due = in_utc(anchor, zone)
        return TimeZoneChange(change.task, change.timezone, change.was, anchor, due, due, Stays.HEAD)
    return None


def _of_occurrence(change: TimeZoneChange, memory: SeriesMemory | None, zone: tzinfo) -> TimeZoneChange | None:
    task = change.task
    slot = task.occurrence_at or _slot_by_number(task, memory, zone)
    if slot is None:
        return None if zone is UTC else _left(change, Stays.UNKNOWN)
    wall, original = task.shifted_to or slot, task.original_due_date
    due, at_slot = in_utc(wall, zone), in_utc(slot, zone)
    original_due = due if original == change.was else at_slot
    is_dated = isinstance(original, datetime)
    if change.was == due and (not is_dated or original == original_due):
        return None
    if task.is_touched and original == at_slot:  # a person chose another date
        return None
    if task.timezone is None and memory is None:  # whoever asks may have another zone set
        return _left(change, Stays.NO_ZONE)
    if task.timezone is None and memory is not None and memory.current.timezone != change.timezone:
        fits = change.was == in_utc(wall, time_zone(memory.current.timezone))
        return None if fits else _left(change, Stays.ZONE)
    stays = Stays.TOUCHED if task.is_touched else None
    return TimeZoneChange(task, change.timezone, change.was, wall, due, original_due if is_dated else None, stays)


def _left(change: TimeZoneChange, why: Stays) -> TimeZoneChange:
    return TimeZoneChange(change.task, change.timezone, change.was, stays=why)


def _slot_by_number(task: Task, memory: SeriesMemory | None, zone: tzinfo) -> datetime | None:
    """Return the wall-clock time of a slot that an earlier version wrote: it follows from number and anchor.

    Of a series that had several rules since then, or counts from completions, a number says no time.
    """
    number = task.occurrence_number
    if memory is None or number is None or number < 0 or len(memory.revisions) > 1 or memory.current.from_completion:
        return None
    known = Known(memory.number, memory.at) if memory.at is not None and memory.number <= number else None
    found = timed(memory.current.anchor, memory.current.rule, number, 1, zone, known=known)
    return found[0][0] if found else None
