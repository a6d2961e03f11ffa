"""The heartbeats of a worker that stays: that it lives, and how its change stream is. Others judge them."""

import os
import time
from contextlib import suppress

import structlog

from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.follower.watcher import Watcher
from recurrence_pipeline.monitoring.heartbeat_rules import EVERY
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.storage.heartbeats import Part

log = structlog.get_logger(__name__)


class Pulse:
    """Leaves a heartbeat each minute, and where the state of the stream has changed."""

    def __init__(self, parts: Parts, watcher: Watcher) -> None:
        self._parts = parts
        self._watcher = watcher
        self._process = parts.process(Part.WORKER, str(os.getpid()))
        self._last: tuple[float, str | None] | None = None

    def beat(self) -> None:
        """Leave a heartbeat if it is time; one that cannot be left costs nothing, and the next is tried in its time."""
        now, stream = time.monotonic(), self._watcher.state
        if self._last is not None and now - self._last[0] < EVERY.total_seconds() and self._last[1] == stream:
            return
        self._last = now, stream
        try:
            self._parts.beat(self._process, stream=stream)
        except RecurrenceError as error:
            log.warning("no heartbeat can be left", error=str(error))

    def end(self) -> None:
        """Take the heartbeat back: who ends cleanly is not missed."""
        with suppress(RecurrenceError):
            self._parts.leave(self._process)
