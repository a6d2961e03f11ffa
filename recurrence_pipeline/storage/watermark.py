"""The watermark of reconciliation: what the application created before it was there before us. One small document.

It is stored once, when a database is prepared, and never moved by preparing it again.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated

RECONCILIATION = {"_id": "reconciliation"}


@dataclass(frozen=True, slots=True)
class Mark:
    """`watermark` is None where everything is reconciled: nothing was there before, or it was backfilled."""

    watermark: datetime | None
    backfilled_at: datetime | None = None


class Watermark:
    """Reads and writes the document `reconciliation` of `worker_state`."""

    def __init__(self, mongo: Mongo) -> None:
        self._name = mongo.db.name
        self._state = mongo.state
        self._tasks = mongo.tasks

    @translated()
    def read(self) -> Mark:
        """Return the mark.

        Raises:
            DatabaseUnavailable: the database was never prepared, so that nobody knows what was there before.
        """
        stored = self._state.find_one(RECONCILIATION)
        if stored is None:
            raise DatabaseUnavailable(
                f"{self._name!r} has no watermark of reconciliation: run `recurrence init-db` first"
            )
        return Mark(_date(stored, "watermark"), _date(stored, "adoptedAt"))

    @translated()
    def store(self, now: datetime) -> datetime | None:
        """Store the watermark where there is no mark yet: now, or none where no task is there. Return one just stored.

        Of several who do this at once, one stores it.
        """
        if self._state.find_one(RECONCILIATION) is not None:
            return None
        watermark = None if self._tasks.find_one({}, {"_id": 1}) is None else now
        try:
            self._state.insert_one(RECONCILIATION | {"watermark": watermark, "storedAt": now})
        except DuplicateKeyError:
            return None
        return watermark

    @translated()
    def keep_out(self, now: datetime) -> None:
        """Let what is about to be imported count as created before: store a watermark where none is, nor was lifted."""
        everything = RECONCILIATION | {"watermark": None, "adoptedAt": None}
        self._state.update_one(everything, {"$set": {"watermark": now}})

    @translated()
    def lift(self, now: datetime) -> None:
        """Have everything reconciled from now on; once lifted, it stays so."""
        self._state.update_one(
            RECONCILIATION | {"adoptedAt": None}, {"$set": {"watermark": None, "adoptedAt": now}}, upsert=False
        )


def _date(stored: Document, name: str) -> datetime | None:
    value = stored.get(name)
    return value if isinstance(value, datetime) else None
