"""A worker that stays: it processes what is due as it comes, and finds what was never queued, until it is told to stop.

It is a loop and no more: the processor and the reconciliation are those that Dagster's runs and sensors call, with the
same leases. So any number of followers, runs and APIs work side by side. When to look is looks.py's business.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import structlog

from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.follower.looks import STEP, QueueLooks, TaskLooks
from recurrence_pipeline.follower.pulse import Pulse
from recurrence_pipeline.follower.watcher import Watcher
from recurrence_pipeline.storage.timeouts import time_limit
from recurrence_pipeline.worker.summary import BatchSummary

SHORTEST_REST, LONGEST_REST = timedelta(seconds=1), timedelta(seconds=30)
"""While the database is away; doubled each time that it still is."""

AFTER_A_FAILURE = timedelta(seconds=5)
"""Before unqueued work is looked for again."""

LAST_WORD = timedelta(seconds=5)
"""How long the end waits for a database that does not answer, twice at most."""

log = structlog.get_logger(__name__)


class Work(Protocol):
    """What processes due events, at most `limit`, those of a shard first."""

    def __call__(self, limit: int, *, shard: Shard) -> BatchSummary:
        """Return what that came to."""


class Follower:
    """Works until told to stop."""

    def __init__(
        self, work: Work, queue: QueueLooks, tasks: TaskLooks, watcher: Watcher, pulse: Pulse, *, batch: int
    ) -> None:
        self._work = work
        self._queue = queue
        self._tasks = tasks
        self._watcher = watcher
        self._pulse = pulse
        self._batch = batch
        self._away = False
        self._rest = SHORTEST_REST
        self._tasks_from = 0.0

    def run(self, go_on: Callable[[], bool], *, shard: Shard = WHOLE_QUEUE) -> BatchSummary:
        """Work while it is to `go_on`, which is asked when nothing is held. An outage is waited for.

        What a stream has told of tasks by then is asked for in the end; what is due then is left to others.
        """
        self._watcher.start()
        summary = BatchSummary()
        try:
            while go_on():
                try:
                    summary += self._turn(shard)
                except (DatabaseUnavailable, Transient) as error:
                    self._wait_for_database(error, go_on)
                else:
                    self._away, self._rest = False, SHORTEST_REST
                    self._wait()
        finally:
            with time_limit(LAST_WORD), suppress(DatabaseUnavailable, Transient):  # then looks find it
                self._tasks.look_at_all_told()
            with time_limit(LAST_WORD):
                self._pulse.end()
        return summary

    def _turn(self, shard: Shard) -> BatchSummary:
        """Process a batch if the queue is to be looked at, and look for what was never queued if that is to be."""
        part = BatchSummary()
        if self._watcher.ready(tasks=False) or self._queue.pause() == 0:
            self._queue.begin()
            part = self._work(self._batch, shard=shard)
            self._queue.end(found=bool(part.events or part.leases_lost))
        if self._tasks_pause() == 0 and self._look_for_tasks():
            self._queue.end(found=True)
        self._pulse.beat()
        return part

    def _wait(self) -> None:
        """Wait until there is something to do, or somebody may want us to stop."""
        left = min(self._queue.pause(), self._tasks_pause(), STEP)
        self._watcher.wait(left, tasks=self._tasks_from <= time.monotonic())

    def _tasks_pause(self) -> float:
        """Return in how many seconds to look for what was never queued."""
        pause = 0 if self._watcher.ready(queue=False) else self._tasks.pause()
        return max(pause, self._tasks_from - time.monotonic())

    def _look_for_tasks(self) -> bool:
        """Look, and say whether anything was asked for. Where that fails, the queue is not to wait for it."""
        try:
            return self._tasks.look().asked > 0
        except (DatabaseUnavailable, Transient) as error:
            log.warning("unqueued work cannot be looked for: tried again soon", error=str(error))
            self._tasks_from = time.monotonic() + AFTER_A_FAILURE.total_seconds()
            return False

    def _wait_for_database(self, error: Exception, go_on: Callable[[], bool]) -> None:
        if not self._away:
            log.warning("the database cannot be worked with: waiting for it", error=str(error))
        self._away = True
        end = time.monotonic() + self._rest.total_seconds()
        self._rest = min(2 * self._rest, LONGEST_REST)
        while go_on() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, STEP))
