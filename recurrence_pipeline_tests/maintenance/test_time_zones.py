"""The law of time changes: untouched open tasks move to what their clocks say, users are told, and it can be undone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import InvalidInput, TimeZoneDataOutdated
from recurrence_pipeline.maintenance.time_zones import Moves
from recurrence_pipeline.storage.documents import Document, digest, is_touched
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.worker.test_round_trips import counted
from recurrence_pipeline_tests.world import Crash, World, utc

VANCOUVER = "America/Vancouver"
FIRST = utc(2026, 12, 10, 16)
"""09:00 in Vancouver, in the data of 2026: its clocks stay seven hours behind."""
HOUR = timedelta(hours=1)
STEPS = (WriteStep.MOVED, WriteStep.MOVES_TOLD, WriteStep.MOVES_NOTED)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    world = World(mongodb_url, now=utc(2026, 12, 1, 12))
    yield world
    world.close()


def store(world: World, task_id: ObjectId, **fields: Any) -> None:
    """Set fields as the worker does: the task counts as untouched."""
    document = world.task(task_id) | fields
    world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": fields | {"writtenAs": digest(document)}})


def with_older_data(world: World, *task_ids: ObjectId) -> None:
    """Put tasks where a worker with data of before 2026 put them: in winter an hour later."""
    for task_id in task_ids:
        task = world.task(task_id)
        store(world, task_id, **{name: task[name] + HOUR for name in ("dueDate", "originalDueDate")})


def older_series(world: World, **fields: Any) -> dict[int, ObjectId]:
    slots = world.occurrences_by_slot(world.create(FIRST, "daily", timezone=VANCOUVER, **fields))
    with_older_data(world, *slots.values())
    return slots


def run(world: World, *, dry_run: bool = False) -> Moves:
    return world.worker.time_zones.run(dry_run=dry_run)


def found_by_the_check(world: World) -> int:
    (result,) = world.worker.consistency.run(only=["instants_outdated"])
    return result.count


def moves_told(world: World) -> list[Document]:
    return list(world.worker.mongo.activities.find({"action": "RECURRING_TASK_MOVED"}))


def state(world: World) -> list[tuple[object, ...]]:
    return [(t["dueDate"], t["originalDueDate"], is_touched(t)) for t in world.worker.mongo.tasks.find().sort("_id")]


def test_untouched_tasks_move_to_what_their_clocks_say_and_their_users_are_told(world: World) -> None:
    slots = older_series(world)
    assert found_by_the_check(world) == 3

    done = run(world)

    assert (done.moved, dict(done.stays), done.written) == (3, {}, True)
    for number, task_id in slots.items():
        task = world.task(task_id)
        assert task["dueDate"] == task["originalDueDate"] == FIRST + timedelta(days=number)
        assert task["occurrenceAt"] == f"2026-12-{10 + number}T09:00"
        assert not is_touched(task)
    told = {activity["taskId"]: activity["message"] for activity in moves_told(world)}
    assert told.keys() == set(slots.values())
    assert told[slots[1]] == (
        f"User performed RECURRING_TASK_MOVED :: {slots[1]} :: "
        "from 2026-12-11T17:00:00.000Z to 2026-12-11T16:00:00.000Z"
    )
    assert found_by_the_check(world) == 0


def test_a_dry_run_says_what_would_move_and_writes_nothing(world: World) -> None:
    slots = older_series(world)
    before = world.everything()

    shown = run(world, dry_run=True).as_json()

    assert world.everything() == before
    assert (shown["written"], shown["run"], shown["moved"]) == (False, None, 3)
    row = next(row for row in shown["tasks"] if row["taskId"] == str(slots[1]))
    assert (row["slot"], row["timezone"], row["wallClock"]) == (1, VANCOUVER, "2026-12-11T09:00")
    assert (row["was"], row["willBe"]) == (utc(2026, 12, 11, 17), utc(2026, 12, 11, 16))


def test_run_again_nothing_is_left_to_do(world: World) -> None:
    older_series(world)
    run(world)
    before = world.everything()
    done = run(world)
    assert (done.moved, done.told, dict(done.stays)) == (0, 0, {})
    assert world.everything() == before


def test_tasks_of_zones_whose_law_has_not_changed_stay(world: World) -> None:
    world.create(FIRST, "daily", timezone="Europe/Berlin")
    world.create(FIRST, "daily")
    before = world.everything()
    assert (run(world).moved, found_by_the_check(world)) == (0, 0)
    assert world.everything() == before


def test_a_touched_a_completed_and_a_past_task_stay(world: World) -> None:
    slots = older_series(world)
    world.worker.mongo.tasks.update_one({"_id": slots[1]}, {"$set": {"title": "Call Ann"}})
    world.complete(slots[2])
    store(world, slots[3], dueDate=world.now, originalDueDate=world.now)
    before = state(world)

    done = run(world)

    assert (done.moved, dict(done.stays)) == (0, {"somebody changed the task, or an earlier version wrote it": 1})
    assert [row.task.id for row in done.staying] == [str(slots[1])]
    assert (state(world), found_by_the_check(world)) == (before, 0)


def test_a_date_that_a_person_chose_is_no_matter_of_the_law(world: World) -> None:
    slots = world.occurrences_by_slot(world.create(FIRST, "daily", timezone=VANCOUVER))
    world.worker.mongo.tasks.update_one({"_id": slots[1]}, {"$set": {"dueDate": FIRST + timedelta(days=1, hours=5)}})
    assert run(world).as_json()["tasks"] == []


def test_the_head_of_a_series_is_listed_and_stays(world: World) -> None:
    head = world.create(FIRST, "daily", timezone=VANCOUVER)
    late = FIRST + HOUR
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"dueDate": late, "originalDueDate": late}})
    world.worker.mongo.series.update_one({"_id": head}, {"$set": {"revisions.0.anchoredAt": late}})

    done = run(world)

    assert dict(done.stays) == {"the head of the series is the application's": 1}
    assert (done.staying[0].task.id, done.staying[0].due, world.task(head)["dueDate"]) == (str(head), FIRST, late)


def test_a_head_whose_date_was_moved_by_hand_is_not_listed(world: World) -> None:
    head = world.create(FIRST, "daily", timezone=VANCOUVER)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"dueDate": FIRST + HOUR}})
    assert dict(run(world).stays) == {}


def test_a_head_at_the_second_of_two_equal_times_is_where_its_clock_says(world: World) -> None:
    world.now = utc(2027, 10, 1)
    world.create(utc(2027, 10, 31, 1, 30), "daily", timezone="Europe/Berlin")  # 02:30 for the second time
    assert run(world).as_json()["tasks"] == []


def test_where_a_day_off_moved_a_slot_that_wall_clock_counts(world: World) -> None:
    slots = older_series(world)
    moved = {"shiftedTo": "2026-12-14T09:00", "dueDate": utc(2026, 12, 14, 17)}
    store(world, slots[1], **moved)

    run(world)

    task = world.task(slots[1])
    assert (task["dueDate"], task["originalDueDate"]) == (utc(2026, 12, 14, 16), utc(2026, 12, 11, 16))


def test_an_older_task_without_its_wall_clock_goes_by_its_number(world: World) -> None:
    slots = older_series(world)
    world.worker.mongo.tasks.update_many({}, {"$unset": {"occurrenceAt": ""}})
    assert run(world).moved == 3
    assert world.task(slots[3])["dueDate"] == FIRST + timedelta(days=3)


def test_an_older_task_of_which_nothing_says_the_wall_clock_is_counted_and_left_alone(world: World) -> None:
    slots = older_series(world)
    world.worker.mongo.tasks.update_many({}, {"$unset": {"occurrenceAt": ""}})
    world.worker.mongo.series.delete_many({})
    before = state(world)

    done = run(world)

    assert (done.moved, dict(done.stays)) == (0, {"nothing says what its wall clock was": len(slots)})
    assert state(world) == before


def test_another_recurrence_timezone_is_no_change_of_the_law(mongodb_url: str) -> None:
    """Tasks without a zone of their own were meant in the zone that was set when their series began."""
    world = World(mongodb_url, now=utc(2026, 12, 1, 12), RECURRENCE_TIMEZONE=VANCOUVER)
    slots = world.occurrences_by_slot(world.create(FIRST, "daily"))
    with_older_data(world, slots[2])
    other = World(mongodb_url, now=world.now, RECURRENCE_TIMEZONE="Europe/Berlin")
    done = run(other)
    assert (done.moved, dict(done.stays)) == (0, {"RECURRENCE_TIMEZONE was another when the series began": 1})
    assert run(world).moved == 1
    other.worker.mongo.series.delete_many({})
    done = run(other)
    assert (done.moved, dict(done.stays)) == (
        0,
        {"it has no time zone of its own, and nothing is remembered of its series": 3},
    )
    other.close()
    world.close()


def test_a_zone_that_is_none_is_named_and_costs_nobody_else(world: World) -> None:
    slots = older_series(world)
    store(world, slots[1], timezone="Europe/Atlantis")
    done = run(world)
    assert (done.moved, dict(done.stays)) == (2, {"its time zone, or its time there, is not known": 1})


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_killed_after_any_write_is_completed_by_the_next(world: World, step: WriteStep) -> None:
    """Each task is moved once, and each user told of each move once."""
    slots = older_series(world)
    world.crash_after = step
    with pytest.raises(Crash):
        run(world)

    run(world)

    assert [world.task(i)["dueDate"] for i in slots.values()] == [FIRST + timedelta(days=n) for n in slots]
    assert sorted(activity["taskId"] for activity in moves_told(world)) == sorted(slots.values())
    assert {world.task(i)["lastMove"]["told"] for i in slots.values()} == {True}


def test_what_a_killed_run_moved_is_told_even_where_the_task_was_completed_since(world: World) -> None:
    slots = older_series(world)
    world.crash_after = WriteStep.MOVED
    with pytest.raises(Crash):
        run(world)
    for task_id in slots.values():
        world.complete(task_id)

    assert run(world).told == 3
    assert len(moves_told(world)) == 3


def test_of_two_runs_at_once_each_task_is_moved_counted_and_told_by_one(world: World) -> None:
    for _ in range(20):
        older_series(world)
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda worker: worker.time_zones.run(dry_run=False), workers))
    for worker in workers:
        worker.close()
    assert sum(each.moved for each in done) == 60
    assert [dict(each.stays) for each in done] == [{}] * 3
    assert len(moves_told(world)) == 60


def test_a_host_with_older_data_than_another_moves_nothing(world: World) -> None:
    """It would move tasks back to where an older law put them, and the next host forward again."""
    older_series(world)
    before = world.everything()
    word = {"kind": "host", "host": "newer", "timeZoneData": "2999a", "source": "", "seenAt": world.now}
    world.worker.mongo.state.insert_one({"_id": "host newer"} | word)

    with pytest.raises(TimeZoneDataOutdated, match="host newer has the time zone data 2999a"):
        run(world)

    assert world.everything() == before
    world.worker.mongo.state.update_one({"_id": "host newer"}, {"$set": {"timeZoneData": "2020a"}})
    assert run(world).moved == 3


def test_rows_are_limited_and_all_are_counted(world: World) -> None:
    older_series(world)
    shown = world.worker.time_zones.run(limit=2).as_json()
    assert (shown["moved"], len(shown["tasks"])) == (3, 2)


def test_what_a_run_sends_does_not_grow_with_the_tasks_of_a_page(mongodb_url: str) -> None:
    """Read in one piece, moved with one command, told with one: 3 tasks or 30."""
    sent = []
    for series in (1, 10):
        world = World(mongodb_url, now=utc(2026, 12, 1, 12))
        for _ in range(series):
            older_series(world)
        with counted(world) as (worker, commands):
            assert worker.time_zones.run(dry_run=False).moved == 3 * series
            sent.append(commands.sent)
        world.close()
    assert sent[0] == sent[1]


# Undo


def test_what_a_run_moved_is_put_back_and_told(world: World) -> None:
    older_series(world)
    before = state(world)
    moved = run(world)
    world.worker.mongo.activities.delete_many({})

    done = world.worker.time_zones.undo(moved.run or "", dry_run=False)

    assert (done.moved, dict(done.stays), done.undoes) == (3, {}, moved.run)
    assert state(world) == before
    assert len(moves_told(world)) == 3


def test_an_undo_can_be_undone_and_is_told_again(world: World) -> None:
    older_series(world)
    moved = run(world)
    after = state(world)
    undone = world.worker.time_zones.undo(moved.run or "", dry_run=False)
    world.worker.time_zones.undo(undone.run or "", dry_run=False)
    assert (state(world), len(moves_told(world))) == (after, 9)


def test_undo_leaves_what_somebody_changed_since(world: World) -> None:
    slots = older_series(world)
    moved = run(world)
    world.worker.mongo.tasks.update_one({"_id": slots[1]}, {"$set": {"title": "Call Ann"}})
    store(world, slots[2], dueDate=FIRST)

    done = world.worker.time_zones.undo(moved.run or "", dry_run=False)

    assert (done.moved, dict(done.stays)) == (1, {"somebody changed the task since": 2})
    assert world.task(slots[1])["dueDate"] == utc(2026, 12, 11, 16)


def test_undo_is_a_dry_run_first(world: World) -> None:
    older_series(world)
    moved = run(world)
    before = world.everything()
    assert world.worker.time_zones.undo(moved.run or "").moved == 3
    assert world.everything() == before


def test_only_what_that_run_moved_is_put_back(world: World) -> None:
    first = older_series(world)
    run(world)
    second = older_series(world)
    later = run(world)

    assert world.worker.time_zones.undo(later.run or "", dry_run=False).moved == 3

    assert {world.task(i)["dueDate"].hour for i in first.values()} == {16}
    assert {world.task(i)["dueDate"].hour for i in second.values()} == {17}


@pytest.mark.parametrize("step", STEPS)
def test_an_undo_that_was_killed_is_completed_by_asking_again(world: World, step: WriteStep) -> None:
    older_series(world)
    before = state(world)
    moved = run(world)
    world.worker.mongo.activities.delete_many({})
    world.crash_after = step
    with pytest.raises(Crash):
        world.worker.time_zones.undo(moved.run or "", dry_run=False)

    world.worker.time_zones.undo(moved.run or "", dry_run=False)

    assert (state(world), len(moves_told(world))) == (before, 3)


def test_what_is_no_run_is_asked_wrongly(world: World) -> None:
    with pytest.raises(InvalidInput, match="run: 'yesterday' is not an id of 24 hex digits"):
        world.worker.time_zones.undo("yesterday")
