"""What the worker wrote is known again when it is read, and an edit changes only what is as it was seen."""

import pytest
from pymongo import monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.storage.chunks import A_STATEMENT
from recurrence_pipeline.storage.documents import Document, is_touched
from recurrence_pipeline.storage.task_edits import TaskEdit, TaskEdits, as_seen
from recurrence_pipeline.storage.zones import Zones
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
INDEXED = {"$eq", "$gt", "$gte", "$lt", "$lte", "$in"}
"""What an index answers: a condition of these alone is one that a server may choose an index by."""


class Statements(monitoring.CommandListener):
    """Keeps how many statements each command with updates or deletions had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"update", "delete"}:
            self.sizes.append(len(event.command.get(f"{event.command_name}s", ())))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_what_the_worker_wrote_and_nobody_changed_is_untouched_as_it_is_read_back(world: World) -> None:
    """The driver reads dates with a UTC of its own: else everything counts as somebody's work, and nothing is moved."""
    head = world.create(
        ANCHOR, "daily", timezone="Europe/Berlin", recurrence={"excluded": [], "copy": ["tags"]}, tags=[1]
    )
    assert [is_touched(task) for task in world.occurrences(head)] == [False] * 3


def test_an_occurrence_is_touched_once_somebody_changed_it(world: World) -> None:
    first, second, third = world.occurrences(world.create(ANCHOR, "daily"))
    for task, field, value in ((first, "title", "Run"), (second, "dueDate", ANCHOR), (third, "isCompleted", True)):
        world.worker.mongo.tasks.update_one({"_id": task["_id"]}, {"$set": {field: value}})
    assert [is_touched(world.task(task["_id"])) for task in (first, second, third)] == [True] * 3


def test_an_edit_changes_only_a_task_that_is_as_it_was_seen(world: World) -> None:
    first, second, _ = world.occurrences(world.create(ANCHOR, "daily"))
    world.worker.mongo.tasks.update_one({"_id": second["_id"]}, {"$set": {"title": "Run"}})
    edits = [TaskEdit(seen, {"dueDate": ANCHOR}) for seen in (first, second)]

    assert world.worker.context.edits.rewrite(edits, world.now) == {str(first["_id"])}
    assert world.worker.context.edits.rewrite(edits, world.now) == {str(first["_id"])}, "once more is the same"

    assert (world.task(first["_id"])["dueDate"], is_touched(world.task(first["_id"]))) == (ANCHOR, False)
    assert world.task(second["_id"]) == second | {"title": "Run"}


def test_of_what_a_task_was_seen_as_only_its_id_is_something_an_index_is_chosen_by(world: World) -> None:
    """A server looks up its indexes for every other such condition of every task: that took longer than the update."""
    seen, *_ = world.occurrences(world.create(ANCHOR, "daily", links=["a"]))

    conditions = {name: wanted for name, wanted in as_seen(seen).items() if name != "_id"}

    assert len(conditions) > 10
    assert [
        name for name, wanted in conditions.items() if not isinstance(wanted, dict) or wanted.keys() <= INDEXED
    ] == []


@pytest.mark.parametrize("change", [{"$set": {"description": ""}}, {"$unset": {"description": ""}}])
def test_a_null_that_became_something_else_or_nothing_is_a_change(world: World, change: Document) -> None:
    head = world.create(ANCHOR, "daily")
    seen, *_ = world.occurrences(head)
    world.worker.mongo.tasks.update_one({"_id": seen["_id"]}, {"$set": {"description": None}})
    seen = world.task(seen["_id"])
    assert world.worker.mongo.tasks.count_documents(as_seen(seen)) == 1

    world.worker.mongo.tasks.update_one({"_id": seen["_id"]}, change)

    assert world.worker.mongo.tasks.count_documents(as_seen(seen)) == 0


def test_a_command_has_as_many_statements_as_take_as_long_as_one_insert(world: World) -> None:
    """The embedded server writes to the disk after each: 500 of them took longer than a command may take."""
    heads = [world.add_task(ANCHOR, "daily") for _ in range(8)]
    for head in heads:
        world.add_event("create", head)
    world.work()
    seen = [task for head in heads for task in world.occurrences(head)]
    counted = Statements()
    size = 2 * A_STATEMENT
    with open_worker(world.settings, clock=lambda: world.now, listeners=[counted]) as worker:
        zones = Zones(worker.mongo, read_chunk=100, write_chunk=size)
        edits = TaskEdits(worker.mongo, read_chunk=100, write_chunk=size)
        counted.sizes.clear()
        zones.move_originals([TaskEdit(world.task(head), {"timezone": "Asia/Kolkata"}) for head in heads], world.now)
        edits.rewrite([TaskEdit(task, {"title": "Run"}) for task in seen], world.now)
        edits.remove([world.task(task["_id"]) for task in seen])

    assert (len(seen), counted.sizes) == (24, [2] * 28)
