"""What comes last goes out in one command for somebody who waits; whatever keeps it from that, all of it is written.

How one command makes several writes is in storage/test_ordered_writes.py; how many commands there are, in
test_round_trips.py.
"""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import ProcessingFailed
from recurrence_pipeline.storage import ordered_writes
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)

Prepare = Callable[[World, ObjectId], object]


class Bulks(monitoring.CommandListener):
    """Counts what went out in one command."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.count += event.command_name == "bulkWrite"

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def numbers_are_taken(world: World, _original: ObjectId) -> object:
    """The counter of activities lags: the numbers it gives next are taken."""
    return world.worker.mongo.counters.update_one({"_id": "useractivities"}, {"$set": {"sequence_value": 0}})


def something_is_there(world: World, original: ObjectId) -> object:
    """In the place of what is to be remembered of the series."""
    return world.worker.mongo.series.insert_one({"_id": original, "inherited": True})


@pytest.mark.parametrize(
    ("operation", "prepare"),
    [
        ("create", numbers_are_taken),
        ("complete", numbers_are_taken),
        ("delete", numbers_are_taken),
        ("create", something_is_there),
    ],
)
def test_what_cannot_go_out_in_one_command_is_written_group_by_group(
    world: World, operation: str, prepare: Prepare
) -> None:
    calm, troubled = (series(world, operation) for _ in range(2))
    expected = done(world, operation, calm, bulks=1)
    prepare(world, troubled)

    assert done(world, operation, troubled, bulks=1) == expected
    numbers = [activity["activityId"] for activity in world.worker.mongo.activities.find()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("operation", ["create", "complete", "delete"])
def test_an_older_server_ends_in_the_same_documents(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    expected = done(world, operation, series(world, operation))
    monkeypatch.setattr(ordered_writes, "SINCE", 10_000)

    assert done(world, operation, series(world, operation), bulks=0) == expected


@pytest.mark.parametrize("operation", ["create", "complete"])
def test_a_worker_whose_lease_was_taken_before_its_last_command_answers_so(world: World, operation: str) -> None:
    original = series(world, operation)

    def steal(step: WriteStep) -> None:
        if step is WriteStep.OCCURRENCES:
            world.worker.mongo.events.update_many({"status": "processing"}, {"$set": {"lease.owner": "another"}})

    with (
        open_worker(world.settings, clock=lambda: world.now, on_step=steal) as worker,
        pytest.raises(ProcessingFailed, match="held by another worker"),
    ):
        worker.process_task_recurrence(str(original), operation, str(world.user))

    told = list(world.worker.mongo.activities.find({"action": "RECURRING_TASK_CREATED"}))
    assert len({activity["taskId"] for activity in told}) == len(told)
    assert world.worker.mongo.events.count_documents({"lease.owner": "another", "status": "processing"}) == 1


def series(world: World, operation: str) -> ObjectId:
    """Return a series that the operation finds something to do at."""
    if operation == "create":
        return world.add_task(ANCHOR, "daily")
    original = world.create(ANCHOR, "daily")
    if operation == "complete":
        world.complete(original)
    return original


def done(world: World, operation: str, original: ObjectId, *, bulks: int = 1) -> dict[str, Any]:
    """Do an operation for somebody who waits, and say what there is then."""
    seen, mongo = Bulks(), world.worker.mongo
    before = mongo.activities.count_documents({})
    with open_worker(world.settings, clock=lambda: world.now, listeners=[seen]) as worker:
        result = worker.process_task_recurrence(str(original), operation, str(world.user))["result"]
    assert seen.count == bulks
    memory = mongo.series.find_one({"_id": original}, {"_id": 0, "cursor": 1}) or {}
    return {
        "answer": result if operation == "delete" else len(result),
        "slots": sorted(t["occurrenceNumber"] for t in mongo.tasks.find({"parentRecurringId": original})),
        "copies": mongo.deleted.count_documents({"task.parentRecurringId": original}),
        "activities": mongo.activities.count_documents({}) - before,
        "memory": memory,
        "events": sorted(e["status"] for e in mongo.events.find({"taskId": original, "operation": operation})),
    }
