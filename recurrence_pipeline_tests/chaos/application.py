"""The application while everything around it dies: it writes tasks and events, and remembers what it did.

What it remembers is all that the checks know of what should be there. It shares no rule with the worker.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from random import Random
from threading import Event
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure, WTimeoutError

from recurrence_pipeline.storage.documents import Document

AWAY = (ConnectionFailure, OperationFailure, WTimeoutError)
PAUSE = 0.1

T = TypeVar("T")


class Fate(Enum):
    """What people do to a series, next to completing its tasks."""

    KEPT = "kept"
    PRUNED = "pruned"
    """Somebody deletes open occurrences of it."""
    GONE = "gone"
    """Somebody deletes its original."""


@dataclass
class Series:
    """What the application knows of a series."""

    original: ObjectId
    repeat_type: str
    anchor: datetime
    fate: Fate
    completed: set[int] = field(default_factory=set)
    pruned: set[int] = field(default_factory=set)
    gone: bool = False


class Application:
    """Creates, completes and deletes, and tells of it by events: often twice, at times late."""

    def __init__(self, client: MongoClient[Document], chance: Random, stopped: Event) -> None:
        self._db = client.get_default_database()
        self._chance = chance
        self._stopped = stopped
        self.series: list[Series] = []
        self.events: dict[ObjectId, str] = {}
        self.retries = 0

    def work(self, events: int, pause: Callable[[], float]) -> None:
        """Go on until so many events are written."""
        while self.done() < events and not self._stopped.is_set():
            act = self._chance.choices([self._create, self._complete, self._delete], weights=[4, 5, 2])[0]
            act()
            self._stopped.wait(pause())

    def done(self) -> int:
        """Return how much it has done: the events that it wrote."""
        return len(self.events)

    def _create(self) -> None:
        repeat_type = self._chance.choice(["daily", "weekly", "monthly"])
        due = datetime.now(timezone.utc).replace(day=1, hour=9, minute=0, second=0, microsecond=0)
        due += timedelta(days=62 + self._chance.randrange(31))  # often a day that not every month has
        fate = self._chance.choices(list(Fate), weights=[6, 2, 2])[0]
        series = Series(ObjectId(), repeat_type, due, fate)
        now = _now()
        self._insert("tasks", {
            "_id": series.original, "taskId": self._number(), "userId": self._user(series), "title": repeat_type,
            "dueDate": due, "originalDueDate": due, "isCompleted": False, "repeatType": repeat_type,
            "parentTaskId": None, "parentRecurringId": None, "createdAt": now, "updatedAt": now,
        })  # fmt: skip
        self._tell("create", series.original, series)
        self.series.append(series)

    def _complete(self) -> None:
        series = self._some()
        if series is None:
            return
        task = self._open_task(series)
        if task is None:
            return
        update = {"$set": {"isCompleted": True, "updatedAt": _now()}}
        if self._surely(lambda: self._db.tasks.update_one({"_id": task["_id"]}, update)).matched_count:
            series.completed.add(task.get("occurrenceNumber", 0))
            self._tell("complete", task["_id"], series)

    def _delete(self) -> None:
        series = self._some()
        if series is None or series.fate is Fate.KEPT:
            return
        if series.fate is Fate.PRUNED:
            task = self._open_task(series)
            if task is None or task["_id"] == series.original:
                return
            series.pruned.add(task["occurrenceNumber"])
            task_id = task["_id"]
        else:
            series.gone = True
            task_id = series.original
        self._surely(lambda: self._db.tasks.delete_one({"_id": task_id}))
        self._tell("delete", task_id, series)

    def _some(self) -> Series | None:
        living = [series for series in self.series[-200:] if not series.gone]
        return self._chance.choice(living) if living else None

    def _open_task(self, series: Series) -> Document | None:
        def look() -> list[Document]:
            hanging = self._db.tasks.find({"parentRecurringId": series.original})
            original = self._db.tasks.find({"_id": series.original})
            return [task for task in [*original, *hanging] if not task["isCompleted"]]

        tasks = sorted(self._surely(look), key=lambda task: str(task["_id"]))
        return self._chance.choice(tasks) if tasks else None

    def _tell(self, operation: str, task_id: ObjectId, series: Series) -> None:
        """Write an event, and often another one that says the same; one in five is due a little later."""
        now = _now()
        for _ in range(self._chance.choices([1, 2, 3], weights=[6, 3, 1])[0]):
            later = timedelta(milliseconds=self._chance.choice([0, 0, 0, 0, 1500]))
            event = {
                "_id": ObjectId(), "operation": operation, "taskId": task_id, "userId": self._user(series),
                "status": "pending", "createdAt": now, "availableAt": now + later,
            }  # fmt: skip
            self._insert("task_events", event)
            self.events[event["_id"]] = operation  # type: ignore[index]

    def _user(self, series: Series) -> ObjectId:
        return ObjectId(series.original.binary[:4] + bytes(8))

    def _number(self) -> int:
        counter = self._surely(
            lambda: self._db.counters.find_one_and_update(
                {"_id": "tasks"}, {"$inc": {"sequence_value": 1}}, return_document=ReturnDocument.AFTER
            )
        )
        assert counter is not None, "init_db made the counter"
        return int(counter["sequence_value"])

    def _insert(self, collection: str, document: dict[str, Any]) -> None:
        def insert() -> None:
            try:
                self._db[collection].insert_one(document)
            except DuplicateKeyError:  # of the id or of the number, where the first try was never answered
                if self._db[collection].find_one({"_id": document["_id"]}) is None:
                    raise

        self._surely(insert)

    def _surely(self, write: Callable[[], T]) -> T:
        """Repeat until the database has answered: what is not acknowledged may or may not be there."""
        while True:
            try:
                return write()
            except DuplicateKeyError:
                raise
            except AWAY:
                self.retries += 1
                if self._stopped.wait(PAUSE):
                    raise


class QuietApplication(Application):
    """Does the same and tells nobody: what it has done is in the tasks, and in nothing else."""

    changes = 0

    def done(self) -> int:
        """Return how often it has changed a task."""
        return self.changes

    def _tell(self, operation: str, task_id: ObjectId, series: Series) -> None:  # noqa: ARG002 (nothing is told)
        self.changes += 1


def _now() -> datetime:
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
