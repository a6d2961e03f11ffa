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
        run_id: str | None = None,
    ) -> None:
        self.events = list(events)
        self._store = store
        self._clock = clock
        self._lease = lease
        self._run_id = run_id
        self._reserve = margin + (lease - margin) / 2
        self._until = min((e.leased_until for e in events if e.leased_until), default=clock())

    def refresh(self) -> int:
        """Renew the lease if it is time, drop what is not ours any more, and return how many events those were."""
        now = self._clock()
        if now < self._until - self._reserve:
            return 0
        until = now + self._lease
        before = len(self.events)
        if self.is_new:
            self.events = [replace(event, leased_until=until) for event in self.events]
        else:
            self.events = self._store.renew(self.events, until=until)
        self._until = until
        return before - len(self.events)

    @property
    def is_new(self) -> bool:
        """Whether its events are not stored yet."""
        return any(event.is_new for event in self.events)

    def store(self) -> int:
        """Store events that are new, drop what somebody else has stored, and return how many events those were."""
        if not self.is_new:
            return 0
        before = len(self.events)
        self.events = self._store.add_held(self.events, run_id=self._run_id)
        return before - len(self.events)

    def announced(self, deleting: Mapping[str, Sequence[str]]) -> None:
        """Keep with the events (by id) what they are about to delete: a second try under this hold must know it too."""
        self.events = [replace(event, deleting=tuple(deleting.get(event.id, event.deleting))) for event in self.events]

    def drop(self, events: Sequence[TaskEvent]) -> None:
        """Forget events whose outcome is recorded."""
        done = {event.id for event in events}
        self.events = [event for event in self.events if event.id not in done]
