"""When to look: at what a change stream told of, at once; at everything else in its own time.

That time is short while no stream is alive. It is long while one is, and what was there before it has been seen: all of
the queue, and each task once. Nothing is read here but by those who are asked to look.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from recurrence_pipeline.follower.watcher import Told, Watcher
from recurrence_pipeline.reconciliation.reconciler import Reconciliation, ScanResult

QUEUE_PAUSE = timedelta(milliseconds=200)
"""Between two looks at the queue, without a stream."""

BETWEEN_LOOKS = timedelta(seconds=5)
"""Of reconciliation, without a stream."""

ROUNDS = 2
"""Of the sweep after a gap: the first one had begun before."""

STEP = 0.5
"""In seconds: how soon it is noticed that a stream has died, or that somebody wants to stop."""

NEVER = float("-inf")


class QueueLooks:
    """When to look at the queue again."""

    def __init__(
        self,
        watcher: Watcher,
        next_due: Callable[[], datetime | None],
        *,
        interval: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._watcher = watcher
        self._next_due = next_due
        self._interval = interval
        self._clock = clock
        self._looked = NEVER
        self._due: float | None = None

    def begin(self) -> None:
        """Say that the queue is looked at now: what a stream tells from here on asks for another look."""
        self._watcher.take_queue()

    def end(self, *, found: bool) -> None:
        """Say what came of it. Where nothing was due, a stream does not tell of the time when something will be."""
        self._looked, self._due = (NEVER if found else time.monotonic()), None
        if not found and self._watcher.alive and (due := self._next_due()) is not None:
            self._due = self._looked + (due - self._clock()).total_seconds()

    def wait(self, end: float) -> None:
        """Wait until it is time to look, or until `end`."""
        while (left := min(self.pause(), end - time.monotonic())) > 0 and not self._watcher.ready(tasks=False):
            self._watcher.wait(min(left, STEP), tasks=False)

    def pause(self) -> float:
        """Return in how many seconds the queue is to be looked at, whatever a stream tells."""
        interval = self._interval if self._watcher.alive else QUEUE_PAUSE
        soonest = self._looked + QUEUE_PAUSE.total_seconds()
        at = self._looked + interval.total_seconds()
        if self._due is not None:
            at = min(at, max(self._due, soonest))
        return max(at - time.monotonic(), 0)


class TaskLooks:
    """Looks for work that was never queued: at what changed at once, and at everything, piece by piece."""

    def __init__(self, reconciliation: Reconciliation, watcher: Watcher, *, interval: timedelta) -> None:
        self._reconciliation = reconciliation
        self._watcher = watcher
        self._interval = interval
        self._looked = NEVER
        self._rounds = ROUNDS
        self.position: str | None = None
        """Where the walks through all tasks are; see `Reconciliation.look`."""

    def pause(self) -> float:
        """Return in how many seconds to look, whatever a stream tells."""
        rarely = self._watcher.alive and self._rounds <= 0
        interval = self._interval if rarely else BETWEEN_LOOKS
        return max(self._looked + interval.total_seconds() - time.monotonic(), 0)

    def wait(self, end: float) -> bool:
        """Wait until it is time to look, and say so; False where it is not before `end`."""
        while (pause := self.pause()) > 0 and not self._watcher.ready(queue=False):
            left = end - time.monotonic()
            if left <= 0 or (left < pause and not self._watcher.alive):
                return False
            self._watcher.wait(min(pause, left, STEP), queue=False)
        return True

    def look(self, *, at_all: bool = False) -> ScanResult:
        """Look at what a stream told of; and at the next piece of all tasks, if its time has come or it is wanted.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with; the same is looked at the next time.
        """
        told = self._watcher.take_tasks()
        try:
            at_all |= told.gap or self.pause() == 0
            if told.gap:
                self._rounds = ROUNDS
            looked_at, asked = self._look_at(told)
            if at_all:
                found = self._reconciliation.look(self.position)
                self._looked, self.position = time.monotonic(), found.position
                self._rounds -= found.came_round
                looked_at, asked = looked_at + found.looked_at, asked + found.asked
        except BaseException:
            self._watcher.give_back(told)
            raise
        return ScanResult(self.position or "", looked_at, asked)

    def look_at_all_told(self) -> None:
        """Look at what a stream told of up to now, for one who ends: nobody will tell of it again."""
        self._look_at(self._watcher.take_tasks(all_of_them=True))

    def _look_at(self, told: Told) -> tuple[int, int]:
        if not told.tasks and not told.deleted:
            return 0, 0
        return len(told.tasks) + len(told.deleted), self._reconciliation.look_at(told.tasks, told.deleted)
