"""Dead letters: looking through the events that were refused, and giving many of them another try.

One event by its id, for whoever may not see the others, is history.py's business.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.finished_events import RefusedEvent
from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus, Operation
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.event_queries import EventQueries


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The refused events that fit everything which is set.

    `since` is the first time of their end that counts, `until` the first that does not.
    """

    statuses: Sequence[EventStatus] = REFUSED
    operation: Operation | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def mismatch(self, event: RefusedEvent) -> str | None:
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


AT_MOST = 10_000
"""Events that one call replays unless it is told otherwise: their ids are kept in memory."""

KEPT_REASONS = 1000
"""Different reasons that are counted each by itself; texts that name ids could be as many as the events."""

OTHER_REASONS = "(other reasons)"

RefusedEvents = Generator[RefusedEvent, None, None]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Replay:
    """What a replay came to or, where nothing was `written`, would come to."""

    written: bool
    selected: int = 0
    replayed: int = 0
    more: bool = False
    reasons: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """How many of the selected there are for each (operation, status, code, reason)."""
    left: dict[str, str] = field(default_factory=dict)
    """The ids that were named but are left as they are, and why."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        keys = ("operation", "status", "code", "reason")
        return {
            "written": self.written,
            "selected": self.selected,
            "replayed": self.replayed,
            "more": self.more,
            "reasons": [dict(zip(keys, row, strict=True)) | {"count": n} for row, n in self.reasons.most_common()],
            "left": [{"eventId": event_id, "reason": reason} for event_id, reason in self.left.items()],
        }


class DeadLetters:
    """Replays refused events. Safe to ask twice, or twice at once: each event is put back by one of the two."""

    def __init__(self, events: EventQueries, *, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._clock = clock

    def replay(
        self, selection: EventFilter, event_ids: Sequence[str] = (), *, limit: int = AT_MOST, dry_run: bool
    ) -> Replay:
        """Make the selected events pending again, or with `dry_run` only say which those are.

        Given ids, only these events are looked at; one that is not there, or does not fit, is named in the answer and
        holds up none of the others. Without, those that have waited the longest come first.

        Raises:
            InvalidInput: an id or the limit cannot be right; nothing was done.
        """
        if limit < 1:
            raise InvalidInput(f"limit: {limit} is not a number from 1")
        for event_id in event_ids:
            object_id(event_id, "eventId")
        replay = Replay(written=not dry_run)
        named = list(dict.fromkeys(event_id.lower() for event_id in event_ids))
        fitting = self._named(selection, named, replay) if named else self._fitting(selection)
        with closing(fitting):  # at a limit, the cursor behind it is still open
            chosen = self._choose(fitting, limit, replay)
        if not dry_run:
            replay.replayed = self._events.replay(chosen, self._clock())
            log.info("events replayed", selected=replay.selected, replayed=replay.replayed)
        return replay

    def _choose(self, events: Iterable[RefusedEvent], limit: int, replay: Replay) -> list[str]:
        chosen: list[str] = []
        for event in events:
            if len(chosen) == limit:
                replay.more = True
                break
            chosen.append(event.id)
            row = (event.operation, event.status, event.code, event.reason)
            full = len(replay.reasons) >= KEPT_REASONS and row not in replay.reasons
            replay.reasons[(*row[:3], OTHER_REASONS) if full else row] += 1
        replay.selected = len(chosen)
        return chosen

    def _fitting(self, selection: EventFilter) -> RefusedEvents:
        with closing(self._events.refused_events(selection.statuses)) as found:
            yield from (event for event in found if selection.mismatch(event) is None)

    def _named(self, selection: EventFilter, named: Sequence[str], replay: Replay) -> RefusedEvents:
        found = {event.id: event for event in self._events.by_id(named)}
        for event_id in named:
            why_not = selection.mismatch(found[event_id]) if event_id in found else "there is no such event"
            if why_not:
                replay.left[event_id] = why_not
        yield from (found[event_id] for event_id in named if event_id not in replay.left)
