"""The jobs that run by themselves: processing events that are due, health checks, maintenance.

When they start is in sensors.py and schedules.py; what a person starts is in manual_jobs.py. The parts of a maintenance
job do not depend on each other: one that fails, or asks for a confirmation, keeps no other from running.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import dagster as dg
from pydantic import Field

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.model import CHANGES, Operation, TaskEvent
from recurrence_pipeline.orchestration.asset_checks import figures_of_the_day, orphans, quick_checks, thorough_checks
from recurrence_pipeline.orchestration.assets import (
    missed_slots,
    orphan_cleanup,
    performance_report,
    useractivities_archive,
    worker_health,
)
from recurrence_pipeline.orchestration.metadata import (
    longest_wait,
    refused_table,
)
from recurrence_pipeline.orchestration.resources import MONGODB, WorkerParam, failing_in_one_line
from recurrence_pipeline.orchestration.run_history import run_history
from recurrence_pipeline.orchestration.run_leases import RunLeases
from recurrence_pipeline.worker.polling import poll_until_idle
from recurrence_pipeline.worker.summary import BatchSummary

PROCESS_TASK_EVENTS = "process_task_events"

WHOLE_RUN_AGAIN = {"dagster/retry_strategy": "ALL_STEPS"}
"""A crashed run cannot go on from the op that failed: what the ops before it held was in the memory of the process."""

BY_SENSOR = "dagster/sensor_name"
"""The tag that Dagster gives to the runs that a sensor asked for."""

LONGEST_STAY = timedelta(minutes=10)
"""How long a run goes on while events keep coming; Dagster ends one that runs for 15 minutes."""


@dataclass(frozen=True, slots=True)
class LeasedEvents:
    """The events that a run holds; `owed` is how many more it was asked for, where few may be held at once."""

    events: tuple[TaskEvent, ...]
    owed: int = 0

    def of(self, *operations: Operation) -> list[TaskEvent]:
        """Return those of some operations."""
        return [event for event in self.events if event.operation in operations]


class LeaseConfig(dg.Config):
    """How much one run takes on."""

    max_events: int = Field(
        description="Most events this run leases (WORKER_RUN_MAX_EVENTS where started by itself).", ge=1
    )


@dg.op(out=dg.Out(description="The events this run holds."), tags=MONGODB)
def lease_events(
    context: dg.OpExecutionContext, config: LeaseConfig, leases: dg.ResourceParam[RunLeases]
) -> LeasedEvents:
    """Hold the events that have been due the longest; none where nothing is due."""
    with failing_in_one_line():
        events = tuple(leases.take(config.max_events))
        owed = config.max_events - len(events) if any(event.suspected for event in events) else 0
        leased = LeasedEvents(events, owed)
    numbers = {operation.value: len(leased.of(operation)) for operation in Operation}
    wait = longest_wait(leased.events).total_seconds()
    context.add_output_metadata({"leased": len(leased.events), **numbers, "longest_queue_wait_seconds": wait})
    return leased


@dg.op(out=dg.Out(description="What the creations came to."), tags=MONGODB)
def process_creations(context: dg.OpExecutionContext, worker: WorkerParam, leased: LeasedEvents) -> BatchSummary:
    """Generate the first occurrences of new series."""
    return _work_off(context, worker.open(), leased, Operation.CREATE)


@dg.op(ins={"creations_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the completions came to."), tags=MONGODB)
def process_completions(context: dg.OpExecutionContext, worker: WorkerParam, leased: LeasedEvents) -> BatchSummary:
    """Link the next occurrence of each completed task, and keep its series 3 ahead."""
    return _work_off(context, worker.open(), leased, Operation.COMPLETE)


@dg.op(ins={"completions_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the changes came to."), tags=MONGODB)
def process_changes(context: dg.OpExecutionContext, worker: WorkerParam, leased: LeasedEvents) -> BatchSummary:
    """Follow edits of originals, completions that were taken back, and slots that are not wanted."""
    return _work_off(context, worker.open(), leased, *CHANGES)


@dg.op(ins={"changes_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the deletions came to."), tags=MONGODB)
def process_deletions(context: dg.OpExecutionContext, worker: WorkerParam, leased: LeasedEvents) -> BatchSummary:
    """Delete what hangs on deleted tasks; last, so that nothing is made under a task that is going."""
    return _work_off(context, worker.open(), leased, Operation.DELETE)


@dg.op(
    ins={"deletions_done": dg.In(dg.Nothing)},
    out=dg.Out(description="What came of the events that came meanwhile."),
    tags=MONGODB,
)
def process_latecomers(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: dg.ResourceParam[RunLeases], leased: LeasedEvents
) -> BatchSummary:
    """Process what the run was asked for and could not hold together, then what becomes due while it is warm.

    It ends when nothing has come for WORKER_IDLE_TIMEOUT; one that a person launched, with its events.
    """
    idle = worker.settings.idle_timeout if leased.events and BY_SENSOR in context.run_tags else timedelta()
    with failing_in_one_line():
        summary = poll_until_idle(
            partial(worker.open().process_pending, run_id=context.run_id, shard=leases.shard),
            batch=worker.open().batch_size,
            pending=leased.owed,
            idle=idle,
            longest=LONGEST_STAY,
            beat=leases.beat,
        )
    context.add_output_metadata(summary.numbers())
    return summary


@dg.op(out=dg.Out(description="The numbers of the whole run."), tags={"kind": "python"})
def summarize(  # noqa: PLR0913, PLR0917 (each is an op before it)
    context: dg.OpExecutionContext,
    worker: WorkerParam,
    creations: BatchSummary,
    completions: BatchSummary,
    changes: BatchSummary,
    deletions: BatchSummary,
    latecomers: BatchSummary,
) -> BatchSummary:
    """Add up the numbers, and list the events that were rejected or failed: they never fail the run."""
    summary = creations + completions + changes + deletions + latecomers
    numbers = summary.numbers()
    context.add_output_metadata({**numbers, "refused": refused_table(summary.refused)})
    if summary.events:
        key = worker.names.key("task_events")
        context.log_event(dg.AssetObservation(key, description="processed by a run", metadata=numbers))
    return summary


@dg.graph(
    description="Process the events that are due: creations, completions, changes, deletions, and what comes meanwhile."
)
def process_task_events() -> None:  # noqa: D103 (Dagster shows the description above)
    leased = lease_events()
    creations = process_creations(leased)
    completions = process_completions(leased, creations_done=creations)
    changes = process_changes(leased, completions_done=completions)
    deletions = process_deletions(leased, changes_done=changes)
    latecomers = process_latecomers(leased, deletions_done=deletions)
    summarize(creations, completions, changes, deletions, latecomers)


def process_task_events_job(settings: Settings) -> dg.JobDefinition:
    """Build the job that processes what is due; launched without config it takes as much as a run started by itself."""
    return process_task_events.to_job(
        name=PROCESS_TASK_EVENTS,
        config={"ops": {"lease_events": {"config": {"max_events": settings.run_max_events}}}},
        tags={"trigger": "sensor"},
        run_tags=WHOLE_RUN_AGAIN,
    )


ALL_TASKS = dg.AssetSelection.checks(orphans, thorough_checks)
"""The checks that take a pass over all tasks."""

HEALTH = dg.AssetSelection.assets(worker_health) | dg.AssetSelection.checks(quick_checks, figures_of_the_day)

MAINTENANCE_JOB = {"purpose": "maintenance"}

health_checks = dg.define_asset_job(
    "health_checks",
    selection=HEALTH | ALL_TASKS,
    description="Record the health of the worker, and make every check. Runs every 15 minutes by itself; then, where "
    "there are many tasks, without the checks that take a pass over all of them.",
    tags={"purpose": "health"},
)

daily_maintenance = dg.define_asset_job(
    "daily_maintenance",
    selection=HEALTH
    | dg.AssetSelection.assets(orphan_cleanup, missed_slots, useractivities_archive, run_history)
    | dg.AssetSelection.checks(orphans),
    description="Clean up orphans, have missed slots retired, archive old activities, remove Dagster's old runs, and "
    "record the health. "
    "Runs every day by itself.",
    tags=MAINTENANCE_JOB,
)

weekly_maintenance = dg.define_asset_job(
    "weekly_maintenance",
    selection=HEALTH | ALL_TASKS | dg.AssetSelection.assets(performance_report),
    description="Check the consistency of all data, and report on the performance. Runs every week by itself.",
    tags=MAINTENANCE_JOB,
)


def _work_off(
    context: dg.OpExecutionContext, worker: Worker, leased: LeasedEvents, *operations: Operation
) -> BatchSummary:
    with failing_in_one_line():
        summary = worker.process(leased.of(*operations), run_id=context.run_id)
    context.add_output_metadata(summary.numbers())
    return summary
