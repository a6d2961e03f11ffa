"""What Dagster shows of the data: the collections, the health of the worker, and what maintenance and reports come to.

What is done is the worker's business; when it is done, that of jobs.py and schedules.py.
"""

from math import isnan
from typing import Any

import dagster as dg
from pydantic import Field

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.monitoring.figures import ALL
from recurrence_pipeline.monitoring.metrics import LATEST
from recurrence_pipeline.orchestration.metadata import markdown, table
from recurrence_pipeline.orchestration.resources import TEAM, WorkerParam, failing_in_one_line, one_line

APPLICATION = "application"
WORKER = "worker"
MAINTENANCE = "maintenance"

PARTS = ("part", "where", "since", "seenAt", "standsStill")
DEGRADED = "degraded"
"""The check that belongs to the performance report."""


def _collection(name: str, group: str, text: str, *after: dg.AssetSpec, written_by: str) -> dg.AssetSpec:
    """Return a collection as Dagster shows it; those of the application's group are not ours to own."""
    owners = [TEAM] if group == WORKER else []
    tags = {"written_by": written_by}
    return dg.AssetSpec(
        name, deps=after, description=text, group_name=group, kinds={"mongodb"}, tags=tags, owners=owners
    )


QUEUE = "The queue: one document for each task to look at, because it was created, completed or deleted."
task_events = _collection("task_events", WORKER, QUEUE, written_by="application")
TASKS = "The tasks of all users: originals, and the occurrences that are generated from them."
tasks = _collection("tasks", APPLICATION, TASKS, task_events, written_by="both")
ACTIVITIES = "The activity log of the users; the worker adds what it generated, linked, deleted or could not do."
useractivities = _collection("useractivities", APPLICATION, ACTIVITIES, task_events, written_by="both")
NUMBERS = "The last number given to a task and to an activity."
counters = _collection("counters", APPLICATION, NUMBERS, written_by="both")
COPIES = "Copies of the tasks that a cascade or a cleanup deleted, kept for KEEP_DELETED_DAYS days."
deleted_tasks = _collection("deleted_tasks", WORKER, COPIES, task_events, written_by="worker")

COLLECTIONS = [task_events, tasks, useractivities, counters, deleted_tasks]


@dg.asset(
    deps=[tasks, task_events],
    description="Tasks by kind, events by status, why some were refused, and how long the oldest due one has waited; "
    "of the last 24 hours: how long events took (ms), how many succeeded or were tried again (%), and what they made; "
    "which time zone data the run used, and which parts (Dagster, the API) are there and which stand still.",
    group_name=WORKER,
    kinds={"python"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
def worker_health(worker: WorkerParam) -> dg.MaterializeResult[None]:  # noqa: D103
    try:
        metadata = {"healthy": 1} | _numbers(worker.open())
    except (DatabaseUnavailable, Transient) as error:
        metadata = {"healthy": 0, "error": one_line(error)}  # a finding: the check beside it fails
    return dg.MaterializeResult(metadata=metadata | {"time_zone_data": str(use_newest_time_zone_data())})


def _numbers(worker: Worker) -> dict[str, Any]:
    details = worker.health.detailed()
    queue = worker.queries.queue()
    counts = details["workerStatus"]["queue"]
    columns = ["operation", "status", "reason", "count"]
    dead_letters = [[row.get(key) for key in columns] for row in worker.queries.refusals()]
    waited = (utc_now() - queue.oldest).total_seconds() if queue.oldest else 0.0
    return {
        **details["recurringTasks"],
        **{f"{word}Recurring": count for word, count in details["byFrequency"].items()},
        **{f"events_{status.value}": counts[status.value] for status in EventStatus},
        "events_due": queue.due,
        "oldest_due_age_seconds": waited,
        **_metrics(worker),
        "dead_letters": table(columns, dead_letters),
        "parts": table(PARTS, [[row[name] for name in PARTS] for row in worker.parts.rows()]),
    }


def _metrics(worker: Worker) -> dict[str, Any]:
    """Return the figures of the last day: those of all operations as numbers to plot, and a table by operation."""
    figures = worker.metrics.measure(utc_now() - LATEST).in_all().round(3)
    by_operation = figures.to_dict("index")
    rows = [[name, *("" if isnan(row[name]) else row[name] for row in by_operation.values())] for name in figures]
    plotted = {str(name): float(value) for name, value in by_operation[ALL].items() if not isnan(value)}
    return plotted | {"metrics": table(["figure", *map(str, by_operation)], rows)}


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
    deps=[tasks],
    description="Series of which missed slots do not stay are asked for, where the time of their next slot has come.",
    group_name=MAINTENANCE,
    kinds={"mongodb"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
def missed_slots(worker: WorkerParam) -> dg.MaterializeResult[None]:  # noqa: D103
    with failing_in_one_line():
        return dg.MaterializeResult(metadata={"asked": worker.open().reconciliation.ask_for_missed()})


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


@dg.asset(
    deps=[task_events],
    check_specs=[
        dg.AssetCheckSpec(
            DEGRADED,
            asset="performance_report",
            description="No figure is more than DEGRADATION_THRESHOLD percent worse than in the three weeks before.",
        )
    ],
    description="The last week compared with the three before. `recurrence report --output FOLDER` has the pictures.",
    group_name=MAINTENANCE,
    kinds={"python"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
# Beside checks, Dagster takes no type argument.
def performance_report(worker: WorkerParam) -> dg.MaterializeResult:  # type: ignore[type-arg]  # noqa: D103
    from recurrence_pipeline.monitoring.report import performance_report as report_on  # noqa: PLC0415 - pandas

    with failing_in_one_line():
        report = report_on(worker.open().metrics, utc_now(), threshold=worker.settings.degradation_threshold)
    worse = "; ".join(map(str, report.worse))
    check = dg.AssetCheckResult(
        passed=not report.worse,
        check_name=DEGRADED,
        severity=dg.AssetCheckSeverity.ERROR,
        description=worse or "No figure is much worse.",
        metadata={"figures": len(report.worse)},
    )
    return dg.MaterializeResult(metadata={"report": markdown(report.without_pictures())}, check_results=[check])
