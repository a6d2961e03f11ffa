"""Calls of the worker, which blocks, from an event loop that must not.

As many at a time as there are connections to the database: more would wait for one another in its driver. Each has a
time limit, counted from when it was asked for, whether it waited for its turn or for the database.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.timeouts import time_limit

Answer = TypeVar("Answer")


class Threads:
    """A number of threads, and the time that a call may take."""

    def __init__(self, *, at_a_time: int, patience: timedelta) -> None:
        self._turns = CapacityLimiter(at_a_time)
        self.patience = patience

    async def __call__(self, function: Callable[[], Answer], *, since: float | None = None) -> Answer:
        """Return what the function returns; its time counts from now, or `since` another moment of `monotonic`.

        Raises:
            DatabaseUnavailable: its turn did not come in time, or the database did not answer in time.
        """
        begun = monotonic() if since is None else since

        def limited() -> Answer:
            left = self.patience - timedelta(seconds=monotonic() - begun)
            if left <= timedelta(0):
                raise DatabaseUnavailable("the worker is busy: no connection to the database became free in time")
            with time_limit(left):
                return function()

        return await to_thread.run_sync(limited, limiter=self._turns)
