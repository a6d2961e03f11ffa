"""Taking hold of due events: where to look, what may be held together, and what is done with a document that is odd.

What is written, as values, is in leasing.py; what a holder may do then, in events.py.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from pymongo import UpdateMany
from pymongo.errors import BulkWriteError, WriteError

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.shards import Shard
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.due_events import DueEventWindow
from recurrence_pipeline.storage.event_documents import EVENT_FIELDS, error_document, event_from
from recurrence_pipeline.storage.event_updates import KEPT_ERRORS
from recurrence_pipeline.storage.leasing import (
    LET_GO,
    PROCESSING,
    SEEN,
    Claim,
    abandoned,
    chosen,
    endless,
    latest_end,
    together,
    undated,
    waiting,
)
from recurrence_pipeline.storage.mongo import BARE_DATES, Mongo, refusals
from recurrence_pipeline.storage.strays import Strays

READ: Mapping[str, Any] = dict.fromkeys(EVENT_FIELDS, 1) | {"errors": {"$slice": -KEPT_ERRORS}}
"""What is read of an event that was won."""

ROUNDS = 10
"""How often one claim looks again where it won nothing of what it found."""

log = structlog.get_logger(__name__)


class Claiming:
    """Holds events. One that cannot be read, or not be changed, costs itself, and is named."""

    def __init__(self, mongo: Mongo, strays: Strays, *, read_chunk: int) -> None:
        self._events = mongo.events
        self._bare = mongo.events.with_options(BARE_DATES)
        self._window = DueEventWindow(mongo.events)
        self._strays = strays
        self._read_chunk = read_chunk

    def take(self, limit: int, claim: Claim, shard: Shard, beside: int) -> list[TaskEvent]:
        """Hold what is found in the first place where something is found; return what was won.

        Where others were faster, or nothing could be read, there may be more behind it.
        """
        for _ in range(ROUNDS if limit > 0 else 0):
            won = self._take(limit, claim, shard, beside)
            if won or won is None:
                return won or []
        return []

    def set_aside(self, event_id: Any, reason: str, now: datetime) -> None:
        """Reject an event with as little as can be written."""
        log.error("event set aside", event_id=str(event_id), reason=reason)
        record = error_document(ErrorRecord("permanent", "UNREADABLE_EVENT", reason, now, 1))
        changes = {"status": EventStatus.REJECTED.value, "finishedAt": now, "errors": [record]}
        with suppress(WriteError):  # then it stays as it is, and is met again
            self._events.update_one(
                {"_id": event_id}, {"$set": changes, "$unset": dict.fromkeys((*LET_GO, "deleting", "result"), "")}
            )

    def _take(self, limit: int, claim: Claim, shard: Shard, beside: int) -> list[TaskEvent] | None:
        """Return what was won of what was found; None where nothing was."""
        now, latest = claim.now, latest_end(claim.now, claim.until)
        places: tuple[tuple[Callable[[], list[Document]], Mapping[str, Any], bool], ...] = (
            (lambda: self._abandoned(now, limit, shard), abandoned(now), True),
            (lambda: self._window.due(now, limit, shard), waiting(now), False),
            (lambda: self._strays.held(latest, limit), endless(latest), True),
            (lambda: self._strays.pending(now, limit), undated(now), False),
        )
        for look, still, died in places:
            if ids := [event["_id"] for event in together(look(), beside=beside)]:
                self._hold(ids, still, claim.holding(beside + len(ids), died=died), now)
                return self._won(set(ids), claim)
        return None

    def _abandoned(self, now: datetime, limit: int, shard: Shard) -> list[Document]:
        found = self._events.find(abandoned(now), SEEN).sort("lease.until", 1).limit(limit * shard.of)
        return chosen(list(found), limit, shard)

    def _hold(
        self, ids: Sequence[Any], still: Mapping[str, Any], update: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        """Hold those that are still due; where the database refuses, halve to find which."""
        parts = list(chunks(ids, self._read_chunk))
        try:
            self._events.bulk_write([UpdateMany({"_id": {"$in": i}, **still}, update) for i in parts], ordered=False)
        except BulkWriteError as error:
            for refusal in refusals(error):
                part = parts[refusal.index]
                if len(part) == 1:
                    self.set_aside(part[0], f"the event cannot be held: {refusal.message}", now)
                else:
                    self._hold(part[: len(part) // 2], still, update, now)
                    self._hold(part[len(part) // 2 :], still, update, now)

    def _won(self, ids: Collection[Any], claim: Claim) -> list[TaskEvent]:
        """Read what was won; what cannot be read is rejected on the spot, or it would hold up the rest."""
        won: list[TaskEvent] = []
        held = {"status": PROCESSING, "lease.until": claim.until, "lease.owner": claim.owner}
        for document in self._bare.find(held, READ, batch_size=len(ids) + 1):
            if document["_id"] not in ids:  # an earlier lease of this claim, in the same moment
                continue
            try:
                won.append(event_from(document))
            except InvalidInput as error:
                self.set_aside(document["_id"], str(error), claim.now)
        return won
