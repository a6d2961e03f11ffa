"""Looking back on events, counting them, and putting refused ones back into the queue. Leasing is in events.py.

Each list is served by an index: by task, by status, or by the time it was made. (Not by `_id`: that of an imported
event, or of one that another machine made in the same second, says nothing of its time.)
"""

from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.finished_events import RefusedEvent
from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus, Operation
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import EPOCH, Document, of_user, owner_of
from recurrence_pipeline.storage.mongo import Mongo, translated, translating

IS_REFUSED = [status.value for status in REFUSED]

NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]

REFUSAL: Mapping[str, Any] = {"operation": 1, "status": 1, "finishedAt": 1, "errors": {"$slice": -1}}
"""What a selection looks at: of the errors, the last."""


class EventQueries:
    """Reads `task_events` by what people ask for."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._events = mongo.events
        self._read_chunk = read_chunk

    @translated()
    def newest(
        self, *, limit: int, status: EventStatus | None = None, task_ids: Iterable[str] | None = None
    ) -> list[Document]:
        """Return up to `limit` events as stored, newest first: of these tasks, or of all."""
        wanted: Document = {} if status is None else {"status": status.value}
        if task_ids is None:
            # Of a status that few events have, the server takes all and sorts; of others, it goes back in time.
            return list(self._events.find(wanted).sort(NEWEST_FIRST).limit(limit))
        found: list[Document] = []
        for ids in id_chunks(task_ids, self._read_chunk):
            found += self._events.find(wanted | {"taskId": {"$in": ids}}).sort(NEWEST_FIRST).limit(limit)
        return _newest_first(found)[:limit]

    @translated()
    def count_by_operation_and_status(self) -> dict[tuple[str, str], int]:
        """Return the number of events for each (operation, status)."""
        group = {"$group": {"_id": {"operation": "$operation", "status": "$status"}, "count": {"$sum": 1}}}
        rows = [(r["_id"], r["count"]) for r in self._events.aggregate([group])]
        return {(str(of.get("operation")), str(of.get("status"))): count for of, count in rows}

    @translated()
    def makers(self, event_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return the operation and the task of those of these events that are still kept."""
        asked = {"operation": 1, "taskId": 1}
        return {
            str(event["_id"]): (str(event.get("operation")), str(event.get("taskId")))
            for chunk in id_chunks(event_ids, self._read_chunk)
            for event in self._events.find({"_id": {"$in": chunk}}, asked)
        }

    @translated()
    def reopened(self, task_ids: Iterable[str]) -> dict[str, datetime]:
        """Return when it was last told, by task, that its completion was taken back; of others nothing."""
        told: dict[str, datetime] = {}
        for chunk in id_chunks(task_ids, self._read_chunk):
            asked = {"taskId": {"$in": chunk}, "operation": Operation.REOPEN.value}
            for event in self._events.find(asked, {"taskId": 1, "createdAt": 1}):
                if isinstance(at := event.get("createdAt"), datetime):
                    told[str(event["taskId"])] = max(at, told.get(str(event["taskId"]), at))
        return told

    @translated()
    def of_tasks(self, task_ids: Iterable[str], *, limit: int = 100) -> list[Document]:
        """Return the events that name any of the tasks, newest first, as stored."""
        found: list[Document] = []
        for ids in id_chunks(task_ids, self._read_chunk):
            found += self._events.find({"taskId": {"$in": ids}})
        return _newest_first(found)[:limit]

    @translated()
    def refused(self) -> list[Document]:
        """Return why events were rejected or failed: rows of `{operation, status, reason, count}`."""
        group = {"operation": "$operation", "status": "$status", "reason": "$last.message"}
        errors = {"$cond": [{"$isArray": "$errors"}, "$errors", []]}
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"status": {"$in": IS_REFUSED}}},
            {"$project": {"operation": 1, "status": 1, "last": {"$arrayElemAt": [errors, -1]}}},
            {"$group": {"_id": group, "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
        ]
        return [
            {"operation": str(of.get("operation")), "status": str(of.get("status")), "reason": of.get("reason")}
            | {"count": row["count"]}
            for row in self._events.aggregate(pipeline)
            for of in [row["_id"]]
        ]

    @translated()
    def created_of_waiting(self, at_most: int) -> list[datetime]:
        """Return when events were made that are pending or being worked on: of so many, those due first."""
        waiting = {"status": {"$in": [EventStatus.PENDING.value, EventStatus.PROCESSING.value]}}
        found = self._events.find(waiting, {"createdAt": 1}).sort("availableAt", 1).limit(at_most)
        return [event["createdAt"] for event in found if isinstance(event.get("createdAt"), datetime)]

    @translated()
    def totals(self) -> dict[str, int]:
        """Return how many occurrences the events kept have `created` and `deleted`, in all their attempts."""
        made = {"$cond": [{"$isArray": "$result.created"}, {"$size": "$result.created"}, 0]}
        sums = {"_id": None, "created": {"$sum": made}, "deleted": {"$sum": "$result.deleted"}}
        rows = list(self._events.aggregate([{"$group": sums}]))
        return {name: int(rows[0][name]) if rows else 0 for name in ("created", "deleted")}

    def refused_events(self, statuses: Iterable[EventStatus]) -> Generator[RefusedEvent, None, None]:
        """Yield the events of these statuses, of each status those that have been due the longest first."""
        for status in statuses:
            # The rows are read after this call has returned, out of reach of a decorator.
            with translating(), self._events.find({"status": status.value}, REFUSAL).sort("availableAt", 1) as found:
                yield from (_refused_event(event) for event in found if isinstance(event["_id"], ObjectId))

    @translated()
    def by_id(self, event_ids: Iterable[str]) -> list[RefusedEvent]:
        """Return the events with these ids, whatever their status."""
        return [
            _refused_event(found)
            for ids in id_chunks(event_ids, self._read_chunk)
            for found in self._events.find({"_id": {"$in": ids}}, REFUSAL)
        ]

    @translated()
    def replay(self, event_ids: Iterable[str], now: datetime) -> int:
        """Put those that are failed or rejected back into the queue, due at once, and return how many that were.

        Their failures and the deaths of their holders count from 0 again; their errors and terms stay.
        """
        term = {"$convert": {"input": "$lease.term", "to": "long", "onError": 0, "onNull": 0}}
        again: Document = {
            "status": EventStatus.PENDING.value,
            "availableAt": now,
            "attempts": 0,
            # $mergeObjects replaces what is there, whatever it is; without an owner, nobody holds it.
            "lease": {"$mergeObjects": [{"term": term, "deaths": []}]},
        }
        update: list[dict[str, Any]] = [{"$set": again}, {"$unset": ["finishedAt", "durationMs"]}]
        return sum(
            self._events.update_many({"_id": {"$in": ids}, "status": {"$in": IS_REFUSED}}, update).matched_count
            for ids in id_chunks(event_ids, self._read_chunk)
        )

    @translated()
    def owned_by(self, user_id: str) -> list[str]:
        """Return the ids of a user's tasks."""
        owned = self._mongo.tasks.find(of_user(user_id), {"_id": 1})
        return [str(task["_id"]) for task in owned if isinstance(task["_id"], ObjectId)]

    @translated()
    def owner(self, task_id: str) -> str | None:
        """Return the id of the user whose task it is: empty where it is nobody's, None where the task is gone."""
        task = self._mongo.tasks.find_one({"_id": ObjectId(task_id)}, {"userId": 1})
        return None if task is None else owner_of(task) or ""

    @translated()
    def is_user(self, user_id: str) -> bool:
        """Say whether the application has this user."""
        return self._mongo.users.find_one({"_id": ObjectId(user_id)}, {"_id": 1}) is not None


def _newest_first(events: Iterable[Document]) -> list[Document]:
    return sorted(events, key=lambda event: (_created(event), str(event["_id"])), reverse=True)


def _created(document: Document) -> datetime:
    """Return when an event was made; one that was rejected as unreadable may not say it."""
    return document["createdAt"] if isinstance(document.get("createdAt"), datetime) else EPOCH


def _refused_event(document: Document) -> RefusedEvent:
    errors = document.get("errors")
    last = errors[-1] if isinstance(errors, list) and errors and isinstance(errors[-1], Mapping) else {}
    ended = document.get("finishedAt")
    return RefusedEvent(
        id=str(document["_id"]),
        operation=str(document.get("operation")),
        status=str(document.get("status")),
        code=str(last.get("code") or ""),
        reason=str(last.get("message") or ""),
        finished_at=ended if isinstance(ended, datetime) else None,
    )
