"""The originals of all series, or of a user's, page by page: so many that the tasks of a page fit in memory.

What is known of the series of a page is read by tasks.py.
"""

from collections.abc import Iterator
from typing import Any

from bson import ObjectId

from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document, of_user
from recurrence_pipeline.storage.mongo import Mongo, translating
from recurrence_pipeline.storage.partitions import partitions

TASKS_AT_A_TIME = 1000
"""How many tasks the series of a page have in all; one that has more by itself is a page of its own."""

ORIGINALS: Document = {"repeatType": {"$nin": ["none", None, ""]}, "parentRecurringId": {"$in": [None, ""]}}


class SeriesPages:
    """Reads which series there are."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk

    def pages(self, user_id: str | None = None) -> Iterator[list[str]]:
        """Yield the ids of originals in no order, as of some moment meanwhile."""
        with translating():
            for piece in partitions(self._mongo, objects=False) if user_id is None else [of_user(user_id)]:
                # Some servers look for an index for all that one $match asks for, and find none for this.
                pipeline: list[Document] = [{"$match": piece}, {"$match": ORIGINALS}, {"$project": {"_id": 1}}]
                with self._tasks.aggregate(pipeline) as cursor:
                    ids = (each["_id"] for each in cursor if isinstance(each["_id"], ObjectId))
                    for chunk in chunks(ids, self._read_chunk):
                        yield from self._split(chunk)

    def _split(self, ids: list[ObjectId]) -> Iterator[list[str]]:
        page: list[str] = []
        many, sizes = 0, self._sizes(ids)
        for each in ids:
            size = 1 + sizes.get(each, 0)
            if page and many + size > TASKS_AT_A_TIME:
                yield page
                page, many = [], 0
            page.append(str(each))
            many += size
        yield page

    def _sizes(self, ids: list[ObjectId]) -> dict[Any, int]:
        """Return how many tasks hang on each, in one command."""
        group: Document = {"$group": {"_id": "$parentRecurringId", "count": {"$sum": 1}}}
        rows = self._tasks.aggregate([{"$match": {"parentRecurringId": {"$in": ids}}}, group])
        return {row["_id"]: row["count"] for row in rows}
