"""Changes of mind, one upon the other: the smallest histories in which a series once came out wrong."""

from collections.abc import Iterator

import pytest
from bson import ObjectId

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


def test_no_number_is_given_twice(world: World) -> None:
    """Else a task that moved is taken for that of its old number, and a date of the new rule has none."""
    head = world.create(MONDAY, "weekly", recurrence={"excluded": ["2024-01-15"]})
    edit(world, head, repeatType="daily", recurrence={})
    change(world, "update", head, slot=4)
    assert days(world, head) == ["01-08", "01-15", "01-22"]
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;BYDAY=TU"})
    change(world, "update", head)
    assert days(world, head) == ["01-09", "01-16", "01-23"]
    assert red(world) == {}


def test_a_task_that_a_dead_worker_left_is_none_of_those_counted_from_completion(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    finish(world, head)
    world.worker.mongo.series.update_one({}, {"$set": {"cursor.number": 3, "cursor.at": "2024-01-22T09:00"}})
    edit(world, head, repeatType="daily", recurrence={"from": "completion"})
    change(world, "update", head)
    assert days(world, head) == ["01-02"]
    assert red(world) == {}


def test_an_update_that_takes_everything_has_nothing_left_to_take(world: World) -> None:
    """What goes counts for no horizon: else the same update once more would take what is remembered further back."""
    head = world.create(MONDAY, "daily", recurrence={"excluded": ["2024-01-02"]})
    finish(world, head)
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=DAILY;COUNT=1"})
    change(world, "update", head)
    once = world.worker.mongo.series.find_one({})
    change(world, "update", head)
    assert days(world, head) == []
    assert world.worker.mongo.series.find_one({}) == once


def test_what_a_person_deleted_is_not_taken_for_an_excluded_date_when_a_completion_is_taken_back(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    finish(world, head)
    first, second, *_ = (task["_id"] for task in world.occurrences(head))
    world.worker.mongo.tasks.delete_one({"_id": first})
    edit(world, head, recurrence={"excluded": ["2024-01-08"]})
    change(world, "update", head)
    finish(world, second)
    edit(world, second, isCompleted=False)
    change(world, "reopen", second)
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-15", "01-22", "01-29", "02-05"]


@pytest.mark.parametrize("last", ["2024-01-08", "2026-06-01"])
def test_a_date_before_what_is_open_again_is_there_once_it_is_wanted_again(world: World, last: str) -> None:
    """However many there are: those far behind what was completed are told by what the series says."""
    head = world.create(MONDAY, "weekly", recurrence={"paused": [{"from": "2024-01-08", "until": last}]})
    named = world.occurrences(head)[0]["_id"]
    finish(world, named)
    edit(world, named, isCompleted=False)
    change(world, "reopen", named)
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head)[:3] == ["01-08", "01-15", "01-22"]


def test_a_date_that_was_excluded_when_one_behind_it_was_done_comes_with_the_update_after_that_is_open(
    world: World,
) -> None:
    head = world.create(MONDAY, "weekly", recurrence={"excluded": ["2024-01-08"]})
    second = world.occurrences(head)[0]["_id"]
    finish(world, second)
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert "01-08" not in days(world, head)
    edit(world, second, isCompleted=False)
    change(world, "reopen", second)
    change(world, "update", head)
    assert days(world, head) == ["01-08", "01-15", "01-22"]


def test_a_date_where_an_earlier_rule_has_a_slot_is_not_added_beside_it(world: World) -> None:
    """Whatever lies between the two rules' numbers: two edits leave some that nobody has."""
    head = world.create(MONDAY, "weekly")
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;BYDAY=TU"})
    change(world, "update", head, slot=2)
    edit(world, head, recurrence={"rule": "FREQ=WEEKLY;BYDAY=WE", "added": ["2024-01-08"]})
    change(world, "update", head, slot=4)
    assert days(world, head) == ["01-08", "01-17", "01-24"]


def test_a_slot_that_was_skipped_before_it_was_there_is_none_of_another_rule(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    change(world, "skip", head, slot=5)
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;BYDAY=TU"})
    change(world, "update", head)
    finish(world, head)
    assert days(world, head) == ["01-09", "01-16", "01-23", "01-30"]


def dead_worker_made_the_last(world: World) -> tuple[ObjectId, ObjectId, dict[str, object]]:
    """Return a series, its last task, which its worker died over, and the activity that tells of it: nobody wrote it.

    Nobody else will: the event of that worker may be refused by then.
    """
    head = world.create(MONDAY, "weekly")
    finish(world, head)
    last = world.occurrences(head)[-1]["_id"]
    told = {"action": "RECURRING_TASK_CREATED", "taskId": last}
    activities, series = world.worker.mongo.activities, world.worker.mongo.series
    assert activities.delete_one(told).deleted_count == 1
    series.update_one({}, {"$set": {"cursor.number": 3, "cursor.at": "2024-01-22T09:00"}})
    return head, last, told


def test_a_skip_tells_of_what_a_dead_worker_had_made(world: World) -> None:
    head, _, told = dead_worker_made_the_last(world)
    change(world, "skip", world.occurrences(head)[-2]["_id"])
    assert world.worker.mongo.activities.count_documents(told) == 1


def test_an_update_tells_of_what_a_dead_worker_had_made_and_a_person_touched(world: World) -> None:
    """Its slot may be none of the new rule, so that whatever comes next goes past it."""
    head, last, told = dead_worker_made_the_last(world)
    edit(world, last, title="mine")
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert world.worker.mongo.activities.count_documents(told) == 1


def test_an_update_tells_of_what_a_dead_worker_had_made_where_slots_were_passed_over(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    first = world.occurrences(head)[0]["_id"]
    told = {"action": "RECURRING_TASK_CREATED", "taskId": first}
    assert world.worker.mongo.activities.delete_one(told).deleted_count == 1
    world.worker.mongo.series.update_one({}, {"$set": {"cursor.passed": [1]}})
    edit(world, first, title="mine")
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert world.worker.mongo.activities.count_documents(told) == 1


def test_of_a_task_that_is_skipped_and_back_the_user_was_told_whoever_made_it(world: World) -> None:
    head, last, told = dead_worker_made_the_last(world)
    change(world, "skip", last)
    change(world, "skip", head, slot=4, undo=True)
    assert "01-29" in days(world, head)
    assert world.worker.mongo.activities.count_documents(told) == 1


def test_a_series_that_recurs_no_more_owes_no_slot_that_had_lost_its_task(world: World) -> None:
    """Else the slot of a task that was skipped just before the end counts as lacking once the series goes on."""
    head = world.create(MONDAY, "weekly")
    first = world.occurrences(head)[0]["_id"]
    edit(world, head, repeatType="none")
    change(world, "skip", first)
    change(world, "update", head)
    edit(world, head, repeatType="yearly")
    change(world, "update", head)
    assert days(world, head) == ["01-01", "01-01", "01-01"]
    assert red(world) == {}


def test_periods_are_counted_from_the_first_date_where_a_new_rule_starts_in_the_period_behind(world: World) -> None:
    """The first week of 2026 begins in 2025: two years later is 2028."""
    head = world.create(utc(2024, 1, 3, 9), "weekly")
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO,TU"})
    change(world, "update", head)
    found = [f"{task['dueDate']:%Y-%m-%d}" for task in world.occurrences(head)]
    assert found == ["2025-12-29", "2025-12-30", "2028-01-03"]
    assert red(world) == {}


def died_over_its_creation(world: World, head: ObjectId) -> None:
    """Leave a series as a worker does that dies once all is made, before it can remember anything."""
    world.worker.mongo.series.delete_many({})
    world.worker.mongo.events.update_many({"taskId": head}, {"$set": {"status": "pending"}})


def test_what_a_dead_worker_made_by_another_rule_is_no_day_to_count_from(world: World) -> None:
    head = world.create(MONDAY, "yearly")
    died_over_its_creation(world, head)
    excluded = ["2024-02-29", "2024-04-30", "2024-06-28"]
    rule = {"rule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "excluded": excluded}
    edit(world, head, repeatType="custom", recurrence=rule)
    finish(world, world.occurrences(head)[0]["_id"])
    assert days(world, head)[:3] == ["05-31", "07-31", "08-30"]


def test_a_task_that_is_skipped_while_its_creation_is_tried_again_and_back_then_is_told_of(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    second = world.occurrences(head)[1]["_id"]
    died_over_its_creation(world, head)
    world.worker.mongo.activities.delete_many({"action": "RECURRING_TASK_CREATED"})
    change(world, "skip", second)
    world.work()
    change(world, "skip", head, slot=2, undo=True)
    assert "01-15" in days(world, head)
    told = [
        world.worker.mongo.activities.count_documents({"action": "RECURRING_TASK_CREATED", "taskId": task["_id"]})
        for task in world.occurrences(head)
    ]
    assert set(told) == {1}


def test_from_completion_the_next_task_has_no_number_that_the_rule_before_had_passed_over(world: World) -> None:
    """It would be read in the time zone of that rule."""
    head = world.create(
        MONDAY, "daily", timezone="Australia/Lord_Howe", recurrence={"paused": [{"from": "2024-01-01"}]}
    )
    world.now = utc(2024, 1, 9, 8)
    finish(world, head)
    edit(world, head, timezone="Europe/Berlin")
    change(world, "update", head)
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=MONTHLY;BYDAY=-1FR", "from": "completion"})
    change(world, "update", head)
    (task,) = world.occurrences(head)
    change(world, "update", head)
    assert world.occurrences(head) == [task]
    assert (task["dueDate"], task["occurrenceAt"]) == (utc(2024, 1, 26, 9), "2024-01-26T10:00")


def test_a_task_counted_from_an_early_completion_is_missed_when_the_one_behind_it_comes(world: World) -> None:
    """Not when the first date has come, which was completed before its time: that task comes before it."""
    head = world.create(utc(2024, 2, 5, 9), "monthly")
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    edit(world, head, repeatType="weekly", recurrence={"from": "completion"})
    change(world, "update", head)
    edit(world, head, repeatType="monthly", recurrence={"missed": "next"})
    world.pass_time(days=8)
    change(world, "update", head)
    assert days(world, head, still_open=True)[:2] == ["01-08", "04-05"]
    world.pass_time(days=31)
    change(world, "update", head)
    assert days(world, head, still_open=True)[:2] == ["01-08", "04-05"]
    world.pass_time(days=60)
    change(world, "update", head)
    assert days(world, head, still_open=True)[0] == "04-05"


def test_a_skipped_task_that_is_back_is_where_its_slot_is_by_now(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"horizon": 6})
    saturday = world.occurrences(head)[4]["_id"]
    change(world, "skip", saturday)
    edit(world, head, recurrence={"horizon": 6, "shift": {"to": "next"}})
    change(world, "update", head)
    change(world, "skip", head, slot=5, undo=True)
    back = world.worker.mongo.tasks.find_one({"_id": saturday})
    assert back is not None
    assert (f"{back['dueDate']:%m-%d}", back["shiftedTo"]) == ("01-08", "2024-01-08T09:00")
    assert red(world) == {}


def test_a_skipped_task_that_a_person_had_changed_is_back_as_it_was(world: World) -> None:
    head = world.create(MONDAY, "daily")
    first = world.occurrences(head)[0]["_id"]
    edit(world, first, title="mine")
    before = world.worker.mongo.tasks.find_one({"_id": first})
    change(world, "skip", first)
    edit(world, head, recurrence={"shift": {"to": "next", "workdays": ["MO"]}})
    change(world, "update", head)
    change(world, "skip", head, slot=1, undo=True)
    assert world.worker.mongo.tasks.find_one({"_id": first}) == before


def test_what_a_dead_worker_moved_to_another_rule_has_numbers_that_no_third_rule_gives(world: World) -> None:
    """Else tasks of the second rule are taken for those of the third, and stay."""
    head = world.create(MONDAY, "daily")
    edit(world, head, repeatType="weekly")
    change(world, "update", head)
    world.worker.mongo.series.update_one({}, {"$set": {"cursor.number": 3, "cursor.at": "2024-01-04T09:00"}})
    edit(world, head, repeatType="weekly", recurrence={"from": "completion"})
    change(world, "update", head)
    assert days(world, head) == [], "the original is open"
    finish(world, head)
    assert days(world, head) == ["01-08"]
    assert red(world) == {}


def test_nor_is_it_one_once_the_series_is_remembered(world: World) -> None:
    """Of a rare kind, slots are counted from the last that is known; a task that is past stays where it is."""
    head = world.create(MONDAY, "daily", recurrence={"horizon": 1})
    died_over_its_creation(world, head)
    world.pass_time(days=20)
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"})
    finish(world, head)
    change(world, "update", head)
    assert days(world, head) == ["01-02", "02-29", "03-29", "04-30"]


def test_a_task_that_a_person_deletes_stays_deleted_though_completions_are_counted_from_since(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    died_over_its_creation(world, head)
    edit(world, head, recurrence={"from": "completion"})
    world.work()
    gone = world.occurrences(head)[0]["_id"]
    world.worker.mongo.tasks.delete_one({"_id": gone})
    finish(world, head)
    assert gone not in {task["_id"] for task in world.occurrences(head)}


def test_a_task_of_a_dead_worker_that_a_person_deletes_stays_deleted_though_the_horizon_is_shorter_since(
    world: World,
) -> None:
    head = world.create(MONDAY, "weekly")
    died_over_its_creation(world, head)
    edit(world, head, repeatType="monthly", recurrence={"horizon": 1})
    world.work()
    gone = world.occurrences(head)[1]["_id"]
    world.worker.mongo.tasks.delete_one({"_id": gone})
    finish(world, head)
    assert gone not in {task["_id"] for task in world.occurrences(head)}
