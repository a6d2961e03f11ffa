"""What the worker wrote is known again when it is read, and an edit changes only what is as it was seen."""

from recurrence_pipeline.storage.documents import is_touched
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


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
