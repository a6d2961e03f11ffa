"""Where triggers go that could not be delivered: written down as events, they are processed like all others."""

from datetime import timedelta
from typing import Protocol

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.model import Source
from recurrence_pipeline.storage.timeouts import within

PATIENCE = timedelta(seconds=3)
"""With the database: whoever waits for us has waited for the worker before."""


class Outbox(Protocol):
    """Keeps triggers until the worker is back."""

    def enqueue(self, task_id: str, operation: str, user_id: str | None) -> str:
        """Write a pending event down and return its id; raise a RecurrenceError where that cannot be."""


class DatabaseOutbox:
    """The `task_events` of a database. It is connected to for each event, as it is rarely needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def enqueue(self, task_id: str, operation: str, user_id: str | None) -> str:
        """Write a pending event down and return its id.

        Raises:
            InvalidInput: no event can say that.
            DatabaseUnavailable: the database is away, or was never prepared: an event there would wait for ever.
        """
        with open_worker(self._settings) as worker, within(PATIENCE):
            worker.require_schema()
            return worker.enqueue(task_id, operation, user_id, source=Source.OUTBOX)
