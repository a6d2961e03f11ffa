"""The orphan cleanup: what it takes, what it keeps, when it asks."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import CleanupRefused
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def add_orphans(world: World, count: int, *, of_originals: int = 1) -> list[ObjectId]:
    originals = [ObjectId() for _ in range(of_originals)]
    return [
        world.add_task(ANCHOR, "daily", parentRecurringId=originals[number % of_originals]) for number in range(count)
    ]


def test_occurrences_without_an_original_go_with_a_copy_and_an_activity_each(world: World) -> None:
    kept = world.create(ANCHOR, "daily")
    orphans = add_orphans(world, 5, of_originals=2)

    assert world.worker.maintenance.clean_orphans() == 5

    assert len(world.occurrences(kept)) == 3
    assert {copy["task"]["_id"] for copy in world.worker.mongo.deleted.find({"reason": "orphan"})} == set(orphans)
    assert world.actions().count("ORPHANED_RECURRING_TASK_CLEANED") == 5
    assert world.worker.maintenance.clean_orphans() == 0


def test_four_times_the_orphans_do_not_take_twice_the_memory(world: World) -> None:
    """They were all read before any was deleted."""
    peaks = []
    for originals in (500, 2000):
        parents = [ObjectId() for _ in range(originals)]
        orphan = {
            "userId": world.user,
            "title": "Run",
            "dueDate": ANCHOR,
            "repeatType": "daily",
            "description": "x" * 1000,
        }
        world.worker.mongo.tasks.insert_many(
            orphan | {"parentRecurringId": p, "taskId": n} for n, p in enumerate(parents)
        )
        tracemalloc.start()
        assert world.worker.maintenance.clean_orphans(confirm=True) == originals
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0], peaks


def test_two_cleanups_at_once_count_each_orphan_once(world: World) -> None:
    add_orphans(world, 60, of_originals=20)
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(lambda worker: worker.maintenance.clean_orphans(), workers))
    for worker in workers:
        worker.close()

    assert sum(counts) == 60
    assert world.actions().count("ORPHANED_RECURRING_TASK_CLEANED") == 60


def test_a_cleanup_of_too_many_and_too_large_a_part_asks_first(mongodb_url: str) -> None:
    """A half-restored database is no reason to delete the tasks of users."""
    world = World(mongodb_url, ORPHAN_CLEANUP_LIMIT="4")
    world.create(ANCHOR, "daily")
    orphans = add_orphans(world, 5)
    with pytest.raises(CleanupRefused, match="5 of 8 occurrences have no original"):
        world.worker.maintenance.clean_orphans()
    assert world.worker.mongo.tasks.count_documents({"_id": {"$in": orphans}}) == 5

    assert world.worker.maintenance.clean_orphans(confirm=True) == 5
    world.close()


def test_many_orphans_that_are_a_small_part_go_unasked(mongodb_url: str) -> None:
    world = World(mongodb_url, ORPHAN_CLEANUP_LIMIT="2")
    for _ in range(5):
        world.create(ANCHOR, "daily")
    add_orphans(world, 3)

    assert world.worker.maintenance.clean_orphans() == 3
    world.close()


def test_ids_of_another_type_are_left_alone(world: World) -> None:
    """Nothing of the application has them."""
    world.add_task(ANCHOR, "daily", parentRecurringId="somebody else's")

    assert world.worker.maintenance.clean_orphans() == 0
