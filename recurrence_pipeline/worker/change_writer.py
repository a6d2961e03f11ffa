"""The writes of a plan that change or remove what is there: only what is as the worker wrote it, and nobody touched.

What is read here is read once more just before it is written: between the plan and its writes a person may have come.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.model import Task, derived_id
from recurrence_pipeline.domain.plan import NewActivity, PutBack, Removal, Retirement, SlotEdit
from recurrence_pipeline.domain.planning import removal_of_subtasks
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

    def put_back(self, tasks: Sequence[PutBack]) -> None:
        """Put back what skips took, where copies are kept; what is not there is made anew by the insertion."""
        if tasks:
            self._write(WriteStep.SKIPPED_BACK, self._put_back, {task.event_id for task in tasks})

    def edit(self, edits: Sequence[SlotEdit]) -> None:
        """Move and rewrite occurrences that nobody touched."""
        if edits:
            self._write(WriteStep.EDITS, self._edit, {edit.task_id: edit for edit in edits})

    def retire(self, retirements: Sequence[Retirement]) -> int:
        """Move occurrences that should not stay to `deleted_tasks`, with their sub-tasks; return how many went.

        A copy of one that a person touches at this very moment is of no use: the task stays.
        """
        if not retirements:
            return 0
        reason_of = {task_id: each for each in retirements for task_id in each.task_ids}
        found = {str(document["_id"]): document for document in self._context.edits.documents(reason_of)}
        below = self._context.tasks.subtasks(found, whole=True)
        going = {i: d for i, d in found.items() if _may_go(d, reason_of[i], below.get(i, ()))}
        removals = [Removal(r.event, tuple(i for i in r.task_ids if i in going), r.reason) for r in retirements]
        along = [removal_of_subtasks(removal, below) for removal in removals]
        self._write(WriteStep.KEEP_RETIRED, self._context.deleted.keep, [*removals, *along], self._now)
        self._write(WriteStep.RETIREMENT_ACTIVITIES, self._log, list(_activities(retirements, going)))
        self._write(WriteStep.RETIRE_SUBTASKS, self._context.tasks.delete, [i for r in along for i in r.task_ids])
        removed: int = self._write(WriteStep.RETIRE, self._context.edits.remove, list(going.values()))
        return removed

    def _put_back(self, event_ids: set[str]) -> None:
        deleted = self._context.deleted
        for event_id in event_ids:
            copies = {copy.task.id for copy in deleted.copies(event_id)}
            back = deleted.put_back(event_id, copies, Restoration(), self._now)
            deleted.finish(event_id, copies - back.refused.keys(), self._now)

    def _edit(self, edits: Mapping[str, SlotEdit]) -> None:
        found = self._context.edits.documents(edits)
        changes = [_edited(document, edits[str(document["_id"])]) for document in found if not is_touched(document)]
        self._context.edits.rewrite(changes, self._now)


def _may_go(document: Document, retirement: Retirement, below: Sequence[Task]) -> bool:
    if str(document.get("parentRecurringId")) != retirement.original.id or document.get("isCompleted") is True:
        return False
    return retirement.whatever or not (is_touched(document) or any(task.is_touched for task in below))


def _activities(retirements: Sequence[Retirement], going: Mapping[str, Document]) -> "list[NewActivity]":
    return [
        NewActivity.of(each.action, user, task_id, subject=derived_id(task_id, each.event.id))
        for each in retirements
        if each.action is not None and (user := each.original.user_id) is not None
        for task_id in each.task_ids
        if task_id in going
    ]


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
