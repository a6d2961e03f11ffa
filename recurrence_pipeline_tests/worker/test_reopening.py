"""A completion taken back leaves what was there before, memory included: the smallest series in which it once did not.

Each was edited before; what a reopening does to any series is test_life.py's.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.worker.test_life import change, days, edit, finish, red, uncomplete
from recurrence_pipeline_tests.world import Crash, World, utc

MONDAY = utc(2024, 1, 1, 9)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    found = World(mongodb_url, now=utc(2024, 1, 1, 8))
    yield found
    found.close()


def completed_and_reopened(world: World, task_id: ObjectId, **fields: Any) -> list[list[str]]:
    """Complete a task, take that back, and both once more, sure that all is as it was; return what was open between."""
    head = world.task(task_id).get("parentRecurringId") or task_id
    before, found = _state(world), list[list[str]]()
    for _ in range(2):
        finish(world, task_id, **fields)
        found.append(days(world, head, still_open=True))
        uncomplete(world, task_id)
        change(world, "reopen", task_id)
        assert _state(world) == before
    assert red(world) == {}
    return found


def _state(world: World) -> list[Any]:
    tasks = list(world.worker.mongo.tasks.find({}, {"updatedAt": 0}).sort("_id", 1))
    return [tasks, list(world.worker.mongo.series.find())]


def test_the_time_of_a_slot_behind_the_end_of_its_rule_is_kept(world: World) -> None:
    """Only added dates come and go: how far the series is stays, on a slot that a person deleted before the edit."""

    def cursor() -> tuple[int, str]:
        (memory,) = world.worker.mongo.series.find()
        return memory["cursor"]["number"], memory["cursor"]["at"]

    head = world.create(MONDAY, "weekly")
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[-1]["_id"]})
    dates = ["2024-01-09", "2024-01-11", "2024-01-12"]
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;UNTIL=20240110", "added": dates})
    change(world, "update", head)
    assert days(world, head) == ["01-08", "01-09", "01-11"]
    assert cursor() == (3, "2024-01-22T09:00")
    once, again = completed_and_reopened(world, head)
    assert once == again == ["01-08", "01-09", "01-11", "01-12"]
    assert cursor() == (3, "2024-01-22T09:00")


def test_numbers_behind_the_end_of_a_rule_are_none_that_a_series_ever_reached(world: World) -> None:
    """The next rule begins long after that end; all that it made goes, and the cursor with it."""
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;COUNT=4", "horizon": 2})
    world.pass_time(days=29)
    edit(world, head, repeatType="weekly", recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    once, again = completed_and_reopened(world, head)
    assert once == again == ["01-02", "01-03", "01-04", "02-05"]


def test_numbers_behind_the_end_of_a_rule_are_no_slots_that_a_person_deleted(world: World) -> None:
    """A completion that made tasks of both rules was not taken back, because of them."""
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;COUNT=4", "horizon": 1})
    world.pass_time(days=29)
    edit(world, head, repeatType="weekly", recurrence={"horizon": 1})
    change(world, "update", head)
    finish(world, head)
    assert days(world, head) == ["01-02", "01-03"]
    once, again = completed_and_reopened(world, world.occurrences(head)[-1]["_id"])
    assert once == again == ["01-02", "01-04", "02-05"]


def test_from_completion_a_day_that_was_an_added_date_is_passed_over_and_the_series_goes_on(world: World) -> None:
    """Nothing was open any more: the next slot was counted to that day, and none is made there."""
    head = world.create(MONDAY, "weekly", recurrence={"added": ["2024-01-03"], "horizon": 2})
    edit(world, head, repeatType="daily", recurrence={"from": "completion"})
    change(world, "update", head)
    finish(world, head)
    assert days(world, head, still_open=True) == ["01-02"]
    once, again = completed_and_reopened(world, world.occurrences(head)[0]["_id"], completedAt=utc(2024, 1, 2, 12))
    assert once == again == ["01-04"]


def test_a_slot_that_is_wanted_only_since_its_time_is_gone_is_not_made_by_completing_once_more(world: World) -> None:
    """It was passed over: had the cursor gone below it, completing once more would have made it."""
    head = world.create(MONDAY, "daily", recurrence={"horizon": 2, "excluded": ["2024-01-04"]})
    finish(world, head)
    first, second, _ = (task["_id"] for task in world.occurrences(head))
    world.worker.mongo.tasks.delete_one({"_id": first})
    world.pass_time(days=3, hours=4)
    edit(world, head, recurrence={"horizon": 1})
    change(world, "update", head)
    assert days(world, head) == ["01-03", "01-05"]
    once, again = completed_and_reopened(world, second)
    assert once == again == ["01-05"]


def test_what_a_reopening_took_before_its_worker_died_is_back_where_the_task_was_completed_anew(world: World) -> None:
    """Its other tries are refused, and the completion has made its slots before."""
    head = world.create(MONDAY, "daily")
    finish(world, head)
    edit(world, head, isCompleted=False)
    world.add_event("reopen", head)
    world.crash_after = WriteStep.RETIRE
    with suppress(Crash):
        world.work()
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    finish(world, head)
    world.pass_time(hours=1)
    world.work()
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05"]
    assert red(world) == {}
