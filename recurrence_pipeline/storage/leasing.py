"""Which events may be held, and what holding one writes: filters and updates as values. Who sends them is events.py."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.lanes import Lane
from recurrence_pipeline.domain.model import EventStatus, TaskEvent

PENDING = EventStatus.PENDING.value
PROCESSING = EventStatus.PROCESSING.value

ANY_TIME = {"$gte": datetime.min.replace(tzinfo=timezone.utc), "$lte": datetime.max.replace(tzinfo=timezone.utc)}
"""Leaves out what lacks the field, or has no date in it that Python knows."""


LET_GO = ("lease.owner", "lease.until", "lease.runId")
"""What an event loses when nobody holds it any more."""

GIVEN_BACK: Mapping[str, Any] = {"$set": {"status": PENDING}, "$unset": dict.fromkeys(LET_GO, "")}
"""The update that lets go of an event untouched: due at once, and its term stays."""


def waiting(now: datetime) -> dict[str, Any]:
    """Select pending events whose time has come."""
    return {"status": PENDING, "availableAt": {"$lte": now}}


def abandoned(now: datetime) -> dict[str, Any]:
    """Select held events whose lease ran out."""
    return {"status": PROCESSING, "lease.until": {"$lte": now}}


def chosen(due: Iterable[Mapping[str, Any]], limit: int, lane: Lane) -> list[ObjectId]:
    """Return the ids of the events that a worker in this lane takes of those that are due."""
    return lane.choose([(event["_id"], str(event.get("taskId"))) for event in due], limit)


def held_by(first: TaskEvent, *others: TaskEvent) -> dict[str, Any]:
    """Select events of one owner and term, as long as they are held under the very lease they were read with."""
    ids = [ObjectId(event.id) for event in (first, *others)]
    return {"_id": {"$in": ids}, "status": PROCESSING, "lease.owner": first.owner, "lease.term": first.term}


def alive(now: datetime) -> dict[str, Any]:
    """Select held events whose lease has not run out."""
    return {"status": PROCESSING, "lease.until": {"$gt": now}}


def holding(
    owner: str, now: datetime, until: datetime, *, deaths: int, run_id: str | None = None
) -> list[Mapping[str, Any]]:
    """Build the update that holds any event, whatever stands where its lease should be: one must not cost the rest."""
    lease: dict[str, Any] = {
        "owner": {"$literal": owner},
        "until": until,
        "term": _raised("term", 1),
        "deaths": _raised("deaths", deaths),
    }
    if run_id is not None:
        lease["runId"] = {"$literal": run_id}
    # $mergeObjects replaces the field as a whole; an object as such would be written into each item of an array.
    return [{"$set": {"status": PROCESSING, "startedAt": now, "lease": {"$mergeObjects": [lease]}}}]


def _raised(name: str, by: int) -> Mapping[str, Any]:
    return {"$add": [{"$convert": {"input": f"$lease.{name}", "to": "long", "onError": 0, "onNull": 0}}, by]}
