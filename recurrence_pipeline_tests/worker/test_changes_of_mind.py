"""Changes of mind, one upon the other: the smallest histories in which a series once came out wrong."""

from collections.abc import Iterator

import pytest

from recurrence_pipeline.domain.errors import ChangeRefused
from recurrence_pipeline_tests.worker.test_life import change, days, edit, finish, red
from recurrence_pipeline_tests.world import World, utc

MONDAY = utc(2024, 1, 1, 9)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    found = World(mongodb_url, now=utc(2024, 1, 1, 8))
    yield found
    found.close()


def test_the_next_slot_takes_the_place_of_an_added_date_that_is_skipped(world: World) -> None:
    head = world.create(MONDAY, "weekly", recurrence={"added": ["2024-01-03"]})
    assert days(world, head) == ["01-03", "01-08", "01-15"]
    change(world, "skip", world.occurrences(head)[0]["_id"])
    assert days(world, head) == ["01-08", "01-15", "01-22"]


def test_slots_before_one_from_which_completions_count_stay_where_they_are(world: World) -> None:
    head = world.create(MONDAY, "weekly", recurrence={"horizon": 4})
    finish(world, head)
    edit(world, head, repeatType="daily", recurrence={"from": "completion"})
    change(world, "update", head, slot=3)
    assert days(world, head) == ["01-08", "01-15"]


def test_of_a_series_that_recurs_no_more_nothing_goes_that_nobody_asked_for(world: World) -> None:
    """Only an update says that it ended; a completion taken back and a slot not wanted say nothing of the others."""
    head = world.create(MONDAY, "daily")
    first, second, _ = (task["_id"] for task in world.occurrences(head))
    edit(world, head, repeatType="none")
    change(world, "reopen", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    edit(world, second, title="mine")
    change(world, "skip", second)
    assert days(world, head) == ["01-02", "01-04"]
    with pytest.raises(ChangeRefused, match="does not recur any more"):
        world.worker.change(str(first), "skip", slot=7)
    change(world, "update", head)
    assert days(world, head) == []


def test_a_completed_task_on_no_slot_any_more_says_nothing_of_how_far_a_series_is(world: World) -> None:
    """Else a task of next year that a person keeps and completes has a year of days made."""
    head = world.create(MONDAY, "yearly")
    far = world.occurrences(head)[-1]["_id"]
    edit(world, far, title="mine")
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    finish(world, far)
    assert len(days(world, head, still_open=True)) == 3


def test_a_touched_task_that_an_edit_left_without_a_slot_can_be_skipped_by_its_name(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    named = world.occurrences(head)[1]["_id"]
    edit(world, named, title="mine")
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    change(world, "skip", named)
    assert "mine" not in [task["title"] for task in world.occurrences(head)]
    assert len(days(world, head)) == 3
    assert red(world) == {}


def test_an_added_date_is_no_second_task_beside_a_slot_behind_those_counted_from_completion(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"})
    finish(world, head, completedAt=utc(2024, 1, 1, 12))
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[0]["_id"]})
    edit(world, head, recurrence={"added": ["2024-01-05"], "horizon": 4})
    change(world, "update", head)
    found = days(world, head)
    assert "01-05" in found
    assert len(set(found)) == len(found)


def test_a_rule_that_ended_long_ago_does_not_put_off_the_one_after_the_next(world: World) -> None:
    """Two edits on: the first rule's next date is past its end, and nobody would have had it."""
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=YEARLY;UNTIL=20240601"})
    edit(world, head, repeatType="weekly", recurrence={})
    change(world, "update", head)
    edit(world, head, timezone="Europe/Berlin")
    change(world, "update", head)
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert days(world, head)[0] < "01-10"


def test_what_one_update_both_adds_and_takes_is_made_again_in_its_time(world: World) -> None:
    """An added date moves what is remembered, and a shorter horizon takes it back: both by the same update."""
    head = world.create(MONDAY, "weekly", recurrence={"horizon": 4})
    edit(world, head, recurrence={"horizon": 2, "added": ["2024-01-03", "2024-01-04"]})
    change(world, "update", head)
    assert days(world, head) == ["01-03", "01-04"]
    for task_id in (head, *(task["_id"] for task in world.occurrences(head))):
        finish(world, task_id)
    assert days(world, head, still_open=True) == ["01-08", "01-15", "01-22"]
    assert red(world) == {}


def test_an_update_that_brings_slots_back_goes_no_further_than_the_next_one_would(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"excluded": ["2024-01-02", "2024-01-03"]})
    finish(world, head)
    assert days(world, head) == ["01-04", "01-05", "01-06", "01-07"]
    edit(world, head, recurrence={"horizon": 3})
    change(world, "update", head)
    once = days(world, head)
    change(world, "update", head)
    assert days(world, head) == once == ["01-02", "01-03", "01-04", "01-05"]


def test_from_completion_a_task_reopened_behind_a_completed_one_takes_what_it_made_along(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"})
    finish(world, head)
    edit(world, head, isCompleted=False)
    first = world.occurrences(head)[0]["_id"]
    finish(world, first)
    before = days(world, head)
    finish(world, head)
    edit(world, head, isCompleted=False)
    change(world, "reopen", head)
    assert days(world, head) == before
