"""What the original, the members and the memory of a series say: its rule, its anchor, the slots that are known. Pure.

Documents are the application's: nothing that stands there is believed where the memory knows better. What follows, and
which slots are still to come, is series.py's business.
"""

from datetime import datetime, tzinfo

from recurrence_pipeline.domain.errors import InvalidRecurrence, NotAMember, RuleChanged, WrongType
from recurrence_pipeline.domain.memory import anchor_of_memory
from recurrence_pipeline.domain.model import Cursor, Series, SeriesMemory, Task
from recurrence_pipeline.domain.recurrence import Recurrence, is_same_rule, read_recurrence
from recurrence_pipeline.domain.zones import time_zone, wall_clock

MAX_NUMBER = 3_652_059
"""Days of the calendar: no slot has a higher number."""


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


def recurrence_of(original: Task, reached: Cursor | None, memory: SeriesMemory | None) -> Recurrence:
    """Return how a series repeats, by a rule that keeps the numbers of the slots that were made.

    Raises:
        InvalidRecurrence: what the original says cannot be.
        RuleChanged: its slots were counted by another rule.
    """
    recurrence = read_recurrence(original.repeat_type, original.recurrence)
    recalled = memory is None and original.cursor is None  # then all that is known of the rule is what stands there now
    if reached is not None and not recalled and not is_same_rule(reached.repeat_type, recurrence):
        raise RuleChanged(counted_as=reached.repeat_type, says=recurrence.text)
    return recurrence


def wall_anchor(original: Task, memory: SeriesMemory | None, zone: tzinfo) -> datetime:
    """Return what slots are counted from, on the wall clock: what is remembered, else the date of the original.

    Raises:
        InvalidRecurrence: there is no date.
    """
    if memory is not None:
        if time_zone(memory.timezone) is zone:
            return memory.anchor
        return wall_clock("anchor", anchor_of_memory(memory), zone)
    if not isinstance(original.anchor, datetime):
        raise InvalidRecurrence("Due date must be a valid date", field="originalDueDate", value=original.anchor)
    return wall_clock("anchor", original.anchor, zone)


def known_slots(series: Series, wall: datetime, zone: tzinfo) -> dict[int, datetime]:
    """Return, by number, the slots that the memory and members say the time of; of these, what lies between its ends.

    Members are the application's, which may have written anything there.
    """
    memory, last, end = series.memory, MAX_NUMBER, datetime.max.replace(tzinfo=wall.tzinfo)
    if memory is not None and memory.at is not None and time_zone(memory.timezone) is zone:
        last, end = memory.number, memory.at
    known = {
        task.occurrence_number: task.occurrence_at
        for task in series.occurrences
        if task.occurrence_number is not None
        and task.occurrence_at is not None
        and 0 < task.occurrence_number < last
        and wall < task.occurrence_at < end
    }
    return known | ({last: end} if last < MAX_NUMBER else {})


def added_dates(series: Series) -> dict[str, datetime]:
    """Return the added date that each member without a number is on."""
    return {
        task.id: task.occurrence_at
        for task in series.occurrences
        if task.occurrence_at is not None and task.occurrence_number is None
    }
