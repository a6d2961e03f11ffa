"""Finding pending events in a long queue, the longest due first. What is then done to them is events.py's business."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo.collection import Collection

from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.leasing import SEEN, chosen, waiting

WIDER = (2, 8, 32)
"""Times as long as a batch reached the last time: how far a look reaches, and the next ones where it finds too few."""


class DueEventWindow:
    """Remembers how far the last look reached, and looks only a little further.

    A server may sort in memory, and then pays for everything that matches rather than for what is taken: looking at
    all of a long queue for each batch would make the last event of 100,000 cost many times the first. How far to look
    is a guess and nothing more: a look that ends somewhere sees whatever is due up to there, whoever else works or
    adds events, and where it sees too few the whole queue is looked at.
    """

    def __init__(self, events: Collection[Document]) -> None:
        self._events = events
        self._reached: tuple[datetime, timedelta] | None = None
        """The time of the last event that was found, and how far apart events were before it; None: nothing is left."""

    def due(self, now: datetime, limit: int, shard: Shard = WHOLE_QUEUE) -> list[Document]:
        """Return up to `limit` pending events that are due: those the shard chooses of the longest due."""
        if limit <= 0:
            return []
        return chosen(self._longest_due(now, limit * shard.of), limit, shard)

    def _longest_due(self, now: datetime, limit: int) -> list[Document]:
        for end in self._ends(now, limit):
            found = self._look(end, limit)
            if len(found) == limit:
                break
        self._reached = _reached(found) if len(found) == limit else None
        return found

    def _ends(self, now: datetime, limit: int) -> Iterator[datetime]:
        """Yield how far to look, as long as too few are found; the last is now."""
        if self._reached is not None:
            time, apart = self._reached
            for times in WIDER:
                if now - time > (further := apart * limit * times):
                    yield time + further
        yield now

    def _look(self, until: datetime, limit: int) -> list[Document]:
        return list(self._events.find(waiting(until), SEEN, limit=limit, batch_size=limit).sort("availableAt", 1))


def _reached(found: list[Document]) -> tuple[datetime, timedelta] | None:
    """Measure the later half: one event that waits much longer than all others says nothing about them.

    What was due before the year 1, or on several dates, says nothing either.
    """
    half = [event["availableAt"] for event in found[len(found) // 2 :] if isinstance(event["availableAt"], datetime)]
    return (half[-1], max((half[-1] - half[0]) / len(half), MILLISECOND)) if half else None
