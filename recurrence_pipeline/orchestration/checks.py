"""Asset checks: is the worker healthy?"""

import dagster as dg

from recurrence_pipeline.orchestration.assets import worker_health
from recurrence_pipeline.orchestration.resources import WorkerResource


@dg.asset_check(asset=worker_health, description="The database answers, and its tasks can be counted.")
def health_statistics(worker: dg.ResourceParam[WorkerResource]) -> dg.AssetCheckResult:  # noqa: D103
    health = worker.service.get_health_status()
    return dg.AssetCheckResult(
        passed=health["status"] == "healthy",
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(str(health.get("error", "the database answers")).split()),
        metadata={"status": health["status"], **health["stats"]},
    )
