"""The loop that has each document ready before the clock starts, and only writes.

It reads nothing, decides nothing, builds nothing and survives no crash. What a worker takes more is the price of
finding out what to write, and of being safe. It ends each event with an update, as one does; or, where it is to be the
loop that cannot be beaten, many with one, as the worker does.
"""

from dataclasses import dataclass, field
from datetime import datetime, timezone

from bson import ObjectId
from pymongo import DeleteMany, UpdateMany, UpdateOne

from benchmarks.bulk import hold, insert, pieces, update, updates_together
from benchmarks.content import Content
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo

OUTCOME = ("status", "finishedAt", "result", "durationMs", "deleting")


@dataclass(slots=True)
class Writes:
    """All that a worker left behind, in the order of its writes."""

    events: list[ObjectId] = field(default_factory=list)
    occurrences: list[Document] = field(default_factory=list)
    activities: list[Document] = field(default_factory=list)
    copies: list[Document] = field(default_factory=list)
    deletions: list[ObjectId] = field(default_factory=list)
    series: list[Document] = field(default_factory=list)
    cursors: list[UpdateMany] = field(default_factory=list)
    outcomes: list[Document] = field(default_factory=list)


def writes_of(mongo: Mongo, before: Content) -> Writes:
    """Read what became of the content, as the writes that make it so."""
    known = {task["_id"]: task for task in before.tasks}
    after = {task["_id"]: task for task in mongo.tasks.find()}
    cursors = {series["_id"]: series["cursor"] for series in before.series}
    series = list(mongo.series.find())
    moved = {s["_id"]: {"cursor": s["cursor"]} for s in series if cursors.get(s["_id"], s["cursor"]) != s["cursor"]}
    return Writes(
        events=[event["_id"] for event in before.events],
        occurrences=[task for key, task in after.items() if key not in known],
        activities=list(mongo.activities.find()),
        copies=list(mongo.deleted.find()),
        deletions=sorted(known.keys() - after.keys()),
        series=[each for each in series if each["_id"] not in cursors],
        cursors=list(updates_together(moved)),
        outcomes=list(mongo.events.find({}, dict.fromkeys(OUTCOME, 1))),
    )


def hold_all(mongo: Mongo, writes: Writes) -> None:
    """Mark the events as in work."""
    hold(mongo, writes.events, datetime.now(timezone.utc))


def write(mongo: Mongo, writes: Writes) -> None:
    """Write all but what became of the events."""
    insert(mongo.tasks, writes.occurrences)
    insert(mongo.activities, writes.activities)
    insert(mongo.deleted, writes.copies)
    if writes.deletions:
        mongo.tasks.bulk_write([DeleteMany({"_id": {"$in": piece}}) for piece in pieces(writes.deletions)])
    insert(mongo.series, writes.series)
    update(mongo.series, writes.cursors)


def one_by_one(outcomes: list[Document]) -> list[UpdateOne]:
    """Return updates that end an event each."""
    return [UpdateOne({"_id": key}, {"$set": change}) for key, change in _changes(outcomes).items()]


def together(outcomes: list[Document]) -> list[UpdateMany]:
    """Return updates that end many events each."""
    return list(updates_together(_changes(outcomes)))


def _changes(outcomes: list[Document]) -> dict[ObjectId, Document]:
    return {event["_id"]: {name: event[name] for name in OUTCOME if name in event} for event in outcomes}
