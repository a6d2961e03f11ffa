"""Undo: what a cascade or a cleanup deleted is put back: load -> plan -> apply.

What may be put back, and what hangs on what then, is decided in domain/restore.py.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.plan import CursorMove
from recurrence_pipeline.domain.restore import (
    DeletedTask,
    Deletion,
    NewOriginal,
    RestorePlan,
    SeriesOfUser,
    plan_restore,
)
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.snapshot import MAX_NESTING
from recurrence_pipeline.storage.contract_values import as_contract
from recurrence_pipeline.storage.deleted_tasks import RestoreResult
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.worker.context import WorkerContext, WriteStep

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restoration came to or, where nothing was `written`, would come to."""

    deletion: str
    deleted_at: datetime
    deleted_by: str | None
    reason: str
    written: bool
    tasks: int
    """How many tasks the deletion took."""
    restored: int
    """How many of them this call put back, or would."""
    there: int
    """How many were back, or had never gone."""
    gone: int
    """How many were put back before and have gone since: left alone unless asked for again."""
    before: bool
    """Whether all of it was put back before this call."""
    originals: Mapping[str, NewOriginal]
    renumbered: Mapping[str, int]
    refused: Mapping[str, str]

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
                for new in self.originals.values()
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
        found = self._load(str(object_id(deletion, "deletion")))
        plan = plan_restore(found, again=again, timezone=self._context.rules.timezone)
        if dry_run or not plan.done:
            return _restored(found, plan, RestoreResult(set(plan.missing)), written=not dry_run)
        done = _restored(found, plan, self._apply(found, plan), written=True)
        numbers = {"restored": done.restored, "tasks": done.tasks, "new_originals": len(done.originals)}
        log.info("deletion put back", deletion=found.id, renumbered=len(done.renumbered), **numbers)
        return done

    def _load(self, deletion: str) -> Deletion:
        copies = self._deleted.copies(deletion)
        event = self._context.events.get(deletion) or {}
        there = self._context.tasks.existing({copy.task.id for copy in copies})
        never_back = {copy.task.id for copy in copies if not copy.is_restored}
        return Deletion(
            deletion,
            tuple(copies),
            event.get("status"),
            there=frozenset(there),
            differing=frozenset(self._deleted.differing(deletion, there & never_back)),
            standing=self._standing(copies),
            memories=self._context.series.read({copy.series[0] for copy in copies if copy.series is not None}),
        )

    def _standing(self, copies: Sequence[DeletedTask]) -> dict[SeriesOfUser, str]:
        """Return the originals that are there: what copies say, those of before, or what took their place."""
        settled = {copy.series: copy.original for copy in copies if copy.original}
        asked = {series: settled.get(series, series[0]) for copy in copies if (series := copy.series) is not None}
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

    def _apply(self, deletion: Deletion, plan: RestorePlan) -> RestoreResult:
        """Note, insert the originals, then what hangs on them, and note again: an orphan is there at no moment."""
        now = self._context.clock()
        self._deleted.begin(deletion.id, plan.marks, now)
        self._context.on_step(WriteStep.RESTORING)
        memories = [(i, new.memory) for i, new in plan.originals.items() if new.memory is not None]
        self._context.series.move([CursorMove(i, memory, is_new=True) for i, memory in memories])
        self._context.on_step(WriteStep.REMEMBERED)
        result = self._put_back(deletion, plan, plan.originals.keys(), now)
        self._context.on_step(WriteStep.ORIGINALS_BACK)
        below = (plan.occurrences, plan.hanging.parents, "original"), (plan.subtasks.keys(), plan.subtasks, "task")
        for ids, above, what in below:
            homeless = {i for i in ids if above.get(i) in result.refused}
            result.refused |= dict.fromkeys(homeless, f"its {what} could not be put back")
            result.add(self._put_back(deletion, plan, ids - homeless, now))
        if plan.to_stay:
            self._catch_up(set(plan.hanging.parents.values()))
        self._context.on_step(WriteStep.OCCURRENCES_BACK)
        self._deleted.finish(deletion.id, plan.done - result.refused.keys(), now)
        self._context.on_step(WriteStep.RESTORED)
        return result

    def _put_back(
        self, deletion: Deletion, plan: RestorePlan, task_ids: AbstractSet[str], now: datetime
    ) -> RestoreResult:
        return self._deleted.put_back(deletion.id, task_ids, plan.hanging, now, to_stay=plan.to_stay)

    def _catch_up(self, heads: set[str]) -> None:
        """Move cursors past what is back: a change may have taken them behind it."""
        for series in self._context.tasks.load(heads, PLANNED).series.values():
            if series.original is None or series.memory is None:
                continue
            with suppress(Permanent):  # what it says cannot be: it does not go on
                state = SeriesState(series, series.original, self._context.rules.timezone)
                self._context.series.move(state.moves_past_what_is_there())


def _restored(deletion: Deletion, plan: RestorePlan, result: RestoreResult, *, written: bool) -> Restored:
    first, tasks, gone = deletion.copies[0], len(deletion.copies), len(plan.gone)
    return Restored(
        deletion.id,
        first.deleted_at,
        first.deleted_by,
        first.reason,
        written,
        tasks,
        restored=len(result.written),
        there=tasks - len(result.written) - len(result.refused) - gone,
        gone=gone,
        before=not plan.done,
        originals=plan.originals,
        renumbered=result.renumbered,
        refused=result.refused,
    )
