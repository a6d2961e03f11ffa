"""Undo: what a deletion took comes back as it was, once, whole or not at all, and its series goes on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import InvalidInput, RestoreRefused
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.recovery.restore import Restored
from recurrence_pipeline.storage.documents import Document, digest
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import Crash, World, utc

JAN_31 = utc(2024, 1, 31, 9)


def restore(world: World, deletion: object, *, dry_run: bool = False) -> Restored:
    return world.worker.deletions.restore(str(deletion), dry_run=dry_run)


def delete(world: World, task: ObjectId) -> ObjectId:
    """Delete a task as the application does, it first, and return the event of its cascade."""
    world.worker.mongo.tasks.delete_one({"_id": task})
    event = world.add_event("delete", task)
    world.work()
    return event


def cascade(world: World, task: ObjectId) -> ObjectId:
    """Delete what hangs on a task that stays, and return the event."""
    event = world.add_event("delete", task)
    world.work()
    return event


def complete(world: World, task: ObjectId) -> None:
    world.complete(task)
    world.add_event("complete", task)
    world.work()


def tasks(world: World) -> dict[ObjectId, Document]:
    return {task["_id"]: task for task in world.worker.mongo.tasks.find()}


def slots(world: World) -> list[tuple[int, str]]:
    """Return the slot and the day of every task that has a slot number."""
    found = world.worker.mongo.tasks.find({"occurrenceNumber": {"$type": "number"}}).sort("dueDate", 1)
    return [(task["occurrenceNumber"], f"{task['dueDate']:%m-%d}") for task in found]


# What comes back


def test_what_hung_on_an_original_that_is_there_comes_back_as_it_was(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    before = tasks(world)
    deletion = cascade(world, original)
    assert len(tasks(world)) == 1
    cursor = world.cursor(original)

    done = restore(world, deletion)

    assert (done.tasks, done.restored, done.there, done.originals) == (3, 3, 0, {})
    assert {i: t for i, t in tasks(world).items() if i != original} == {
        i: t for i, t in before.items() if i != original
    }
    assert world.cursor(original) == cursor
    world.add_event("create", original)
    world.work()
    assert slots(world) == [(1, "02-29"), (2, "03-31"), (3, "04-30")], "nothing is made a second time"


def test_where_the_original_is_gone_for_good_the_earliest_open_task_becomes_it(world: World) -> None:
    """And the series goes on where it was: Feb 29 at its head, the 31st does not become the 29th."""
    original = world.create(JAN_31, "monthly")
    first, second, third = (world.occurrences_by_slot(original)[n] for n in (1, 2, 3))
    as_they_were = tasks(world)
    deletion = delete(world, original)
    world.pass_time(hours=1)

    done = restore(world, deletion)

    assert {(new.task_id, new.replaces, new.slot) for new in done.originals.values()} == {
        (str(first), str(original), 1)
    }
    head = world.task(first)
    assert (head["parentRecurringId"], head["dueDate"], head["updatedAt"]) == (None, utc(2024, 2, 29, 9), world.now)
    assert head["originalDueDate"] == JAN_31, "what the series is counted from"
    for task in (second, third):
        varying = {"parentRecurringId": first, "updatedAt": world.now}
        varying["writtenAs"] = digest(as_they_were[task] | varying)  # untouched, as before
        assert world.task(task) == as_they_were[task] | varying
    complete(world, first)
    assert slots(world) == [(1, "02-29"), (2, "03-31"), (3, "04-30"), (4, "05-31"), (5, "06-30")]


def test_a_series_put_back_is_looked_at_like_any_other(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    head = world.occurrences_by_slot(original)[1]
    restore(world, delete(world, original))

    view = world.worker.queries.series(str(head))

    assert [member.slot for member in view.members] == [1, 2, 3]
    assert [slot.number for slot in world.worker.queries.preview(str(head), 2).slots] == [1, 2]


def test_completed_tasks_stay_completed_and_count(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    complete(world, original)
    by_slot = world.occurrences_by_slot(original)
    complete(world, by_slot[1])
    assert len(world.occurrences(original)) == 5

    restore(world, delete(world, original))

    assert world.task(by_slot[1])["isCompleted"] is True
    assert world.task(by_slot[1])["parentRecurringId"] == by_slot[2]
    assert world.task(by_slot[2])["parentRecurringId"] is None
    world.add_event("complete", by_slot[1])
    world.work()
    assert [slot for slot, _ in slots(world)] == [1, 2, 3, 4, 5], "3 stand behind the next one, as before"
    complete(world, by_slot[2])
    assert [slot for slot, _ in slots(world)] == [1, 2, 3, 4, 5, 6]


def test_a_slot_that_a_person_deleted_before_stays_deleted(world: World) -> None:
    """The cursor of the original is gone with it: what comes back has to tell how far the series was."""
    original = world.create(JAN_31, "monthly")
    by_slot = world.occurrences_by_slot(original)
    world.worker.mongo.tasks.delete_one({"_id": by_slot[2]})
    restore(world, delete(world, original))

    complete(world, by_slot[1])

    assert [slot for slot, _ in slots(world)] == [1, 3, 4, 5]


def test_what_is_put_back_is_no_orphan(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    restore(world, delete(world, original))

    assert world.worker.maintenance.clean_orphans() == 0
    assert len(tasks(world)) == 3


def test_what_the_orphan_cleanup_took_from_several_series_comes_back_as_several(world: World) -> None:
    originals = [world.create(JAN_31, "monthly") for _ in range(3)]
    world.worker.mongo.tasks.delete_many({"_id": {"$in": originals}})
    assert world.worker.maintenance.clean_orphans() == 9
    (deletion,) = world.worker.deletions.recent(10)

    done = restore(world, deletion["deletion"])

    assert (done.restored, done.reason) == (9, "orphan")
    assert {new.replaces for new in done.originals.values()} == {str(original) for original in originals}
    assert world.worker.maintenance.clean_orphans() == 0


def test_an_earlier_deletion_of_the_series_comes_back_under_the_new_original(world: World) -> None:
    """Else one series would have become two."""
    original = world.create(JAN_31, "monthly")
    early = cascade(world, original)
    complete(world, original)
    assert [slot for slot, _ in slots(world)] == [4]
    head = world.occurrences_by_slot(original)[4]
    restore(world, delete(world, original))

    done = restore(world, early)

    assert (done.restored, done.originals) == (3, {})
    assert {t["parentRecurringId"] for i, t in tasks(world).items() if i != head} == {head}
    known = world.worker.mongo.series.find_one({"_id": head}) or {}
    assert known["originalSlot"] == 4


def test_a_series_can_lose_its_original_again_and_again(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    first_deletion = cascade(world, original)
    complete(world, original)
    world.worker.mongo.tasks.update_many({}, {"$set": {"isCompleted": False}})
    by_slot = world.occurrences_by_slot(original)
    restore(world, delete(world, original))  # slot 4 is at its head now
    complete(world, by_slot[4])
    second_head = min(world.occurrences(by_slot[4]), key=lambda t: int(t["occurrenceNumber"]))["_id"]
    restore(world, delete(world, by_slot[4]))

    assert world.task(second_head)["parentRecurringId"] is None
    assert world.task(second_head)["originalDueDate"] == JAN_31
    restore(world, first_deletion)
    others = {t["parentRecurringId"] for i, t in tasks(world).items() if i != second_head}
    assert others == {second_head}, "also what was deleted under the first original"


def test_a_task_that_the_application_detached_is_counted_from_itself(world: World) -> None:
    """Only an original that was put back has a slot of its own: a number left from another series says nothing."""
    detached = world.add_task(JAN_31, "monthly", occurrenceNumber=7)
    world.add_event("create", detached)
    world.work()
    complete(world, detached)

    assert [f"{due:%m-%d}" for due in world.due_dates(detached)] == ["02-29", "03-31", "04-30", "05-31"]


def test_a_number_that_was_given_to_another_task_meanwhile_is_replaced(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    first = world.occurrences_by_slot(original)[1]
    number = world.task(first)["taskId"]
    deletion = cascade(world, original)
    other = world.add_task(JAN_31, "none", taskId=number)

    done = restore(world, deletion)

    new = world.task(first)["taskId"]
    assert done.renumbered == {str(first): new}
    assert new != number
    assert world.task(other)["taskId"] == number
    assert done.restored == 3


def test_a_counter_that_was_emptied_meanwhile_is_caught_up(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    deletion = cascade(world, original)
    world.worker.mongo.tasks.update_one({"_id": original}, {"$set": {"taskId": 2}})
    world.worker.mongo.counters.delete_many({})

    done = restore(world, deletion)

    numbers = [task["taskId"] for task in tasks(world).values()]
    assert len(done.renumbered) == 1
    assert len(set(numbers)) == 4


# Once, whole, or not at all


def test_a_dry_run_says_the_same_and_writes_nothing(world: World) -> None:
    deletion = delete(world, world.create(JAN_31, "monthly"))
    before = (tasks(world), list(world.worker.mongo.deleted.find()))

    shown = restore(world, deletion, dry_run=True)

    assert (tasks(world), list(world.worker.mongo.deleted.find())) == before
    done = restore(world, deletion)
    assert (shown.written, done.written) == (False, True)
    assert shown.as_json() | {"written": True} == done.as_json()


def test_a_second_restoration_changes_nothing_and_says_so(world: World) -> None:
    deletion = delete(world, world.create(JAN_31, "monthly"))
    restore(world, deletion)
    gone, kept, _ = sorted(tasks(world))
    world.worker.mongo.tasks.delete_one({"_id": gone})
    world.complete(kept)
    before = (tasks(world), list(world.worker.mongo.deleted.find()))
    world.pass_time(hours=1)

    done = restore(world, deletion)

    assert (done.before, done.restored, done.there, done.gone) == (True, 0, 2, 1)
    assert (tasks(world), list(world.worker.mongo.deleted.find())) == before


def test_what_was_put_back_and_has_gone_since_comes_back_when_it_is_asked_for_again(world: World) -> None:
    deletion = delete(world, world.create(JAN_31, "monthly"))
    restore(world, deletion)
    before = tasks(world)
    gone = sorted(before)[0]
    world.worker.mongo.tasks.delete_one({"_id": gone})

    shown, done = (
        world.worker.deletions.restore(str(deletion), dry_run=dry_run, again=True) for dry_run in (True, False)
    )

    assert (shown.restored, shown.there, shown.gone) == (done.restored, done.there, done.gone) == (1, 2, 0)
    assert tasks(world) == before


def test_what_is_deleted_again_by_the_same_event_comes_back_as_it_was_the_second_time(world: World) -> None:
    """A failed deletion that is replayed takes what was put back; its user has worked on with that meanwhile."""
    original = world.create(JAN_31, "monthly")
    event = delete(world, original)
    restore(world, event)
    mongo = world.worker.mongo
    edited = sorted(tasks(world))[0]
    world.pass_time(hours=1)
    mongo.tasks.update_one({"_id": edited}, {"$set": {"title": "Rent, the new flat", "updatedAt": world.now}})
    mongo.events.update_one({"_id": event}, {"$set": {"status": "failed"}})
    world.worker.queries.replay(str(event))
    world.work()
    assert edited not in tasks(world)

    done = restore(world, event)

    assert (done.before, done.restored) == (False, 3)
    assert world.task(edited)["title"] == "Rent, the new flat"


def test_a_change_between_two_tries_of_a_deletion_is_not_lost(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    event = world.add_event("delete", original)
    world.crash_after = WriteStep.KEEP_DELETED
    with pytest.raises(Crash):
        world.work()
    edited = sorted(world.occurrences_by_slot(original).values())[0]
    world.pass_time(minutes=5)
    world.worker.mongo.tasks.update_one({"_id": edited}, {"$set": {"title": "Rent", "updatedAt": world.now}})
    world.work()

    restore(world, event)

    assert world.task(edited)["title"] == "Rent"


def test_a_task_that_is_there_again_and_another_refuses_the_whole(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    first = world.occurrences_by_slot(original)[1]
    deletion = delete(world, original)
    world.add_task(JAN_31, "none", _id=first)
    before = tasks(world)

    for dry_run in (True, False):
        with pytest.raises(RestoreRefused, match=f"1 of its tasks are there again and differ: {first}; nothing"):
            restore(world, deletion, dry_run=dry_run)
    assert tasks(world) == before


def test_a_refusal_names_only_some_of_many(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    for _ in range(2):
        complete(world, min(world.worker.mongo.tasks.find({"isCompleted": False}), key=lambda t: t["dueDate"])["_id"])
    complete(world, world.occurrences_by_slot(original)[2])
    ids = [task["_id"] for task in world.occurrences(original)]
    deletion = cascade(world, original)
    for task_id in ids:
        world.add_task(JAN_31, "none", _id=task_id)

    with pytest.raises(RestoreRefused, match="6 of its tasks") as refused:
        restore(world, deletion)
    assert str(refused.value).count(", ") == 4
    assert " ..." in str(refused.value)


def test_a_task_that_is_there_again_and_the_same_is_left_as_it_is(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    same = world.task(world.occurrences_by_slot(original)[2])
    deletion = cascade(world, original)
    world.worker.mongo.tasks.insert_one(same)

    done = restore(world, deletion)

    assert (done.restored, done.there) == (2, 1)
    assert world.task(same["_id"]) == same


@pytest.mark.parametrize(
    "step", [WriteStep.RESTORING, WriteStep.ORIGINALS_BACK, WriteStep.OCCURRENCES_BACK, WriteStep.RESTORED]
)
@pytest.mark.parametrize("the_original", ["is gone", "is there"])
def test_a_restoration_that_was_killed_anywhere_is_completed_by_the_next(
    mongodb_url: str, step: WriteStep, the_original: str
) -> None:
    original_gone = the_original == "is gone"
    world = World(mongodb_url)
    original = world.create(JAN_31, "monthly")
    ids = world.occurrences_by_slot(original)
    deletion = delete(world, original) if original_gone else cascade(world, original)
    world.crash_after = step
    with pytest.raises(Crash):
        restore(world, deletion)
    assert world.worker.maintenance.clean_orphans() == 0, "an orphan is there at no moment"
    world.worker.mongo.tasks.update_many({"_id": {"$in": list(ids.values())}}, {"$set": {"title": "changed"}})
    world.pass_time(hours=1)

    done = restore(world, deletion)

    head = ids[1] if original_gone else original
    assert done.restored + done.there == 3
    assert {t["parentRecurringId"] for t in tasks(world).values()} == {None, head}
    assert set(tasks(world)) == set(ids.values()) | (set() if original_gone else {original})
    assert restore(world, deletion).before
    complete(world, head)
    made = {1: "02-29", 2: "03-31", 3: "04-30", 4: "05-31"} | ({5: "06-30"} if original_gone else {})
    assert dict(slots(world)) == made
    world.close()


def test_a_restoration_that_was_killed_and_whose_original_then_went_makes_no_orphans(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    early = cascade(world, original)
    complete(world, original)
    head = world.occurrences_by_slot(original)[4]
    deletion = cascade(world, original)
    world.crash_after = WriteStep.RESTORING
    with pytest.raises(Crash):
        restore(world, deletion)
    world.worker.mongo.tasks.delete_one({"_id": original})

    assert set(restore(world, deletion).originals) == {str(head)}

    assert world.worker.maintenance.clean_orphans() == 0
    assert restore(world, early).originals == {}, "the copies say which original it is now"
    assert len(world.occurrences(head)) == 3


def test_of_two_restorations_at_once_each_task_is_put_back_by_one(world: World) -> None:
    originals = [world.create(JAN_31, "monthly") for _ in range(10)]
    world.worker.mongo.tasks.delete_many({"_id": {"$in": originals}})
    world.worker.maintenance.clean_orphans()
    deletion = world.worker.deletions.recent(1)[0]["deletion"]
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda worker: worker.deletions.restore(deletion, dry_run=False), workers))
    for worker in workers:
        worker.close()

    assert sum(one.restored for one in done) == 30
    assert len(tasks(world)) == 30
    assert world.worker.maintenance.clean_orphans() == 0


def test_many_tasks_are_put_back_chunk_by_chunk(mongodb_url: str) -> None:
    world = World(mongodb_url, MONGODB_READ_CHUNK="3", MONGODB_WRITE_CHUNK="4")
    gone = ObjectId()
    for number in range(1, 12):
        world.add_task(JAN_31, "daily", parentRecurringId=gone, occurrenceNumber=number)
    world.worker.maintenance.clean_orphans(confirm=True)

    assert restore(world, world.worker.deletions.recent(1)[0]["deletion"]).restored == 11
    assert len(tasks(world)) == 11
    world.close()


def test_what_the_database_refuses_is_named_and_nothing_hangs_on_what_is_not_there(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    first = world.occurrences_by_slot(original)[1]
    deletion = delete(world, original)
    only_occurrences = {"$jsonSchema": {"properties": {"parentRecurringId": {"bsonType": "objectId"}}}}
    world.worker.mongo.db.command("collMod", "tasks", validator=only_occurrences)

    done = restore(world, deletion)

    assert (done.restored, done.there, len(done.refused)) == (0, 0, 3)
    assert str(first) in done.refused
    assert set(list(done.refused.values())[1:]) == {"its original could not be put back"}
    assert tasks(world) == {}
    world.worker.mongo.db.command("collMod", "tasks", validator={})
    assert restore(world, deletion).restored == 3


# Deletions


def test_two_deletions_of_one_task_are_two_entries_and_each_can_be_undone(world: World) -> None:
    original = world.create(JAN_31, "monthly")
    first = cascade(world, original)
    restore(world, first)
    world.pass_time(hours=1)
    second = cascade(world, original)

    assert [(row["deletion"], row["tasks"], row["restored"]) for row in world.worker.deletions.recent(10)] == [
        (str(second), 3, 0),
        (str(first), 3, 3),
    ]
    assert restore(world, first).before
    assert restore(world, second).restored == 3


def test_deletions_are_listed_with_who_when_and_why(world: World) -> None:
    older = cascade(world, world.create(JAN_31, "monthly"))
    world.pass_time(minutes=1)
    newer = cascade(world, world.create(JAN_31, "daily", title="Pay"))

    (row,) = world.worker.deletions.recent(1)
    assert row == {
        "deletion": str(newer),
        "deletedAt": world.now,
        "deletedBy": str(world.user),
        "reason": "cascade",
        "tasks": 3,
        "restored": 0,
        "title": "Pay",
    }
    assert world.worker.deletions.recent(5)[1]["deletion"] == str(older)


def test_a_deletion_that_is_not_over_is_not_undone(mongodb_url: str) -> None:
    """Its next attempt would delete again what came back."""
    world = World(mongodb_url)
    original = world.create(JAN_31, "monthly")
    event = world.add_event("delete", original)
    world.crash_after = WriteStep.DELETE
    with pytest.raises(Crash):
        world.work()

    with pytest.raises(RestoreRefused, match=f"deletion {event} is not over: its event is p"):
        restore(world, event)
    world.pass_time(minutes=5)
    world.work()
    assert restore(world, event).restored == 3
    world.close()


def test_a_deletion_that_comes_again_finds_nothing_of_what_came_back(world: World) -> None:
    """A client may send its request twice, the second time after the restoration."""
    original = world.create(JAN_31, "monthly")
    restore(world, delete(world, original))

    answer = world.worker.process_task_recurrence(str(original), Operation.DELETE.value, str(world.user))

    assert answer["result"] == 0
    assert len(tasks(world)) == 3


def test_a_deletion_that_nobody_knows_is_named(world: World) -> None:
    with pytest.raises(RestoreRefused, match=r"took nothing that is still kept \(see KEEP_DELETED_DAYS\)"):
        restore(world, ObjectId())
    with pytest.raises(InvalidInput, match="deletion: '12' is not an id"):
        restore(world, "12")
