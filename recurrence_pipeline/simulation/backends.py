"""Where a simulated series lives: in memory, or in a database with a real worker. Both are asked the same."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ProcessingFailed
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import Retirement
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.simulation.store import Planner, Store, plan_of
from recurrence_pipeline.storage.documents import (
    EPOCH,
    Document,
    activity_document,
    object_id,
    occurrence_document,
    task_from,
)
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.storage.sizes import stored_size

KEPT = 10
"""So many done tasks of a series stay in memory: planning reads a whole series, and would take longer every year."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a visit of the worker made and removed, and what it wrote of tasks and activities."""

    tasks: tuple[Task, ...] = ()
    removed: tuple[str, ...] = ()
    documents: int = 0
    size: int = 0
    """Bytes of BSON."""


class Backend(Protocol):
    """Holds one series, and lets the worker at it."""

    def create(self, original: Document, now: datetime) -> Made:
        """Store a new original, and have the worker make what follows."""

    def complete(self, task_id: str, now: datetime) -> Made:
        """Complete a task, and have the worker make what follows."""

    def delete(self, task_id: str, now: datetime) -> Made:
        """Delete an occurrence, as a person does."""

    def visit(self, now: datetime) -> Made:
        """Have the worker look at what time alone has changed, as the maintenance of each day does."""


class InMemory:
    """The planner alone, in microseconds."""

    def __init__(self, planner: Planner | None = None, *, kept: int = KEPT) -> None:
        self._store = Store()
        self._planner = planner or Planner()
        self._kept = kept
        self._done: list[Task] = []
        self._serial = 0
        self._original = ""

    def create(self, original: Document, now: datetime) -> Made:
        """Store a new original, and process its creation."""
        task = task_from(original, with_content=True)
        self._store.put(task)
        self._original = task.id
        return self._process(Operation.CREATE, task.id, now)

    def complete(self, task_id: str, now: datetime) -> Made:
        """Complete a task, and process that."""
        task = replace(self._store.tasks[task_id], is_completed=True, completed_at=now, updated_at=now)
        self._store.put(task)
        made = self._process(Operation.COMPLETE, task_id, now)
        self._put_aside(task)
        return made

    def delete(self, task_id: str, now: datetime) -> Made:  # noqa: ARG002 (a database's clock would want it)
        """Delete an occurrence; the worker has nothing to do."""
        self._store.delete(task_id)
        return Made()

    def visit(self, now: datetime) -> Made:
        """Ask for the series as a whole."""
        return self._process(Operation.CREATE, self._original, now)

    def _process(self, operation: Operation, task_id: str, now: datetime) -> Made:
        self._serial += 1
        event = TaskEvent(derived_id(task_id, "event", self._serial), operation, task_id, now)
        plan = plan_of(self._store, [event], now, self._planner)
        if plan.refusals:
            raise plan.refusals[event.id]
        self._store.told.clear()
        for write in self._store.writes(plan, now):
            write()
        told = self._store.told.values()
        documents = [occurrence_document(new, now, None, number) for number, new in enumerate(plan.occurrences)]
        documents += [activity_document(activity, now, number) for number, activity in enumerate(told)]
        made = tuple(self._store.made[new.id] for new in plan.occurrences)
        return Made(made, self._removed(plan.retirements), len(documents), stored_size(documents))

    def _removed(self, retirements: Iterable[Retirement]) -> tuple[str, ...]:
        ids = (task_id for retirement in retirements for task_id in retirement.task_ids)
        return tuple(task_id for task_id in ids if task_id not in self._store.tasks)

    def _put_aside(self, task: Task) -> None:
        """Forget the earliest done task where there are many; how far the series is, the latest of them says."""
        if task.parent_recurring_id is None:
            return
        self._done.append(task)
        if len(self._done) > self._kept:
            self._done.sort(key=lambda done: str(done.original_due_date))
            self._store.delete(self._done.pop(0).id)


class InDatabase:
    """A real worker on a real database, with a clock that is told the time."""

    def __init__(self, settings: Settings) -> None:
        self._now = EPOCH
        self._worker = open_worker(settings, clock=lambda: self._now, chance=lambda: 0.0)
        self._user = ""

    def __enter__(self) -> "InDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def create(self, original: Document, now: datetime) -> Made:
        """Store a new original and its event, and let the worker process it."""
        self._now = max(now, self._now)
        self._worker.init_db()
        self._user = str(original["userId"])
        self._worker.mongo.tasks.insert_one(dict(original))
        return self._process(Operation.CREATE, str(original["_id"]))

    def complete(self, task_id: str, now: datetime) -> Made:
        """Complete a task as an application does, and let the worker process that."""
        self._now = max(now, self._now)
        done = {"$set": {"isCompleted": True, "completedAt": now, "updatedAt": now}}
        self._worker.mongo.tasks.update_one({"_id": object_id(task_id)}, done)
        return self._process(Operation.COMPLETE, task_id)

    def delete(self, task_id: str, now: datetime) -> Made:
        """Delete an occurrence as an application does."""
        self._now = max(now, self._now)
        self._worker.mongo.tasks.delete_one({"_id": object_id(task_id)})
        return Made()

    def visit(self, now: datetime) -> Made:
        """Do what the maintenance of each day does."""
        self._now = max(now, self._now) + timedelta(milliseconds=1)
        self._worker.reconciliation.ask_for_missed()
        return self._work()

    def _process(self, operation: Operation, task_id: str) -> Made:
        self._now += timedelta(milliseconds=1)  # what is written in this moment is known by it
        event = new_event(task_id, operation.value, self._user, source=Source.MANUAL, now=self._now)
        self._worker.context.events.add([event], available_at=self._now)
        return self._work()

    def _work(self) -> Made:
        summary = self._worker.process_pending()
        if summary.refused:
            refused = summary.refused[0]
            raise ProcessingFailed(refused.operation.value, refused.message, code=refused.code, retryable=False)
        mongo, now = self._worker.mongo, self._now
        gone = [copy["task"] for copy in mongo.deleted.find({"deletedAt": now})]
        made = list(mongo.tasks.find({"createdAt": now, "parentRecurringId": {"$ne": None}}))
        made += [task for task in gone if task["createdAt"] == now]
        told = list(mongo.activities.find({"timestamp": now}))
        removed = tuple(str(task["_id"]) for task in gone)
        return Made(tuple(map(task_from, made)), removed, len(made) + len(told), stored_size([*made, *told]))
