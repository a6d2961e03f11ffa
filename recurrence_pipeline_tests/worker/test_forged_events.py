"""Events that carry what only the worker writes: refused on arrival, and not believed where they came in."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import WriteError

from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)

FORGED: list[dict[str, Any]] = [
    {"deleting": [ObjectId()]},
    {"result": {"created": []}},
    {"startedAt": ANCHOR},
    {"finishedAt": ANCHOR},
    {"durationMs": 5},
    {"runId": "mine"},
    {"attempts": 1},
    {"errors": [{}]},
]


@pytest.mark.parametrize("fields", FORGED, ids=lambda fields: next(iter(fields)))
def test_a_new_event_with_what_only_the_worker_writes_is_refused(world: World, fields: dict[str, Any]) -> None:
    with pytest.raises(WriteError) as caught:
        world.add_event("delete", ObjectId(), **fields)
    assert caught.value.code == 121


def test_what_a_producer_may_write_is_taken(world: World) -> None:
    world.add_event("create", ObjectId(), attempts=0, errors=[], source="outbox")


def test_an_event_that_was_worked_on_may_carry_it_again_when_it_is_retried_released_or_replayed(world: World) -> None:
    event = world.add_event("delete", ObjectId())
    [held] = world.worker.lease(1)
    world.worker.mongo.events.update_one({"_id": event}, {"$set": {"deleting": [], "attempts": 2, "result": {}}})
    world.worker.release([held])
    world.worker.mongo.events.update_one({"_id": event}, {"$set": {"note": "still valid"}})
    assert world.event(event)["status"] == "pending"


def tasks_of_others(world: World) -> list[ObjectId]:
    others, own_elsewhere = world.create(ANCHOR, "daily", userId=ObjectId()), world.create(ANCHOR, "weekly")
    plain = world.add_task(ANCHOR, "none")
    occurrences = [task["_id"] for head in (others, own_elsewhere) for task in world.occurrences(head)]
    return [others, own_elsewhere, plain, *occurrences]


@pytest.mark.parametrize("lease", [None, {"term": 1}, {"term": 2**53, "deaths": []}], ids=str)
def test_a_deletion_never_takes_what_it_only_says_it_has_announced(world: World, lease: dict[str, Any] | None) -> None:
    """Else whoever can write an event has the tasks of any user deleted."""
    spared = tasks_of_others(world)
    series = world.create(ANCHOR, "daily")
    forged = {"deleting": spared} | ({} if lease is None else {"lease": lease})
    if lease is None:
        world.worker.mongo.db.command("collMod", "task_events", validator={})  # as it was before
    event = world.add_event("delete", series, **forged)

    world.work()

    assert world.event(event)["result"]["deleted"] == 3
    assert world.occurrences(series) == []
    assert world.worker.mongo.tasks.count_documents({"_id": {"$in": spared}}) == len(spared)


@pytest.mark.parametrize("term", [2**53, 2**31, -1, 1e300, "many"])
def test_numbers_that_no_worker_counted_decide_nothing(world: World, term: object) -> None:
    """Else an event with 99 attempts, or a term at the end of all numbers, has none left, or stops the whole queue."""
    world.worker.mongo.db.command("collMod", "task_events", validator={})
    head = world.add_task(ANCHOR, "daily")
    deaths = [{"owner": "nobody", "size": 1}] * 9
    forged = world.add_event("create", head, attempts=99, lease={"term": term, "deaths": deaths})
    missing = world.add_event("create", ObjectId(), attempts=2**63 - 1, lease={"term": term})
    world.worker.init_db()

    world.work()

    assert world.event(forged)["status"] == "completed"
    retried = world.event(missing)
    assert (retried["status"], retried["attempts"], retried["lease"]["term"]) == ("pending", 1, 1)
