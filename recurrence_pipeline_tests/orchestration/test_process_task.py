"""The job for one operation by hand: looks first, acts when told to, and says in one line what it cannot do."""

from typing import Any

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation
from recurrence_pipeline_tests.orchestration.conftest import USER, Insert
from recurrence_pipeline_tests.orchestration.looks import everything, failure_of, materialized, numbers_of

OP = "process_one_task"


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def("process_task").execute_in_process(
        run_config=config, instance=instance, raise_on_error=False
    )


@pytest.mark.parametrize("operation", [operation.value for operation in Operation])
def test_a_dry_run_writes_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert, operation: str
) -> None:
    series, fresh = insert_task(), insert_task()
    worker.process_task_recurrence(series, "create")
    before = everything(worker)

    for task_id in (series, fresh, str(ObjectId())):
        done = run(definitions, instance, task_id=task_id, operation=operation, user_id=str(USER))
        assert done.success or operation in set(CHANGES)  # those say why they would be refused by failing

    assert everything(worker) == before


def test_without_being_told_a_run_is_dry(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    shown = numbers_of(run(definitions, instance, task_id=insert_task("pay"), operation="create"), OP)

    assert shown["written"] is False
    assert shown["would_create"] == 3
    assert shown["rule"].startswith("every")
    assert [row[:2] for row in shown["occurrences"]] == [["1", "pay"], ["2", "pay"], ["3", "pay"]]
    assert [row[1] for row in shown["cursors"]] == ["3"]
    assert worker.mongo.tasks.count_documents({}) == 1


def test_pressed_as_it_is_it_lists_the_latest_events_and_writes_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    for repeat_type in ("daily", "hourly"):
        worker.enqueue(insert_task(repeatType=repeat_type), "create")
    worker.process_pending()
    before = everything(worker)

    shown = numbers_of(run(definitions, instance), OP)

    assert shown["written"] is False
    assert sorted(row[3:] for row in shown["events"]) == [
        ["completed", ""],
        ["rejected", "Invalid repeat type: hourly"],
    ]
    assert everything(worker) == before


def test_a_dry_run_of_a_completion_names_the_next_task(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    series = insert_task()
    first = worker.process_task_recurrence(series, "create")["result"][0]

    shown = numbers_of(run(definitions, instance, task_id=series, operation="complete"), OP)

    assert shown["next_task"] == first["_id"]
    assert shown["would_create"] == 1


def test_a_dry_run_shows_what_would_be_deleted(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    series = insert_task()
    worker.process_task_recurrence(series, "create")

    shown = numbers_of(run(definitions, instance, task_id=series, operation="delete", user_id=str(USER)), OP)

    assert shown["would_delete"] == 3
    assert len(shown["deletions"]) == 3


def test_a_dry_run_shows_what_would_be_refused(
    definitions: dg.Definitions, instance: dg.DagsterInstance, insert_task: Insert
) -> None:
    shown = numbers_of(run(definitions, instance, task_id=insert_task(repeatType="hourly"), operation="create"), OP)

    assert shown["refusals"] == [["INVALID_RECURRENCE", "Invalid repeat type: hourly"]]


def test_told_to_it_works_the_operation_off_and_shows_the_tasks(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    task_id = insert_task("a | b\nc")

    made = numbers_of(run(definitions, instance, task_id=task_id, operation="create", dry_run=False), OP)
    assert made["tasks"] == 3
    assert [row[:2] for row in made["open_tasks"]] == [["a | b c", "1"], ["a | b c", "2"], ["a | b c", "3"]]

    done = numbers_of(run(definitions, instance, task_id=task_id, operation="complete", dry_run=False), OP)
    assert done["created"] == 1
    assert len(done["next_task"]) == 1

    gone = numbers_of(
        run(definitions, instance, task_id=task_id, operation="delete", user_id=str(USER), dry_run=False), OP
    )
    assert gone["deleted"] == 4
    assert worker.queries.unfinished() == 0


def test_each_collection_that_an_operation_by_hand_wrote_to_is_told_of_it(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    task_id = insert_task()
    asked: dict[str, Any] = {"task_id": task_id, "dry_run": False}

    made = materialized(run(definitions, instance, **asked, operation="create"))
    assert (made["tasks"]["occurrences_created"], made["tasks"]["dagster/row_count"]) == (3, 4)
    assert (made["useractivities"]["activities_written"], made["useractivities"]["dagster/row_count"]) == (3, 3)
    assert "deleted_tasks" not in made

    again = materialized(run(definitions, instance, **asked, operation="create"))
    assert again["tasks"]["occurrences_created"] == 0, "those that are there were not made by this run"

    skipped = materialized(run(definitions, instance, **asked, operation="skip", slot=2))
    assert skipped["tasks"]["occurrences_deleted"] == 1

    gone = materialized(run(definitions, instance, **asked, operation="delete", user_id=str(USER)))
    assert gone["tasks"]["occurrences_deleted"] == 3
    assert gone["deleted_tasks"]["copies_kept"] == 3
    assert gone["deleted_tasks"]["dagster/row_count"] == worker.mongo.deleted.count_documents({})
    assert "activities_written" in gone["useractivities"]


def test_a_look_tells_no_collection_of_anything(
    definitions: dg.Definitions, instance: dg.DagsterInstance, insert_task: Insert
) -> None:
    assert materialized(run(definitions, instance, task_id=insert_task(), operation="create")) == {}


def test_a_change_is_shown_slot_by_slot_and_made_when_it_is_told_to(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    task_id = insert_task()
    second = worker.process_task_recurrence(task_id, "create")["result"][1]["_id"]
    asked: dict[str, Any] = {"task_id": task_id, "operation": "skip", "slot": 2}

    shown = numbers_of(run(definitions, instance, **asked), OP)
    assert (shown["written"], shown["goes"], shown["appears"], shown["stays"]) == (False, 1, 1, 2)
    assert [row[4:] for row in shown["changes"] if row[0] == "goes"] == [[second, "skipped"]]

    done = numbers_of(run(definitions, instance, **asked, dry_run=False), OP)
    assert done == {**shown, "written": True}
    assert worker.mongo.tasks.find_one({"_id": ObjectId(second)}) is None

    back = numbers_of(run(definitions, instance, **asked, undo=True, dry_run=False), OP)
    assert back["appears"] == 1
    assert worker.mongo.tasks.find_one({"_id": ObjectId(second)}) is not None


def test_a_change_that_is_refused_fails_the_run_with_what_stands_in_the_way(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    task_id = insert_task(isCompleted=True)
    result = run(definitions, instance, task_id=task_id, operation="reopen")

    assert failure_of(result) == f"Task {task_id} is completed: it was not taken back"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"task_id": "12"}, "taskId: '12' is not an id of 24 hex digits"),
        ({"task_id": "0" * 24, "operation": "delete"}, "userId is required for delete operation"),
        ({"task_id": "0" * 24, "operation": "delete", "user_id": "me"}, "userId: 'me' is not an id of 24 hex digits"),
        ({"task_id": "0" * 24, "slot": 2}, "slot: 2 says nothing to create"),
        ({"task_id": "0" * 24, "operation": "skip", "slot": -1}, "slot: -1 is not a whole number"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_there_is_a_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, config: dict[str, Any], text: str
) -> None:
    """The launchpad says so when "Launch" is pressed, and nobody is told of a run that failed."""
    with pytest.raises(dg.DagsterError) as refused:
        run(definitions, instance, **config)

    assert text in str(refused.value.__cause__)
    assert instance.get_runs() == []


def test_a_refusal_fails_the_run_for_here_a_person_asked(
    definitions: dg.Definitions, instance: dg.DagsterInstance, insert_task: Insert
) -> None:
    result = run(definitions, instance, task_id=insert_task(repeatType="hourly"), operation="create", dry_run=False)

    assert failure_of(result) == "Worker processing failed for operation: create: Invalid repeat type: hourly"


def test_an_outage_fails_the_run_in_one_line(without_database: dg.Definitions, instance: dg.DagsterInstance) -> None:
    failure = failure_of(run(without_database, instance, task_id=str(ObjectId()), operation="create"))

    assert "127.0.0.1:1" in failure
    assert "\n" not in failure


def test_an_operation_that_is_none_is_refused_before_the_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="operation"):
        run(definitions, instance, task_id=str(ObjectId()), operation="undo")
