"""Undo: what a cascade or a cleanup deleted is put back. What hangs on what then is decided in domain/restore.py."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import Permanent, RestoreRefused
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.domain.plan import MAX_NESTING, RETIRED, CursorMove
from recurrence_pipeline.domain.restore import Restoration, SeriesOfUser, plan_restoration
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.storage.deleted_tasks import DeletedTask
from recurrence_pipeline.storage.documents import as_contract, object_id
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.worker.context import WorkerContext, WriteStep

NAMED_AT_MOST = 5
"""Task ids in the text of a refusal."""

UNFINISHED = {EventStatus.PENDING.value, EventStatus.PROCESSING.value}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Restored:
    """What a restoration came to or, where nothing was `written`, would come to."""

    deletion: str
    deleted_at: datetime
    deleted_by: str | None
    reason: str
    written: bool
    tasks: int
    """How many tasks the deletion took."""
    restored: int = 0
    """How many of them this call put back, or would."""
    there: int = 0
    """How many were back, or had never gone."""
    gone: int = 0
    """How many were put back before and have gone since: left alone unless asked for again."""
    before: bool = False
    """Whether all of it was put back before this call."""
    plan: Restoration = field(default_factory=Restoration)
    renumbered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "deletion": self.deletion,
            "deletedAt": self.deleted_at,
            "deletedBy": self.deleted_by,
            "reason": self.reason,
            "written": self.written,
            "tasks": self.tasks,
            "restored": self.restored,
            "alreadyThere": self.there,
            "goneSince": self.gone,
            "restoredBefore": self.before,
            "newOriginals": [
                {"taskId": new.task_id, "replaces": new.replaces, "slot": new.slot, "anchor": new.anchor}
                for new in self.plan.originals.values()
            ],
            "renumbered": [{"taskId": task_id, "number": number} for task_id, number in self.renumbered.items()],
            "refused": [{"taskId": task_id, "reason": reason} for task_id, reason in self.refused.items()],
        }


class Deletions:
    """Lists deletions and puts them back. Safe to run twice, at once, and to be killed anywhere."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._deleted = context.deleted

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest deletions, newest first.

        Rows of `{deletion, deletedAt, deletedBy, reason, tasks, restored, title}`.
        """
        return [as_contract(row) for row in self._deleted.recent(limit)]

    def restore(self, deletion: str, *, dry_run: bool, again: bool = False) -> Restored:
        """Put back what a deletion took or, with `dry_run`, say what that would come to.

        All of it or nothing: a task that is there again, and is another than the one deleted, refuses the whole. What
        was interrupted is completed by asking again; what is done is not done twice. A task that was put back and has
        gone since, which is most often what its user wanted, comes back only with `again`.

        Raises:
            InvalidInput: `deletion` is not an id.
            RestoreRefused: there is no such deletion, it is not over, or a task is there again.
        """
        deletion = str(object_id(deletion, "deletion"))
        copies = self._copies(deletion)
        gone = self._gone_since(copies)
        begun = [copy for copy in copies if not copy.is_restored or (again and copy.task.id in gone)]
        missing = self._missing(deletion, begun)
        plan = self._plan(copies, begun)
        first = copies[0]
        done = Restored(deletion, first.deleted_at, first.deleted_by, first.reason, not dry_run, len(copies))
        done.plan = Restoration(originals={i: new for i, new in plan.originals.items() if i in missing})
        done.gone = 0 if again else len(gone)
        done.restored, done.there, done.before = len(missing), len(copies) - len(missing) - done.gone, not begun
        if begun and not dry_run:
            self._write(done, plan, begun, missing)
            numbers = {"restored": done.restored, "tasks": done.tasks, "new_originals": len(done.plan.originals)}
            log.info("deletion put back", deletion=deletion, renumbered=len(done.renumbered), **numbers)
        return done

    def _copies(self, deletion: str) -> Sequence[DeletedTask]:
        copies = self._deleted.copies(deletion)
        if not copies:
            raise RestoreRefused(f"deletion {deletion} took nothing that is still kept (see KEEP_DELETED_DAYS)")
        event = self._context.events.get(deletion)
        if event is not None and event.get("status") in UNFINISHED:
            raise RestoreRefused(f"deletion {deletion} is not over: its event is {event['status']}")
        return copies

    def _gone_since(self, copies: Sequence[DeletedTask]) -> set[str]:
        """Return the tasks that were put back before and are not there."""
        restored = {copy.task.id for copy in copies if copy.is_restored}
        return restored - self._context.tasks.existing(restored)

    def _missing(self, deletion: str, begun: Sequence[DeletedTask]) -> set[str]:
        """Return the tasks to put back.

        Raises:
            RestoreRefused: where ids are taken by other tasks.
        """
        ids = {copy.task.id for copy in begun}
        there = self._context.tasks.existing(ids)
        if taken := sorted(self._deleted.differing(deletion, there)):
            names = ", ".join(taken[:NAMED_AT_MOST]) + (" ..." if len(taken) > NAMED_AT_MOST else "")
            raise RestoreRefused(f"{len(taken)} of its tasks are there again and differ: {names}; nothing was restored")
        return ids - there

    def _plan(self, copies: Sequence[DeletedTask], begun: Sequence[DeletedTask]) -> Restoration:
        settled = {_series(copy): copy.original for copy in copies if copy.original}
        asked = {series: settled.get(series, series[0]) for copy in begun if (series := _series(copy))[0]}
        tasks = [copy.task for copy in copies if _series(copy) in asked]
        memories = self._context.series.read({series for series, _ in asked})
        return plan_restoration(tasks, self._standing(asked), memories, timezone=self._context.rules.timezone)

    def _standing(self, asked: Mapping[SeriesOfUser, str]) -> dict[SeriesOfUser, str]:
        """Return the originals that are there: those asked for, or what took their place."""
        standing: dict[SeriesOfUser, str] = {}
        for _ in range(MAX_NESTING):
            there = self._context.tasks.existing(set(asked.values()))
            standing |= {series: head for series, head in asked.items() if head in there}
            gone = {series: head for series, head in asked.items() if head not in there}
            if not gone:
                break
            replaced = self._deleted.replacements(set(gone.values()))
            asked = {s: replaced[head, s[1]] for s, head in gone.items() if (head, s[1]) in replaced}
        return standing

    def _write(self, done: Restored, plan: Restoration, begun: Sequence[DeletedTask], missing: set[str]) -> None:
        """Note, insert the originals, then what hangs on them, and note again: an orphan is there at no moment."""
        now = self._context.clock()
        waiting = [copy for copy in begun if copy.task.id in plan.parents]
        parents = {c.task.id: parent for c in waiting if (parent := plan.parents[c.task.id]) != c.original}
        self._deleted.begin(done.deletion, parents, now)
        self._context.on_step(WriteStep.RESTORING)
        originals = missing & plan.originals.keys()
        memories = [(i, memory) for i in originals if (memory := plan.originals[i].memory) is not None]
        self._context.series.move([CursorMove(i, memory, is_new=True) for i, memory in memories])
        self._context.on_step(WriteStep.REMEMBERED)
        written = self._put_back(done, plan, originals, now)
        self._context.on_step(WriteStep.ORIGINALS_BACK)
        above = {copy.task.id: copy.task.parent_task_id for copy in begun if copy.task.parent_task_id is not None}
        subtasks = missing & above.keys()
        occurrences = missing - originals - subtasks
        for ids, hanging_on, what in ((occurrences, plan.parents, "original"), (subtasks, above, "task")):
            homeless = {i for i in ids if hanging_on.get(i) in done.refused}
            done.refused |= dict.fromkeys(homeless, f"its {what} could not be put back")
            written += self._put_back(done, plan, ids - homeless, now)
        if done.reason in RETIRED:
            self._catch_up(set(plan.parents.values()))
        self._context.on_step(WriteStep.OCCURRENCES_BACK)
        done.restored, done.there = written, done.tasks - written - len(done.refused) - done.gone
        self._deleted.finish(done.deletion, {copy.task.id for copy in begun} - done.refused.keys(), now)
        self._context.on_step(WriteStep.RESTORED)

    def _catch_up(self, heads: set[str]) -> None:
        """Move cursors past what is back: a change may have taken them behind it."""
        for series in self._context.tasks.load(heads, PLANNED).series.values():
            if series.original is None or series.memory is None:
                continue
            with suppress(Permanent):  # what it says cannot be: it does not go on
                state = SeriesState(series, series.original, self._context.rules.timezone)
                self._context.series.move(state.moves(state.unbroken()))

    def _put_back(self, done: Restored, plan: Restoration, task_ids: set[str], now: datetime) -> int:
        to_stay = done.reason in RETIRED
        put_back = self._deleted.put_back(done.deletion, task_ids, plan, now, to_stay=to_stay)
        done.renumbered |= put_back.renumbered
        done.refused |= put_back.refused
        return len(put_back.written)


def _series(copy: DeletedTask) -> SeriesOfUser:
    return copy.task.parent_recurring_id or "", copy.task.user_id
