"""Tasks whose `recurrence` says more than a word: every operation, through the worker and the database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import Code, ObjectId

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.explain import DayCode
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import World, utc

MONDAY = utc(2024, 1, 1, 9)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    found = World(mongodb_url, now=utc(2024, 1, 1, 8))
    yield found
    found.close()


def custom(world: World, rule: str, due: datetime = MONDAY, **options: Any) -> ObjectId:
    return world.create(due, "custom", recurrence={"rule": rule, **options})


def days(world: World, head: ObjectId) -> list[str]:
    return [f"{due:%m-%d}" for due in world.due_dates(head)]


def finish(world: World, task_id: ObjectId) -> None:
    world.complete(task_id)
    world.add_event("complete", task_id)
    world.work()


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY;BYDAY=MO,TH", ["01-04", "01-08", "01-11"]),
        ("FREQ=WEEKLY;INTERVAL=2", ["01-15", "01-29", "02-12"]),
        ("FREQ=MONTHLY;BYDAY=-1FR", ["01-26", "02-23", "03-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["01-31", "03-31", "05-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD", ["01-31", "02-29", "03-31"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["01-31", "02-29", "03-29"]),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", ["05-13", "05-12", "05-11"]),
    ],
)
def test_any_rule_is_kept_three_ahead_through_completions(world: World, rule: str, expected: list[str]) -> None:
    head = custom(world, rule)
    assert days(world, head) == expected
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    preview = world.worker.queries.preview(str(head), 6, from_start=True).slots
    assert [task["dueDate"] for task in world.occurrences(head)] == [slot.utc for slot in preview][1:6]
    assert [task["occurrenceNumber"] for task in world.occurrences(head)] == [1, 2, 3, 4, 5]
    assert red(world) == {}


def test_a_yearly_task_of_leap_day_comes_on_the_last_of_february(world: World) -> None:
    head = world.create(utc(2024, 2, 29, 9), "yearly")
    assert world.due_dates(head) == [utc(2025, 2, 28, 9), utc(2026, 2, 28, 9), utc(2027, 2, 28, 9)]


def test_a_series_that_ends_makes_no_more_and_nothing_is_wrong_with_it(world: World) -> None:
    head = custom(world, "FREQ=DAILY;COUNT=3")
    assert days(world, head) == ["01-02", "01-03"]
    for task_id in (head, *(task["_id"] for task in world.occurrences(head))):
        finish(world, task_id)
    assert days(world, head) == ["01-02", "01-03"]
    assert red(world) == {}
    assert (
        "The series has ended: FREQ=DAILY;COUNT=3 has no slot after 2."
        in world.worker.queries.series(str(head)).remarks
    )
    looked = world.worker.reconciliation.look(None)
    assert looked.asked == 0


def test_an_end_may_be_set_and_lifted_while_the_series_runs(world: World) -> None:
    head = custom(world, "FREQ=DAILY")
    tasks = world.worker.mongo.tasks
    tasks.update_one({"_id": head}, {"$set": {"recurrence.rule": "FREQ=DAILY;UNTIL=20240105"}})
    for task_id in (head, *(task["_id"] for task in world.occurrences(head))):
        finish(world, task_id)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05"]
    tasks.update_one({"_id": head}, {"$set": {"recurrence.rule": "FREQ=DAILY"}})
    finish(world, world.occurrences(head)[3]["_id"])
    assert days(world, head)[4:] == ["01-06", "01-07", "01-08", "01-09"]


def test_what_nobody_told_of_is_found_and_made(world: World) -> None:
    head = world.add_task(MONDAY, "custom", recurrence={"rule": "FREQ=MONTHLY;BYDAY=-1FR", "added": ["2024-01-10"]})
    world.pass_time(minutes=1)
    assert world.worker.reconciliation.look(None).asked == 1
    world.work()
    assert days(world, head) == ["01-10", "01-26", "02-23"]
    world.complete(head)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"updatedAt": world.now}})
    world.pass_time(minutes=1)
    assert world.worker.reconciliation.look(None).asked == 1
    world.work()
    assert days(world, head) == ["01-10", "01-26", "02-23", "03-29"]
    assert world.worker.reconciliation.look(None).asked == 0


def test_what_was_there_before_us_is_backfilled_by_its_rule(world: World) -> None:
    head = world.add_task(MONDAY, "custom", recurrence={"rule": "FREQ=MONTHLY;BYDAY=-1FR", "horizon": 2})
    world.worker.mongo.state.update_one({"watermark": {"$exists": True}}, {"$set": {"watermark": utc(2024, 1, 2)}})
    world.pass_time(days=2)
    assert world.worker.reconciliation.look(None).asked == 0
    backlog = world.worker.backfill.backlog()
    assert (backlog.series, backlog.occurrences) == (1, 2)
    world.worker.backfill.run()
    assert world.worker.reconciliation.look(None).asked == 1
    world.work()
    assert days(world, head) == ["01-26", "02-23"]


def test_a_day_of_a_series_that_is_refused_says_why(world: World) -> None:
    head = world.add_task(MONDAY, "custom", recurrence={"rule": "FREQ=HOURLY"})
    explanation = world.worker.queries.explain(str(head), MONDAY.date())
    assert (explanation.code.value, explanation.slot) == ("refused", None)
    assert explanation.text.startswith("Nothing is made: recurrence.rule: FREQ=HOURLY is not one of DAILY")


def test_a_series_goes_on_by_its_rule_until_another_is_followed_and_an_hour_later_that_is_found(world: World) -> None:
    head = custom(world, "FREQ=DAILY")
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence.rule": "FREQ=DAILY;INTERVAL=2"}})
    finish(world, head)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05"]
    world.pass_time(hours=2)
    assert red(world) == {"repeat_type_differs": 1}


def test_excluded_slots_are_passed_over_and_the_others_keep_their_numbers_and_ids(world: World) -> None:
    plain = custom(world, "FREQ=DAILY")
    head = custom(world, "FREQ=DAILY", excluded=["2024-01-02", "2024-01-04T09:00", "2024-01-05T10:00"])
    assert days(world, head) == ["01-03", "01-05", "01-06"]
    assert sorted(world.occurrences_by_slot(head)) == [2, 4, 5]
    assert sorted(world.occurrences_by_slot(plain)) == [1, 2, 3]
    assert red(world) == {}
    finish(world, head)
    assert days(world, head) == ["01-03", "01-05", "01-06", "01-07"]


def test_added_dates_have_tasks_of_their_own_in_between(world: World) -> None:
    head = custom(world, "FREQ=WEEKLY", added=["2024-01-03", "2024-01-10T15:30", "2024-01-08"])
    assert days(world, head) == ["01-03", "01-08", "01-10"]
    by_day = {f"{task['dueDate']:%d}": task for task in world.occurrences(head)}
    assert by_day["03"].get("occurrenceNumber") is None
    assert by_day["03"]["occurrenceAt"] == "2024-01-03T09:00"
    assert by_day["08"]["occurrenceNumber"] == 1, "what the rule names anyway is not named twice"
    assert by_day["10"]["dueDate"] == utc(2024, 1, 10, 15, 30)
    world.complete(by_day["03"]["_id"])
    answer = world.worker.process_task_recurrence(str(by_day["03"]["_id"]), "complete")["result"]
    assert answer["updatedTask"]["_id"] == str(by_day["08"]["_id"])
    assert days(world, head) == ["01-03", "01-08", "01-10", "01-15", "01-22"]
    assert red(world) == {}


def test_a_date_added_to_a_running_series_is_made_by_its_next_event_and_once_deleted_stays_so(world: World) -> None:
    head = custom(world, "FREQ=DAILY")
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence.added": ["2024-01-02T18:00"]}})
    finish(world, head)
    extra = next(task for task in world.occurrences(head) if "occurrenceNumber" not in task)
    assert extra["dueDate"] == utc(2024, 1, 2, 18)
    world.worker.mongo.tasks.delete_one({"_id": extra["_id"]})
    world.add_event("delete", extra["_id"])
    world.work()
    finish(world, world.occurrences(head)[0]["_id"])
    assert all("occurrenceNumber" in task for task in world.occurrences(head))
    assert red(world) == {}


@pytest.mark.parametrize("at", ["9999-11-30T09:00", "1999-01-01T09:00", "tomorrow"])
def test_what_an_application_writes_over_the_time_of_a_slot_leads_no_series_astray(world: World, at: str) -> None:
    head = custom(world, "FREQ=DAILY;BYMONTH=1,11", added=["2024-01-02T18:00"])
    second = world.occurrences(head)[-1]["_id"]
    world.worker.mongo.tasks.update_one({"_id": second}, {"$set": {"occurrenceAt": at}})
    finish(world, second)
    assert days(world, head) == ["01-02", "01-02", "01-03", "01-04", "01-05", "01-06", "01-07"]
    assert red(world) == {}


def test_a_time_far_ahead_on_what_is_on_no_slot_asks_for_no_endless_work(world: World) -> None:
    head = custom(world, "FREQ=DAILY", added=["2024-01-02T18:00"])
    extra = next(task for task in world.occurrences(head) if "occurrenceNumber" not in task)["_id"]
    world.worker.mongo.tasks.update_one({"_id": extra}, {"$set": {"occurrenceAt": "9999-01-01T09:00"}})
    world.complete(extra)
    before = days(world, head)
    event = world.add_event("complete", extra)
    world.work()
    assert world.event(event)["status"] == "completed"
    assert days(world, head) == before
    assert red(world) == {}


def test_what_was_done_past_an_end_that_came_later_brings_no_added_dates_early(world: World) -> None:
    far = [f"2024-05-{day:02}" for day in range(1, 31)]
    head = custom(world, "FREQ=DAILY", added=far)
    finish(world, world.occurrences(head)[2]["_id"])
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence.rule": "FREQ=DAILY;COUNT=2"}})
    finish(world, head)
    assert days(world, head)[7:] == ["05-01", "05-02", "05-03", "05-04"]


@pytest.mark.parametrize("repair", [False, True])
def test_an_added_date_that_was_deleted_stays_so_where_the_memory_is_lost(world: World, repair: bool) -> None:  # noqa: FBT001
    head = world.create(MONDAY, "weekly", recurrence={"added": ["2024-01-03", "2024-01-10T15:30", "2024-01-16"]})
    assert days(world, head) == ["01-03", "01-08", "01-10"]
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence.horizon": 4}})
    finish(world, head)
    assert days(world, head) == ["01-03", "01-08", "01-10", "01-15", "01-16"]
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[0]["_id"]})
    world.worker.mongo.series.delete_many({})
    if repair:
        world.worker.consistency.repair(dry_run=False)
        world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[-1]["_id"]})
    finish(world, world.occurrences(head)[0]["_id"])
    kept = [] if repair else ["01-16"]
    assert days(world, head) == ["01-08", "01-10", "01-15", *kept, "01-22", "01-29"]
    assert red(world) == {}


def test_another_zone_makes_no_added_day_a_second_time(world: World) -> None:
    head = world.create(MONDAY, "weekly", recurrence={"added": ["2024-01-03", "2024-01-04T09:00", "2024-02-01"]})
    gone = world.occurrences(head)[1]["_id"]
    world.worker.mongo.tasks.delete_one({"_id": gone})
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"timezone": "Asia/Tokyo"}})
    for task_id in (head, *(task["_id"] for task in world.occurrences(head))):
        finish(world, task_id)
    assert days(world, head) == ["01-03", "01-08", "01-15", "01-22", "01-29", "02-01"]
    assert red(world) == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("FREQ=DAILY;UNTIL=20240102", "FREQ=DAILY", ["01-02", "01-03", "01-04", "01-05", "01-06"]),
        ("FREQ=DAILY;COUNT=2", "FREQ=DAILY;COUNT=9", ["01-02", "01-03", "01-04", "01-05", "01-06"]),
        ("FREQ=DAILY", "FREQ=DAILY;UNTIL=20240102", ["01-02", "01-03", "01-04"]),
        ("FREQ=DAILY", "FREQ=DAILY;COUNT=1", ["01-02", "01-03", "01-04"]),
        ("FREQ=DAILY;BYMONTH=1", "FREQ=DAILY;BYMONTH=1;COUNT=1", ["01-02", "01-03", "01-04"]),
    ],
)
def test_no_day_has_a_task_by_its_number_and_one_by_its_date(
    world: World, before: str, after: str, expected: list[str]
) -> None:
    head = custom(world, before, added=["2024-01-04"])
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"recurrence.rule": after}})
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    assert days(world, head)[: len(expected)] == expected
    assert len(set(world.due_dates(head))) == len(world.due_dates(head))
    assert red(world) == {}
    for view in world.worker.queries.preview(str(head), 9, from_start=True).slots[1 : len(expected) + 1]:
        assert view.code is DayCode.OPEN or world.task(ObjectId(view.task_id))["isCompleted"]
        assert world.worker.queries.explain(str(head), view.at.date()).slot == view


def test_a_preview_goes_as_far_as_the_calendar_does(world: World) -> None:
    head = custom(world, "FREQ=YEARLY;INTERVAL=200")
    slots = world.worker.queries.preview(str(head), 39, from_start=True).slots
    assert [slot.utc.year for slot in slots][-2:] == [9424, 9624]
    with pytest.raises(InvalidRecurrence, match=r"slot 40 .* lies outside the years 1 to 9999"):
        world.worker.queries.preview(str(head), 41, from_start=True)


def test_the_repair_asks_for_a_completed_task_on_an_added_date(world: World) -> None:
    head = custom(world, "FREQ=DAILY;COUNT=1", added=[f"2024-01-{day:02}" for day in range(5, 15)])
    update = {"$set": {"isCompleted": True, "updatedAt": world.now}}
    world.worker.mongo.tasks.update_one({"_id": world.occurrences(head)[1]["_id"]}, update)
    assert red(world) == {"series_behind": 1}
    world.worker.mongo.events.delete_many({})
    world.worker.consistency.repair(dry_run=False)
    (event,) = world.worker.mongo.events.find()
    assert (event["operation"], event["taskId"]) == ("complete", world.occurrences(head)[1]["_id"])
    world.work()
    assert days(world, head) == ["01-05", "01-06", "01-07", "01-08", "01-09", "01-10"]
    assert red(world) == {}


def test_exceptions_are_written_to_the_minute_whatever_the_milliseconds_of_the_first_date(world: World) -> None:
    head = world.create(
        MONDAY + timedelta(seconds=7, milliseconds=123),
        "daily",
        recurrence={"excluded": ["2024-01-02T09:00", "2024-01-03T09:00:07"], "added": ["2024-01-05T09:00"]},
    )
    assert days(world, head) == ["01-04", "01-05", "01-06"]
    assert sorted(world.occurrences_by_slot(head)) == [3, 4, 5]


def test_a_day_may_be_written_as_rfc_5545_does(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"excluded": ["20240103"], "added": ["20240104T180000"]})
    assert days(world, head) == ["01-02", "01-04", "01-04"]


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_series_is_kept_as_far_ahead_as_it_says(world: World, horizon: int) -> None:
    head = custom(world, "FREQ=DAILY", horizon=horizon)
    assert len(world.occurrences(head)) == horizon
    finish(world, head)
    assert len(world.occurrences(head)) == horizon + 1


def test_the_fields_that_an_original_names_are_copied_too(world: World) -> None:
    fields = {"tags": ["a", "b"], "projectId": ObjectId(), "other": 1}
    head = world.create(MONDAY, "daily", recurrence={"copy": ["tags", "projectId", "missing"]}, **fields)
    for task in world.occurrences(head):
        assert (task["tags"], task["projectId"]) == (fields["tags"], fields["projectId"])
        assert "other" not in task
        assert "missing" not in task


def test_a_series_put_back_goes_on_by_its_rule(world: World) -> None:
    head = custom(world, "FREQ=WEEKLY;BYDAY=MO,TH", added=["2024-01-03"])
    world.worker.mongo.tasks.delete_one({"_id": head})
    event = world.add_event("delete", head)
    world.work()
    assert world.occurrences(head) == []
    done = world.worker.deletions.restore(str(event), dry_run=False)
    (new,) = done.originals
    assert f"{world.task(ObjectId(new))['dueDate']:%m-%d}" == "01-04", "an added date does not become the original"
    finish(world, ObjectId(new))
    assert days(world, ObjectId(new)) == ["01-03", "01-08", "01-11", "01-15", "01-18"]
    assert red(world) == {}


@pytest.mark.parametrize("step", [WriteStep.OCCURRENCES, WriteStep.ACTIVITIES, WriteStep.CURSORS])
def test_a_crash_in_the_middle_makes_nothing_twice(world: World, step: WriteStep) -> None:
    head = world.add_task(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;BYDAY=MO,WE", "added": ["2024-01-02"]})
    world.add_event("create", head)
    world.crash_after = step
    with pytest.raises(BaseException):  # noqa: B017, PT011 - however the world crashes
        world.work()
    world.crash_after = None
    world.pass_time(hours=1)
    world.work()
    assert days(world, head) == ["01-02", "01-03", "01-08"]
    assert world.actions() == ["RECURRING_TASK_CREATED"] * 3
    assert red(world) == {}


@pytest.mark.parametrize(
    ("repeat_type", "options", "field"),
    [
        ("custom", None, "recurrence.rule"),
        ("custom", {}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=HOURLY"}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=DAILY;FOO=1"}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=WEEKLY;BYMONTHDAY=1"}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=DAILY;COUNT=1;UNTIL=20240101"}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence.rule"),
        ("custom", {"rule": "FREQ=DAILY;INTERVAL=0"}, "recurrence.rule"),
        ("custom", {"rule": 7}, "recurrence.rule"),
        ("weekly", {"rule": "FREQ=DAILY"}, "recurrence.rule"),
        ("daily", {"horizon": 61}, "recurrence.horizon"),
        ("daily", {"horizon": 0}, "recurrence.horizon"),
        ("daily", {"horizon": True}, "recurrence.horizon"),
        ("daily", {"excluded": ["2024-01-01T09:00"] * 1001}, "recurrence.excluded"),
        ("daily", {"excluded": ["2024-02-30"]}, "recurrence.excluded[0]"),
        ("daily", {"excluded": "2024-01-02"}, "recurrence.excluded"),
        ("daily", {"added": [MONDAY]}, "recurrence.added[0]"),
        ("daily", {"added": ["2024-01-02T09:00Z"]}, "recurrence.added[0]"),
        ("daily", {"copy": ["tags", "taskId"]}, "recurrence.copy[1]"),
        ("daily", {"copy": ["a.b"]}, "recurrence.copy[0]"),
        ("custom", {"rule": Code("FREQ=DAILY")}, "recurrence.rule"),
        ("daily", {"excluded": [Code("2024-01-02")]}, "recurrence.excluded[0]"),
        ("daily", {"copy": [Code("tags")]}, "recurrence.copy[0]"),
        ("daily", {"exclude": ["2024-01-02"]}, "recurrence.exclude"),
        ("daily", {"missed": "last"}, "recurrence.missed"),
        ("daily", {"from": "completion", "horizon": 2}, "recurrence.horizon"),
        ("daily", {"paused": [{"since": "2024-01-02"}]}, "recurrence.paused[0].since"),
        ("daily", {"shift": {"to": "next", "holidays": "DE-ZZ"}}, "recurrence.shift.holidays"),
        ("daily", {"subtasks": Code("true")}, "recurrence.subtasks"),
        ("daily", [1], "recurrence"),
        ("daily", "FREQ=DAILY", "recurrence"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_is_made(
    world: World, repeat_type: str, options: Any, field: str
) -> None:
    head = world.add_task(MONDAY, repeat_type, recurrence=options)
    event = world.add_event("create", head)
    world.work()
    stored = world.event(event)
    assert (stored["status"], stored["errors"][-1]["code"]) == ("rejected", "INVALID_RECURRENCE")
    assert field in stored["errors"][-1]["message"]
    assert world.occurrences(head) == []
    assert red(world) == {}, "one such document costs the checks of the others nothing"
    with pytest.raises(InvalidRecurrence) as caught:
        world.worker.validate_recurrence({"repeatType": repeat_type, "recurrence": options, "dueDate": MONDAY})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "options",
    [None, {}, {"_id": ObjectId()}, {"rule": None, "excluded": [], "missed": "each", "from": "schedule", "paused": []}],
)
def test_a_recurrence_that_says_nothing_changes_nothing(world: World, options: Any) -> None:
    """Mongoose gives subdocuments an `_id`, and lists that nobody filled."""
    head = world.create(MONDAY, "daily", recurrence=options)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    assert world.worker.mongo.series.find_one({"_id": head})["revisions"][0]["rule"] == "daily"  # type: ignore[index]
