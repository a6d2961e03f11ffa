"""Reconciliation: finds the work that was never queued, and asks for it with events. It deletes nothing itself.

A look reads a bounded number of tasks and returns the position to go on from. It moves only after the events are
written, and they have derived ids: a look that is cut off, repeated or made by two at once asks for the same once.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.scan import DeletedOriginal, KeysetPosition, TaskVersion
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.reconciliation.rules import (
    START,
    Looking,
    Reason,
    ScanState,
    due,
    is_suspect,
    may_have_begun_since,
    may_miss,
    reason_to_ask,
    request,
    request_deletion,
)
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.storage.timeouts import time_limit
from recurrence_pipeline.worker.context import WorkerContext

RECENT = 10
"""How many times the size of a piece of the sweep the recent walk may read in one look."""

STRIDES = 4
"""How often one look may ask for more of the sweep where it found little."""

LONGEST_LOOK = timedelta(seconds=30)
"""Dagster gives up on an evaluation after a minute, and does not end it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnqueuedWork:
    """A task that was never queued, and the original of its series."""

    sighting: TaskVersion
    original: Task
    reason: Reason
    due: tuple[object, ...] = ()
    """What the time alone asks for."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one look came to: where the next one goes on, how many tasks it read, how many events it wrote.

    `came_round` says that the sweep has seen the last of all tasks.
    """

    position: str
    looked_at: int
    asked: int
    came_round: bool = False


class Reconciliation:
    """Looks for work that was never queued. Safe to be killed anywhere, and to be done by several at once."""

    def __init__(self, context: WorkerContext) -> None:
        self._tasks = context.tasks
        self._series = context.series
        self._events = context.events
        self._changes = context.task_changes
        self._watermark = context.watermark
        self._step = context.rules.reconcile_step
        self._timezone = context.rules.timezone
        self._follow_edits = context.rules.follow_edits
        self._clock = context.clock

    def look(self, position: str | None = None) -> ScanResult:
        """Look at what changed lately and at the next piece of all tasks, and ask for what was never queued.

        `position` is that of the look before; None for the first one.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with; the same look can be made again.
        """
        now = self._clock()
        at = ScanState.parse(position, now)
        mark = self._watermark.read()  # before the limit: one that is away is not waited for as long
        with time_limit(LONGEST_LOOK):
            limit = RECENT * self._step
            if position is None:  # else its first piece is all there is: some servers read that to bring a part
                at = replace(at, begins=self._changes.oldest(limit))
            recent = self._changes.after(at.recent, at.recent_until(now), limit)
            undated = self._changes.after(KeysetPosition.undated_since(now), None, limit)
            at = at.after_recent(recent.places, limit, now)
            swept, at = self._sweep(at, now)
            odd = self._changes.oddly_dated(self._step)
            sightings = (*recent.sightings, *undated.sightings, *odd, *swept)
            seen = {sighting.task.id: sighting for sighting in sightings}
            asked = self._ask(self.findings(seen.values(), mark.watermark), mark.watermark, now)
        return ScanResult(at.text(), len(seen), asked, came_round=at.sweep == START)

    def look_at(self, task_ids: Collection[str], deleted: Collection[DeletedOriginal] = ()) -> int:
        """Look at tasks that are known to have changed, and at originals that were `deleted`; return how many it asked.

        Raises:
            DatabaseUnavailable, Transient: the database cannot be worked with; the same look can be made again.
        """
        asked, now = 0, self._clock()
        if task_ids:
            mark = self._watermark.read()
            seen = self._changes.read(task_ids)
            asked += self._ask(self.findings(seen, mark.watermark), mark.watermark, now)
        if deleted:
            asked += self._ask_to_delete(deleted, now)
        return asked

    def _ask_to_delete(self, deleted: Collection[DeletedOriginal], now: datetime) -> int:
        """Ask for the deletion of what hangs on originals that are gone.

        Nothing is asked where one is back already, or nothing hangs on it: somebody told of it, and it is done.
        """
        ids = {original.task_id for original in deleted}
        orphaned = {(task.parent_recurring_id, task.user_id) for task in self._tasks.hanging_on(ids)}
        ids -= self._tasks.existing(ids) if orphaned else ids
        events = [
            request_deletion(each, now)
            for each in deleted
            if each.task_id in ids and (each.task_id, each.user_id) in orphaned
        ]
        asked = self._events.add(events, available_at=now) if events else 0
        if asked:
            log.info("deletions that nobody told of", asked=asked)
        return asked

    def findings(self, sightings: Iterable[TaskVersion], watermark: datetime | None) -> list[UnqueuedWork]:
        """Return what should be asked for among the given tasks, announced or not."""
        suspects = {sighting.task.id: sighting for sighting in sightings if is_suspect(sighting.task)}
        above = self._tasks.climb({s.task.parent_recurring_id for s in suspects.values() if s.task.parent_recurring_id})
        known = Snapshot(above | {task_id: s.task for task_id, s in suspects.items()})
        heads = {task_id: known.series_of(task_id).id for task_id in suspects}
        memories = self._series.read(heads.values())
        if self._follow_edits:  # then their content matters, which a walk does not read
            known = Snapshot({**known.tasks, **self._tasks.climb(heads.keys() & memories.keys())})
        doubtful = {
            i for i, s in suspects.items() if i not in memories and may_have_begun_since(s, watermark) and heads[i] == i
        }
        began_since = doubtful - self._series.noted(doubtful) if doubtful else set()
        timed = {i for i in suspects.keys() & memories.keys() if heads[i] == i and may_miss(suspects[i].task)}
        whole = self._tasks.load(timed, PLANNED).series if timed else {}
        by = Looking(watermark, self._timezone, self._clock(), self._follow_edits)
        found = []
        for task_id, sighting in suspects.items():
            head = heads[task_id]
            original = known.tasks.get(head)
            if original is None or original.parent_recurring_id is not None:
                continue
            series = whole.get(head) or Series(head, original, memory=memories.get(head))
            reason = reason_to_ask(sighting, series, by, began_since=head in began_since)
            if reason is not None:
                step = due(series, by) if reason is Reason.DUE else ()
                found.append(UnqueuedWork(sighting, original, reason, step))
        return found

    def ask_for_missed(self, *, dry_run: bool = False) -> int:
        """Ask for all series of which missed slots do not stay, and the time of the next one has come.

        Each look does so for what it comes by; this one reads all of them, piece by piece, and what no look comes by,
        for its `updatedAt` is an object. Returns how many it asked,
        or with `dry_run` would ask.
        """
        now, mark, asked = self._clock(), self._watermark.read(), 0
        for piece in self._changes.unswept(self._step):
            asked += self._ask(self.findings(piece, mark.watermark), mark.watermark, now, dry_run=dry_run)
        return asked

    def _sweep(self, at: ScanState, now: datetime) -> tuple[list[TaskVersion], ScanState]:
        """Read the next piece of the sweep, in several strides where they find little, and no further than its end."""
        found: list[TaskVersion] = []
        left = self._step
        for _ in range(STRIDES):
            piece = self._changes.after(at.sweep, at.sweep_until(now), left)
            at = at.after_sweep(piece.places, left, now)
            found += piece.sightings
            left -= len(piece.places)
            if left == 0 or at.sweep == START:
                break
        return found, at

    def _ask(
        self, findings: list[UnqueuedWork], watermark: datetime | None, now: datetime, *, dry_run: bool = False
    ) -> int:
        """Write the events and return how many are new. Where nothing has to be asked, nothing is written.

        What was refused is asked for again only where the task has changed since.

        What an event processed after its task was read looks like work that was never queued: so the tasks are read
        once more, after the events.
        """
        if not findings:
            return 0
        announced = self._changes.announced(f.sighting.task.id for f in findings)
        events = [
            event
            for event, version in (
                (request(f.sighting, f.reason, now, due=f.due), f.sighting.changed_at) for f in findings
            )
            if event.id not in announced.event_ids
            and event.task_id not in announced.waiting
            and (event.task_id, event.operation.value, version) not in announced.refused
        ]
        if not events:
            return 0
        again = self._changes.read(event.task_id for event in events)
        still = {finding.sighting.task.id for finding in self.findings(again, watermark)}
        events = [event for event in events if event.task_id in still]
        if dry_run:
            return len(events)
        asked = self._events.add(events, available_at=now)
        if asked:
            log.info("work that was never queued", asked=asked)
        return asked
