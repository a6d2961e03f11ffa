"""Is the previous worker still at work? Two looks at its traces -> a verdict. Pure: reading is steps.py's.

That nothing came of it proves nothing where there was nothing for it to do. What proves that it stands still is a task
that it would have answered within seconds, and did not: one that was there at the first look, younger than all that the
previous worker ever wrote, and still without an occurrence of its at the last.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.validation import creation_time, validate_recurrence
from recurrence_pipeline.storage.previous_worker import ITS_RULES, Mark, Traces


class Verdict(str, Enum):
    """Whether the previous worker works."""

    AT_WORK = "at work"  # it wrote something between the looks
    SILENT = "silent"  # it left a task without an answer
    UNKNOWN = "unknown"  # it wrote nothing, and there was nothing to write


@dataclass(frozen=True, slots=True)
class Watched:
    """What two looks came to: what was written between them, when it last wrote, what it left without an answer."""

    verdict: Verdict
    marks: tuple[Mark, ...]
    last: datetime | None
    unanswered: tuple[str, ...]
    handed: int
    """Of the unanswered, those that were handed to this worker."""


def watched(first: Traces, last: Traces, timezone: str) -> Watched:
    """Say what became of the previous worker; `timezone` is that of series without their own."""
    fresh = [mark for mark in last.marks.values() if mark.id not in first.marks]
    latest = max((mark.at for traces in (first, last) for mark in traces.marks.values()), default=None)
    unanswered = tuple(
        task.id
        for task in first.originals.values()
        if task.id in last.originals
        and task.id not in last.answered
        and (latest is None or creation_time(task) > latest)
        and _would_answer(task, timezone)
    )
    verdict = Verdict.AT_WORK if fresh else Verdict.SILENT if unanswered else Verdict.UNKNOWN
    ordered = tuple(sorted(fresh, key=lambda mark: (mark.at, mark.id)))
    return Watched(verdict, ordered, latest, unanswered, len(last.handed & set(unanswered)))


def _would_answer(task: Task, timezone: str) -> bool:
    """Say whether the previous worker would make occurrences of a task that was created."""
    if task.repeat_type not in ITS_RULES or task.recurrence is not None:
        return False
    try:
        validate_recurrence(task, asked_at=creation_time(task), timezone=timezone)
    except Permanent:
        return False
    return True
