"""Everything Dagster knows of us. An entry point: workspace.yaml and `-m recurrence_pipeline.definitions` load it."""

import os

import dagster as dg

from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
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
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_leases import run_leases
from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline.orchestration.sensors import (
    dead_run_sensor,
    processed_event_sensor,
    reconcile_sensor,
    task_event_sensor,
)


def build_definitions(settings: Settings | None = None, *, worker: WorkerResource | None = None) -> dg.Definitions:
    """Build the definitions for these settings, or those of the environment.

    `worker` is given by whoever wants to close it.

    Raises:
        ConfigurationError: a variable of the environment holds a wrong value.
    """
    settings = settings or Settings.from_environment(os.environ)
    resource = dg.ResourceDefinition.hardcoded_resource(
        worker or WorkerResource(settings), description="The recurrence worker and its one connection to the database."
    )
    return dg.Definitions(
        assets=owned([*COLLECTIONS, worker_health, daily_figures, performance_report], settings.dagster_owners),
        asset_checks=CHECK_DEFINITIONS,
        jobs=[
            process_task_events_job(settings),
            process_task,
            replay_events,
            restore_tasks,
            health_checks,
            daily_maintenance,
            weekly_maintenance,
            daily_report,
            weekly_report,
        ],
        schedules=build_schedules(settings),
        sensors=[
            task_event_sensor,
            dead_run_sensor,
            reconcile_sensor,
            processed_event_sensor,
            build_alert_sensor(settings, WITH_CHECKS),
        ],
        resources={"worker": resource, "leases": run_leases, "io_manager": dg.mem_io_manager},
        executor=dg.in_process_executor,  # with it a run is one process, and what ops hand on stays in its memory
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Read the environment, and log as it says, when Dagster loads the definitions: not when this is imported."""
    use_newest_time_zone_data()
    settings = Settings.from_environment(os.environ)
    configure(settings)
    return build_definitions(settings)
