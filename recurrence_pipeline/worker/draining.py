"""Working the queue off from a terminal, without Dagster: until nothing is due, or until nothing is unfinished."""

import time
from collections.abc import Callable

from recurrence_pipeline.worker.service import WorkerService
from recurrence_pipeline.worker.summary import BatchSummary

PAUSE = 0.2
"""In seconds, between two looks at a queue where nothing is due but something is unfinished."""


def drain(
    service: WorkerService,
    *,
    batch: int,
    limit: int | None = None,
    until_empty: bool = False,
    go_on: Callable[[BatchSummary], bool] = lambda _: True,
    wait: Callable[[float], None] = time.sleep,
) -> BatchSummary:
    """Work off due events in batches and return what that came to.

    Args:
        service: does the work.
        batch: the most events between two calls of `go_on`.
        limit: the most tries of events in all; None for no limit.
        until_empty: wait for retries, and for what other workers hold, until every event has ended.
        go_on: is told of everything so far, and says whether to go on; nothing is held when it is asked.
        wait: is called with seconds.

    Raises:
        Outage: where the database cannot be worked with.
    """
    summary, taken = BatchSummary(), 0
    while limit is None or taken < limit:
        part = service.process_pending(batch if limit is None else min(batch, limit - taken))
        summary += part
        taken += part.events + part.leases_lost
        if not go_on(summary):
            break
        if part.events or part.leases_lost:
            continue
        if not until_empty or service.unfinished() == 0:
            break
        wait(PAUSE)
    return summary
