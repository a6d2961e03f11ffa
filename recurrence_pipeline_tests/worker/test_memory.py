"""What the worker knows of a series is its own: documents that are replaced, copied or brought back change nothing.

And whose series it is: a task of another user is no member, and an id of another type names nobody.
"""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import CleanupRefused, NotAMember, OriginalNotFound, WrongType
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
SCHEMA = {
    "_id", "taskId", "userId", "title", "description", "dueDate", "originalDueDate", "priority", "category",
    "isCompleted", "repeatType", "parentTaskId", "parentRecurringId", "links", "additionalNotes", "createdAt",
    "updatedAt", "__v",
}  # fmt: skip
"""What the application's own schema knows."""


def of_the_schema(world: World, task_id: ObjectId, **edit: Any) -> Document:
    """Return a task as the application stores it anew, with its own fields only."""
    return {k: v for k, v in world.task(task_id).items() if k in SCHEMA} | {"updatedAt": world.now} | edit


def put(world: World, task_id: ObjectId, **edit: Any) -> None:
    """Store a task anew as a whole: PUT, `overwrite`, an export that is brought back."""
    world.worker.mongo.tasks.replace_one({"_id": task_id}, of_the_schema(world, task_id, **edit))


def delete(world: World, task_id: ObjectId) -> None:
    world.worker.mongo.tasks.delete_one({"_id": task_id})
    world.add_event("delete", task_id)
    world.work()


def complete(world: World, task_id: ObjectId) -> None:
    world.complete(task_id)
    world.add_event("complete", task_id)
    world.work()


def slots(world: World, head: ObjectId) -> list[int]:
    return sorted(task["occurrenceNumber"] for task in world.occurrences(head))


def asked_by(world: World, how: str, head: ObjectId) -> None:
    """Have the series looked at, in one of the ways there are."""
    if how == "reconciliation":
        position = None
        for _ in range(3):
            position = world.worker.reconciliation.look(position).position
    elif how == "a create event":
        world.add_event("create", head)
    else:
        world.complete(head)
        world.add_event("complete", head)
    world.work()


def add_theirs(world: World, head: ObjectId, number: int = 900) -> ObjectId:
    """Store a completed task of another user, far ahead, under somebody's series."""
    due = ANCHOR + timedelta(days=number)
    return world.add_task(due, "daily", userId=ObjectId(), parentRecurringId=head, isCompleted=True)


# The application's documents


@pytest.mark.parametrize(
    ("how", "left"), [("reconciliation", [1, 3]), ("a create event", [1, 3]), ("a complete event", [1, 3, 4])]
)
def test_what_a_person_deleted_stays_deleted_when_the_original_is_stored_anew(
    world: World, how: str, left: list[int]
) -> None:
    head = world.create(ANCHOR, "daily")
    delete(world, world.occurrences_by_slot(head)[2])
    put(world, head, title="edited")

    asked_by(world, how, head)

    assert slots(world, head) == left


def test_a_series_that_was_purged_as_it_went_stays_where_it_is(world: World) -> None:
    """Up to 1,000 tasks came back, the first of them years old."""
    head = world.create(ANCHOR, "daily")
    complete(world, head)
    for number in range(1, 21):
        done = world.occurrences_by_slot(head)[number]
        complete(world, done)
        if number < 20:
            delete(world, done)
    before = slots(world, head)

    put(world, head, title="edited")
    asked_by(world, "reconciliation", head)

    assert slots(world, head) == before == [20, 21, 22, 23, 24]


def test_a_copy_of_an_original_is_a_series_of_its_own(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    complete(world, head)
    copy = world.task(head) | {"_id": ObjectId(), "taskId": 900, "isCompleted": False}
    world.worker.mongo.tasks.insert_one(copy)

    asked_by(world, "a create event", copy["_id"])

    assert slots(world, copy["_id"]) == [1, 2, 3]
    assert slots(world, head) == [1, 2, 3, 4]


def test_an_original_that_was_deleted_with_its_series_and_brought_back_gets_nothing_again(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    kept = world.task(head)
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.add_event("delete", head)
    world.work()
    world.worker.mongo.tasks.insert_one(kept)

    asked_by(world, "a create event", head)

    assert slots(world, head) == []


def test_where_the_memory_itself_is_lost_the_series_is_as_far_as_it_shows(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    delete(world, world.occurrences_by_slot(head)[2])
    world.worker.mongo.series.drop()

    asked_by(world, "a create event", head)

    assert (slots(world, head), world.cursor(head)) == ([1, 3], 3)


def test_where_the_memory_is_lost_what_a_cascade_deleted_stays_deleted(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    world.worker.process_task_recurrence(str(world.occurrences_by_slot(head)[2]), "delete", str(world.user))
    assert slots(world, head) == []
    world.worker.mongo.series.drop()

    asked_by(world, "a create event", head)

    assert (slots(world, head), world.cursor(head)) == ([], 3)


def test_the_last_slot_that_a_person_deleted_stays_deleted_where_the_memory_is_lost(world: World) -> None:
    """Nothing on the tasks says that slots 2 and 3 were made; the activity log does."""
    head = world.add_task(ANCHOR, "daily")
    asked_by(world, "a create event", head)
    for task in [t for t in world.occurrences(head) if t["occurrenceNumber"] > 1]:
        delete(world, task["_id"])
    world.worker.mongo.series.drop()
    asked_by(world, "a create event", head)

    assert slots(world, head) == [1]
    asked_by(world, "a complete event", head)
    assert slots(world, head) == [1, 4]


def test_a_series_that_was_purged_for_long_is_as_far_as_the_activity_log_tells(world: World) -> None:
    head = world.add_task(ANCHOR, "daily")
    asked_by(world, "a create event", head)
    asked_by(world, "a complete event", head)
    for number in range(1, 31):
        complete(world, next(t["_id"] for t in world.occurrences(head) if t["occurrenceNumber"] == number))
    for task in [t for t in world.occurrences(head) if t["occurrenceNumber"] > 1]:
        delete(world, task["_id"])
    world.worker.mongo.series.drop()
    asked_by(world, "a create event", head)

    assert slots(world, head) == [1]


@pytest.mark.parametrize("number", [-1, -5])
def test_a_remembered_number_below_0_is_no_memory(world: World, number: int) -> None:
    head = world.add_task(ANCHOR, "daily")
    asked_by(world, "a create event", head)
    delete(world, next(t["_id"] for t in world.occurrences(head) if t["occurrenceNumber"] == 2))
    world.worker.mongo.series.update_one({"_id": head}, {"$set": {"cursor.number": number}})
    asked_by(world, "a create event", head)

    assert slots(world, head) == [1, 3]


def test_an_event_or_a_copy_with_a_list_for_an_id_does_not_stop_the_series_in_it(world: World) -> None:
    head = world.add_task(ANCHOR, "daily")
    asked_by(world, "a create event", head)
    world.worker.mongo.tasks.update_many({}, {"$unset": {"createdByEvent": ""}})
    world.worker.mongo.series.drop()
    event = {"_id": ObjectId(), "operation": "create", "taskId": [head], "status": "failed", "createdAt": world.now}
    rules = {"bypassDocumentValidation": True}
    world.worker.mongo.db.command({"insert": "task_events", "documents": [event | {"availableAt": world.now}], **rules})
    task = {"_id": ObjectId(), "parentRecurringId": [head], "occurrenceNumber": 9, "userId": world.user}
    world.worker.mongo.deleted.insert_one({"deletion": ObjectId(), "deletedAt": world.now, "task": task})
    asked = world.add_event("complete", head)
    world.work()

    assert world.event(asked)["status"] == "completed"


def test_a_restored_series_goes_on_where_its_memory_says_and_not_where_its_tasks_end(world: World) -> None:
    """Slot 3 was deleted by a person before the series was."""
    head = world.create(utc(2024, 1, 31, 9), "monthly")
    delete(world, world.occurrences_by_slot(head)[3])
    world.worker.mongo.tasks.delete_one({"_id": head})
    deletion = world.add_event("delete", head)
    world.work()

    world.worker.deletions.restore(str(deletion), dry_run=False)
    new = world.worker.mongo.tasks.find_one({"parentRecurringId": None})
    assert new is not None
    put(world, new["_id"])
    complete(world, new["_id"])

    assert [due.strftime("%m-%d") for due in world.due_dates(new["_id"])] == ["03-31", "05-31", "06-30"]


def test_the_daily_maintenance_forgets_series_that_went_long_ago(world: World) -> None:
    gone, kept = world.create(ANCHOR, "daily"), world.create(ANCHOR, "daily")
    world.worker.mongo.tasks.delete_one({"_id": gone})
    assert world.worker.maintenance.forget_series() == 0

    world.pass_time(days=3650)

    assert world.worker.maintenance.pending()["seriesToForget"] == 1
    assert world.worker.maintenance.forget_series() == 1
    assert (world.cursor(gone), world.cursor(kept)) == (None, 3)


# Whose series


@pytest.mark.parametrize("how", ["reconciliation", "a create event", "a complete event"])
def test_a_task_of_another_user_makes_nothing_in_a_series(world: World, how: str) -> None:
    head = world.create(ANCHOR, "daily")
    theirs = add_theirs(world, head)
    world.add_event("complete", theirs, userId=world.task(theirs)["userId"])

    asked_by(world, how, head)

    assert len(world.occurrences(head)) == (5 if how == "a complete event" else 4)
    assert {a["userId"] for a in world.worker.mongo.activities.find({"action": "RECURRING_TASK_CREATED"})} == {
        world.user
    }
    [refused] = world.worker.mongo.events.find({"taskId": theirs})
    assert (refused["status"], refused["errors"][-1]["code"]) == ("rejected", "NOT_A_MEMBER")


def test_a_task_of_another_user_stops_nothing_and_is_found(world: World) -> None:
    """Past 1,000 slots the series was refused for good."""
    head = world.create(ANCHOR, "daily")
    add_theirs(world, head, 5000)

    complete(world, head)

    assert slots_of_user(world, head) == [1, 2, 3, 4]
    assert [f.count for f in world.worker.consistency.run(only=["owner_differs"])] == [1]


def slots_of_user(world: World, head: ObjectId) -> list[int]:
    return sorted(t["occurrenceNumber"] for t in world.occurrences(head) if t["userId"] == world.user)


def test_a_task_of_another_user_is_shown_nothing_of_the_series_it_hangs_on(world: World) -> None:
    theirs = str(add_theirs(world, world.create(ANCHOR, "daily")))

    for ask in (
        lambda: world.worker.queries.preview(theirs),
        lambda: world.worker.queries.series(theirs),
        lambda: world.worker.resumption.resume(theirs),
    ):
        with pytest.raises(NotAMember):
            ask()


def test_the_view_of_a_series_says_how_many_strangers_hang_on_it(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    theirs = add_theirs(world, head)

    view = world.worker.queries.series(str(head))

    assert str(theirs) not in {member.task.id for member in view.members}
    assert "Other users' tasks hang on it, and are none of it: 1." in view.remarks


def test_a_deletion_by_one_user_leaves_the_cursor_of_the_series_of_another(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    theirs = add_theirs(world, head)
    user = world.task(theirs)["userId"]

    assert world.worker.process_task_recurrence(str(head), "delete", str(user))["result"] == 1
    assert (slots(world, head), world.cursor(head)) == ([1, 2, 3], 3)


# Ids of another type


@pytest.mark.parametrize("value", ["text", {"$oid": "text"}, 5])
@pytest.mark.parametrize("how", ["reconciliation", "a create event", "a complete event"])
def test_an_occurrence_whose_parent_cannot_be_told_starts_no_series(world: World, how: str, value: Any) -> None:
    """Four tasks turned into sixteen."""
    head = world.create(ANCHOR, "daily")
    first = world.occurrences_by_slot(head)[1]
    odd = str(head) if value == "text" else {"$oid": str(head)} if isinstance(value, dict) else value
    world.worker.mongo.tasks.update_one({"_id": first}, {"$set": {"parentRecurringId": odd, "updatedAt": world.now}})

    asked_by(world, how, first)

    assert world.occurrences(first) == []
    for event in world.worker.mongo.events.find({"taskId": first}):
        assert (event["status"], event["errors"][-1]["code"]) == ("rejected", "WRONG_TYPE")
        assert "parentRecurringId" in event["errors"][-1]["message"]


def test_a_deletion_that_names_such_a_task_is_refused_and_not_answered_with_0(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    first = world.occurrences_by_slot(head)[1]
    world.worker.mongo.tasks.update_one({"_id": first}, {"$set": {"parentRecurringId": str(head)}})
    world.add_event("delete", first)

    assert world.work().count("rejected") == 1
    with pytest.raises(WrongType, match="parentRecurringId"):
        world.worker.queries.preview(str(first))


def test_text_ids_are_cast_by_the_repair_and_the_series_is_whole_again(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    as_text = [{"$set": {"parentRecurringId": {"$toString": "$parentRecurringId"}}}]
    world.worker.mongo.tasks.update_many({"parentRecurringId": head}, as_text)

    planned = world.worker.consistency.repair(["wrong_id_types"])
    assert [(r.found, r.repaired, r.written) for r in planned] == [(3, 3, False)]
    assert world.occurrences(head) == []
    world.worker.consistency.repair(["wrong_id_types"], dry_run=False)

    assert slots(world, head) == [1, 2, 3]
    assert [f.name for f in world.worker.consistency.run() if f.count] == []


def test_a_user_whose_id_is_text_is_served_and_found(world: World) -> None:
    head = world.add_task(ANCHOR, "daily", userId=str(world.user))
    world.add_event("create", head)
    world.work()
    assert slots(world, head) == [1, 2, 3]
    assert {a["userId"] for a in world.worker.mongo.activities.find()} == {world.user}
    assert [f.count for f in world.worker.consistency.run(only=["wrong_id_types"])] == [4]

    delete(world, head)
    assert world.occurrences(head) == []


def test_a_task_whose_id_is_text_is_found_and_is_nobodys_to_ask_for(world: World) -> None:
    odd = world.task(world.add_task(ANCHOR, "daily"))
    world.worker.mongo.tasks.replace_one({"_id": odd["_id"]}, odd)
    world.worker.mongo.tasks.delete_one({"_id": odd["_id"]})
    world.worker.mongo.tasks.insert_one(odd | {"_id": str(odd["_id"])})

    asked_by(world, "reconciliation", odd["_id"])

    assert world.worker.mongo.events.count_documents({}) == 0
    [finding] = world.worker.consistency.run(only=["wrong_id_types"])
    assert (finding.count, finding.samples[0]["field"]) == (1, "_id")
    with pytest.raises(OriginalNotFound):
        world.worker.queries.preview(str(odd["_id"]))


# Sub-tasks


def with_subtasks(world: World, task_id: ObjectId) -> set[ObjectId]:
    """Hang two sub-tasks on a task, one of them with one of its own, and one of another user's."""
    first, second = (world.add_task(ANCHOR, "none", parentTaskId=task_id, title=name) for name in ("pack", "call"))
    third = world.add_task(ANCHOR, "none", parentTaskId=first, title="socks")
    world.add_task(ANCHOR, "none", parentTaskId=task_id, userId=ObjectId(), title="somebody's")
    return {first, second, third}


def there(world: World, ids: set[ObjectId]) -> int:
    return world.worker.mongo.tasks.count_documents({"_id": {"$in": list(ids)}})


def test_a_cascade_takes_sub_tasks_along_and_does_not_count_them(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    subtasks = with_subtasks(world, world.occurrences_by_slot(head)[1])
    world.worker.mongo.tasks.delete_one({"_id": head})

    assert world.worker.process_task_recurrence(str(head), "delete", str(world.user))["result"] == 3

    assert there(world, subtasks) == 0
    assert [t["title"] for t in world.worker.mongo.tasks.find()] == ["somebody's"]
    [finding] = world.worker.consistency.run(only=["subtasks_left_behind"])
    assert finding.count == 1, "what is another user's stays, and is found"


def test_the_orphan_cleanup_takes_sub_tasks_along(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    subtasks = with_subtasks(world, world.occurrences_by_slot(head)[2])
    world.worker.mongo.tasks.delete_one({"_id": head})

    assert world.worker.maintenance.clean_orphans() == 3
    assert there(world, subtasks) == 0


def test_a_restoration_brings_sub_tasks_back_as_they_were(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    subtasks = with_subtasks(world, world.occurrences_by_slot(head)[1])
    before = [world.task(i) for i in sorted(subtasks)]
    deletion = world.add_event("delete", head)
    world.work()
    assert there(world, subtasks) == 0

    for restored in (6, 0):
        done = world.worker.deletions.restore(str(deletion), dry_run=False)
        assert (done.tasks, done.restored) == (6, restored)
        assert [world.task(i) for i in sorted(subtasks)] == before


def test_a_sub_task_is_not_put_back_where_its_task_is_refused(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    first = world.occurrences_by_slot(head)[1]
    subtask = world.add_task(ANCHOR, "none", parentTaskId=first)
    deletion = world.add_event("delete", head)
    world.work()
    world.worker.mongo.db.command("collMod", "tasks", validator={"_id": {"$ne": first}})

    done = world.worker.deletions.restore(str(deletion), dry_run=False)

    assert done.refused[str(subtask)] == "its task could not be put back"
    assert there(world, {subtask, first}) == 0


# Chains of orphans


def test_a_chain_of_orphans_is_cleaned_in_one_run(world: World) -> None:
    above = ObjectId()
    for _ in range(12):
        above = world.add_task(ANCHOR, "daily", parentRecurringId=above)

    assert world.worker.maintenance.clean_orphans() == 12
    assert world.worker.mongo.tasks.count_documents({}) == 0
    assert world.worker.mongo.deleted.count_documents({"reason": "orphan"}) == 12
    assert world.actions().count("ORPHANED_RECURRING_TASK_CLEANED") == 12


def test_the_guard_counts_what_hangs_below(mongodb_url: str) -> None:
    """One orphan with thousands below it would go unasked."""
    world = World(mongodb_url, ORPHAN_CLEANUP_LIMIT="5")
    above = world.add_task(ANCHOR, "daily", parentRecurringId=ObjectId())
    for _ in range(6):
        world.add_task(ANCHOR, "daily", parentRecurringId=above)

    with pytest.raises(CleanupRefused, match="7 of 7 occurrences"):
        world.worker.maintenance.clean_orphans()
    assert world.worker.maintenance.clean_orphans(confirm=True) == 7
    world.close()


@pytest.mark.parametrize("value", ["", None])
def test_a_task_without_an_id_is_found_and_stops_no_check(world: World, value: object) -> None:
    head = world.add_task(ANCHOR, "daily")
    world.worker.mongo.tasks.insert_one(world.task(head) | {"_id": value, "taskId": 99})
    asked_by(world, "reconciliation", head)

    [finding] = world.worker.consistency.run(only=["wrong_id_types"])
    assert (finding.count, finding.samples[0]["field"]) == (1, "_id")
    assert world.worker.consistency.run()
