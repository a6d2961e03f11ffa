"""What starts runs by itself. A sensor only reads: an evaluation that hangs is not killed, and overlaps the next."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from recurrence_pipeline.bootstrap import utc_now
from recurrence_pipeline.domain.errors import Outage, Transient
from recurrence_pipeline.orchestration.jobs import PROCESS_TASK_EVENTS
from recurrence_pipeline.orchestration.resources import WorkerResource, one_line
from recurrence_pipeline.settings import Settings
from recurrence_pipeline.worker.service import WorkerService

WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
"""Runs that have leased nothing yet."""

IN_FLIGHT = [*WAITING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

DUE_TAG = "recurrence/events_due"
AGE_TAG = "recurrence/oldest_due_seconds"


@dg.sensor(
    job_name=PROCESS_TASK_EVENTS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=1,
    description="Starts runs while events are due, as many at a time as WORKER_MAX_RUNS allows.",
    tags={"reads": "task_events"},
)
def task_event_sensor(  # noqa: D103 (Dagster shows the description above)
    context: dg.SensorEvaluationContext, worker: dg.ResourceParam[WorkerResource]
) -> list[dg.RunRequest] | dg.SkipReason:
    settings = worker.settings
    try:
        queue = worker.service.queue()
        if queue.oldest is None:
            return dg.SkipReason("nothing is due")
        now = utc_now()
        in_flight = runs_in_flight(context.instance, worker.service, lease=settings.lease, now=now)
    except (Outage, Transient) as error:
        return dg.SkipReason(f"the database is away: {one_line(error)}")
    runs = runs_to_start(queue.due, in_flight, settings)
    if not runs:
        return dg.SkipReason(
            f"{in_flight.total} of {settings.max_runs_in_flight} runs in flight, {queue.due} events due"
        )
    age = int((now - queue.oldest).total_seconds())
    # No run_key: Dagster launches a key once, for ever, even where that run failed.
    return [dg.RunRequest(tags={DUE_TAG: str(queue.due), AGE_TAG: str(age)})] * runs


@dataclass(frozen=True, slots=True)
class InFlight:
    """The runs that work on events, and of those the ones that have not begun."""

    total: int
    waiting: int = 0


def runs_to_start(due: int, in_flight: InFlight, settings: Settings) -> int:
    """Return how many runs the due events are worth beside those that wait, at most as many as places are free."""
    free = settings.max_runs_in_flight - in_flight.total
    return max(min(free, math.ceil(due / settings.run_max_events) - in_flight.waiting), 0)


def runs_in_flight(
    instance: dg.DagsterInstance, service: WorkerService, *, lease: timedelta, now: datetime
) -> InFlight:
    """Count the runs that work on events, or will.

    A run that died with its machine stays "started" until its longest run time is over. So one that began longer than a
    lease ago, while nobody holds a single event, is not counted.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=PROCESS_TASK_EVENTS, statuses=IN_FLIGHT))
    old = sum(1 for record in records if _began_before(record, now - lease))
    dead = old if old and not service.is_working() else 0
    waiting = sum(1 for record in records if record.dagster_run.status in WAITING)
    return InFlight(len(records) - dead, waiting)


def _began_before(record: dg.RunRecord, time: datetime) -> bool:
    started = record.dagster_run.status is dg.DagsterRunStatus.STARTED
    return started and record.start_time is not None and record.start_time < time.timestamp()
