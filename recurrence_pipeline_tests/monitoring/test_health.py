"""Statistics as the application reads them."""

from datetime import timedelta

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def test_85_originals_and_255_occurrences_are_counted_as_such(world: World) -> None:
    """45 daily, 25 weekly and 15 monthly series, each three ahead."""
    for repeat_type, count in (("daily", 45), ("weekly", 25), ("monthly", 15)):
        for _ in range(count):
            world.add_event("create", world.add_task(ANCHOR, repeat_type))
    world.add_task(ANCHOR, "none")
    world.work()

    health = world.worker.health.status()

    assert health["status"] == "healthy"
    assert health["services"] == {"tasksWorker": "operational", "recurrenceEngine": "operational"}
    assert health["stats"] == {
        "totalTasks": 341,
        "recurringTasks": 85,
        "recurringInstances": 255,
        "dailyRecurring": 45,
        "weeklyRecurring": 25,
        "monthlyRecurring": 15,
    }


def test_documents_that_lack_the_fields_count_as_neither(world: World) -> None:
    world.worker.mongo.tasks.insert_one({"taskId": 1, "title": "From somewhere else"})

    statistics = world.worker.health.status()["stats"]

    assert (statistics["totalTasks"], statistics["recurringTasks"], statistics["recurringInstances"]) == (1, 0, 0)


def test_statistics_of_one_user_leave_out_the_others(world: World) -> None:
    world.create(ANCHOR, "daily")
    world.create(ANCHOR, "weekly", userId=ObjectId())

    mine = world.worker.health.detailed(str(world.user))
    everybodys = world.worker.health.detailed()

    assert (mine["userId"], mine["recurringTasks"]["totalTasks"]) == (str(world.user), 4)
    assert (everybodys["userId"], everybodys["recurringTasks"]["totalTasks"]) == ("all_users", 8)
    assert everybodys["workerStatus"]["queue"] == {
        "pending": 0,
        "processing": 0,
        "completed": 2,
        "rejected": 0,
        "failed": 0,
    }


def test_a_user_id_that_cannot_be_one_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="userId: 'everybody' is not an id"):
        world.worker.health.detailed("everybody")


def test_a_database_that_is_away_makes_it_unhealthy_and_is_no_error() -> None:
    url = "mongodb://127.0.0.1:1/task-app?directConnection=true"
    with open_worker(Settings.from_environment({"MONGODB_URL": url, "WORKER_TIMEOUT": "200"})) as worker:
        health = worker.health.status()

    assert (health["status"], health["services"]["tasksWorker"]) == ("unhealthy", "unavailable")


def test_a_database_that_answers_and_counts_too_slowly_is_healthy_and_its_figures_are_null(world: World) -> None:
    """Else whoever watches takes an API out, or starts it again, because there are many tasks."""
    slow = {"failCommands": ["aggregate"], "appName": "recurrence-pipeline", "blockConnection": True}
    admin = world.worker.mongo.client.admin
    admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=slow | {"blockTimeMS": 2000})
    try:
        health = world.worker.health.status(counting=timedelta(milliseconds=200))
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")

    assert (health["status"], health["services"]["tasksWorker"]) == ("healthy", "operational")
    assert health["parts"] is None
    assert set(health["stats"]) == set(world.worker.health.status()["stats"])
    assert set(health["stats"].values()) == {None}
    assert set(health["notTaken"]) == {"stats", "parts"}
    assert all("not read in time" in reason for reason in health["notTaken"].values())


def test_tasks_that_may_not_be_counted_at_all_make_it_unhealthy(world: World) -> None:
    """A sign of life takes no rights: who may not read tasks cannot work."""
    refused = {"failCommands": ["aggregate"], "appName": "recurrence-pipeline", "errorCode": 13}
    admin = world.worker.mongo.client.admin
    admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=refused)
    try:
        health = world.worker.health.status()
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")

    assert health["status"] == "unhealthy"
