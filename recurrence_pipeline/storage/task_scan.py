"""Reading tasks for the checks, in one pass, and repairing what is still as it was seen.

What is wrong is decided in maintenance/rules.py. Indexes, counters and events are looked at in database_checks.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from bson import ObjectId
from pymongo import UpdateOne

from recurrence_pipeline.domain.ids import activity_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import CastId, DateFromDue
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.activities import known_activities
from recurrence_pipeline.storage.chunks import statements
from recurrence_pipeline.storage.documents import Document, task_from
from recurrence_pipeline.storage.mongo import Mongo, translated, translating
from recurrence_pipeline.storage.partitions import partitions
from recurrence_pipeline.storage.timeouts import long_read

SOMETHING = {"$nin": [None, ""]}
RECURRING = {
    "$or": [{"repeatType": {"$nin": ["none", None]}}, {"parentRecurringId": SOMETHING}, {"parentTaskId": SOMETHING}]
}
"""What recurs or hangs on another: no index serves that, and a pass over everything needs none."""

A_PAGE = 2500
"""Tasks that one command of the pass brings: few enough to be worked on before the server forgets the cursor."""

WITHOUT_CONTENT = dict.fromkeys(("description", "links", "additionalNotes"), 0)
"""What the pass leaves out: to name the long fields that it does not read takes some servers half as long as to name
all those that it does."""


class TaskScan:
    """Reads `tasks` as a whole, and repairs single ones."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk

    def recurring(self) -> Iterator[Task]:
        """Yield every task that recurs or hangs on another, in no order, as of some moment during the pass."""
        return map(task_from, matching(self._mongo, RECURRING, WITHOUT_CONTENT, objects=True))

    @translated()
    def made_once(self, occurrence_ids: Iterable[str]) -> set[str]:
        """Return which occurrences the activity log, or its archive, says were created."""
        activity_of = {activity_id(Action.CREATED, i): i for i in occurrence_ids}
        return {activity_of[i] for i in known_activities(self._mongo, activity_of, self._read_chunk)}

    @translated()
    def date_from_due(self, dates: Iterable[DateFromDue], now: datetime) -> int:
        """Set originalDueDate where there is still none and dueDate is still as seen, and return how many that were."""
        return self._update(
            UpdateOne(
                {"_id": ObjectId(date.task_id), "dueDate": date.due, "originalDueDate": None},
                {"$set": {"originalDueDate": date.due, "updatedAt": now}},
            )
            for date in dates
        )

    @translated()
    def cast_ids(self, casts: Iterable[CastId], now: datetime) -> int:
        """Make ObjectIds of what still stands where it was seen, and return how many that were."""
        return self._update(
            UpdateOne(
                {"_id": ObjectId(cast.task_id), cast.field: {"$eq": cast.value}},
                {"$set": {cast.field: ObjectId(cast.id), "updatedAt": now}},
            )
            for cast in casts
        )

    def _update(self, requests: Iterable[UpdateOne]) -> int:
        written = (self._tasks.bulk_write(chunk, ordered=False) for chunk in statements(requests, self._write_chunk))
        return sum(each.modified_count for each in written)


def matching(
    mongo: Mongo, wanted: Document, fields: Mapping[str, int] | None = None, *, objects: bool = False
) -> Iterator[Document]:
    """Yield the `fields` of every task that matches, or all of it: in no order, in one pass, piece by piece.

    Of tasks numbered by `objects` only where that is asked for.
    """
    with translating():
        for piece in partitions(mongo, objects=objects):
            # Some servers look for an index for all that one $match asks for, and find none for this.
            pipeline: list[Document] = [{"$match": piece}, {"$match": wanted}]
            pipeline += [{"$project": dict(fields)}] if fields else []
            with long_read(mongo.db):  # a server may look through it all before its first answer
                cursor = mongo.tasks.aggregate(pipeline, batchSize=A_PAGE)
                document = next(cursor, None)
            with cursor:
                while document is not None:
                    yield document
                    document = next(cursor, None)
