"""Everything that one worker defines in Dagster: its own, or one of several in a code location.

What there is stands in the lists below; what each of them is and does, in the module that it comes from.
"""

from collections.abc import Collection, Sequence
from importlib.metadata import version

import dagster as dg

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration import renaming
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.asset_checks import (
    database_reachable,
    figures_of_the_day,
    orphans,
    quick_checks,
    thorough_checks,
)
from recurrence_pipeline.orchestration.assets import (
    COLLECTIONS,
    missed_slots,
    orphan_cleanup,
    performance_report,
    useractivities_archive,
    worker_health,
)
from recurrence_pipeline.orchestration.jobs import (
    daily_maintenance,
    health_checks,
    process_task_events_job,
    weekly_maintenance,
)
from recurrence_pipeline.orchestration.manual_jobs import process_task, replay_events, restore_tasks
from recurrence_pipeline.orchestration.naming import SCHEDULES, SENSORS, Names, ScheduleName, SensorName
from recurrence_pipeline.orchestration.run_history import run_history
from recurrence_pipeline.orchestration.run_leases import build_run_leases
from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline.orchestration.sensors import dead_run_sensor, reconcile_sensor, task_event_sensor
from recurrence_pipeline.orchestration.shadow_job import shadow_previous_worker
from recurrence_pipeline.orchestration.source import with_source

ASSETS: Sequence[dg.AssetsDefinition | dg.AssetSpec] = [
    *COLLECTIONS,
    worker_health,
    orphan_cleanup,
    missed_slots,
    useractivities_archive,
    run_history,
    performance_report,
]
CHECKS: Sequence[dg.AssetsDefinition] = [database_reachable, quick_checks, figures_of_the_day, orphans, thorough_checks]
ALERTED: Sequence[dg.AssetsDefinition] = [*CHECKS, performance_report]
"""What is told of where it fails: the checks, and the asset that has one of its own."""
ABOUT = (
    "Makes the next occurrences of recurring tasks in a MongoDB, from events in `task_events`, and cleans up after "
    "deletions. Begin with the asset `worker_health`; its settings are on the page of the resource `worker`."
)
"""What the code location says of itself."""
ASSET_JOBS = [health_checks, daily_maintenance, weekly_maintenance]
MANUAL_JOBS = [process_task, replay_events, restore_tasks, shadow_previous_worker]


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
        assets=[with_source(renaming.asset(each, names), settings.dagster_source_url) for each in ASSETS],
        asset_checks=[renaming.check(each, names) for each in CHECKS],
        jobs=[
            *(renaming.job(each, names, resources) for each in (process_task_events_job(settings), *MANUAL_JOBS)),
            *(renaming.asset_job(each, names, [*ASSETS, *CHECKS]) for each in ASSET_JOBS),
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
                build_alert_sensor(settings, ALERTED),
            )
        ],
        resources=resources,
        metadata={names("worker"): dg.MetadataValue.md(ABOUT), names("version"): version("recurrence-pipeline")},
    )
