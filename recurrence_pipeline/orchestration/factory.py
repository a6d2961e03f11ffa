"""Everything that one worker defines in Dagster: its own, or one of several in a code location.

Each module beside this one has factories of what it is about; all of them take the worker's names. Two workers in one
code location differ in those, and in the resource that what is built requires: assets, checks, sensors and schedules
require it by a key of its own. Ops know it as `worker`: their jobs are bound to it.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib.metadata import version

import dagster as dg

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.asset_checks import all_but_the_sum, build_checks
from recurrence_pipeline.orchestration.assets import (
    build_collections,
    build_daily_figures,
    build_performance_report,
    build_worker_health,
    owned,
)
from recurrence_pipeline.orchestration.jobs import build_asset_jobs, build_process_task_events
from recurrence_pipeline.orchestration.maintenance_jobs import build_daily_maintenance
from recurrence_pipeline.orchestration.manual_jobs import build_manual_jobs
from recurrence_pipeline.orchestration.naming import SCHEDULES, SENSORS, Names, ScheduleName, SensorName
from recurrence_pipeline.orchestration.run_leases import run_leases
from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline.orchestration.sensors import (
    build_dead_run_sensor,
    build_processed_event_sensor,
    build_reconcile_sensor,
    build_task_event_sensor,
)
from recurrence_pipeline.orchestration.source import with_source

ABOUT = (
    "Makes the next occurrences of recurring tasks in a MongoDB, from events in `task_events`, and cleans up after "
    "deletions. Begin with the asset `worker_health`; its settings are on the page of the resource `worker`."
)
"""What the code location says of itself. Dagster 1.13 keeps it with the definitions, and has no page for it yet."""
REPORTING = (build_worker_health, build_daily_figures, build_performance_report)
"""The assets that are materialized."""


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
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        *build_collections(names),
        *(build(names) for build in REPORTING),
    ]
    bound = {"worker": worker, "leases": run_leases, "io_manager": dg.mem_io_manager}
    return dg.Definitions(
        assets=[with_source(each, settings.dagster_source_url) for each in owned(assets, settings.dagster_owners)],
        asset_checks=build_checks(names),
        jobs=[
            build_process_task_events(settings, names, bound),
            build_daily_maintenance(names, bound),
            *build_manual_jobs(names, bound),
            *build_asset_jobs(names),
        ],
        schedules=build_schedules(settings, names, schedules),
        sensors=_sensors(settings, names, sensors),
        resources={names.worker: worker},
        metadata={names("worker"): dg.MetadataValue.md(ABOUT), names("version"): version("recurrence-pipeline")},
    )


def _sensors(settings: Settings, names: Names, running: Collection[SensorName]) -> list[dg.SensorDefinition]:
    built: Mapping[SensorName, Callable[[Names, dg.DefaultSensorStatus], dg.SensorDefinition]] = {
        "task_event_sensor": build_task_event_sensor,
        "dead_run_sensor": build_dead_run_sensor,
        "reconcile_sensor": build_reconcile_sensor,
        "processed_event_sensor": build_processed_event_sensor,
        "alert_sensor": partial(build_alert_sensor, settings, all_but_the_sum(names)),
    }
    on, off = dg.DefaultSensorStatus.RUNNING, dg.DefaultSensorStatus.STOPPED
    return [build(names, on if name in running else off) for name, build in built.items()]
