"""The sensor that finds what was never queued: real evaluations, on a real database and an instance in memory."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.follower import looks as follower_looks
from recurrence_pipeline.orchestration import sensors
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.sensors import build_reconcile_sensor
from recurrence_pipeline.reconciliation.reconciler import ScanResult
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import evaluated, everything

reconcile_sensor = build_reconcile_sensor(Names())


def tick(
    instance: dg.DagsterInstance, resource: WorkerResource, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, resources={"worker": resource}, cursor=cursor) as context:
        result = evaluated(reconcile_sensor, context)
    assert isinstance(result, (dg.SensorResult, dg.SkipReason))
    return result


def looked(result: dg.SensorResult | dg.SkipReason) -> dg.SensorResult:
    assert isinstance(result, dg.SensorResult), result
    return result


def test_a_task_inserted_by_any_program_is_asked_for_within_one_tick_and_then_worked_off(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    cursor = looked(tick(instance, resource)).cursor
    task = ObjectId(insert_task())

    result = looked(tick(instance, resource, cursor))

    (event,) = worker.mongo.events.find()
    assert (event["taskId"], event["operation"], event["source"]) == (task, "create", "reconcile")
    (observed,) = result.asset_events or []
    assert observed.asset_key == dg.AssetKey("task_events")
    assert {name: value.value for name, value in observed.metadata.items()} == {"asked": 1, "looked_at": 1}
    worker.process_pending()
    assert worker.mongo.tasks.count_documents({"parentRecurringId": task}) == 3
    assert looked(tick(instance, resource, result.cursor)).asset_events == []


def test_a_task_that_is_inserted_while_the_sensor_looks_is_asked_for_in_the_same_tick(
    in_threads: dg.DagsterInstance, resource: WorkerResource, insert_task: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_looks, "BETWEEN_LOOKS", timedelta(milliseconds=50))
    patient = WorkerResource(resource.settings.model_copy(update={"watch": timedelta(seconds=30)}))
    with ThreadPoolExecutor() as pool:
        result = pool.submit(tick, in_threads, patient)
        insert_task()
        assert len(looked(result.result()).asset_events or []) == 1
    patient.close()


def test_the_looks_of_one_tick_go_on_from_each_other(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a walk through all tasks would begin anew every 5 s, and come to its end never."""
    monkeypatch.setattr(follower_looks, "BETWEEN_LOOKS", timedelta(milliseconds=50))
    looks: list[tuple[str | None, str]] = []
    look = worker.reconciliation.look

    def noting(position: str | None = None) -> ScanResult:
        found = look(position)
        looks.append((position, found.position))
        return found

    monkeypatch.setattr(worker.reconciliation, "look", noting)
    last = sensors.look_until_found(worker, None, timedelta(seconds=1))

    assert len(looks) > 1
    assert [began for began, _ in looks[1:]] == [ended for _, ended in looks[:-1]]
    assert last.position == looks[-1][1]


def test_a_tick_with_nothing_to_find_writes_nothing_and_says_so(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    insert_task(repeatType="none")
    before = everything(worker)

    result = looked(tick(instance, resource))

    assert everything(worker) == before
    assert result.skip_reason is not None
    assert result.skip_reason.skip_message == "1 task seen, nothing unqueued"
    assert caplog.text == "", "an idle tick comes thousands of times a day"


def test_it_starts_no_run_for_that_is_the_other_sensor_s_part(
    instance: dg.DagsterInstance, resource: WorkerResource, insert_task: Insert
) -> None:
    insert_task()
    assert looked(tick(instance, resource)).run_requests == []


def test_its_cursor_is_what_the_next_tick_goes_on_from(
    instance: dg.DagsterInstance, resource: WorkerResource, definitions: dg.Definitions
) -> None:
    sensor = definitions.resolve_sensor_def("reconcile_sensor")
    with dg.build_sensor_context(instance=instance, resources={"worker": resource}) as context:
        first = sensor.evaluate_tick(context)
    with dg.build_sensor_context(instance=instance, resources={"worker": resource}, cursor=first.cursor) as context:
        second = sensor.evaluate_tick(context)
    assert first.cursor
    assert second.cursor
    assert second.cursor > first.cursor, "the recent walk moves on with the time"


def test_an_outage_is_a_skip_that_keeps_the_cursor(instance: dg.DagsterInstance, away: WorkerResource) -> None:
    result = tick(instance, away, "kept")

    assert isinstance(result, dg.SkipReason), "a result with a cursor would move it"
    assert str(result.skip_message).startswith("the database cannot be worked with: ")
    assert "secret" not in str(result.skip_message)


def test_a_database_that_was_not_prepared_is_a_skip_that_says_what_to_do(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker
) -> None:
    worker.mongo.state.delete_many({})
    result = tick(instance, resource)
    assert isinstance(result, dg.SkipReason)
    assert "recurrence init-db" in str(result.skip_message)


def test_the_sensor_runs_without_being_switched_on_at_every_tick_of_dagster() -> None:
    assert reconcile_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert timedelta(seconds=reconcile_sensor.minimum_interval_seconds or 0) == timedelta(seconds=5)
