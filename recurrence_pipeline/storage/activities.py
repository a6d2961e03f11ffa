"""The users' activity log. It tells what was done and never fails the work."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

import structlog
from pymongo import DeleteMany, InsertOne

from recurrence_pipeline.domain.plan import NewActivity
from recurrence_pipeline.storage.chunks import chunks, id_chunks
from recurrence_pipeline.storage.counters import Counters
from recurrence_pipeline.storage.documents import Document, activity_document
from recurrence_pipeline.storage.mongo import Mongo, insert_new, translated
from recurrence_pipeline.storage.ordered_writes import Write
from recurrence_pipeline.storage.partitions import partitions

log = structlog.get_logger(__name__)


class Activities:
    """Writes to `useractivities`, and moves what is old to `useractivities_archive`."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._mongo = mongo
        self._activities = mongo.activities
        self._archive = mongo.archive
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk
        self._numbering = Counters(mongo, "useractivities", "activityId", write_chunk=write_chunk)

    @translated()
    def write(self, activities: Iterable[NewActivity], now: datetime) -> int:
        """Write what is not there yet and return how many that were; what the database refuses is logged."""
        by_id = {activity.id: activity for activity in activities}
        inserted = self._numbering.insert(
            {key: partial(activity_document, activity, now) for key, activity in by_id.items()}
        )
        for key, reason in inserted.refused.items():
            log.warning("activity refused", action=by_id[key].action.value, taskId=by_id[key].task_id, error=reason)
        return len(inserted.written)

    @translated()
    def inserts(self, activities: Iterable[NewActivity], now: datetime) -> list[Write]:
        """Return what writes activities that are taken to be new, with the numbers that are theirs from now on."""
        new = list({activity.id: activity for activity in activities}.values())
        numbers = self._numbering.take(len(new)) if new else range(0)
        namespace = self._activities.full_name
        documents = (activity_document(each, now, number) for each, number in zip(new, numbers, strict=True))
        return [InsertOne(document, namespace=namespace) for document in documents]

    @translated()
    def count(self) -> int:
        """Return how many there are, roughly where a cluster is moving documents."""
        return self._activities.estimated_document_count()

    @translated()
    def count_archived(self) -> int:
        """Return how many are in the archive, as roughly."""
        return self._archive.estimated_document_count()

    @translated()
    def older_than(self, before: datetime) -> int:
        """Return how many `archive` would move."""
        old = {"timestamp": {"$lt": before}}
        bounds = partitions(self._mongo, counter="useractivities", objects=False)
        return sum(self._activities.count_documents(piece | old) for piece in bounds)

    @translated()
    def archive(self, before: datetime, progress: Callable[[int], None]) -> int:
        """Move what is older than `before` to the archive and return how many that were; `progress` is told as it goes.

        Each batch is copied before it is deleted, under the same `_id`: whatever cuts it off, the next call completes
        it, and of two at once each activity is moved, and counted, by one.
        """
        moved = 0
        for piece in partitions(self._mongo, counter="useractivities", objects=False):
            cursor = self._activities.find(piece | {"timestamp": {"$lt": before}}, batch_size=self._write_chunk)
            for old in chunks(cursor, self._write_chunk):
                moved += self._move(old)
                progress(moved)
        return moved

    def _move(self, old: Sequence[Document]) -> int:
        insert_new(self._archive, old)
        ids = [activity["_id"] for activity in old]
        requests = [DeleteMany({"_id": {"$in": chunk}}) for chunk in chunks(ids, self._read_chunk)]
        return self._activities.bulk_write(requests, ordered=False).deleted_count


def known_activities(mongo: Mongo, activity_ids: Iterable[str], read_chunk: int) -> set[str]:
    """Return which of these the activity log, or its archive, has."""
    return {
        str(activity["_id"])
        for ids in id_chunks(activity_ids, read_chunk)
        for collection in (mongo.activities, mongo.archive)
        for activity in collection.find({"_id": {"$in": ids}}, {"_id": 1})
    }
