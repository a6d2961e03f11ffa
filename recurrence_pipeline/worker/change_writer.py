"""The writes of a plan that change or remove what is there: only what is as the worker wrote it, and nobody touched.

What is read here is read once more just before it is written: between the plan and its writes a person may have come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import MISSED, SKIPPED, NewActivity, PutBack, Removal, Retirement, SlotEdit
from recurrence_pipeline.domain.restore import Restoration
from recurrence_pipeline.storage.documents import Document, covered_fields, is_touched, slot_fields
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.worker.context import WorkerContext, WriteStep

Write = Callable[..., Any]


class ChangeWriter:
    """Writes edits and retirements; `write` makes one group of writes, sure of the lease, and `log` activities."""

    def __init__(
        self, context: WorkerContext, write: Write, log: Callable[[Sequence[NewActivity]], None], now: datetime
    ) -> None:
        self._context = context
        self._write = write
        self._log = log
        self._now = now

    def put_back(self, tasks: Sequence[PutBack]) -> set[str]:
        """Put back what skips took, where copies are kept; return the occurrences that need not be made anew."""
        if not tasks:
            return set()
        back: set[str] = self._write(WriteStep.SKIPPED_BACK, self._put_back, {task.event_id for task in tasks})
        return {task.instead for task in tasks if task.task_id in back}

    def edit(self, edits: Sequence[SlotEdit]) -> set[str]:
        """Move and rewrite occurrences that nobody touched.

        Return the series of which a person touched one that was to move, at this very moment: its slot needs another.
        """
        if not edits:
            return set()
        stayed: set[str] = self._write(WriteStep.EDITS, self._edit, {edit.task_id: edit for edit in edits})
        return stayed

    def retire(self, retirements: Sequence[Retirement]) -> tuple[int, set[str]]:
        """Move occurrences that should not stay to `deleted_tasks`, with their sub-tasks.

        Return how many went, and the series of which one stays that was to go: it is planned anew.

        One that a person touches at this very moment stays: it gets its sub-tasks back, and no copy is kept.
        """
        if not retirements:
            return 0, set()
        reason_of = {task_id: each for each in retirements for task_id in each.task_ids}
        found = self._context.tasks.documents(reason_of)
        below = self._context.tasks.subtasks.below(found, whole=True)
        going = {i: d for i, d in found.items() if _may_go(d, reason_of[i], below.get(i, ()))}
        removals = [Removal(r.event, tuple(i for i in r.task_ids if i in going), r.reason) for r in retirements]
        along = [
            replace(removal, task_ids=tuple(_own(each, removal.task_ids, below)))
            for each, removal in zip(retirements, removals, strict=True)
        ]
        self._write(WriteStep.KEEP_RETIRED, self._context.deleted.keep, [*removals, *along], self._now)
        self._write(WriteStep.RETIREMENT_ACTIVITIES, self._log, _activities(retirements, going))
        self._write(WriteStep.RETIRE_SUBTASKS, self._context.tasks.delete, [i for r in along for i in r.task_ids])
        removed: int = self._write(WriteStep.RETIRE, self._context.edits.remove, list(going.values()))
        staying = found.keys() - going.keys()
        if removed < len(going) and (stayed := self._context.tasks.existing(going)):
            self._write(WriteStep.RETIRE, self._let_stay, retirements, stayed, below)
            staying |= stayed
        return removed, {each.original.id for i in staying if (each := reason_of[i]).reason != MISSED}

    def _let_stay(
        self, retirements: Sequence[Retirement], stayed: set[str], below: Mapping[str, Sequence[Task]]
    ) -> None:
        deleted = self._context.deleted
        for each in retirements:
            staying = stayed.intersection(each.task_ids)
            copies = {*staying, *_own(each, tuple(staying), below)}
            deleted.put_back(each.event.id, copies - staying, Restoration(), self._now)
            deleted.forget(each.event.id, copies)

    def _put_back(self, event_ids: set[str]) -> set[str]:
        deleted, back = self._context.deleted, set[str]()
        for event_id in event_ids:
            skipped = {copy.task.id: copy.task for copy in deleted.copies(event_id) if copy.reason == SKIPPED}
            copies = skipped.keys() - deleted.put_back(event_id, skipped, Restoration(), self._now).refused.keys()
            originals = {head for task in skipped.values() if (head := task.parent_recurring_id) is not None}
            if originals - self._context.tasks.existing(originals):  # the series was deleted meanwhile
                self._context.tasks.delete(copies)
                continue
            deleted.finish(event_id, copies, self._now)
            back |= copies
        return back

    def _edit(self, edits: Mapping[str, SlotEdit]) -> set[str]:
        found = self._context.tasks.documents(edits)
        free = {task_id: document for task_id, document in found.items() if not is_touched(document)}
        as_it_is = {task_id for task_id, document in free.items() if _is_as_it_is(document, edits[task_id])}
        free = {task_id: document for task_id, document in free.items() if task_id not in as_it_is}
        moved = [replace(slot, id=i) for i in free if (slot := edits[i].slot) is not None]
        following = self._context.tasks.following(moved)
        self._context.edits.rewrite(following, self._now)  # first: an occurrence that has moved is not looked at again
        done = self._context.edits.rewrite([_edited(free[i], edits[i]) for i in free], self._now)
        staying = (edits[i] for i in found.keys() - done - as_it_is)
        return {edit.original_id for edit in staying if edit.slot is not None and not edit.may_stay}


def _own(retirement: Retirement, task_ids: Sequence[str], below: Mapping[str, Sequence[Task]]) -> list[str]:
    """Return the sub-tasks of tasks that are the same user's."""
    user = retirement.original.user_id
    return [task.id for task_id in task_ids for task in below.get(task_id, ()) if task.user_id == user]


def _may_go(document: Document, retirement: Retirement, below: Sequence[Task]) -> bool:
    if str(document.get("parentRecurringId")) != retirement.original.id or document.get("isCompleted") is True:
        return False
    number, planned = document.get("occurrenceNumber"), retirement.slots[str(document["_id"])]
    if number is not None and planned is not None and number != planned:
        return False
    return retirement.whatever or not (is_touched(document) or any(task.is_touched for task in below))


def _activities(retirements: Sequence[Retirement], going: Mapping[str, Document]) -> list[NewActivity]:
    return [
        NewActivity.of(each.action, user, task_id, subject=_fact(each, task_id))
        for each in retirements
        if each.action is not None and (user := each.original.user_id) is not None
        for task_id in each.task_ids
        if task_id in going
    ]


def _fact(retirement: Retirement, task_id: str) -> str:
    """Return what is told once: a task is missed once, whoever finds it; all else may come again, for another event."""
    return task_id if retirement.reason == MISSED else derived_id(task_id, retirement.event.id)


def _is_as_it_is(document: Document, edit: SlotEdit) -> bool:
    edited = _edited(document, edit)
    return not edited.without and all(document.get(name) == value for name, value in edited.fields.items())


def _edited(document: Document, edit: SlotEdit) -> TaskEdit:
    fields: Document = {}
    without: list[str] = []
    if edit.content is not None:
        fields |= edit.content
        without += [name for name in covered_fields(document) if name in document and name not in edit.content]
    if edit.slot is not None:
        slot = slot_fields(edit.slot.slot, edit.slot.at, edit.slot.shifted_to)
        fields |= slot | {"dueDate": edit.slot.due, "originalDueDate": edit.slot.due}
        without += [name for name in ("occurrenceNumber", "shiftedTo") if name in document and name not in slot]
    return TaskEdit(document, fields, tuple(without))
