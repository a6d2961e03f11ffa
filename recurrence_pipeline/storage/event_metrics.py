"""Reading the events that have ended for the metrics, and what has not been done. What is made of it is worker/'s.

Each status is read by an index of its own: completed events by the time they ended, through the index that also removes
them; refused ones by their status, whatever their age, for they are few. Asking for all at once would be one
pass over the whole collection each time. Completed events are read by the minute, by hours where they are few: a month
of them in one command would hold the collection for as long as a slow server takes to read them.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recurrence_pipeline.domain.finished_events import FinishedEvent
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.vocabulary import REFUSED, EventStatus
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated, translating
from recurrence_pipeline.storage.timeouts import long_read

NEEDED = dict.fromkeys(
    ("operation", "status", "createdAt", "startedAt", "finishedAt", "durationMs", "attempts", "lease.deaths",
     "errors.message", "result.created", "result.deleted"), 1,
)  # fmt: skip

NOT_DONE = (EventStatus.PENDING, EventStatus.PROCESSING, EventStatus.FAILED, EventStatus.REJECTED)

TIME_LIMIT = re.compile(r"\(code (50|262)\)")
"""In the text of an error: MaxTimeMSExpired, ExceededTimeLimit (manual, "Error Codes")."""

A_PAGE = 2000
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=6)
"""Of the spans that completed events are read by."""

MOST_SPANS = 200
"""About so many at most where no events are: years are read in longer ones."""


@dataclass(frozen=True, slots=True)
class NotDone:
    """How many events of one operation and status wait, and since when the first of them has.

    A pending one waits for its turn, one that is processed for its worker, a refused one for a person.
    """

    operation: str
    status: EventStatus
    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessedEvents:
    """How many events ended, what they came to, and when the youngest of them was created."""

    events: int = 0
    created: int = 0
    deleted: int = 0
    newest: datetime | None = None

    def __add__(self, other: "ProcessedEvents") -> "ProcessedEvents":
        newest = max(filter(None, (self.newest, other.newest)), default=None)
        return ProcessedEvents(
            self.events + other.events, self.created + other.created, self.deleted + other.deleted, newest
        )

    def by_collection(self) -> dict[str, dict[str, int]]:
        """Return what was written to the collections, by their names; each event leaves activities of its own."""
        return {
            "tasks": {"occurrences_created": self.created, "occurrences_deleted": self.deleted},
            "useractivities": {"events_processed": self.events},
            "deleted_tasks": {"copies_kept": self.deleted},
        }


class EventMetrics:
    """Reads `task_events` for figures."""

    def __init__(self, mongo: Mongo) -> None:
        self._events = mongo.events

    def finished(self, since: datetime, until: datetime, *, patient: bool = False) -> Iterator[FinishedEvent]:
        """Yield the events that ended from `since` on and before `until`, in no order.

        `patient` is for many refused ones: the server may take long before its first answer.
        """
        for status in REFUSED:
            yield from self._ended(status, since, until, patient=patient)
        length, longest = SHORTEST, max(LONGEST, (until - since) / MOST_SPANS)
        while since < until:
            ahead, count = min(since + length, until), 0
            for event in self._ended(EventStatus.COMPLETED, since, ahead):
                yield event
                count += 1
            since, length = ahead, _next_length(length, longest, count)

    def _ended(
        self, status: EventStatus, since: datetime, until: datetime, *, patient: bool = False
    ) -> Iterator[FinishedEvent]:
        wanted = {"status": status.value, "finishedAt": {"$gte": since, "$lt": until}}
        with translating():
            with long_read(self._events.database) if patient else nullcontext():
                cursor = self._events.find(wanted, NEEDED, batch_size=A_PAGE)
                document = next(cursor, None)
            with cursor:
                while document is not None:
                    yield _finished(document, status)
                    document = next(cursor, None)

    @translated()
    def processed_without_run(self, since: datetime, until: datetime) -> ProcessedEvents:
        """Count the events that ended from `since` on and before `until`, and that no Dagster run worked on.

        Most often that is minutes; after a long pause it is read in spans, so that no command takes long.
        """
        found = ProcessedEvents()
        made, is_list = "$result.created", {"$isArray": "$result.created"}
        group: Mapping[str, Any] = {
            "_id": None,
            "events": {"$sum": 1},
            "created": {"$sum": {"$cond": [is_list, {"$size": {"$cond": [is_list, made, []]}}, 0]}},
            "deleted": {"$sum": "$result.deleted"},
            "newest": {"$max": "$createdAt"},
        }
        while since < until:
            ahead = min(since + LONGEST, until)
            for status in (EventStatus.COMPLETED, *REFUSED):
                wanted = {"status": status.value, "finishedAt": {"$gte": since, "$lt": ahead}, "runId": None}
                for row in self._events.aggregate([{"$match": wanted}, {"$group": group}]):
                    created, deleted = _count(row["created"]) or 0, _count(row["deleted"]) or 0
                    found += ProcessedEvents(row["events"], created, deleted, _time(row["newest"]))
            since = ahead
        return found

    @translated()
    def not_done(self) -> list[NotDone]:
        """Return what has not been done, by operation and status; what is completed is history, and not looked at."""
        first = {"pending": "$availableAt", "processing": "$startedAt"}
        said = {"$switch": {"branches": [_case(s, f) for s, f in first.items()], "default": "$finishedAt"}}
        since = {"$cond": [{"$eq": [{"$type": said}, "date"]}, said, None]}  # a text would be less than any date
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"status": {"$in": [status.value for status in NOT_DONE]}}},
            {"$group": {
                "_id": {"operation": "$operation", "status": "$status"}, "count": {"$sum": 1}, "since": {"$min": since},
            }},
        ]  # fmt: skip
        return [
            NotDone(
                str(row["_id"].get("operation")),
                EventStatus(row["_id"]["status"]),
                int(row["count"]),
                _time(row.get("since")),
            )
            for row in self._events.aggregate(pipeline)
        ]


def _next_length(length: timedelta, longest: timedelta, found: int) -> timedelta:
    """Return the span to read next, so that it holds about a page where events come as they came."""
    if found > A_PAGE:
        return max(length / 2, SHORTEST)
    return min(length * 2, longest) if found < A_PAGE // 2 else length


def _case(status: str, value: str) -> Mapping[str, Any]:
    return {"case": {"$eq": ["$status", status]}, "then": value}


def _finished(document: Document, status: EventStatus) -> FinishedEvent:
    result = document["result"] if isinstance(document.get("result"), Mapping) else {}
    created, started = _time(document.get("createdAt")), _time(document.get("startedAt"))
    waited = None if created is None or started is None else max((started - created) // MILLISECOND, 0)
    made = result.get("created")
    return FinishedEvent(
        id=str(document["_id"]),
        operation=str(document.get("operation")),
        status=status,
        finished_at=document["finishedAt"],
        duration_ms=_count(document.get("durationMs")),
        waited_ms=waited,
        failures=_count(document.get("attempts")) or 0,
        timed_out=_timed_out(document),
        created=len(made) if isinstance(made, list) else 0,
        deleted=_count(result.get("deleted")) or 0,
    )


def _timed_out(document: Document) -> bool:
    lease, errors = document.get("lease"), document.get("errors")
    deaths = lease.get("deaths") if isinstance(lease, Mapping) else None
    if _count(len(deaths) if isinstance(deaths, list) else deaths):  # a number: from before each was noted
        return True
    texts = [str(e.get("message")) for e in errors if isinstance(e, Mapping)] if isinstance(errors, list) else []
    return any(TIME_LIMIT.search(text) for text in texts)


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _count(value: object) -> int | None:
    """Return a number of at least 0 as a whole one; None for anything else, and for what is longer than a century."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**42:
        return None
    return int(value)
