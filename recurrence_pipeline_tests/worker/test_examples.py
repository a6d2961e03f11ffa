"""The examples by which the application explains its recurring tasks, from document to document."""

from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from recurrence_pipeline_tests.world import World, utc


def test_a_daily_standup_gets_its_next_three_days(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily", title="Daily standup")

    assert world.due_dates(standup) == [utc(2024, 1, 16, 9), utc(2024, 1, 17, 9), utc(2024, 1, 18, 9)]


def test_an_occurrence_is_a_task_of_the_application_with_every_field(world: World) -> None:
    standup = world.add_task(utc(2024, 1, 15, 9), "daily", title="Daily standup", description="10 minutes")
    event = world.add_event("create", standup)
    world.work()

    first = world.occurrences(standup)[0]

    assert ObjectId.is_valid(first.pop("_id"))
    assert len(first.pop("writtenAs")) == 16
    assert first == {
        "taskId": 2,
        "userId": world.user,
        "title": "Daily standup",
        "description": "10 minutes",
        "dueDate": utc(2024, 1, 16, 9),
        "originalDueDate": utc(2024, 1, 16, 9),
        "priority": "high",
        "category": "work",
        "isCompleted": False,
        "repeatType": "daily",
        "parentTaskId": None,
        "parentRecurringId": standup,
        "links": ["https://example.org"],
        "additionalNotes": "",
        "occurrenceNumber": 1,
        "occurrenceAt": "2024-01-16T09:00",
        "createdByEvent": event,
        "createdAt": world.now,
        "updatedAt": world.now,
        "__v": 0,
    }


def test_a_weekly_review_that_is_completed_links_the_next_week_and_makes_the_one_after_those_there(
    world: World,
) -> None:
    """The previous worker had made 02-08 and 02-15, without slot numbers or a cursor."""
    world.now = utc(2024, 2, 1, 18)
    review = world.add_task(utc(2024, 2, 1, 14), "weekly", title="Weekly review", isCompleted=True)
    second, third = (
        world.add_task(utc(2024, 2, day, 14), "weekly", title="Weekly review", parentRecurringId=review)
        for day in (8, 15)
    )

    answer = world.worker.process_task_recurrence(str(review), "complete")["result"]

    assert answer["updatedTask"]["_id"] == str(second)
    assert answer["updatedTask"]["parentRecurringId"] == str(review)
    assert answer["createdTask"]["dueDate"] == utc(2024, 2, 22, 14)
    assert [task["dueDate"] for task in answer["createdTasks"]] == [utc(2024, 2, 22, 14), utc(2024, 2, 29, 14)]
    assert [task["_id"] for task in world.occurrences(review)][:2] == [second, third]


def test_a_monthly_report_keeps_its_day(world: World) -> None:
    report = world.create(utc(2024, 1, 15, 17), "monthly", title="Monthly report")

    assert world.due_dates(report) == [utc(2024, 2, 15, 17), utc(2024, 3, 15, 17), utc(2024, 4, 15, 17)]


@pytest.mark.parametrize(("year", "february"), [(2024, 29), (2023, 28)])
def test_january_31_is_clamped_to_each_month_end_and_never_drifts(world: World, year: int, february: int) -> None:
    world.now = utc(year, 1, 31)
    rent = world.create(utc(year, 1, 31, 10), "monthly", title="Pay rent")

    assert world.due_dates(rent) == [utc(year, 2, february, 10), utc(year, 3, 31, 10), utc(year, 4, 30, 10)]


NEW_YORK = "America/New_York"


@pytest.mark.parametrize("anchor", [utc(2024, 3, 9, 2), utc(2024, 11, 2, 2)], ids=["spring", "autumn"])
def test_in_utc_no_clock_changes(world: World, anchor: datetime) -> None:
    world.now = utc(2024, 3, 1)
    backup = world.create(anchor, "daily", title="Back up")

    assert world.due_dates(backup) == [anchor + timedelta(days=days) for days in (1, 2, 3)]


def test_spring_in_new_york_moves_the_hour_that_is_not_there_and_then_returns(world: World) -> None:
    """02:00 EST is 07:00 UTC; on 03-10 the clocks go from 02:00 to 03:00; 02:00 EDT is 06:00 UTC."""
    world.now = utc(2024, 3, 1)
    backup = world.create(utc(2024, 3, 8, 7), "daily", title="Back up", timezone=NEW_YORK)

    assert world.due_dates(backup) == [utc(2024, 3, 9, 7), utc(2024, 3, 10, 7), utc(2024, 3, 11, 6)]


def test_autumn_in_new_york_keeps_two_in_the_morning(world: World) -> None:
    """02:00 EDT is 06:00 UTC; on 11-03 the clocks go from 02:00 back to 01:00; 02:00 EST is 07:00 UTC."""
    world.now = utc(2024, 10, 1)
    backup = world.create(utc(2024, 11, 1, 6), "daily", title="Back up", timezone=NEW_YORK)

    assert world.due_dates(backup) == [utc(2024, 11, 2, 6), utc(2024, 11, 3, 7), utc(2024, 11, 4, 7)]


def test_the_zone_of_the_settings_counts_where_a_task_has_none(mongodb_url: str) -> None:
    world = World(mongodb_url, now=utc(2024, 3, 1), RECURRENCE_TIMEZONE=NEW_YORK)

    assert world.due_dates(world.create(utc(2024, 3, 8, 7), "daily"))[-1] == utc(2024, 3, 11, 6)
    world.close()


def test_completing_the_original_after_three_exist_makes_slot_4(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    world.complete(standup)
    world.add_event("complete", standup)

    world.work()

    assert [task["occurrenceNumber"] for task in world.occurrences(standup)] == [1, 2, 3, 4]


def test_completing_an_occurrence_makes_one_more(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily", isCompleted=True)
    first = world.occurrences(standup)[0]["_id"]

    answer = world.worker.process_task_recurrence(str(first), "complete")["result"]

    assert answer["createdTask"]["dueDate"] == utc(2024, 1, 20, 9)
    assert answer["updatedTask"]["dueDate"] == utc(2024, 1, 17, 9)
    assert len(world.occurrences(standup)) == 5


def test_deleting_the_original_reports_how_many_occurrences_went(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    world.worker.mongo.tasks.delete_one({"_id": standup})

    answer = world.worker.process_task_recurrence(str(standup), "delete", str(world.user))

    assert answer["result"] == 3
    assert world.occurrences(standup) == []
    assert world.actions().count("RECURRING_TASKS_DELETED") == 1


def test_deleting_one_occurrence_leaves_its_siblings(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    second = world.occurrences(standup)[1]["_id"]
    world.worker.mongo.tasks.delete_one({"_id": second})

    answer = world.worker.process_task_recurrence(str(second), "delete", str(world.user))

    assert answer["result"] == 0
    assert len(world.occurrences(standup)) == 2
    assert "RECURRING_TASKS_DELETED" not in world.actions()


def test_deleting_an_occurrence_that_is_still_there_takes_all_of_its_series_but_the_original(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    second = world.occurrences(standup)[1]["_id"]

    assert world.worker.process_task_recurrence(str(second), "delete", str(world.user))["result"] == 3
    assert world.cursor(standup) == 3
    world.add_event("create", standup)
    world.work()
    assert world.occurrences(standup) == [], "what was deleted stays deleted"


def test_a_deletion_leaves_what_hangs_on_the_same_original_but_belongs_to_another(world: World) -> None:
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    world.worker.mongo.tasks.update_one({"parentRecurringId": standup}, {"$set": {"userId": ObjectId()}})

    assert world.worker.process_task_recurrence(str(standup), "delete", str(world.user))["result"] == 2
    assert len(world.occurrences(standup)) == 1


def test_a_task_that_does_not_repeat_needs_nothing(world: World) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "none")

    assert world.worker.process_task_recurrence(str(task), "create")["result"] == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"repeatType": "hourly"}, "Invalid repeat type: hourly"),
        ({"dueDate": None, "originalDueDate": None}, "Due date is required for recurring tasks"),
        ({"dueDate": "soon", "originalDueDate": "soon"}, "Due date must be a valid date"),
        ({"dueDate": utc(2023, 12, 31, 11)}, "Due date for recurring tasks should not be more than 1 day in the past"),
        ({"parentTaskId": ObjectId()}, "Sub-tasks cannot have recurring patterns"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not an IANA time zone"),
    ],
)
def test_a_task_that_may_not_recur_is_rejected_with_the_reason(
    world: World, fields: dict[str, object], reason: str
) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "daily", **fields)
    event = world.add_event("create", task)

    world.work()

    stored = world.event(event)
    assert (stored["status"], stored["errors"][-1]["message"]) == ("rejected", reason)
    failure = world.worker.mongo.activities.find_one({"action": "WORKER_CREATE_FAILED"})
    assert failure is not None
    assert failure["error"] == reason
    assert world.occurrences(task) == []


def test_a_backlog_worked_off_a_year_late_rejects_nothing_that_was_good_then(world: World) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "daily")
    asked = world.now
    world.pass_time(days=400)
    world.add_event("create", task, createdAt=asked)

    world.work()

    assert len(world.occurrences(task)) == 3


def test_the_months_an_older_worker_drifted_through_stay_and_the_next_is_on_the_true_day(world: World) -> None:
    """It counted from the last result: Jan 31, Feb 29, Mar 29. Those are slots 1 and 2; slot 3 is Apr 30."""
    rent = world.add_task(utc(2024, 1, 31, 10), "monthly", title="Pay rent")
    for due in (utc(2024, 2, 29, 10), utc(2024, 3, 29, 10)):
        world.add_task(due, "monthly", title="Pay rent", parentRecurringId=rent)
    world.add_event("create", rent)

    world.work()

    assert world.due_dates(rent) == [utc(2024, 2, 29, 10), utc(2024, 3, 29, 10), utc(2024, 4, 30, 10)]
    assert world.cursor(rent) == 3


def test_the_log_has_a_completion_before_what_came_of_it(world: World) -> None:
    """The application reads its log by number, and tells a user what they did before what was done for them."""
    standup = world.create(utc(2024, 1, 15, 9), "daily")
    world.complete(standup)
    world.add_event("complete", standup)
    world.work()

    log = world.worker.mongo.activities.find().sort("activityId", 1)
    assert [line["action"].removeprefix("RECURRING_TASK_") for line in log] == [
        *["CREATED"] * 3,
        "UPDATED",
        "CREATED",
    ]
