"""The last day hour by hour, as a page shows it at a glance. The exact figures of any span are metrics.py's.

How deep the queue was, and how long its oldest event had waited, is told as of the end of each hour; what succeeded and
how long it took, of the events that ended within it. Events wait from their creation on, retries included.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from recurrence_pipeline.domain.finished_events import FinishedEvent
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.event_metrics import EventMetrics
from recurrence_pipeline.storage.event_queries import EventQueries

HOURS = 24
HOUR = timedelta(hours=1)
WAITING_AT_MOST = 10_000
"""How many of the events that wait are looked at: a queue that is deeper is as deep as that here."""


@dataclass(slots=True)
class Hour:
    """One hour up to `end`. What nothing is known of is None: no event ended."""

    end: datetime
    depth: int = 0
    oldest: timedelta = timedelta()
    ended: int = 0
    completed: int = 0
    durations: list[int] = field(default_factory=list)
    """In milliseconds."""

    @property
    def success(self) -> float | None:
        """How many percent of the events that ended were completed."""
        return 100 * self.completed / self.ended if self.ended else None

    @property
    def p95(self) -> int | None:
        """Within how many milliseconds 95 percent of them ended, the lease under which they did counted."""
        times = sorted(self.durations)
        return times[max(-(-95 * len(times) // 100) - 1, 0)] if times else None


class LastDay:
    """Reads the last day."""

    def __init__(self, events: EventMetrics, log: EventQueries, *, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._log = log
        self._clock = clock

    def hours(self) -> list[Hour]:
        """Return the hours up to now, the earliest first.

        Raises:
            DatabaseUnavailable: the database is away, or the events are too many for the time there is.
        """
        now = self._clock()
        finished = self._events.finished(now - HOURS * HOUR, now + MILLISECOND)
        return by_hour(finished, self._log.created_of_waiting(WAITING_AT_MOST), now)


def by_hour(finished: Iterable[FinishedEvent], waiting: Iterable[datetime], now: datetime) -> list[Hour]:
    """Return the hours up to `now` from the events that ended in them and the creation times of those that wait."""
    hours = [Hour(now - (HOURS - 1 - each) * HOUR) for each in range(HOURS)]
    for event in finished:
        hour = hours[min(max(_first_end(hours, event.finished_at), 0), HOURS - 1)]
        hour.ended += 1
        hour.completed += event.status is EventStatus.COMPLETED
        if event.duration_ms is not None:
            hour.durations.append(event.duration_ms)
            if event.waited_ms is not None:
                created = event.finished_at - (event.duration_ms + event.waited_ms) * MILLISECOND
                _wait(hours, created, event.finished_at)
    for created in waiting:
        _wait(hours, created, now + HOUR)
    return hours


def _first_end(hours: Sequence[Hour], time: datetime) -> int:
    """Return the first hour that ends at a time or behind it."""
    return -((hours[0].end - time) // HOUR)


def _wait(hours: Sequence[Hour], created: datetime, ended: datetime) -> None:
    """Count an event that waited from its creation on until before its end."""
    for hour in hours[max(_first_end(hours, created), 0) :]:
        if hour.end >= ended:
            return
        hour.depth += 1
        hour.oldest = max(hour.oldest, hour.end - created)
