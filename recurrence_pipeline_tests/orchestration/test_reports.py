"""The reports: one partition for each day and week, so that one that was missed is a backfill."""

from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.orchestration.assets import DAYS, WEEKS
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline_tests.orchestration.looks import plain

DAY = timedelta(days=1)
WEEK = WEEKS.get_last_partition_window()
"""The last week that is over."""


def ended(worker: Worker, at: datetime, count: int, *, duration_ms: int = 100) -> None:
    """Add events that ended then."""
    worker.mongo.events.insert_many(
        {
            "operation": "create", "taskId": ObjectId(), "status": "completed", "createdAt": at, "availableAt": at,
            "startedAt": at, "finishedAt": at, "durationMs": duration_ms,
        }
        for _ in range(count)
    )  # fmt: skip


def report(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, partition: datetime
) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(instance=instance, partition_key=f"{partition:%Y-%m-%d}")


def recorded(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: plain(value) for name, value in event.metadata.items()}


def test_the_figures_of_a_day_are_those_of_that_day_whenever_they_are_taken(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    day = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    ended(worker, day - timedelta(milliseconds=1), 1)
    ended(worker, day, 2)
    ended(worker, day + DAY - timedelta(milliseconds=1), 3)
    ended(worker, day + DAY, 4)

    figures = recorded(report(definitions, instance, "daily_report", day), "daily_figures")

    assert figures["events_processed"] == 5
    assert list(figures)[:2] == ["events_processed", "success_percent"]
    assert instance.get_materialized_partitions(dg.AssetKey("daily_figures")) == {f"{day:%Y-%m-%d}"}


def test_a_week_that_is_much_worse_than_those_before_is_an_error(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    assert WEEK is not None
    ended(worker, WEEK.start - 3 * DAY, 30)
    ended(worker, WEEK.start + DAY, 30, duration_ms=900)
    ended(worker, WEEK.end, 500)  # of the next week, which is better

    result = report(definitions, instance, "weekly_report", WEEK.start)

    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (
        "no_figure_degraded", False, dg.AssetCheckSeverity.ERROR
    )  # fmt: skip
    assert "avgProcessingTime rose from 100 ms to 900 ms" in str(check.description)
    assert f"{WEEK.start:%Y-%m-%d}" in recorded(result, "performance_report")["report"]


@pytest.mark.parametrize(
    ("schedule", "tick", "partition"),
    [
        ("daily_report_schedule", datetime(2026, 11, 27, 0, 10, tzinfo=timezone.utc), "2026-11-26"),
        ("weekly_report_schedule", datetime(2026, 11, 22, 0, 20, tzinfo=timezone.utc), "2026-11-15"),
    ],
)
def test_each_tick_reports_on_what_has_just_ended(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    resource: WorkerResource,
    schedule: str,
    tick: datetime,
    partition: str,
) -> None:
    found = definitions.resolve_schedule_def(schedule)
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=tick,
        resources={"worker": resource},
        repository_def=definitions.get_repository_def(),
    ) as context:
        (request,) = found.evaluate_tick(context).run_requests or ()

    assert request.partition_key == partition
    begin = (DAYS if "daily" in schedule else WEEKS).time_window_for_partition_key(partition).start
    assert f"{begin:%Y-%m-%d}" == partition, "a week that begins on another day has another key"
    assert found.default_status is dg.DefaultScheduleStatus.RUNNING


def test_missed_weeks_are_a_backfill(definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker) -> None:
    assert WEEK is not None
    for weeks in (0, 1):
        report(definitions, instance, "weekly_report", WEEK.start - weeks * 7 * DAY)
    assert len(instance.get_materialized_partitions(dg.AssetKey("performance_report"))) == 2
