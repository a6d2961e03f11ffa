"""Plans carried out on documents in memory as worker/batch.py does in the database. No clock, no chance.

Every write is as harmless to repeat as the database's, and they come in the same order, so that a crash can be put
behind any of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.content import content_for
from recurrence_pipeline.domain.errors import MemoryChanged
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import (
    MISSED,
    CursorMove,
    MemoryChange,
    NewActivity,
    NewOccurrence,
    Plan,
    PutBack,
    Removal,
    Reparent,
    Retirement,
    SlotEdit,
    SlotSkip,
)
from recurrence_pipeline.domain.planning import plan_batch, plan_deletions
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation
from recurrence_pipeline.simulation.documents import Documents

Write = Callable[[], None]


class Planner(NamedTuple):
    """What turns events and a snapshot into a plan; a broken one shows that an invariant can fail."""

    batch: Callable[..., Plan] = plan_batch
    changes: Callable[..., Plan] = plan_changes
    deletions: Callable[..., Plan] = plan_deletions


class Store(Documents):
    """Documents, and the writes of a plan upon them."""

    def writes(self, plan: Plan, now: datetime) -> Iterator[Write]:
        """Yield the writes of a plan of anything but deletions, to be made one by one; a crash leaves the rest.

        Where something was changed that the plan builds on, its events are refused, and no more is written.
        """
        yield partial(self._remember, plan.begun)
        yield from self._sure(plan, self._change, plan.memories)
        yield from self._sure(plan, self._skip, [skip for skip in plan.skips if skip.skipped is not None])
        yield from (partial(self._put_back, plan, back) for back in plan.put_back)
        yield from (partial(self._insert, plan, new, now) for new in plan.occurrences)
        gone = {new.original.id for new in plan.occurrences} - self.tasks.keys()
        undone = {new.id for new in plan.occurrences if new.original.id in gone}
        yield partial(self._undo, undone)
        yield partial(self._tell, [activity for activity in plan.activities if activity.task_id not in undone])
        yield from (partial(self._link, link) for link in plan.links)
        yield from self._sure(plan, partial(self._edit, now=now), plan.edits)
        yield from (partial(self._remove, removal) for removal in plan.removals)
        yield from self._sure(plan, self._change, plan.raised)
        if not self._is_void(plan):
            yield partial(self._move, [move for move in plan.cursors if move.series_id not in gone])
        yield from self._sure(plan, self._skip, [skip for skip in plan.skips if skip.skipped is None])
        yield from self._sure(plan, self._retire, plan.retirements)
        yield from self._sure(plan, self._change, plan.lowered)

    def _sure(self, plan: Plan, write: Callable[..., bool], values: Iterable[Any]) -> Iterator[Write]:
        """Yield writes of which one that finds something else than was planned with ends the plan."""
        for value in values:
            if self._is_void(plan):
                return
            yield partial(self._or_refuse, plan, write, value)

    def _or_refuse(self, plan: Plan, write: Callable[..., bool], value: object) -> None:
        if not write(value):
            error = MemoryChanged("it was changed at the same moment")
            plan.refusals |= {event_id: error for event_id in plan.answers if event_id not in plan.refusals}

    def _is_void(self, plan: Plan) -> bool:
        return any(isinstance(error, MemoryChanged) for error in plan.refusals.values())

    def deletion_writes(self, plan: Plan) -> Iterator[Write]:
        """Yield the writes of a plan of deletions."""
        yield partial(self._remember, plan.cursors)
        yield partial(self._tell, plan.activities)
        for removal in plan.removals:
            yield partial(self._remove, removal)

    def _insert(self, plan: Plan, new: NewOccurrence, now: datetime) -> None:
        if new.id not in self.tasks and not self._is_void(plan):
            self.put(task := occurrence(new, now))
            self.made.setdefault(new.id, task)

    def _undo(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            self.delete(task_id)

    def _tell(self, activities: Iterable[NewActivity]) -> None:
        for activity in activities:
            self.told.setdefault(activity.id, activity)

    def _link(self, link: Reparent) -> None:
        task = self.tasks.get(link.task_id)
        if task is not None and task.parent_recurring_id == link.seen:
            self.put(replace(task, parent_recurring_id=link.original_id))

    def _remove(self, removal: Removal) -> None:
        for task_id in removal.task_ids:
            if self.delete(task_id) is not None:
                self.removed[task_id] = removal.reason

    def _retire(self, retirement: Retirement) -> bool:
        """Remove what hangs on the original and nobody touched, or `whatever` it is; say whether all went."""
        original, stays = retirement.original, False
        for task_id in retirement.task_ids:
            if not self.may_retire(retirement, task_id):
                stays |= task_id in self.tasks
                continue
            self.kept[retirement.event.id, task_id] = self.tasks[task_id]
            self.delete(task_id)
            self.removed[task_id] = retirement.reason
            subject = task_id if retirement.reason == MISSED else derived_id(task_id, retirement.event.id)
            if retirement.action is not None and original.user_id is not None:
                self._tell([NewActivity.of(retirement.action, original.user_id, task_id, subject=subject)])
        return not stays or retirement.reason == MISSED

    def _change(self, change: MemoryChange) -> bool:
        known, seen, new = self.memories.get(change.series_id), change.seen, change.new
        if known is None:
            return False
        is_same = (known.number, known.passed, known.rule_version) == (seen.number, seen.passed, seen.rule_version)
        if not is_same:
            return replace(known, added=new.added, original_slot=new.original_slot) == new
        self.memories[change.series_id] = replace(
            known,
            number=new.number,
            at=new.at,
            passed=new.passed,
            added=(known.added - (seen.added - new.added)) | (new.added - seen.added),
            revisions=new.revisions,
            followed=new.followed,
        )
        return True

    def _skip(self, skip: SlotSkip) -> bool:
        known = self.memories.get(skip.series_id)
        if known is None or known.rule_version != skip.rule_version:
            return skip.is_noted(known)
        self.memories[skip.series_id] = known.skipping(skip.slot, skip.skipped)
        return True

    def _put_back(self, plan: Plan, back: PutBack) -> None:
        """Put a task back of which a copy is kept; what was to be made in its place is not."""
        if self._is_void(plan) or (task := self.kept.get((back.event_id, back.task_id))) is None:
            return
        if task.id not in self.tasks:
            self.put(task)
            self.removed.pop(task.id, None)
        plan.occurrences = [new for new in plan.occurrences if new.id != back.instead]
        plan.leave_out({back.instead})
        plan.activities = [activity for activity in plan.activities if activity.task_id != back.instead]

    def _edit(self, edit: SlotEdit, *, now: datetime) -> bool:
        """Move or rewrite what nobody touched; say whether all that was to move did."""
        task = self.tasks.get(edit.task_id)
        if task is None or task.is_touched is not False:
            return task is None or edit.slot is None or edit.may_stay
        if (slot := edit.slot) is not None and (slot.due, slot.slot) != (task.due_date, task.occurrence_number):
            task = replace(task, due_date=slot.due, original_due_date=slot.due, occurrence_number=slot.slot)
            task = replace(task, occurrence_at=slot.at, shifted_to=slot.shifted_to)
        if edit.content is not None:
            task = replace(task, content=edit.content, title=str(edit.content.get("title")))
        self.put(replace(task, updated_at=now))
        return True

    def may_retire(self, retirement: Retirement, task_id: str) -> bool:
        """Say whether a task goes that is to be retired."""
        task = self.tasks.get(task_id)
        if task is None or task.parent_recurring_id != retirement.original.id or task.is_completed:
            return False
        number, planned = task.occurrence_number, retirement.slots.get(task_id)
        if number is not None and planned is not None and number != planned:
            return False
        return retirement.whatever or task.is_touched is False

    def _move(self, moves: Iterable[CursorMove]) -> None:
        """Remember moves by the rule that is followed now; a series of another one is owed a look."""
        for move in moves:
            known = self.memories.get(move.series_id)
            if known is not None and known.rule_version != move.memory.rule_version:
                self.owed.add(move.series_id)
                self.memories[move.series_id] = replace(known, added=known.added | move.memory.added)
            else:
                self._remember([move])

    def _remember(self, moves: Iterable[CursorMove]) -> None:
        for move in moves:
            known, new = self.memories.get(move.series_id), move.memory
            if known is None:
                self.memories[move.series_id] = new
                continue
            further = new if new.number > known.number else known
            cursor = {"number": further.number, "at": further.at, "passed": further.passed}
            self.memories[move.series_id] = replace(known, added=known.added | new.added, **cursor)  # type: ignore[arg-type]


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
        shifted_to=new.shifted_to,
        recurrence=original.recurrence,
        created_by_event=new.event_id,
        is_touched=False,
        content=content_for(original),
    )


def plan_of(store: Store, events: Sequence[TaskEvent], now: datetime, planner: Planner) -> Plan:
    """Plan creations and completions from what the store holds now."""
    return planner.batch(events, store.load([event.task_id for event in events]), now=now)


def process(store: Store, event: TaskEvent, now: datetime, planner: Planner) -> Plan:
    """Have a worker process one event, and return what it planned."""
    store.note(event)
    if event.operation is Operation.DELETE:
        plan = planner.deletions([event], store.load_for_deletion([event.task_id]))
        writes = store.deletion_writes(plan)
    else:
        if event.operation in CHANGES:
            plan = planner.changes([event], store.load_for_changes([event]), now=now)
        else:
            plan = planner.batch([event], store.load([event.task_id]), now=now)
        writes = store.writes(plan, now)
    for write in writes:
        write()
    store.unfinished -= plan.answers.keys() - plan.refusals.keys()
    return plan
