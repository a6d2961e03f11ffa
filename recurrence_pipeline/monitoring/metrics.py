"""How the work has been going, from the events themselves. Counts of the moment are health.py's.

Every figure is about the events that ended in a span of time, of one operation or of all. Times are in milliseconds,
rates in percent (0 to 100), spans in UTC. What a figure needs and no event has is NaN in a frame and left out of `latest`.

| figure | what it is |
| --- | --- |
| tasksProcessed | events that ended: completed, rejected or failed |
| tasksProcessedPerHour | of these, on average in each hour of the span |
| avgProcessingTime, maxProcessingTime | from the lease under which an event ended to its end |
| p50, p95, p99 | the time within which so many percent of the events ended, exact, interpolated between two |
| successRate | completed |
| errorRate | rejected or failed: 100 - successRate |
| retryRate | tried again at least once |
| timeoutRate | a time limit of the database ended a try of it, or one of its leases ran out |
| recurringInstancesCreated | occurrences that the events made |
| avgQueueAge, maxQueueAge | from an event's creation to the lease under which it ended, waits between its tries included |

The events of a batch are leased together, so the time of each is the time of the batch up to its outcome: it says how long
somebody who waits has to wait, and depends on WORKER_BATCH_SIZE; tasksProcessedPerHour does not say how fast the worker could be.
A lost connection or a server that is away is no failure of an event, and so in no rate.
"""  # noqa: E501 - a table

from collections.abc import Callable
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING

from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.monitoring.figures import ALL, Columns
from recurrence_pipeline.storage.event_metrics import EventMetrics, ProcessedEvents

if TYPE_CHECKING:  # at run time it would bring pandas along, which takes half a second
    from recurrence_pipeline.monitoring.frames import Measured


LATEST = timedelta(days=1)


class Metrics:
    """Measures the work of any span of time for which completed events are kept."""

    def __init__(self, events: EventMetrics, *, retention: timedelta, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._retention = retention
        self._clock = clock

    def measure(self, since: datetime, until: datetime | None = None) -> "Measured":
        """Read the events that ended from `since` on and before `until` (now): about 40 bytes of memory for each.

        Completed events are removed when their time is up, refused ones are not. So that no rate is about refused
        events alone, nothing is measured from before the time for which completed ones are kept.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        from recurrence_pipeline.monitoring.frames import Measured  # noqa: PLC0415 - half a second

        now = self._clock()
        until = now + MILLISECOND if until is None else until  # what ended this millisecond is part of it
        since = min(max(since, now - self._retention), until)
        return Measured.of(Columns.of(self._events.finished(since, until, patient=True)), since, until)

    def processed_without_run(self, since: datetime, until: datetime) -> ProcessedEvents:
        """Count the events that ended in a span of time, and that the API or a terminal processed, not Dagster.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        return self._events.processed_without_run(max(since, self._clock() - self._retention), until)

    def latest(self, window: timedelta = LATEST) -> dict[str, float]:
        """Return the figures of all operations in the last `window`; those without a value are left out.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        row = self.measure(self._clock() - window).in_all().to_dict("index")[ALL]
        return {str(name): round(float(value), 3) for name, value in row.items() if not isnan(value)}
