"""Between values and documents. Reading is total: a field of the wrong type reads as absent (or as it is, where
validation has to name it), so one odd document never costs a batch.
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.model import (
    Cursor,
    ErrorRecord,
    Operation,
    Source,
    Task,
    TaskEvent,
)
from recurrence_pipeline.domain.planning import NewActivity, NewOccurrence

Document = dict[str, Any]

COPIED_FIELDS = (
    "userId", "title", "description", "priority", "category", "repeatType", "links", "additionalNotes", "timezone",
)  # fmt: skip
"""What an occurrence takes over from its original."""

SCHEMA_DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "priority": "medium",
    "category": "",
    "links": [],
    "additionalNotes": "",
}
"""What the application's schema fills in where the original lacks a field."""

MEMBER_FIELDS = (
    "userId", "title", "repeatType", "dueDate", "originalDueDate", "isCompleted", "parentTaskId", "parentRecurringId",
    "createdAt", "timezone", "occurrenceNumber", "recurrenceCursor",
)  # fmt: skip
"""What planning reads of a task."""

EPOCH = datetime.fromtimestamp(0, timezone.utc)
MAX_ERROR = 1000
MAX_MESSAGE = 500


def object_id(value: object, field: str = "taskId") -> ObjectId:
    """Return the ObjectId of 24 hex digits.

    Raises:
        InvalidInput: for anything else, naming the field and the value.
    """
    if isinstance(value, str) and len(value) == 24 and ObjectId.is_valid(value):
        return ObjectId(value)
    raise InvalidInput(f"{field}: {value!r} is not an id of 24 hex digits")


def _id(value: object) -> str | None:
    return value.binary.hex() if isinstance(value, ObjectId) else None


def _date(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _whole(value: object) -> int | None:
    """Return a whole number, which JavaScript may have stored as a double."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value // 1 else None


def _count(value: object) -> int:
    return max(_whole(value) or 0, 0)


def _cursor(value: object) -> Cursor | None:
    match value:
        case {"number": number, "repeatType": str(repeat_type)} if (whole := _whole(number)) is not None:
            return Cursor(whole, repeat_type)
    return None


def task_from(doc: Mapping[str, Any], *, with_content: bool = False) -> Task:
    """Read a task; `with_content` keeps the fields that its occurrences copy."""
    zone = doc.get("timezone")
    return Task(
        id=doc["_id"].binary.hex() if isinstance(doc["_id"], ObjectId) else str(doc["_id"]),
        user_id=_id(doc.get("userId")),
        title=str(doc.get("title", "")),
        repeat_type=str(doc.get("repeatType") or "none"),
        due_date=doc.get("dueDate"),
        original_due_date=doc.get("originalDueDate"),
        is_completed=doc.get("isCompleted") is True,
        parent_task_id=_id(doc.get("parentTaskId")),
        parent_recurring_id=_id(doc.get("parentRecurringId")),
        created_at=_date(doc.get("createdAt")),
        timezone=str(zone) if zone else None,
        occurrence_number=_whole(doc.get("occurrenceNumber")),
        cursor=_cursor(doc.get("recurrenceCursor")),
        content={name: doc[name] for name in COPIED_FIELDS if name in doc} if with_content else {},
    )


def occurrence_document(new: NewOccurrence, now: datetime, number: int) -> Document:
    """Write slot `new.slot` as a task of the application, numbered `number`."""
    return {
        "_id": ObjectId(new.id),
        **SCHEMA_DEFAULTS,
        **new.original.content,
        "dueDate": new.due,
        "originalDueDate": new.due,
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": ObjectId(new.original.id),
        "occurrenceNumber": new.slot,
        "taskId": number,
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }


def activity_document(activity: NewActivity, now: datetime, number: int) -> Document:
    """Write a line of the activity log, with the application's wording and lengths."""
    message = f"User performed {activity.action.value} :: {activity.task_id}"
    document: Document = {
        "_id": ObjectId(activity.id),
        "activityId": number,
        "userId": ObjectId(activity.user_id),
        "action": activity.action.value,
        "taskId": ObjectId(activity.task_id),
        "timestamp": now,
    }
    if activity.error is not None:
        message = f"User attempted {activity.action.value} :: {activity.task_id} :: ERROR: {activity.error}"
        document["error"] = activity.error[:MAX_ERROR]
    return document | {"message": message[:MAX_MESSAGE]}


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
    return document | ({"userId": object_id(event.user_id, "userId")} if event.user_id else {})


def event_from(doc: Mapping[str, Any]) -> TaskEvent:
    """Read an event that the collection's validator has let in."""
    lease = doc.get("lease") or {}
    source = doc.get("source")
    return TaskEvent(
        id=doc["_id"].binary.hex(),
        operation=Operation(doc["operation"]),
        task_id=doc["taskId"].binary.hex(),
        created_at=_date(doc["createdAt"]) or EPOCH,
        user_id=_id(doc.get("userId")),
        source=Source(source) if source in set(Source) else Source.OUTBOX,
        attempts=_count(doc.get("attempts")),
        term=_count(lease.get("term")),
        owner=lease.get("owner"),
        holder_deaths=_count(lease.get("deaths")),
        errors=tuple(_error_from(error) for error in doc.get("errors") or ()),
        deleting=tuple(_id(i) or "" for i in doc.get("deleting") or ()),
    )


def _error_from(doc: Mapping[str, Any]) -> ErrorRecord:
    at = _date(doc.get("at")) or EPOCH
    return ErrorRecord(str(doc.get("kind")), str(doc.get("code")), str(doc.get("message")), at, _count(doc.get("attempt")))


def error_document(error: ErrorRecord) -> Document:
    """Write one failed try."""
    return {"kind": error.kind, "code": error.code, "message": error.message[:MAX_ERROR], "at": error.at, "attempt": error.attempt}


