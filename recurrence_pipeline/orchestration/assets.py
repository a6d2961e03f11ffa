"""What Dagster shows of the data: the collections, the health of the worker, and the reports on what it did.

Nothing here deletes or changes a document, so that "Materialize all" is harmless; what does is in maintenance_jobs.py.
What is done is the worker's business; when it is done, that of jobs.py and schedules.py.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.monitoring.metrics import LATEST
from recurrence_pipeline.orchestration.materializations import queue_metadata
from recurrence_pipeline.orchestration.metadata import figures_metadata, markdown, table
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import failing_in_one_line, one_line, worker_of

APPLICATION, WORKER, REPORTS = "application", "worker", "reports"
"""The groups. Lineage goes from the application's collections to the worker's own and to the reports, never back."""

Asset = dg.AssetsDefinition | dg.AssetSpec

WRITTEN_BY, OURS = "written_by", "worker"
"""The tag that says who writes what an asset is, and what it says where nobody but the worker does."""

PARTS = ("part", "where", "since", "seenAt", "standsStill", "changeStream")
NOT_DEGRADED = "no_figure_degraded"
"""The check that belongs to the performance report."""

BEGINNING = "2026-11-01"
"""The first partition of the reports: before the first release."""
DAYS = dg.DailyPartitionsDefinition(start_date=BEGINNING)
WEEKS = dg.WeeklyPartitionsDefinition(start_date=BEGINNING)
"""Both in UTC: where a zone left out a day, two partitions would be one window. Weeks begin on Sunday."""

LOOKED_AT = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=30), warn_window=timedelta(minutes=20))
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
WEEKLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=9), warn_window=timedelta(days=8))


QUEUE = (
    "The queue: one document for each task to look at, because it was created, completed, deleted or changed. Each run "
    "that processes events notes here how deep it is and how long the oldest due event has waited; "
    "`processed_event_sensor` reports every 10 minutes that it was looked at, with what others than Dagster processed."
)
TASKS = (
    "The tasks of all users: originals, and the occurrences that are generated from them. Each run that wrote some "
    "materializes it, and says how many."
)
ACTIVITIES = "The activity log of the users; the worker adds what it generated, linked, deleted or could not do."
NUMBERS = "The last number given to a task and to an activity."
MEMORY = "What the worker knows of each series: how far it is, its rules, what was skipped."
COPIES = "Copies of the tasks that a cascade or a cleanup deleted, kept for KEEP_DELETED_DAYS days."
ARCHIVE = "Activities older than ACTIVITY_RETENTION_DAYS, moved here from useractivities by the daily maintenance."


def build_collections(names: Names) -> list[dg.AssetSpec]:
    """Build what people, the application and the worker write to."""

    def collection(
        name: str, group: str, text: str, *after: str, by: str, freshness: dg.FreshnessPolicy | None = None
    ) -> dg.AssetSpec:
        return dg.AssetSpec(
            names.key(name),
            deps=[names.key(each) for each in after],
            description=text,
            group_name=names(group),
            kinds={"mongodb"},
            tags={WRITTEN_BY: by},
            freshness_policy=freshness,
        )

    return [
        collection("task_events", APPLICATION, QUEUE, by="application", freshness=LOOKED_AT),
        collection("tasks", APPLICATION, TASKS, "task_events", by="both"),
        collection("useractivities", APPLICATION, ACTIVITIES, "task_events", by="both"),
        collection("counters", APPLICATION, NUMBERS, by="both"),
        collection("task_series", WORKER, MEMORY, "tasks", by=OURS),
        collection("deleted_tasks", WORKER, COPIES, "tasks", by=OURS),
        collection("useractivities_archive", WORKER, ARCHIVE, "useractivities", by=OURS),
    ]


def build_worker_health(names: Names) -> dg.AssetsDefinition:
    """Build the asset that says whether the worker is well."""

    @dg.asset(
        key=names.key("worker_health"),
        deps=[names.key("tasks"), names.key("task_events")],
        required_resource_keys={names.worker},
        description="Whether the worker is well: how long the oldest due event has waited, what failed and why, how "
        "the events of the last 24 hours went, tasks by kind, which parts (Dagster, the API) are there and which time "
        "zone data the run used. Its check `all_checks_pass` says whether everything is green. Materializing it only "
        "reads.",
        group_name=names(WORKER),
        kinds={"python"},
        tags={WRITTEN_BY: OURS},
        freshness_policy=LOOKED_AT,
    )
    def worker_health(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        try:
            metadata = {"healthy": 1} | _numbers(worker_of(context, names).open())
        except (DatabaseUnavailable, Transient) as error:
            metadata = {"healthy": 0, "error": one_line(error)}  # a finding: the check beside it fails
        return dg.MaterializeResult(metadata=metadata | {"time_zone_data": str(use_newest_time_zone_data())})

    return worker_health


def _numbers(worker: Worker) -> dict[str, Any]:
    """Return the figures, those that people act on first; MongoDB's statistics have the names of the contract."""
    details = worker.health.detailed()
    counts, kinds = details["workerStatus"]["queue"], details["recurringTasks"]
    columns = ["operation", "status", "reason", "count"]
    refused = [[row.get(key) for key in columns] for row in worker.queries.refusals()]
    now = utc_now()
    return {
        **queue_metadata(worker),
        **{f"events_{status}": counts[status] for status in _MOST_URGENT_FIRST},
        "dead_letters": table(columns, refused),
        "parts": table(PARTS, [[row[name] for name in PARTS] for row in worker.parts.rows()]),
        **figures_metadata(worker.metrics.measure(now - LATEST, now)),
        "tasks": kinds["totalTasks"],
        "originals": kinds["recurringTasks"],
        "occurrences": kinds["recurringInstances"],
        **{f"originals_{word}": count for word, count in details["byFrequency"].items()},
    }


_MOST_URGENT_FIRST = [
    status.value
    for status in (
        EventStatus.FAILED, EventStatus.REJECTED, EventStatus.PENDING, EventStatus.PROCESSING, EventStatus.COMPLETED,
    )
]  # fmt: skip


def build_daily_figures(names: Names) -> dg.AssetsDefinition:
    """Build the report on each day."""

    @dg.asset(
        key=names.key("daily_figures"),
        deps=[names.key("task_events")],
        required_resource_keys={names.worker},
        partitions_def=DAYS,
        description="How the events that ended on one day (UTC) went: how many, how fast, and what they made. To "
        "materialize a day only reads; missed days are a backfill, as long as events are kept (EVENT_RETENTION_DAYS).",
        group_name=names(REPORTS),
        kinds={"python"},
        tags={WRITTEN_BY: OURS},
        freshness_policy=DAILY,
    )
    def daily_figures(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        day = context.partition_time_window
        with failing_in_one_line():
            measured = worker_of(context, names).open().metrics.measure(day.start, day.end)
            return dg.MaterializeResult(metadata=figures_metadata(measured))

    return daily_figures


def build_performance_report(names: Names) -> dg.AssetsDefinition:
    """Build the report on each week, with a check of its own."""

    @dg.asset(
        key=names.key("performance_report"),
        deps=[names.key("task_events")],
        required_resource_keys={names.worker},
        partitions_def=WEEKS,
        check_specs=[
            dg.AssetCheckSpec(
                NOT_DEGRADED,
                asset=names.key("performance_report"),
                description="No figure is more than DEGRADATION_THRESHOLD percent worse than in the three weeks "
                "before.",
            )
        ],
        description="One week (from Sunday, UTC) compared with the three before. Materializing a week only reads; "
        "weeks that were missed are a backfill. `recurrence report --output FOLDER` has the pictures.",
        group_name=names(REPORTS),
        kinds={"python"},
        tags={WRITTEN_BY: OURS},
        freshness_policy=WEEKLY,
    )
    # Beside checks, Dagster takes no type argument.
    def performance_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from recurrence_pipeline.monitoring.report import performance_report as report_on  # noqa: PLC0415 - pandas

        worker = worker_of(context, names)
        end = context.partition_time_window.end - MILLISECOND  # the last moment of the week
        with failing_in_one_line():
            report = report_on(worker.open().metrics, end, threshold=worker.settings.degradation_threshold)
        worse = "; ".join(map(str, report.worse))
        check = dg.AssetCheckResult(
            passed=not report.worse,
            check_name=NOT_DEGRADED,
            severity=dg.AssetCheckSeverity.ERROR,
            description=worse or "No figure is much worse.",
            metadata={"figures": len(report.worse)},
        )
        return dg.MaterializeResult(metadata={"report": markdown(report.without_pictures())}, check_results=[check])

    return performance_report


def owned(assets: Sequence[Asset], owners: Iterable[str]) -> list[Asset]:
    """Return the assets with their owners: what others write too is not ours to own."""
    people = list(owners)

    def named(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(owners=people) if spec.tags[WRITTEN_BY] == OURS else spec

    return list(dg.map_asset_specs(named, assets))
