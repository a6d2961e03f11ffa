"""Bulk writes as every loop makes them, `CHUNK` documents to a command. What is written is not decided here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from bson import ObjectId
from pymongo import UpdateMany, UpdateOne
from pymongo.collection import Collection

from benchmarks.content import CHUNK
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo

IDS = 100
"""In one `$in`, as the worker's setting has it."""


def pieces(ids: Sequence[ObjectId]) -> Iterator[Sequence[ObjectId]]:
    """Cut into pieces of one `$in`."""
    for start in range(0, len(ids), IDS):
        yield ids[start : start + IDS]


def insert(collection: Collection[Document], documents: Sequence[Document]) -> None:
    """Insert documents."""
    for start in range(0, len(documents), CHUNK):
        collection.insert_many(documents[start : start + CHUNK], ordered=False)


def update(collection: Collection[Document], updates: Iterable[UpdateOne | UpdateMany]) -> None:
    """Send updates."""
    requests = list(updates)
    for start in range(0, len(requests), CHUNK):
        collection.bulk_write(requests[start : start + CHUNK], ordered=False)


def hold(mongo: Mongo, ids: Sequence[ObjectId], now: datetime) -> None:
    """Mark events as in work, whatever they are: with that, whoever looks at the queue sees what is being done."""
    changes = {"status": "processing", "startedAt": now, "lease": {"owner": "loop", "until": now, "term": 1}}
    update(mongo.events, (UpdateMany({"_id": {"$in": piece}}, {"$set": changes}) for piece in pieces(ids)))


def updates_together(changes: Mapping[ObjectId, Document]) -> Iterator[UpdateMany]:
    """Yield updates of many documents each, which take their own values from lists; all change the same fields."""
    for ids in pieces(list(changes)):
        place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
        values = {name: {"$literal": [changes[each][name] for each in ids]} for name in changes[ids[0]]}
        taken = {name: {"$arrayElemAt": [each, place]} for name, each in values.items()}
        yield UpdateMany({"_id": {"$in": ids}}, [{"$set": taken}])
