"""What starts runs by itself, gives up those that died, and finds work that was never queued.

What counts as alive is in run_leases.py. An evaluation that hangs is not killed, and overlaps the next: so sensors only
read the database, but for two, whose tags say so. The events of reconciliation have derived ids: two that write them
ask for the same once, and a run for each look would take seconds of CPU, every 5 s. The alert sensor leaves Dagster's
heartbeat, one small document, which is about the daemon and not about runs.
Dagster lets a sensor look every 5 s; so that an event need not wait as long, a look at an empty queue watches it for a
while (long polling), which ends shortly before the next may begin; where a change stream is alive it is asked seldom,
and the stream ends the wait. Where the instance evaluates one sensor after the
other, that would hold up those of everybody: there a sensor looks once.
"""

import math
import time
from contextlib import suppress
from datetime import timedelta

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput, Transient
from recurrence_pipeline.domain.times import instant, iso
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.orchestration.jobs import PROCESS_TASK_EVENTS
from recurrence_pipeline.orchestration.launch_backoff import backoff
from recurrence_pipeline.orchestration.materializations import queue_metadata, written
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import location_of
from recurrence_pipeline.orchestration.resources import WorkerResource, one_line, worker_of
from recurrence_pipeline.orchestration.run_leases import InFlight, dead_runs, runs_in_flight, shards_to_start, tag_of
from recurrence_pipeline.reconciliation.reconciler import ScanResult

RUNNING = dg.DefaultSensorStatus.RUNNING

MOMENT = timedelta(milliseconds=250)
"""How long an event is left to the runs that are in flight, and to workers that stay."""

DUE_TAG = "recurrence/events_due"
"""The tag of a run that says what it was started for; how long that waited is in its first op's metadata."""

NOT_AGAIN = {"dagster/max_retries": "0"}
"""For a run that is given up: Dagster shall not start it again, because task_event_sensor has long started another."""

GIVEN_UP = "The run has held no event for longer than two leases: it died with its machine. Its events are due again."


def build_task_event_sensor(names: Names, status: dg.DefaultSensorStatus = RUNNING) -> dg.SensorDefinition:
    """Build the sensor that starts runs."""

    @dg.sensor(
        name=names("task_event_sensor"),
        job_name=names(PROCESS_TASK_EVENTS),
        default_status=status,
        minimum_interval_seconds=1,
        description="Starts runs while events are due, as many at a time as WORKER_MAX_RUNS allows. It only reads.",
        tags={"reads": "task_events"},
        required_resource_keys={names.worker},
    )
    def task_event_sensor(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return _runs_for_what_is_due(context, worker_of(context, names), names(PROCESS_TASK_EVENTS))

    return task_event_sensor


def _runs_for_what_is_due(
    context: dg.SensorEvaluationContext, worker: WorkerResource, job: str
) -> list[dg.RunRequest] | dg.SkipReason:
    settings = worker.settings
    try:
        others = _in_flight(context, worker, job).total or worker.open().parts.has_workers()
        moment = MOMENT if others else timedelta()
        watch(worker.open(), patience(context.instance, settings), moment=moment)
        queue = worker.open().queries.queue()
        if queue.oldest is None:
            return dg.SkipReason("nothing is due")
        in_flight = _in_flight(context, worker, job)
    except (DatabaseUnavailable, Transient) as error:
        return _away(error)
    runs = runs_to_start(queue.due, in_flight, settings)
    if not runs:
        return dg.SkipReason(
            f"{in_flight.total} of {counted(settings.max_runs_in_flight, 'run')} in flight, "
            f"{counted(queue.due, 'event')} due"
        )
    held = backoff(context.instance, job=job, location=location_of(context), now=(now := utc_now()))
    if held and now < held.until:
        return dg.SkipReason(f"{held}; {counted(queue.due, 'event')} due")
    tags = {DUE_TAG: str(queue.due)}
    # No run_key: Dagster launches a key once, for ever, even where that run failed.
    return [
        dg.RunRequest(tags=tags | tag_of(shard))
        for shard in shards_to_start(1 if held else runs, settings.lane_count(), in_flight.shards)
    ]


def _in_flight(context: dg.SensorEvaluationContext, worker: WorkerResource, job: str) -> InFlight:
    location, lease = location_of(context), worker.settings.lease
    return runs_in_flight(context.instance, worker.open(), job=job, location=location, lease=lease, now=utc_now())


def build_dead_run_sensor(names: Names, status: dg.DefaultSensorStatus = RUNNING) -> dg.SensorDefinition:
    """Build the sensor that gives runs up."""

    @dg.sensor(
        name=names("dead_run_sensor"),
        default_status=status,
        minimum_interval_seconds=30,
        description="Ends runs that died with their machine, which Dagster shows as started and keeps a place for.",
        tags={"reads": "task_events"},
        required_resource_keys={names.worker},
    )
    def dead_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        worker = worker_of(context, names)
        instance, lease, location = context.instance, worker.settings.lease, location_of(context)
        job = names(PROCESS_TASK_EVENTS)
        try:
            dead = dead_runs(instance, worker.open(), job=job, location=location, lease=lease, now=utc_now())
        except (DatabaseUnavailable, Transient) as error:
            return _away(error)
        for run in dead:
            instance.add_run_tags(run.run_id, NOT_AGAIN)
            instance.report_run_failed(run, GIVEN_UP)
        return dg.SkipReason(f"given up: {', '.join(run.run_id for run in dead)}" if dead else "no run is dead")

    return dead_run_sensor


def patience(instance: dg.DagsterInstance, settings: Settings) -> timedelta:
    """Return how long a sensor may watch: not at all where the instance evaluates one sensor after the other."""
    return settings.watch if instance.get_settings("sensors").get("use_threads") else timedelta()


def watch(worker: Worker, longest: timedelta, *, moment: timedelta) -> None:
    """Wait until something is due that no run takes within `moment`, at most for `longest`.

    A run that is warm takes it at once; what is still there a moment later is worth another run.
    """
    if longest:
        worker.watcher.start()
    end, looks = time.monotonic() + longest.total_seconds(), worker.queue_looks
    while time.monotonic() < end:
        looks.begin()
        oldest = worker.queries.queue(at_most=1).oldest
        if oldest is not None and utc_now() - oldest >= moment:
            return
        looks.end(found=False)
        looks.wait(end)


def runs_to_start(due: int, in_flight: InFlight, settings: Settings) -> int:
    """Return how many runs the due events are worth beside those that wait, at most as many as places are free."""
    free = settings.max_runs_in_flight - in_flight.total
    return max(min(free, math.ceil(due / settings.run_max_events) - in_flight.waiting), 0)


def _away(error: Exception) -> dg.SkipReason:
    return dg.SkipReason(f"the database is away: {one_line(error)}")


def build_reconcile_sensor(names: Names, status: dg.DefaultSensorStatus = RUNNING) -> dg.SensorDefinition:
    """Build the sensor that finds what was never queued."""

    @dg.sensor(
        name=names("reconcile_sensor"),
        default_status=status,
        minimum_interval_seconds=5,
        description="Asks, with events, for work that was never queued: new recurring tasks, and completed ones whose "
        "series is behind. It writes to the database, and may: its events have derived ids, so that asking twice is "
        "asking once. Its cursor says how far it is; without one it begins anew, and nothing is lost.",
        tags={"reads": "tasks", "writes": "task_events"},
        required_resource_keys={names.worker},
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        worker = worker_of(context, names)
        try:
            look = look_until_found(worker.open(), context.cursor, patience(context.instance, worker.settings))
        except (DatabaseUnavailable, Transient) as error:
            return dg.SkipReason(f"the database cannot be worked with: {one_line(error)}")
        if not look.asked:
            return dg.SensorResult(
                cursor=look.position, skip_reason=f"{counted(look.looked_at, 'task')} seen, nothing unqueued"
            )
        return dg.SensorResult(
            cursor=look.position,
            skip_reason=f"{counted(look.asked, 'event')} written for work that was never queued",
            asset_events=[
                dg.AssetObservation(
                    names.key("task_events"),
                    description="asked for by reconciliation",
                    metadata={"asked": look.asked, "looked_at": look.looked_at},
                )
            ],
        )

    return reconcile_sensor


def look_until_found(worker: Worker, position: str | None, longest: timedelta) -> ScanResult:
    """Look again and again until there is something to ask for, at most for `longest`; return the last look.

    As many looks as fit into SENSOR_WATCH: beginning an evaluation costs far more than a look.

    Raises:
        DatabaseUnavailable, Transient: the database cannot be worked with. The looks before can be made again: they
            found nothing.
    """
    if longest:
        worker.watcher.start()
    end, looks = time.monotonic() + longest.total_seconds(), worker.task_looks
    looks.position = position
    look = looks.look(at_all=True)
    while not look.asked and looks.wait(end):
        look = looks.look()
    return look


EVERY_10_MINUTES = 600
"""In seconds: often enough for the freshness of the queue, and few events in Dagster's history."""


def build_processed_event_sensor(names: Names, status: dg.DefaultSensorStatus = RUNNING) -> dg.SensorDefinition:
    """Build the sensor that reports what others processed."""

    @dg.sensor(
        name=names("processed_event_sensor"),
        default_status=status,
        minimum_interval_seconds=EVERY_10_MINUTES,
        description="Reports to the assets, every 10 minutes and in one event for each, how the queue is and what "
        "others than Dagster processed since: the internal API, `recurrence process`. It only reads.",
        tags={"reads": "task_events"},
        required_resource_keys={names.worker},
    )
    def processed_event_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        worker = worker_of(context, names)
        until = utc_now() - worker.settings.lease  # what ended before is written by now: its lease is over
        since = until - timedelta(seconds=EVERY_10_MINUTES)
        with suppress(InvalidInput):  # people can write cursors
            since = instant("cursor", context.cursor, until) or since
        try:
            elsewhere = worker.open().metrics.processed_without_run(since, until)
            queue = queue_metadata(worker.open())
        except (DatabaseUnavailable, Transient) as error:
            return _away(error)
        numbers = {"processed_without_run": elsewhere.events}
        return dg.SensorResult(
            cursor=iso(until),
            skip_reason=f"{counted(elsewhere.events, 'event')} processed by others than Dagster",
            asset_events=[
                dg.AssetMaterialization(names.key("task_events"), metadata={**queue, **numbers}),
                *written(worker, elsewhere.by_collection(), elsewhere.newest),
            ],
        )

    return processed_event_sensor
