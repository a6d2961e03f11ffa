"""What is written of held events, as updates: how they ended, and what they are about to delete. events.py sends them.

Most events of a batch end alike, each with a result of its own. One update ends many of them: it carries all their
results, and an event takes the one that stands where its id does. That is less than half the work of an update for each
to the embedded server, and one look for the events instead of a hundred to any.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from bson import ObjectId
from pymongo import UpdateMany, UpdateOne

from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.event_documents import error_document, result_document
from recurrence_pipeline.storage.leasing import LET_GO, held_by

KEPT_ERRORS = 5
REFUSED_VERSION = "refusedVersion"
"""The field of a rejected event by which reconciliation sees whether its task changed since."""

MANY_IDS = 1000
"""An event with more ids to write is written by itself: an update is a document, which holds 16 MB."""

Update: TypeAlias = UpdateOne | UpdateMany


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a held event. `due_again` only where the status is pending.

    `refused_version` says, of one that is rejected, when the task that was refused had changed last.
    """

    event: TaskEvent
    status: EventStatus
    answer: Answer | None = None
    error: ErrorRecord | None = None
    due_again: datetime | None = None
    refused_version: datetime | None = None


class _Own(NamedTuple):
    """A value that one event gets, and how many ids are in it."""

    event: TaskEvent
    value: Any
    ids: int


def announcements(deletions: Iterable[tuple[TaskEvent, Sequence[str]]], *, at_most: int) -> Iterator[Update]:
    """Yield the updates that record on each event which tasks it is about to delete, for `at_most` events each."""
    for group in _groups([_Own(event, [ObjectId(i) for i in ids], len(ids)) for event, ids in deletions], at_most):
        yield UpdateMany(held_by(*(own.event for own in group)), [{"$set": {"deleting": _each_its_own(group)}}])


def endings(outcomes: Sequence[Outcome], *, now: datetime, run_id: str | None, at_most: int) -> Iterator[Update]:
    """Yield the updates that record what became of events and end their leases (the terms stay, and only rise).

    Those of up to `at_most` events that were completed are one.
    """
    completed: list[_Own] = []
    for outcome in outcomes:
        if outcome.status is EventStatus.COMPLETED and outcome.error is None:
            answer = outcome.answer or Answer()
            completed.append(_Own(outcome.event, result_document(answer), len(answer.created)))
        else:
            changes = _failure(outcome) | _ending(outcome.status, outcome.event, now, run_id)
            yield UpdateOne(held_by(outcome.event), {"$set": changes, "$unset": dict.fromkeys(LET_GO, "")})
    for group in _groups(completed, at_most):
        fields = _ending(EventStatus.COMPLETED, group[0].event, now, run_id)
        changes = {name: {"$literal": value} for name, value in fields.items()} | {"result": _each_its_own(group)}
        yield UpdateMany(held_by(*(own.event for own in group)), [{"$set": changes}, {"$unset": list(LET_GO)}])


def _ending(status: EventStatus, event: TaskEvent, now: datetime, run_id: str | None) -> dict[str, Any]:
    """Build what every end says."""
    fields: dict[str, Any] = {"status": status.value}
    if run_id is not None:
        fields["runId"] = run_id
    if status is not EventStatus.PENDING:
        fields["finishedAt"] = now
        if event.started_at is not None:
            fields["durationMs"] = max(int((now - event.started_at).total_seconds() * 1000), 0)
    return fields


def _failure(outcome: Outcome) -> dict[str, Any]:
    """Build what an end says beyond that, where it is not simply completed."""
    fields: dict[str, Any] = {}
    if outcome.status is EventStatus.PENDING:
        fields["availableAt"] = outcome.due_again
    if outcome.refused_version is not None:
        fields[REFUSED_VERSION] = outcome.refused_version
    if outcome.answer is not None:
        fields["result"] = result_document(outcome.answer)
    if outcome.error is not None:
        fields["attempts"] = outcome.event.attempts + 1
        fields["errors"] = [error_document(e) for e in (*outcome.event.errors, outcome.error)][-KEPT_ERRORS:]
    return fields


def _groups(owns: Iterable[_Own], at_most: int) -> Iterator[list[_Own]]:
    """Yield what one update can write: events of one lease that were begun at one time, and not too many ids."""
    alike: dict[object, list[_Own]] = {}
    for own in owns:
        if own.ids > MANY_IDS:
            yield [own]
        else:
            alike.setdefault((own.event.owner, own.event.term, own.event.started_at), []).append(own)
    for group in alike.values():
        yield from chunks(group, at_most)


def _each_its_own(group: Sequence[_Own]) -> Mapping[str, Any]:
    """Build the expression that gives each event its own value: the one that stands where its id does."""
    ids, values = [ObjectId(own.event.id) for own in group], [own.value for own in group]
    return {"$arrayElemAt": [{"$literal": values}, {"$indexOfArray": [{"$literal": ids}, "$_id"]}]}
