"""What would have followed on a history, had people changed their mind: each tried on a copy of its end."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.random_series import ORIGINAL, USER
from recurrence_pipeline.simulation.store import Store, process

SERIAL = "65920083"


@dataclass
class Fork:
    """A copy of a history's end that goes its own way; a worker is always there."""

    history: History
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.history.store.copy()
        self.now = self.history.now
        self._serial = 0
        self.ask(Operation.CREATE, ORIGINAL)  # what time alone has changed since

    def ask(self, operation: Operation, task_id: str, *, slot: int | None = None, undo: bool = False) -> Plan:
        """Have a worker process an event."""
        self._serial += 1
        self.now += timedelta(milliseconds=1)
        number = f"{SERIAL}{self._serial:016x}"
        event = TaskEvent(number, operation, task_id, self.now, user_id=USER, slot=slot, undo=undo)
        self.last = event
        return process(self.store, event, self.now, self.history.planner)

    def copy(self) -> "Fork":
        """Return another that begins here."""
        other = replace(self)
        other.store, other.now, other._serial = self.store.copy(), self.now, self._serial
        return other

    def open_tasks(self) -> list[Task]:
        """Return the open tasks in the order of their dates."""
        tasks = sorted(self.store.tasks.values(), key=lambda task: (str(task.due_date), task.id))
        return [task for task in tasks if not task.is_completed]

    def complete(self, task: Task) -> Plan:
        """Complete a task."""
        self.store.put(replace(task, is_completed=True, completed_at=self.now, is_touched=True))
        return self.ask(Operation.COMPLETE, task.id)

    def reopen(self, task: Task) -> Plan:
        """Take the completion of a task back, as it was before."""
        self.store.put(task)
        return self.ask(Operation.REOPEN, task.id)

    def update(self, original: Task) -> Plan:
        """Store an original as somebody changed it."""
        self.store.put(original)
        return self.ask(Operation.UPDATE, original.id)
