"""Which events may be held, and what holding one writes: filters and updates as values. Who sends them is events.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.retries import FURTHEST_RETRY, group_after_death
from recurrence_pipeline.domain.shards import Shard
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.documents import Document

PENDING = EventStatus.PENDING.value
PROCESSING = EventStatus.PROCESSING.value

FIRST_TIME = datetime.min.replace(tzinfo=timezone.utc)
LAST_TIME = datetime.max.replace(microsecond=999_000, tzinfo=timezone.utc)
ANY_TIME = {"$gte": FIRST_TIME, "$lte": LAST_TIME}
"""Leaves out what lacks the field, or has no date in it that Python knows."""

MAX_TERM = 2**31
"""No event is held so often: what is higher was not counted by a worker, and is counted anew."""

KEPT_DEATHS = 16

MINUTE = timedelta(minutes=1)

FURTHEST_DELAY = timedelta(days=3653)
"""Nobody puts an event off on purpose for more than ten years."""

LET_GO = ("lease.owner", "lease.until", "lease.runId")
"""What an event loses when nobody holds it any more."""

GIVEN_BACK: Mapping[str, Any] = {"$set": {"status": PENDING}, "$unset": dict.fromkeys(LET_GO, "")}
"""The update that lets go of an event untouched: due at once, and its term stays."""

SEEN = {"taskId": 1, "status": 1, "availableAt": 1, "lease.size": 1, "lease.deaths": 1}
"""What is read of an event to choose those to hold."""


def waiting(now: datetime) -> dict[str, Any]:
    """Select pending events whose time has come."""
    return {"status": PENDING, "availableAt": {"$lte": now}}


def abandoned(now: datetime) -> dict[str, Any]:
    """Select held events whose lease ran out."""
    return {"status": PROCESSING, "lease.until": {"$lte": now}}


def latest_end(now: datetime, until: datetime) -> datetime:
    """Return the latest time at which a lease may end that anybody took up to now, if one taken now ends at `until`.

    Clocks may differ by as long as a lease lasts, and by a minute in any case. A later end is that of a clock that was
    ahead: nobody waits for it.
    """
    return until + max(until - now, MINUTE)


def endless(latest: datetime) -> dict[str, Any]:
    """Select held events whose lease has no end that is a date, or one beyond the latest that an honest one has."""
    return {"status": PROCESSING, "lease.until": {"$not": {"$gte": FIRST_TIME, "$lte": latest}}}


def undated(now: datetime) -> dict[str, Any]:
    """Select pending events of which nobody can say when they are due, and those that a clock ahead has put off.

    A retry is never further ahead than the longest delay. Whoever puts an event off on purpose does so before it is
    held for the first time; where it says that something happened in the future, the clock of its writer was ahead.
    """
    soon = now + FURTHEST_RETRY
    return {
        "status": PENDING,
        "availableAt": {"$not": {"$gte": FIRST_TIME, "$lte": soon}},
        "$or": [{"availableAt": {"$not": ANY_TIME}}, *_put_off_by_mistake(now)],
    }


def put_off(now: datetime) -> dict[str, Any]:
    """Select pending events that only a clock ahead can have put off so far."""
    soon = now + FURTHEST_RETRY
    return {"status": PENDING, "availableAt": {"$gt": soon, "$lte": LAST_TIME}, "$or": _put_off_by_mistake(now)}


def _put_off_by_mistake(now: datetime) -> list[dict[str, Any]]:
    too_far = {"availableAt": {"$gt": now + FURTHEST_DELAY}}
    return [{"lease.term": {"$gt": 0}}, {"createdAt": {"$gt": now + FURTHEST_RETRY}}, too_far]


def chosen(due: Sequence[Document], limit: int, shard: Shard) -> list[Document]:
    """Return the events that a worker in this shard takes of those that are due."""
    return shard.choose([(event, str(event.get("taskId"))) for event in due], limit)


def together(due: Sequence[Document], *, beside: int = 0) -> list[Document]:
    """Return those at the front that may be held in one claim, which holds `beside` others already.

    Whoever was held when a worker died is a suspect: suspects are held by themselves, in groups that shrink with each
    death, so that in the end the one that workers die of stands alone.
    """
    group: list[Document] = []
    most = _allowance(due[0]) if due else None
    if most is not None and beside:
        return []
    for event in due:
        allowed = _allowance(event)
        if (allowed is None) != (most is None):
            break
        if allowed is not None and most is not None:
            most = min(most, allowed)
            if len(group) >= most:
                break
        group.append(event)
    return group


def _allowance(event: Document) -> int | None:
    """Return with how many a suspect may be held at most, itself included; None for one that is no suspect."""
    lease = event.get("lease")
    if not isinstance(lease, dict):
        lease = {}
    deaths = lease.get("deaths")
    sizes = [death.get("size") for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []
    if event.get("status") == PROCESSING:
        sizes.append(lease.get("size"))
    return min(map(group_after_death, sizes), default=None)


def held_by(first: TaskEvent, *others: TaskEvent) -> dict[str, Any]:
    """Select events of one owner and term, as long as they are held under the very lease they were read with."""
    ids = [ObjectId(event.id) for event in (first, *others)]
    return {"_id": {"$in": ids}, "status": PROCESSING, "lease.owner": first.owner, "lease.term": first.term}


def alive(now: datetime, latest: datetime) -> dict[str, Any]:
    """Select held events whose lease has not run out, and does not end later than an honest one."""
    return {"status": PROCESSING, "lease.until": {"$gt": now, "$lte": latest}}


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds events from `now` on `until` then: one claim of a worker, for a Dagster run if there is one."""

    owner: str
    now: datetime
    until: datetime
    run_id: str | None = None

    def holding(self, size: int, *, died: bool) -> list[Mapping[str, Any]]:
        """Build the update that holds any event, whatever stands where its lease should be.

        `size` is how many the claim holds then, at most. `died` notes the claim before as one whose holder seems to
        have died, with its size; see `acquitted`.
        """
        death = {"owner": {"$ifNull": ["$lease.owner", None]}, "size": {"$ifNull": ["$lease.size", None]}}
        lease: dict[str, Any] = {
            "owner": {"$literal": self.owner},
            "until": self.until,
            "term": _next_term(),
            "size": size,
            "deaths": {"$concatArrays": [_DEATHS, [death]]} if died else _DEATHS,
        }
        if self.run_id is not None:
            lease["runId"] = {"$literal": self.run_id}
        # $mergeObjects replaces the field as a whole; an object as such would be written into each item of an array.
        return [{"$set": {"status": PROCESSING, "startedAt": self.now, "lease": {"$mergeObjects": [lease]}}}]


def accused(owners: Sequence[str]) -> dict[str, Any]:
    """Select unfinished events on which one of these claims is noted as one whose holder died."""
    return {"status": {"$in": [PENDING, PROCESSING]}, "lease.deaths.owner": {"$in": list(owners)}}


def acquitted(owners: Sequence[str]) -> dict[str, Any]:
    """Build the update that takes such notes back: the holder lives, and only did not reach the database."""
    return {"$pull": {"lease.deaths": {"owner": {"$in": list(owners)}}}}


_DEATHS = {"$cond": [{"$isArray": "$lease.deaths"}, {"$slice": ["$lease.deaths", -KEPT_DEATHS]}, []]}


def _next_term() -> Mapping[str, Any]:
    term = {"$convert": {"input": "$lease.term", "to": "long", "onError": 0, "onNull": 0}}
    counted = {"$and": [{"$gte": [term, 0]}, {"$lt": [term, MAX_TERM]}]}
    return {"$add": [{"$cond": [counted, term, 0]}, 1]}
