"""What callers are told of the operations that they wait for: the tasks, in the words of the HTTP contract.

Read together for all who ask at once; what was just made is told from memory. How an operation is processed is not
decided here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.errors import LeaseLost, ProcessingFailed
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.storage.contract_values import as_contract
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.worker.summary import Results


def answers(events: Sequence[TaskEvent], results: Results, tasks: Tasks) -> dict[str, Any]:
    """Return the result of each completed event, by its id.

    For create it is the list of tasks (those just made, or where all were there the open ones), for complete
    `{updatedTask, createdTask, createdTasks}`, for delete a number.
    """
    done = {event.id: answer for event in events if (answer := _completed(results.outcomes.get(event.id))) is not None}
    repeated = {
        e.task_id for e in events if e.operation is Operation.CREATE and e.id in done and not done[e.id].created
    }
    still_open = _open_occurrences(repeated, tasks)
    named = {e.id: list(done[e.id].created) or still_open.get(e.task_id, []) for e in events if e.id in done}
    wanted = {i for ids in named.values() for i in ids} | {answer.updated for answer in done.values() if answer.updated}
    found = results.told | tasks.documents(wanted - results.told.keys())
    return {e.id: _result(e.operation, done[e.id], named[e.id], found) for e in events if e.id in done}


def failure(operation: Operation, outcome: Outcome | None) -> ProcessingFailed:
    """Return the error of an event that did not complete, or that was left to another worker."""
    if outcome is None or outcome.error is None:
        message = "the event is held by another worker"
        return ProcessingFailed(operation.value, message, code=LeaseLost.code, retryable=True)
    retrying = outcome.status is EventStatus.PENDING
    return ProcessingFailed(operation.value, outcome.error.message, code=outcome.error.code, retryable=retrying)


def _completed(outcome: Outcome | None) -> Answer | None:
    return outcome.answer or Answer() if outcome is not None and outcome.status is EventStatus.COMPLETED else None


def _result(operation: Operation, answer: Answer, named: Sequence[str], found: Mapping[str, Document]) -> Any:
    tasks = [as_contract(found[i]) for i in named if i in found]
    match operation:
        case Operation.DELETE:
            return answer.deleted
        case Operation.CREATE:
            return tasks
        case Operation.COMPLETE:
            updated = found.get(answer.updated or "")
            first = tasks[0] if tasks else None
            return {"updatedTask": as_contract(updated), "createdTask": first, "createdTasks": tasks}
        case Operation.UPDATE | Operation.REOPEN | Operation.SKIP:
            return {"created": len(answer.created), "changed": len(answer.changed), "deleted": answer.deleted}


def _open_occurrences(task_ids: set[str], tasks: Tasks) -> dict[str, list[str]]:
    """Return the open members of the series of each task, in the order of their dates."""
    if not task_ids:
        return {}
    snapshot = tasks.load(task_ids)
    still_open: dict[str, list[str]] = {}
    for task_id in task_ids:
        members = snapshot.series_of(task_id).occurrences
        dated = [t for t in members if not t.is_completed and isinstance(t.anchor, datetime)]
        still_open[task_id] = [t.id for t in sorted(dated, key=lambda t: (str(t.anchor), t.id))]
    return still_open
