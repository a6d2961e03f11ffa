"""Reading for reconciliation: tasks in the order of the index on (updatedAt, _id), and the events that name them.

What is looked for, and how far a walk goes, is reconciliation/rules.py's business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone

from bson import ObjectId, Timestamp

from recurrence_pipeline.domain.scan import HIGHEST, KeysetPosition, TaskVersion
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.chunks import chunks, id_chunks
from recurrence_pipeline.storage.documents import MEMBER_FIELDS, Document, task_from
from recurrence_pipeline.storage.event_updates import REFUSED_VERSION
from recurrence_pipeline.storage.leasing import LAST_TIME
from recurrence_pipeline.storage.mongo import Mongo, translated, translating
from recurrence_pipeline.storage.partitions import partitions, samples
from recurrence_pipeline.storage.task_scan import matching

ORDER = [("updatedAt", 1), ("_id", 1)]
SEEN = dict.fromkeys((*MEMBER_FIELDS, "updatedAt"), 1)

LATEST = datetime.max.replace(tzinfo=timezone.utc)
ODD_TIMES: tuple[Document, ...] = (
    {"$gte": "", "$lt": "\U0010ffff"}, {"$gte": float("-inf"), "$lte": float("inf")}, {"$gte": Timestamp(0, 0)},
    {"$gt": LAST_TIME},
)  # fmt: skip
"""Texts, numbers, timestamps, and dates after 9999: each a range of the index with both its ends, for a server may read
all dates behind an open one. Objects are for `unswept`: some servers read all tasks to find them."""
UNSWEPT: Document = {
    "$or": [
        {"recurrence.missed": {"$in": ["latest", "next"]}, "parentRecurringId": None},
        {"updatedAt": {"$type": "object"}},
    ]
}
"""Originals of which missed slots do not stay; and `{$date: ...}`, of an export that was read as plain JSON."""

ANNOUNCING = dict.fromkeys(("taskId", "status", "operation", REFUSED_VERSION), 1)
UNFINISHED = frozenset({EventStatus.PENDING.value, EventStatus.PROCESSING.value})


@dataclass(slots=True)
class Piece:
    """What one read of a walk came by: where it has been, and the tasks there.

    What has an id of another type than ObjectId was not made by the application: it has a place only.
    """

    places: list[KeysetPosition] = field(default_factory=list)
    sightings: list[TaskVersion] = field(default_factory=list)


@dataclass(slots=True)
class Announced:
    """Of some tasks: the `event_ids` that name them, and the `waiting` tasks whose events are not processed yet.

    `refused` has what was rejected: the task, the operation, and when the task that was refused had changed last.
    """

    event_ids: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    refused: set[tuple[str, str, object]] = field(default_factory=set)


class TaskChanges:
    """Walks `tasks`, and looks up what `task_events` knows of them."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._events = mongo.events
        self._read_chunk = read_chunk

    @translated()
    def after(self, place: KeysetPosition, until: datetime | None, limit: int) -> Piece:
        """Read up to `limit` tasks behind a place, in order: those without `updatedAt`, or those up to `until`."""
        piece = Piece()
        for wanted in _behind(place, until or LATEST):
            left = limit - len(piece.places)
            if left > 0:
                found = self._tasks.find(wanted, SEEN).sort(ORDER).limit(left).batch_size(left)
                for document in found:
                    _note(document, piece)
        return piece

    @translated()
    def oldest(self, size: int) -> datetime | None:
        """Return when, of a sample of up to `size` of many tasks, the one changed that did so first.

        None where tasks are few, or none of these has a date.
        """
        found = (self._tasks.find(wanted, {"updatedAt": 1}) for wanted in samples(self._mongo, size))
        times = [time for tasks in found for task in tasks if isinstance(time := task.get("updatedAt"), datetime)]
        return min(times, default=None)

    @translated()
    def oddly_dated(self, limit: int) -> list[TaskVersion]:
        """Read the last tasks whose `updatedAt` is a text, a number or a timestamp, `limit` of each kind at most.

        They are in no walk over dates. Times written as text or as numbers are in order too: the last are the youngest.
        """
        piece = Piece()
        for kind in ODD_TIMES:
            for document in self._tasks.find({"updatedAt": kind}, SEEN).sort("updatedAt", -1).limit(limit):
                _note(document, piece)
        return piece.sightings

    def everything(self, size: int) -> Iterator[list[TaskVersion]]:
        """Yield all tasks, up to `size` at a time, in no order, as of some moment during the pass."""
        with translating():
            for wanted in partitions(self._mongo, size):
                cursor = self._tasks.find(wanted, SEEN, batch_size=size + 1)
                for documents in chunks(cursor, size):
                    piece = Piece()
                    for document in documents:
                        _note(document, piece)
                    yield piece.sightings

    def unswept(self, size: int) -> Iterator[list[TaskVersion]]:
        """Yield the tasks that no walk over dates comes by, or not by the time: up to `size` at a time, in no order."""
        for documents in chunks(matching(self._mongo, UNSWEPT, SEEN), size):
            piece = Piece()
            for document in documents:
                _note(document, piece)
            yield piece.sightings

    @translated()
    def announced(self, task_ids: Iterable[str]) -> Announced:
        """Return which events name the tasks."""
        found = Announced()
        for chunk in id_chunks(task_ids, self._read_chunk):
            for event in self._events.find({"taskId": {"$in": chunk}}, ANNOUNCING):
                found.event_ids.add(str(event["_id"]))
                task_id, status = str(event["taskId"]), event.get("status")
                if status in UNFINISHED:
                    found.waiting.add(task_id)
                elif status == EventStatus.REJECTED.value:
                    found.refused.add((task_id, str(event.get("operation")), event.get(REFUSED_VERSION)))
        return found

    @translated()
    def waiting(self, *, at_most: int) -> set[str] | None:
        """Return the tasks that unfinished events name, or None where those events are more than `at_most`."""
        wanted = {"status": {"$in": sorted(UNFINISHED)}}
        found = list(self._events.find(wanted, {"taskId": 1}, batch_size=at_most + 2).limit(at_most + 1))
        return {str(event["taskId"]) for event in found} if len(found) <= at_most else None

    @translated()
    def written(self, event_ids: Iterable[str]) -> set[str]:
        """Return which of the events are there, finished or not."""
        found = (
            self._events.find({"_id": {"$in": chunk}}, {"_id": 1}) for chunk in id_chunks(event_ids, self._read_chunk)
        )
        return {str(event["_id"]) for events in found for event in events}

    @translated()
    def read(self, task_ids: Iterable[str]) -> list[TaskVersion]:
        """Read tasks as they are now; those that are gone are missing."""
        piece = Piece()
        for chunk in id_chunks(task_ids, self._read_chunk):
            for document in self._tasks.find({"_id": {"$in": chunk}}, SEEN):
                _note(document, piece)
        return piece.sightings


def _behind(place: KeysetPosition, until: datetime) -> Iterator[Document]:
    """Yield the queries for what follows a place: first what is as old, then what is younger.

    Each is one range of the index. Put together with `$or`, or with a range on `_id` beside that on `updatedAt`, some
    servers would read the whole collection.
    """
    if place.id != HIGHEST:
        yield {"updatedAt": place.time, "_id": {"$gt": ObjectId(place.id), "$lte": ObjectId(HIGHEST)}}
    if place.time is not None:
        yield {"updatedAt": {"$gt": place.time, "$lte": until}}


def _note(document: Document, piece: Piece) -> None:
    value = document.get("updatedAt")
    updated = value if isinstance(value, datetime) else None
    if isinstance(document["_id"], ObjectId):
        sighting = TaskVersion(task_from(document), updated)
        piece.places.append(sighting.place)
        piece.sightings.append(sighting)
    else:
        piece.places.append(KeysetPosition(updated))  # before every ObjectId of the same time
