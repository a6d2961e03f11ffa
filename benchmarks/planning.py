"""Planning a batch of creations: our own CPU for an event, where all tasks are daily and where their rules are mixed.

No database: what is measured is from the snapshot to the plan. Both kinds take turns, each in its best round.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from time import process_time

from benchmarks.report import Row
from benchmarks.size import Size
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.planning import plan_batch
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.zones import UTC

BATCH = 500
CREATED = datetime(2024, 1, 1, tzinfo=UTC)
NOW = CREATED + timedelta(days=1)
FIRST_DUE = datetime(2024, 2, 1, 9, 30, tzinfo=UTC)
DIFFERENT_DAYS = 90
MIXED = (
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=WEEKLY;INTERVAL=2",
    "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
    "FREQ=MONTHLY;BYMONTHDAY=1,15",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;SKIP=BACKWARD",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=DAILY;COUNT=10",
)
BEST_OF = 9

Asked = tuple[list[TaskEvent], Snapshot]


def asked(rules: tuple[str, ...]) -> Asked:
    """Return a batch of new series, and the events that tell of them; without rules all are daily."""
    tasks, events = dict[str, Task](), list[TaskEvent]()
    for number in range(BATCH):
        due = FIRST_DUE + timedelta(days=number % DIFFERENT_DAYS, minutes=number)
        task = Task(
            id=f"65920080{number:016x}",
            user_id="aa" * 12,
            repeat_type="daily",
            due_date=due,
            original_due_date=due,
            created_at=CREATED,
            timezone="Europe/Berlin",
        )
        if rules:
            task = replace(task, repeat_type="custom", recurrence={"rule": rules[number % len(rules)]})
        tasks[task.id] = task
        events.append(TaskEvent(f"65920081{number:016x}", Operation.CREATE, task.id, CREATED))
    return events, Snapshot(tasks, {i: Series(i, task) for i, task in tasks.items()})


def microseconds(batch: Asked, times: int) -> float:
    """Return our CPU for an event."""
    events, snapshot = batch
    begin = process_time()
    for _ in range(times):
        plan = plan_batch(events, snapshot, now=NOW)
    taken = process_time() - begin
    if len(plan.answers) != BATCH:
        raise RuntimeError(f"{len(plan.refusals)} events were refused: {next(iter(plan.refusals.values()))}")
    return taken / times / BATCH * 1e6


def compared(size: Size) -> list[Row]:
    """Measure both kinds, in turns."""
    daily, mixed, times = asked(()), asked(MIXED), max(size.repeats // 100, 1)
    rounds = [(microseconds(daily, times), microseconds(mixed, times)) for _ in range(BEST_OF)]
    of_daily, of_mixed = (min(each) for each in zip(*rounds, strict=True))
    figures = {"daily us": of_daily, "mixed us": of_mixed, "mixed over daily": of_mixed / of_daily}
    return [{"planning 500 creates": "CPU for an event", **figures}]
