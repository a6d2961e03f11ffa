"""Between tasks and activities, and their documents. What events look like is in event_documents.py.

Reading is total: a field of the wrong type reads as absent (or as it is, where validation has to name it), so one odd
document never costs a batch. Dates are UTC, whether or not the driver says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.content import COPIED_FIELDS, content_for, named_to_copy
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.fingerprint import DIGEST, fingerprint, fingerprint_of_new
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import NewActivity, NewOccurrence
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.zones import wall_clock, wall_text, wall_time
from recurrence_pipeline.storage.json_dates import read_date

Document = dict[str, Any]

PLANNED_FIELDS = (
    "userId", "dueDate", "originalDueDate", "isCompleted", "completedAt", "updatedAt", "parentRecurringId",
    "occurrenceNumber", "occurrenceAt", "createdByEvent",
)  # fmt: skip
"""What planning reads of an occurrence."""

MEMBER_FIELDS = (
    "userId", "title", "repeatType", "dueDate", "originalDueDate", "isCompleted", "completedAt", "parentTaskId",
    "parentRecurringId", "createdAt", "updatedAt", "timezone", "recurrence", "occurrenceNumber", "occurrenceAt",
    "shiftedTo", "createdByEvent", "recurrenceCursor", "originalSlot",
)  # fmt: skip
"""What planning reads of an original, and what is told and judged of any task."""
MEMBER = dict.fromkeys(MEMBER_FIELDS, 1)

ID_FIELDS = ("_id", "userId", "parentRecurringId", "parentTaskId")
"""The ids of a task; each is an ObjectId where the application stored it."""

NOT_OF_A_COPY = frozenset(("completedAt", "dueDate", "originalDueDate", DIGEST))
"""What the copy of a sub-task does not have of it."""

NOTHING = (None, "", 0, False)
"""What JavaScript takes for it, of what JSON can say."""


EPOCH = datetime.fromtimestamp(0, timezone.utc)
_BARE_EPOCH = EPOCH.replace(tzinfo=None)
MAX_ERROR = 1000
MAX_MESSAGE = 500
MAX_WHOLE = 2**53
"""Above it a double skips numbers; and what is read must fit in 64 bits when it is written back, one higher."""


def object_id(value: object, field: str = "taskId") -> ObjectId:
    """Return the ObjectId of 24 hex digits.

    Raises:
        InvalidInput: for anything else, naming the field and the value.
    """
    if isinstance(value, str) and _is_id_text(value):
        return ObjectId(value)
    raise InvalidInput(f"{field}: {value!r} is not an id of 24 hex digits")


def id_of(value: object) -> str | None:
    """Return the text of an ObjectId; None for anything else."""
    return value.binary.hex() if isinstance(value, ObjectId) else None


def _user_id(value: object) -> str | None:
    """Return the id of a user, which some importers store as text."""
    return value.lower() if isinstance(value, str) and _is_id_text(value) else id_of(value)


def owner_of(task: Mapping[str, Any]) -> str | None:
    """Return the id of the user whose task it is; None where there is none that can be told."""
    return _user_id(task.get("userId"))


def of_user(user_id: str) -> Document:
    """Select what is a user's, also where an import has left the id as text."""
    return {"userId": {"$in": [ObjectId(user_id), user_id.lower(), user_id.upper()]}}


def _is_id_text(value: str) -> bool:
    return len(value) == 24 and ObjectId.is_valid(value)


def _parent_task(value: object) -> str | None:
    """Return what a sub-task hangs on; what is no ObjectId makes it a sub-task all the same."""
    return id_of(value) or (str(value) if not _is_absent(value) else None)


def _is_absent(value: object) -> bool:
    return value is None or value == ""  # a form that was left empty


def _odd_ids(doc: Mapping[str, Any]) -> Mapping[str, object] | None:
    """Return the ids of a task that are there and of another type than ObjectId; None where all is well."""
    odd: Document | None = None
    for name in ID_FIELDS:
        value = doc.get(name)
        if not isinstance(value, ObjectId) and (name == "_id" or not _is_absent(value)):
            odd = {**(odd or {}), name: value}
    return odd


def date_of(value: object) -> datetime | None:
    """Return a date, which says that it is UTC; None for anything else."""
    return _utc(value) if isinstance(value, datetime) else None


def _date_or_as_it_is(value: object) -> object:
    return _utc(value) if isinstance(value, datetime) else value


def _utc(date: datetime) -> datetime:
    """Return a date that says it is UTC; adding costs a tenth of what `replace` does."""
    return EPOCH + (date - _BARE_EPOCH) if date.tzinfo is None else date


def whole(value: object) -> int | None:
    """Return a whole number, which JavaScript may have stored as a double."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if abs(value) <= MAX_WHOLE and value == value // 1 else None


def _cursor(value: object) -> Cursor | None:
    match value:
        case {"number": number, "repeatType": str(repeat_type)} if (reached := whole(number)) is not None:
            return Cursor(reached, str(repeat_type))
    return None


def task_from(doc: Mapping[str, Any], *, with_content: bool = False) -> Task:
    """Read a task; `with_content` keeps the fields that its occurrences copy."""
    zone = doc.get("timezone")
    return Task(
        id=doc["_id"].binary.hex() if isinstance(doc["_id"], ObjectId) else str(doc["_id"]),
        user_id=_user_id(doc.get("userId")),
        title=str(doc.get("title") or ""),
        repeat_type=str(doc.get("repeatType") or "none"),
        due_date=_date_or_as_it_is(doc.get("dueDate")),
        original_due_date=_date_or_as_it_is(doc.get("originalDueDate")),
        is_completed=doc.get("isCompleted") is True,
        completed_at=date_of(doc.get("completedAt")),
        parent_task_id=_parent_task(doc.get("parentTaskId")),
        parent_recurring_id=id_of(doc.get("parentRecurringId")),
        created_at=date_of(doc.get("createdAt")),
        updated_at=date_of(doc.get("updatedAt")),
        timezone=str(zone) if zone else None,
        occurrence_number=whole(doc.get("occurrenceNumber")),
        occurrence_at=wall_time(doc.get("occurrenceAt")),
        shifted_to=wall_time(doc.get("shiftedTo")),
        recurrence=doc.get("recurrence"),
        created_by_event=id_of(doc.get("createdByEvent")),
        cursor=_cursor(doc.get("recurrenceCursor")),
        original_slot=whole(doc.get("originalSlot")) or 0,
        odd_ids=_odd_ids(doc),
        content=_content(doc) if with_content else {},
    )


def task_as_written(doc: Mapping[str, Any]) -> Task:
    """Read a whole task: with its content, and whether somebody touched what the worker wrote of it."""
    return replace(task_from(doc, with_content=True), is_touched=is_touched(doc))


def _content(doc: Mapping[str, Any]) -> Mapping[str, object]:
    return {name: doc[name] for name in (*COPIED_FIELDS, *named_to_copy(doc.get("recurrence"))) if name in doc}


def task_from_request(fields: Mapping[str, Any]) -> Task:
    """Read a task as a JSON request describes it; what is no date stays as it is."""
    due = fields.get("dueDate")
    due = _utc(due) if isinstance(due, datetime) else read_date(due)
    zone = fields.get("timezone")
    return Task(
        id="0" * 24,
        repeat_type=str(fields.get("repeatType") or "none"),
        due_date=None if due in NOTHING else due,
        parent_task_id=str(fields["parentTaskId"]) if fields.get("parentTaskId") else None,
        timezone=str(zone) if zone else None,
        recurrence=fields.get("recurrence"),
    )


def new_id() -> str:
    """Return an id that nothing has yet."""
    return str(ObjectId())


def occurrence_document(new: NewOccurrence, now: datetime, content: str | None, number: int) -> Document:
    """Write an occurrence as a task of the application, numbered `number`; `content` is `content_digest`'s."""
    document = {
        "_id": ObjectId(new.id),
        **content_for(new.original),
        "dueDate": new.due,
        "originalDueDate": new.due,
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": ObjectId(new.original.id),
        **slot_fields(new.slot, new.at, new.shifted_to),
        "createdByEvent": ObjectId(new.event_id),
        "taskId": number,
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }
    if new.timezone is not None:
        document["timezone"], content = new.timezone, None
    if content is None:
        return document | {DIGEST: digest(document)}
    return document | {DIGEST: fingerprint_of_new(content, new.due, new.original.id)}


def subtask_document(
    source: Document, new: NewOccurrence, task_id: str, parent: str, now: datetime, number: int
) -> Document:
    """Write a copy of an original's sub-task for an occurrence: open again, its date as far from that as it was."""
    document = {name: value for name, value in source.items() if name not in NOT_OF_A_COPY}
    if (due := subtask_due(source, new)) is not None:
        document["dueDate"] = due
    document |= {
        "_id": ObjectId(task_id),
        "isCompleted": False,
        "parentTaskId": ObjectId(parent),
        "createdByEvent": ObjectId(new.event_id),
        "taskId": number,
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }
    return document | {DIGEST: digest(document)}


def subtask_due(source: Mapping[str, Any], new: NewOccurrence) -> datetime | None:
    """Return when the copy of a sub-task is due, in UTC: as far from its occurrence as the sub-task from its original.

    None where the sub-task has no date.
    """
    due = source.get("dueDate")
    if not isinstance(due, datetime) or new.subtasks is None:
        return None
    zone, later = new.subtasks
    return in_utc(wall_clock("dueDate", _utc(due), zone) + later, zone)


def slot_fields(number: int | None, at: datetime, shifted_to: datetime | None) -> Document:
    """Write which slot a task stands for."""
    document: Document = {} if number is None else {"occurrenceNumber": number}
    document["occurrenceAt"] = wall_text(at)
    return document if shifted_to is None else document | {"shiftedTo": wall_text(shifted_to)}


def covered_fields(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which fields of an occurrence are its original's."""
    return (*COPIED_FIELDS, *named_to_copy(document.get("recurrence")))


def digest(document: Mapping[str, Any], *, content: str | None = None) -> str:
    """Return the digest of an occurrence as it stands; `content` as `content_digest` gives it, where that is known."""
    return fingerprint(document, () if content else covered_fields(document), content=content)


def is_touched(document: Mapping[str, Any]) -> bool:
    """Say whether somebody changed what the worker wrote of an occurrence, or may have."""
    return document.get(DIGEST) != digest(document)


def activity_document(activity: NewActivity, now: datetime, number: int) -> Document:
    """Write a line of the activity log, with the application's wording and lengths."""
    message = f"User performed {activity.action.value} :: {activity.task_id}"
    message += f" :: {activity.detail}" if activity.detail else ""
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
