"""The asset checks: an unhealthy database turns exactly the right ones red, and a repair turns them green again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline.orchestration import schedules
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.storage.documents import digest
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import plain

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
OF_THE_WORK = ("database_reachable", "success_rate", "average_processing_time", "dead_letters", "degraded")
LONG_AGO = datetime.now(timezone.utc) - timedelta(hours=1)

Checked = dict[tuple[str, str], dg.AssetCheckEvaluation]


@pytest.fixture
def check(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Callable[[str], Checked]:
    """Return a function that runs a job, and returns what its checks say, by asset and name."""

    def run(job: str) -> Checked:
        result = definitions.resolve_job_def(job).execute_in_process(instance=instance)
        return {(e.asset_key.to_user_string(), e.check_name): e for e in result.get_asset_check_evaluations()}

    return run


def red(checked: Checked) -> dict[tuple[str, str], dg.AssetCheckSeverity]:
    return {key: evaluation.severity for key, evaluation in checked.items() if not evaluation.passed}


@pytest.fixture
def series(worker: Worker, insert_task: Insert) -> ObjectId:
    """Return the original of a series that is as it should be."""
    original = insert_task()
    worker.process_task_recurrence(original, "create")
    return ObjectId(original)


@pytest.fixture
def unhealthy(worker: Worker, series: ObjectId, insert_task: Insert) -> None:
    """Leave an orphan, an occurrence that hangs on another, a reset counter, no index, and an event that waits."""
    mongo = worker.mongo
    first, second = mongo.tasks.find({"parentRecurringId": series}).sort("occurrenceNumber", 1).limit(2)
    mongo.tasks.update_one({"_id": second["_id"]}, {"$set": {"parentRecurringId": first["_id"]}})
    insert_task("left alone", parentRecurringId=ObjectId())
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 0}})
    mongo.events.drop_index("taskId_1")
    worker.enqueue(insert_task(repeatType="none"), "create")
    mongo.events.update_one({"status": "pending"}, {"$set": {"availableAt": LONG_AGO}})


def test_the_weekly_checks_are_all_checks_and_find_nothing_in_healthy_data(
    check: Callable[[str], Checked], series: ObjectId
) -> None:
    checked = check("weekly_maintenance")
    assert {name for _, name in checked} == {c.name for c in CHECKS} | set(OF_THE_WORK)
    assert red(checked) == {}


def test_an_unhealthy_database_turns_exactly_the_right_checks_red_and_a_repair_turns_them_green(
    check: Callable[[str], Checked], worker: Worker, unhealthy: None
) -> None:
    checked = check("weekly_maintenance")
    assert red(checked) == {
        ("tasks", "orphans"): ERROR,
        ("tasks", "nested_occurrences"): ERROR,
        ("counters", "counters_behind"): ERROR,
        ("task_events", "schema"): ERROR,
        ("task_events", "events_waiting"): ERROR,
    }
    orphans = checked["tasks", "orphans"]
    assert orphans.metadata["found"].value == 1
    assert "left alone" in str(plain(orphans.metadata["samples"]))
    assert "orphan cleanup" in str(orphans.description)

    worker.consistency.repair(dry_run=False)
    worker.process_pending()
    assert red(check("weekly_maintenance")) == {}


def test_open_slots_that_an_older_law_of_time_placed_turn_a_check_yellow_until_they_are_moved(
    check: Callable[[str], Checked], worker: Worker, insert_task: Insert
) -> None:
    original = insert_task(timezone="Europe/Berlin")
    worker.process_task_recurrence(original, "create")
    last = worker.mongo.tasks.find_one({"parentRecurringId": ObjectId(original), "occurrenceNumber": 3})
    assert last is not None
    later = {name: last[name] + timedelta(hours=1) for name in ("dueDate", "originalDueDate")}
    worker.mongo.tasks.update_one({"_id": last["_id"]}, {"$set": later | {"writtenAs": digest(last | later)}})

    checked = check("weekly_maintenance")

    assert red(checked) == {("tasks", "instants_outdated"): WARN}
    assert "recurrence timezones" in str(checked["tasks", "instants_outdated"].description)
    assert str(last["_id"]) in str(plain(checked["tasks", "instants_outdated"].metadata["samples"]))
    worker.time_zones.run(dry_run=False)
    assert red(check("weekly_maintenance")) == {}


def test_the_health_checks_are_all_checks_but_for_that_of_the_week(
    check: Callable[[str], Checked], unhealthy: None
) -> None:
    checked = check("health_checks")
    assert {name for _, name in checked} == ({c.name for c in CHECKS} | set(OF_THE_WORK)) - {"degraded"}
    assert ("tasks", "orphans") in red(checked)


def test_where_tasks_are_many_the_schedule_of_the_health_leaves_them_alone(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    resource: WorkerResource,
    unhealthy: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs every 15 minutes, and a pass over a million tasks takes minutes."""
    assert asked_for(definitions, instance, resource) == (None, None)
    monkeypatch.setattr(schedules, "FEW", 1)

    assets, checks = asked_for(definitions, instance, resource)

    assert checks is not None
    assert assets == [dg.AssetKey("worker_health")]
    assert {key.asset_key.to_user_string() for key in checks} == {"worker_health", "task_events", "counters"}
    result = (
        definitions.resolve_job_def("health_checks")
        .get_subset(asset_selection=set(assets), asset_check_selection=set(checks))
        .execute_in_process(instance=instance)
    )
    assert {e.check_name for e in result.get_asset_check_evaluations() if not e.passed} == {
        "counters_behind", "schema", "events_waiting",
    }  # fmt: skip


def test_where_nobody_can_say_how_many_tasks_there_are_the_health_is_taken_all_the_same(
    without_database: dg.Definitions, instance: dg.DagsterInstance, away: WorkerResource
) -> None:
    assets, _ = asked_for(without_database, instance, away)
    assert assets == [dg.AssetKey("worker_health")]


def asked_for(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: WorkerResource
) -> tuple[Sequence[dg.AssetKey] | None, Sequence[dg.AssetCheckKey] | None]:
    """Evaluate the schedule of the health, and return the assets and checks that it asks for; None is all."""
    schedule = definitions.resolve_schedule_def("health_checks_schedule")
    with dg.build_schedule_context(instance=instance, resources={"worker": worker}) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    return request.asset_selection, request.asset_check_keys


def test_the_daily_maintenance_looks_for_orphans_after_it_has_cleaned_up(
    check: Callable[[str], Checked], unhealthy: None
) -> None:
    assert check("daily_maintenance")["tasks", "orphans"].passed


def test_a_database_that_is_away_is_one_error_and_for_the_rest_unknown(
    without_database: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """One cause, one alert."""
    job = without_database.resolve_job_def("weekly_maintenance")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    evaluations = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert [name for name, e in evaluations.items() if e.severity is ERROR] == ["database_reachable"]
    assert not any(e.passed for e in evaluations.values())
    assert str(evaluations["orphans"].description).startswith("Not known, for the database cannot be worked with: ")


def finished(worker: Worker, count: int, *, ended: timedelta, duration_ms: int, status: str = "completed") -> None:
    """Add events that ended so long ago."""
    at = datetime.now(timezone.utc) - ended
    worker.mongo.events.insert_many(
        {
            "operation": "create", "taskId": ObjectId(), "status": status, "createdAt": at, "availableAt": at,
            "startedAt": at, "finishedAt": at, "durationMs": duration_ms,
        }
        for _ in range(count)
    )  # fmt: skip


def test_slow_failing_work_turns_the_figures_of_the_day_red(check: Callable[[str], Checked], worker: Worker) -> None:
    finished(worker, 30, ended=timedelta(hours=1), duration_ms=1200)
    finished(worker, 10, ended=timedelta(hours=1), duration_ms=1200, status="failed")

    checked = check("health_checks")

    assert red(checked) == {
        ("task_events", "success_rate"): WARN,
        ("task_events", "average_processing_time"): WARN,
        ("task_events", "dead_letters"): WARN,
    }
    assert checked["task_events", "success_rate"].metadata["success_rate"].value == 75.0
    assert checked["task_events", "average_processing_time"].description == "1200 ms on average."
    assert checked["task_events", "dead_letters"].description == "10 events waiting for a person."


def test_a_week_that_is_much_worse_than_those_before_is_an_error(
    check: Callable[[str], Checked], worker: Worker
) -> None:
    finished(worker, 30, ended=timedelta(days=10), duration_ms=100)
    finished(worker, 30, ended=timedelta(days=1), duration_ms=900)

    checked = check("weekly_maintenance")

    assert red(checked) == {("performance_report", "degraded"): ERROR}
    assert "avgProcessingTime rose from 100 ms to 900 ms" in str(checked["performance_report", "degraded"].description)
