"""Events that no look by time finds: pending ones without a date, held ones whose lease never ends. All are due now.

They are looked for where nothing else is due. An honest queue has none, so that a look costs a query that finds
nothing; where many events are put off on purpose it goes through those, and then rests in proportion to what it took.
"""

import time
from datetime import datetime

from pymongo.collection import Collection

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.leasing import SEEN, endless, undated

LONG = 0.05
"""In seconds: a look that took longer is followed by a rest."""

REST = 50
"""Times as long as the look took."""


class Strays:
    """Looks for them, now and then."""

    def __init__(self, events: Collection[Document]) -> None:
        self._events = events
        self._resting_until = time.monotonic()

    def held(self, latest: datetime, limit: int) -> list[Document]:
        """Return up to `limit` held events whose lease has no end, or one later than the latest that is honest."""
        return list(self._events.find(endless(latest), SEEN, limit=limit, batch_size=limit))

    def pending(self, now: datetime, limit: int) -> list[Document]:
        """Return up to `limit` pending events without a date, or put off by a clock that was ahead; none at rest."""
        begin = time.monotonic()
        if begin < self._resting_until:
            return []
        found = list(self._events.find(undated(now), SEEN, limit=limit, batch_size=limit))
        took = time.monotonic() - begin
        if took > LONG and not found:
            self._resting_until = begin + took * REST
        return found
