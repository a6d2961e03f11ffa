"""A user moves to another time zone: what becomes of a series, and of its open tasks. Pure.

Either the wall clock is kept (09:00 there is 09:00 here, another instant), or the instants are (a call with people who
stay where they are), and clocks show another time. Carrying it out is maintenance/zone_moves.py's business.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import Enum

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import Recurrence
from recurrence_pipeline.domain.zones import time_zone, wall_clock

COMPARED = 60
"""Slots that must fall on the days that they fell on before: five years of a monthly rule."""


class Keep(str, Enum):
    """What stays as it is."""

    WALL_CLOCK = "wall-clock"
    INSTANTS = "instants"


class Stays(str, Enum):
    """Why a series, or a task, stays in its zone."""

    NEW = "nothing was made of the series yet: change the zone in the application"
    EDITED = "somebody edited the series, and the worker has not followed yet"
    OTHER_ZONE = "the series was begun in another zone than it says now"
    OTHER_DAYS = "in the new zone its slots would fall on days that its rule does not name"
    DATES = "its rule ends, pauses or has exceptions by the clocks of the zone it is in"
    INVALID = "its rule or its zone is not valid"
    TOUCHED = "somebody changed the task, or an earlier version wrote it"


@dataclass(frozen=True, slots=True)
class SeriesClock:
    """What slots are counted from now: `anchor`, `start` and `at` (of the cursor) are on the wall clock of the zone."""

    rule: str
    anchor: datetime
    timezone: str
    start: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskDates:
    """The dates of a task: instants, and what its clock shows."""

    due: datetime
    original_due: datetime | None
    slot: datetime | None
    shifted_to: datetime | None


def moved_clock(
    clock: SeriesClock, recurrence: Recurrence, to: str, keep: Keep, shown: datetime | None
) -> SeriesClock | Stays:
    """Return what slots are counted from in the zone `to`; numbers stay, so that no slot is made twice or lost.

    `shown` is the due date of the first open task ahead: where instants are kept, the clocks of both zones are compared
    at that time, and later slots follow the new zone's.

    Raises:
        InvalidRecurrence: a zone is none, or the rule.
    """
    moved, zone = replace(clock, timezone=to), time_zone(to)
    if keep is Keep.WALL_CLOCK:
        return moved
    here = time_zone(clock.timezone)
    at = shown or in_utc(clock.at or clock.start or clock.anchor, here)
    shift = wall_clock("dueDate", at, zone) - wall_clock("dueDate", at, here)
    if not shift:
        return moved
    if recurrence.excluded or recurrence.added or recurrence.rule.until or recurrence.paused or recurrence.shift:
        return Stays.DATES
    if not _keeps_days(clock, shift, here):
        return Stays.OTHER_DAYS
    start, cursor = (None if wall is None else wall + shift for wall in (clock.start, clock.at))
    return replace(moved, anchor=clock.anchor + shift, start=start, at=cursor)


def _keeps_days(clock: SeriesClock, shift: timedelta, zone: tzinfo) -> bool:
    """Say whether a rule puts slots where they were, but for the shift: always where that ends on the same day."""
    start = clock.start or clock.anchor
    if (start + shift).date() == start.date():
        return True
    if clock.start is not None:
        return False
    before, after = (timed(wall, clock.rule, 0, COMPARED, zone) for wall in (start, start + shift))
    return [at + shift for at, _ in before] == [at for at, _ in after]


def moved_dates(task: Task, here: str, to: str, keep: Keep) -> TaskDates | None:
    """Return the dates of an open task in the zone `to`; None where it has no due date.

    Raises:
        InvalidRecurrence: a zone is none, or a time lies outside of the calendar.
    """
    due, original = task.due_date, task.original_due_date
    if not isinstance(due, datetime):
        return None
    old, new = time_zone(here), time_zone(to)
    slot, shifted = task.occurrence_at, task.shifted_to
    original = original if isinstance(original, datetime) else None
    if keep is Keep.INSTANTS:
        at_slot = due if slot is None or shifted is None else in_utc(slot, old)
        return TaskDates(
            due,
            original,
            None if slot is None else wall_clock("occurrenceAt", at_slot, new),
            None if shifted is None else wall_clock("shiftedTo", due, new),
        )
    wall = shifted or slot or wall_clock("dueDate", due, old)
    moved = in_utc(wall, new)
    if original is not None and original != due:
        original = in_utc(wall_clock("originalDueDate", original, old), new)
    else:
        original = None if original is None else moved
    return TaskDates(moved, original, slot, shifted)
