"""The jobs that repair by hand: pressed as they are they only look, and what they did is in their metadata."""

from typing import Any

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.orchestration.conftest import USER, Insert
from recurrence_pipeline_tests.orchestration.looks import everything, failure_of, numbers_of

OPS = {"replay_events": "replay_refused_events", "restore_tasks": "restore_deleted_tasks"}


def launch(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, **config: Any
) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(
        run_config=config, instance=instance, raise_on_error=False
    )


@pytest.fixture
def refused(worker: Worker) -> str:
    """Return an event that was rejected, because its task is not there."""
    event = worker.enqueue(str(ObjectId()), "create")
    worker.mongo.events.update_one({"_id": ObjectId(event)}, {"$set": {"source": "api"}})
    worker.process_pending()
    return event


@pytest.fixture
def deletion(worker: Worker, insert_task: Insert) -> str:
    """Return the deletion of three occurrences, whose original is gone."""
    task = insert_task("a | b")
    worker.process_task_recurrence(task, "create")
    worker.mongo.tasks.delete_one({"_id": ObjectId(task)})
    worker.process_task_recurrence(task, "delete", str(USER))
    return str(worker.deletions.recent(1)[0]["deletion"])


def test_pressed_as_they_are_the_jobs_only_look(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, refused: str, deletion: str
) -> None:
    before = everything(worker)

    replay = numbers_of(launch(definitions, instance, "replay_events"), OPS["replay_events"])
    restore = numbers_of(launch(definitions, instance, "restore_tasks"), OPS["restore_tasks"])

    assert everything(worker) == before
    assert (replay["written"], replay["selected"], replay["replayed"], replay["more"]) == (False, 1, 0, False)
    assert replay["reasons"] == [["create", "rejected", "ORIGINAL_NOT_FOUND", "Original task not found", "1"]]
    (listed,) = restore["deletions"]
    assert listed[1:] == [str(USER), "cascade", "3", "0", "a | b", deletion]


def test_told_to_the_replay_puts_events_back(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, refused: str
) -> None:
    unknown = str(ObjectId())

    done = numbers_of(
        launch(definitions, instance, "replay_events", event_ids=[refused, unknown], dry_run=False),
        OPS["replay_events"],
    )

    assert (done["written"], done["selected"], done["replayed"]) == (True, 1, 1)
    assert done["left"] == [[unknown, "there is no such event"]]
    assert worker.queries.event_counts() == {("create", "pending"): 1}


@pytest.mark.parametrize(
    ("config", "selected"),
    [
        ({"code": "ORIGINAL_NOT_FOUND", "status": "rejected", "operation": "create", "since": "2020-01-01"}, 1),
        ({"code": "PARTIAL"}, 0),
        ({"status": "failed"}, 0),
        ({"operation": "delete"}, 0),
        ({"operation": "skip"}, 0),
        ({"since": "2999-01-01"}, 0),
        ({"until": "2020-01-01"}, 0),
    ],
)
def test_the_replay_takes_only_what_its_config_says(
    definitions: dg.Definitions, instance: dg.DagsterInstance, refused: str, config: dict[str, Any], selected: int
) -> None:
    shown = numbers_of(launch(definitions, instance, "replay_events", **config), OPS["replay_events"])

    assert shown["selected"] == selected


def test_a_deletion_is_shown_first_and_put_back_when_told_to(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, deletion: str
) -> None:
    shown = numbers_of(launch(definitions, instance, "restore_tasks", deletion=deletion), OPS["restore_tasks"])
    assert (shown["written"], shown["restored"]) == (False, 3)
    assert worker.mongo.tasks.count_documents({}) == 0

    done = numbers_of(
        launch(definitions, instance, "restore_tasks", deletion=deletion, dry_run=False), OPS["restore_tasks"]
    )
    assert (done["written"], done["tasks"], done["restored"], done["already_there"]) == (True, 3, 3, 0)
    original = worker.mongo.tasks.find_one({"parentRecurringId": None})
    assert original is not None
    assert [row[0] for row in done["new_originals"]] == [str(original["_id"])]
    assert (done["renumbered"], done["refused"]) == ("none", "none")
    assert worker.mongo.tasks.count_documents({"parentRecurringId": original["_id"]}) == 2

    again = numbers_of(
        launch(definitions, instance, "restore_tasks", deletion=deletion, dry_run=False), OPS["restore_tasks"]
    )
    assert (again["restored_before"], again["restored"]) == (True, 0)


@pytest.mark.parametrize(
    ("job", "config", "text"),
    [
        (
            "replay_events",
            {"since": "soon"},
            "since: 'soon' is neither a length such as 90m, 24h, 7d, 2w nor a time such as 2026-11-24",
        ),
        ("replay_events", {"event_ids": ["12"]}, "event_ids: '12' is not an id of 24 hex digits"),
        ("restore_tasks", {"deletion": "12"}, "deletion: '12' is not an id of 24 hex digits"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_there_is_a_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, config: dict[str, Any], text: str
) -> None:
    with pytest.raises(dg.DagsterError) as refused:
        launch(definitions, instance, job, **config)

    assert text in str(refused.value.__cause__)
    assert instance.get_runs() == []


def test_what_cannot_be_done_fails_the_run_in_one_line(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker
) -> None:
    result = launch(definitions, instance, "restore_tasks", deletion="0" * 24, dry_run=False)

    assert failure_of(result) == f"deletion {'0' * 24} took nothing that is still kept (see KEEP_DELETED_DAYS)"


@pytest.mark.parametrize("job", ["replay_events", "restore_tasks"])
def test_an_outage_fails_the_run_in_one_line(
    without_database: dg.Definitions, instance: dg.DagsterInstance, job: str
) -> None:
    failure = failure_of(launch(without_database, instance, job))

    assert "127.0.0.1:1" in failure
    assert "\n" not in failure


def test_the_jobs_say_what_they_are(definitions: dg.Definitions) -> None:
    for job in OPS:
        assert "dry_run" in str(definitions.resolve_job_def(job).description)
