"""What backup.md and migrate.md tell operators to do is rehearsed here: backup, restore, switching over and back."""

from collections.abc import Mapping
from datetime import timedelta

from bson import ObjectId

from recurrence_pipeline.doctor.database import Diagnostics
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 10, 9)

Backup = Mapping[str, list[Document]]


def found(world: World) -> dict[str, int]:
    """Return what `recurrence check` finds."""
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def repair(world: World, name: str) -> None:
    world.worker.consistency.repair([name], dry_run=False)


def level_of_two_workers(world: World) -> Severity:
    (diagnosis,) = (
        each
        for each in Diagnostics(world.worker.context, world.worker.consistency, world.worker.parts).look()
        if each.name == "two workers"
    )
    return diagnosis.severity


# Backup and restore


def back_up(world: World) -> Backup:
    """Read what a dump does: the documents of all collections, one collection after the other."""
    database = world.worker.mongo.db
    return {name: list(database[name].find()) for name in database.list_collection_names()}


def restore(world: World, backup: Backup) -> None:
    """Drop everything, put back the documents alone, and prepare the database as the page says."""
    world.worker.mongo.drop()
    for name, documents in backup.items():
        if documents:
            world.worker.mongo.db[name].insert_many(documents)
    world.worker.init_db()


def test_what_was_restored_goes_on_where_the_backup_was_and_comes_to_the_same(world: World) -> None:
    """Events that the backup holds are processed a second time: whoever has seen an occurrence must find it again."""
    done = world.create(ANCHOR, "daily")
    waiting = world.add_task(ANCHOR, "weekly")
    world.add_event("create", waiting)
    world.add_event("complete", world.occurrences_by_slot(done)[1])
    backup = back_up(world)
    world.work()
    before, slots = world.everything(), world.occurrences_by_slot(waiting)

    restore(world, backup)
    assert not world.occurrences(waiting), "the backup is older than they are"
    assert found(world) == {}
    world.work()

    assert world.occurrences_by_slot(waiting) == slots
    assert world.everything() == before
    assert found(world) == {}


def test_numbers_that_were_given_after_the_counters_were_dumped_are_not_given_again(world: World) -> None:
    """Without one moment in time (--oplog) a dump can hold tasks that are younger than its counters."""
    early = back_up(world)
    world.create(ANCHOR, "daily")
    backup = {**back_up(world), "counters": early["counters"]}

    restore(world, backup)
    assert "counters_behind" in found(world)
    repair(world, "counters_behind")
    assert found(world) == {}

    world.create(ANCHOR, "weekly")
    numbers = [task["taskId"] for task in world.worker.mongo.tasks.find()]
    assert len(numbers) == len(set(numbers)) == 8


# Switching over from the original worker, and back


def by_the_original(world: World, head: ObjectId, *days: int) -> None:
    """Make occurrences as the original worker does: without numbers, under ids of their own."""
    for day in days:
        world.add_task(ANCHOR + timedelta(days=day), "daily", parentRecurringId=head)


def complete(world: World, head: ObjectId, day: int) -> ObjectId:
    """Complete the occurrence of a day, as the application does, and return it."""
    task = world.worker.mongo.tasks.find_one({"parentRecurringId": head, "dueDate": ANCHOR + timedelta(days=day)})
    assert task is not None
    world.complete(task["_id"])
    return ObjectId(task["_id"])


def days(world: World, head: ObjectId) -> list[int]:
    return [(due - ANCHOR).days for due in world.due_dates(head)]


def test_a_series_goes_over_to_this_worker_back_and_here_again_without_a_day_twice(world: World) -> None:
    head = world.add_task(ANCHOR, "daily")
    by_the_original(world, head, 1, 2, 3)

    world.add_event("complete", complete(world, head, 1))
    world.work()
    assert days(world, head) == [1, 2, 3, 4, 5], "3 behind the next one"

    complete(world, head, 2)
    by_the_original(world, head, 6)  # it adds one behind the last, whoever made that

    assert found(world) == {"cursor_behind": 1}
    repair(world, "cursor_behind")
    assert found(world) == {}
    world.add_event("complete", complete(world, head, 3))
    world.work()
    assert days(world, head) == [1, 2, 3, 4, 5, 6, 7]
    assert level_of_two_workers(world) is Severity.OK


def test_both_at_once_are_noticed_and_what_is_deleted_then_stays_deleted(world: World) -> None:
    """Step 4 of switching over: one process of the application still calls its own worker."""
    head = world.create(ANCHOR, "daily")
    by_the_original(world, head, 1, 2, 3)
    assert level_of_two_workers(world) is Severity.ERROR

    world.worker.mongo.tasks.delete_many({"parentRecurringId": head, "occurrenceNumber": {"$exists": False}})
    assert level_of_two_workers(world) is Severity.OK
    assert found(world) == {}
    world.add_event("complete", complete(world, head, 1))
    world.work()
    assert days(world, head) == [1, 2, 3, 4, 5]


def test_of_what_both_made_either_may_be_deleted(world: World) -> None:
    """The tasks of this worker are not made again: its cursor is past them."""
    head = world.create(ANCHOR, "daily")
    by_the_original(world, head, 1, 2, 3)
    world.worker.mongo.tasks.delete_many({"parentRecurringId": head, "occurrenceNumber": {"$exists": True}})

    world.add_event("create", head)
    world.work()
    assert days(world, head) == [1, 2, 3]
    assert level_of_two_workers(world) is Severity.OK
