"""The loop that the worker is measured against: the same documents, known beforehand, written in bulk and nothing else.

It reads nothing, decides nothing, holds no lease and survives no crash. Any worker that writes these documents takes at
least this long; what it takes more is the price of deciding, and of being safe.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from pymongo import DeleteMany, UpdateMany, UpdateOne
from pymongo.collection import Collection

from benchmarks.content import CHUNK, Content
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.tasks import MEMBER, ORIGINAL

OUTCOME = ("status", "finishedAt", "result", "durationMs")
IDS = 100
"""In one `$in` of a deletion, as the worker's setting has it."""


@dataclass(slots=True)
class Writes:
    """All that a worker left behind, in the order of its writes."""

    occurrences: list[Document] = field(default_factory=list)
    activities: list[Document] = field(default_factory=list)
    cursors: list[UpdateOne] = field(default_factory=list)
    copies: list[Document] = field(default_factory=list)
    deletions: list[DeleteMany] = field(default_factory=list)
    outcomes: list[UpdateOne] = field(default_factory=list)


def writes_of(mongo: Mongo, before: Content) -> Writes:
    """Read what became of the content, as the writes that make it so."""
    known = {task["_id"]: task for task in before.tasks}
    after = {task["_id"]: task for task in mongo.tasks.find()}
    gone = sorted(known.keys() - after.keys())
    return Writes(
        occurrences=[task for key, task in after.items() if key not in known],
        activities=list(mongo.activities.find()),
        cursors=[
            UpdateOne({"_id": key}, {"$set": {"recurrenceCursor": after[key]["recurrenceCursor"]}})
            for key, task in known.items()
            if key in after and after[key].get("recurrenceCursor") != task.get("recurrenceCursor")
        ],
        copies=list(mongo.deleted.find()),
        deletions=[DeleteMany({"_id": {"$in": gone[start : start + IDS]}}) for start in range(0, len(gone), IDS)],
        outcomes=[
            UpdateOne({"_id": event["_id"]}, {"$set": {name: event[name] for name in OUTCOME if name in event}})
            for event in mongo.events.find()
        ],
    )


def write(mongo: Mongo, writes: Writes) -> None:
    """Write it all, `CHUNK` documents to a command."""
    _insert(mongo.tasks, writes.occurrences)
    _insert(mongo.activities, writes.activities)
    _insert(mongo.deleted, writes.copies)
    if writes.deletions:
        mongo.tasks.bulk_write(writes.deletions, ordered=False)
    _update(mongo.tasks, writes.cursors)
    _update(mongo.events, writes.outcomes)


def hold(mongo: Mongo, content: Content) -> None:
    """Mark the events as in work, as the worker does, but ask for nothing."""
    now = datetime.now(timezone.utc)
    ids = [event["_id"] for event in content.events]
    changes = {"status": "processing", "startedAt": now, "lease": {"owner": "loop", "until": now, "term": 1}}
    requests = [
        UpdateMany({"_id": {"$in": ids[start : start + IDS]}}, {"$set": changes}) for start in range(0, len(ids), IDS)
    ]
    for start in range(0, len(requests), CHUNK // IDS):
        mongo.events.bulk_write(requests[start : start + CHUNK // IDS], ordered=False)


def read(mongo: Mongo, content: Content) -> None:
    """Read what the worker has to know: the events, the tasks they name, and what hangs on those."""
    ids, named = [event["_id"] for event in content.events], [event["taskId"] for event in content.events]
    for start in range(0, len(ids), IDS):
        list(mongo.events.find({"_id": {"$in": ids[start : start + IDS]}}))
        list(mongo.tasks.find({"_id": {"$in": named[start : start + IDS]}}, ORIGINAL))
        list(mongo.tasks.find({"parentRecurringId": {"$in": named[start : start + IDS]}}, MEMBER))


def _insert(collection: Collection[Document], documents: Sequence[Document]) -> None:
    for start in range(0, len(documents), CHUNK):
        collection.insert_many(documents[start : start + CHUNK], ordered=False)


def _update(collection: Collection[Document], updates: Sequence[UpdateOne]) -> None:
    for start in range(0, len(updates), CHUNK):
        collection.bulk_write(updates[start : start + CHUNK], ordered=False)
