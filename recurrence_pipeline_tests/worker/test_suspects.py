"""Deaths and outages: who is to blame in the end, and who never is."""

from collections.abc import Collection, Iterator
from contextlib import closing

import pytest
from bson import ObjectId

from recurrence_pipeline.worker.batch import MAX_HOLDER_DEATHS
from recurrence_pipeline_tests.worker.scenarios import PAST_THE_LEASE
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


@pytest.fixture
def big(mongodb_url: str) -> Iterator[World]:
    with closing(World(mongodb_url, WORKER_BATCH_SIZE="500")) as world:
        yield world


def creations(world: World, count: int) -> list[ObjectId]:
    """Prepare events, one for each new series."""
    return [world.add_event("create", world.add_task(ANCHOR, "daily")) for _ in range(count)]


def a_life(world: World, deadly: Collection[ObjectId]) -> bool:
    """Have a new worker work until nothing is due, or until it dies of what it holds; say whether it lived."""
    with world.open_worker() as worker:
        while held := worker.lease(500):
            tried = {ObjectId(event.id) for event in held if event.holder_deaths < MAX_HOLDER_DEATHS}
            if not tried.isdisjoint(deadly):
                return False
            worker.process(held)
    return True


@pytest.mark.parametrize("count", [1, 40, 400])
def test_of_a_batch_that_kills_its_workers_only_the_one_to_blame_ends_failed(big: World, count: int) -> None:
    events = creations(big, count)
    poison = events[count // 2]
    deaths = 0
    while big.worker.queries.unfinished() and deaths < 12:
        deaths += not a_life(big, {poison})
        big.now += PAST_THE_LEASE

    assert big.event(poison)["status"] == "failed"
    assert big.event(poison)["errors"][-1]["code"] == "HOLDER_DIED"
    innocent = {"_id": {"$ne": poison}}
    assert big.worker.mongo.events.distinct("status", innocent) in ([], ["completed"])
    assert big.worker.mongo.events.count_documents({"attempts": {"$gt": 0}} | innocent) == 0
    assert deaths <= 7, "400 together, 20 together, and five times alone"


def test_innocents_are_done_as_soon_as_the_one_to_blame_is_not_among_them(big: World) -> None:
    events = creations(big, 100)
    a_life(big, {events[0]})
    big.now += PAST_THE_LEASE
    a_life(big, {events[0]})
    a_life(big, {events[0]})
    done = big.worker.mongo.events.count_documents({"status": "completed"})
    assert done == 90, "all but its group of 10, after one lease"


@pytest.mark.parametrize("count", [1, 3])
def test_a_worker_that_was_cut_off_takes_back_that_it_died(world: World, count: int) -> None:
    """Else five outages make a dead letter of an event that nobody died of."""
    creations(world, count)
    with world.open_worker() as other:
        for _ in range(8):
            held = world.worker.lease(500)
            world.now += PAST_THE_LEASE  # the database is away for so long, and then the other is faster
            taken = other.lease(500)
            assert taken
            world.worker.process(held)
            world.worker.lease(0)
            other.release(taken)
            world.worker.release(held)

    assert world.worker.mongo.events.count_documents({"lease.deaths.0": {"$exists": True}}) == 0
    world.work()
    assert world.worker.mongo.events.count_documents({"status": "completed", "attempts": {"$in": [0, None]}}) == count
