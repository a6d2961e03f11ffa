"""The application and the previous worker inside it, on a database: with the reads and writes it was observed to send.

How that worker counts dates is in shadow/previous_worker.py, which makes whole databases at once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.documents import task_document
from recurrence_pipeline_tests.shadow.previous_worker import COPIED, after

Tell = Callable[[str, Document], None]
LATEST = [("originalDueDate", -1)]


class Application:
    """Stores tasks, and tells the worker of them: its own at first, this one's queue after `write_events`.

    Each thing that happens is a second after the last.
    """

    def __init__(self, db: Database[Document]) -> None:
        self.db = db
        self.user = ObjectId()
        self._now = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=2)
        self._tell: Tell = self._previous_worker

    def write_events(self) -> None:
        """Tell this worker from now on, and the previous one no more."""
        self._tell = self._write_event

    def call_its_own_worker(self) -> None:
        """Tell the previous worker."""
        self._tell = self._previous_worker

    def create(self, repeat_type: str = "daily", *, due: timedelta = timedelta(days=1), **fields: Any) -> ObjectId:
        """Have a person create a task, and return its id."""
        now = self._tick()
        task = task_document(self.user, self._number("tasks")[0], now + due, now, repeatType=repeat_type) | fields
        self.db["tasks"].insert_one(task)
        self._tell("create", task)
        return ObjectId(task["_id"])

    def complete(self, task_id: ObjectId) -> None:
        """Have a person complete a task."""
        changed = {"isCompleted": True, "updatedAt": self._tick()}
        task = self.db["tasks"].find_one_and_update({"_id": task_id}, {"$set": changed})
        assert task is not None
        self._tell("complete", task)

    def delete(self, task_id: ObjectId) -> None:
        """Have a person delete a task."""
        task = self.db["tasks"].find_one_and_delete({"_id": task_id})
        assert task is not None
        self._tell("delete", task)

    def flood(self, number: int) -> None:
        """Store so many tasks that do not recur, and as many lines of the log."""
        tasks, lines = (self._number(each, number) for each in ("tasks", "useractivities"))
        made = [task_document(self.user, n, self._now, self._tick(), repeatType="none", title="flood") for n in tasks]
        log = {"userId": self.user, "action": "TASK_CREATED", "timestamp": self._now}
        self.db["tasks"].insert_many(made)
        self.db["useractivities"].insert_many([log | {"activityId": n} for n in lines])

    def occurrences(self, task_id: ObjectId) -> list[Document]:
        """Return what hangs on a task, by date."""
        return list(self.db["tasks"].find({"parentRecurringId": task_id}).sort("originalDueDate", 1))

    def days(self, task_id: ObjectId) -> list[int]:
        """Return on which days after its first one a series has tasks."""
        first = self.db["tasks"].find_one({"_id": task_id})
        assert first is not None
        return [(each["originalDueDate"] - first["originalDueDate"]).days for each in self.occurrences(task_id)]

    def cleanup(self) -> int:
        """Have the previous worker delete occurrences whose original is gone, one by one as it does."""
        cleaned = 0
        for task in list(self.db["tasks"].find({"parentRecurringId": {"$ne": None}})):
            if self.db["tasks"].find_one({"_id": task["parentRecurringId"]}) is None:
                self.db["tasks"].delete_one({"_id": task["_id"]})
                self._log("ORPHANED_RECURRING_TASK_CLEANED", task)
                cleaned += 1
        return cleaned

    def stats(self) -> dict[str, int]:
        """Return what the previous worker counts."""
        count = self.db["tasks"].count_documents
        recurring = {"repeatType": {"$ne": "none"}, "parentRecurringId": None}
        return {
            "totalTasks": count({}),
            "recurringTasks": count(recurring),
            "recurringInstances": count({"parentRecurringId": {"$ne": None}}),
            **{f"{each}Recurring": count({"repeatType": each}) for each in ("daily", "weekly", "monthly")},
        }

    def _write_event(self, operation: str, task: Document) -> None:
        now = self._tick()
        event = {"operation": operation, "taskId": task["_id"], "userId": self.user, "status": "pending"}
        self.db["task_events"].insert_one(event | {"createdAt": now, "availableAt": now})

    def _previous_worker(self, operation: str, task: Document) -> None:
        match operation:
            case "create":
                self._begin(task)
            case "complete":
                self._go_on(task)
            case _:
                gone = self.db["tasks"].delete_many({"parentRecurringId": task["_id"], "userId": self.user})
                if gone.deleted_count:
                    self._log("RECURRING_TASKS_DELETED", task)

    def _begin(self, original: Document) -> None:
        if original["repeatType"] not in ("daily", "weekly", "monthly"):
            self._log("WORKER_CREATE_FAILED", original)
            return
        last = original["originalDueDate"]
        for _ in range(3):
            last = after(last, original["repeatType"])
            self._make(original, last)

    def _go_on(self, task: Document) -> None:
        tasks, head = self.db["tasks"], task["parentRecurringId"] or task["_id"]
        still_open = {"parentRecurringId": head, "isCompleted": False, "dueDate": {"$gte": self._now}}
        following = tasks.find_one(still_open, sort=[("dueDate", 1)])
        original, last = tasks.find_one({"_id": head}), tasks.find_one({"parentRecurringId": head}, sort=LATEST)
        if following is None or original is None or last is None:
            return
        tasks.update_one({"_id": following["_id"]}, {"$set": {"parentRecurringId": head, "updatedAt": self._tick()}})
        self._log("RECURRING_TASK_UPDATED", task)
        self._make(original, after(last["originalDueDate"], original["repeatType"]))

    def _make(self, original: Document, due: datetime) -> None:
        made = task_document(self.user, self._number("tasks")[0], due, self._tick())
        made |= {name: original[name] for name in COPIED} | {"parentRecurringId": original["_id"]}
        self.db["tasks"].insert_one(made)
        self._log("RECURRING_TASK_CREATED", made)

    def _log(self, action: str, task: Document) -> None:
        line = {"userId": self.user, "action": action, "taskId": task["_id"], "timestamp": self._tick()}
        message = f"User performed {action} :: {task['_id']}"
        self.db["useractivities"].insert_one(
            line | {"message": message, "activityId": self._number("useractivities")[0], "error": None}
        )

    def _number(self, counter: str, count: int = 1) -> range:
        more = {"$inc": {"sequence_value": count}}
        after_it = ReturnDocument.AFTER
        taken = self.db["counters"].find_one_and_update({"_id": counter}, more, upsert=True, return_document=after_it)
        assert taken is not None
        last = int(taken["sequence_value"])
        return range(last - count + 1, last + 1)

    def _tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now
