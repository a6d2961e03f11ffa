"""The log's side of failures: one error line for each try of an event that failed. The user's side are activities."""

from collections.abc import Sequence

import structlog

from recurrence_pipeline.domain.plan import Snapshot
from recurrence_pipeline.storage.event_updates import Outcome

log = structlog.get_logger(__name__)


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
