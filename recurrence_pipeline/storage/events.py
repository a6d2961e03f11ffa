"""The queue: `task_events`. Each write to an event that is held names owner and term; no match means the lease is lost.

An owner names one claim, not one process, so that whoever holds the same event later is never taken for this one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateMany
from pymongo.results import ClientBulkWriteResult

from recurrence_pipeline.domain.errors import InvalidInput, LeaseLost
from recurrence_pipeline.domain.members import MAX_NUMBER
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.claiming import Claiming
from recurrence_pipeline.storage.documents import EPOCH, Document, new_id, object_id
from recurrence_pipeline.storage.event_documents import event_document, held_document, name_of_slot
from recurrence_pipeline.storage.event_updates import Outcome, Update, announcements, endings
from recurrence_pipeline.storage.leasing import (
    ANY_TIME,
    GIVEN_BACK,
    PENDING,
    PROCESSING,
    Claim,
    abandoned,
    accused,
    acquitted,
    alive,
    latest_end,
    waiting,
)
from recurrence_pipeline.storage.mongo import Mongo, insert_new, translated
from recurrence_pipeline.storage.ordered_writes import Write, takes_ordered_writes, write_in_order
from recurrence_pipeline.storage.strays import Strays


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much is due, and since when the oldest of it has been."""

    due: int
    oldest: datetime | None


def new_event(  # noqa: PLR0913 (what an event says)
    task_id: str,
    operation: str,
    user_id: str | None,
    *,
    source: Source,
    now: datetime,
    slot: int | None = None,
    undo: bool = False,
) -> TaskEvent:
    """Return the event that says what happened to a task; `slot` and `undo` are those of an update or a skip.

    Raises:
        InvalidInput: an argument that cannot be right.
    """
    if operation not in {known.value for known in Operation}:
        raise InvalidInput(f"operation: {operation!r} is not one of {', '.join(Operation)}")
    if operation == Operation.DELETE.value and user_id is None:
        raise InvalidInput("userId is required for delete operation")
    if user_id is not None:
        object_id(user_id, "userId")
    if slot is not None and operation not in {Operation.UPDATE.value, Operation.SKIP.value}:
        raise InvalidInput(f"slot: {slot} says nothing to {operation}")
    if slot is not None and (isinstance(slot, bool) or not 0 <= slot <= MAX_NUMBER):
        name = name_of_slot(Operation(operation))
        raise InvalidInput(f"{name}: {slot} is not a whole number from 0 to {MAX_NUMBER}")
    if undo and operation != Operation.SKIP.value:
        raise InvalidInput(f"undo: {undo} says nothing to {operation}")
    asked = Operation(operation)
    return TaskEvent(new_id(), asked, str(object_id(task_id)), now, user_id, source, slot=slot, undo=undo)


class Events:
    """Reads and writes `task_events`."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._events = mongo.events
        self._mongo = mongo
        self._begun = mongo.before_the_journal().events
        self._strays = Strays(mongo.events)
        self._claiming = Claiming(mongo, self._strays, read_chunk=read_chunk)
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk

    @translated()
    def lease(  # noqa: PLR0913 (a claim, and which events)
        self,
        limit: int,
        *,
        owner: str,
        now: datetime,
        until: datetime,
        run_id: str | None = None,
        shard: Shard = WHOLE_QUEUE,
        beside: int = 0,
    ) -> list[TaskEvent]:
        """Hold up to `limit` due events for `owner`, the longest due of its shard first; return those that were won.

        The lease names the Dagster run that holds it, if one does: as long as it is alive, so is the run. `beside` is
        how many the owner holds already.

        Due are held events whose lease ran out (they come first, or a long queue would keep them from ever being
        done), pending ones whose time has come, and those that have no time. The term goes up by one with each lease,
        and a lease that ran out is noted as a death of its holder: see `together` for what follows, and `acquit`.
        """
        claim = Claim(owner, now, until, run_id)
        return self._claiming.take(limit, claim, shard, beside)

    @translated()
    def renew(self, events: Sequence[TaskEvent], *, until: datetime) -> list[TaskEvent]:
        """Hold events longer and return those that are still ours.

        What else their claims hold is held longer too: a claim is processed batch by batch, and while one batch takes
        its time, the leases of those behind it would run out.
        """
        if not events:
            return []
        claims = sorted({event.owner for event in events if event.owner is not None})
        for owners in chunks(claims, self._read_chunk):
            of_claims = {"status": PROCESSING, "lease.owner": {"$in": owners}}
            self._events.update_many(of_claims, {"$set": {"lease.until": until}})
        longer = {"$set": {"lease.until": until}}
        renewed = self._events.bulk_write([UpdateMany(held, longer) for held in self._held(events)], ordered=False)
        if renewed.matched_count == len(events):
            return list(events)
        held = {
            (e["_id"].binary.hex(), e["lease"]["term"])
            for still in self._held(events)
            for e in self._events.find(still, {"lease": 1})
        }
        return [event for event in events if (event.id, event.term) in held]

    @translated()
    def announce(self, deletions: Mapping[str, tuple[TaskEvent, Sequence[str]]]) -> None:
        """Record on each event (by its id) which tasks it is about to delete.

        Raises:
            LeaseLost: where one of the events is not ours any more.
        """
        updates = announcements(deletions.values(), at_most=self._read_chunk)
        self._update_held(self._mongo, updates, len(deletions))

    @translated()
    def finish(self, outcomes: Sequence[Outcome], *, now: datetime, run_id: str | None = None) -> None:
        """Record what became of held events and let go of them.

        Raises:
            LeaseLost: where one of the events was not ours any more; the others are recorded.
        """
        updates = endings(outcomes, now=now, run_id=run_id, at_most=self._read_chunk)
        self._update_held(self._mongo, updates, len(outcomes))

    @property
    def takes_ordered_writes(self) -> bool:
        """Whether `write_in_order` can be used: not where writes wait for the journal; the embedded one would not."""
        return takes_ordered_writes(self._mongo) and not self._mongo.db.write_concern.document.get("j")

    @translated()
    def write_in_order(self, writes: Sequence[Write], *, matched: int) -> ClientBulkWriteResult | None:
        """Make writes that come before the outcomes of events in one command; see ordered_writes.py."""
        return write_in_order(self._mongo, writes, matched=matched)

    @translated()
    def release(self, events: Sequence[TaskEvent]) -> None:
        """Give events back untouched: due at once, and no failure counted. What is not ours any more stays."""
        if requests := [UpdateMany(held, GIVEN_BACK) for held in self._held(events)]:
            self._events.bulk_write(requests, ordered=False)

    @translated()
    def acquit(self, owners: Collection[str]) -> None:
        """Give back all that these claims still hold, and take back that their holder died: it lives, and asks for it.

        Whether or not it got to know what it held.
        """
        names = sorted(owners)
        self._events.bulk_write(
            [
                UpdateMany({"status": PROCESSING, "lease.owner": {"$in": names}}, GIVEN_BACK),
                UpdateMany(accused(names), acquitted(names)),
            ]
        )

    @translated()
    def set_aside(self, event_ids: Iterable[str], reason: str, *, now: datetime) -> None:
        """Reject events of which the database takes no outcome (too large, say), with as little as can be written."""
        for event_id in event_ids:
            self._claiming.set_aside(ObjectId(event_id), reason, now)

    @translated()
    def add(self, events: Iterable[TaskEvent], *, available_at: datetime) -> int:
        """Insert pending events and return how many are new; one whose id is there already is left as it is."""
        documents = (event_document(event, available_at=available_at) for event in events)
        return sum(len(c) - len(insert_new(self._events, c)) for c in chunks(documents, self._write_chunk))

    @translated()
    def add_held(self, events: Sequence[TaskEvent], *, run_id: str | None = None) -> list[TaskEvent]:
        """Insert events that their writer holds, together, and processes itself; return those that are new.

        If the writer dies, the lease runs out like any other. If the server dies as well, they may be gone: nobody has
        been told yet that they were taken.
        """
        documents = [held_document(event, size=len(events), run_id=run_id) for event in events]
        there = {document["_id"] for document in insert_new(self._begun, documents)} if documents else set()
        return [replace(event, is_new=False) for event in events if ObjectId(event.id) not in there]

    @translated()
    def get(self, event_id: str) -> Document | None:
        """Return an event as stored."""
        return self._events.find_one({"_id": ObjectId(event_id)})

    @translated()
    def queue(self, now: datetime, *, lease: timedelta, at_most: int) -> QueueState:
        """Say how many events are due (counting no further than `at_most`) and since when the oldest has been."""
        due = list(self._events.find(waiting(now), {"availableAt": 1}).sort("availableAt", 1).limit(at_most))
        left = list(self._events.find(abandoned(now), {"lease.until": 1}).sort("lease.until", 1).limit(at_most))
        if due or left:
            times = [_since(d["availableAt"]) for d in due[:1]] + [_since(d["lease"]["until"]) for d in left[:1]]
            return QueueState(min(len(due) + len(left), at_most), min(times))
        latest = latest_end(now, now + lease)
        strays = self._strays.held(latest, at_most) or self._strays.pending(now, at_most)
        return QueueState(len(strays), now if strays else None)

    @translated()
    def unfinished(self) -> int:
        """Return how many events are pending or being worked on."""
        return self._events.count_documents({"status": {"$in": [PENDING, PROCESSING]}})

    @translated()
    def release_run(self, run_id: str) -> None:
        """Give back all that a Dagster run holds."""
        self._events.update_many({"status": PROCESSING, "lease.runId": run_id}, GIVEN_BACK)

    @translated()
    def runs_at_work(self, now: datetime, *, lease: timedelta) -> set[str]:
        """Return the ids of the Dagster runs that hold an event under a lease that has not run out."""
        held = alive(now, latest_end(now, now + lease))
        return {str(run_id) for run_id in self._events.distinct("lease.runId", held) if run_id is not None}

    @translated()
    def next_due(self) -> datetime | None:
        """Return when the next event becomes due: its time or, of a held one, the end of its lease."""
        pending = {"status": PENDING, "availableAt": ANY_TIME}
        processing = {"status": PROCESSING, "lease.until": ANY_TIME}
        due = self._events.find_one(pending, {"availableAt": 1}, sort=[("availableAt", 1)])
        held = self._events.find_one(processing, {"lease.until": 1}, sort=[("lease.until", 1)])
        times = [due["availableAt"]] if due else []
        times += [held["lease"]["until"]] if held else []
        return min(times, default=None)

    def _held(self, events: Iterable[TaskEvent]) -> Iterator[Mapping[str, Any]]:
        """Yield the filters of those that their owners still hold."""
        owned: dict[str | None, list[ObjectId]] = {}
        for event in events:
            owned.setdefault(event.owner, []).append(ObjectId(event.id))
        for owner, ids in owned.items():
            for chunk in chunks(ids, self._read_chunk):
                yield {"_id": {"$in": chunk}, "lease.owner": owner, "status": PROCESSING}

    def _update_held(self, mongo: Mongo, updates: Iterable[Update], events: int) -> None:
        matched = 0
        for chunk in chunks(updates, self._write_chunk):
            matched += mongo.events.bulk_write(chunk, ordered=False).matched_count
        if matched != events:
            raise LeaseLost(f"{events - matched} of {counted(events, 'event')} held by another worker now")


def _since(time: object) -> datetime:
    """Return since when an event is due; what is no date, or one before the year 1, is older than any of ours."""
    return time if isinstance(time, datetime) else EPOCH
