"""The job that processes what is due, run in this process on a real database."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.orchestration.materializations import queue_metadata
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.worker.service import WorkerService
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER, USER, Insert
from recurrence_pipeline_tests.orchestration.looks import failure_of, numbers_of

JOB = "process_task_events"


def run(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def(JOB)
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_a_run_works_off_what_is_due_and_reports_the_numbers(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    created, completed, deleted = insert_task(), insert_task(isCompleted=True), insert_task()
    for task_id in (created, completed, deleted):
        worker.process_task_recurrence(task_id, "create")
    fresh = insert_task()
    worker.enqueue(fresh, "create")
    worker.enqueue(completed, "complete")
    worker.enqueue(deleted, "delete", str(USER))
    worker.enqueue(created, "skip", slot=2)

    result = run(definitions, instance)

    assert result.success
    leased = numbers_of(result, "lease_events")
    assert {name: leased[name] for name in ("leased", "create", "complete", "delete", "skip", "update")} == {
        "leased": 4, "create": 1, "complete": 1, "delete": 1, "skip": 1, "update": 0
    }  # fmt: skip
    assert leased["longest_queue_wait_seconds"] >= 0
    assert leased["longest_queue_wait"].endswith((" ms", " s"))
    assert numbers_of(result, "process_creations")["occurrences_created"] == 3
    assert numbers_of(result, "process_completions")["completed"] == 1
    changes = numbers_of(result, "process_changes")
    assert (changes["completed"], changes["occurrences_created"], changes["occurrences_deleted"]) == (1, 1, 1)
    assert numbers_of(result, "process_deletions")["occurrences_deleted"] == 3
    total = numbers_of(result, "summarize")
    assert (total["events"], total["completed"], total["rejected"]) == (4, 4, 0)
    assert total["refused"] == "none"
    assert worker.queries.unfinished() == 0


def test_an_event_names_the_run_that_worked_it_off(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    worker.enqueue(insert_task(), "create")

    result = run(definitions, instance)

    (event,) = worker.mongo.events.find()
    assert event["runId"] == result.run_id


def test_a_run_launched_by_hand_ends_with_its_events(
    mongodb_url: str, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    """One that a sensor asked for would wait an hour here."""
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, "WORKER_IDLE_TIMEOUT": "3600000"}))
    worker.enqueue(insert_task(), "create")

    assert run(build_definitions(resource.settings, worker=resource), instance).success

    assert worker.queries.unfinished() == 0
    resource.close()


def test_nothing_due_is_a_success_with_zeros(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    result = run(definitions, instance)

    assert result.success
    total = numbers_of(result, "summarize")
    assert total.pop("refused") == "none"
    assert set(total.values()) == {0}


def test_the_default_config_takes_on_what_the_settings_allow_to_one_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    for _ in range(12):
        worker.enqueue(insert_task(repeatType="none"), "create")

    assert numbers_of(run(definitions, instance), "lease_events")["leased"] == 10
    assert numbers_of(run(definitions, instance), "lease_events")["leased"] == 2


def test_the_config_can_take_on_less(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    for _ in range(3):
        worker.enqueue(insert_task(repeatType="none"), "create")
    config = {"ops": {"lease_events": {"config": {"max_events": 1}}}}

    result = definitions.resolve_job_def(JOB).execute_in_process(run_config=config, instance=instance)

    assert numbers_of(result, "lease_events")["leased"] == 1


def test_a_bad_event_costs_itself_and_not_the_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    worker.enqueue(insert_task(repeatType="hour|ly\n"), "create")
    worker.enqueue(insert_task(), "create")

    result = run(definitions, instance)

    assert result.success
    total = numbers_of(result, "summarize")
    assert (total["completed"], total["rejected"]) == (1, 1)
    ((operation, _, outcome, _, reason, _),) = total["refused"]
    assert (operation, outcome, reason) == ("create", "rejected", "Invalid repeat type: hour|ly")


def test_a_run_reports_what_it_wrote_to_which_collection(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    task = insert_task()
    worker.enqueue(task, "create")
    event = worker.mongo.events.find_one()
    assert event is not None
    run(definitions, instance)

    assert reported(instance, "tasks") == {
        "occurrences_created": 3,
        "occurrences_deleted": 0,
        "events_completed": 1,
        "last_event_at": event["createdAt"].timestamp(),
        "dagster/row_count": 4,
    }
    assert reported(instance, "useractivities")["activities_written"] == 3
    assert reported(instance, "useractivities")["dagster/row_count"] == worker.mongo.activities.count_documents({})
    assert reported(instance, "deleted_tasks") == {}, "nothing was written to it"

    worker.enqueue(task, "delete", str(USER))
    run(definitions, instance)

    assert reported(instance, "tasks")["occurrences_deleted"] == 3
    assert reported(instance, "deleted_tasks")["copies_kept"] == 3
    assert reported(instance, "deleted_tasks")["dagster/row_count"] == 3


def reported(instance: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    """Return the metadata of the last materialization; nothing where there is none."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    if event is None or event.asset_materialization is None:
        return {}
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_run_with_nothing_to_do_materializes_nothing_and_observes_the_queue(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    run(definitions, instance)

    assert not any(reported(instance, name) for name in ("tasks", "useractivities", "deleted_tasks", "task_events"))
    (record,) = instance.fetch_observations(dg.AssetKey("task_events"), limit=10).records
    assert record.asset_observation is not None
    shown = {name: value.value for name, value in record.asset_observation.metadata.items()}
    assert list(shown.items())[:3] == [
        ("events_due", 0), ("oldest_due_age_seconds", 0.0), ("oldest_due_age", "nothing is due")
    ]  # fmt: skip


def test_a_run_says_how_deep_and_how_old_the_queue_is_that_it_leaves(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    for _ in range(11):  # one run takes on 10
        worker.enqueue(insert_task(repeatType="none"), "create")
    long_ago = utc_now() - timedelta(hours=2)
    run(definitions, instance)
    worker.enqueue(insert_task(repeatType="none"), "create")
    worker.mongo.events.update_many({"status": "pending"}, {"$set": {"availableAt": long_ago}})

    shown = queue_metadata(worker)

    assert shown["events_due"] == 2
    assert shown["oldest_due_age_seconds"] >= 7200
    assert shown["oldest_due_age"].startswith("2 h")


def test_an_outage_fails_the_run_in_one_line(
    without_database: dg.Definitions, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(without_database, instance)

    assert not result.success
    failure = failure_of(result)
    assert "127.0.0.1:1" in failure
    assert "\n" not in failure
    assert "secret" not in caplog.text + failure + str(result.all_events)
    assert NO_SERVER not in caplog.text


def test_what_a_failing_run_holds_is_given_back(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    insert_task: Insert,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a completion behind five failing creations would pass for the cause, and end as a dead letter."""
    worker.enqueue(insert_task(), "create")
    worker.enqueue(insert_task(), "complete")

    def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("not authorised to write")

    monkeypatch.setattr(WorkerService, "process", refuse)
    assert failure_of(run(definitions, instance)) == "the database cannot be worked with: not authorised to write"
    assert worker.queries.queue().due == 2
    monkeypatch.undo()

    assert numbers_of(run(definitions, instance), "summarize")["completed"] == 2
    assert worker.mongo.events.count_documents({"lease.deaths.0": {"$exists": True}}) == 0
