"""May this task recur? The rules of the application, and nothing else: where slots lie is in calendar.py."""

from datetime import datetime, timedelta

from recurrence_pipeline.domain.calendar import has_slots
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.ids import time_of
from recurrence_pipeline.domain.instances import GIVES_UP_AFTER
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import Recurrence, read_recurrence
from recurrence_pipeline.domain.zones import time_zone, wall_clock

GRACE = timedelta(days=1)
"""How far before the request the due date may lie."""


def validate_recurrence(task: Task, *, asked_at: datetime, timezone: str | None = None) -> None:
    """Check that a task may recur; one that repeats `none` always may stay as it is.

    The due date is compared with the time of the request, not with now: a backlog processed late must not refuse good
    tasks. `timezone` is that of tasks which have none of their own.

    Raises:
        InvalidRecurrence: with the field, the value, and the text the application shows.
    """
    if task.repeat_type == "none":
        return
    require_date(task, read_recurrence(task.repeat_type, task.recurrence), asked_at=asked_at, timezone=timezone)


def require_date(task: Task, recurrence: Recurrence, *, asked_at: datetime, timezone: str | None = None) -> None:
    """Check that a series of that recurrence may begin at the due date of a task.

    Raises:
        InvalidRecurrence: as `validate_recurrence`.
    """
    if task.due_date is None:
        raise _invalid("Due date is required for recurring tasks", "dueDate", None)
    if not isinstance(task.due_date, datetime) or task.due_date.utcoffset() is None:
        raise _invalid("Due date must be a valid date", "dueDate", task.due_date)
    if asked_at - task.due_date > GRACE:
        message = "Due date for recurring tasks should not be more than 1 day in the past"
        raise _invalid(message, "dueDate", task.due_date)
    if task.parent_task_id is not None:
        raise _invalid("Sub-tasks cannot have recurring patterns", "parentTaskId", task.parent_task_id)
    zone = time_zone(task.timezone or timezone)
    if not has_slots(recurrence.text, wall_clock("dueDate", task.due_date, zone)):
        message = f"recurrence.rule: {recurrence.rule} has no day in {GIVES_UP_AFTER} years"
        raise _invalid(message, "recurrence.rule", str(recurrence.rule))


def creation_time(task: Task) -> datetime:
    """Return when the task was created, by its own word or by its id."""
    return task.created_at or time_of(task.id)


def _invalid(message: str, field: str, value: object) -> InvalidRecurrence:
    return InvalidRecurrence(message, field=field, value=value)
