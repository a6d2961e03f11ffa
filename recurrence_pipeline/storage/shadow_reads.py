"""What tells of the previous worker beside the tasks themselves: the users' activity log, and series inside series.

Nothing is written here, nor by anything that `recurrence shadow` calls.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.partitions import partitions
from recurrence_pipeline.storage.timeouts import long_read


class Undone(NamedTuple):
    """Of users, when what is not so any more was told of, in seconds since 1970, from the first to the last.

    `made` are occurrences that are gone, `done` completions of tasks that are open again, or gone.
    """

    made: Mapping[str, Sequence[float]]
    done: Mapping[str, Sequence[float]]


class ShadowReads:
    """Reads the log, and what hangs on occurrences."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk

    @translated()
    def undone(self, since: datetime) -> Undone:
        """Return what the log tells of and the tasks do not show any more.

        The log is gone over once, a piece at a time; what is kept are 8 bytes for each such line.
        """
        made: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        done: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        open_again = {"action": Action.UPDATED.value, "task.isCompleted": {"$ne": True}}
        told = {"$in": [Action.CREATED.value, Action.UPDATED.value]}
        for piece in partitions(self._mongo, counter="useractivities"):
            pipeline: list[Document] = [
                {"$match": piece},
                {"$match": {"timestamp": {"$gte": since}, "action": told}},
                {"$lookup": {"from": "tasks", "localField": "taskId", "foreignField": "_id", "as": "task"}},
                {"$match": {"$or": [{"task": []}, open_again]}},
                {"$project": {"userId": 1, "timestamp": 1, "action": 1}},
            ]
            with long_read(self._mongo.db):  # each line is looked up in the tasks
                for line in self._mongo.activities.aggregate(pipeline):
                    if isinstance(at := line["timestamp"], datetime):  # one that is past the year 9999 is none
                        moments = made if line["action"] == Action.CREATED else done
                        moments[str(line.get("userId"))].append(at.timestamp())
        return Undone(*({user: array("d", sorted(times)) for user, times in each.items()} for each in (made, done)))

    @translated()
    def nested(self, occurrence_ids: Collection[str]) -> Mapping[str, list[str]]:
        """Return what hangs on occurrences as if those were originals."""
        found = defaultdict[str, list[str]](list)
        for ids in id_chunks(occurrence_ids, self._read_chunk):
            for task in self._tasks.find({"parentRecurringId": {"$in": ids}}, {"parentRecurringId": 1}):
                found[str(task["parentRecurringId"])].append(str(task["_id"]))
        return found
