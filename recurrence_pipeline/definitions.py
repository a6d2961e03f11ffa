"""Everything Dagster knows of us. An entry point: workspace.yaml and `-m recurrence_pipeline.definitions` load it."""

import os

import dagster as dg

from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.orchestration.factory import worker_definitions
from recurrence_pipeline.orchestration.naming import ALONE
from recurrence_pipeline.orchestration.resources import ConfiguredWorker, WorkerResource


def build_definitions(
    settings: Settings | None = None, *, worker: WorkerResource | ConfiguredWorker | None = None
) -> dg.Definitions:
    """Build the definitions for these settings, or those of the environment.

    `worker` is given by whoever wants to close it, or configures it.

    Raises:
        ConfigurationError: a variable of the environment holds a wrong value.
    """
    settings = settings or Settings.from_environment(os.environ)
    whole = dg.Definitions(
        # With this executor a run is one process, also of assets that somebody materializes by hand.
        executor=dg.in_process_executor,
        resources={"io_manager": dg.mem_io_manager},
    )
    resource = worker if isinstance(worker, ConfiguredWorker) else _given(worker or WorkerResource(settings))
    return dg.Definitions.merge(worker_definitions(settings, resource, ALONE), whole)


def _given(worker: WorkerResource) -> dg.ResourceDefinition:
    return dg.ResourceDefinition.hardcoded_resource(worker, description="The recurrence worker, as it was given.")


@dg.definitions
def defs() -> dg.Definitions:
    """Read the environment, and log as it says, when Dagster loads the definitions: not when this is imported.

    Raises:
        ConfigurationError: a variable of the environment holds a wrong value.
    """
    use_newest_time_zone_data()
    settings = Settings.from_environment(os.environ)
    configure(settings)
    return build_definitions(settings, worker=ConfiguredWorker.from_environment(os.environ))
