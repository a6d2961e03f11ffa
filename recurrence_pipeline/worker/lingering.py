"""Waiting for more events while a worker is warm: a look at the queue takes a millisecond, a new worker seconds."""

import time
from collections.abc import Callable
from datetime import timedelta

from recurrence_pipeline.worker.summary import BatchSummary

PAUSE = 0.1
"""In seconds, between two looks at an empty queue."""


def linger(
    work: Callable[[int], BatchSummary],
    *,
    batch: int,
    idle: timedelta,
    longest: timedelta,
    owed: int = 0,
    beat: Callable[[], None] = lambda: None,
) -> BatchSummary:
    """Work off what is owed, and what becomes due until nothing has been due for `idle`, or `longest` is over.

    Args:
        work: works off so many due events at most.
        batch: how many that is at a time.
        idle: how long to wait for the next event; 0 waits for none.
        longest: when to end even if events keep coming.
        owed: how many events are worked off first, as far as so many are due.
        beat: is called at each look at the queue.

    Raises:
        Outage: where the database cannot be worked with.
    """
    summary = BatchSummary()
    begin = last = time.monotonic()
    while (now := time.monotonic()) - begin < longest.total_seconds() and (
        owed > 0 or now - last < idle.total_seconds()
    ):
        beat()
        part = work(min(owed, batch) if owed > 0 else batch)
        summary += part
        taken = part.events + part.leases_lost
        owed = owed - taken if taken else 0
        if taken:
            last = time.monotonic()
        elif idle:
            time.sleep(PAUSE)
    return summary
