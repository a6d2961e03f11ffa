"""Metrics for Prometheus: what they are, and how they stay true. How they are served is api/exporting.py's.

The work is done by processes that come and go (Dagster's runs, the API, a terminal), and what they leave are events in
the database. So one process, the API's, counts for all of them: every 15 s it reads the events that ended since it
looked last, each once, and how many wait. A scrape reads no database: it gets what was counted last, at once.

* Counters and the histogram are of the events that ended, whoever worked them off, since this process was started. They
  only rise, and begin again at 0 when it is started again, as `rate()` expects. What ends while no API is running is
  in no counter (`recurrence stats --since` has it). Every API process counts everything: ask one, or take the maximum.
* Gauges are of the moment of the last look. They are missing while the database is away, and `recurrence_up` is 0.
* Database errors, process figures and the build are of this process alone.

An event is noted as ended a little before that can be read. So each look goes back by the length of a lease, and what
it has counted already it knows by id and time.
"""

import platform
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.finished_events import OUTCOMES, FinishedEvent
from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus, Operation
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.storage.command_errors import DatabaseErrors
from recurrence_pipeline.storage.event_metrics import EventMetrics, NotDone

EVERY = timedelta(seconds=15)
A_TENTH = 10
"""A look that takes long makes the next one wait ten times as long: it may take a tenth of the time, and no more."""

PIECE = timedelta(minutes=1)
"""So much is read in one go: after an outage of hours there is much to make up for, and each answer has its limit."""

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The bounds of the histogram; above 1 s people begin to wait, and a lease has 60 s."""

WAITING = (EventStatus.PENDING, EventStatus.PROCESSING)

log = structlog.get_logger(__name__)


class Exporter(Collector):
    """Counts what the events say. `refresh` is for one thread, scrapes may come from any."""

    def __init__(
        self,
        events: EventMetrics,
        errors: DatabaseErrors,
        parts: Parts,
        *,
        lateness: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        # Else each counter has a gauge of when it was made, `..._created_created` among them. It has no types.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._events = events
        self._errors = errors
        self._parts = parts
        self._lateness = lateness
        self._clock = clock
        self._began = self._read_to = clock()
        self._seen: dict[tuple[str, datetime], None] = {}
        self._waiting: tuple[datetime, list[NotDone], list[bool]] | None = None
        self._counters()
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "recurrence_build_info", "Always 1; what is running.", ["version", "python"], registry=self.registry
        )
        build.labels(version("recurrence-pipeline"), platform.python_version()).set(1)
        self.registry.register(self)

    def _counters(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"recurrence_{name}", text, labels, registry=self.registry)

        self._finished = counter(
            "events_finished", "Events that ended, by what became of them.", "operation", "outcome"
        )
        self._retries = counter("retries", "Tries after the first, counted when the event ended.", "operation")
        self._created = counter("occurrences_created", "Occurrences that events made, counted when they ended.")
        self._deleted = counter("occurrences_deleted", "Occurrences that events deleted, counted when they ended.")
        self._duration = Histogram(
            "recurrence_event_duration_seconds",
            "From the lease under which an event ended to its end; the events of a batch are leased together.",
            ["operation", "outcome"],
            buckets=SECONDS,
            registry=self.registry,
        )
        for operation in Operation:  # a counter that is there from the start has no first step that rate() misses
            self._retries.labels(operation.value)
            for outcome in OUTCOMES:
                self._finished.labels(operation.value, outcome.value)
                self._duration.labels(operation.value, outcome.value)

    def run(self, stop: threading.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.is_set():
            began = self._clock()
            self.refresh()
            stop.wait(max(EVERY, (self._clock() - began) * A_TENTH).total_seconds())

    def refresh(self) -> None:
        """Read what ended since the last look, and what waits; a database that is away is a figure, and no error."""
        try:
            self._count_finished()
            self._waiting = self._clock(), self._events.not_done(), self._parts.streams()
        except RecurrenceError as error:
            self._waiting = None
            log.warning("no metrics from the database", error=str(error))
        except Exception:
            self._waiting = None  # whatever it was, it must not look like a system at rest
            log.exception("no metrics from the database")

    def collect(self) -> Iterator[Metric]:
        """Yield what is no counter of its own: the gauges of the last look, and the errors of the driver."""
        known = self._waiting
        yield GaugeMetricFamily(
            "recurrence_up", "1 where the last look at the database worked.", value=float(bool(known))
        )
        errors = CounterMetricFamily(
            "recurrence_database_errors", "Commands of this process that failed.", labels=["command", "cause"]
        )
        for labels, count in self._errors.counts().items():
            errors.add_metric(labels, count)
        yield errors
        if known is not None:
            yield from _gauges(*known)

    def _count_finished(self) -> None:
        now = self._clock()
        while self._read_to < now:
            until = min(self._read_to + PIECE, now)
            for event in self._events.finished(max(self._read_to - self._lateness, self._began), until):
                key = (event.id, event.finished_at)
                if key not in self._seen:
                    self._seen[key] = None
                    self._count(event)
            self._read_to = until
            self._seen = {key: None for key in self._seen if key[1] >= until - self._lateness}

    def _count(self, event: FinishedEvent) -> None:
        self._finished.labels(event.operation, event.status.value).inc()
        self._retries.labels(event.operation).inc(event.retries)
        self._created.inc(event.created)
        self._deleted.inc(event.deleted)
        if event.duration_ms is not None:
            self._duration.labels(event.operation, event.status.value).observe(event.duration_ms / 1000)


def _gauges(now: datetime, rows: list[NotDone], streams: list[bool]) -> Iterator[Metric]:
    queue = GaugeMetricFamily("recurrence_queue_events", "Events that wait or are worked on.", labels=["status"])
    age = GaugeMetricFamily(
        "recurrence_queue_age_seconds",
        "How long the first pending event has been due, and how long the first one in work has been held.",
        labels=["status"],
    )
    for status in WAITING:
        of_status = [row for row in rows if row.status is status]
        since = [row.since for row in of_status if row.since is not None]
        queue.add_metric([status.value], sum(row.count for row in of_status))
        age.add_metric([status.value], max((now - min(since, default=now)).total_seconds(), 0.0))
    dead = GaugeMetricFamily(
        "recurrence_dead_letters", "Events that wait for a person.", labels=["operation", "status"]
    )
    counts = {(row.operation, row.status): row.count for row in rows}
    for operation in Operation:
        for status in REFUSED:
            dead.add_metric([operation.value, status.value], counts.get((operation.value, status), 0))
    listeners = GaugeMetricFamily(
        "recurrence_change_streams", "Processes that listen to changes, by whether they hear any.", labels=["state"]
    )
    for state, alive in (("alive", True), ("none", False)):
        listeners.add_metric([state], streams.count(alive))
    yield from (queue, age, dead, listeners)
