"""Where triggers go that could not be delivered: written down as events, they are processed like all others."""

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.vocabulary import Source

if TYPE_CHECKING:
    from recurrence_pipeline.config.settings import Settings

PATIENCE = timedelta(seconds=3)
"""With the database: whoever waits for us has waited for the worker before."""


class Outbox(Protocol):
    """Keeps triggers until the worker is back."""

    def enqueue(
        self, task_id: str, operation: str, user_id: str | None, *, slot: int | None = None, undo: bool = False
    ) -> str:
        """Write a pending event down and return its id; raise a RecurrenceError where that cannot be.

        `slot` and `undo` are those of an update or a skip.
        """


class DatabaseOutbox:
    """The `task_events` of a database. It is connected to for each event, as it is rarely needed."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings

    def enqueue(
        self, task_id: str, operation: str, user_id: str | None, *, slot: int | None = None, undo: bool = False
    ) -> str:
        """Write a pending event down and return its id.

        Raises:
            InvalidInput: no event can say that.
            DatabaseUnavailable: the database is away, or was never prepared: an event there would wait for ever.
        """
        # An application whose worker always answers never loads the driver.
        from recurrence_pipeline.storage.events import Events, new_event
        from recurrence_pipeline.storage.mongo import Mongo
        from recurrence_pipeline.storage.schema import require_schema
        from recurrence_pipeline.storage.timeouts import time_limit

        settings = self._settings
        event = new_event(task_id, operation, user_id, source=Source.OUTBOX, now=utc_now(), slot=slot, undo=undo)
        with closing(Mongo(settings)) as mongo, time_limit(PATIENCE):
            require_schema(mongo)
            events = Events(mongo, read_chunk=settings.read_chunk, write_chunk=settings.write_chunk)
            events.add([event], available_at=event.created_at)
        return event.id
