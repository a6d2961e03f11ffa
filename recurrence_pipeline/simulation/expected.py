"""What a series should come to, counted anew: from the first date on, by the rule alone, with nothing remembered. Pure.

The planner finds slots by number, remembers how far it was, and reads what is there: both must come to the same.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from itertools import count

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.reach import NEAR
from recurrence_pipeline.domain.recurrence import Missed
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.simulation.history import History

FEW = 16
"""Slots that are counted at first; mostly no more are needed."""


def expected(history: History, done: datetime | None) -> Iterator[datetime]:
    """Yield the times that should have a task when everything up to `done` is completed, in order."""
    lacking, beginning = history.recurrence.horizon + 1, time_has_come(history)
    for at in due_times(history):
        yield at
        lacking -= (done is None or at > done) and (beginning is None or at >= beginning)
        if not lacking:
            return


def time_has_come(history: History) -> datetime | None:
    """Return the last time that has come, where what was missed before it does not stay."""
    if history.recurrence.missed is Missed.EACH:
        return None
    passed = None
    for at in due_times(history):
        if due_of(history, at) <= history.now:
            passed = at
        elif in_utc(at, history.zone) > history.now + NEAR:
            return passed
    return passed


def due_of(history: History, at: datetime) -> datetime:
    """Return when a time is due, moved from a day off."""
    return in_utc(history.recurrence.moved(at) or at, history.zone)


def due_times(history: History) -> Iterator[datetime]:
    """Yield all times of a series: the slots that are not passed over, and the dates that are added."""
    recurrence, wall = history.recurrence, history.wall
    added = recurrence.added_at(wall)
    first = slots(history, FEW + 7 * len(added))
    dates = [at for at in added if at not in first and not recurrence.passes_over(at)]
    for number in count():
        known = slots(history, number + 1)
        pause = recurrence.pause_at(known[number]) if number < len(known) else None
        is_end = number >= len(known) or (pause is not None and pause.until is None)
        while dates and (is_end or dates[0] < known[number]):
            yield dates.pop(0)
        if is_end:
            return
        if not recurrence.passes_over(known[number]):
            yield known[number]


def slots(history: History, least: int) -> tuple[datetime, ...]:
    """Return so many slots on the wall clock, or all there are, counted from the first by the rule alone."""
    size = FEW
    while size < least:
        size *= 2
    return _slots(history.recurrence.text, history.wall, history.original.timezone, size)


@lru_cache(maxsize=16)
def _slots(rule: str, wall: datetime, zone: str | None, size: int) -> tuple[datetime, ...]:
    return tuple(at for at, _ in timed(wall, rule, 0, size, time_zone(zone)))


def place(history: History, task: Task) -> datetime:
    """Return when the slot of a task is on the wall clock."""
    return history.wall if task.occurrence_at is None else task.occurrence_at


def counted_from(history: History, completed_at: datetime) -> datetime | None:
    """Return the first time of the rule after the day of a completion, at the time of day of the first."""
    day = datetime.combine(wall_clock("completedAt", completed_at, history.zone), history.wall.timetz())
    endless = history.recurrence.rule.without_end()
    return next((at for at in instances(endless, day) if not history.recurrence.passes_over(at)), None)
