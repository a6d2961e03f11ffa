"""The jobs that run by themselves: processing events that are due, health checks, reports.

When they start is in sensors.py and schedules.py; the job that deletes is in maintenance_jobs.py, what a person starts
in manual_jobs.py. A run that is told to stop (SIGTERM, Ctrl-C, a deploy) ends what it has begun, gives the rest back,
and is a success.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

import dagster as dg
from pydantic import Field

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation
from recurrence_pipeline.orchestration.asset_checks import few_queries, pass_over_tasks, sum_of_all
from recurrence_pipeline.orchestration.executor import cancelable_executor, stoppable_executor
from recurrence_pipeline.orchestration.materializations import materialize, queue_metadata
from recurrence_pipeline.orchestration.metadata import longest_wait, refused_table
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import (
    HEALTH_TAG,
    MAINTENANCE_TAG,
    MONGODB,
    REPORT,
    WORK,
    Resources,
    WorkerParam,
    failing_in_one_line,
)
from recurrence_pipeline.orchestration.run_leases import RunLeases
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.worker.polling import poll_until_idle
from recurrence_pipeline.worker.summary import BatchSummary

PROCESS_TASK_EVENTS = "process_task_events"

WHOLE_RUN_AGAIN = {"dagster/retry_strategy": "ALL_STEPS"}
"""A crashed run cannot go on from the op that failed: what the ops before it held was in the memory of the process."""

BY_SENSOR = "dagster/sensor_name"
"""The tag that Dagster gives to the runs that a sensor asked for."""

LeasesParam = dg.ResourceParam[RunLeases]

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
def lease_events(context: dg.OpExecutionContext, config: LeaseConfig, leases: LeasesParam) -> LeasedEvents:
    """Hold the events that have been due the longest; none where nothing is due."""
    with failing_in_one_line(), leases.until_stopped() as go_on:
        events = tuple(leases.take(config.max_events) if go_on() else ())
        owed = config.max_events - len(events) if any(event.suspected for event in events) else 0
        leased = LeasedEvents(events, owed)
    numbers = {operation.value: len(leased.of(operation)) for operation in Operation}
    wait = longest_wait(leased.events)
    waited = {"longest_queue_wait_seconds": wait.total_seconds(), "longest_queue_wait": lasting(wait)}
    context.add_output_metadata({"leased": len(leased.events), **waited, **numbers})
    return leased


@dg.op(out=dg.Out(description="What the creations came to."), tags=MONGODB)
def process_creations(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: LeasesParam, leased: LeasedEvents
) -> BatchSummary:
    """Generate the first occurrences of new series."""
    return _process(context, worker.open(), leases, leased, Operation.CREATE)


@dg.op(ins={"creations_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the completions came to."), tags=MONGODB)
def process_completions(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: LeasesParam, leased: LeasedEvents
) -> BatchSummary:
    """Link the next occurrence of each completed task, and keep its series 3 ahead."""
    return _process(context, worker.open(), leases, leased, Operation.COMPLETE)


@dg.op(ins={"completions_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the changes came to."), tags=MONGODB)
def process_changes(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: LeasesParam, leased: LeasedEvents
) -> BatchSummary:
    """Follow edits of originals, completions that were taken back, and slots that are not wanted."""
    return _process(context, worker.open(), leases, leased, *CHANGES)


@dg.op(ins={"changes_done": dg.In(dg.Nothing)}, out=dg.Out(description="What the deletions came to."), tags=MONGODB)
def process_deletions(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: LeasesParam, leased: LeasedEvents
) -> BatchSummary:
    """Delete the occurrences of deleted tasks; last, so that nothing is made under a task that is going."""
    return _process(context, worker.open(), leases, leased, Operation.DELETE)


@dg.op(
    ins={"deletions_done": dg.In(dg.Nothing)},
    out=dg.Out(description="What came of the events that came meanwhile."),
    tags=MONGODB,
)
def process_latecomers(
    context: dg.OpExecutionContext, worker: WorkerParam, leases: LeasesParam, leased: LeasedEvents
) -> BatchSummary:
    """Process what the run was asked for and could not hold together, then what becomes due while it is warm.

    It ends when nothing has come for WORKER_IDLE_TIMEOUT, or at once when it is told to stop; one that a person
    launched, with its events.
    """
    idle = worker.settings.idle_timeout if leased.events and BY_SENSOR in context.run_tags else timedelta()
    with failing_in_one_line(), leases.until_stopped() as go_on:
        summary = poll_until_idle(
            partial(worker.open().process_pending, run_id=context.run_id, shard=leases.shard),
            batch=worker.open().batch_size,
            pending=leased.owed,
            idle=idle,
            longest=LONGEST_STAY,
            beat=leases.beat,
            go_on=go_on,
        )
    context.add_output_metadata(summary.numbers())
    return summary


@dg.op(out=dg.Out(description="The numbers of the whole run."), tags={"kind": "python"})
def summarize(
    context: dg.OpExecutionContext,
    worker: WorkerParam,
    leases: LeasesParam,
    parts: list[BatchSummary],
) -> BatchSummary:
    """Add up the numbers, list the events that were rejected or failed (they never fail the run), and report it all."""
    summary = sum(parts, BatchSummary())
    numbers = summary.numbers()
    context.add_output_metadata({**numbers, "refused": refused_table(summary.refused)})
    with leases.until_stopped():  # nothing is left to stop
        materialize(context, worker, summary.by_collection(), summary.newest)
        with suppress(DatabaseUnavailable, Transient):  # the work is done, and the next run says how the queue is
            queue = queue_metadata(worker.open())
            context.log_event(dg.AssetObservation(worker.names.key("task_events"), metadata={**queue, **numbers}))
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
    summarize([creations, completions, changes, deletions, latecomers])


def build_process_task_events(settings: Settings, names: Names, resources: Resources) -> dg.JobDefinition:
    """Build the job that processes what is due; launched without config it takes as much as a run started by itself."""
    return process_task_events.to_job(
        name=names(PROCESS_TASK_EVENTS),
        config={"ops": {"lease_events": {"config": {"max_events": settings.run_max_events}}}},
        tags=WORK,
        run_tags=WHOLE_RUN_AGAIN,
        resource_defs=resources,
        executor_def=stoppable_executor,
    )


ABOUT: Mapping[str, str] = MappingProxyType(
    {
        "health_checks": "Record the health of the worker, and make every check; it only reads. Runs every 15 minutes "
        "by itself; then, where there are many tasks, without the checks that take a pass over all of them.",
        "weekly_maintenance": "Check the consistency of all data, however many tasks there are; it only reads. Runs "
        "every week by itself.",
        "daily_report": "How the events of one day went; it only reads. Runs by itself when the day (UTC) is over.",
        "weekly_report": "Compare one week with the three before; it only reads. Runs by itself when the week (UTC) is "
        "over.",
    }
)
"""What the jobs of assets do."""

AssetJob = Any
"""What `define_asset_job` returns, for which Dagster has no public name."""


def build_asset_jobs(names: Names) -> list[AssetJob]:
    """Build the jobs that make assets and checks."""
    checks = [*few_queries(names), *pass_over_tasks(names), sum_of_all(names)]
    health = dg.AssetSelection.assets(names.key("worker_health")) | dg.AssetSelection.checks(*checks)
    return [
        _asset_job(names, "health_checks", health, HEALTH_TAG, cancelable_executor),  # it comes again soon
        _asset_job(names, "weekly_maintenance", health, MAINTENANCE_TAG),
        _asset_job(names, "daily_report", dg.AssetSelection.assets(names.key("daily_figures")), REPORT),
        _asset_job(names, "weekly_report", dg.AssetSelection.assets(names.key("performance_report")), REPORT),
    ]


def _asset_job(
    names: Names,
    name: str,
    selection: dg.AssetSelection,
    tags: Mapping[str, str],
    executor: dg.ExecutorDefinition = dg.in_process_executor,
) -> AssetJob:
    return dg.define_asset_job(
        names(name),
        selection=selection,
        description=ABOUT[name],
        tags=tags,
        run_tags=WHOLE_RUN_AGAIN,
        executor_def=executor,
    )


def _process(
    context: dg.OpExecutionContext, worker: Worker, leases: RunLeases, leased: LeasedEvents, *operations: Operation
) -> BatchSummary:
    """Process the events of some operations, batch by batch; what a stop leaves is given back at the end of the run."""
    summary = BatchSummary()
    with failing_in_one_line(), leases.until_stopped() as go_on:
        for events in chunks(leased.of(*operations), worker.batch_size):
            if not go_on():
                break
            summary += worker.process(events, run_id=context.run_id)
    context.add_output_metadata(summary.numbers())
    return summary
