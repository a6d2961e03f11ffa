"""What others than Dagster processed is reported to the assets too, in one event for each, however much it was."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.sensors import build_processed_event_sensor
from recurrence_pipeline_tests.orchestration.conftest import USER, Insert
from recurrence_pipeline_tests.orchestration.looks import evaluated, everything

MINUTE = timedelta(minutes=1)


def tick(
    instance: dg.DagsterInstance, resource: WorkerResource, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"worker": resource}) as context:
        result = evaluated(build_processed_event_sensor(Names()), context)
    assert isinstance(result, (dg.SensorResult, dg.SkipReason))
    return result


def reported(result: dg.SensorResult | dg.SkipReason) -> dict[str, dict[str, Any]]:
    assert isinstance(result, dg.SensorResult)
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in result.asset_events or []
        if isinstance(event, dg.AssetMaterialization)
    }


def end_earlier(worker: Worker, by: timedelta) -> None:
    """Have the events ended that long ago."""
    worker.mongo.events.update_many({}, {"$set": {"finishedAt": utc_now() - by}})


@pytest.fixture
def processed(worker: Worker, insert_task: Insert) -> None:
    """Process two creations and a deletion as the API does, a refused event, and a creation by a Dagster run."""
    first, second, third, odd = insert_task(), insert_task(), insert_task(), insert_task(repeatType="hourly")
    for task in (first, second):
        worker.process_task_recurrence(task, "create")
    worker.process_task_recurrence(first, "delete", str(USER))
    worker.enqueue(odd, "create")
    worker.process_pending()
    worker.process_task_recurrence(third, "create", run_id="a run")
    end_earlier(worker, 5 * MINUTE)


def test_what_the_api_processed_is_on_the_page_of_each_asset_that_it_wrote_to(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, processed: None
) -> None:
    before = everything(worker)

    shown = reported(tick(instance, resource))

    assert everything(worker) == before, "a sensor only reads"
    assert list(shown) == ["task_events", "tasks", "useractivities", "deleted_tasks"]
    assert shown["task_events"]["processed_without_run"] == 4
    assert (shown["task_events"]["events_due"], shown["task_events"]["oldest_due_age"]) == (0, "nothing is due")
    assert (shown["tasks"]["occurrences_created"], shown["tasks"]["occurrences_deleted"]) == (6, 3)
    assert shown["tasks"]["dagster/row_count"] == worker.mongo.tasks.count_documents({})
    assert shown["deleted_tasks"]["copies_kept"] == 3
    newest = max(event["createdAt"] for event in worker.mongo.events.find({"runId": None}))
    assert shown["tasks"]["last_event_at"] == newest.timestamp()


def test_nothing_is_reported_twice(instance: dg.DagsterInstance, resource: WorkerResource, processed: None) -> None:
    first = tick(instance, resource)
    assert isinstance(first, dg.SensorResult)

    again = tick(instance, resource, first.cursor)
    assert reported(again).keys() == {"task_events"}, "that the queue was looked at is said each time"
    assert reported(again)["task_events"]["processed_without_run"] == 0


def test_what_has_just_ended_is_left_to_the_next_report_for_not_all_of_it_may_be_written_yet(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    worker.process_task_recurrence(insert_task(), "create")
    assert reported(tick(instance, resource))["task_events"]["processed_without_run"] == 0

    end_earlier(worker, worker.settings.lease + MINUTE)

    assert reported(tick(instance, resource))["task_events"]["processed_without_run"] == 1


def test_a_thousand_events_are_one_report(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker
) -> None:
    at = utc_now() - 2 * MINUTE
    worker.mongo.events.insert_many(
        {
            "operation": "create", "taskId": ObjectId(), "status": "completed", "createdAt": at, "availableAt": at,
            "finishedAt": at, "result": {"created": [ObjectId()]},
        }
        for _ in range(1000)
    )  # fmt: skip

    shown = reported(tick(instance, resource))

    assert len(shown) == 3
    assert shown["tasks"]["occurrences_created"] == 1000


def test_a_dagster_that_was_away_for_weeks_reports_all_that_was_processed_meanwhile(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, processed: None
) -> None:
    weeks_ago = (utc_now() - timedelta(days=20)).isoformat()
    assert reported(tick(instance, resource, weeks_ago))["task_events"]["processed_without_run"] == 4
    end_earlier(worker, timedelta(days=19))
    assert reported(tick(instance, resource, weeks_ago))["task_events"]["processed_without_run"] == 4


@pytest.mark.parametrize("cursor", ["soon", "2999-01-01", ""])
def test_a_cursor_that_is_none_stops_nothing(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, cursor: str
) -> None:
    """Who sets one in the UI may write anything; and a clock may have been ahead."""
    result = tick(instance, resource, cursor)
    assert reported(result)["task_events"]["processed_without_run"] == 0
    assert isinstance(result, dg.SensorResult)
    assert str(result.cursor) < utc_now().isoformat()


def test_an_outage_is_a_skip_after_which_the_next_report_says_it_all(
    instance: dg.DagsterInstance, away: WorkerResource
) -> None:
    assert isinstance(tick(instance, away, "2026-11-28T09:00:00.000Z"), dg.SkipReason)
