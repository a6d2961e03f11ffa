"""The figures by their names, and the columns of numbers that they are counted from."""

from array import array
from collections.abc import Iterable
from typing import Literal

from recurrence_pipeline.domain.finished_events import FinishedEvent
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.storage.documents import EPOCH

Period = Literal["hour", "day"]
MILLISECONDS = ("avgProcessingTime", "maxProcessingTime", "p50", "p95", "p99", "avgQueueAge", "maxQueueAge")
PERCENT = ("successRate", "errorRate", "retryRate", "timeoutRate")
COUNTS = ("tasksProcessed", "tasksProcessedPerHour", "recurringInstancesCreated")
ALL = "all"
"""The row of all operations together."""
UNKNOWN = float("nan")


class Columns:
    """What the figures need of the events: a row for each event, as numbers, so that a million takes 40 MB."""

    def __init__(self) -> None:
        self.operations: list[str] = [operation.value for operation in Operation]
        self.operation = array("b")
        self.at = array("q")
        """Milliseconds since 1970."""
        self.duration = array("d")
        self.waited = array("d")
        self.completed = array("b")
        self.retried = array("b")
        self.timed_out = array("b")
        self.created = array("q")

    @classmethod
    def of(cls, events: Iterable[FinishedEvent]) -> "Columns":
        """Write events into columns."""
        columns = cls()
        codes = {operation: code for code, operation in enumerate(columns.operations)}
        for event in events:
            if event.operation not in codes:
                continue  # the collection's validator lets none in
            columns.operation.append(codes[event.operation])
            columns.at.append((event.finished_at - EPOCH) // MILLISECOND)
            columns.duration.append(UNKNOWN if event.duration_ms is None else event.duration_ms)
            columns.waited.append(UNKNOWN if event.waited_ms is None else event.waited_ms)
            columns.completed.append(event.status is EventStatus.COMPLETED)
            columns.retried.append(event.retries > 0)
            columns.timed_out.append(event.timed_out)
            columns.created.append(event.created)
        return columns
