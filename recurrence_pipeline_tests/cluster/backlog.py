"""What is to be done: the documents of an application, the same ones for each database they are written to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.storage.documents import Document

COMPLETED, DELETED, TWICE, UNKNOWN = 0.12, 0.13, 0.05, 0.02
"""Of the events of a backlog: series of which two tasks were completed, series that were deleted, events that come
twice, events about tasks that never were. The rest are tasks that were created."""
CHUNK = 500


@dataclass
class Backlog:
    """Events, and what the application did before it wrote them."""

    events: list[Document] = field(default_factory=list)
    created: list[Document] = field(default_factory=list)
    completed: list[ObjectId] = field(default_factory=list)
    deleted: list[ObjectId] = field(default_factory=list)

    def write(self, db: Database[Document], *, available_at: datetime) -> None:
        """Write all of it; the events first, so that nobody finds a task of which nothing is said."""
        _insert(db, "task_events", [event | {"availableAt": available_at} for event in self.events])
        _insert(db, "tasks", _numbered(db, self.created))
        for start in range(0, len(self.completed), 100):
            some = self.completed[start : start + 100]
            db["tasks"].update_many({"_id": {"$in": some}}, {"$set": {"isCompleted": True}})
        for start in range(0, len(self.deleted), 100):
            db["tasks"].delete_many({"_id": {"$in": self.deleted[start : start + 100]}})


class Application:
    """Makes tasks and backlogs. `begin` is when it all happens."""

    def __init__(self, chance: Random, begin: datetime) -> None:
        self._chance = chance
        self._begin = begin
        self._number = 0
        self._users = [self._id() for _ in range(50)]

    def tasks(self, count: int) -> Backlog:
        """Return new tasks, each with the event that it was created."""
        made = Backlog()
        for _ in range(count):
            self._create(made)
        return made

    def backlog(self, count: int, running: Sequence[Document]) -> Backlog:
        """Return a backlog of about `count` events, for which it uses up originals of series that are running."""
        made, rest = Backlog(), list(running)
        for _ in range(int(count * COMPLETED)):
            original = rest.pop()
            first = ObjectId(occurrence_id(str(original["_id"]), 1))
            for task_id in (original["_id"], first):
                made.completed.append(task_id)
                made.events.append(self._event("complete", task_id, original["userId"]))
        for _ in range(int(count * DELETED)):
            original = rest.pop()
            made.deleted.append(original["_id"])
            made.events.append(self._event("delete", original["_id"], original["userId"]))
        for _ in range(ceil(count * UNKNOWN)):
            made.events.append(self._event("create", self._id(), self._users[0]))
        again = [e for e in made.events if e["operation"] != "delete"][: int(count * TWICE)]
        while len(made.events) + len(again) < count:
            self._create(made)
        made.events += [event | {"_id": self._id()} for event in again]
        self._chance.shuffle(made.events)
        return made

    def _create(self, made: Backlog) -> None:
        task = self._task()
        made.created.append(task)
        made.events.append(self._event("create", task["_id"], task["userId"]))

    def _task(self) -> Document:
        self._number += 1
        due = self._begin + timedelta(minutes=self._chance.randrange(60, 60 * 24 * 60))
        user = self._chance.choice(self._users)
        return {
            "_id": self._id(),
            "userId": user,
            "title": f"task {self._number}",
            "description": "",
            "dueDate": due,
            "originalDueDate": due,
            "priority": self._chance.choice(["low", "medium", "high"]),
            "category": "work",
            "isCompleted": False,
            "repeatType": self._chance.choice(["daily", "weekly", "monthly"]),
            "parentTaskId": None,
            "parentRecurringId": None,
            "links": [],
            "additionalNotes": "",
            "createdAt": self._begin,
            "updatedAt": self._begin,
            "__v": 0,
        }

    def _event(self, operation: str, task_id: ObjectId, user: ObjectId) -> Document:
        times: dict[str, Any] = {"createdAt": self._begin, "availableAt": self._begin}
        event = {"_id": self._id(), "operation": operation, "taskId": task_id, "userId": user, "status": "pending"}
        return event | times

    def _id(self) -> ObjectId:
        """Return an id as an application makes it, at some time of the last days."""
        seconds = int(self._begin.timestamp()) - self._chance.randrange(3 * 24 * 3600)
        return ObjectId(f"{seconds:08x}{self._chance.getrandbits(64):016x}")


def _numbered(db: Database[Document], tasks: Sequence[Document]) -> list[Document]:
    """Return the tasks with numbers from the counter, as the application and the worker take them."""
    counter = db["counters"].find_one_and_update(
        {"_id": "tasks"}, {"$inc": {"sequence_value": len(tasks)}}, return_document=ReturnDocument.BEFORE
    )
    assert counter is not None, "init_db made the counter"
    return [task | {"taskId": counter["sequence_value"] + n} for n, task in enumerate(tasks, 1)]


def _insert(db: Database[Document], collection: str, documents: Sequence[Document]) -> None:
    for start in range(0, len(documents), CHUNK):
        db[collection].insert_many([dict(document) for document in documents[start : start + CHUNK]])
