"""Going back to the queue: until nothing is due or unfinished (a terminal), or while a run is warm (Dagster).

A look at the queue takes a millisecond, a new worker seconds.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from recurrence_pipeline.worker.summary import BatchSummary

PAUSE_UNFINISHED = 0.2
"""In seconds, between two looks at a queue where nothing is due but something is unfinished."""
PAUSE_IDLE = 0.1
"""In seconds, between two looks at an empty queue."""


def drain(
    work: Callable[[int], BatchSummary],
    *,
    batch: int,
    limit: int | None = None,
    unfinished: Callable[[], int] | None = None,
    go_on: Callable[[BatchSummary], bool] = lambda _: True,
    wait: Callable[[float], None] = time.sleep,
) -> BatchSummary:
    """Process due events in batches and return what that came to.

    Args:
        work: processes so many due events at most.
        batch: the most events between two calls of `go_on`.
        limit: the most tries of events in all; None for no limit.
        unfinished: counts the events that are pending or being processed; with it, retries and what other workers
            hold are waited for, until every event has ended.
        go_on: is told of everything so far, and says whether to go on; nothing is held when it is asked.
        wait: is called with seconds.

    Raises:
        DatabaseUnavailable: where the database cannot be worked with.
    """
    summary, taken = BatchSummary(), 0
    while limit is None or taken < limit:
        part = work(batch if limit is None else min(batch, limit - taken))
        summary += part
        taken += part.events + part.leases_lost
        if not go_on(summary):
            break
        if part.events or part.leases_lost:
            continue
        if unfinished is None or unfinished() == 0:
            break
        wait(PAUSE_UNFINISHED)
    return summary


def poll_until_idle(  # noqa: PLR0913 (what it goes by)
    work: Callable[[int], BatchSummary],
    *,
    batch: int,
    idle: timedelta,
    longest: timedelta,
    pending: int = 0,
    beat: Callable[[], None] = lambda: None,
    go_on: Callable[[], bool] = lambda: True,
) -> BatchSummary:
    """Process what is pending, and what becomes due until nothing has been due for `idle`, or `longest` is over.

    Args:
        work: processes so many due events at most.
        batch: how many that is at a time.
        idle: how long to wait for the next event; 0 waits for none.
        longest: when to end even if events keep coming.
        pending: how many events are processed first, as far as so many are due.
        beat: is called at each look at the queue.
        go_on: says whether to look once more; nothing is held when it is asked.

    Raises:
        DatabaseUnavailable: where the database cannot be worked with.
    """
    summary = BatchSummary()
    begin = last = time.monotonic()
    while (
        go_on()
        and (now := time.monotonic()) - begin < longest.total_seconds()
        and (pending > 0 or now - last < idle.total_seconds())
    ):
        beat()
        part = work(min(pending, batch) if pending > 0 else batch)
        summary += part
        taken = part.events + part.leases_lost
        pending = pending - taken if taken else 0
        if taken:
            last = time.monotonic()
        elif idle:
            time.sleep(PAUSE_IDLE)
    return summary
