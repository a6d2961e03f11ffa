"""The one door to the work, for a Dagster op, a terminal, an HTTP request or a test."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recurrence_pipeline.domain.errors import InvalidInput, LeaseLost, ProcessingFailed
from recurrence_pipeline.domain.lanes import WHOLE, Lane
from recurrence_pipeline.domain.model import EventStatus, Operation, Source, TaskEvent
from recurrence_pipeline.domain.plan import Answer, Plan
from recurrence_pipeline.domain.preview import SlotPreview
from recurrence_pipeline.domain.validation import validate_recurrence
from recurrence_pipeline.storage.documents import Document, as_contract, new_id, object_id, task_from_request
from recurrence_pipeline.storage.events import QueueState
from recurrence_pipeline.storage.outcomes import Outcome
from recurrence_pipeline.worker.adoption import Adoption
from recurrence_pipeline.worker.consistency import Consistency
from recurrence_pipeline.worker.doctoring import Doctoring
from recurrence_pipeline.worker.health import Health
from recurrence_pipeline.worker.history import Event, History
from recurrence_pipeline.worker.inspection import Inspection, SeriesView
from recurrence_pipeline.worker.kit import Kit
from recurrence_pipeline.worker.maintenance import Maintenance
from recurrence_pipeline.worker.metrics import Metrics
from recurrence_pipeline.worker.parts import Parts
from recurrence_pipeline.worker.processor import Processor
from recurrence_pipeline.worker.reconciliation import Reconciliation
from recurrence_pipeline.worker.replaying import DeadLetters
from recurrence_pipeline.worker.restoring import Deletions
from recurrence_pipeline.worker.resuming import Resuming
from recurrence_pipeline.worker.summary import BatchSummary

COUNTED_AT_MOST = 10_000
"""How far a look at the queue counts."""


class WorkerService:
    """Everything that can be asked of the worker. Safe to use from several threads."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._processor = Processor(kit)
        self.parts = Parts(kit.heartbeats, kit.hosts.this.name)
        self._health = Health(kit.tasks, kit.event_log, self.parts, clock=kit.clock)
        self.maintenance = Maintenance(kit)
        self.dead_letters = DeadLetters(kit.event_log, clock=kit.clock)
        self.deletions = Deletions(kit)
        self.reconciliation = Reconciliation(kit)
        self.adoption = Adoption(kit, self.reconciliation)
        self.consistency = Consistency(kit, self.maintenance)
        self.doctoring = Doctoring(kit, self.consistency, self.parts)
        self.resumption = Resuming(kit, self._processor)
        self.metrics = Metrics(kit.event_metrics, retention=kit.rules.event_retention, clock=kit.clock)
        self.tell_host: Callable[[], None] = lambda: kit.hosts.tell(kit.clock())
        """Leaves word that this host works, and with which time zone data; a failure costs nothing."""
        self.history = History(kit.event_log, kit.events, clock=kit.clock)
        self._inspection = Inspection(kit.tasks, kit.event_log, timezone=kit.rules.timezone, clock=kit.clock)

    @property
    def batch_size(self) -> int:
        """How many events are worked off together, at most."""
        return self._kit.rules.batch_size

    # The work

    def process_pending(
        self, limit: int | None = None, *, run_id: str | None = None, lane: Lane = WHOLE
    ) -> BatchSummary:
        """Work off due events, at most `limit`, until none is due.

        Raises:
            Outage: where the database cannot be worked with.
        """
        summary = BatchSummary()
        left = limit
        while left is None or left > 0:
            size = self._kit.rules.batch_size if left is None else min(left, self._kit.rules.batch_size)
            events = self._processor.lease(size, run_id=run_id, lane=lane)
            if not events:
                break
            summary += self._processor.process(events, run_id=run_id)
            left = None if left is None else left - len(events)
        return summary

    def lease(self, limit: int, *, run_id: str | None = None, lane: Lane = WHOLE) -> list[TaskEvent]:
        """Hold up to `limit` due events; they are this caller's until their leases run out."""
        return self._processor.lease(limit, run_id=run_id, lane=lane)

    def process(self, events: Sequence[TaskEvent], *, run_id: str | None = None) -> BatchSummary:
        """Work off held events.

        Raises:
            Outage: where the database cannot be worked with; what was not finished is given back.
        """
        return self._processor.process(events, run_id=run_id)

    def release(self, events: Sequence[TaskEvent]) -> None:
        """Give held events back: due at once, and no failure counted. Those worked off, or held by others, stay."""
        self._kit.events.release(events)

    def release_run(self, run_id: str) -> None:
        """Give back all that a Dagster run holds."""
        self._processor.settle()
        self._kit.events.release_run(run_id)

    def process_task_recurrence(
        self,
        task_id: str,
        operation: str,
        user_id: str | None = None,
        *,
        source: Source = Source.MANUAL,
        run_id: str | None = None,
    ) -> dict[str, Any]:
        """Work off one operation at once and return `{success, operation, taskId, result}`.

        The result is, as the HTTP contract has it: for create the list of tasks (those just made, or where all were
        there the open ones); for complete `{updatedTask, createdTask, createdTasks}`; for delete a number.

        Raises:
            InvalidInput: an argument that cannot be right.
            ProcessingFailed: with the cause's code, and whether it is being tried again.
            Outage: the database is away.
        """
        event = self._event(task_id, operation, user_id, source)
        done = self.process([self._processor.hold_new(event, run_id=run_id)], run_id=run_id)
        outcome = done.last
        if outcome is None or outcome.status is not EventStatus.COMPLETED:
            raise _failure(event.operation, outcome)
        result = self._result(event, outcome.answer or Answer(), done.made)
        return {"success": True, "operation": operation, "taskId": task_id, "result": result}

    def enqueue(
        self, task_id: str, operation: str, user_id: str | None = None, *, source: Source = Source.MANUAL
    ) -> str:
        """Add a pending event, as the application does, and return its id.

        Raises:
            InvalidInput: an argument that cannot be right.
        """
        event = self._event(task_id, operation, user_id, source)
        self._kit.events.add([event], available_at=event.created_at)
        return event.id

    def replay(self, event_id: str) -> tuple[Event, bool] | None:
        """Make a failed or rejected event pending again; return it, and whether it was refused. None: no such event.

        Raises:
            NotReplayable: it is being worked on, or is completed.
        """
        return self.history.replay(event_id)

    def plan(self, task_id: str, operation: str, user_id: str | None = None) -> tuple[TaskEvent, Plan]:
        """Return what an operation would come to now; nothing is written (a dry run)."""
        event = self._event(task_id, operation, user_id, Source.MANUAL)
        return event, self._processor.plan(event)

    # Questions

    def validate_recurrence(self, task: Mapping[str, Any]) -> None:
        """Check that a task as the application sends it may recur; the due date is compared with now.

        Raises:
            InvalidRecurrence: with the field, the value and the reason.
        """
        validate_recurrence(task_from_request(task), asked_at=self._kit.clock())

    def get_health_status(self, *, patience: timedelta | None = None) -> dict[str, Any]:
        """Return `{status, timestamp, services, stats, parts}`; never raises for a database that is away.

        `parts` says of Dagster and the API whether they stand still, as `Parts.rows` has it; without a database nobody
        knows, and it is missing.

        `patience` is how long the database may take for a sign of life; None is as long as for anything else.
        """
        return self._health.status(patience)

    def get_detailed_stats(self, user_id: str | None = None) -> dict[str, Any]:
        """Return `{timestamp, userId, recurringTasks, workerStatus}`.

        Raises:
            InvalidInput: `user_id` is not an id.
            Outage: the database is away.
        """
        return self._health.detailed(user_id)

    def queue(self, *, at_most: int = COUNTED_AT_MOST) -> QueueState:
        """Say how many events are due and since when."""
        return self._kit.events.queue(self._kit.clock(), lease=self._kit.rules.lease, at_most=at_most)

    def runs_at_work(self) -> set[str]:
        """Return the ids of the Dagster runs that hold an event under a lease that has not run out."""
        return self._kit.events.runs_at_work(self._kit.clock(), lease=self._kit.rules.lease)

    def next_due(self) -> datetime | None:
        """Return when the next event becomes due; None where nothing is unfinished."""
        return self._kit.events.next_due()

    def unfinished(self) -> int:
        """Return how many events are pending or being worked on."""
        return self._kit.events.unfinished()

    def event_counts(self) -> dict[tuple[str, str], int]:
        """Return the number of events by (operation, status)."""
        return self._kit.event_log.count_by_operation_and_status()

    def refusals(self) -> list[dict[str, Any]]:
        """Return why events were rejected or failed: rows of `{operation, status, reason, count}`."""
        return self._kit.event_log.refused()

    def totals(self) -> dict[str, int]:
        """Return what all events kept came to: occurrences `created` and `deleted`, and all `activities` there are."""
        return self._kit.event_log.totals() | {"activities": self._kit.activities.count()}

    def events(
        self, *, limit: int, status: EventStatus | None = None, task_id: str | None = None, user_id: str | None = None
    ) -> list[Event]:
        """Return up to `limit` events, newest first, of one task or of all; with `user_id`, of that user's tasks only.

        Raises:
            NotTheirs: the task is another user's.
        """
        return self.history.newest(limit=limit, status=status, task_id=task_id, user_id=user_id)

    def preview(self, task_id: str, count: int = 10, *, ahead: bool = False) -> list[SlotPreview]:
        """Return the `count` slots that follow a task's own in its series; with `ahead`, only those still to come.

        Raises:
            InvalidInput, OriginalNotFound, InvalidRecurrence: where there are none.
        """
        return self._inspection.preview(_checked(task_id), count, ahead=ahead)

    def series(self, task_id: str) -> SeriesView:
        """Return the series a task belongs to: members, cursor, events, and why nothing more came.

        Raises:
            InvalidInput, OriginalNotFound: where there is none.
        """
        return self._inspection.series(_checked(task_id))

    def _event(self, task_id: str, operation: str, user_id: str | None, source: Source) -> TaskEvent:
        if operation not in {known.value for known in Operation}:
            raise InvalidInput(f"operation: {operation!r} is not one of create, complete, delete")
        if operation == Operation.DELETE.value and user_id is None:
            raise InvalidInput("userId is required for delete operation")
        if user_id is not None:
            object_id(user_id, "userId")
        return TaskEvent(new_id(), Operation(operation), _checked(task_id), self._kit.clock(), user_id, source)

    def _result(self, event: TaskEvent, answer: Answer, made: dict[str, Document]) -> Any:
        created = list(answer.created)
        match event.operation:
            case Operation.DELETE:
                return answer.deleted
            case Operation.CREATE:
                return self._tasks(created or self._open_occurrences(event.task_id), made)
            case Operation.COMPLETE:
                updated = [answer.updated] if answer.updated else []
                found = {task["_id"]: task for task in self._tasks([*created, *updated], made)}
                new = [found[i] for i in created if i in found]
                return {
                    "updatedTask": found.get(answer.updated or ""),
                    "createdTask": new[0] if new else None,
                    "createdTasks": new,
                }

    def _open_occurrences(self, task_id: str) -> list[str]:
        series = self._kit.tasks.load([task_id]).series_of(task_id)
        still_open = [t for t in series.occurrences if not t.is_completed and isinstance(t.anchor, datetime)]
        return [t.id for t in sorted(still_open, key=lambda t: (str(t.anchor), t.id))]

    def _tasks(self, wanted: Sequence[str], made: dict[str, Document]) -> list[dict[str, Any]]:
        """Return tasks as the contract has them; what was just `made` need not be read."""
        found = made | self._kit.tasks.documents(set(wanted) - made.keys())
        return [as_contract(found[i]) for i in wanted if i in found]


def _checked(task_id: str) -> str:
    return str(object_id(task_id))


def _failure(operation: Operation, outcome: Outcome | None) -> ProcessingFailed:
    if outcome is None or outcome.error is None:
        return ProcessingFailed(
            operation.value, "the event is held by another worker", code=LeaseLost.code, retryable=True
        )
    retrying = outcome.status is EventStatus.PENDING
    return ProcessingFailed(operation.value, outcome.error.message, code=outcome.error.code, retryable=retrying)
