"""The traces of the previous worker: what it made and no other can have made. Only reads.

Whose a document is, it says itself. Each occurrence of this worker names its slot and its event, and the id of each
of its lines in the activity log is derived from what the line states; the previous worker knows of neither. What the
traces say is decided in switch/rules.py.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.ids import activity_id, time_of
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.counters import NUMBERED, Counters
from recurrence_pipeline.storage.documents import EPOCH, MEMBER, Document, date_of, task_from, whole
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.partitions import partitions
from recurrence_pipeline.storage.series_pages import ORIGINALS
from recurrence_pipeline.storage.timeouts import long_read

NEWEST = 1000
"""So many tasks, and lines of the log, are looked at first: the last ones that were given a number."""

OURS = ("createdByEvent", "occurrenceNumber", "occurrenceAt")
"""Each occurrence of this worker has at least one of these fields."""

ITS_RULES = ("daily", "weekly", "monthly")
ITS_ACTIONS = (
    Action.CREATED, Action.UPDATED, Action.DELETED, Action.ORPHAN_CLEANED,
    Action.CREATE_FAILED, Action.COMPLETE_FAILED, Action.DELETE_FAILED,
)  # fmt: skip
READ = MEMBER | dict.fromkeys(("action", "taskId", "timestamp"), 1)
BEYOND: Document = {
    "$or": [
        {"repeatType": {"$nin": [*ITS_RULES]}},
        {"recurrence": {"$type": "object"}},
        {"timezone": {"$type": "string"}},
    ]
}
"""Of originals, those whose rule, options or time zone it does not know."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A task or a line of the log that the previous worker wrote."""

    id: str
    what: str
    task_id: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"id": self.id, "what": self.what, "taskId": self.task_id, "at": self.at}


@dataclass(frozen=True, slots=True)
class Traces:
    """What is seen of the previous worker at one moment, among the documents whose numbers are above `begins`.

    `originals` are the recurring tasks that people created; `answered` those that it gave an occurrence, `handed` those
    that an event names: of these this worker was told.
    """

    begins: Mapping[str, int]
    marks: Mapping[str, Mark]
    originals: Mapping[str, Task]
    answered: AbstractSet[str]
    handed: AbstractSet[str]


class PreviousWorker:
    """Reads what it left, in a few commands however much there is."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._read_chunk = read_chunk

    @translated()
    def has_series(self) -> bool:
        """Say whether there is a recurring task at all."""
        with long_read(self._mongo.db):  # where there is none, all tasks are looked through
            return self._mongo.tasks.find_one(ORIGINALS, {"_id": 1}) is not None

    @translated()
    def traces(self, first: Traces | None = None) -> Traces:
        """Return what it left among the newest tasks and lines of the log, or from where a first look began."""
        begins = {each: self._last(each) - NEWEST for each in NUMBERED} if first is None else first.begins
        tasks, log = (self._above(begins, each) for each in ("tasks", "useractivities"))
        lines = [line for line in log if line.get("action") in ITS_ACTIONS]
        made = [task for task in tasks if isinstance(task.get("parentRecurringId"), ObjectId)]
        theirs = [task for task in made if not any(name in task for name in OURS)]
        heads = (task for task in tasks if task.get("parentRecurringId") in (None, ""))
        read = (task_from(task) for task in heads if isinstance(task["_id"], ObjectId))
        originals = {task.id: task for task in read if task.repeat_type != "none"}
        deletions = (line.get("taskId") for line in lines if line["action"] == Action.DELETED)
        events = self._events([*map(ObjectId, originals), *(each for each in deletions if isinstance(each, ObjectId))])
        marks = [
            *(_mark(task, "an occurrence", task["_id"], "createdAt") for task in theirs),
            *(_mark(line, line["action"], line.get("taskId"), "timestamp") for line in lines if _is_its(line, events)),
        ]
        return Traces(
            begins,
            {mark.id: mark for mark in marks},
            originals,
            originals.keys() & {str(task["parentRecurringId"]) for task in theirs},
            originals.keys() & events.keys(),
        )

    @translated()
    def beyond(self) -> Counter[str]:
        """Count, by `repeatType`, the series that it would not continue, or not as they are meant."""
        found = Counter[str]()
        for piece in partitions(self._mongo):
            group: Document = {"$group": {"_id": "$repeatType", "count": {"$sum": 1}}}
            stages: list[Document] = [{"$match": piece}, {"$match": ORIGINALS}, {"$match": BEYOND}, group]
            with long_read(self._mongo.db):
                for row in self._mongo.tasks.aggregate(stages):
                    found[str(row["_id"])] += row["count"]
        return found

    def _last(self, counter: str) -> int:
        """Return the last number that was given, by the counter or, where that is behind, by the documents."""
        counted = whole((self._mongo.counters.find_one({"_id": counter}) or {}).get("sequence_value")) or 0
        return max(counted, Counters(self._mongo, counter, NUMBERED[counter], write_chunk=1).highest(counted))

    def _above(self, begins: Mapping[str, int], counter: str) -> list[Document]:
        above = {NUMBERED[counter]: {"$gt": begins[counter]}}
        return list(self._mongo.numbered(counter).find(above, READ))

    def _events(self, task_ids: Iterable[ObjectId]) -> Mapping[str, list[str]]:
        """Return the events that name these tasks."""
        found = defaultdict[str, list[str]](list)
        for ids in chunks(sorted(set(task_ids)), self._read_chunk):
            for event in self._mongo.events.find({"taskId": {"$in": ids}}, {"taskId": 1}):
                found[str(event["taskId"])].append(str(event["_id"]))
        return found


def _is_its(line: Document, events: Mapping[str, list[str]]) -> bool:
    """Say whether the id of a line is not the one that this worker derives from its task, or from an event of it."""
    action, task_id = Action(line["action"]), str(line.get("taskId"))
    return str(line["_id"]) not in {activity_id(action, subject) for subject in (task_id, *events.get(task_id, ()))}


def _mark(document: Document, what: str, task_id: object, at: str) -> Mark:
    own = document["_id"]
    made = time_of(str(own)) if isinstance(own, ObjectId) else EPOCH
    return Mark(str(own), what, str(task_id), date_of(document.get(at)) or made)
