"""What a deletion has announced, and how much of it is believed. Pure: what is kept of it is looked up by the caller.

Anybody who can write an event can write `deleting` into it. Only what the worker's own copies bear out, or what the
deletion may take anyway, is part of it.
"""

from collections.abc import Collection
from dataclasses import replace

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.snapshot import Snapshot


def believed(event: TaskEvent, snapshot: Snapshot, kept: Collection[str]) -> TaskEvent:
    """Return the event with those announced tasks that it has deleted already, or may delete.

    `kept` are the tasks of which this very deletion has made a copy. Of those that are there, the user's own count that
    hang on the named task, or on what that hangs on.
    """
    task = snapshot.tasks.get(event.task_id)
    heads = {event.task_id, (task.parent_recurring_id if task else None) or event.task_id}
    series = (snapshot.series[head] for head in heads if head in snapshot.series)
    own = {t.id for one in series for t in one.hanging if t.user_id is not None and t.user_id == event.user_id}
    return replace(event, deleting=tuple(i for i in event.deleting if i in kept or i in own))
