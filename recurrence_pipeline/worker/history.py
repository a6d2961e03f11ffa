"""Answers to "what became of the events?", for everybody or for one user, and the replay of what was refused."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.errors import NotReplayable, NotTheirs
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.storage.documents import as_contract, object_id
from recurrence_pipeline.storage.event_queries import EventLog
from recurrence_pipeline.storage.events import Events

Event = Mapping[str, Any]


class History:
    """Looks at events, and gives refused ones another try."""

    def __init__(self, log: EventLog, events: Events, *, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._events = events
        self._clock = clock

    def newest(
        self, *, limit: int, status: EventStatus | None = None, task_id: str | None = None, user_id: str | None = None
    ) -> list[Event]:
        """Return up to `limit` events, newest first, of one task or of all; with `user_id`, of that user's tasks.

        Raises:
            InvalidInput: `task_id` is not an id.
            NotTheirs: the task is another user's.
        """
        if task_id is not None:
            object_id(task_id)
            gone = user_id is not None and self.require_owner(task_id, user_id) is None
            found = self._log.newest(limit=limit, status=status, task_ids=[task_id])
            return [as_contract(e) for e in found if not gone or str(e.get("userId")) == user_id]
        tasks = None if user_id is None else self._log.owned_by(user_id)
        return [as_contract(e) for e in self._log.newest(limit=limit, status=status, task_ids=tasks)]

    def require_owner(self, task_id: str, user_id: str) -> str | None:
        """Return the owner of a task, who is this user; None where the task is gone.

        Raises:
            NotTheirs: the task is another user's.
        """
        owner = self._log.owner(task_id)
        if owner not in {None, user_id}:
            raise NotTheirs("The task belongs to another user")
        return owner

    def is_user(self, user_id: str) -> bool:
        """Say whether the application has this user."""
        return self._log.is_user(user_id)

    def replay(self, event_id: str) -> tuple[Event, bool] | None:
        """Make a refused event pending again; return it, and whether it was refused. None: there is no such event.

        One that is pending already is left as it is, so that asking twice does no harm.

        Raises:
            NotReplayable: it is being worked on, or is completed.
        """
        object_id(event_id, "eventId")
        replayed = self._log.replay([event_id], self._clock()) == 1
        event = self._events.get(event_id)
        if event is None:
            return None
        if not replayed and event.get("status") != EventStatus.PENDING.value:
            raise NotReplayable(f"The event is {event.get('status')}: only failed and rejected events can be replayed")
        return as_contract(event), replayed
