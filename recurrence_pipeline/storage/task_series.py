"""`task_series`: what the worker knows of each series, apart from the application's documents. No index but `_id`.

A document is `{_id, cursor: {number, at, revision, passed}, revisions: [{rule, anchor, timezone, anchoredAt, first,
replaces, start, from}], skipped: {slot: {by, task}}, followed, timeZoneData, originalSlot, added, goneSince}`; `_id` is
the original's, `at`, `anchor` and `start` are wall-clock times in that zone (`2027-01-15T09:00`), `timeZoneData` is the
version that the anchor was read with. Of a series that was there before us, and that nobody has asked for, it says just
that: `{_id, inherited}`. What follows where nothing is known is domain/memory.py's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from recurrence_pipeline.domain.model import Revision, RuleVersion, SeriesMemory, Skipped
from recurrence_pipeline.domain.plan import CursorMove, MemoryChange, SlotSkip
from recurrence_pipeline.domain.recurrence import NONE, is_rule
from recurrence_pipeline.domain.zones import wall_text, wall_time
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import MAX_WHOLE, Document, whole
from recurrence_pipeline.storage.mongo import Mongo, refusals, translated


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
                memory = _memory(document)
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
        versions: list[RuleVersion | None] = [*sorted(set(rules.values()))] if same_rule else [None]
        updates: list[UpdateMany | UpdateOne] = [
            _raising(chunk, version)
            for version in versions
            for chunk in chunks((m for m in known if rules.get(m.series_id) == version), self._read_chunk)
        ]
        updates += [_adding(move) for move in known if move.memory.added]
        matched = sum(
            self._series.bulk_write(requests, ordered=False).matched_count
            for requests in chunks(updates, self._write_chunk)
        )
        if not rules or matched == len(known) + sum(bool(move.memory.added) for move in known):
            return set()
        now = self.read(rules)
        return {i for i, version in rules.items() if i in now and now[i].rule_version != version}

    @translated()
    def change(self, changes: Sequence[MemoryChange]) -> set[str]:
        """Write new revisions and cursors where the memory is still what was seen; return the series that have them."""
        requests = [UpdateOne(_unchanged(change), _changing(change)) for change in changes]
        matched = sum(
            self._series.bulk_write(chunk, ordered=False).matched_count for chunk in chunks(requests, self._write_chunk)
        )
        if matched == len(requests):
            return {change.series_id for change in changes}
        now = self.read(change.series_id for change in changes)
        return {c.series_id for c in changes if (known := now.get(c.series_id)) and _changed(known) == _changed(c.new)}

    @translated()
    def skip(self, skips: Sequence[SlotSkip]) -> set[str]:
        """Note slots that are not wanted, or take such notes back.

        Return the series that have another rule by now, or of which another event has skipped that slot since.
        """
        requests = [UpdateOne(_skippable(skip), _skipping(skip)) for skip in skips]
        matched = sum(
            self._series.bulk_write(chunk, ordered=True).matched_count for chunk in chunks(requests, self._write_chunk)
        )
        if matched == len(requests):
            return set()
        now = self.read(skip.series_id for skip in skips)
        return {skip.series_id for skip in skips if not _may_skip(now.get(skip.series_id), skip)}

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
                if _memory(document) is None
            ]
            if replacements:
                self._series.bulk_write(replacements, ordered=False)
            return list(there.values())
        return []

    def _document(self, move: CursorMove) -> Document:
        version = self.time_zone_data
        return series_document(move) | ({} if version is None else {"timeZoneData": version})


def series_document(move: CursorMove) -> Document:
    """Write what is known of a series as it is remembered for the first time."""
    memory = move.memory
    document = {"_id": ObjectId(move.series_id), **_changed(memory)}
    if memory.original_slot:
        document["originalSlot"] = memory.original_slot
    if memory.added:
        document["added"] = sorted(map(wall_text, memory.added))
    if memory.skipped:
        document["skipped"] = _skips_document(memory)
    return document


def _changed(memory: SeriesMemory) -> Document:
    followed = {} if memory.followed is None else {"followed": memory.followed}
    return {"cursor": _cursor(memory), "revisions": [_revision_document(r) for r in memory.revisions], **followed}


def _changing(change: MemoryChange) -> Document:
    update: Document = {"$set": _changed(change.new)}
    if gone := change.seen.added - change.new.added:
        update["$pullAll"] = {"added": sorted(map(wall_text, gone))}
    if new := change.new.added - change.seen.added:
        update["$addToSet"] = {"added": {"$each": sorted(map(wall_text, new))}}
    return update


def _unchanged(change: MemoryChange) -> Document:
    seen = change.seen
    skipped = _as_skipped(seen) if change.new.revisions != seen.revisions else {}
    passed = {"cursor.passed": sorted(seen.passed)} if seen.passed else {"cursor.passed.0": {"$exists": False}}
    rule = _of_rule(seen.rule_version)
    return {"_id": ObjectId(change.series_id), "cursor.number": seen.number, **passed, **rule, **skipped}


def _as_skipped(memory: SeriesMemory) -> Document:
    return {"skipped": _skips_document(memory) if memory.skipped else {"$in": [None, {}]}}


def _skips_document(memory: SeriesMemory) -> Document:
    return {slot: _skipped_document(skipped) for slot, skipped in memory.skipped.items()}


def _of_rule(version: RuleVersion) -> Document:
    count, first = version
    return {"revisions": {"$size": count}, f"revisions.{count - 1}.first": first or {"$not": {"$gt": 0}}}


def _skippable(skip: SlotSkip) -> Document:
    wanted = {"_id": ObjectId(skip.series_id), **_of_rule(skip.rule_version)}
    return wanted if skip.seen is None else wanted | {f"skipped.{skip.slot}.by": ObjectId(skip.seen)}


def _may_skip(memory: SeriesMemory | None, skip: SlotSkip) -> bool:
    """Say whether nothing stands in the way of a skip that found nothing to change: it was made before."""
    if memory is None or memory.rule_version != skip.rule_version:
        return False
    noted = memory.skipped.get(skip.slot)
    return skip.seen is None or noted is None or noted.event_id == skip.seen


def _skipping(skip: SlotSkip) -> Document:
    name = f"skipped.{skip.slot}"
    return {"$unset": {name: ""}} if skip.skipped is None else {"$set": {name: _skipped_document(skip.skipped)}}


def _skipped_document(skipped: Skipped) -> Document:
    return {"by": ObjectId(skipped.event_id)} | ({"task": ObjectId(skipped.task_id)} if skipped.task_id else {})


def _revision_document(revision: Revision) -> Document:
    document: Document = {
        "rule": revision.rule,
        "anchor": wall_text(revision.anchor),
        "timezone": revision.timezone,
        "anchoredAt": revision.anchored_at,
    }
    if revision.from_completion:
        document["from"] = "completion"
    if revision.first:
        document |= {"first": revision.first, "replaces": revision.replaces}
    return document if revision.start is None else document | {"start": wall_text(revision.start)}


def _added(value: object) -> frozenset[datetime]:
    times = map(wall_time, value) if isinstance(value, list) else ()
    return frozenset(time for time in times if time is not None)


def _cursor(memory: SeriesMemory) -> Document:
    at, revision = memory.at, len(memory.revisions) - 1
    passed = {"passed": sorted(memory.passed)} if memory.passed else {}
    return {"number": memory.number, "at": None if at is None else wall_text(at), "revision": revision, **passed}


def _raising(moves: Sequence[CursorMove], version: RuleVersion | None) -> UpdateMany:
    """Build the update that gives each series the higher of two cursors: the stored one, and the one at its place here.

    What stands in the stored one's place and is no number is lower than any.
    """
    ids = [ObjectId(move.series_id) for move in moves]
    place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    new = {"$arrayElemAt": [{"$literal": [_cursor(move.memory) for move in moves]}, place]}
    number = {"$arrayElemAt": [{"$literal": [move.memory.number for move in moves]}, place]}
    stored = {"$convert": {"input": "$cursor.number", "to": "double", "onError": -1, "onNull": -1}}
    is_lower = {"$or": [{"$lt": [stored, number]}, {"$gt": [stored, MAX_WHOLE]}]}
    # As a list, for an object would be merged into what is there.
    cursor = {"$cond": [is_lower, new, "$cursor"]}
    of_rule = {} if version is None else _of_rule(version)
    return UpdateMany({"_id": {"$in": ids}, **of_rule}, [{"$set": {"cursor": {"$mergeObjects": [cursor]}}}])


def _adding(move: CursorMove) -> UpdateOne:
    made = sorted(map(wall_text, move.memory.added))
    return UpdateOne({"_id": ObjectId(move.series_id)}, {"$addToSet": {"added": {"$each": made}}})


def _as_seen(document: Mapping[str, Any]) -> Document:
    fields = {name: {"$eq": document.get(name)} for name in ("cursor", "revisions")}
    return {"_id": document["_id"], **fields}


def _memory(document: Mapping[str, Any]) -> SeriesMemory | None:
    match document:
        case {"cursor": {"number": number, **cursor}, "revisions": [*_, _] as stored} if (
            (reached := whole(number)) is not None
            and reached >= 0
            and (revisions := _revisions(stored)) is not None
            and (passed := _passed(cursor.get("passed"))) is not None
            and isinstance(document.get("added", []), list)
            and isinstance(document.get("skipped", {}), Mapping)
            and (skipped := _skipped(document.get("skipped"))) is not None
        ):
            followed = document.get("followed")
            return SeriesMemory(
                reached,
                revisions,
                whole(document.get("originalSlot")) or 0,
                wall_time(cursor.get("at")),
                _added(document.get("added")),
                passed,
                skipped,
                followed if isinstance(followed, str) else None,
            )
    return None


def _revisions(stored: Sequence[Any]) -> tuple[Revision, ...] | None:
    """Return the revisions; None where one of them makes no sense, for none could be changed then (`_unchanged`)."""
    found = tuple(revision for each in stored if (revision := _revision(each)) is not None)
    return found if len(found) == len(stored) else None


def _passed(stored: object) -> frozenset[int] | None:
    """Return the slots that were passed over; None where that is no list of numbers in order, as we write it."""
    if stored is None:
        return frozenset()
    found = {n for each in (stored if isinstance(stored, list) else ()) if (n := whole(each))}
    return frozenset(found) if sorted(found) == stored else None


def _revision(value: object) -> Revision | None:
    if not isinstance(value, dict):
        return None
    rule, wall, zone, since = (
        value.get("rule"),
        wall_time(value.get("anchor")),
        value.get("timezone"),
        value.get("anchoredAt"),
    )
    if wall is None or not isinstance(rule, str) or not isinstance(zone, str) or not (rule == NONE or is_rule(rule)):
        return None
    return Revision(
        rule,
        wall,
        zone,
        since if isinstance(since, datetime) else None,
        whole(value.get("first")) or 0,
        whole(value.get("replaces")) or 0,
        wall_time(value.get("start")),
        value.get("from") == "completion",
    )


def _skipped(value: object) -> Mapping[str, Skipped] | None:
    """Return what is not wanted; None where some of it makes no sense: no rule could be changed then (`_unchanged`)."""
    found = {}
    for slot, each in value.items() if isinstance(value, Mapping) else ():
        match each:
            case {"by": ObjectId() as by, "task": ObjectId() as task}:
                found[str(slot)] = Skipped(str(by), str(task))
            case {"by": ObjectId() as by}:
                found[str(slot)] = Skipped(str(by))
        if str(slot) not in found or _skipped_document(found[str(slot)]) != each:
            return None
    return found
