"""What a benchmark's database holds at first: documents as the application and the worker write them.

All of it is built before any clock runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from bson import ObjectId

from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.plan import CursorMove
from recurrence_pipeline.domain.recurrence import HORIZON
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.storage.documents import Document, digest
from recurrence_pipeline.storage.series_documents import series_document

OPERATIONS = ("create", "complete", "delete")
RULES = ("daily", "weekly", "monthly")
USERS = 100
CHUNK = 500
"""Documents in one write, for the worker and for the loop it is compared with."""

T = TypeVar("T")


@dataclass(slots=True)
class Content:
    """Tasks, the events that speak of them, and what the worker remembers of their series."""

    tasks: list[Document] = field(default_factory=list)
    events: list[Document] = field(default_factory=list)
    series: list[Document] = field(default_factory=list)

    def __add__(self, other: "Content") -> "Content":
        return Content(self.tasks + other.tasks, self.events + other.events, self.series + other.series)


def content(operation: str, count: int, *, first_number: int = 1, users: Sequence[ObjectId] = ()) -> Content:
    """Build `count` events of one operation that all find something to do.

    create: an original and nothing else. complete: an original, just completed, with its 3 occurrences. delete: 3
    occurrences whose original the application has deleted. Series that have occurrences are remembered. Tasks are
    due at whole minutes, as people set them. They are those of `users`, or of a hundred new ones.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    users = users or [ObjectId() for _ in range(USERS)]
    made = Content()
    for index in range(count):
        number = first_number + index * (HORIZON + 1)
        due = now.replace(second=0) + timedelta(days=1, minutes=index % 1440)
        original = _task(number, users[index % len(users)], RULES[index % 3], due, now)
        if operation == "create":
            made.tasks.append(original)
        else:
            occurrences = _occurrences(original)
            made.tasks += [original | {"isCompleted": True}] if operation == "complete" else []
            made.tasks += occurrences
            made.series.append(_memory(original, occurrences))
        made.events.append(_event(operation, original, now - timedelta(milliseconds=count - index)))
    return made


def mixed(count: int, *, first: int = 0) -> Content:
    """Build events of all operations, as many of each; `first` is how many there are already."""
    share = [len(range(index, count, len(OPERATIONS))) for index in range(len(OPERATIONS))]
    made = Content()
    for operation, part in zip(OPERATIONS, share, strict=True):
        made += content(operation, part, first_number=(first + len(made.events)) * (HORIZON + 1) + 1)
    return made


def chunks(documents: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut documents, or their ids, into pieces of one write each."""
    for start in range(0, len(documents), CHUNK):
        yield documents[start : start + CHUNK]


def _task(number: int, user: ObjectId, rule: str, due: datetime, now: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "taskId": number,
        "userId": user,
        "title": f"Task {number}",
        "description": "A few words about what is to be done, as people write them.",
        "dueDate": due,
        "originalDueDate": due,
        "priority": "medium",
        "category": "work",
        "isCompleted": False,
        "repeatType": rule,
        "parentTaskId": None,
        "parentRecurringId": None,
        "links": ["https://example.org/a"],
        "additionalNotes": "",
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }


def long_series(members: int) -> Content:
    """Build one daily series of so many tasks, all of them done but for the last, which are ahead."""
    now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    begun = now - timedelta(days=members - HORIZON - 2, hours=1)
    original = _task(1, ObjectId(), "daily", begun, begun)
    occurrences = _occurrences(original, members - 1)
    made = [
        {**task, "isCompleted": task["dueDate"] < now, "writtenAs": digest(task)} for task in (original, *occurrences)
    ]
    return Content(made, [], [_memory(original, occurrences)])


def _occurrences(original: Document, count: int = HORIZON) -> list[Document]:
    made = []
    for number in range(1, count + 1):
        due = slot(original["dueDate"], original["repeatType"], number)
        task = _task(
            original["taskId"] + number, original["userId"], original["repeatType"], due, original["createdAt"]
        )
        identity = {"_id": ObjectId(occurrence_id(str(original["_id"]), number)), "occurrenceNumber": number}
        made.append(task | identity | {"parentRecurringId": original["_id"]})
    return made


def _memory(original: Document, occurrences: Sequence[Document]) -> Document:
    due = original["originalDueDate"]
    at = occurrences[-1]["dueDate"]
    memory = SeriesMemory.begun(len(occurrences), original["repeatType"], due, "UTC", due, at=at)
    return series_document(CursorMove(str(original["_id"]), memory, is_new=True))


def _event(operation: str, original: Document, now: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "operation": operation,
        "taskId": original["_id"],
        "userId": original["userId"],
        "createdAt": now,
        "availableAt": now,
        "status": "pending",
    }
