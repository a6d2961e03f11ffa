"""What is stored in a random history, in memory: tasks, what is remembered of series, what users were told. No clock.

What plans write there is store.py's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from recurrence_pipeline.domain.ids import activity_id, occurrence_id
from recurrence_pipeline.domain.memory import recall
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import NewActivity
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Action, Operation


@dataclass
class Documents:
    """Tasks, what is remembered of their series, what users were told, and why tasks were removed."""

    tasks: dict[str, Task] = field(default_factory=dict)
    memories: dict[str, SeriesMemory] = field(default_factory=dict)
    told: dict[str, NewActivity] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    """By the id of a task: why the worker removed it."""
    kept: dict[tuple[str, str], Task] = field(default_factory=dict)
    """Copies of what was retired, by the event that did it and the task."""
    events: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What each event asked for, and of which task."""
    unfinished: set[str] = field(default_factory=set)
    """Those of them that did not come to a good end."""
    made: dict[str, Task] = field(default_factory=dict)
    """Every occurrence that ever was, as it was written."""
    reopened: dict[str, datetime] = field(default_factory=dict)
    """When it was last told that a completion was taken back, by task."""
    owed: set[str] = field(default_factory=set)
    """Series whose rule was changed while slots of the earlier one were made: they are to be looked at once more."""
    _hanging: dict[str, dict[str, Task]] = field(default_factory=dict)

    def copy(self) -> Self:
        """Return the same at this moment; values are never changed, so that none is copied."""
        hanging = {parent: dict(children) for parent, children in self._hanging.items()}
        return replace(
            self,
            tasks=dict(self.tasks),
            memories=dict(self.memories),
            told=dict(self.told),
            removed=dict(self.removed),
            kept=dict(self.kept),
            events=dict(self.events),
            unfinished=set(self.unfinished),
            made=dict(self.made),
            reopened=dict(self.reopened),
            owed=set(self.owed),
            _hanging=hanging,
        )

    # What the application does

    def put(self, task: Task) -> None:
        """Store a task, in the place of what has its id."""
        if (before := self.tasks.get(task.id)) is not None and before.parent_recurring_id is not None:
            self._hanging[before.parent_recurring_id].pop(task.id, None)
        self.tasks[task.id] = task
        if task.parent_recurring_id is not None:
            self._hanging.setdefault(task.parent_recurring_id, {})[task.id] = task

    def delete(self, task_id: str) -> Task | None:
        """Take a task away, and return it; None where it is not there."""
        task = self.tasks.pop(task_id, None)
        if task is not None and task.parent_recurring_id is not None:
            self._hanging[task.parent_recurring_id].pop(task_id, None)
        return task

    def note(self, event: TaskEvent) -> None:
        """Keep an event that somebody writes."""
        self.events[event.id] = (event.operation.value, event.task_id)
        self.unfinished.add(event.id)
        if event.operation is Operation.REOPEN:
            self.reopened[event.task_id] = max(event.created_at, self.reopened.get(event.task_id, event.created_at))

    # What the worker reads

    def load(self, task_ids: Iterable[str]) -> Snapshot:
        """Return the named tasks, and the series that they are of."""
        tasks = {i: self.tasks[i] for i in task_ids if i in self.tasks}
        heads = {task.parent_recurring_id or task.id for task in tasks.values()} | {*task_ids} - tasks.keys()
        tasks |= {head: self.tasks[head] for head in heads if head in self.tasks}
        reopened = {i: at for i, at in self.reopened.items() if i in tasks and not tasks[i].is_completed}
        return Snapshot(tasks, {head: self.series(head) for head in heads}, self.events, reopened=reopened)

    def load_for_changes(self, events: Iterable[TaskEvent]) -> Snapshot:
        """Return what changes speak of, be it gone because of an earlier try of theirs."""
        named = {event.task_id for event in events}
        retired = {event.id: [t for (by, _), t in self.kept.items() if by == event.id] for event in events}
        gone = {task.id: task for tasks in retired.values() for task in tasks}
        heads = {str(gone[i].parent_recurring_id) for i in named & gone.keys()}
        snapshot = self.load(named | heads)
        lost = {event_id: tuple(t.id for t in ts if t.id not in self.tasks) for event_id, ts in retired.items()}
        tasks = {**{i: gone[i] for i in named & gone.keys()}, **snapshot.tasks}
        return replace(snapshot, tasks=tasks, retired=lost)

    def load_for_deletion(self, task_ids: Iterable[str]) -> Snapshot:
        """Return the named tasks, and what hangs on them or beside them."""
        tasks = {i: self.tasks[i] for i in task_ids if i in self.tasks}
        heads = {*task_ids, *(t.parent_recurring_id for t in tasks.values() if t.parent_recurring_id)}
        tasks |= {head: self.tasks[head] for head in heads if head in self.tasks}
        return Snapshot(tasks, {head: self.series(head) for head in heads})

    def series(self, head: str) -> Series:
        """Return a series as it is."""
        original = self.tasks.get(head)
        if original is not None and original.parent_recurring_id is not None:
            original = None
        members, memory = tuple(self._hanging.get(head, {}).values()), self.memories.get(head)
        recalled = self._recalled(original, members) if original is not None and memory is None else None
        return Series(head, original, members, memory=memory, recalled=recalled)

    def _recalled(self, original: Task, members: Sequence[Task]) -> Cursor | None:
        """Return how far a series is at least that nothing is remembered of, as storage/evidence.py has it."""
        deleted = [t for i in self.removed if (t := self.made.get(i)) and t.parent_recurring_id == original.id]
        numbers = [task.occurrence_number for task in deleted if task.occurrence_number is not None]
        found = recall(original, members, unfinished=self.unfinished, deleted=numbers)
        while found and activity_id(Action.CREATED, occurrence_id(original.id, found.number + 1)) in self.told:
            found = replace(found, number=found.number + 1)
        return found
