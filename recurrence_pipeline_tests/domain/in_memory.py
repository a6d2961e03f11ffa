"""Tasks in memory, and plans applied to them: what planning means, without a database; and builders for tests of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.planning import plan_batch, plan_deletions
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.zones import UTC

CREATED = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = CREATED + timedelta(days=90)
ALICE = "aa" * 12
BOB = "bb" * 12
ORIGINAL = "65920080" + "01" * 8


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def an_id(number: int) -> str:
    return f"65920080{number:016x}"


def an_original(repeat_type: str = "daily", due: object = utc(2024, 2, 1, 9), *, completed: bool = False) -> Task:
    return Task(
        id=ORIGINAL,
        user_id=ALICE,
        repeat_type=repeat_type,
        due_date=due,
        original_due_date=due,
        is_completed=completed,
        created_at=CREATED,
    )


def older(number: int, due: datetime, *, parent: str = ORIGINAL, completed: bool = False, user: str = ALICE) -> Task:
    """Return an occurrence as the previous worker left it: a date, and no slot number."""
    return Task(
        id=an_id(number),
        user_id=user,
        repeat_type="daily",
        due_date=due,
        original_due_date=due,
        is_completed=completed,
        parent_recurring_id=parent,
    )


def ours(slot: int | None, *, completed: bool = False, user: str = ALICE, by: str | None = None) -> Task:
    """Return an occurrence under its derived id, as this system writes it because of event `by`."""
    return Task(
        id=occurrence_id(ORIGINAL, slot or 0),
        user_id=user,
        repeat_type="daily",
        is_completed=completed,
        parent_recurring_id=ORIGINAL,
        occurrence_number=slot,
        created_by_event=by,
    )


_serial = count(1)


def an_event(operation: Operation, task_id: str = ORIGINAL, **fields: object) -> TaskEvent:
    """Return an old event of the outbox; each is its own, and later than the one before."""
    number = next(_serial)
    created_at = CREATED + timedelta(hours=1) + timedelta(milliseconds=number)
    event = TaskEvent(an_id(0xE0000000 + number), operation, task_id, created_at)
    return replace(event, **fields)  # type: ignore[arg-type]


def create(task_id: str = ORIGINAL, **fields: object) -> TaskEvent:
    return an_event(Operation.CREATE, task_id, **fields)


def complete(task_id: str = ORIGINAL, **fields: object) -> TaskEvent:
    return an_event(Operation.COMPLETE, task_id, **fields)


def delete(task_id: str = ORIGINAL, **fields: object) -> TaskEvent:
    return an_event(Operation.DELETE, task_id, **{"user_id": ALICE, **fields})


def remembered(original: Task, added: frozenset[datetime] = frozenset()) -> SeriesMemory | None:
    """Return what is known of the series of an original that stands for it: its cursor, and the date it has now."""
    if original.cursor is None:
        return None
    anchor = original.anchor if isinstance(original.anchor, datetime) else utc(2024, 2, 1, 9)
    number, rule = original.cursor.number, original.cursor.repeat_type
    return SeriesMemory.begun(number, rule, anchor, "UTC", anchor, original.original_slot, added=added)


def series_of(original: Task, *occurrences: Task, **fields: Any) -> Series:
    """Return a series as a load does: the tasks of another user are none of it."""
    own = tuple(t for t in occurrences if t.user_id == original.user_id)
    others = tuple(t for t in occurrences if t.user_id != original.user_id)
    return Series(original.id, original, own, others, **{"memory": remembered(original), **fields})


@dataclass
class InMemoryTasks:
    """A collection of tasks, with the log of what was said about them.

    A cursor on an original stands for what the worker remembers of its series.
    """

    tasks: dict[str, Task] = field(default_factory=dict)
    activities: set[str] = field(default_factory=set)
    added: dict[str, frozenset[datetime]] = field(default_factory=dict)
    """The added dates that are remembered of each series."""

    @classmethod
    def of(cls, *tasks: Task) -> "InMemoryTasks":
        """Return a collection of these tasks."""
        return cls({task.id: task for task in tasks})

    def snapshot(self) -> Snapshot:
        """Return all of it, as a load would for events that name every task."""
        climbing = Snapshot(self.tasks)
        members: dict[str, list[Task]] = {}
        for task in self.tasks.values():
            if task.parent_recurring_id is not None:
                members.setdefault(climbing.series_of(task.id).id, []).append(task)
        return Snapshot(self.tasks, self._series(self.tasks.keys() | members.keys(), members))

    def snapshot_for_deletion(self) -> Snapshot:
        """Return all of it by direct parents, as a deletion sees it."""
        members: dict[str, list[Task]] = {}
        for task in self.tasks.values():
            if task.parent_recurring_id is not None:
                members.setdefault(task.parent_recurring_id, []).append(task)
        return Snapshot(self.tasks, self._series(self.tasks.keys() | members.keys(), members))

    def plan(self, *events: TaskEvent, now: datetime = NOW, timezone: str | None = None) -> Plan:
        """Plan creations and completions."""
        return plan_batch(events, self.snapshot(), now=now, timezone=timezone)

    def plan_deletions(self, *events: TaskEvent) -> Plan:
        """Plan cascades."""
        return plan_deletions(events, self.snapshot_for_deletion())

    def apply(self, plan: Plan) -> Plan:
        """Carry a plan out, each write as harmless to repeat as in the database, and return it."""
        for new in plan.occurrences:
            like = new.original
            occurrence = replace(
                ours(new.slot, by=new.event_id),
                user_id=like.user_id,
                repeat_type=like.repeat_type,
                recurrence=like.recurrence,
                occurrence_at=new.at,
            )
            dated = replace(occurrence, id=new.id, due_date=new.due, original_due_date=new.due)
            self.tasks.setdefault(new.id, replace(dated, parent_recurring_id=new.original.id))
        self.activities |= {activity.id for activity in plan.activities}
        for link in plan.links:
            self._change(link.task_id, parent_recurring_id=link.original_id)
        for move in plan.cursors:
            if (original := self.tasks.get(move.series_id)) is not None:
                reached = max(move.memory.number, original.cursor.number if original.cursor else 0)
                self._change(original.id, cursor=Cursor(reached, move.memory.current.rule))
            self.added[move.series_id] = self.added.get(move.series_id, frozenset()) | move.memory.added
        for removal in plan.removals:
            for task_id in removal.task_ids:
                self.tasks.pop(task_id, None)
        return plan

    def work_off(self, *batches: Sequence[TaskEvent]) -> "InMemoryTasks":
        """Plan and apply batch after batch."""
        for batch in batches:
            self.apply(self.plan(*batch))
        return self

    def check_off(self, task_id: str) -> None:
        """Complete a task, as its owner does."""
        self._change(task_id, is_completed=True)

    def slots(self) -> list[int]:
        """Return the slot numbers that the tasks carry, in order."""
        numbers = (task.occurrence_number for task in self.tasks.values())
        return sorted(number for number in numbers if number is not None)

    def _change(self, task_id: str, **fields: object) -> None:
        self.tasks[task_id] = replace(self.tasks[task_id], **fields)  # type: ignore[arg-type]

    def _series(self, heads: Iterable[str], members: dict[str, list[Task]]) -> dict[str, Series]:
        found = {}
        for head in heads:
            original, hanging = self._original(head), tuple(members.get(head, ()))
            if original is None:
                found[head] = Series(head, None, hanging)
                continue
            memory = remembered(original, self.added.get(head, frozenset()))
            found[head] = series_of(original, *hanging, memory=memory)
        return found

    def _original(self, head: str) -> Task | None:
        task = self.tasks.get(head)
        return task if task is not None and task.parent_recurring_id is None else None


def new_slots(plan: Plan) -> list[int | None]:
    return [new.slot for new in plan.occurrences]


def new_days(plan: Plan) -> list[str]:
    return [new.due.strftime("%m-%d") for new in plan.occurrences]


def cursors(plan: Plan) -> dict[str, tuple[int, str]]:
    """Return where the cursors of series move to, and in which rule they count."""
    return {move.series_id: (move.memory.number, move.memory.current.rule) for move in plan.cursors}


def with_cursor(original: Task, number: int, repeat_type: str | None = None) -> Task:
    return replace(original, cursor=Cursor(number, repeat_type or original.repeat_type))


def refusal(plan: Plan) -> Exception:
    """Return why the one event was refused, sure that its plan writes nothing."""
    assert plan == Plan(refusals=plan.refusals, series_of_event=plan.series_of_event)
    (error,) = plan.refusals.values()
    return error


def a_running_series(*, completed: tuple[int, ...] = ()) -> InMemoryTasks:
    """Return a daily series with slots 1 to 3, and some of 0 to 3 completed."""
    original = with_cursor(an_original(completed=0 in completed), 3)
    return InMemoryTasks.of(original, *(ours(n, completed=n in completed) for n in (1, 2, 3)))
