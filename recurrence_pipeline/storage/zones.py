"""The zones of a user's series: reading what moves along with the user, and moving series and originals.

A series is moved in place, in its last revision: it keeps its numbers, and so no slot is made twice or lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from recurrence_pipeline.domain.zone_moves import SeriesClock
from recurrence_pipeline.domain.zones import wall_text, wall_time
from recurrence_pipeline.storage.chunks import id_chunks, statements
from recurrence_pipeline.storage.documents import Document, of_user
from recurrence_pipeline.storage.mongo import Mongo, translated, translating
from recurrence_pipeline.storage.task_edits import TaskEdit, as_seen


@dataclass(frozen=True, slots=True)
class StoredClock:
    """What a series counts from, and its document as it was seen."""

    clock: SeriesClock
    seen: Mapping[str, Any]

    @property
    def followed(self) -> str | None:
        """The digest of what its original said when that was last followed; see domain/memory.py."""
        followed = self.seen.get("followed")
        return followed if isinstance(followed, str) else None


class Zones:
    """Reads and moves the series of one user."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._tasks = mongo.tasks
        self._series = mongo.series
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk

    def originals(self, user_id: str) -> Iterator[Document]:
        """Yield the originals of a user's series."""
        nothing = {"$in": [None, ""]}
        heads = {
            "repeatType": {"$nin": ["none", None]},
            "parentRecurringId": nothing,
            "parentTaskId": nothing,
        }
        with translating():
            yield from self._tasks.find({**of_user(user_id), **heads}, batch_size=self._read_chunk)

    @translated()
    def ahead(self, user_id: str, series_ids: Iterable[str], now: datetime) -> list[Document]:
        """Return the open future occurrences of the user in series, the next one first."""
        ahead = {**of_user(user_id), "isCompleted": {"$ne": True}, "dueDate": {"$gt": now}}
        return sorted(
            (
                document
                for chunk in id_chunks(series_ids, self._read_chunk)
                for document in self._tasks.find({"parentRecurringId": {"$in": chunk}, **ahead})
            ),
            key=lambda document: (document["dueDate"], document["_id"]),
        )

    @translated()
    def clocks(self, series_ids: Iterable[str]) -> dict[str, StoredClock]:
        """Return what series count from, of those that something is remembered of."""
        found: dict[str, StoredClock] = {}
        for chunk in id_chunks(series_ids, self._read_chunk):
            for document in self._series.find({"_id": {"$in": chunk}}):
                if (clock := _clock(document)) is not None:
                    found[str(document["_id"])] = StoredClock(clock, document)
        return found

    @translated()
    def move_clocks(self, moves: Sequence[tuple[StoredClock, SeriesClock]]) -> None:
        """Have series count from other clocks, where they are as they were seen: `clocks` tells which have moved.

        What their originals say, which move later, is not compared with what is followed until `follow` is called: else
        a series whose original is still in its old zone looked like one that somebody edited.
        """
        for chunk in statements((_move(stored, new) for stored, new in moves), self._write_chunk):
            self._series.bulk_write(chunk, ordered=False)

    @translated()
    def follow(self, digests: Mapping[str, str]) -> None:
        """Note, of series of which nothing is noted, the digest of what their originals say."""
        requests = [
            UpdateOne({"_id": ObjectId(series_id), "followed": None}, {"$set": {"followed": digest}})
            for series_id, digest in digests.items()
        ]
        for chunk in statements(requests, self._write_chunk):
            self._series.bulk_write(chunk, ordered=False)

    @translated()
    def move_originals(self, edits: Sequence[TaskEdit], now: datetime) -> None:
        """Set fields of originals that are as they were seen: `in_zone` tells which they are."""
        requests = [UpdateOne(as_seen(e.seen), {"$set": {**e.fields, "updatedAt": now}}) for e in edits]
        for chunk in statements(requests, self._write_chunk):
            self._tasks.bulk_write(chunk, ordered=False)

    @translated()
    def in_zone(self, timezone: str, task_ids: Iterable[str]) -> set[str]:
        """Return which of the tasks are in a zone."""
        found = (
            self._tasks.find({"_id": {"$in": chunk}, "timezone": timezone}, {"_id": 1})
            for chunk in id_chunks(task_ids, self._read_chunk)
        )
        return {str(document["_id"]) for documents in found for document in documents}


def _clock(document: Mapping[str, Any]) -> SeriesClock | None:
    match document:
        case {
            "cursor": {**cursor},
            "revisions": [*_, {"rule": str(rule), "anchor": str(anchor), "timezone": str(zone)} as revision],
        } if (wall := wall_time(anchor)) is not None:
            return SeriesClock(rule, wall, zone, wall_time(revision.get("start")), wall_time(cursor.get("at")))
    return None


def _move(stored: StoredClock, new: SeriesClock) -> UpdateOne:
    """Return the update that moves a series, where it is as it was seen.

    The cursor may go on meanwhile, unless its own time on the wall clock is another then.
    """
    seen = stored.seen
    *before, last = seen["revisions"]
    revision = {**last, "anchor": wall_text(new.anchor), "timezone": new.timezone}
    revision |= {} if new.start is None else {"start": wall_text(new.start)}
    changed: Document = {"revisions": [*before, revision]}
    if new.at is not None and new.at != stored.clock.at:
        changed["cursor"] = {**seen["cursor"], "at": wall_text(new.at)}
    as_seen = {name: {"$eq": seen[name]} for name in changed}
    return UpdateOne({"_id": seen["_id"], **as_seen}, {"$set": changed, "$unset": {"followed": ""}})
