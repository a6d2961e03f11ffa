"""The loop that has each document ready before the clock starts, and only writes.

It reads nothing, decides nothing, builds nothing and survives no crash. What a worker takes more is the price of
finding out what to write, and of being safe. It ends each event with an update, as one does; or, where it is to be the
loop that cannot be beaten, many with one, as the worker does.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone

from bson import ObjectId
from pymongo import DeleteMany, UpdateMany, UpdateOne

from benchmarks.bulk import IDS, cursor_updates, hold, insert, pieces, update
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
    cursors: dict[tuple[int, str], list[ObjectId]] = field(default_factory=dict)
    copies: list[Document] = field(default_factory=list)
    deletions: list[ObjectId] = field(default_factory=list)
    outcomes: list[Document] = field(default_factory=list)


def writes_of(mongo: Mongo, before: Content) -> Writes:
    """Read what became of the content, as the writes that make it so."""
    known = {task["_id"]: task for task in before.tasks}
    after = {task["_id"]: task for task in mongo.tasks.find()}
    cursors = defaultdict(list)
    for key in known.keys() & after.keys():
        cursor = after[key].get("recurrenceCursor")
        if cursor is not None and cursor != known[key].get("recurrenceCursor"):
            cursors[cursor["number"], cursor["repeatType"]].append(key)
    return Writes(
        events=[event["_id"] for event in before.events],
        occurrences=[task for key, task in after.items() if key not in known],
        activities=list(mongo.activities.find()),
        cursors=dict(cursors),
        copies=list(mongo.deleted.find()),
        deletions=sorted(known.keys() - after.keys()),
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
    update(mongo.tasks, cursor_updates(writes.cursors))


def one_by_one(outcomes: list[Document]) -> list[UpdateOne]:
    """Return updates that end an event each."""
    return [
        UpdateOne({"_id": event["_id"]}, {"$set": {name: event[name] for name in OUTCOME if name in event}})
        for event in outcomes
    ]


def together(outcomes: list[Document]) -> list[UpdateMany]:
    """Return updates that end many events each, which take their own values from lists."""
    return [_shared(outcomes[start : start + IDS]) for start in range(0, len(outcomes), IDS)]


def _shared(outcomes: list[Document]) -> UpdateMany:
    ids = [event["_id"] for event in outcomes]
    place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    values = {name: {"$literal": [event[name] for event in outcomes]} for name in OUTCOME if name in outcomes[0]}
    return UpdateMany(
        {"_id": {"$in": ids}}, [{"$set": {name: {"$arrayElemAt": [each, place]} for name, each in values.items()}}]
    )
