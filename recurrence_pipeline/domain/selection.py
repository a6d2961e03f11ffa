"""Which refused events are meant. Pure: nothing is read here, and what is done with them is worker/replaying.py's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.model import EventStatus, Operation

REFUSED = (EventStatus.FAILED, EventStatus.REJECTED)
"""The states in which an event waits for a person."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """What matters of an event here. `code` and `reason` are those of its last error."""

    id: str
    operation: str
    status: str
    code: str = ""
    reason: str = ""
    finished_at: datetime | None = None


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


def moment(field: str, text: str | None) -> datetime | None:
    """Read a time as people write it: `2026-11-24`, `2026-11-24T09:30` or with an offset; UTC where it has none.

    Raises:
        InvalidInput: it is none, naming the field and the text.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise InvalidInput(f"{field}: {text!r} is not a time such as 2026-11-24 or 2026-11-24T09:30Z") from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
