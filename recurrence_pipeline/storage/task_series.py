"""`task_series`: what the worker knows of each series, apart from the application's documents. No index but `_id`.

A document is `{_id, cursor: {number, at, revision, passed}, revisions: [{rule, anchor, timezone, anchoredAt, first,
replaces, start, from}], skipped: {slot: {by, task}}, skipChanges, followed, timeZoneData, originalSlot, added,
goneSince}`; `_id` is the original's, `at`, `anchor` and `start` are wall-clock times in that zone (`2027-01-15T09:00`),
`timeZoneData` is the version that the anchor was read with, `skipChanges` counts how often `skipped` changed. Of a
series that was there before us, and that nobody has asked for, it says just that: `{_id, inherited}`. What follows
where nothing is known is domain/memory.py's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from recurrence_pipeline.domain.plan import CursorMove, MemoryChange, SlotSkip
from recurrence_pipeline.domain.series_memory import RuleVersion, SeriesMemory
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.storage.chunks import chunks, statements
from recurrence_pipeline.storage.documents import MAX_WHOLE, Document
from recurrence_pipeline.storage.mongo import Mongo, refusals, translated
from recurrence_pipeline.storage.ordered_writes import Write
from recurrence_pipeline.storage.series_documents import (
    cursor_document,
    memory_fields,
    memory_from,
    series_document,
    skipped_document,
)


class TaskSeries:
    """Reads and writes `task_series`; `time_zone_data` is the version with which this process reads wall clocks."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int, time_zone_data: str | None = None) -> None:
        self.time_zone_data = time_zone_data
        self._series = mongo.series
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk

    @translated()
    def read(self, series_ids: Iterable[str]) -> dict[str, SeriesMemory]:
        """Return what is known of the series, by id; one whose document makes no sense is not known."""
        found: dict[str, SeriesMemory] = {}
        for chunk in chunks(map(ObjectId, series_ids), self._read_chunk):
            for document in self._series.find({"_id": {"$in": chunk}}, batch_size=len(chunk) + 1):
                memory = memory_from(document)
                if memory is not None:
                    found[document["_id"].binary.hex()] = memory
        return found

    @translated()
    def noted(self, series_ids: Iterable[str]) -> set[str]:
        """Return which series have a document, be it only that they were there before us."""
        found: set[str] = set()
        for chunk in chunks(map(ObjectId, series_ids), self._read_chunk):
            found |= {str(document["_id"]) for document in self._series.find({"_id": {"$in": chunk}}, {"_id": 1})}
        return found

    @translated()
    def move(self, moves: Sequence[CursorMove], *, same_rule: bool = False) -> set[str]:
        """Write the memories of series that are new to us, and raise the cursors of all others; none is lowered.

        Of several who do this at once, for one series, the highest stays. With `same_rule`, those stay as they are that
        have another rule by now than they were planned by, and are returned.
        """
        known = [move for move in moves if not move.is_new]
        for chunk in chunks((move for move in moves if move.is_new), self._write_chunk):
            known += self._insert(chunk)
        rules = {move.series_id: move.memory.rule_version for move in known} if same_rule else {}
        matched = sum(
            self._series.bulk_write(requests, ordered=False).matched_count
            for requests in chunks(self._updates(known, rules), self._write_chunk)
        )
        if not rules or matched == len(known) + sum(bool(move.memory.added) for move in known):
            return set()
        now = self.read(rules)
        return {i for i, version in rules.items() if i in now and now[i].rule_version != version}

    def writes(self, moves: Sequence[CursorMove]) -> tuple[list[Write], int]:
        """Return what `move` with `same_rule` writes where all is as it is taken to be, and how much that finds."""
        new, known = ([m for m in moves if m.is_new is is_new] for is_new in (True, False))
        namespace = self._series.full_name
        rules = {move.series_id: move.memory.rule_version for move in known}
        writes: list[Write] = [InsertOne(self._document(move), namespace=namespace) for move in new]
        writes += self._updates(known, rules, namespace)
        return writes, len(known) + sum(bool(move.memory.added) for move in known)

    def _updates(
        self, known: Sequence[CursorMove], rules: Mapping[str, RuleVersion], namespace: str | None = None
    ) -> list[UpdateMany | UpdateOne]:
        versions: list[RuleVersion | None] = [*sorted(set(rules.values()))] or [None]
        updates: list[UpdateMany | UpdateOne] = [
            _raising(chunk, version, namespace)
            for version in versions
            for chunk in chunks((m for m in known if rules.get(m.series_id) == version), self._read_chunk)
        ]
        return updates + [_adding(move, namespace) for move in known if move.memory.added]

    @translated()
    def change(self, changes: Sequence[MemoryChange]) -> set[str]:
        """Write new revisions and cursors where the memory is still what was seen; return the series that have them."""
        requests = [UpdateOne(_unchanged(change), _changing(change)) for change in changes]
        matched = sum(
            self._series.bulk_write(chunk, ordered=False).matched_count
            for chunk in statements(requests, self._write_chunk)
        )
        if matched == len(requests):
            return {change.series_id for change in changes}
        now = self.read(change.series_id for change in changes)
        return {
            c.series_id
            for c in changes
            if (known := now.get(c.series_id))
            and memory_fields(known) == memory_fields(c.new)
            and known.skipped == c.new.skipped
        }

    @translated()
    def skip(self, skips: Sequence[SlotSkip]) -> set[str]:
        """Note slots that are not wanted, or take such notes back.

        Return the series that have another rule by now, or of which another slot was skipped, or wanted again, since.
        """
        requests = [UpdateOne(_skippable(skip), _skipping(skip)) for skip in skips]
        matched = sum(
            self._series.bulk_write(chunk, ordered=True).matched_count
            for chunk in statements(requests, self._write_chunk)
        )
        if matched == len(requests):
            return set()
        now = self.read(skip.series_id for skip in skips)
        return {skip.series_id for skip in skips if not skip.is_noted(now.get(skip.series_id))}

    @translated()
    def forget_gone(self, now: datetime, keep: timedelta, *, dry_run: bool = False) -> int:
        """Delete what is known of series whose originals have been gone for so long, and return how many that were.

        A document says since when its original was missed, so that one that was away for a while loses nothing. With
        `dry_run` nothing is written.
        """
        forgotten = 0
        cursor = self._series.find({}, {"goneSince": 1}, batch_size=self._write_chunk)
        for page in chunks(cursor, self._write_chunk):
            since = {document["_id"]: document.get("goneSince") for document in page}
            there = self._there(since)
            gone, back = since.keys() - there, {i for i in there if since[i] is not None}
            known = {i: at for i in gone if isinstance(at := since[i], datetime) and at <= now}  # not of a clock ahead
            old = [i for i, at in known.items() if at <= now - keep]
            if dry_run:
                forgotten += len(old)
                continue
            self._mark(gone - known.keys(), {"$set": {"goneSince": now}})
            self._mark(back, {"$unset": {"goneSince": ""}})
            for ids in chunks(old, self._read_chunk):
                forgotten += self._series.delete_many({"_id": {"$in": ids}, "goneSince": {"$lte": now}}).deleted_count
        return forgotten

    def _there(self, ids: Iterable[ObjectId]) -> set[ObjectId]:
        found = (self._tasks.find({"_id": {"$in": chunk}}, {"_id": 1}) for chunk in chunks(ids, self._read_chunk))
        return {document["_id"] for documents in found for document in documents}

    def _mark(self, ids: Iterable[ObjectId], change: Document) -> None:
        for chunk in chunks(ids, self._read_chunk):
            self._series.update_many({"_id": {"$in": chunk}}, change)

    def _insert(self, moves: Sequence[CursorMove]) -> list[CursorMove]:
        """Insert memories, and return the moves of those that were there already.

        What is there and no memory is replaced, as long as it is what was seen: another may write it at this moment.
        """
        try:
            self._series.insert_many([self._document(move) for move in moves], ordered=False)
        except BulkWriteError as error:
            refused = refusals(error)
            if any("_id" not in (refusal.key_value or {}) for refusal in refused):
                raise
            there = {ObjectId(moves[refusal.index].series_id): moves[refusal.index] for refusal in refused}
            replacements = [
                ReplaceOne(_as_seen(document), self._document(there[document["_id"]]))
                for chunk in chunks(there, self._read_chunk)
                for document in self._series.find({"_id": {"$in": chunk}})
                if memory_from(document) is None
            ]
            if replacements:
                self._series.bulk_write(replacements, ordered=False)
            return list(there.values())
        return []

    def _document(self, move: CursorMove) -> Document:
        version = self.time_zone_data
        return series_document(move) | ({} if version is None else {"timeZoneData": version})


def _changing(change: MemoryChange) -> Document:
    update: Document = {"$set": memory_fields(change.new)}
    if gone := change.seen.added - change.new.added:
        update["$pullAll"] = {"added": sorted(map(wall_text, gone))}
    if new := change.new.added - change.seen.added:
        update["$addToSet"] = {"added": {"$each": sorted(map(wall_text, new))}}
    return update


def _unchanged(change: MemoryChange) -> Document:
    seen = change.seen
    passed = {"cursor.passed": sorted(seen.passed)} if seen.passed else {"cursor.passed.0": {"$exists": False}}
    rule = _of_rule(seen.rule_version)
    return {"_id": ObjectId(change.series_id), "cursor.number": seen.number, **passed, **rule}


def _of_rule(version: RuleVersion) -> Document:
    count, first, skip_changes = version
    return {
        "revisions": {"$size": count},
        f"revisions.{count - 1}.first": first or {"$not": {"$gt": 0}},
        "skipChanges": skip_changes or {"$in": [None, 0]},
    }


def _skippable(skip: SlotSkip) -> Document:
    return {"_id": ObjectId(skip.series_id), **_of_rule(skip.rule_version)}


def _skipping(skip: SlotSkip) -> Document:
    name = f"skipped.{skip.slot}"
    note = {"$unset": {name: ""}} if skip.skipped is None else {"$set": {name: skipped_document(skip.skipped)}}
    return note | {"$inc": {"skipChanges": 1}}


def _raising(moves: Sequence[CursorMove], version: RuleVersion | None, namespace: str | None) -> UpdateMany:
    """Build the update that gives each series the higher of two cursors: the stored one, and the one at its place here.

    What stands in the stored one's place and is no number is lower than any.
    """
    ids = [ObjectId(move.series_id) for move in moves]
    place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    new = {"$arrayElemAt": [{"$literal": [cursor_document(move.memory) for move in moves]}, place]}
    number = {"$arrayElemAt": [{"$literal": [move.memory.number for move in moves]}, place]}
    stored = {"$convert": {"input": "$cursor.number", "to": "double", "onError": -1, "onNull": -1}}
    is_lower = {"$or": [{"$lt": [stored, number]}, {"$gt": [stored, MAX_WHOLE]}]}
    # As a list, for an object would be merged into what is there.
    cursor = {"$cond": [is_lower, new, "$cursor"]}
    of_rule = {} if version is None else _of_rule(version)
    update = [{"$set": {"cursor": {"$mergeObjects": [cursor]}}}]
    return UpdateMany({"_id": {"$in": ids}, **of_rule}, update, namespace=namespace)


def _adding(move: CursorMove, namespace: str | None) -> UpdateOne:
    made = {"added": {"$each": sorted(map(wall_text, move.memory.added))}}
    return UpdateOne({"_id": ObjectId(move.series_id)}, {"$addToSet": made}, namespace=namespace)


def _as_seen(document: Mapping[str, Any]) -> Document:
    fields = {name: {"$eq": document.get(name)} for name in ("cursor", "revisions")}
    return {"_id": document["_id"], **fields}
