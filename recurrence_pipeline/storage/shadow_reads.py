"""What tells of the previous worker beside the tasks themselves: the users' activity log, and series inside series.

Nothing is written here, nor by anything that `recurrence shadow` calls.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from recurrence_pipeline.domain.model import Action
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.partitions import partitions


class ShadowReads:
    """Reads the log, and what hangs on occurrences."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk

    @translated()
    def made_and_gone(self, since: datetime) -> Mapping[str, Sequence[datetime]]:
        """Return, of each user, when occurrences were made, by the log, that are not there any more.

        The log is gone over once, a piece at a time; what is kept is a time for each task that was deleted.
        """
        gone = defaultdict[str, list[datetime]](list)
        for piece in partitions(self._mongo, counter="useractivities"):
            pipeline: list[Document] = [
                {"$match": piece},
                {"$match": {"timestamp": {"$gte": since}, "action": Action.CREATED.value}},
                {"$lookup": {"from": "tasks", "localField": "taskId", "foreignField": "_id", "as": "task"}},
                {"$match": {"task": []}},
                {"$project": {"userId": 1, "timestamp": 1}},
            ]
            for activity in self._mongo.activities.aggregate(pipeline):
                gone[str(activity.get("userId"))].append(activity["timestamp"])
        return gone

    @translated()
    def nested(self, occurrence_ids: Collection[str]) -> Mapping[str, list[str]]:
        """Return what hangs on occurrences as if those were originals."""
        found = defaultdict[str, list[str]](list)
        for ids in id_chunks(occurrence_ids, self._read_chunk):
            for task in self._tasks.find({"parentRecurringId": {"$in": ids}}, {"parentRecurringId": 1}):
                found[str(task["parentRecurringId"])].append(str(task["_id"]))
        return found
