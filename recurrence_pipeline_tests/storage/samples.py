"""Values that tests of the stores begin with: events, tasks, and a clock in minutes."""

from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline_tests.documents import task_document
from recurrence_pipeline_tests.storage.values import DUE, NOW, USER


def at(minutes: float) -> datetime:
    """Return the time so many minutes after the tests' beginning."""
    return NOW + timedelta(minutes=minutes)


def an_event(operation: Operation = Operation.CREATE, **fields: Any) -> TaskEvent:
    return TaskEvent(
        **{
            "id": str(ObjectId()),
            "operation": operation,
            "task_id": str(ObjectId()),
            "created_at": NOW,
            "user_id": USER,
            **fields,
        }
    )


def a_task(number: int, **fields: Any) -> Document:
    return task_document(ObjectId(USER), number, DUE, NOW) | fields


def held(events: Events, *wanted: TaskEvent, minute: float = 0) -> list[TaskEvent]:
    """Add events and hold them for a minute, in the order in which they are given."""
    events.add(wanted, available_at=at(minute))
    found = {event.id: event for event in events.lease(100, owner="me", now=at(minute), until=at(minute + 1))}
    return [found[event.id] for event in wanted]


def failure(attempt: int, text: str = "the database was busy") -> ErrorRecord:
    return ErrorRecord("transient", "TRANSIENT", text, at(0), attempt)
