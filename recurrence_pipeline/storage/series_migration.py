"""Between `recurrenceCursor` on originals, where earlier versions kept how far a series is, and `task_series`.

`migrate` brings all of them over, once for a database; `revert` writes them back, for a version that knows no other
place. Both may be cut off anywhere and run again. No worker should be at work meanwhile.
"""

from collections.abc import Iterator
from datetime import datetime

from bson import ObjectId
from pymongo import UpdateOne

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import CursorMove
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import MEMBER_FIELDS, Document, task_from
from recurrence_pipeline.storage.mongo import Mongo, insert_new, translated, translating
from recurrence_pipeline.storage.partitions import partitions
from recurrence_pipeline.storage.task_series import TaskSeries

MIGRATED = {"_id": "task_series"}
"""The document of `worker_state` that says so. Afterwards a cursor on an original that is not known is doubtful: it may
have come along with a copy."""


@translated()
def is_migrated(mongo: Mongo) -> bool:
    """Say whether the series of earlier versions were brought over."""
    return mongo.state.find_one(MIGRATED) is not None


@translated()
def migrate(mongo: Mongo, settings: Settings) -> int:
    """Remember the series that earlier versions wrote, and return how many those are; nothing on the tasks changes.

    One that cannot be continued (no date, an unknown zone, another rule than its cursor's) is left out: what stands on
    it is read again when it is worked on.
    """
    series = TaskSeries(mongo, read_chunk=settings.read_chunk, write_chunk=settings.write_chunk)
    moved = 0
    for moves in chunks(_moves(mongo, settings.recurrence_timezone), settings.write_chunk):
        series.move(moves)
        moved += len(moves)
    mongo.state.update_one(MIGRATED, {"$currentDate": {"migratedAt": True}}, upsert=True)
    return moved


@translated()
def inherit(mongo: Mongo, watermark: datetime | None, *, chunk: int) -> None:
    """Note which recurring originals were there before the watermark, once for each watermark.

    Their documents in `task_series` say nothing but that, so that a task that is made recurring later can be told from
    a series that was there before us.
    """
    marker = mongo.state.find_one(MIGRATED) or {}
    if watermark is None or marker.get("inheritedBefore") == watermark:
        return
    for ids in chunks(_originals_before(mongo, watermark), chunk):
        insert_new(mongo.series, [{"_id": i, "inherited": True} for i in ids])
    mongo.state.update_one(MIGRATED, {"$set": {"inheritedBefore": watermark}}, upsert=True)


def _originals_before(mongo: Mongo, watermark: datetime) -> Iterator[ObjectId]:
    for piece in partitions(mongo):
        wanted: Document = piece | {"repeatType": {"$nin": ["none", None]}}
        for document in mongo.tasks.find(wanted, dict.fromkeys(MEMBER_FIELDS, 1)):
            task = task_from(document)
            if task.misread is None and task.parent_recurring_id is None and creation_time(task) < watermark:
                yield document["_id"]


def revert(mongo: Mongo, settings: Settings, *, dry_run: bool) -> int:
    """Write what is known of series onto their originals, forget it here, and return how many those are."""
    series = TaskSeries(mongo, read_chunk=settings.read_chunk, write_chunk=settings.write_chunk)
    with translating():
        ids = [str(document["_id"]) for document in mongo.series.find({"cursor": {"$exists": True}}, {"_id": 1})]
        if dry_run:
            return len(ids)
        for page in chunks(ids, settings.write_chunk):
            updates = [_written_back(series_id, memory) for series_id, memory in series.read(page).items()]
            if updates:
                mongo.tasks.bulk_write(updates, ordered=False)
        mongo.state.delete_one(MIGRATED)  # before: without the collection, it would have to be done again
        mongo.series.drop()
    return len(ids)


def _moves(mongo: Mongo, timezone: str) -> Iterator[CursorMove]:
    for piece in partitions(mongo):
        wanted: Document = piece | {"recurrenceCursor": {"$type": "object"}}
        for document in mongo.tasks.find(wanted, dict.fromkeys(MEMBER_FIELDS, 1)):
            original = task_from(document)
            if original.cursor is not None and original.parent_recurring_id is None:
                yield from _move(original, timezone)


def _move(original: Task, timezone: str) -> list[CursorMove]:
    try:
        progress = SeriesState(Series(original.id, original, recalled=original.cursor), original, timezone)
        return progress.moves(progress.cursor)
    except Permanent:
        return []


def _written_back(series_id: str, memory: SeriesMemory) -> UpdateOne:
    number = {"$convert": {"input": "$recurrenceCursor.number", "to": "int", "onError": 0, "onNull": 0}}
    fields: Document = {
        "recurrenceCursor": {
            "number": {"$max": [number, memory.number]},
            "repeatType": {"$literal": memory.current.rule},
        }
    }
    if memory.original_slot:
        fields["originalSlot"] = memory.original_slot
    return UpdateOne({"_id": ObjectId(series_id), "repeatType": memory.current.rule}, [{"$set": fields}])
