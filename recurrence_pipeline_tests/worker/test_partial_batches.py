"""A batch in which the database refuses some documents: the good events do not notice, the bad ones say why."""

import bson
from bson import ObjectId

from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
LARGEST = 16 * 2**20
"""The most bytes that a document may have (MongoDB manual, "Limits and Thresholds")."""


def as_large_as_can_be(world: World) -> ObjectId:
    """Store an original that has just room enough for itself: its occurrences, with a field more, do not fit."""
    original = world.add_task(ANCHOR, "daily", title="large")
    room = LARGEST - len(bson.encode(world.task(original))) - 20
    world.worker.mongo.tasks.update_one({"_id": original}, {"$set": {"additionalNotes": "x" * room}})
    return original


def test_a_batch_of_twenty_with_refusals_of_every_kind(world: World) -> None:
    """A validator refuses one slot, all of one series are too large, and the counter lags behind."""
    mongo = world.worker.mongo
    good = [world.add_task(ANCHOR, "daily") for _ in range(18)]
    barred = world.add_task(ANCHOR, "weekly", title="barred")
    large = as_large_as_can_be(world)
    highest = 20
    mongo.db.command("collMod", "tasks", validator={"$nor": [{"title": "barred", "dueDate": utc(2024, 1, 29, 9)}]})
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 3}})
    events = {task_id: world.add_event("create", task_id) for task_id in [*good, barred, large]}

    for _ in range(5):
        world.work()
        world.pass_time(minutes=10)

    ends = {task_id: world.event(event) for task_id, event in events.items()}
    assert {ends[task_id]["status"] for task_id in good} == {"completed"}
    assert {len(world.occurrences(task_id)) for task_id in good} == {3}
    assert {task["occurrenceNumber"] for task in world.occurrences(barred)} == {1, 3}
    assert world.occurrences(large) == []

    assert ends[barred]["status"] == "failed"
    assert ends[barred]["errors"][-1]["message"].startswith("slot 2 could not be written")
    assert ends[barred]["result"]["created"] == [t["_id"] for t in world.occurrences(barred)], "what was done is said"
    assert ends[large]["status"] == "failed"
    assert ends[large]["errors"][-1]["message"].startswith("slots 1, 2, 3 could not be written: ")
    assert ends[large]["result"]["created"] == []
    assert {ends[task_id].get("attempts", 0) for task_id in good} == {0}, "done at the first try"

    numbers = [task["taskId"] for task in mongo.tasks.find({}, {"taskId": 1})]
    assert len(set(numbers)) == len(numbers) == 20 + 18 * 3 + 2
    counter = mongo.counters.find_one({"_id": "tasks"})
    assert counter is not None
    assert counter["sequence_value"] >= max(numbers) > highest


def test_where_the_applications_validator_knows_no_fields_of_ours_the_event_names_them(world: World) -> None:
    """As `updateSchemas()` of Papr sets it. What is mended there is made up for by the next try."""
    series = world.add_task(ANCHOR, "weekly")
    (original,) = world.worker.mongo.tasks.find()
    theirs = {"$jsonSchema": {"additionalProperties": False, "properties": {field: {} for field in original}}}
    world.worker.mongo.db.command("collMod", "tasks", validator=theirs)
    event = world.add_event("create", series)

    world.work()

    (refused,) = world.event(event)["errors"]
    assert refused["message"].startswith("slots 1, 2, 3 could not be written: Document failed validation: ")
    assert "no other fields are allowed, such as " in refused["message"]
    assert "occurrenceNumber" in refused["message"]
    assert world.occurrences(series) == []

    world.worker.mongo.db.command("collMod", "tasks", validator={})
    world.pass_time(minutes=10)
    world.work()

    assert world.event(event)["status"] == "completed"
    assert len(world.occurrences(series)) == 3
