"""Finding work that nobody announced, look by look. Starting runs for the events it writes is sensors.py's part.

Looks follow each other every 5 s, as many in one evaluation as fit into SENSOR_WATCH: to begin one costs far more CPU
than to look. It is the one sensor that writes. That does no harm where an evaluation hangs and overlaps the next: the
events have derived ids, so that both ask for the same once.
"""

import time
from datetime import timedelta

import dagster as dg

from recurrence_pipeline.domain.errors import Outage, Transient
from recurrence_pipeline.orchestration.assets import task_events
from recurrence_pipeline.orchestration.resources import WorkerParam, one_line
from recurrence_pipeline.reconciliation.reconciler import Look, Reconciliation

BETWEEN_LOOKS = timedelta(seconds=5)


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
    description="Asks, with events, for work that nobody announced: new recurring tasks, and completed ones whose "
    "series is behind. Its cursor says how far it is; without one it begins anew, and nothing is lost.",
    tags={"reads": "tasks", "writes": "task_events"},
)
def reconcile_sensor(  # noqa: D103 (Dagster shows the description above)
    context: dg.SensorEvaluationContext, worker: WorkerParam
) -> dg.SensorResult | dg.SkipReason:
    try:
        look = look_until_found(worker.open().reconciliation, context.cursor, worker.settings.watch)
    except (Outage, Transient) as error:
        return dg.SkipReason(f"the database cannot be worked with: {one_line(error)}")
    if not look.asked:
        return dg.SensorResult(cursor=look.position, skip_reason=f"{look.looked_at} tasks seen, all of them announced")
    return dg.SensorResult(
        cursor=look.position,
        skip_reason=f"{look.asked} events written for work that nobody announced",
        asset_events=[
            dg.AssetObservation(
                task_events.key,
                description="asked for by reconciliation",
                metadata={"asked": look.asked, "looked_at": look.looked_at},
            )
        ],
    )


def look_until_found(reconciliation: Reconciliation, position: str | None, longest: timedelta) -> Look:
    """Look again and again until there is something to ask for, at most for `longest`; return the last look.

    Raises:
        Outage, Transient: the database cannot be worked with. The looks before can be made again: they found nothing.
    """
    end = time.monotonic() + longest.total_seconds()
    look = reconciliation.look(position)
    while not look.asked and time.monotonic() + BETWEEN_LOOKS.total_seconds() < end:
        time.sleep(BETWEEN_LOOKS.total_seconds())
        look = reconciliation.look(look.position)
    return look
