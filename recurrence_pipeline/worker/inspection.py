"""Answers to "what happened to my task?" and "when is it next?". Reads only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.calendar import slot, slot_number
from recurrence_pipeline.domain.errors import InvalidRecurrence, OriginalNotFound, RecurrenceError
from recurrence_pipeline.domain.model import HORIZON, Series, Task
from recurrence_pipeline.domain.preview import SlotPreview, preview_slot
from recurrence_pipeline.domain.series import Progress, require_member
from recurrence_pipeline.storage.documents import as_contract
from recurrence_pipeline.storage.event_queries import EventLog
from recurrence_pipeline.storage.tasks import Tasks

MAX_PREVIEW = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """One task of a series, with the slot it stands on (None where it has no date)."""

    task: Task
    slot: int | None


@dataclass(frozen=True, slots=True)
class SeriesView:
    """All that is known of a series: its members by slot, its events newest first, and why nothing more came."""

    id: str
    original: Task | None
    timezone: str
    cursor: int | None
    members: tuple[Member, ...]
    events: tuple[Mapping[str, Any], ...]
    remarks: tuple[str, ...]


class Inspection:
    """Looks at one task or series at a time. `timezone` is the zone of tasks that have none."""

    def __init__(self, tasks: Tasks, events: EventLog, *, timezone: str, clock: Callable[[], datetime]) -> None:
        self._tasks = tasks
        self._events = events
        self._timezone = timezone
        self._clock = clock

    def preview(self, task_id: str, count: int, *, ahead: bool = False) -> list[SlotPreview]:
        """Return the `count` slots of the series that follow the task's own or, with `ahead`, those of them to come.

        Raises:
            OriginalNotFound: there is no such task.
            NotAMember, WrongType: it hangs on a series, and is none of it.
            InvalidRecurrence: it does not recur, or `count` is not between 1 and 1000.
        """
        if not 1 <= count <= MAX_PREVIEW:
            raise InvalidRecurrence(f"count: {count} is not between 1 and {MAX_PREVIEW}", field="count", value=count)
        snapshot = self._tasks.load([task_id])
        task, series = snapshot.tasks.get(task_id), snapshot.series_of(task_id)
        original = series.original
        if task is None or original is None:
            raise OriginalNotFound(f"Task {task_id}, or the original of its series, is not there")
        require_member(task, series)
        if original.repeat_type == "none":
            raise InvalidRecurrence(f"Task {task_id} does not recur", field="repeatType", value="none")
        progress = Progress(replace(series, occurrences=()), original, self._timezone)
        first = (progress.number(task) or 0) + 1
        if ahead:
            first = max(first, _first_after(self._clock(), progress, original.repeat_type))
        return [
            preview_slot(progress.anchor, original.repeat_type, number, progress.timezone)
            for number in range(first, first + count)
        ]

    def series(self, task_id: str) -> SeriesView:
        """Return the series that a task belongs to, or what is left of it.

        Raises:
            OriginalNotFound: there is no such task, nothing hangs on it and no event names it.
            NotAMember, WrongType: it hangs on a series, and is none of it.
        """
        snapshot = self._tasks.load([task_id])
        series = snapshot.series_of(task_id)
        if (task := snapshot.tasks.get(task_id)) is not None:
            require_member(task, series)
        ids = {task_id, series.id, *(task.id for task in series.occurrences)}
        events = self._events.of_tasks(ids)
        original = series.original or snapshot.tasks.get(series.id)
        if original is None and not series.occurrences and not events:
            raise OriginalNotFound(f"Task {task_id} is not there, nothing hangs on it, and no event names it")
        zone = (original.timezone if original else None) or self._timezone
        members, cursor, remarks = self._progress(series)
        return SeriesView(
            series.id, original, zone, cursor, members, tuple(as_contract(e) for e in events), tuple(remarks)
        )

    def _progress(self, series: Series) -> tuple[tuple[Member, ...], int | None, list[str]]:
        tasks = [series.original, *series.occurrences] if series.original else list(series.occurrences)
        unplaced = tuple(Member(task, task.occurrence_number) for task in tasks)
        if series.original is None:
            return (
                unplaced,
                None,
                ["The original is gone: nothing more is made, and the orphan cleanup removes the rest."],
            )
        if series.original.repeat_type == "none":
            return unplaced, None, ["The task does not recur."]
        cursor = series.memory.number if series.memory else None
        try:
            progress = Progress(series, series.original, self._timezone)
        except RecurrenceError as error:
            return unplaced, cursor, [f"Nothing is made: {error}"]
        members = sorted(
            (Member(task, progress.slots.get(task.id)) for task in tasks),
            key=lambda member: (member.slot is None, member.slot or 0, member.task.id),
        )
        remarks = _remarks(progress, cursor, members, self._clock())
        if series.strangers:
            remarks.append(f"Other users' tasks hang on it, and are none of it: {len(series.strangers)}.")
        return tuple(members), cursor, remarks


def _first_after(now: datetime, progress: Progress, repeat_type: str) -> int:
    """Return the number of the first slot still to come: the one that now stands for, or a neighbour."""
    number = max(slot_number(progress.anchor, repeat_type, now, progress.timezone) - 1, 0)
    while slot(progress.anchor, repeat_type, number, progress.timezone) <= now:
        number += 1
    return number


def _remarks(progress: Progress, cursor: int | None, members: Sequence[Member], now: datetime) -> list[str]:
    wanted = progress.finished + 1 + HORIZON
    remarks = []
    if cursor is None:
        remarks.append("No event of this series has been worked off yet: it has no cursor.")
    elif wanted > cursor:
        remarks.append(f"Slots {cursor + 1} to {wanted} are due to be made: the next event of this series makes them.")
    else:
        highest = "none is completed" if progress.finished < 0 else f"slot {progress.finished} is the highest completed"
        remarks.append(f"Slot {cursor} was the last made, because {highest}: completing a later one makes more.")
    there = {member.slot for member in members}
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
        remarks.append(f"{overdue} open tasks are overdue.")
    return remarks
