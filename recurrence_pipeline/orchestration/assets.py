"""The collections the work reads and writes, and the health of the worker, as Dagster shows them."""

from math import isnan
from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import utc_now
from recurrence_pipeline.domain.errors import Outage, Transient
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.orchestration.metadata import table
from recurrence_pipeline.orchestration.resources import TEAM, WorkerResource, one_line
from recurrence_pipeline.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.worker.metrics import ALL, LATEST
from recurrence_pipeline.worker.service import WorkerService

APPLICATION = "application"
WORKER = "worker"
PARTS = ("part", "where", "since", "seenAt", "standsStill")

task_events = dg.AssetSpec(
    "task_events",
    description="The queue: one document for each task to look at, because it was created, completed or deleted.",
    group_name=WORKER,
    kinds={"mongodb"},
    tags={"written_by": "application"},
    owners=[TEAM],
)
tasks = dg.AssetSpec(
    "tasks",
    deps=[task_events],
    description="The tasks of all users: originals, and the occurrences that are generated from them.",
    group_name=APPLICATION,
    kinds={"mongodb"},
    tags={"written_by": "both"},
)
useractivities = dg.AssetSpec(
    "useractivities",
    deps=[task_events],
    description="The activity log of the users; the worker adds what it generated, linked, deleted or could not do.",
    group_name=APPLICATION,
    kinds={"mongodb"},
    tags={"written_by": "both"},
)
counters = dg.AssetSpec(
    "counters",
    description="The last number given to a task and to an activity.",
    group_name=APPLICATION,
    kinds={"mongodb"},
    tags={"written_by": "both"},
)
deleted_tasks = dg.AssetSpec(
    "deleted_tasks",
    deps=[task_events],
    description="Copies of the tasks that a cascade or a cleanup deleted, kept for KEEP_DELETED_DAYS days.",
    group_name=WORKER,
    kinds={"mongodb"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)

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
def worker_health(worker: dg.ResourceParam[WorkerResource]) -> dg.MaterializeResult[None]:  # noqa: D103
    try:
        metadata = {"healthy": 1} | _numbers(worker.service)
    except (Outage, Transient) as error:
        metadata = {"healthy": 0, "error": one_line(error)}  # a finding: the check beside it fails
    return dg.MaterializeResult(metadata=metadata | {"time_zone_data": str(use_newest_time_zone_data())})


def _numbers(service: WorkerService) -> dict[str, Any]:
    details = service.get_detailed_stats()
    queue = service.queue()
    counts = details["workerStatus"]["queue"]
    dead_letters = [[row.get(key) for key in ("operation", "status", "reason", "count")] for row in service.refusals()]
    waited = (utc_now() - queue.oldest).total_seconds() if queue.oldest else 0.0
    return {
        **details["recurringTasks"],
        **{f"events_{status.value}": counts[status.value] for status in EventStatus},
        "events_due": queue.due,
        "oldest_due_age_seconds": waited,
        **_metrics(service),
        "dead_letters": table(["operation", "status", "reason", "count"], dead_letters),
        "parts": table(PARTS, [[row[name] for name in PARTS] for row in service.parts.rows()]),
    }


def _metrics(service: WorkerService) -> dict[str, Any]:
    """Return the figures of the last day: those of all operations as numbers to plot, and a table by operation."""
    figures = service.metrics.measure(utc_now() - LATEST).in_all().round(3)
    by_operation = figures.to_dict("index")
    rows = [[name, *("" if isnan(row[name]) else row[name] for row in by_operation.values())] for name in figures]
    plotted = {str(name): float(value) for name, value in by_operation[ALL].items() if not isnan(value)}
    return plotted | {"metrics": table(["figure", *map(str, by_operation)], rows)}
