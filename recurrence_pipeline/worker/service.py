"""The work as a caller sees it: the queue batch by batch, or one operation for somebody who waits for its answer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, ParamSpec, TypeAlias

from recurrence_pipeline.domain.difference import Difference
from recurrence_pipeline.domain.errors import InvalidInput, ProcessingFailed, RecurrenceError
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.domain.validation import validate_recurrence
from recurrence_pipeline.domain.vocabulary import CHANGES, EventStatus, Source
from recurrence_pipeline.storage.documents import task_from_request
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.worker.answers import answers, failure
from recurrence_pipeline.worker.context import WorkerContext
from recurrence_pipeline.worker.processor import Processor
from recurrence_pipeline.worker.summary import BatchSummary, Results


class OperationRequest(NamedTuple):
    """An operation that somebody waits for."""

    task_id: str
    operation: str
    user_id: str | None = None


class ChangeRequest(NamedTuple):
    """A change that somebody waits for; `slot` and `undo` are those of an update or a skip."""

    task_id: str
    operation: str
    slot: int | None = None
    undo: bool = False


P = ParamSpec("P")

Reply: TypeAlias = dict[str, Any] | RecurrenceError
"""What a request is answered: `{success, operation, taskId, result}`, or why not."""


class WorkerService:
    """Processes events, those of the queue and those of a caller who waits. Safe to use from several threads."""

    def __init__(self, context: WorkerContext, processor: Processor) -> None:
        self._context = context
        self._processor = processor

    @property
    def batch_size(self) -> int:
        """How many events are processed together, at most."""
        return self._context.rules.batch_size

    def process_pending(
        self, limit: int | None = None, *, run_id: str | None = None, shard: Shard = WHOLE_QUEUE
    ) -> BatchSummary:
        """Process due events, at most `limit`, until none is due.

        Raises:
            DatabaseUnavailable: where the database cannot be worked with.
        """
        summary = BatchSummary()
        left = limit
        while left is None or left > 0:
            size = self._context.rules.batch_size if left is None else min(left, self._context.rules.batch_size)
            events = self._processor.lease(size, run_id=run_id, shard=shard)
            if not events:
                break
            summary += self._processor.process(events, run_id=run_id)
            left = None if left is None else left - len(events)
        return summary

    def next_due(self) -> datetime | None:
        """Return when the next event becomes due; None where nothing is unfinished."""
        return self._context.events.next_due()

    def lease(self, limit: int, *, run_id: str | None = None, shard: Shard = WHOLE_QUEUE) -> list[TaskEvent]:
        """Hold up to `limit` due events; they are this caller's until their leases run out."""
        return self._processor.lease(limit, run_id=run_id, shard=shard)

    def process(
        self, events: Sequence[TaskEvent], *, run_id: str | None = None, results: Results | None = None
    ) -> BatchSummary:
        """Process held events, and fill in the `results` for whoever waits for them.

        Raises:
            DatabaseUnavailable: where the database cannot be worked with; what was not finished is given back.
        """
        summary = self._processor.process(events, run_id=run_id, results=results)
        if results is not None:
            results.summary += summary
        return summary

    def release(self, events: Sequence[TaskEvent]) -> None:
        """Give held events back: due at once, and no failure counted. Those processed, or held by others, stay."""
        self._context.events.release(events)

    def release_run(self, run_id: str) -> None:
        """Give back all that a Dagster run holds."""
        self._processor.settle()
        self._context.events.release_run(run_id)

    def process_task_recurrence(
        self,
        task_id: str,
        operation: str,
        user_id: str | None = None,
        *,
        source: Source = Source.MANUAL,
        run_id: str | None = None,
        results: Results | None = None,
    ) -> dict[str, Any]:
        """Process one operation at once and return `{success, operation, taskId, result}`.

        The result is, as the HTTP contract has it: for create the list of tasks (those just made, or where all were
        there the open ones); for complete `{updatedTask, createdTask, createdTasks}`; for delete a number.

        Raises:
            InvalidInput: an argument that cannot be right.
            ProcessingFailed: with the cause's code, and whether it is being tried again.
            DatabaseUnavailable: the database is away.
        """
        request = OperationRequest(task_id, operation, user_id)
        (reply,) = self.process_requests([request], source=source, run_id=run_id, results=results)
        if isinstance(reply, RecurrenceError):
            raise reply
        return reply

    def process_requests(
        self,
        requests: Sequence[OperationRequest],
        *,
        source: Source = Source.MANUAL,
        run_id: str | None = None,
        results: Results | None = None,
    ) -> list[Reply]:
        """Process operations at once and together, and return what each comes to: one that cannot be costs itself.

        Whoever wants the numbers too gives `results` to be filled in.

        Raises:
            DatabaseUnavailable: the database is away; it may be that some were processed.
        """
        asked = [_or_why_not(self._event, *request, source) for request in requests]
        events = [event for event in asked if isinstance(event, TaskEvent)]
        results = results or Results()
        self.process(self._processor.hold_new(events), run_id=run_id, results=results)
        told = answers(events, results, self._context.tasks)
        replies = list[Reply]()
        for request, event in zip(requests, asked, strict=True):
            if isinstance(event, RecurrenceError):
                replies.append(event)
            elif event.id in told:
                words = {"operation": request.operation, "taskId": request.task_id}
                replies.append({"success": True, **words, "result": told[event.id]})
            else:
                replies.append(failure(event.operation, results.outcomes.get(event.id)))
        return replies

    def change(  # noqa: PLR0913 (what is asked for)
        self,
        task_id: str,
        operation: str,
        *,
        slot: int | None = None,
        undo: bool = False,
        dry_run: bool = True,
        source: Source = Source.MANUAL,
        run_id: str | None = None,
        results: Results | None = None,
    ) -> Difference:
        """Follow an edit, a completion taken back or a skip at once, or with `dry_run` only say what that comes to.

        `slot` is the first to change of an update, or the one that a skip speaks of; `undo` takes a skip back.

        Raises:
            InvalidInput: an argument that cannot be right.
            RecurrenceError: in a dry run, why nothing would be done.
            ProcessingFailed: with the cause's code, and whether it is being tried again.
            DatabaseUnavailable: the database is away.
        """
        request = ChangeRequest(task_id, operation, slot, undo)
        if dry_run:
            event = self._change(request, source)
            plan = self._processor.plan(event)
            if event.id in plan.refusals:
                raise plan.refusals[event.id]
            return Difference(plan.series_of_event[event.id], plan.changes.get(event.id, ()))
        (reply,) = self.process_changes([request], source=source, run_id=run_id, results=results)
        if isinstance(reply, RecurrenceError):
            raise reply
        return reply

    def process_changes(
        self,
        requests: Sequence[ChangeRequest],
        *,
        source: Source = Source.MANUAL,
        run_id: str | None = None,
        results: Results | None = None,
    ) -> list[Difference | RecurrenceError]:
        """Process changes at once and together, and return what each comes to: one that cannot be costs itself.

        Raises:
            DatabaseUnavailable: the database is away; it may be that some were processed.
        """
        asked = [_or_why_not(self._change, request, source) for request in requests]
        events = [event for event in asked if isinstance(event, TaskEvent)]
        results = results or Results()
        self.process(self._processor.hold_new(events), run_id=run_id, results=results)
        return [event if isinstance(event, RecurrenceError) else _changed(event, results) for event in asked]

    def enqueue(
        self,
        task_id: str,
        operation: str,
        user_id: str | None = None,
        *,
        source: Source = Source.MANUAL,
        slot: int | None = None,
        undo: bool = False,
    ) -> str:
        """Add a pending event, as the application does, and return its id.

        Raises:
            InvalidInput: an argument that cannot be right.
        """
        now = self._context.clock()
        event = new_event(task_id, operation, user_id, source=source, now=now, slot=slot, undo=undo)
        self._context.events.add([event], available_at=event.created_at)
        return event.id

    def plan(self, task_id: str, operation: str, user_id: str | None = None) -> tuple[TaskEvent, Plan]:
        """Return what an operation would come to now; nothing is written (a dry run)."""
        event = self._event(task_id, operation, user_id, Source.MANUAL)
        return event, self._processor.plan(event)

    def validate_recurrence(self, task: Mapping[str, Any]) -> None:
        """Check that a task as the application sends it may recur; the due date is compared with now.

        Raises:
            InvalidRecurrence: with the field, the value and the reason.
        """
        now, zone = self._context.clock(), self._context.rules.timezone
        validate_recurrence(task_from_request(task), asked_at=now, timezone=zone)

    def _event(self, task_id: str, operation: str, user_id: str | None, source: Source) -> TaskEvent:
        return new_event(task_id, operation, user_id, source=source, now=self._context.clock())

    def _change(self, request: ChangeRequest, source: Source) -> TaskEvent:
        task_id, operation, slot, undo = request
        event = new_event(task_id, operation, None, source=source, now=self._context.clock(), slot=slot, undo=undo)
        if event.operation not in CHANGES:
            raise InvalidInput(f"operation: {operation!r} is not one of {', '.join(CHANGES)}")
        return event


def _or_why_not(make: Callable[P, TaskEvent], *args: P.args, **kwargs: P.kwargs) -> TaskEvent | InvalidInput:
    try:
        return make(*args, **kwargs)
    except InvalidInput as error:
        return error


def _changed(event: TaskEvent, results: Results) -> Difference | ProcessingFailed:
    outcome = results.outcomes.get(event.id)
    if outcome is None or outcome.status is not EventStatus.COMPLETED:
        return failure(event.operation, outcome)
    return Difference(results.series[event.id], results.changes.get(event.id, ()), written=True)
