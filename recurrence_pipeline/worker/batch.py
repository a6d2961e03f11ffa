"""One batch of held events: load -> plan -> apply, and what became of each is recorded.

Nothing is decided here: what should be written is planned in domain/planning.py, and written by plan_writer.py; what a
failure means is in domain/retries.py. Which events make a batch, and what follows when one fails as a whole, is
processor.py's business.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from recurrence_pipeline.domain.announcing import believed
from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.errors import (
    DatabaseUnavailable,
    OriginalNotFound,
    Permanent,
    PoisonEvent,
    RecurrenceError,
)
from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.plan import Answer, NewActivity, Plan
from recurrence_pipeline.domain.planning import failure_activity, plan_batch, plan_deletions
from recurrence_pipeline.domain.retries import Reject, RetryAt, after_failure
from recurrence_pipeline.domain.scan import TaskVersion
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import CHANGES, EventStatus, Operation
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.worker.context import WorkerContext
from recurrence_pipeline.worker.lease import LeaseHolder
from recurrence_pipeline.worker.loading import load, load_for_changes
from recurrence_pipeline.worker.plan_writer import PlanWriter
from recurrence_pipeline.worker.summary import RETRIED, BatchSummary, RefusedOutcome, Results

MAX_HOLDER_DEATHS = 5
"""An event that so many workers died of is taken for the cause."""

log = structlog.get_logger(__name__)


class Batch:
    """Processes the events of one hold, and counts.

    Raises (from `run` and `fail`):
        LeaseLost: where another worker holds one of the events now; nothing more was written.
        RecurrenceError: where the database did not do what was asked; what was written can be written again.
    """

    def __init__(
        self, context: WorkerContext, hold: LeaseHolder, *, run_id: str | None, results: Results | None = None
    ) -> None:
        self.summary = BatchSummary()
        self._results = results
        self._context = context
        self._hold = hold
        self._run_id = run_id
        self._now: datetime = context.clock()
        self._writer = PlanWriter(context, hold, self.summary, results, self._now)

    def run(self) -> BatchSummary:
        """Process all events: creations and completions first, then deletions with a load of their own."""
        self.summary.leases_lost += self._hold.refresh()
        dead = [event for event in self._hold.events if event.holder_deaths >= MAX_HOLDER_DEATHS]
        alive = [event for event in self._hold.events if event.holder_deaths < MAX_HOLDER_DEATHS]
        deletions = [event for event in alive if event.operation is Operation.DELETE]
        changes = [event for event in alive if event.operation in CHANGES]
        others = [event for event in alive if event.operation in {Operation.CREATE, Operation.COMPLETE}]
        if dead:
            self._finish(
                dead, _all_refused(dead, PoisonEvent(f"{MAX_HOLDER_DEATHS} workers died holding it alone")), Snapshot()
            )
        if others:
            snapshot = load(self._context, others)
            plan = plan_batch(others, snapshot, now=self._now, timezone=self._context.rules.timezone)
            self._writer.apply(others, plan)
            self._finish(others, plan, snapshot)
        while changes:
            snapshot = load_for_changes(self._context, changes)
            content = self._context.rules.follow_edits
            plan = plan_changes(
                changes, snapshot, now=self._now, timezone=self._context.rules.timezone, follow_content=content
            )
            done, changes = _postponed(changes, plan)
            self._writer.apply(done, plan)
            if self._results is not None:
                self._results.changes.update(plan.changes)
                self._results.series.update(plan.series_of_event)
            self._finish(done, plan, snapshot)
        if deletions:
            snapshot = self._context.tasks.load_for_deletion((event.task_id for event in deletions), PLANNED)
            deletions = self._as_believed(deletions, snapshot)
            plan = plan_deletions(deletions, snapshot, timezone=self._context.rules.timezone)
            self._writer.apply_deletions(deletions, plan)
            self._finish(deletions, plan, snapshot)
        return self.summary

    def fail(self, error: RecurrenceError) -> BatchSummary:
        """Record that all events failed with the same error."""
        plan = _all_refused(self._hold.events, error)
        self._finish(self._hold.events, plan, Snapshot(), tell=self._try_to_log)
        return self.summary

    def _as_believed(self, events: Sequence[TaskEvent], snapshot: Snapshot) -> list[TaskEvent]:
        """Return the events with what they announced in an earlier try, as far as that can be."""
        kept = self._context.deleted.kept({event.id: event.deleting for event in events if event.deleting})
        return [believed(e, snapshot, kept.get(e.id, ())) if e.deleting else e for e in events]

    def _try_to_log(self, activities: Sequence[NewActivity]) -> None:
        """Log, or give it up: where the activity log is what fails, an event could else never end."""
        try:
            self._writer.log(activities)
        except DatabaseUnavailable:
            raise
        except RecurrenceError as error:
            log.warning("activities about failures given up", count=len(activities), error=str(error))
        except Exception:
            log.exception("activities about failures given up", count=len(activities))

    def _finish(
        self,
        events: Sequence[TaskEvent],
        plan: Plan,
        snapshot: Snapshot,
        *,
        tell: Callable[[Sequence[NewActivity]], None] | None = None,
    ) -> None:
        """Record what became of each event, after telling the users about those that failed for good."""
        outcomes = [self._outcome(event, plan, snapshot) for event in events]
        failures = [
            failure_activity(o.event, snapshot.tasks.get(o.event.task_id), o.error.message)
            for o in outcomes
            if o.error is not None and o.status is not EventStatus.PENDING
        ]
        told = [activity for activity in failures if activity is not None]
        self._writer.finish(outcomes, told, run_id=self._run_id, log=tell or self._writer.log)
        self._hold.drop(events)
        if self._results is not None:
            self._results.outcomes.update((outcome.event.id, outcome) for outcome in outcomes)
        write_failures(outcomes, snapshot, max_retries=self._context.rules.retries.max_retries)
        self._count(outcomes)

    def _outcome(self, event: TaskEvent, plan: Plan, snapshot: Snapshot) -> Outcome:
        error = plan.refusals.get(event.id)
        answer = plan.answers.get(event.id)
        if error is None:
            return Outcome(event, EventStatus.COMPLETED, answer or Answer())
        now = self._context.clock()
        attempt = event.attempts + 1
        policy = self._context.rules.retries
        decision = after_failure(error, attempt=attempt, now=now, policy=policy, jitter=self._context.chance())
        kind = "permanent" if isinstance(error, Permanent) else "transient"
        record = ErrorRecord(kind, error.code, str(error), now, attempt)
        if isinstance(decision, RetryAt):
            return Outcome(event, EventStatus.PENDING, answer, record, decision.at)
        if not isinstance(decision, Reject):
            return Outcome(event, EventStatus.FAILED, answer, record)
        task = None if isinstance(error, OriginalNotFound) else snapshot.tasks.get(event.task_id)  # that may come back
        version = TaskVersion(task, task.updated_at).changed_at if task is not None else None
        return Outcome(event, EventStatus.REJECTED, answer, record, refused_version=version)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            event, status = outcome.event, outcome.status
            name = RETRIED if status is EventStatus.PENDING else status.value
            self.summary.outcomes[event.operation.value, name] += 1
            self.summary.newest = max(self.summary.newest or event.created_at, event.created_at)
            if outcome.error is not None and status is not EventStatus.PENDING:
                error = outcome.error
                self.summary.refuse(
                    RefusedOutcome(event.id, event.operation, event.task_id, status.value, error.code, error.message)
                )


def _postponed(events: Sequence[TaskEvent], plan: Plan) -> tuple[list[TaskEvent], list[TaskEvent]]:
    """Return the events that were planned, and those that are planned once their series is as it was planned."""
    later = set(plan.postponed)
    return [e for e in events if e.id not in later], [e for e in events if e.id in later]


def _all_refused(events: Sequence[TaskEvent], error: RecurrenceError) -> Plan:
    plan = Plan()
    plan.refuse(events, error)
    return plan


def write_failures(outcomes: Sequence[Outcome], snapshot: Snapshot, *, max_retries: int) -> None:
    """Write an error line for each outcome that is a failure, whether it is tried again or not; see config/logs.py."""
    for outcome in outcomes:
        if outcome.error is None:
            continue
        event, task = outcome.event, snapshot.tasks.get(outcome.event.task_id)
        sentence = f"Worker processing failed for operation: {event.operation.value}"
        log.error(
            sentence,
            operation=event.operation.value,
            taskId=event.task_id,
            userId=event.user_id or (task.user_id if task else None),
            reason=outcome.error.message,
            retryAttempt=outcome.error.attempt - 1,
            maxRetries=max_retries,
        )
