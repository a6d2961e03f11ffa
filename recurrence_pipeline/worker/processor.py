"""Leases events and processes them batch by batch. What happens inside a batch is in batch.py.

A batch that fails as a whole is halved until the event that is to blame stands alone: one bad item costs one item. An
outage is nobody's fault: it stops the work, gives back what is held, and uses up no attempt.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import structlog

from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.errors import (
    DatabaseUnavailable,
    InternalError,
    LeaseLost,
    RecurrenceError,
    Transient,
    WriteRejected,
)
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.planning import plan_batch, plan_deletions
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation
from recurrence_pipeline.worker.batch import Batch
from recurrence_pipeline.worker.context import WorkerContext
from recurrence_pipeline.worker.lease import LeaseHolder
from recurrence_pipeline.worker.loading import load, load_for_changes
from recurrence_pipeline.worker.signals import defer_signals
from recurrence_pipeline.worker.summary import BatchSummary, Results

log = structlog.get_logger(__name__)


class Processor:
    """Processes events, from anywhere and any number of them side by side."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._doubtful: set[str] = set()
        """Claims that ended otherwise than by their work: some may be held still, or be taken for a dead worker's."""

    def lease(self, limit: int, *, run_id: str | None = None, shard: Shard = WHOLE_QUEUE) -> list[TaskEvent]:
        """Hold up to `limit` due events, for a Dagster run or for nobody in particular; none where nothing is due.

        What ends it midway, an outage or an interruption, makes it give back what it holds.

        Raises:
            DatabaseUnavailable: where the database is away.
        """
        self.settle()
        owner = uuid4().hex
        held: list[TaskEvent] = []
        try:
            while len(held) < limit:
                size = min(self._context.rules.batch_size, limit - len(held))
                now = self._context.clock()
                until = now + self._context.rules.lease
                won = self._context.events.lease(
                    size, owner=owner, now=now, until=until, run_id=run_id, shard=shard, beside=len(held)
                )
                held += won
                if not won or any(event.suspected for event in won):
                    break
        except BaseException:
            self._doubtful.add(owner)
            with suppress(RecurrenceError):
                self.settle()
            raise
        return held

    def settle(self) -> None:
        """Let go of what was held when the work was interrupted, and have nobody think that we died of it.

        A worker that did not reach the database for longer than a lease looks dead to the others. It knows better, and
        says so as soon as it can; events are suspected, and in the end given up, for deaths alone.

        Raises:
            DatabaseUnavailable: where the database is away; what is owed is then done the next time.
        """
        if owners := self._doubtful.copy():
            self._context.events.acquit(owners)
            self._doubtful -= owners

    def hold_new(self, events: Sequence[TaskEvent]) -> list[TaskEvent]:
        """Hold events together that this worker has made and is about to process; its first write stores them."""
        self.settle()
        now, owner = self._context.clock(), uuid4().hex
        until = now + self._context.rules.lease
        return [
            replace(event, owner=owner, term=1, leased_until=until, started_at=now, is_new=True) for event in events
        ]

    def process(
        self, events: Sequence[TaskEvent], *, run_id: str | None = None, results: Results | None = None
    ) -> BatchSummary:
        """Process held events, deletions last, and fill in the `results`. A signal waits for the end of a batch.

        Raises:
            DatabaseUnavailable: where the database cannot be worked with; what was not finished is given back, or its
                lease runs out, and no attempt is used up.
        """
        ordered = sorted(events, key=lambda event: event.operation is Operation.DELETE)
        size = self._context.rules.batch_size
        summary = BatchSummary()
        for start in range(0, len(ordered), size):
            try:
                with defer_signals():
                    summary += self._process_batch(ordered[start : start + size], run_id, results)
            except BaseException:
                self._doubtful.update(event.owner for event in ordered[start:] if event.owner)
                with suppress(RecurrenceError):
                    self._context.events.release(ordered[start:])
                    self.settle()
                raise
        return summary

    def plan(self, event: TaskEvent) -> Plan:
        """Return what an event would come to now; nothing is held and nothing written."""
        timezone = self._context.rules.timezone
        if event.operation is Operation.DELETE:
            return plan_deletions([event], self._context.tasks.load_for_deletion([event.task_id]), timezone=timezone)
        if event.operation in CHANGES:
            snapshot = load_for_changes(self._context, [event])
            return plan_changes([event], snapshot, now=self._context.clock(), timezone=timezone)
        return plan_batch([event], load(self._context, [event]), now=self._context.clock(), timezone=timezone)

    def _process_batch(self, events: Sequence[TaskEvent], run_id: str | None, results: Results | None) -> BatchSummary:
        rules = self._context.rules
        lease, margin = rules.lease, rules.lease_margin
        hold = LeaseHolder(
            self._context.events, events, clock=self._context.clock, lease=lease, margin=margin, run_id=run_id
        )
        batch = Batch(self._context, hold, run_id=run_id, results=results)
        try:
            return self._run(batch, hold, run_id, results)
        finally:
            if batch.summary.leases_lost:  # to somebody who took us for dead
                self._doubtful.update(event.owner for event in events if event.owner)

    def _run(self, batch: Batch, hold: LeaseHolder, run_id: str | None, results: Results | None) -> BatchSummary:
        try:
            batch.run()
        except LeaseLost as error:
            self._leave(batch, hold, error)
        except DatabaseUnavailable:
            raise
        except RecurrenceError as error:
            return batch.summary + self._blame(hold, error, run_id, results)
        except Exception as error:
            log.exception("unexpected error", events=len(hold.events))
            failed = InternalError(f"{type(error).__name__}: {error}")
            return batch.summary + self._blame(hold, failed, run_id, results)
        return batch.summary

    def _blame(
        self, hold: LeaseHolder, error: RecurrenceError, run_id: str | None, results: Results | None
    ) -> BatchSummary:
        """Halve the batch to find the event that is to blame.

        A first transient error is nobody's yet, unless somebody waits: then the others are not to wait for a retry.
        """
        events = hold.events
        nobodys = (
            results is None
            and isinstance(error, Transient)
            and not isinstance(error, InternalError)
            and not any(e.attempts for e in events)
        )
        if len(events) > 1 and not nobodys:
            half = len(events) // 2
            parts = (events[:half], events[half:])
            first, second = (self._process_batch(part, run_id, results) for part in parts)
            return first + second
        batch = Batch(self._context, hold, run_id=run_id, results=results)
        try:
            batch.fail(error)
        except LeaseLost as lost:
            self._leave(batch, hold, lost)
        except WriteRejected as refused:
            reason = f"its outcome cannot be stored: {refused}; it failed with: {error}"
            self._context.events.set_aside((e.id for e in hold.events), reason, now=self._context.clock())
        return batch.summary

    def _leave(self, batch: Batch, hold: LeaseHolder, error: LeaseLost) -> None:
        """Leave a batch to whoever holds it now, and give back what of it is still ours."""
        log.warning("lease lost: the batch is left to whoever holds it", error=str(error), events=len(hold.events))
        self._context.events.release(hold.events)
        batch.summary.leases_lost += len(hold.events)
