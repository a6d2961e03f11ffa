"""The maintenance as Dagster runs it: what it does, what it reports, and what it does when a part fails."""

from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import everything, materialized, numbers_of


def run_daily(definitions: dg.Definitions, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def("daily_maintenance")
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config=config)


@pytest.fixture
def orphans(insert_task: Insert) -> list[str]:
    gone = ObjectId()
    return [insert_task(parentRecurringId=gone) for _ in range(3)]


@pytest.fixture
def old_activity(worker: Worker) -> ObjectId:
    written = datetime.now(timezone.utc) - timedelta(days=91)
    return ObjectId(worker.mongo.activities.insert_one({"activityId": 1, "timestamp": written}).inserted_id)


def test_as_its_schedule_starts_it_the_daily_maintenance_cleans_and_archives_and_reports_it(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    resource: WorkerResource,
    orphans: list[str],
    old_activity: ObjectId,
) -> None:
    schedule = definitions.resolve_schedule_def("daily_maintenance_schedule")
    with dg.build_schedule_context(instance=instance, resources={"worker": resource}) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()

    result = run_daily(definitions, instance, **request.run_config)

    assert result.success
    assert numbers_of(result, "clean_orphans") == {"written": True, "deleted": 3}
    assert numbers_of(result, "archive_activities") == {"written": True, "moved": 1}
    assert worker.mongo.tasks.count_documents({}) == 0
    assert worker.mongo.archive.distinct("_id") == [old_activity]
    reported = materialized(result)
    assert reported["tasks"] == {"deleted": 3, "dagster/row_count": 0}
    assert reported["deleted_tasks"] == {"kept": 3, "dagster/row_count": 3}
    assert (reported["useractivities"]["archived"], reported["useractivities"]["orphans_told_of"]) == (1, 3)
    assert reported["useractivities_archive"] == {"moved": 1, "dagster/row_count": 1}


def test_pressed_as_it_is_the_daily_maintenance_only_counts(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    orphans: list[str],
    old_activity: ObjectId,
) -> None:
    before = everything(worker)

    result = run_daily(definitions, instance)

    assert everything(worker) == before
    assert numbers_of(result, "clean_orphans") == {"written": False, "would_delete": 3}
    assert numbers_of(result, "forget_series") == {"written": False, "would_forget": 0}
    assert numbers_of(result, "archive_activities") == {"written": False, "would_move": 1}
    assert numbers_of(result, "prune_run_history") == {"written": False, "would_remove_at_most": 0}
    assert numbers_of(result, "ask_for_missed_slots") == {"written": False, "would_ask": 0}
    assert materialized(result) == {}


def test_materialize_all_changes_no_document(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    resource: WorkerResource,
    orphans: list[str],
    old_activity: ObjectId,
) -> None:
    """It is the most prominent button of the UI."""
    before = everything(worker)
    graph = definitions.resolve_asset_graph()
    assets = [definitions.get_assets_def(key) for key in sorted(graph.materializable_asset_keys)]

    for key in ("2026-11-08", "2026-11-15"):
        partitioned = [asset for asset in assets if asset.partitions_def is not None]
        for asset in partitioned:
            assert dg.materialize([asset], resources={"worker": resource}, instance=instance, partition_key=key).success
    plain = [asset for asset in assets if asset.partitions_def is None]
    assert dg.materialize(plain, resources={"worker": resource}, instance=instance).success

    assert {key.to_user_string() for key in graph.materializable_asset_keys} == {
        "worker_health", "daily_figures", "performance_report"
    }  # fmt: skip
    assert everything(worker) == before


def test_a_cleanup_that_wants_a_confirmation_fails_the_run_and_holds_up_nothing_else(
    mongodb_url: str, instance: dg.DagsterInstance, insert_task: Insert, orphans: list[str], old_activity: ObjectId
) -> None:
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, "ORPHAN_CLEANUP_LIMIT": "2"}))
    definitions = build_definitions(resource.settings, worker=resource)

    result = run_daily(definitions, instance, dry_run=False)

    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure.step_key == "clean_orphans"
    said = str(failure.step_failure_data.error)
    assert "3 of 3 occurrences have no original, more than ORPHAN_CLEANUP_LIMIT (2) and 20 %" in said
    assert "confirm: true" in said
    assert numbers_of(result, "archive_activities") == {"written": True, "moved": 1}

    confirmed = run_daily(definitions, instance, dry_run=False, confirm=True)
    assert numbers_of(confirmed, "clean_orphans") == {"written": True, "deleted": 3}
    resource.close()


def test_a_database_that_is_away_fails_the_run_with_the_cause_in_one_line(
    without_database: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = run_daily(without_database, instance, dry_run=False)

    assert not result.success
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 4
    for failure in failures:
        assert failure.user_failure_data is not None
        assert str(failure.user_failure_data.description).startswith("the database cannot be worked with: ")
        assert "\n" not in str(failure.user_failure_data.description)
