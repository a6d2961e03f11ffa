"""Between events and documents: what a producer or a worker writes, and what a worker reads of it.

Reading is strict where a misread field would ask for another change, and total elsewhere. Ids, dates and numbers are
read as documents.py says; what happens to the documents is events.py's and its neighbours'.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.storage.documents import EPOCH, MAX_ERROR, Document, date_of, id_of, object_id, whole

EVENT_FIELDS = (
    "operation", "taskId", "createdAt", "userId", "source", "attempts", "lease", "startedAt", "errors", "deleting",
    "slot", "fromSlot", "undo",
)  # fmt: skip
"""What the worker reads of an event."""

_SOURCES = {source.value: source for source in Source}

MAX_CODE = 100


def event_document(event: TaskEvent, *, available_at: datetime, status: str = "pending") -> Document:
    """Write an event as a producer does; `userId` only where it is known."""
    document: Document = {
        "_id": ObjectId(event.id),
        "operation": event.operation.value,
        "taskId": object_id(event.task_id),
        "status": status,
        "source": event.source.value,
        "createdAt": event.created_at,
        "availableAt": available_at,
        "attempts": event.attempts,
    }
    if event.user_id:
        document["userId"] = object_id(event.user_id, "userId")
    if event.slot is not None:
        document[name_of_slot(event.operation)] = event.slot
    return document | ({"undo": True} if event.undo else {})


def held_document(event: TaskEvent, *, size: int, run_id: str | None) -> Document:
    """Write an event that its writer holds from the beginning, with `size - 1` others."""
    document = event_document(event, available_at=event.started_at or event.created_at, status="processing")
    document["startedAt"] = event.started_at
    document["lease"] = {"owner": event.owner, "term": event.term, "until": event.leased_until, "size": size}
    if run_id is not None:
        document["lease"]["runId"] = run_id
    if event.deleting:
        document["deleting"] = [ObjectId(i) for i in event.deleting]
    return document


def event_from(doc: Mapping[str, Any]) -> TaskEvent:
    """Read a held event.

    What only workers count is believed as far as leases bear it out: no event failed, or killed its holder, more often
    than it was held before.

    Raises:
        InvalidInput: it does not say what is asked for; the field and its value are named.
    """
    lease = doc["lease"] if isinstance(doc.get("lease"), dict) else {}
    deaths = [death for death in _list(lease.get("deaths")) if isinstance(death, dict)]
    term = _count(lease.get("term"))
    before = max(term - 1, 0)
    operation = _operation(doc.get("operation"))
    return TaskEvent(
        id=_required_id(doc, "_id"),
        operation=operation,
        task_id=_required_id(doc, "taskId"),
        created_at=date_of(doc.get("createdAt")) or EPOCH,
        user_id=id_of(doc.get("userId")),
        source=_source(doc.get("source")),
        attempts=min(_count(doc.get("attempts")), before),
        term=term,
        owner=_text(lease.get("owner")),
        suspected=bool(deaths),
        holder_deaths=min(sum(1 for death in deaths if whole(death.get("size")) == 1), before),
        leased_until=date_of(lease.get("until")),
        started_at=date_of(doc.get("startedAt")),
        errors=tuple(_error_from(error) for error in _list(doc.get("errors")) if isinstance(error, dict)),
        deleting=tuple(task_id for task_id in map(id_of, _list(doc.get("deleting"))) if task_id),
        slot=_slot(doc, operation),
        undo=operation is Operation.SKIP and _undo(doc.get("undo")),
    )


def _required_id(doc: Mapping[str, Any], field: str) -> str:
    if (found := id_of(doc.get(field))) is None:
        raise InvalidInput(f"{field}: {doc.get(field)!r:.200} is not an ObjectId")
    return found


def _operation(value: object) -> Operation:
    try:
        return Operation(value)
    except ValueError:
        raise InvalidInput(f"operation: {value!r:.200} is not one of {', '.join(Operation)}") from None


def _slot(doc: Mapping[str, Any], operation: Operation) -> int | None:
    """Return the slot that is named: one that cannot be read must not become another change than was asked for."""
    value = doc.get(name := name_of_slot(operation))
    if operation not in {Operation.UPDATE, Operation.SKIP} or value is None:
        return None
    if (slot := whole(value)) is None or slot < 0:
        raise InvalidInput(f"{name}: {value!r:.200} is not the number of a slot")
    return slot


def _undo(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return value is True
    raise InvalidInput(f"undo: {value!r:.200} is not true or false")


def name_of_slot(operation: Operation) -> str:
    """Return the field of an event that names a slot."""
    return "fromSlot" if operation is Operation.UPDATE else "slot"


def _source(value: object) -> Source:
    return _SOURCES.get(str(value), Source.OUTBOX)


def _error_from(doc: Mapping[str, Any]) -> ErrorRecord:
    at = date_of(doc.get("at")) or EPOCH
    kind, code, message = (str(doc.get(name)) for name in ("kind", "code", "message"))
    return ErrorRecord(kind[:MAX_CODE], code[:MAX_CODE], message[:MAX_ERROR], at, _count(doc.get("attempt")))


def error_document(error: ErrorRecord) -> Document:
    """Write one failed try."""
    return {
        "kind": error.kind,
        "code": error.code,
        "message": error.message[:MAX_ERROR],
        "at": error.at,
        "attempt": error.attempt,
    }


def result_document(answer: Answer) -> Document:
    """Write what an event came to."""
    return {
        "created": [ObjectId(i) for i in answer.created],
        "updated": ObjectId(answer.updated) if answer.updated else None,
        "deleted": answer.deleted,
    } | ({"changed": [ObjectId(i) for i in answer.changed]} if answer.changed else {})


def _count(value: object) -> int:
    return max(whole(value) or 0, 0)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
