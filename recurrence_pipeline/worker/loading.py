"""What is read before a plan: all that it depends on, in few commands for a whole batch. Nothing is decided here.

A cascade's own load is `Tasks.load_for_deletion`.
"""

from collections.abc import Sequence
from dataclasses import replace

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.worker.context import WorkerContext


def load(context: WorkerContext, events: Sequence[TaskEvent]) -> Snapshot:
    """Read what creations and completions speak of and, of open tasks that one completes, whether they are again."""
    snapshot = context.tasks.load((event.task_id for event in events), PLANNED)
    completed = (snapshot.tasks.get(event.task_id) for event in events if event.operation is Operation.COMPLETE)
    still_open = {task.id for task in completed if task is not None and not task.is_completed}
    return replace(snapshot, reopened=context.event_queries.reopened(still_open)) if still_open else snapshot


def load_for_changes(context: WorkerContext, events: Sequence[TaskEvent]) -> Snapshot:
    """Read what changes speak of and, where completions are taken back, what made the occurrences."""
    retired = context.deleted.retired(event.id for event in events)
    gone = {task.id: task for tasks in retired.values() for task in tasks}
    named = {event.task_id for event in events}
    heads = {head for i in named & gone.keys() if (head := gone[i].parent_recurring_id) is not None}
    snapshot = context.tasks.load_for_changes(named | heads)
    there = {task.id for series in snapshot.series.values() for task in series.hanging}
    snapshot = replace(
        snapshot,
        tasks={**{i: gone[i] for i in named & gone.keys()}, **snapshot.tasks},
        retired={i: tuple(task.id for task in tasks if task.id not in there) for i, tasks in retired.items()},
    )
    if not any(event.operation is Operation.REOPEN for event in events):
        return snapshot
    tasks = (task for series in snapshot.series.values() for task in series.occurrences)
    makers = {task.created_by_event for task in tasks if task.created_by_event is not None}
    return replace(snapshot, makers=context.event_queries.makers(makers))
