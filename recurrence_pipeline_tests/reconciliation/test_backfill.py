"""What was there before us goes on when an event asks, and by itself only after it was backfilled."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from bson import ObjectId

from recurrence_pipeline.reconciliation.rules import Reason
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


@pytest.fixture
def inherited(mongodb_url: str) -> Iterator[World]:
    """Return a database that the application has used for long, prepared an hour ago."""
    with closing(World(mongodb_url)) as world:
        world.worker.mongo.state.delete_many({})
        add_history(world)
        world.pass_time(hours=1)
        world.worker.init_db()
        world.pass_time(hours=1)
        yield world


def add_history(world: World) -> None:
    """Store an original, a series that the previous worker made with its second task completed, and a bad one."""
    world.add_task(ANCHOR, "daily", title="never worked on")
    head = world.add_task(ANCHOR, "weekly", title="of the previous worker")
    for weeks in (1, 2, 3):
        due = ANCHOR + timedelta(weeks=weeks)
        world.add_task(due, "weekly", parentRecurringId=head, isCompleted=weeks == 2, createdAt=world.now)
    world.add_task(ANCHOR, "daily", title="a sub-task", parentTaskId=ObjectId())


def named(world: World, title: str) -> ObjectId:
    task = world.worker.mongo.tasks.find_one({"title": title})
    assert task is not None
    return ObjectId(task["_id"])


def look(world: World) -> int:
    return world.worker.reconciliation.look().asked


def test_what_was_there_before_is_not_asked_for(inherited: World) -> None:
    assert look(inherited) == 0

    task = named(inherited, "never worked on")
    inherited.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"isCompleted": True, "updatedAt": inherited.now}})
    assert look(inherited) == 0, "a change does not make it younger"


def test_what_was_there_before_is_continued_when_an_event_asks_and_only_then(inherited: World) -> None:
    head = named(inherited, "of the previous worker")
    inherited.add_event("create", head)
    inherited.work()
    assert [due.day for due in inherited.due_dates(head)] == [22, 29, 5, 12, 19, 26]

    third = inherited.worker.mongo.tasks.find_one({"parentRecurringId": head, "dueDate": utc(2024, 2, 5, 9)})
    assert third is not None
    inherited.worker.mongo.tasks.update_one(
        {"_id": third["_id"]}, {"$set": {"isCompleted": True, "updatedAt": inherited.now}}
    )
    assert look(inherited) == 1, "from then on it is followed: its past is settled"
    inherited.work()
    assert len(inherited.occurrences(head)) == 7


def test_a_task_from_before_that_is_made_recurring_since_is_asked_for(mongodb_url: str) -> None:
    """It was there before the watermark, and its series was not."""
    with closing(World(mongodb_url)) as world:
        world.worker.mongo.state.delete_many({})
        task = world.add_task(ANCHOR, "none")
        world.pass_time(hours=1)
        world.worker.init_db()
        world.pass_time(hours=1)
        change = {"repeatType": "weekly", "updatedAt": world.now}
        world.worker.mongo.tasks.update_one({"_id": task}, {"$set": change})
        world.worker.init_db()

        assert look(world) == 1
        world.work()
        assert len(world.occurrences(task)) == 3


def test_what_was_continued_and_fell_behind_is_no_part_of_what_is_to_be_backfilled(inherited: World) -> None:
    head = named(inherited, "of the previous worker")
    inherited.add_event("create", head)
    inherited.work()
    inherited.complete(inherited.occurrences(head)[-1]["_id"])

    assert inherited.worker.backfill.backlog().as_json()["asked"] == {"new": 2, "behind": 0}
    look(inherited)
    inherited.work()
    assert len(inherited.occurrences(head)) == 10


def test_what_comes_after_the_watermark_is_asked_for(inherited: World) -> None:
    inherited.add_task(ANCHOR, "daily", createdAt=inherited.now, updatedAt=inherited.now)
    assert look(inherited) == 1


def test_preparing_again_does_not_move_the_watermark(inherited: World) -> None:
    inherited.add_task(ANCHOR, "daily", createdAt=inherited.now, updatedAt=inherited.now)
    inherited.pass_time(hours=1)
    assert inherited.worker.init_db().added == []
    assert look(inherited) == 1


def test_the_dry_run_says_what_would_come_of_it_and_writes_nothing(inherited: World) -> None:
    before = inherited.everything()

    backlog = inherited.worker.backfill.backlog().as_json()

    assert backlog["watermark"] == inherited.now - timedelta(hours=1)
    assert (backlog["lookedAt"], backlog["asked"]) == (6, {"new": 3, "behind": 1})
    assert (backlog["series"], backlog["occurrences"]) == (2, 6)
    assert backlog["refused"] == [{"reason": "Sub-tasks cannot have recurring patterns", "count": 1}]
    titles = sorted((sample["title"], sample["reason"]) for sample in backlog["samples"])
    assert titles == [
        ("Daily standup", "behind"), ("a sub-task", "new"), ("never worked on", "new"),
        ("of the previous worker", "new"),
    ]  # fmt: skip
    assert inherited.everything() == before
    assert look(inherited) == 0


def test_what_the_dry_run_promised_is_what_comes_of_backfilling(inherited: World) -> None:
    promised = inherited.worker.backfill.backlog()
    before = inherited.worker.mongo.tasks.count_documents({})

    inherited.worker.backfill.run()
    inherited.worker.backfill.run()

    assert look(inherited) == sum(promised.asked.values())
    summary = inherited.work()
    assert (summary.count("completed"), summary.count("rejected")) == (3, 1)
    assert inherited.worker.mongo.tasks.count_documents({}) - before == promised.occurrences
    assert look(inherited) == 0


def test_after_backfilling_nothing_is_left_to_backfill_and_preparing_again_brings_no_watermark_back(
    inherited: World,
) -> None:
    inherited.worker.backfill.run()
    inherited.pass_time(hours=1)
    inherited.worker.init_db()

    assert inherited.worker.backfill.backlog().as_json() | {"lookedAt": 0} == {
        "watermark": None, "lookedAt": 0, "asked": {"new": 0, "behind": 0}, "series": 0, "occurrences": 0,
        "refused": [], "samples": [],
    }  # fmt: skip
    assert look(inherited) == 4


def test_a_series_is_counted_once_however_many_of_its_tasks_wait_in_however_many_pieces(mongodb_url: str) -> None:
    with closing(World(mongodb_url, RECONCILE_STEP="2")) as world:
        world.worker.mongo.state.delete_many({})
        head = world.add_task(ANCHOR, "daily", isCompleted=True)
        for days in range(1, 8):
            world.add_task(ANCHOR + timedelta(days=days), "daily", parentRecurringId=head, isCompleted=True)
        world.pass_time(hours=1)
        world.worker.init_db()

        backlog = world.worker.backfill.backlog()

        assert (backlog.asked[Reason.BEHIND], backlog.asked[Reason.NEW]) == (7, 1)
        assert (backlog.series, backlog.occurrences) == (1, 4)


def test_at_most_20_samples_are_kept(mongodb_url: str) -> None:
    with closing(World(mongodb_url, RECONCILE_STEP="9")) as world:
        world.worker.mongo.state.delete_many({})
        for _ in range(50):
            world.add_task(ANCHOR, "daily")
        world.pass_time(hours=1)
        world.worker.init_db()
        backlog = world.worker.backfill.backlog()
        assert (len(backlog.samples), backlog.occurrences) == (20, 150)
