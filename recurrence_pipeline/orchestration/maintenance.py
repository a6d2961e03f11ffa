"""The maintenance as assets. What it does is the worker's business, when it runs routine.py's."""

import dagster as dg
from pydantic import Field

from recurrence_pipeline.orchestration.assets import tasks, useractivities
from recurrence_pipeline.orchestration.resources import TEAM, WorkerParam, failing_in_one_line

MAINTENANCE = "maintenance"


class CleanupConfig(dg.Config):
    """How far the orphan cleanup may go."""

    confirm: bool = Field(
        default=False,
        description="Also delete more than ORPHAN_CLEANUP_LIMIT tasks that are more than 20 % of all occurrences. "
        "So many orphans look like originals that are missing: make sure first that no restore is half done.",
    )


@dg.asset(
    deps=[tasks],
    description="Occurrences whose original is gone are deleted; copies of them stay in deleted_tasks. Series that "
    "have been gone as long as such copies are kept are forgotten.",
    group_name=MAINTENANCE,
    kinds={"mongodb"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
def orphan_cleanup(config: CleanupConfig, worker: WorkerParam) -> dg.MaterializeResult[None]:  # noqa: D103
    with failing_in_one_line():
        maintenance = worker.open().maintenance
        forgotten = maintenance.forget_series()
        deleted = maintenance.clean_orphans(confirm=config.confirm)
        return dg.MaterializeResult(metadata={"deleted": deleted, "series_forgotten": forgotten})


@dg.asset(
    deps=[useractivities],
    description="Activities older than ACTIVITY_RETENTION_DAYS, moved here from useractivities.",
    group_name=MAINTENANCE,
    kinds={"mongodb"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
def useractivities_archive(worker: WorkerParam) -> dg.MaterializeResult[None]:  # noqa: D103
    with failing_in_one_line():
        return dg.MaterializeResult(metadata={"moved": worker.open().maintenance.archive_activities()})
