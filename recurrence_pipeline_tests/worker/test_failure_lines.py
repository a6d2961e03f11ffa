"""Every try of an event that fails is one error line, of the shape that programs rely on."""

import json
from typing import Any

import pytest

from recurrence_pipeline.config.logs import configure
from recurrence_pipeline_tests.world import World, utc

pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.fixture
def world(mongodb_url: str) -> Any:
    world = World(mongodb_url, WORKER_RETRY_ATTEMPTS="2")
    configure(world.settings)
    yield world
    world.close()


def error_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["level"] == "error"]


def test_an_event_that_is_rejected_is_one_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    task = world.add_task(utc(2024, 1, 2), "hourly")
    world.worker.enqueue(str(task), "create")
    world.worker.process_pending()

    (line,) = error_lines(capsys)
    assert list(line) == ["timestamp", "level", "service", "operation", "taskId", "userId", "error", "details"]
    assert line.pop("timestamp")
    assert line == {
        "level": "error",
        "service": "recurrence-pipeline",
        "operation": "create",
        "taskId": str(task),
        "userId": str(world.user),
        "error": "Worker processing failed for operation: create",
        "details": {"originalError": "Invalid repeat type: hourly", "retryAttempt": 0, "maxRetries": 2},
    }


def test_each_failed_try_is_a_line_that_counts_the_retries(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    task = world.add_task(utc(2024, 1, 2), "daily")
    world.worker.mongo.tasks.database.command(
        {"collMod": "tasks", "validator": {"title": {"$ne": "Daily standup"}}, "validationLevel": "strict"}
    )
    world.worker.enqueue(str(task), "create")
    for _ in range(4):
        world.worker.process_pending()
        world.pass_time(hours=1)

    lines = error_lines(capsys)
    assert [line["details"]["retryAttempt"] for line in lines] == [0, 1, 2]
    assert {line["details"]["maxRetries"] for line in lines} == {2}
    assert all("could not be written" in line["details"]["originalError"] for line in lines)
    assert world.worker.queries.event_counts() == {("create", "failed"): 1}


def test_in_a_batch_each_failure_is_a_line_and_a_success_is_none(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [world.add_task(utc(2024, 1, 2), "hourly") for _ in range(3)]
    right = world.add_task(utc(2024, 1, 2), "daily")
    for task in (*wrong, right):
        world.worker.enqueue(str(task), "create")
    world.worker.process_pending()

    assert {line["taskId"] for line in error_lines(capsys)} == {str(task) for task in wrong}


@pytest.mark.parametrize("user_id", [None, "64b5f8e2a1c9d4e7f0a1b2c4"])
def test_where_the_task_is_gone_the_user_is_whom_the_event_names(
    world: World, capsys: pytest.CaptureFixture[str], user_id: str | None
) -> None:
    world.worker.enqueue("64b5f8e2a1c9d4e7f0a1b2c3", "complete", user_id)
    world.pass_time(hours=1)
    world.worker.process_pending()

    (line,) = error_lines(capsys)
    assert (line["operation"], line["userId"]) == ("complete", user_id)
    assert line["details"]["originalError"] == "Original task not found"
