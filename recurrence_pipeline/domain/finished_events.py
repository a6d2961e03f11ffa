"""What is known of events that have ended, by those who look at many: lists, figures, what is tried again. Pure.

What a worker knows of the event that it works on is model.py's `TaskEvent`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus

OUTCOMES = (EventStatus.COMPLETED, *REFUSED)
"""The states in which an event has ended."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """What matters of an event here. `code` and `reason` are those of its last error."""

    id: str
    operation: str
    status: str
    code: str = ""
    reason: str = ""
    finished_at: datetime | None = None


class FinishedEvent(NamedTuple):
    """One event that has ended. Times are whole milliseconds, None where the event does not say."""

    id: str
    operation: str
    status: EventStatus
    finished_at: datetime
    duration_ms: int | None = None
    """From the lease under which it ended to its end. The events of a batch are held together: each has the time that
    the batch had taken until its outcome was known, so it grows with WORKER_BATCH_SIZE."""
    waited_ms: int | None = None
    """From its creation to that lease: time in the queue, with the waits between its tries."""
    failures: int = 0
    """How many of its tries failed."""
    timed_out: bool = False
    """A time limit of the database ended one of its tries (the last five are known), or one of its leases ran out."""
    created: int = 0
    deleted: int = 0

    @property
    def retries(self) -> int:
        """How often it was tried again: a completed one once for each failure, another once less."""
        return self.failures if self.status is EventStatus.COMPLETED else max(self.failures - 1, 0)
