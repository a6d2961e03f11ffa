"""All that is known of a series, put together for people: its tasks by slot, and why nothing more came. Pure.

What it is put together from is read in queries.py; what every slot of a year comes to is series_story.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.explain import words_of
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.words import counted


@dataclass(frozen=True, slots=True)
class Member:
    """One task of a series, with the slot it stands on (None where it has no date)."""

    task: Task
    slot: int | None


@dataclass(frozen=True, slots=True)
class SeriesView:
    """All that is known of a series: its members by slot, its events newest first, and why nothing more came.

    `series` is what that was read from. `events` are those of its original and of its last tasks; see queries/tasks.py.
    `rule` and `words` are those of a series that can be worked on.
    """

    id: str
    original: Task | None
    timezone: str
    cursor: int | None
    members: tuple[Member, ...]
    events: tuple[Mapping[str, Any], ...]
    remarks: tuple[str, ...]
    series: Series
    rule: str | None = None
    words: str | None = None


def view_of(
    series: Series, original: Task | None, events: tuple[Mapping[str, Any], ...], *, timezone: str, now: datetime
) -> SeriesView:
    """Return the view of a series; `original` is its head, be that an original or not."""
    progress, remarks = _progress(series, timezone, now)
    members = _members(series, progress)
    cursor = series.memory.number if series.memory else None
    if progress is not None:
        remarks += _remarks(progress, cursor, members, now)
    if series.strangers:
        remarks.append(f"Other users' tasks hang on it, and are none of it: {len(series.strangers)}.")
    return SeriesView(
        series.id,
        original,
        (original.timezone if original else None) or timezone,
        cursor,
        members,
        events,
        tuple(remarks),
        series,
        None if progress is None else str(progress.recurrence.rule),
        None if progress is None else words_of(progress.recurrence.rule, progress.wall),
    )


def _progress(series: Series, timezone: str, now: datetime) -> tuple[SeriesState | None, list[str]]:
    """Return how far a series is or, where that cannot be said, why."""
    if series.original is None:
        return None, ["The original is gone: nothing more is made, and the orphan cleanup removes the rest."]
    if series.original.repeat_type == "none":
        return None, ["The task does not recur."]
    try:
        return SeriesState(series, series.original, timezone, now=now), []
    except RecurrenceError as error:
        return None, [f"Nothing is made: {error}"]


def _members(series: Series, progress: SeriesState | None) -> tuple[Member, ...]:
    tasks = [series.original, *series.occurrences] if series.original else list(series.occurrences)
    if progress is None:
        return tuple(Member(task, task.occurrence_number) for task in tasks)
    members = (Member(task, progress.slots.get(task.id)) for task in tasks)
    return tuple(sorted(members, key=lambda each: (each.slot is None, each.slot or 0, each.task.id)))


def _remarks(progress: SeriesState, cursor: int | None, members: Sequence[Member], now: datetime) -> list[str]:
    reach = progress.reach()
    wanted, remarks = reach.number, []
    if cursor is None:
        remarks.append("No event of this series has been processed yet: it has no cursor.")
    elif progress.is_behind:
        slots = f"Slots {cursor + 1} to {wanted}" if wanted > cursor else "Added dates"
        remarks.append(f"{slots} are due to be made: the next event of this series makes them.")
    elif reach.ends:
        remarks.append(f"The series has ended: {progress.recurrence.rule} has no slot after {wanted}.")
    else:
        highest = "none is completed" if progress.finished < 0 else f"slot {progress.finished} is the highest completed"
        remarks.append(f"Slot {cursor} was the last made, because {highest}: completing a later one makes more.")
    there = {member.slot for member in members} | progress.passed_over(1, cursor or 0)
    removed = [number for number in range(1, (cursor or 0) + 1) if number not in there]
    if removed:
        shown = ", ".join(map(str, removed[:10])) + (" ..." if len(removed) > 10 else "")
        remarks.append(f"Once made, or passed over, and not there now (never made again): slots {shown}.")
    overdue = sum(
        1
        for m in members
        if not m.task.is_completed and isinstance(m.task.due_date, datetime) and m.task.due_date < now
    )
    if overdue:
        remarks.append(f"{counted(overdue, 'open task')} {'is' if overdue == 1 else 'are'} overdue.")
    return remarks
