"""What planning reads: the tasks and series that a batch speaks of, as one moment saw them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from recurrence_pipeline.domain.model import Series, Task

MAX_NESTING = 8
"""How many occurrences may hang on each other before the search for the original gives up."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tasks and series that a batch speaks of, as one moment saw them."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    makers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of the events that made occurrences, as far as they are kept: the operation, and the task that it named."""
    retired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The occurrences that an earlier try of an event has retired, by event; `tasks` has those that are named."""
    reopened: Mapping[str, datetime] = field(default_factory=dict)
    """When it was last told that a completion was taken back, by task; of open tasks that a completion names."""

    def series_of(self, task_id: str) -> Series:
        """Return the series that a task belongs to; one without an original where nothing is known of it."""
        head = task_id
        for _ in range(MAX_NESTING):
            task = self.tasks.get(head)
            if task is None or task.parent_recurring_id is None:
                break
            head = task.parent_recurring_id
        return self.series.get(head) or Series(head, None)
