"""Everything that one worker defines in Dagster: its own, or one of several in a code location.

What there is stands in the lists below; what each of them is and does, in the module that it comes from.
"""

from collections.abc import Collection, Sequence
from importlib.metadata import version

import dagster as dg

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration import renaming
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.asset_checks import CHECK_DEFINITIONS, WITH_CHECKS
from recurrence_pipeline.orchestration.assets import (
    COLLECTIONS,
    daily_figures,
    owned,
    performance_report,
    worker_health,
)
from recurrence_pipeline.orchestration.jobs import (
    daily_report,
    health_checks,
    process_task_events_job,
    weekly_maintenance,
    weekly_report,
)
from recurrence_pipeline.orchestration.maintenance_jobs import daily_maintenance
from recurrence_pipeline.orchestration.manual_jobs import process_task, replay_events, restore_tasks
from recurrence_pipeline.orchestration.naming import SCHEDULES, SENSORS, Names, ScheduleName, SensorName
from recurrence_pipeline.orchestration.run_leases import build_run_leases
from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline.orchestration.sensors import (
    dead_run_sensor,
    processed_event_sensor,
    reconcile_sensor,
    task_event_sensor,
)
from recurrence_pipeline.orchestration.source import with_source

ASSETS: Sequence[dg.AssetsDefinition | dg.AssetSpec] = [*COLLECTIONS, worker_health, daily_figures, performance_report]
ABOUT = (
    "Makes the next occurrences of recurring tasks in a MongoDB, from events in `task_events`, and cleans up after "
    "deletions. Begin with the asset `worker_health`; its settings are on the page of the resource `worker`."
)
"""What the code location says of itself."""
ASSET_JOBS = [health_checks, weekly_maintenance, daily_report, weekly_report]
OP_JOBS = [process_task, replay_events, restore_tasks, daily_maintenance]


def worker_definitions(
    settings: Settings,
    worker: object,
    names: Names,
    *,
    sensors: Collection[SensorName] = SENSORS,
    schedules: Collection[ScheduleName] = SCHEDULES,
) -> dg.Definitions:
    """Build what Dagster knows of one worker.

    Args:
        settings: what the definitions depend on: times of maintenance, how much a run takes on, who is told.
        worker: the resource, or what Dagster makes it from.
        names: of the worker; the definitions of two with different prefixes can be merged.
        sensors: which of them run by themselves; the others are there, and wait until somebody turns them on.
        schedules: likewise.
    """
    resources = {names(renaming.WORKER): worker, names(renaming.LEASES): build_run_leases(names(renaming.WORKER))}
    return dg.Definitions(
        assets=[
            with_source(renaming.asset(each, names), settings.dagster_source_url)
            for each in owned(ASSETS, settings.dagster_owners)
        ],
        asset_checks=[renaming.check(each, names) for each in CHECK_DEFINITIONS],
        jobs=[
            *(renaming.job(each, names, resources) for each in (process_task_events_job(settings), *OP_JOBS)),
            *(renaming.asset_job(each, names, [*ASSETS, *CHECK_DEFINITIONS]) for each in ASSET_JOBS),
        ],
        schedules=[
            renaming.schedule(each, names, status=None if each.name in schedules else dg.DefaultScheduleStatus.STOPPED)
            for each in build_schedules(settings)
        ],
        sensors=[
            renaming.sensor(each, names, status=None if each.name in sensors else dg.DefaultSensorStatus.STOPPED)
            for each in (
                task_event_sensor,
                dead_run_sensor,
                reconcile_sensor,
                processed_event_sensor,
                build_alert_sensor(settings, WITH_CHECKS),
            )
        ],
        resources=resources,
        metadata={names("worker"): dg.MetadataValue.md(ABOUT), names("version"): version("recurrence-pipeline")},
    )
