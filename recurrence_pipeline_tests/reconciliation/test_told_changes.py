"""Looks at what a change stream told of: the tasks that changed, and the originals that are gone."""

from collections import Counter

from bson import ObjectId

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.scan import DeletedOriginal
from recurrence_pipeline_tests.worker.test_round_trips import Commands
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def look_at(world: World, *tasks: ObjectId) -> int:
    return world.worker.reconciliation.look_at([str(task) for task in tasks])


def delete(world: World, task: ObjectId, *, at: int = 1704110400) -> DeletedOriginal:
    """Have a person delete an original, and return what a stream tells of that."""
    world.worker.mongo.tasks.delete_one({"_id": task})
    return DeletedOriginal(str(task), str(world.user), at, 1)


def ask(world: World, *deleted: DeletedOriginal) -> int:
    return world.worker.reconciliation.look_at((), deleted)


def test_a_task_that_changed_is_asked_for_whatever_its_dates_say(world: World) -> None:
    """A completion that left `updatedAt` alone, which a walk by date comes by only with its sweep."""
    original = world.create(ANCHOR, "daily")
    world.pass_time(days=300)
    world.complete(original)

    assert (look_at(world, original), look_at(world, original)) == (1, 0)
    world.work()
    assert sorted(world.occurrences_by_slot(original)) == [1, 2, 3, 4]


def test_nothing_is_asked_of_what_was_told_is_not_there_or_does_not_recur(world: World) -> None:
    plain, told = world.add_task(ANCHOR, "none"), world.add_task(ANCHOR, "daily")
    world.add_event("create", told)

    assert look_at(world, plain, told, ObjectId()) == 0


def test_a_look_at_many_tasks_costs_what_one_at_few_does(world: World) -> None:
    sent: list[Counter[str]] = []
    for count in (5, 50):
        tasks = [world.add_task(ANCHOR, "daily") for _ in range(count)]
        gone = [delete(world, world.create(ANCHOR, "daily")) for _ in range(count)]
        commands = Commands()
        with open_worker(world.settings, clock=lambda: world.now, listeners=[commands]) as worker:
            worker.queries.queue()
            commands.sent.clear()
            assert worker.reconciliation.look_at([str(task) for task in tasks], gone) == 2 * count
        sent.append(commands.sent)
    assert sent[0] == sent[1]


def test_what_hangs_on_a_deleted_original_goes_as_if_its_deletion_had_been_told(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    deleted = delete(world, original)

    assert ask(world, deleted) == 1
    (event,) = world.worker.mongo.events.find({"operation": "delete"})
    assert (event["taskId"], event["userId"], event["source"]) == (original, world.user, "reconcile")
    world.work()
    assert world.occurrences(original) == []
    assert world.actions().count("RECURRING_TASKS_DELETED") == 1


def test_a_deletion_is_asked_for_once_by_however_many_and_whenever_they_see_it(world: World) -> None:
    """Each worker has a stream of its own; one may die when the event is written and before it is known, and go on."""
    deleted = delete(world, world.create(ANCHOR, "daily"))
    assert ask(world, deleted) == 1
    world.pass_time(seconds=7)

    assert (ask(world, deleted), ask(world, deleted, deleted)) == (0, 0)
    world.work()
    assert ask(world, deleted) == 0


def test_an_original_that_is_restored_and_deleted_again_is_another_deletion(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    document = world.task(original)
    assert ask(world, delete(world, original)) == 1
    world.work()
    world.worker.mongo.tasks.insert_one(document)
    (deletion,) = world.worker.mongo.deleted.distinct("deletion")
    world.worker.deletions.restore(str(deletion), dry_run=False)
    assert len(world.occurrences(original)) == 3

    assert ask(world, delete(world, original, at=1704114000)) == 1
    world.work()
    assert world.occurrences(original) == []


def test_a_deletion_that_was_told_and_done_is_not_asked_for(world: World) -> None:
    """Else each deletion of an application that tells of them would be two events."""
    original = world.create(ANCHOR, "daily")
    deleted = delete(world, original)
    world.add_event("delete", original)
    world.work()

    assert ask(world, deleted) == 0


def test_an_original_that_is_back_keeps_what_hangs_on_it(world: World) -> None:
    """A program that stores a task anew deletes it first."""
    original = world.create(ANCHOR, "daily")
    document = world.task(original)
    deleted = delete(world, original)
    world.worker.mongo.tasks.insert_one(document)

    assert ask(world, deleted) == 0


def test_an_original_that_is_back_before_the_event_is_processed_keeps_what_hangs_on_it(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    document = world.task(original)
    assert ask(world, delete(world, original)) == 1
    world.worker.mongo.tasks.insert_one(document)

    assert world.work().count("completed") == 1
    assert len(world.occurrences(original)) == 3
    assert "RECURRING_TASKS_DELETED" not in world.actions()


def test_tasks_of_another_user_under_the_same_original_stay(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    other = world.occurrences(original)[0]["_id"]
    world.worker.mongo.tasks.update_one({"_id": other}, {"$set": {"userId": ObjectId()}})
    assert ask(world, delete(world, original)) == 1
    world.work()

    assert [task["_id"] for task in world.occurrences(original)] == [other]


def test_a_deletion_of_which_nothing_is_left_is_no_event(world: World) -> None:
    assert ask(world, delete(world, world.add_task(ANCHOR, "daily"))) == 0


def test_a_sweep_says_when_it_has_come_round(world: World) -> None:
    """Looks get rare only when everything has been seen."""
    for _ in range(3):
        world.add_task(ANCHOR, "none")
    world.pass_time(days=30)
    reconciliation = world.worker.reconciliation
    assert reconciliation.look().came_round
    with open_worker(world.settings.model_copy(update={"reconcile_step": 1}), clock=lambda: world.now) as worker:
        looks: list[bool] = []
        position = None
        while not looks or not looks[-1]:
            found = worker.reconciliation.look(position)
            position = found.position
            looks.append(found.came_round)
            world.pass_time(seconds=5)
    assert len(looks) > 2
