"""Finding pending events in a long queue, the longest due first. What is then done to them is events.py's business."""

from collections.abc import Iterator
from datetime import datetime

from bson import ObjectId
from pymongo.collection import Collection

from recurrence_pipeline.domain.lanes import WHOLE, Lane
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.leasing import chosen, waiting

AHEAD = 20
"""How many batches one look at the whole queue sees."""

MOST = 10_000
"""Events that such a look sees at most: they are in memory together."""


class Outlook:
    """Remembers, from one look at the whole queue, up to which times the next ones need to look.

    A server may sort in memory, and then pays for everything that matches rather than for what is taken: looking at
    all of a long queue for each batch would make the last event of 100,000 cost many times the first. The times are a
    hint and nothing more: a look that ends at one sees whatever is due up to there, whoever else works or adds events.
    """

    def __init__(self, events: Collection[Document]) -> None:
        self._events = events
        self._ends: tuple[datetime, ...] = ()

    def ids(self, now: datetime, limit: int, lane: Lane = WHOLE) -> list[ObjectId]:
        """Return the ids of up to `limit` pending events that are due: those the lane chooses of the longest due."""
        if limit <= 0:
            return []
        return chosen(self._longest_due(now, limit * lane.of), limit, lane)

    def _longest_due(self, now: datetime, limit: int) -> list[Document]:
        for end in self._next_ends():
            found = self._look(min(end, now), limit)
            if len(found) == limit:
                return found
        found = self._look(now, max(limit, min(limit * AHEAD, MOST)))
        self._ends = tuple(found[last]["availableAt"] for last in range(2 * limit - 1, len(found), limit))
        return found[:limit]

    def _next_ends(self) -> Iterator[datetime]:
        while ends := self._ends:  # another thread may take the same one: it then looks at the same events
            self._ends = ends[1:]
            yield ends[0]

    def _look(self, until: datetime, limit: int) -> list[Document]:
        fields = {"availableAt": 1, "taskId": 1}
        return list(self._events.find(waiting(until), fields, limit=limit, batch_size=limit).sort("availableAt", 1))
