"""Which refused events are meant. Pure: nothing is read here, and what is done with them is worker/replaying.py's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recurrence_pipeline.domain.model import REFUSED, EventStatus, Operation, RefusedEvent


@dataclass(frozen=True, slots=True)
class Selection:
    """The refused events that fit everything which is set.

    `since` is the first time of their end that counts, `until` the first that does not.
    """

    statuses: Sequence[EventStatus] = REFUSED
    operation: Operation | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def misfit(self, event: RefusedEvent) -> str | None:
        """Return why an event is not meant; None where it is."""
        if event.status not in {status.value for status in self.statuses}:
            return f"its status is {event.status}"
        if self.operation is not None and event.operation != self.operation.value:
            return f"its operation is {event.operation}"
        if self.code is not None and event.code != self.code:
            return f"its error is {event.code or 'not recorded'}"
        if not self._in_time(event.finished_at):
            return f"it ended {event.finished_at.isoformat() if event.finished_at else 'at an unknown time'}"
        return None

    def _in_time(self, ended: datetime | None) -> bool:
        if ended is None:
            return self.since is None and self.until is None
        return (self.since is None or ended >= self.since) and (self.until is None or ended < self.until)
