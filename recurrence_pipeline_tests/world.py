"""A worker on a database of its own, and a clock that stands still until it is told to go on."""

from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.summary import BatchSummary
from recurrence_pipeline_tests.documents import task_document


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """Return a time in UTC."""
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


KEPT_LONG = {"EVENT_RETENTION_DAYS": "3650", "KEEP_DELETED_DAYS": "3650"}
"""The world lives in the past and the server does not: its sweep for what is too old would take what tests look at."""


class World:
    """One user, and shorthands for what the application does."""

    def __init__(self, mongodb_url: str, *, now: datetime | None = None, **environment: str) -> None:
        self.now = now or utc(2024, 1, 1, 12)
        self.user = ObjectId()
        self.crash_after: WriteStep | None = None
        self.settings = Settings.from_environment({"MONGODB_URL": mongodb_url, **KEPT_LONG, **environment})
        self.worker = self.open_worker()
        self.worker.init_db()

    def open_worker(self) -> Worker:
        """Open one more worker on the same database and clock."""
        return open_worker(self.settings, clock=lambda: self.now, chance=lambda: 0.0, on_step=self._after)

    def _after(self, step: WriteStep) -> None:
        if step is self.crash_after:
            self.crash_after = None
            raise Crash(step.value)

    def drop_indexes(self) -> None:
        """Drop all indexes but those that keep something unique, for tests that process the same few documents often.

        They find nothing faster there, and a third of the server's time goes into them.
        """
        for name in self.worker.mongo.db.list_collection_names():
            collection = self.worker.mongo.db[name]
            for index, made in collection.index_information().items():
                if index != "_id_" and not made.get("unique"):
                    collection.drop_index(index)

    def close(self) -> None:
        """Close the connections."""
        self.worker.close()

    def pass_time(self, **duration: float) -> None:
        """Put the clock forward."""
        self.now += timedelta(**duration)

    def add_task(self, due: datetime, repeat_type: str, **fields: Any) -> ObjectId:
        """Store a task as the application does and return its id."""
        created = min(due, self.now)
        document = task_document(self.user, self._next_number(), due, created, repeatType=repeat_type) | fields
        self.worker.mongo.tasks.insert_one(document)
        return ObjectId(document["_id"])

    def _next_number(self) -> int:
        counter = self.worker.mongo.counters.find_one_and_update(
            {"_id": "tasks"}, {"$inc": {"sequence_value": 1}}, return_document=ReturnDocument.AFTER
        )
        assert counter is not None, "init_db made the counter"
        return int(counter["sequence_value"])

    def add_event(self, operation: str, task_id: ObjectId, **fields: Any) -> ObjectId:
        """Insert an event as a producer does and return its id."""
        event: Document = {
            "_id": ObjectId(),
            "operation": operation,
            "taskId": task_id,
            "userId": self.user,
            "createdAt": self.now,
            "availableAt": self.now,
            "status": "pending",
        }
        self.worker.mongo.events.insert_one(event | fields)
        return ObjectId((event | fields)["_id"])

    def complete(self, task_id: ObjectId) -> None:
        """Set a task's flag."""
        self.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": {"isCompleted": True}})

    def work(self) -> BatchSummary:
        """Process everything that is due."""
        return self.worker.process_pending()

    def create(self, due: datetime, repeat_type: str, **fields: Any) -> ObjectId:
        """Add a task, have its creation processed, and return its id."""
        task_id = self.add_task(due, repeat_type, **fields)
        self.add_event("create", task_id)
        self.work()
        return task_id

    def task(self, task_id: ObjectId) -> Document:
        """Return a task as stored."""
        found = self.worker.mongo.tasks.find_one({"_id": task_id})
        assert found is not None, f"task {task_id} is there"
        return found

    def cursor(self, series_id: ObjectId) -> int | None:
        """Return the last slot that was made of a series, as far as that is remembered."""
        found = self.worker.mongo.series.find_one({"_id": series_id})
        return None if found is None else int(found["cursor"]["number"])

    def event(self, event_id: ObjectId) -> Document:
        """Return an event as stored."""
        found = self.worker.mongo.events.find_one({"_id": event_id})
        assert found is not None, f"event {event_id} is there"
        return found

    def occurrences(self, task_id: ObjectId) -> list[Document]:
        """Return what hangs on a task, by due date."""
        return sorted(self.worker.mongo.tasks.find({"parentRecurringId": task_id}), key=lambda task: task["dueDate"])

    def occurrences_by_slot(self, task_id: ObjectId) -> dict[int, ObjectId]:
        """Return the ids of what hangs on a task, by slot number."""
        return {task["occurrenceNumber"]: task["_id"] for task in self.occurrences(task_id)}

    def due_dates(self, task_id: ObjectId) -> list[datetime]:
        """Return when the occurrences of a task are due."""
        return [task["dueDate"] for task in self.occurrences(task_id)]

    def actions(self) -> list[str]:
        """Return the actions in the activity log, sorted."""
        return sorted(activity["action"] for activity in self.worker.mongo.activities.find())

    def everything(self) -> dict[str, list[Document]]:
        """Return the tasks, activities and known series, but for numbers and times of writing."""
        return {
            "tasks": [_timeless(task) for task in self.worker.mongo.tasks.find().sort("_id", 1)],
            "activities": [_timeless(activity) for activity in self.worker.mongo.activities.find().sort("_id", 1)],
            "series": list(self.worker.mongo.series.find().sort("_id", 1)),
        }


def _timeless(document: Document) -> Document:
    varying = {"taskId", "activityId", "createdAt", "updatedAt", "timestamp"}
    if "action" in document:
        varying -= {"taskId"}  # there it is the id of a task, not its number
    return {name: value for name, value in document.items() if name not in varying}


class Crash(BaseException):
    """The process dies here: nothing of ours may catch it."""
