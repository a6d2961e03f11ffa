"""A random history lived twice: in memory, and by a real worker on a real database, step by step.

What people do is the simulator's; here it is written down as an application does, and both sides are compared.
"""

from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.content import SCHEMA_DEFAULTS
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.simulation import acts
from recurrence_pipeline.simulation.acts import Act
from recurrence_pipeline.simulation.history import SOON, History
from recurrence_pipeline.simulation.random_series import USER
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.world import World

BY_A_PERSON: dict[Act, int] = {
    acts.complete: 5,
    acts.change: 2,
    acts.delete: 1,
    acts.clear: 1,
    acts.edit: 4,
    acts.reopen: 2,
    acts.skip: 3,
    acts.unskip: 1,
    acts.wait: 2,
}
STEPS = 9
FIELDS = {
    "title": "title",
    "due_date": "dueDate",
    "original_due_date": "originalDueDate",
    "is_completed": "isCompleted",
    "completed_at": "completedAt",
    "repeat_type": "repeatType",
    "recurrence": "recurrence",
    "timezone": "timezone",
    "updated_at": "updatedAt",
}
"""What people change of a task, and what that is called where it is stored."""


class Life:
    """A history, and the world that it happens in."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.history = History(seed)
        self.history.changes_come = True
        self.told: list[str] = []
        self._written: dict[str, Task] = {}
        self._sent: set[str] = set()

    def live(self) -> None:
        """Live through it, up to where nothing is left to do."""
        history = self.history
        self.told.append(history.begin())
        self.work()
        for _ in range(STEPS):
            act = history.chance.choices(list(BY_A_PERSON), list(BY_A_PERSON.values()))[0]
            if (said := act(history)) is not None:
                self.told.append(said)
                self._write()
            if history.chance.random() < 0.5:
                self.work()
        history.now += SOON
        self.work()
        while history.reconcile() or history.queue:
            history.now += SOON
            self.work()

    def work(self) -> None:
        """Let workers process all that waits, here and there, and compare what they come to."""
        self._write()
        self.told.append(self.history.process([list(self.history.queue)], dies=False))
        self.world.now = self.history.now
        self.world.work()
        self._written = dict(self.history.store.tasks)
        wanted = set(map(_seen, self._written.values()))
        there = set(map(_seen_there, self.world.worker.mongo.tasks.find()))
        assert there == wanted, "\n".join([*self.told, f"there: {there - wanted}", f"in memory: {wanted - there}"])

    def _write(self) -> None:
        """Write what people did since, as an application does."""
        mongo, tasks = self.world.worker.mongo, self.history.store.tasks
        for task_id, task in tasks.items():
            if (before := self._written.get(task_id)) is None:
                mongo.tasks.insert_one(_document(task))
            elif before is not task:
                mongo.tasks.update_one({"_id": ObjectId(task_id)}, _difference(before, task))
        for task_id in self._written.keys() - tasks.keys():
            mongo.tasks.delete_one({"_id": ObjectId(task_id)})
        self._written = dict(tasks)
        for event in self.history.queue:
            if event.id not in self._sent:
                self._sent.add(event.id)
                self.world.now = event.created_at
                name = "fromSlot" if event.operation is Operation.UPDATE else "slot"
                more: Document = {name: event.slot} if event.slot is not None else {}
                more |= {"undo": True} if event.undo else {}
                self.world.user = ObjectId(USER)
                self.world.add_event(
                    event.operation.value,
                    ObjectId(event.task_id),
                    _id=ObjectId(event.id),
                    source=event.source.value,
                    **more,
                )


def _document(task: Task) -> Document:
    return {
        "_id": ObjectId(task.id),
        "taskId": 1,
        "userId": ObjectId(USER),
        **SCHEMA_DEFAULTS,
        **{stored: getattr(task, name) for name, stored in FIELDS.items() if getattr(task, name) is not None},
        "parentTaskId": None,
        "parentRecurringId": None,
        "createdAt": task.created_at,
        "__v": 0,
    }


def _difference(before: Task, task: Task) -> Document:
    changed = {s: getattr(task, name) for name, s in FIELDS.items() if getattr(before, name) != getattr(task, name)}
    lost = [name for name, value in changed.items() if value is None]
    update: Document = {"$set": {name: value for name, value in changed.items() if value is not None}}
    return update | ({"$unset": dict.fromkeys(lost, "")} if lost else {})


def _seen(task: Task) -> tuple[Any, ...]:
    return task.id, task.title, task.due_date, task.occurrence_number, task.is_completed


def _seen_there(task: Document) -> tuple[Any, ...]:
    return str(task["_id"]), task["title"], task["dueDate"], task.get("occurrenceNumber"), task["isCompleted"]
