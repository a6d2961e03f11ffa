"""The previous worker as it was observed to work, with its habits: what it writes is what `shadow` is to see through.

Dates are counted from the last task, so that month ends drift; whatever comes twice is done twice; a completion makes
one task behind the last one, and none where every open task is overdue; a creation named by an occurrence begins a
series inside the series.
"""

from calendar import monthrange
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.world import World

COPIED = ("userId", "title", "description", "priority", "category", "repeatType", "links", "additionalNotes")

AT_ONCE = 300
"""How many documents one command inserts: of thousands, on a busy machine, one takes longer than WORKER_TIMEOUT."""


def after(date: datetime, repeat_type: str) -> datetime:
    """Return the date that it takes for the next one."""
    if repeat_type != "monthly":
        return date + timedelta(days={"daily": 1, "weekly": 7}[repeat_type])
    year, month = divmod(date.year * 12 + date.month, 12)
    return date.replace(year=year, month=month + 1, day=min(date.day, monthrange(year, month + 1)[1]))


class PreviousWorker:
    """Writes to the database of a world, at the world's time; tasks and lines of the log are inserted by `flush`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0
        self.tasks: dict[ObjectId, Document] = {}
        self._below = defaultdict[ObjectId, list[Document]](list)
        self._log: list[Document] = []

    def task(self, due: datetime, repeat_type: str, **fields: Any) -> Document:
        """Return a task that the application stores now."""
        self._number += 1
        now = self._world.now
        document: Document = {
            "_id": ObjectId(), "taskId": self._number, "userId": self._world.user, "title": f"Task {self._number}",
            "description": "", "dueDate": due, "originalDueDate": due, "priority": "medium", "category": "",
            "isCompleted": False, "repeatType": repeat_type, "parentTaskId": None, "parentRecurringId": None,
            "links": [], "additionalNotes": "", "createdAt": now, "updatedAt": now, "__v": 0,
        }  # fmt: skip
        document |= fields
        self.tasks[document["_id"]] = document
        self._below[document["parentRecurringId"]].append(document)
        return document

    def members(self, original: Document) -> list[Document]:
        """Return what hangs on an original, by date."""
        found = [task for task in self._below[original["_id"]] if task["_id"] in self.tasks]
        return sorted(found, key=lambda task: task["originalDueDate"])

    def create(self, original: Document, *, slots: int = 3) -> None:
        """Do what it does when it is told of a creation, as far as it comes."""
        last = original["originalDueDate"]
        for _ in range(slots):
            last = after(last, original["repeatType"])
            self._make(original, last)

    def repeat(self, task: Document) -> None:
        """Make a task that was made once more."""
        self._make(self.tasks[task["parentRecurringId"]], task["originalDueDate"])

    def complete(self, task: Document, *, times: int = 1) -> None:
        """Have a task completed, and do what it does when it is told so, so many times."""
        task["isCompleted"], task["updatedAt"] = True, self._world.now
        original = self.tasks.get(task["parentRecurringId"] or task["_id"], task)
        for _ in range(times):
            still_open = [each for each in self.members(original) if not each["isCompleted"]]
            if any(each["dueDate"] >= self._world.now for each in still_open):
                self._tell("RECURRING_TASK_UPDATED", task)
                self._make(original, after(self.members(original)[-1]["originalDueDate"], original["repeatType"]))

    def was_completed(self, task: Document) -> bool:
        """Say whether a task was ever completed, as far as the log tells."""
        return any(line["taskId"] == task["_id"] and "UPDATED" in line["action"] for line in self._log)

    def reopen(self, task: Document) -> None:
        """Have a person take a completion back, of which it is not told."""
        task["isCompleted"], task["updatedAt"] = False, self._world.now

    def delete(self, task: Document) -> None:
        """Have a person delete a task."""
        del self.tasks[task["_id"]]

    def flush(self) -> None:
        """Insert everything."""
        mongo = self._world.worker.mongo
        for collection, documents in ((mongo.tasks, self.tasks.values()), (mongo.activities, self._log)):
            for chunk in chunks(documents, AT_ONCE):
                collection.insert_many(chunk)
        mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": self._number}})

    def _make(self, original: Document, due: datetime) -> None:
        copied = {name: original[name] for name in COPIED}
        made = self.task(due, repeat_type=copied.pop("repeatType"), **copied, parentRecurringId=original["_id"])
        self._tell("RECURRING_TASK_CREATED", made)

    def _tell(self, action: str, task: Document) -> None:
        self._log.append(
            {
                "_id": ObjectId(), "activityId": len(self._log) + 1, "userId": self._world.user, "action": action,
                "taskId": task["_id"], "timestamp": self._world.now, "error": None,
                "message": f"User performed {action} :: {task['_id']}",
            }
        )  # fmt: skip
