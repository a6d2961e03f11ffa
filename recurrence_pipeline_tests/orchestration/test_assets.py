"""The health of the worker, as Dagster records and checks it."""

from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.time_zone_data import find_time_zone_data
from recurrence_pipeline.storage.heartbeats import Part, Process
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import plain

HEALTH = dg.AssetKey("worker_health")


def report(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def("health_checks").execute_in_process(instance=instance)


def recorded(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("worker_health")
    return {name: plain(value) for name, value in event.metadata.items()}


def checked(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = (e for e in result.get_asset_check_evaluations() if e.check_name == "database_reachable")
    return evaluation


def test_health_is_recorded_in_numbers(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    worker.process_task_recurrence(insert_task(), "create")
    worker.enqueue(insert_task(repeatType="weekly"), "create")

    numbers = recorded(report(definitions, instance))

    assert list(numbers)[:5] == [
        "healthy",
        "events_due",
        "oldest_due_age_seconds",
        "oldest_due_age",
        "events_failed",
    ], "what people act on comes first"
    assert numbers.pop("oldest_due_age_seconds") >= 0
    assert numbers.pop("oldest_due_age").endswith((" ms", " s"))
    assert numbers.pop("dead_letters") == "none"
    assert numbers.pop("parts") == "none"
    assert numbers.pop("time_zone_data") == str(find_time_zone_data())
    figures = {row[0]: row[1:] for row in numbers.pop("figures")}
    assert figures["occurrences_created"] == ["3", "3"]
    assert figures["longest_processing_ms"][0].endswith((" ms", " s")), "as people read it"
    taken = {numbers.pop(f"{name}_processing_ms") for name in ("average", "longest", "p50", "p95", "p99")}
    assert len(taken) == 1, "there is one event"
    assert numbers.pop("average_queue_wait_ms") == numbers.pop("longest_queue_wait_ms") >= 0
    assert numbers.pop("events_per_hour") == round(1 / 24, 3)
    assert numbers == {
        "healthy": 1,
        "tasks": 5,
        "originals": 2,
        "occurrences": 3,
        "originals_daily": 1,
        "originals_weekly": 1,
        "originals_monthly": 0,
        "originals_yearly": 0,
        "originals_custom": 0,
        "events_pending": 1,
        "events_processing": 0,
        "events_completed": 1,
        "events_rejected": 0,
        "events_failed": 0,
        "events_due": 1,
        "events_processed": 1,
        "success_percent": 100,
        "error_percent": 0,
        "retried_percent": 0,
        "timed_out_percent": 0,
        "occurrences_created": 3,
    }


def test_without_events_there_are_no_times_and_no_rates_to_plot(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """Not a number cannot be plotted, and a 0 would be a lie."""
    numbers = recorded(report(definitions, instance))

    assert (numbers["events_processed"], numbers["occurrences_created"]) == (0, 0)
    assert not [name for name in numbers if name.endswith(("_ms", "_percent"))]
    assert numbers["oldest_due_age"] == "nothing is due"


def test_refused_events_are_counted_and_listed_with_their_reasons(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    for repeat_type in ("minutely", "minutely", "secondly"):
        worker.enqueue(insert_task(repeatType=repeat_type), "create")
    worker.process_pending()
    worker.mongo.events.update_one({}, {"$set": {"status": "failed"}})

    numbers = recorded(report(definitions, instance))

    assert (numbers["events_rejected"], numbers["events_failed"]) == (2, 1)
    assert sorted(numbers["dead_letters"]) == [
        ["create", "failed", "Invalid repeat type: minutely", "1"],
        ["create", "rejected", "Invalid repeat type: minutely", "1"],
        ["create", "rejected", "Invalid repeat type: secondly", "1"],
    ]


def test_the_parts_of_the_system_are_shown_and_which_of_them_stand_still(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    worker.parts.beat(Process(Part.API, "web-1", "a1", 3000))
    pass_minutes(worker.mongo.state, 4)
    worker.parts.beat(Process(Part.DAGSTER, "worker-1", "d1"))

    shown = recorded(report(definitions, instance))["parts"]

    assert [(row[0], row[1], row[-2]) for row in shown] == [
        ("api", "web-1:3000", "True"),
        ("dagster", "worker-1", "False"),
    ]


def test_the_check_passes_with_the_statistics(
    definitions: dg.Definitions, instance: dg.DagsterInstance, insert_task: Insert
) -> None:
    insert_task()

    check = checked(report(definitions, instance))

    assert check.passed
    assert check.metadata["totalTasks"].value == 1


def test_a_database_that_is_away_is_a_finding_and_not_a_failed_run(
    without_database: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """The run that reports must not be what breaks: the check is what says so, and the plot of `healthy` falls to 0."""
    result = report(without_database, instance)

    assert result.success
    numbers = recorded(result)
    assert numbers["healthy"] == 0
    assert "127.0.0.1:1" in numbers["error"]
    check = checked(result)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "127.0.0.1:1" in str(check.description)
    assert "secret" not in str(result.all_events)


def test_every_collection_and_job_says_what_it_is(definitions: dg.Definitions, worker: Worker) -> None:
    assets = definitions.resolve_asset_graph()
    for key in assets.get_all_asset_keys():
        node = assets.get(key)
        assert node.description
        assert node.group_name in {"application", "worker", "reports"}
        assert node.kinds
    ours = {"deleted_tasks", "task_series", "useractivities_archive"}
    collections = {"tasks", "useractivities", "task_events", "counters"} | ours
    assert assets.external_asset_keys == {dg.AssetKey(name) for name in collections}
    for name in ("process_task_events", "process_task", "health_checks"):
        assert definitions.resolve_job_def(name).description
