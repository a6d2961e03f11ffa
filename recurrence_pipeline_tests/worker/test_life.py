"""The life of a series: counted from completion, missed, paused, edited, reopened, skipped; through the database."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.difference import Difference
from recurrence_pipeline.domain.errors import ChangeRefused, InvalidRecurrence
from recurrence_pipeline.domain.explain import DayCode
from recurrence_pipeline_tests.world import World, utc

MONDAY = utc(2024, 1, 1, 9)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    found = World(mongodb_url, now=utc(2024, 1, 1, 8))
    yield found
    found.close()


def days(world: World, head: ObjectId, *, still_open: bool = False) -> list[str]:
    tasks = [t for t in world.occurrences(head) if not (still_open and t["isCompleted"])]
    return [f"{task['dueDate']:%m-%d}" for task in tasks]


def finish(world: World, task_id: ObjectId, **fields: Any) -> None:
    world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": {"isCompleted": True, **fields}})
    world.add_event("complete", task_id)
    world.work()


def edit(world: World, task_id: ObjectId, **fields: Any) -> None:
    world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": {**fields, "updatedAt": world.now}})


def change(world: World, operation: str, task_id: ObjectId, **asked: Any) -> Difference:
    """Ask for a change; what the dry run says is what is done, and it writes nothing."""
    before = world.everything()
    dry = world.worker.change(str(task_id), operation, **asked)
    assert world.everything() == before
    done = world.worker.change(str(task_id), operation, dry_run=False, **asked)
    assert list(done.changes) == list(dry.changes)
    assert done.written
    return done


def kinds(difference: Difference) -> list[str]:
    return [f"{each.kind.value} {each.due:%m-%d}" for each in difference.changes]


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def deleted(world: World) -> list[tuple[str, str]]:
    found = world.worker.mongo.deleted.find()
    return sorted((copy["reason"], f"{copy['task']['dueDate']:%m-%d}") for copy in found)


# From completion


@pytest.mark.parametrize(
    ("rule", "completed_at", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=3", utc(2024, 1, 2, 15), "01-05"),
        ("FREQ=WEEKLY;BYDAY=MO", utc(2024, 1, 2, 15), "01-08"),
        ("FREQ=WEEKLY", utc(2024, 1, 2, 15), "01-09"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", utc(2024, 2, 2, 15), "03-01"),
    ],
)
def test_the_next_one_is_counted_from_the_day_of_completion(
    world: World, rule: str, completed_at: datetime, expected: str
) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": rule, "from": "completion"})
    assert days(world, head) == []
    world.now = completed_at
    finish(world, head, completedAt=completed_at)
    assert days(world, head) == [expected]
    assert [task["occurrenceNumber"] for task in world.occurrences(head)] == [1]
    assert world.occurrences(head)[0]["dueDate"].hour == 9
    assert red(world) == {}


def test_from_completion_there_is_one_open_task_and_a_repeated_event_changes_nothing(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"})
    finish(world, head)
    for _ in range(3):
        world.pass_time(days=2)
        world.add_event("complete", head)
        world.work()
        assert len(days(world, head, still_open=True)) == 1
    (task,) = world.occurrences(head)
    finish(world, task["_id"], completedAt=utc(2024, 2, 1, 12))
    assert days(world, head, still_open=True) == ["02-02"]
    assert red(world) == {}


def test_the_moment_of_completion_counts_on_the_clock_of_the_series(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"}, timezone="America/Los_Angeles")
    finish(world, head, completedAt=utc(2024, 1, 3, 5))  # Tuesday evening there
    assert world.due_dates(head) == [utc(2024, 1, 3, 9)]


def test_a_rule_from_completion_ends_and_passes_over_what_is_not_wanted(world: World) -> None:
    options = {"rule": "FREQ=DAILY;COUNT=2", "from": "completion", "excluded": ["2024-01-02"]}
    head = world.create(MONDAY, "custom", recurrence=options)
    finish(world, head)
    assert days(world, head) == ["01-03"]
    finish(world, world.occurrences(head)[0]["_id"])
    assert days(world, head) == ["01-03"]
    assert red(world) == {}


# Missed


@pytest.mark.parametrize(("missed", "left"), [("each", 10), ("latest", 5), ("next", 4)])
def test_of_missed_slots_those_stay_that_should(world: World, missed: str, left: int) -> None:
    head = world.create(MONDAY, "daily", recurrence={"missed": missed})
    finish(world, head)
    for _ in range(6):
        world.pass_time(days=1)
        world.add_event("create", head)
        world.work()
    world.now = utc(2024, 1, 7, 12)
    world.add_event("create", head)
    world.work()
    ahead = 4 if missed == "each" else left
    assert len(days(world, head, still_open=True)) == ahead
    if missed == "next":
        assert days(world, head) == ["01-07", "01-08", "01-09", "01-10"]
        assert deleted(world) == [("missed", f"01-0{n}") for n in range(2, 7)]
        assert world.actions().count("RECURRING_TASK_MISSED") == 5
    if missed == "latest":
        assert days(world, head) == ["01-06", "01-07", "01-08", "01-09", "01-10"]
    assert red(world) == {}


@pytest.mark.parametrize("missed", ["latest", "next"])
def test_what_moved_to_later_today_is_not_missed_yet_though_the_slots_behind_it_are_due(
    world: World, missed: str
) -> None:
    world.now = utc(2024, 1, 2, 8)
    recurrence = {"added": ["2024-01-05T15:30"], "missed": missed, "shift": {"to": "next", "workdays": ["TU"]}}
    head = world.create(utc(2024, 1, 3), "daily", recurrence=recurrence)
    for hour, is_open in ((9, True), (16, False)):
        world.now = utc(2024, 1, 9, hour)
        world.add_event("create", head)
        world.work()
        added = [task for task in world.occurrences(head) if task["dueDate"] == utc(2024, 1, 9, 15, 30)]
        assert bool(added) is is_open
    assert red(world) == {}


@pytest.mark.parametrize("missed", ["latest", "next"])
def test_a_year_away_makes_the_same_documents_as_a_year_of_days(mongodb_url: str, missed: str) -> None:
    day = utc(2024, 1, 1, 8)
    world = World(mongodb_url, now=day)
    heads = [world.add_task(MONDAY, "weekly", recurrence={"missed": missed}, _id=ObjectId(f"{n:024x}")) for n in (1, 2)]
    for head in heads:
        world.add_event("create", head)
    world.work()
    for week in range(1, 52):
        world.now = day + timedelta(weeks=week, days=1)
        world.add_event("create", heads[0])
        world.work()
    world.add_event("create", heads[1])
    world.work()
    daily, away = ([(task["occurrenceNumber"], task["dueDate"]) for task in world.occurrences(head)] for head in heads)
    assert daily == away
    gone = [
        sorted(c["task"]["occurrenceNumber"] for c in world.worker.mongo.deleted.find({"task.parentRecurringId": head}))
        for head in heads
    ]
    assert gone[0] == gone[1]
    assert len(gone[0]) > 40
    assert red(world) == {}
    world.close()


def test_a_missed_task_that_somebody_touched_stays_and_one_that_is_put_back_too(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"missed": "next"})
    finish(world, head)
    first = world.occurrences(head)[0]["_id"]
    edit(world, first, additionalNotes="Call them first")
    world.now = utc(2024, 1, 5, 12)
    event = world.add_event("create", head)
    world.work()
    assert days(world, head) == ["01-02", "01-05", "01-06", "01-07", "01-08"]
    world.worker.deletions.restore(str(event), dry_run=False)
    world.add_event("create", head)
    world.work()
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05", "01-06", "01-07", "01-08"]


# Pauses, days off, sub-tasks


def test_nothing_is_made_while_a_series_is_paused(world: World) -> None:
    paused = [{"from": "2024-01-03", "until": "2024-01-10", "note": "away"}]
    head = world.create(MONDAY, "daily", recurrence={"paused": paused})
    assert days(world, head) == ["01-02", "01-11", "01-12"]
    finish(world, head)
    assert days(world, head) == ["01-02", "01-11", "01-12", "01-13"]
    assert red(world) == {}


def test_a_pause_until_further_notice_rests_and_its_end_lets_it_go_on(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"paused": [{"from": "2024-01-03"}]})
    assert days(world, head) == ["01-02"]
    assert red(world) == {}
    edit(world, head, recurrence={"paused": [{"from": "2024-01-03", "until": "2024-01-20"}]})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-21", "01-22"]
    assert red(world) == {}


def test_slots_on_days_off_move_and_keep_their_numbers(world: World) -> None:
    head = world.create(utc(2024, 1, 5, 9), "daily", recurrence={"shift": {"to": "next"}})
    made = world.occurrences(head)
    assert [task["occurrenceNumber"] for task in made] == [1, 2, 3]
    assert days(world, head) == ["01-08", "01-08", "01-08"]
    assert [task.get("shiftedTo") for task in made] == ["2024-01-08T09:00", "2024-01-08T09:00", None]
    assert red(world) == {}


def test_each_occurrence_gets_the_sub_tasks_of_its_original_open_again(world: World) -> None:
    head = world.add_task(MONDAY, "daily", recurrence={"subtasks": True})
    below = world.add_task(utc(2024, 1, 1, 7), "none", title="Pack", parentTaskId=head, isCompleted=True)
    world.add_task(utc(2024, 1, 1, 6), "none", title="Find the bag", parentTaskId=below)
    world.add_event("create", head)
    world.work()
    for occurrence in world.occurrences(head):
        (pack,) = world.worker.mongo.tasks.find({"parentTaskId": occurrence["_id"]})
        (bag,) = world.worker.mongo.tasks.find({"parentTaskId": pack["_id"]})
        assert (pack["title"], pack["isCompleted"], bag["title"]) == ("Pack", False, "Find the bag")
        assert occurrence["dueDate"] - pack["dueDate"] == timedelta(hours=2)
        assert len({occurrence["taskId"], pack["taskId"], bag["taskId"]}) == 3
    world.add_event("create", head)
    world.work()
    assert world.worker.mongo.tasks.count_documents({}) == 12
    event = world.add_event("delete", head)
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.work()
    world.worker.deletions.restore(str(event), dry_run=False)
    assert world.worker.mongo.tasks.count_documents({"title": "Find the bag", "parentTaskId": {"$ne": below}}) == 3


# An edited original


def test_a_new_title_is_copied_to_what_is_ahead_and_untouched(world: World) -> None:
    head = world.create(MONDAY, "daily")
    first, second, third = world.occurrences(head)
    edit(world, second["_id"], description="mine")
    edit(world, head, title="Weekly standup")
    assert kinds(change(world, "update", head)) == ["changes 01-02", "stays 01-03", "changes 01-04"]
    assert [task["title"] for task in world.occurrences(head)] == ["Weekly standup", "Daily standup", "Weekly standup"]
    assert kinds(change(world, "update", head)) == ["stays 01-02", "stays 01-03", "stays 01-04"]
    assert [t["_id"] for t in world.occurrences(head)] == [first["_id"], second["_id"], third["_id"]]


def test_another_rule_moves_what_is_ahead_and_goes_on_by_itself(world: World) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    ids = [task["_id"] for task in world.occurrences(head)]
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=WEEKLY;BYDAY=TU,FR"})
    assert kinds(change(world, "update", head)) == [
        "changes 01-02",
        "changes 01-05",
        "moves 01-09",
        "moves 01-12",
    ]
    assert days(world, head) == ["01-02", "01-05", "01-09", "01-12"]
    assert {task["_id"] for task in world.occurrences(head)} == set(ids)
    assert {task["repeatType"] for task in world.occurrences(head)} == {"custom"}
    finish(world, world.occurrences(head)[0]["_id"])
    assert days(world, head) == ["01-02", "01-05", "01-09", "01-12", "01-16"]
    assert red(world) == {}


@pytest.mark.parametrize("overdue", [False, True])
def test_an_edit_taken_back_ends_where_it_began_however_often(world: World, *, overdue: bool) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    if overdue:
        world.now = utc(2024, 1, 3, 12)
    before = days(world, head)
    for _ in range(30):  # more edits than rules of a series are remembered
        for repeat_type in ("weekly", "daily"):
            edit(world, head, repeatType=repeat_type)
            world.worker.change(str(head), "update", dry_run=False)
    assert days(world, head) == before
    finish(world, world.occurrences(head)[0]["_id"])
    assert len(days(world, head, still_open=True)) == 4
    assert red(world) == {}


def rewrite(world: World, head: ObjectId, **fields: Any) -> list[str]:
    """Edit the original, have that followed, and return the days of what is open."""
    edit(world, head, **fields)
    change(world, "update", head)
    return days(world, head, still_open=True)


def test_a_day_that_is_done_does_not_come_again_when_the_end_of_a_rule_and_then_the_rule_change(world: World) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;COUNT=2"})
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    ahead = ["01-03", "01-04", "01-05", "01-06"]
    assert rewrite(world, head, recurrence={"rule": "FREQ=DAILY"}) == ahead
    (memory,) = world.worker.mongo.series.find()
    assert memory["revisions"][-1]["rule"] == "FREQ=DAILY"
    assert rewrite(world, head, recurrence={"rule": "FREQ=WEEKLY"})[0] == "01-08"
    assert rewrite(world, head, recurrence={"rule": "FREQ=DAILY"}) == ahead
    assert red(world) == {}


def test_another_rule_that_ended_before_it_begins_has_no_task_until_its_end_is_put_off(world: World) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY"})
    finish(world, head)
    assert rewrite(world, head, recurrence={"rule": "FREQ=WEEKLY;UNTIL=20240102"}) == []
    finish(world, head)
    assert days(world, head) == []
    assert rewrite(world, head, recurrence={"rule": "FREQ=WEEKLY;UNTIL=20240115"}) == ["01-08", "01-15"]
    assert red(world) == {}


def test_no_day_is_lost_where_the_clock_of_another_zone_shows_the_day_before(world: World) -> None:
    head = world.create(utc(2024, 1, 2, 1), "daily", timezone="Africa/Cairo")
    before = world.due_dates(head)
    rewrite(world, head, timezone="America/Santiago")
    assert world.due_dates(head) == before
    assert red(world) == {}


def test_done_touched_and_past_tasks_are_never_changed(world: World) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    finish(world, world.occurrences(head)[1]["_id"])  # the 3rd; the 2nd stays open, and passes
    world.now = utc(2024, 1, 4, 8)
    touched = world.occurrences(head)[3]
    edit(world, touched["_id"], dueDate=utc(2024, 1, 5, 18))
    before = {t["_id"]: t for t in world.occurrences(head)[:2]} | {touched["_id"]: world.task(touched["_id"])}
    edit(world, head, repeatType="weekly", title="Other")
    change(world, "update", head)
    for task_id, document in before.items():
        assert world.task(task_id) == document
    later = [t for t in world.occurrences(head) if t["_id"] not in before]
    assert [f"{t['dueDate']:%m-%d}" for t in later] == ["01-08", "01-15", "01-22", "01-29"]
    assert red(world) == {}


def test_sub_tasks_follow_an_occurrence_that_moves(world: World) -> None:
    head = world.add_task(MONDAY, "daily", recurrence={"subtasks": True})
    below = world.add_task(utc(2024, 1, 1, 7), "none", title="Pack", parentTaskId=head)
    world.add_task(utc(2024, 1, 1, 6), "none", title="Find the bag", parentTaskId=below)
    world.add_task(MONDAY, "none", title="Whenever", parentTaskId=below, dueDate=None)
    world.add_event("create", head)
    world.work()
    edit(world, head, repeatType="weekly")
    change(world, "update", head)
    assert days(world, head) == ["01-08", "01-15", "01-22"]
    tasks = world.worker.mongo.tasks
    for occurrence in world.occurrences(head):
        (pack,) = tasks.find({"parentTaskId": occurrence["_id"]})
        bag = tasks.find_one({"parentTaskId": pack["_id"], "title": "Find the bag"}) or {}
        assert occurrence["dueDate"] - pack["dueDate"] == timedelta(hours=2)
        assert occurrence["dueDate"] - bag["dueDate"] == timedelta(hours=3)
    assert tasks.count_documents({"title": "Whenever", "dueDate": None}) == 4
    assert kinds(change(world, "update", head)) == ["stays 01-08", "stays 01-15", "stays 01-22"]


def test_this_and_all_following_begins_at_a_slot(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"horizon": 5})
    edit(world, head, repeatType="weekly")
    assert kinds(change(world, "update", head, slot=3)) == [
        "changes 01-02",
        "changes 01-03",
        "moves 01-08",
        "moves 01-15",
        "moves 01-22",
    ]
    assert red(world) == {}


def test_this_and_all_following_may_begin_at_a_slot_that_is_still_to_be_made(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, head, repeatType="weekly")
    change(world, "update", head, slot=6)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    for _ in range(6):
        done = [head, *(task["_id"] for task in world.occurrences(head))]
        finish(world, next(i for i in done if not world.task(i)["isCompleted"]))
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05", "01-06", "01-08", "01-15", "01-22", "01-29"]
    assert red(world) == {}


def test_an_edit_before_one_that_was_to_begin_later_takes_the_place_of_all_between(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, head, repeatType="weekly")
    change(world, "update", head, slot=6)
    edit(world, head, repeatType="custom", recurrence={"rule": "FREQ=DAILY;INTERVAL=2"})
    change(world, "update", head, slot=2)
    assert days(world, head) == ["01-02", "01-03", "01-05"]
    for _ in range(3):
        finish(world, next(t["_id"] for t in (world.task(head), *world.occurrences(head)) if not t["isCompleted"]))
    assert days(world, head) == ["01-02", "01-03", "01-05", "01-07", "01-09", "01-11"]
    assert red(world) == {}


def test_an_update_from_a_slot_that_there_is_not_is_refused(world: World) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;COUNT=5"})
    edit(world, head, repeatType="weekly", recurrence={})
    with pytest.raises(InvalidRecurrence, match="fromSlot: the series has no slot 100"):
        world.worker.change(str(head), "update", slot=100)


def test_a_moved_date_of_the_original_moves_the_series_when_it_is_told(world: World) -> None:
    head = world.create(MONDAY, "weekly")
    edit(world, head, dueDate=utc(2024, 1, 2, 10), originalDueDate=utc(2024, 1, 2, 10))
    assert kinds(change(world, "update", head)) == ["moves 01-09", "moves 01-16", "moves 01-23"]
    assert world.due_dates(head)[0] == utc(2024, 1, 9, 10)
    assert red(world) == {}


def test_excluding_a_slot_takes_its_task_and_allowing_it_again_brings_one(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, head, recurrence={"excluded": ["2024-01-03"]})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-04", "01-05"]
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    assert red(world) == {}


def test_what_a_pause_passed_over_comes_back_when_it_is_lifted_and_what_was_deleted_does_not(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"paused": [{"from": "2024-01-03", "until": "2024-01-04"}]})
    assert days(world, head) == ["01-02", "01-05", "01-06"]
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[1]["_id"]})
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    assert world.cursor(head) == 4
    assert red(world) == {}


def test_a_pause_that_is_lifted_on_its_way_makes_no_day_of_the_past_however_late_the_tasks_before_it_are(
    world: World,
) -> None:
    """The original is open still: what a pause passed over before now is not owed, and what is ahead stays ahead."""
    head = world.create(MONDAY, "daily", recurrence={"paused": [{"from": "2024-01-03", "until": "2024-01-20"}]})
    assert days(world, head) == ["01-02", "01-21", "01-22"]
    world.now = utc(2024, 1, 10, 12)
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-11", "01-12"]
    first, second = (task["_id"] for task in world.occurrences(head)[:2])
    finish(world, head)
    finish(world, first)
    assert days(world, head, still_open=True) == ["01-11", "01-12"]
    finish(world, second)
    assert days(world, head, still_open=True) == ["01-12", "01-13", "01-14", "01-15"]
    assert red(world) == {}


def test_a_series_goes_on_through_a_lifted_pause_though_somebody_deleted_what_came_behind_it(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"paused": [{"from": "2024-01-03", "until": "2024-01-06"}]})
    assert days(world, head) == ["01-02", "01-07", "01-08"]
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences(head)[1]["_id"]})
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05", "01-06"]
    for task in [head, *(each["_id"] for each in world.occurrences(head))]:
        finish(world, task)
    assert days(world, head, still_open=True) == ["01-08", "01-09", "01-10"]
    assert red(world) == {}


def test_what_a_mended_cursor_passes_over_comes_back_when_its_pause_is_lifted(world: World) -> None:
    """The worker that made what lies behind the pause died before it could say so."""
    paused = {"paused": [{"from": "2024-01-03", "until": "2024-01-04"}]}
    head = world.create(MONDAY, "daily", recurrence=paused)
    world.worker.mongo.series.update_one(
        {"_id": head}, {"$set": {"cursor.number": 1, "cursor.at": "2024-01-02T09:00", "cursor.passed": []}}
    )
    assert red(world) == {"cursor_behind": 1}
    world.worker.consistency.repair(["cursor_behind"], dry_run=False)
    assert world.cursor(head) == 5
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    assert red(world) == {}


def test_what_a_completion_behind_the_end_of_a_series_passed_over_comes_when_it_has_no_end_any_more(
    world: World,
) -> None:
    head = world.create(MONDAY, "daily")
    third = world.occurrences(head)[2]["_id"]
    edit(world, third, title="mine")
    edit(world, head, recurrence={"rule": "FREQ=DAILY;COUNT=2"})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-04"]
    finish(world, third)
    world.worker.mongo.tasks.update_one({"_id": third}, {"$set": {"isCompleted": False}})
    change(world, "reopen", third)
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    assert red(world) == {}


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"recurrence": {"rule": "FREQ=DAILY;INTERVAL=5", "from": "completion"}}, utc(2024, 1, 6, 9)),
        ({"timezone": "America/New_York"}, utc(2024, 1, 4, 9)),
        ({"dueDate": utc(2024, 1, 1, 8), "originalDueDate": utc(2024, 1, 1, 8)}, utc(2024, 1, 4, 8)),
    ],
    ids=["rule", "zone", "date"],
)
@pytest.mark.parametrize("told_first", ["complete", "update"])
def test_from_completion_an_edit_counts_the_open_task_anew_whichever_is_told_first(
    world: World, fields: dict[str, Any], due: datetime, told_first: str
) -> None:
    head = world.create(
        MONDAY, "custom", timezone="Asia/Kolkata", recurrence={"rule": "FREQ=DAILY;INTERVAL=3", "from": "completion"}
    )
    edit(world, head, isCompleted=True, completedAt=utc(2024, 1, 1, 10))
    if told_first == "complete":
        world.add_event("complete", head)
        world.work()
        assert world.due_dates(head) == [utc(2024, 1, 4, 9)]
    edit(world, head, **fields)
    change(world, "update", head)
    world.add_event("complete", head)
    world.work()
    assert world.due_dates(head) == [due]
    assert red(world) == {}


@pytest.mark.parametrize("told_first", ["complete", "update"])
def test_a_series_that_is_counted_from_completion_from_now_on_has_one_open_task(world: World, told_first: str) -> None:
    head = world.create(MONDAY, "weekly")
    edit(world, head, isCompleted=True, completedAt=utc(2024, 1, 1, 10))
    if told_first == "complete":
        world.add_event("complete", head)
        world.work()
    edit(world, head, recurrence={"from": "completion"}, repeatType="daily")
    change(world, "update", head)
    world.add_event("complete", head)
    world.work()
    assert days(world, head) == ["01-02"]
    assert red(world) == {}


def test_from_completion_a_touched_task_stays_where_it_is_and_none_is_made_beside_it(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"})
    finish(world, head, completedAt=utc(2024, 1, 1, 10))
    (task,) = world.occurrences(head)
    edit(world, task["_id"], title="mine")
    edit(world, head, repeatType="weekly")
    assert kinds(change(world, "update", head)) == ["stays 01-02"]
    finish(world, task["_id"], completedAt=utc(2024, 1, 2, 10))
    assert days(world, head, still_open=True) == ["01-09"]
    assert red(world) == {}


def test_a_skip_that_is_told_while_a_task_does_not_recur_holds_when_it_recurs_again(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, head, repeatType="none")
    change(world, "skip", world.occurrences(head)[1]["_id"])
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-04", "01-05"]
    change(world, "skip", head, slot=2, undo=True)
    assert "01-03" in days(world, head)
    assert red(world) == {}


def test_a_skip_that_is_told_again_of_a_task_that_was_put_back_keeps_its_last_copy(world: World) -> None:
    head = world.create(MONDAY, "daily")
    second = world.occurrences(head)[1]["_id"]
    edit(world, head, repeatType="none")
    change(world, "skip", second)
    (copy,) = world.worker.mongo.deleted.find()
    world.worker.deletions.restore(str(copy["deletion"]), dry_run=False)
    edit(world, second, title="mine")
    change(world, "skip", second)
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    change(world, "skip", head, slot=2, undo=True)
    assert world.task(second)["title"] == "mine"
    assert red(world) == {}


def test_a_shorter_horizon_lets_go_and_a_longer_one_makes_more(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"horizon": 6})
    edit(world, head, recurrence={"horizon": 2})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03"]
    edit(world, head, recurrence={"horizon": 4})
    change(world, "update", head)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05"]
    assert red(world) == {}


def test_a_task_that_recurs_no_more_loses_what_is_ahead_and_begins_anew_when_it_recurs_again(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, world.occurrences(head)[1]["_id"], title="mine")
    edit(world, head, repeatType="none")
    assert kinds(change(world, "update", head)) == ["goes 01-02", "stays 01-03", "goes 01-04"]
    assert days(world, head) == ["01-03"]
    world.now = utc(2024, 2, 1, 8)
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert days(world, head)[1:] == ["02-01", "02-02", "02-03", "02-04"][: len(days(world, head)) - 1]
    assert red(world) == {}


def test_a_series_turned_to_completion_keeps_one_task_open_and_back_again(world: World) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    edit(world, head, recurrence={"from": "completion"})
    change(world, "update", head)
    assert days(world, head) == ["01-02"]
    finish(world, world.occurrences(head)[0]["_id"], completedAt=utc(2024, 1, 4, 12))
    assert days(world, head, still_open=True) == ["01-05"]
    edit(world, head, recurrence={})
    change(world, "update", head)
    assert days(world, head, still_open=True) == ["01-05", "01-06", "01-07", "01-08"]
    assert red(world) == {}


def test_another_zone_keeps_the_instants_of_an_original_whose_date_stayed(world: World) -> None:
    head = world.create(utc(2024, 3, 25, 9), "weekly", timezone="Europe/Berlin")
    edit(world, head, timezone="America/New_York")
    change(world, "update", head)
    assert world.due_dates(head) == [utc(2024, 4, 1, 9), utc(2024, 4, 8, 9), utc(2024, 4, 15, 9)]
    assert world.occurrences(head)[0]["occurrenceAt"] == "2024-04-01T05:00"
    assert red(world) == {}


def test_what_nobody_touched_follows_edits_of_the_original_that_a_restoration_made(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, world.occurrences(head)[2]["_id"], title="mine")
    event = world.add_event("delete", head)
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.work()
    world.worker.deletions.restore(str(event), dry_run=False)
    (new,) = world.worker.mongo.tasks.find({"parentRecurringId": None})
    edit(world, new["_id"], title="Other")
    assert kinds(change(world, "update", new["_id"])) == ["changes 01-03", "stays 01-04"]
    assert red(world) == {}


# A completion taken back


def uncomplete(world: World, task_id: ObjectId) -> None:
    world.worker.mongo.tasks.update_one(
        {"_id": task_id}, {"$set": {"isCompleted": False}, "$unset": {"completedAt": ""}}
    )


@pytest.mark.parametrize("options", [{}, {"from": "completion"}, {"excluded": ["2024-01-05"]}, {"subtasks": True}])
def test_reopen_undoes_complete_any_number_of_times(world: World, options: dict[str, Any]) -> None:
    head = world.add_task(MONDAY, "daily", recurrence=options)
    world.add_task(MONDAY, "none", parentTaskId=head)
    world.add_event("create", head)
    world.work()
    finish(world, head)

    def state() -> list[Any]:
        tasks = list(world.worker.mongo.tasks.find({}, {"updatedAt": 0}).sort("_id", 1))
        return [tasks, list(world.worker.mongo.series.find())]

    task = world.occurrences(head)[0]["_id"]
    before = state()
    for _ in range(3):
        finish(world, task)
        assert state() != before
        uncomplete(world, task)
        change(world, "reopen", task)
        assert state() == before
    assert red(world) == {}


def test_completions_taken_back_in_any_order_end_where_they_began(world: World) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    first, second = (task["_id"] for task in world.occurrences(head)[:2])
    before = world.everything()["tasks"]
    finish(world, first)
    finish(world, second)
    for task in (first, second):
        uncomplete(world, task)
        world.worker.change(str(task), "reopen", dry_run=False)
    assert world.everything()["tasks"] == before
    assert world.cursor(head) == 4


@pytest.mark.parametrize("what", ["touched", "completed", "deleted", "still completed"])
def test_what_a_person_did_since_refuses_to_take_a_completion_back(world: World, what: str) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    task, last = world.occurrences(head)[0]["_id"], world.occurrences(head)[-1]["_id"]
    finish(world, world.occurrences(head)[1]["_id"])
    last = world.occurrences(head)[-1]["_id"]
    second = world.occurrences(head)[1]["_id"]
    if what != "still completed":
        uncomplete(world, second)
    if what == "touched":
        edit(world, last, title="mine")
    if what == "completed":
        world.complete(last)
    if what == "deleted":
        world.worker.mongo.tasks.delete_one({"_id": last})
        edit(world, world.occurrences(head)[-1]["_id"], title="mine")
    before = world.everything()
    if what == "completed":  # then that completion is the reason for what is ahead
        assert world.worker.change(str(second), "reopen").changes == []
        return
    if what == "deleted":
        assert world.worker.change(str(second), "reopen").changes == []
        return
    with pytest.raises(ChangeRefused, match=str(last) if what == "touched" else "is completed"):
        world.worker.change(str(second), "reopen")
    assert world.everything() == before
    assert task != second


# A slot that is not wanted


def test_a_skipped_slot_loses_its_task_and_gets_it_back(world: World) -> None:
    head = world.create(MONDAY, "daily")
    task = world.occurrences(head)[1]
    change(world, "skip", task["_id"])
    assert days(world, head) == ["01-02", "01-04", "01-05"]
    assert deleted(world) == [("skipped", "01-03")]
    assert "RECURRING_TASK_SKIPPED" in world.actions()
    assert red(world) == {}
    world.worker.change(str(head), "skip", slot=2, undo=True, dry_run=False)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05"]
    assert world.task(task["_id"]) == task | {"writtenAs": world.task(task["_id"]).get("writtenAs")}
    assert red(world) == {}


def test_a_slot_that_is_to_come_can_be_skipped_before_it_is_made(world: World) -> None:
    head = world.create(MONDAY, "daily")
    world.worker.change(str(head), "skip", slot=4, dry_run=False)
    finish(world, head)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-06"]
    assert red(world) == {}
    world.worker.change(str(head), "skip", slot=4, undo=True, dry_run=False)
    assert days(world, head) == ["01-02", "01-03", "01-04", "01-05", "01-06"]
    assert red(world) == {}


def test_the_original_itself_and_what_is_done_cannot_be_skipped(world: World) -> None:
    head = world.create(MONDAY, "daily")
    with pytest.raises(ChangeRefused, match="original itself"):
        world.worker.change(str(head), "skip")
    first = world.occurrences(head)[0]["_id"]
    finish(world, first)
    with pytest.raises(ChangeRefused, match="completed"):
        world.worker.change(str(first), "skip")
    with pytest.raises(InvalidRecurrence, match="slot: the series has no slot 3600000"):  # past the year 9999
        world.worker.change(str(head), "skip", slot=3_600_000)
    edit(world, head, repeatType="weekly")
    with pytest.raises(InvalidRecurrence, match="fromSlot: the series has no slot 3600000"):
        world.worker.change(str(head), "update", slot=3_600_000)


def test_a_completion_that_is_told_late_counts_unless_it_was_told_since_that_it_was_taken_back(world: World) -> None:
    head = world.create(MONDAY, "daily")
    told = world.now
    world.pass_time(minutes=1)
    edit(world, head, title="Weekly standup")  # an open task: the event alone says that it is done
    world.add_event("complete", head, createdAt=told)
    world.work()
    assert len(days(world, head)) == 4

    other = world.create(MONDAY, "daily")
    told = world.now
    world.pass_time(minutes=1)
    edit(world, other, isCompleted=False)
    world.add_event("reopen", other)
    world.work()
    world.add_event("complete", other, createdAt=told)
    world.work()
    assert len(days(world, other)) == 3
    world.pass_time(minutes=1)
    world.add_event("complete", other)
    world.work()
    assert len(days(world, other)) == 4


# Found by reconciliation


def reconcile(world: World) -> int:
    asked = world.worker.reconciliation.look().asked
    world.work()
    return asked


def test_an_edit_that_nobody_told_of_is_followed_once_it_might_have_been_told(world: World) -> None:
    head = world.create(MONDAY, "daily")
    edit(world, head, repeatType="weekly", title="Other")
    assert reconcile(world) == 0
    assert days(world, head) == ["01-02", "01-03", "01-04"]
    world.pass_time(seconds=31)
    assert reconcile(world) == 1
    assert days(world, head) == ["01-08", "01-15", "01-22"]
    assert {task["title"] for task in world.occurrences(head)} == {"Daily standup"}
    world.pass_time(minutes=5)
    assert reconcile(world) == 0
    assert red(world) == {}


def test_an_edit_that_was_told_of_is_not_asked_for_again(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"horizon": 5})
    edit(world, head, recurrence={"horizon": 2}, title="Other")
    world.add_event("update", head)
    world.work()
    world.pass_time(minutes=1)
    assert reconcile(world) == 0
    assert days(world, head) == ["01-02", "01-03"]


@pytest.mark.parametrize("follow", [False, True])
def test_content_is_followed_where_it_is_asked_for(mongodb_url: str, follow: bool) -> None:  # noqa: FBT001
    world = World(mongodb_url, now=utc(2024, 1, 1, 8), FOLLOW_EDITS=str(follow).lower())
    head = world.create(MONDAY, "daily", recurrence={"copy": ["projectId"]}, projectId=1)
    edit(world, head, projectId=2)
    world.pass_time(minutes=1)
    assert reconcile(world) == int(follow)
    assert {task["projectId"] for task in world.occurrences(head)} == {2 if follow else 1}
    world.pass_time(minutes=1)
    assert reconcile(world) == 0
    world.close()


def test_a_task_dated_by_an_object_is_asked_for_once_a_day(world: World) -> None:
    """An export that was read as plain JSON: no look comes by it, for a range of dates does not hold it."""
    head = world.add_task(MONDAY, "daily", updatedAt={"$date": "2024-01-01T08:00:00Z"})
    assert reconcile(world) == 0
    assert world.worker.reconciliation.ask_for_missed() == 1
    world.work()
    assert len(world.occurrences(head)) == 3
    assert world.worker.reconciliation.ask_for_missed() == 0


def test_slots_that_are_missed_are_found_as_time_goes_by(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"missed": "next"})
    for day in (3, 6):
        world.now = utc(2024, 1, day, 12)
        assert reconcile(world) == 1
        assert reconcile(world) == 0
        assert days(world, head)[0] == f"01-0{day}"
    world.now = utc(2024, 1, 8, 12)
    assert world.worker.reconciliation.ask_for_missed(dry_run=True) == 1
    assert world.worker.reconciliation.ask_for_missed() == 1
    assert world.worker.reconciliation.ask_for_missed() == 0
    world.work()
    assert days(world, head) == ["01-08", "01-09", "01-10", "01-11"]
    assert red(world) == {}


def test_the_last_midnight_of_an_earlier_rule_is_explained_as_the_slot_that_it_is(world: World) -> None:
    head = world.create(utc(2024, 1, 3), "daily")
    world.work()
    edit(world, head, repeatType="weekly")
    change(world, "update", head, slot=3)
    assert days(world, head) == ["01-04", "01-05", "01-10"]
    codes = [world.worker.queries.explain(str(head), date(2024, 1, day)).code for day in (5, 6, 10)]
    assert codes == [DayCode.OPEN, DayCode.NOT_ON_RULE, DayCode.OPEN]


def test_it_is_explained_what_became_of_slots(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"missed": "next"})
    world.worker.change(str(head), "skip", slot=2, dry_run=False)
    world.now = utc(2024, 1, 6, 12)
    reconcile(world)

    def said(day: int) -> DayCode:
        return world.worker.queries.explain(str(head), date(2024, 1, day)).code

    assert [said(day) for day in range(1, 9)] == [
        DayCode.OVERDUE,
        DayCode.MISSED,
        DayCode.SKIPPED,
        DayCode.MISSED,
        DayCode.MISSED,
        DayCode.OVERDUE,
        DayCode.OPEN,
        DayCode.OPEN,
    ]


def test_a_series_of_two_rules_is_explained_and_previewed_by_both(world: World) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    edit(world, head, repeatType="weekly")
    change(world, "update", head)
    preview = [slot.utc for slot in world.worker.queries.preview(str(head), 5, from_start=True).slots]
    assert [f"{due:%m-%d}" for due in preview] == ["01-01", "01-02", "01-08", "01-15", "01-22"]
    codes = [world.worker.queries.explain(str(head), date(2024, 1, day)).code for day in (2, 3, 8, 9)]
    assert codes == [DayCode.DONE, DayCode.NOT_ON_RULE, DayCode.OPEN, DayCode.NOT_ON_RULE]


# What random histories found


def test_from_completion_a_skipped_task_is_followed_by_the_next_day_and_comes_back_alone(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"from": "completion"})
    finish(world, head)
    first = world.occurrences(head)[0]
    change(world, "skip", first["_id"])
    assert days(world, head) == ["01-03"]
    assert red(world) == {}
    world.worker.change(str(head), "skip", slot=1, undo=True, dry_run=False)
    assert [task["_id"] for task in world.occurrences(head)] == [first["_id"]]
    assert red(world) == {}
    finish(world, first["_id"])
    assert days(world, head, still_open=True) == ["01-02"]
    assert red(world) == {}


def test_an_update_that_is_told_twice_changes_nothing_the_second_time(world: World) -> None:
    head = world.create(MONDAY, "daily", recurrence={"horizon": 5, "paused": [{"from": "2024-01-05"}]})
    finish(world, head)
    edits: tuple[dict[str, Any], ...] = (
        {"recurrence": {"horizon": 2}},
        {"recurrence": {"from": "completion"}},
        {"recurrence": {}},
        {"repeatType": "monthly"},
        {"repeatType": "none"},
        {"repeatType": "weekly"},
    )
    for fields in edits:
        edit(world, head, **fields)
        world.worker.change(str(head), "update", dry_run=False)
        before = world.everything()
        assert {kind.split()[0] for kind in kinds(change(world, "update", head))} <= {"stays"}, fields
        assert world.everything() == before
        world.pass_time(days=1)
    assert red(world) == {}


def test_by_schedule_again_no_slot_of_the_time_before_is_made(world: World) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=MONTHLY;BYDAY=-1FR", "from": "completion"})
    finish(world, head)
    assert days(world, head) == ["01-26"]
    world.now = utc(2024, 2, 4, 8)
    edit(world, head, repeatType="monthly", recurrence={})
    change(world, "update", head)
    assert days(world, head) == ["01-26", "03-01", "04-01", "05-01"]
    assert red(world) == {}


def test_what_is_missed_goes_when_the_next_ones_time_has_come_though_that_is_done(world: World) -> None:
    head = world.create(MONDAY, "weekly", recurrence={"missed": "next"})
    finish(world, head)
    world.now = utc(2024, 1, 14, 8)
    finish(world, world.occurrences(head)[1]["_id"])
    reconcile(world)
    assert days(world, head, still_open=True)[0] == "01-08"
    world.now = utc(2024, 1, 15, 10)
    reconcile(world)
    assert days(world, head, still_open=True)[0] == "01-22"
    assert reconcile(world) == 0


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("skip", {"slot": "2"}),
        ("skip", {"slot": -1}),
        ("skip", {"slot": 1.5}),
        ("skip", {"undo": "true"}),
        ("skip", {"undo": 1}),
        ("update", {"fromSlot": "3"}),
    ],
)
def test_an_event_whose_slot_cannot_be_read_is_rejected_and_not_taken_for_another_change(
    world: World, operation: str, fields: dict[str, Any]
) -> None:
    head = world.create(MONDAY, "daily")
    task = world.occurrences(head)[0]["_id"]
    edit(world, head, title="Other")
    before = world.everything()
    world.worker.mongo.db.command("collMod", "task_events", validator={})  # as where none could be set
    event = world.add_event(operation, task, **fields)
    world.work()
    ((name, value),) = fields.items()
    assert world.event(event)["status"] == "rejected"
    assert world.event(event)["errors"][-1]["message"].startswith(f"{name}: {value!r} is not")
    assert world.everything()["tasks"] == before["tasks"]
    assert world.everything()["series"] == before["series"]


@pytest.mark.parametrize(
    "tampered",
    [{"revisions.0": None}, {"revisions.0.anchor": 5}, {"cursor.passed": ["x"]}, {"cursor.passed": [4, 3]}],
    ids=str,
)
def test_a_memory_that_makes_no_sense_keeps_no_series_from_going_on(world: World, tampered: dict[str, Any]) -> None:
    head = world.create(MONDAY, "daily")
    finish(world, head)
    edit(world, head, repeatType="weekly")
    change(world, "update", head)
    world.worker.mongo.series.update_one({"_id": head}, {"$set": tampered})
    finish(world, world.occurrences(head)[0]["_id"])
    assert len(days(world, head, still_open=True)) == 4
    edit(world, head, repeatType="daily")
    change(world, "update", head)
    assert len(days(world, head, still_open=True)) == 4


def test_a_skip_taken_back_brings_no_task_for_a_slot_that_an_edit_has_taken_since(world: World) -> None:
    head = world.create(MONDAY, "daily")
    change(world, "skip", world.occurrences(head)[1]["_id"])
    edit(world, head, repeatType="weekly")
    change(world, "update", head)
    assert kinds(change(world, "skip", head, slot=2, undo=True)) == ["stays 01-08", "stays 01-15", "stays 01-22"]
    assert days(world, head) == ["01-08", "01-15", "01-22"]
    assert red(world) == {}


def test_taking_back_a_skip_that_is_none_changes_nothing(world: World) -> None:
    head = world.create(MONDAY, "daily")
    assert {kind.split()[0] for kind in kinds(change(world, "skip", head, slot=2, undo=True))} <= {"stays"}
    assert change(world, "skip", head, slot=3_000, undo=True).series_id == str(head)


@pytest.mark.parametrize(
    "spoiled",
    [{"added": ""}, {"skipped": 1}, {"skipped": {"2": {"by": 5}}}, {"skipChanges": "1"}, {"revisions.0.rule": ""}],
)
def test_a_memory_of_which_a_field_makes_no_sense_is_none_and_the_series_goes_on(
    world: World, spoiled: dict[str, Any]
) -> None:
    head = world.create(MONDAY, "daily", recurrence={"added": ["2024-01-20"]})
    world.worker.mongo.series.update_one({"_id": head}, {"$set": spoiled})
    finish(world, head)
    assert days(world, head)[:4] == ["01-02", "01-03", "01-04", "01-05"]
    assert red(world) == {}


def test_what_was_done_by_a_rule_whose_end_was_taken_away_is_right_as_it_is(world: World) -> None:
    head = world.create(MONDAY, "custom", recurrence={"rule": "FREQ=DAILY;COUNT=3"})
    finish(world, head)
    finish(world, world.occurrences(head)[0]["_id"])
    edit(world, head, repeatType="daily", recurrence={})
    world.worker.change(str(head), "update", dry_run=False)
    assert red(world) == {}


def test_it_is_said_how_many_open_tasks_are_overdue(world: World) -> None:
    head = world.create(MONDAY, "daily")
    for days_later, said in ((1, "1 open task is overdue."), (1, "2 open tasks are overdue.")):
        world.pass_time(days=days_later)
        assert said in world.worker.queries.series(str(head)).remarks
