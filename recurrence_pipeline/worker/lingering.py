"""Waiting for more events while a worker is warm: a look at the queue takes a millisecond, a new worker seconds."""

import time
from collections.abc import Callable
from datetime import timedelta

from recurrence_pipeline.domain.lanes import WHOLE, Lane
from recurrence_pipeline.worker.service import WorkerService
from recurrence_pipeline.worker.summary import BatchSummary

PAUSE = 0.1
"""In seconds, between two looks at an empty queue."""


def linger(
    service: WorkerService,
    *,
    idle: timedelta,
    longest: timedelta,
    run_id: str | None = None,
    lane: Lane = WHOLE,
    beat: Callable[[], None] = lambda: None,
) -> BatchSummary:
    """Work off what becomes due, until nothing has been due for `idle`, or `longest` is over.

    Args:
        service: does the work.
        idle: how long to wait for the next event; 0 waits for none.
        longest: when to end even if events keep coming.
        run_id: the Dagster run that this is part of.
        lane: what it takes first.
        beat: is called at each look at the queue.

    Raises:
        Outage: where the database cannot be worked with.
    """
    summary = BatchSummary()
    begin = last = time.monotonic()
    while (now := time.monotonic()) - last < idle.total_seconds() and now - begin < longest.total_seconds():
        beat()
        part = service.process_pending(service.batch_size, run_id=run_id, lane=lane)
        summary += part
        if part.events or part.leases_lost:
            last = time.monotonic()
        else:
            time.sleep(PAUSE)
    return summary
