"""The asset checks: an unhealthy database turns exactly the right ones red, and a repair turns them green again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline.orchestration import schedules
from recurrence_pipeline.orchestration.asset_checks import evaluation_of
from recurrence_pipeline.orchestration.promises import PROMISES
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.storage.documents import digest
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import plain

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
OF_THE_WORK = {
    "database_reachable", "events_succeed", "events_processed_quickly", "no_dead_letters", "all_checks_pass"
}  # fmt: skip
ON_DATA = {promise.name for promise in PROMISES.values()}
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
    assert {name for _, name in checked} == ON_DATA | OF_THE_WORK
    assert red(checked) == {}


def test_an_unhealthy_database_turns_exactly_the_right_checks_red_and_a_repair_turns_them_green(
    check: Callable[[str], Checked], worker: Worker, unhealthy: None
) -> None:
    checked = check("weekly_maintenance")
    assert red(checked) == {
        ("tasks", "no_orphans"): ERROR,
        ("tasks", "occurrences_hang_on_originals"): ERROR,
        ("counters", "counters_lead"): ERROR,
        ("task_events", "schema_as_needed"): ERROR,
        ("task_events", "no_event_waits_long"): ERROR,
        ("worker_health", "all_checks_pass"): ERROR,
    }
    orphans = checked["tasks", "no_orphans"]
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

    assert red(checked) == {
        ("tasks", "instants_show_their_times"): WARN, ("worker_health", "all_checks_pass"): WARN
    }  # fmt: skip
    assert "recurrence timezones" in str(checked["tasks", "instants_show_their_times"].description)
    assert str(last["_id"]) in str(plain(checked["tasks", "instants_show_their_times"].metadata["samples"]))
    worker.time_zones.run(dry_run=False)
    assert red(check("weekly_maintenance")) == {}


def test_the_health_checks_are_all_checks_but_for_that_of_the_report(
    check: Callable[[str], Checked], unhealthy: None
) -> None:
    checked = check("health_checks")
    assert {name for _, name in checked} == ON_DATA | OF_THE_WORK
    assert ("tasks", "no_orphans") in red(checked)


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
        "counters_lead", "schema_as_needed", "no_event_waits_long", "all_checks_pass",
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
    check: Callable[[str], Checked], definitions: dg.Definitions, instance: dg.DagsterInstance, unhealthy: None
) -> None:
    no_orphans = dg.AssetCheckKey(dg.AssetKey("tasks"), "no_orphans")
    assert not check("health_checks")["tasks", "no_orphans"].passed

    job = definitions.resolve_job_def("daily_maintenance")
    assert job.execute_in_process(instance=instance, run_config={"dry_run": False}).success

    record = instance.get_latest_asset_check_evaluation_record(no_orphans)
    evaluation = evaluation_of(record)
    assert evaluation is not None
    assert evaluation.passed


def test_every_check_on_the_data_has_a_good_state_to_be_named_by() -> None:
    assert sorted(c.name for c in CHECKS) == sorted(PROMISES)
    assert len(ON_DATA) == len(CHECKS)
    assert not ON_DATA & PROMISES.keys(), "the name of what is wrong says the contrary"


def test_each_check_belongs_to_the_asset_that_it_speaks_of(definitions: dg.Definitions) -> None:
    keys = definitions.resolve_asset_graph().asset_check_keys
    on = {key.name: key.asset_key.to_user_string() for key in keys}
    assert (on["no_lease_abandoned"], on["no_cursor_ahead"], on["one_task_per_slot"], on["counters_lead"]) == (
        "task_events", "task_series", "tasks", "counters"
    )  # fmt: skip
    assert {on[name] for name in on if name.startswith(("events_", "no_lease", "no_event"))} == {"task_events"}


def test_one_page_says_whether_all_is_green(
    check: Callable[[str], Checked], worker: Worker, series: ObjectId, insert_task: Insert
) -> None:
    """It speaks of every check, whenever that was last made: not of those of the same run alone."""
    green = check("weekly_maintenance")["worker_health", "all_checks_pass"]
    assert green.passed
    assert (green.metadata["checks_failing"].value, green.metadata["checks_never_made"].value) == (0, 1)
    insert_task("left alone", parentRecurringId=ObjectId(), taskId=0)

    page = check("weekly_maintenance")["worker_health", "all_checks_pass"]

    assert (page.passed, page.severity, page.description) == (False, ERROR, "no_orphans")
    assert plain(page.metadata["checks"])[0][:3] == ["False", "tasks", "no_orphans"]
    worker.maintenance.clean_orphans()
    assert check("weekly_maintenance")["worker_health", "all_checks_pass"].passed


def test_a_database_that_is_away_is_one_error_and_for_the_rest_unknown(
    without_database: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """One cause, one alert."""
    job = without_database.resolve_job_def("weekly_maintenance")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    evaluations = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert {n for n, e in evaluations.items() if e.severity is ERROR} == {"database_reachable", "all_checks_pass"}
    assert not any(e.passed for e in evaluations.values())
    assert str(evaluations["no_orphans"].description).startswith("Not known, for the database cannot be worked with: ")


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
        ("task_events", "events_succeed"): WARN,
        ("task_events", "events_processed_quickly"): WARN,
        ("task_events", "no_dead_letters"): WARN,
        ("worker_health", "all_checks_pass"): WARN,
    }
    assert checked["task_events", "events_succeed"].metadata["success_percent"].value == 75.0
    assert checked["task_events", "events_processed_quickly"].description == "1200 ms on average."
    assert checked["task_events", "no_dead_letters"].description == "10 events waiting for a person."
