"""What became of a slot, in the words and colours of a page. Pure: explain.py says it of a day, this of a picture."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from recurrence_pipeline.domain.explain import DayCode, SlotView
from recurrence_pipeline.domain.model import Task


class Mark(str, Enum):
    """How a slot is drawn; each is a class of the stylesheet."""

    DONE = "done"
    LATE = "late"
    OPEN = "open"
    OVERDUE = "overdue"
    COMING = "coming"
    MOVED = "moved"
    MISSED = "missed"
    SKIPPED = "skipped"
    PAUSED = "paused"
    LEFT_OUT = "left-out"
    DELETED = "deleted"


WORDS: Mapping[Mark, str] = {
    Mark.DONE: "done",
    Mark.LATE: "done late",
    Mark.OPEN: "open",
    Mark.OVERDUE: "open, overdue",
    Mark.COMING: "to come",
    Mark.MOVED: "moved",
    Mark.MISSED: "missed",
    Mark.SKIPPED: "skipped",
    Mark.PAUSED: "paused",
    Mark.LEFT_OUT: "left out",
    Mark.DELETED: "deleted",
}

_OF_CODE: Mapping[DayCode, Mark] = {
    DayCode.DONE: Mark.DONE,
    DayCode.OPEN: Mark.OPEN,
    DayCode.OVERDUE: Mark.OVERDUE,
    DayCode.TO_BE_MADE: Mark.COMING,
    DayCode.AHEAD: Mark.COMING,
    DayCode.MISSED: Mark.MISSED,
    DayCode.SKIPPED: Mark.SKIPPED,
    DayCode.PAUSED: Mark.PAUSED,
    DayCode.EXCLUDED: Mark.LEFT_OUT,
    DayCode.DAY_OFF: Mark.LEFT_OUT,
    DayCode.DELETED: Mark.DELETED,
}


def mark_of(slot: SlotView, tasks: Mapping[str, Task]) -> Mark:
    """Return how a slot is drawn; `tasks` are those of the series, by id."""
    mark = _OF_CODE.get(slot.code, Mark.COMING)
    if mark is Mark.DONE and slot.task_id is not None:
        task = tasks.get(slot.task_id)
        return Mark.LATE if task is not None and _is_late(task) else mark
    if mark in {Mark.OPEN, Mark.COMING} and slot.local.date() != slot.at.date():
        return Mark.MOVED
    return mark


def mark_of_task(task: Task, now: datetime) -> Mark:
    """Return how a task is drawn that is on no slot that is shown."""
    if task.is_completed:
        return Mark.LATE if _is_late(task) else Mark.DONE
    return Mark.OVERDUE if isinstance(task.due_date, datetime) and task.due_date < now else Mark.OPEN


def _is_late(task: Task) -> bool:
    """Say whether a task was completed after it was due, where the application says when that was."""
    due = task.due_date
    return task.completed_at is not None and isinstance(due, datetime) and task.completed_at > due
