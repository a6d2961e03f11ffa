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


def run_daily(definitions: dg.Definitions, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def("daily_maintenance")
    ops = {name: {"config": values} for name, values in config.items()}
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config={"ops": ops})


def numbers(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def orphans(insert_task: Insert) -> list[str]:
    gone = ObjectId()
    return [insert_task(parentRecurringId=gone) for _ in range(3)]


@pytest.fixture
def old_activity(worker: Worker) -> ObjectId:
    written = datetime.now(timezone.utc) - timedelta(days=91)
    return ObjectId(worker.mongo.activities.insert_one({"activityId": 1, "timestamp": written}).inserted_id)


def test_the_daily_maintenance_cleans_archives_and_records_the_health(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    orphans: list[str],
    old_activity: ObjectId,
) -> None:
    result = run_daily(definitions, instance)

    assert result.success
    assert numbers(result, "orphan_cleanup") == {"deleted": 3, "series_forgotten": 0}
    assert numbers(result, "useractivities_archive") == {"moved": 1}
    assert numbers(result, "worker_health")["healthy"] == 1
    assert worker.mongo.tasks.count_documents({}) == 0
    assert worker.mongo.archive.distinct("_id") == [old_activity]


def test_a_cleanup_that_wants_a_confirmation_fails_the_run_and_holds_up_nothing_else(
    mongodb_url: str, instance: dg.DagsterInstance, insert_task: Insert, orphans: list[str], old_activity: ObjectId
) -> None:
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, "ORPHAN_CLEANUP_LIMIT": "2"}))
    definitions = build_definitions(resource.settings, worker=resource)

    result = run_daily(definitions, instance)

    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure.step_key == "orphan_cleanup"
    said = str(failure.step_failure_data.error)
    assert "3 of 3 occurrences have no original, more than ORPHAN_CLEANUP_LIMIT (2) and 20 %" in said
    assert "confirm: true" in said
    assert numbers(result, "useractivities_archive") == {"moved": 1}

    confirmed = run_daily(definitions, instance, orphan_cleanup={"confirm": True})
    assert numbers(confirmed, "orphan_cleanup") == {"deleted": 3, "series_forgotten": 0}
    resource.close()


def test_a_database_that_is_away_fails_the_run_with_the_cause_in_one_line(
    without_database: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = run_daily(without_database, instance)

    assert not result.success
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 3
    for failure in failures:
        assert failure.user_failure_data is not None
        assert str(failure.user_failure_data.description).startswith("the database cannot be worked with: ")
        assert "\n" not in str(failure.user_failure_data.description)
