"""A worker's hold on the events it works on: renewed while working, given up the moment it is doubtful."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.storage.events import Events


class LeaseHolder:
    """The events of one batch, held together.

    The lease is trusted until `margin` before its end, and renewed when less than half of that time is left. A lease
    that ran out but that nobody took is still ours: the renewal asks for owner and term, not for the time.
    """

    def __init__(
        self,
        store: Events,
        events: Sequence[TaskEvent],
        *,
        clock: Callable[[], datetime],
        lease: timedelta,
        margin: timedelta,
    ) -> None:
        self.events = list(events)
        self._store = store
        self._clock = clock
        self._lease = lease
        self._reserve = margin + (lease - margin) / 2
        self._until = min((e.leased_until for e in events if e.leased_until), default=clock())

    def refresh(self) -> int:
        """Renew the lease if it is time, drop what is not ours any more, and return how many events those were."""
        now = self._clock()
        if now < self._until - self._reserve:
            return 0
        until = now + self._lease
        before = len(self.events)
        self.events = self._store.renew(self.events, until=until)
        self._until = until
        return before - len(self.events)

    def announced(self, deleting: Mapping[str, Sequence[str]]) -> None:
        """Keep with the events (by id) what they are about to delete: a second try under this hold must know it too."""
        self.events = [replace(event, deleting=tuple(deleting.get(event.id, event.deleting))) for event in self.events]

    def drop(self, events: Sequence[TaskEvent]) -> None:
        """Forget events whose outcome is recorded."""
        done = {event.id for event in events}
        self.events = [event for event in self.events if event.id not in done]
