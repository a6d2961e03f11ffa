"""How a series goes on that stopped because everything open in it was deleted. Pure.

By itself it never would: a slot at or before the cursor is not made again, and no task is left to complete. So a person
asks for its next slots. Those that lie in the past are passed over for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from recurrence_pipeline.domain.errors import ResumeRefused
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import CursorMove, NewActivity, NewOccurrence
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.vocabulary import Action

Following: TypeAlias = tuple[int, datetime, datetime]
"""A slot to come: its number, its time on the wall clock, and the same in UTC."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What resuming a series writes, in this order.

    The cursor first passes over what lies in the past; what is inserted then lies past it, until it is all there. So a
    resumption that was cut off can be told from a series that goes on, and be completed.
    """

    passed: Sequence[CursorMove]
    occurrences: tuple[NewOccurrence, ...]
    activities: tuple[NewActivity, ...]
    reached: Sequence[CursorMove]


def plan_resumption(
    series: Series, original: Task, *, event_id: str, now: datetime, timezone: str | None
) -> Resumption | None:
    """Plan the next slots past the cursor that are not in the past; None where the series has an open task.

    Raises:
        ResumeRefused: it lacks slots that an event would make, or does not recur.
        InvalidRecurrence, RuleChanged: it cannot be continued.
    """
    if original.repeat_type == "none":
        raise ResumeRefused(f"Task {original.id} does not recur")
    progress = SeriesState(series, original, timezone)
    if progress.is_behind:
        raise ResumeRefused(
            f"Series {original.id} has not stopped: it lacks slots up to {progress.wanted}, and its cursor is "
            f"{progress.cursor}. Its next event makes them: recurrence trigger create {original.id}"
        )
    still_open = [task for task in (original, *series.occurrences) if not task.is_completed]
    begun = bool(still_open) and all(progress.slots.get(task.id, 0) > progress.cursor for task in still_open)
    if still_open and not begun:
        return None
    first = progress.cursor + 1 if begun else max(progress.cursor + 1, progress.first_after(now))
    following = _following(progress, first)
    if not following:
        raise ResumeRefused(f"Series {original.id} has ended: {progress.recurrence.rule} has no slot after {first - 1}")
    return Resumption(
        progress.moves(first - 1),
        _new(progress, following, event_id),
        _told(original, following),
        progress.moves(following[-1][0]),
    )


def _following(progress: SeriesState, first: int) -> list[Following]:
    """Return as many slots as the series is kept ahead, from number `first` on, without excluded ones."""
    horizon = progress.recurrence.horizon
    wanted = (slot for slot in progress.onward(first, horizon) if not progress.skips(slot.at, slot.number))
    return list(islice(wanted, horizon))


def _new(progress: SeriesState, following: Sequence[Following], event_id: str) -> tuple[NewOccurrence, ...]:
    original, there = progress.original, set(progress.slots.values())
    return tuple(
        NewOccurrence(occurrence_id(original.id, number), original, number, due, event_id, at)
        for number, at, due in following
        if number not in there
    )


def _told(original: Task, following: Sequence[Following]) -> tuple[NewActivity, ...]:
    if original.user_id is None:
        return ()
    ids = (occurrence_id(original.id, number) for number, *_ in following)
    return tuple(NewActivity.of(Action.CREATED, original.user_id, task_id) for task_id in ids)
