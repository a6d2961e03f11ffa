"""Tasks in memory, and plans carried out on them as worker/batch.py does in the database. No clock, no chance.

Every write is as harmless to repeat as the database's, and they come in the same order, so that a crash can be put
behind any of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Self

from recurrence_pipeline.domain.model import Series, SeriesMemory, Task, TaskEvent
from recurrence_pipeline.domain.plan import CursorMove, NewActivity, NewOccurrence, Plan, Removal, Snapshot
from recurrence_pipeline.domain.planning import plan_batch, plan_deletions

Write = Callable[[], None]


class Planner(NamedTuple):
    """What turns events and a snapshot into a plan; a broken one shows that an invariant can fail."""

    batch: Callable[..., Plan] = plan_batch
    deletions: Callable[..., Plan] = plan_deletions


@dataclass
class Store:
    """Tasks, what is remembered of their series, what users were told, and why tasks were removed."""

    tasks: dict[str, Task] = field(default_factory=dict)
    memories: dict[str, SeriesMemory] = field(default_factory=dict)
    told: dict[str, NewActivity] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    """By the id of a task: why the worker removed it."""
    _hanging: dict[str, dict[str, Task]] = field(default_factory=dict)

    def copy(self) -> Self:
        """Return the same at this moment; values are never changed, so that none is copied."""
        hanging = {parent: dict(children) for parent, children in self._hanging.items()}
        return type(self)(dict(self.tasks), dict(self.memories), dict(self.told), dict(self.removed), hanging)

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

    # What the worker reads

    def load(self, task_ids: Iterable[str]) -> Snapshot:
        """Return the named tasks, and the series that they are of."""
        tasks = {i: self.tasks[i] for i in task_ids if i in self.tasks}
        heads = {task.parent_recurring_id or task.id for task in tasks.values()} | {*task_ids} - tasks.keys()
        tasks |= {head: self.tasks[head] for head in heads if head in self.tasks}
        return Snapshot(tasks, {head: self._series(head) for head in heads})

    def load_for_deletion(self, task_ids: Iterable[str]) -> Snapshot:
        """Return the named tasks, and what hangs on them or beside them."""
        tasks = {i: self.tasks[i] for i in task_ids if i in self.tasks}
        heads = {*task_ids, *(t.parent_recurring_id for t in tasks.values() if t.parent_recurring_id)}
        tasks |= {head: self.tasks[head] for head in heads if head in self.tasks}
        return Snapshot(tasks, {head: self._series(head) for head in heads})

    def _series(self, head: str) -> Series:
        original = self.tasks.get(head)
        if original is not None and original.parent_recurring_id is not None:
            original = None
        return Series(head, original, tuple(self._hanging.get(head, {}).values()), memory=self.memories.get(head))

    # What the worker writes

    def writes(self, plan: Plan, now: datetime) -> Iterator[Write]:
        """Yield the writes of a plan of creations and completions, to be made one by one; a crash leaves the rest."""
        for new in plan.occurrences:
            yield lambda new=new: self._insert(new, now)  # type: ignore[misc]
        gone = {new.original.id for new in plan.occurrences} - self.tasks.keys()
        undone = {new.id for new in plan.occurrences if new.original.id in gone}
        yield lambda: self._undo(undone)
        yield lambda: self._tell(activity for activity in plan.activities if activity.task_id not in undone)
        for link in plan.links:
            task = self.tasks.get(link.task_id)
            if task is not None and task.parent_recurring_id == link.seen:
                moved = replace(task, parent_recurring_id=link.original_id)
                yield lambda moved=moved: self.put(moved)  # type: ignore[misc]
        for removal in plan.removals:
            yield lambda removal=removal: self._remove(removal)  # type: ignore[misc]
        yield lambda: self._remember(move for move in plan.cursors if move.series_id not in gone)

    def deletion_writes(self, plan: Plan) -> Iterator[Write]:
        """Yield the writes of a plan of deletions."""
        yield lambda: self._remember(plan.cursors)
        yield lambda: self._tell(plan.activities)
        for removal in plan.removals:
            yield lambda removal=removal: self._remove(removal)  # type: ignore[misc]

    def _insert(self, new: NewOccurrence, now: datetime) -> None:
        if new.id not in self.tasks:
            self.put(occurrence(new, now))

    def _undo(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            self.delete(task_id)

    def _tell(self, activities: Iterable[NewActivity]) -> None:
        for activity in activities:
            self.told.setdefault(activity.id, activity)

    def _remove(self, removal: Removal) -> None:
        for task_id in removal.task_ids:
            if self.delete(task_id) is not None:
                self.removed[task_id] = removal.reason

    def _remember(self, moves: Iterable[CursorMove]) -> None:
        for move in moves:
            known, new = self.memories.get(move.series_id), move.memory
            if known is None:
                self.memories[move.series_id] = new
                continue
            number, at = max((known.number, known.at), (new.number, new.at), key=lambda reached: reached[0])
            self.memories[move.series_id] = replace(known, number=number, at=at, added=known.added | new.added)


def occurrence(new: NewOccurrence, now: datetime) -> Task:
    """Return an occurrence as it is written, and read again."""
    original = new.original
    return Task(
        id=new.id,
        user_id=original.user_id,
        title=original.title,
        repeat_type=original.repeat_type,
        due_date=new.due,
        original_due_date=new.due,
        parent_recurring_id=original.id,
        created_at=now,
        updated_at=now,
        timezone=original.timezone,
        occurrence_number=new.slot,
        occurrence_at=new.at,
        recurrence=original.recurrence,
        created_by_event=new.event_id,
    )


def plan_of(store: Store, events: Sequence[TaskEvent], now: datetime, planner: Planner) -> Plan:
    """Plan creations and completions from what the store holds now."""
    return planner.batch(events, store.load([event.task_id for event in events]), now=now)
