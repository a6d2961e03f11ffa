"""The checks on the data: each finds its issue and no other does; a repair puts that right and touches nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from bson import ObjectId

from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline.storage.documents import Document, digest
from recurrence_pipeline_tests.indexes import drop_index_on
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
REPAIRABLE = {check.name for check in CHECKS if check.repairable}


def red(world: World) -> dict[str, int]:
    """Return what the checks find, by name."""
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def samples(world: World, name: str) -> list[dict[str, Any]]:
    (finding,) = world.worker.consistency.run(only=[name])
    return [dict(sample) for sample in finding.samples]


def everything(world: World) -> dict[str, list[Document]]:
    """Return all documents as they are, numbers and times included."""
    db = world.worker.mongo.db
    return {name: list(db[name].find().sort("_id", 1)) for name in sorted(db.list_collection_names())}


def change(world: World, task_id: ObjectId, **fields: object) -> None:
    assert world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": fields}).modified_count == 1


def delete(world: World, *task_ids: ObjectId) -> None:
    assert world.worker.mongo.tasks.delete_many({"_id": {"$in": list(task_ids)}}).deleted_count == len(task_ids)


# One issue each, in a world that holds a sound series beside it


def a_series(world: World, **fields: Any) -> tuple[ObjectId, dict[int, ObjectId]]:
    head = world.create(ANCHOR, "daily", **fields)
    return head, world.occurrences_by_slot(head)


def two_orphans(world: World) -> None:
    gone = ObjectId()
    world.add_task(ANCHOR, "daily", parentRecurringId=gone)
    world.add_task(ANCHOR, "daily", parentRecurringId=gone)


def one_hangs_on_its_sibling(world: World) -> None:
    _, slots = a_series(world)
    change(world, slots[3], parentRecurringId=slots[2])


def one_is_anothers(world: World) -> None:
    change(world, a_series(world)[1][2], userId=ObjectId())


def one_repeats_weekly(world: World) -> None:
    change(world, a_series(world)[1][2], repeatType="weekly")


def its_rule_was_changed(world: World) -> None:
    head, slots = a_series(world)
    for task_id in (head, *slots.values()):
        change(world, task_id, repeatType="weekly")
    world.pass_time(hours=1)


def its_original_repeats_no_more(world: World) -> None:
    change(world, a_series(world)[0], repeatType="none")


def a_sub_task_that_repeats(world: World) -> None:
    world.add_task(ANCHOR, "daily", parentTaskId=world.add_task(ANCHOR, "none"))


def a_sub_task_of_nothing(world: World) -> None:
    world.add_task(ANCHOR, "none", parentTaskId=ObjectId())


def ids_as_text(world: World) -> None:
    head, slots = a_series(world)
    change(world, slots[1], parentRecurringId=str(head), userId=str(world.user))
    world.add_task(ANCHOR, "none", parentTaskId=str(head))


def ids_that_nobody_can_tell(world: World) -> None:
    change(world, a_series(world)[1][1], parentRecurringId=5)
    world.worker.mongo.tasks.insert_one({"_id": "65b1234567890abcdef12345", "taskId": -1, "repeatType": "daily"})


def a_series_that_nothing_is_remembered_of(world: World) -> None:
    world.worker.mongo.series.delete_one({"_id": a_series(world)[0]})


def a_first_date_that_was_moved(world: World) -> None:
    change(world, a_series(world)[0], originalDueDate=ANCHOR + timedelta(days=10))


def one_that_older_time_zone_data_placed(world: World) -> None:
    _, slots = a_series(world, timezone="Europe/Berlin")
    dates = {name: ANCHOR + timedelta(days=2, hours=1) for name in ("dueDate", "originalDueDate")}
    change(world, slots[2], **dates, writtenAs=digest(world.task(slots[2]) | dates))


def an_original_and_an_occurrence_without_original_date(world: World) -> None:
    head, slots = a_series(world)
    change(world, head, originalDueDate=None)
    world.worker.mongo.tasks.update_one({"_id": slots[1]}, {"$unset": {"originalDueDate": ""}})


def an_occurrence_without_any_date(world: World) -> None:
    change(world, a_series(world)[1][1], originalDueDate=None, dueDate=None)


def an_original_date_in_words(world: World) -> None:
    change(world, a_series(world)[1][1], originalDueDate="soon")


def set_cursor(world: World, series_id: ObjectId, number: int) -> None:
    world.worker.mongo.series.update_one({"_id": series_id}, {"$set": {"cursor.number": number}})


def two_on_one_slot(world: World) -> None:
    world.add_task(ANCHOR + timedelta(days=2), "daily", parentRecurringId=a_series(world)[0])


def an_older_series_made_twice(world: World) -> None:
    head = world.add_task(ANCHOR, "daily")
    for days in (1, 1, 2, 2, 3):
        world.add_task(ANCHOR + timedelta(days=days), "daily", parentRecurringId=head)


def a_cursor_that_was_lowered(world: World) -> None:
    set_cursor(world, a_series(world)[0], 1)


def a_slot_far_past_the_cursor(world: World) -> None:
    change(world, a_series(world)[1][3], occurrenceNumber=5000)


def a_cursor_far_ahead(world: World) -> None:
    set_cursor(world, a_series(world)[0], 50)


def a_completion_that_nobody_announced(world: World) -> None:
    world.complete(a_series(world)[1][2])


def a_creation_that_nobody_announced(world: World) -> None:
    world.add_task(ANCHOR, "daily")


def nothing_left_to_complete(world: World) -> None:
    head, _ = a_series(world)
    world.complete(head)
    world.add_event("complete", head)
    world.work()
    delete(world, *world.occurrences_by_slot(head).values())


def an_unknown_zone(world: World) -> None:
    change(world, a_series(world)[0], timezone="Mars/Base")


def a_slot_in_the_far_future_is_completed(world: World) -> None:
    change(world, a_series(world)[1][3], occurrenceNumber=5000, isCompleted=True)


def a_counter_that_was_reset(world: World) -> None:
    world.worker.mongo.counters.update_one({"_id": "useractivities"}, {"$set": {"sequence_value": 1}})


def no_counters(world: World) -> None:
    world.worker.mongo.counters.delete_many({})


def an_index_that_was_dropped(world: World) -> None:
    drop_index_on(world.worker.mongo.tasks, "parentRecurringId")


def deletions_kept_for_another_time(world: World) -> None:
    world.worker.mongo.db.command("collMod", "deleted_tasks", index={"name": "deletedAt_1", "expireAfterSeconds": 60})


def failed_events_that_would_be_thrown_away(world: World) -> None:
    """The index with which completed events are thrown away must not take those that wait for a person."""
    world.worker.mongo.events.drop_index("finishedAt_1")
    seconds = int(timedelta(days=world.settings.event_retention_days).total_seconds())
    world.worker.mongo.events.create_index("finishedAt", expireAfterSeconds=seconds)


def no_validator(world: World) -> None:
    world.worker.mongo.db.command("collMod", "task_events", validator={})


def an_event_whose_holder_died(world: World) -> None:
    world.add_event("create", a_series(world)[0])
    assert len(world.worker.lease(1)) == 1
    world.pass_time(seconds=121)


def an_event_held_for_ever(world: World) -> None:
    world.add_event("create", a_series(world)[0], status="processing", lease={"owner": "nobody"})


def two_belong_to_nobody(world: World) -> None:
    """They run all the same: nobody else would say that no user sees them."""
    head, _ = a_series(world, userId=None)
    assert len(world.occurrences(head)) == 3
    head, _ = a_series(world)
    ids = [head, *(task["_id"] for task in world.occurrences(head))]
    world.worker.mongo.tasks.update_many({"_id": {"$in": ids}}, {"$unset": {"userId": ""}})


def an_event_that_waits_too_long(world: World) -> None:
    world.add_event("create", a_series(world)[0])
    world.pass_time(minutes=15, seconds=1)


def an_event_dated_in_words(world: World) -> None:
    world.worker.mongo.db.command("collMod", "task_events", validator={})
    world.add_event("create", a_series(world)[0], availableAt="tomorrow", status="completed")
    world.worker.init_db()


def a_lease_of_a_clock_ahead(world: World) -> None:
    world.add_event("create", a_series(world)[0])
    now = world.now
    world.pass_time(minutes=10)
    assert len(world.worker.lease(1)) == 1
    world.now = now


def a_retry_of_a_clock_ahead(world: World) -> None:
    ahead = world.now + timedelta(minutes=10)
    world.add_event("create", a_series(world)[0], availableAt=ahead, attempts=1, lease={"term": 1})


def an_event_from_the_future(world: World) -> None:
    world.add_event("create", a_series(world)[0], createdAt=world.now + timedelta(days=1))


class Case(NamedTuple):
    """A issue, what the checks find of it, and what they still find after everything was repaired."""

    seed: Callable[[World], None]
    found: dict[str, int]
    left: dict[str, int]


CASES = [
    Case(two_orphans, {"orphans": 2}, {}),
    Case(one_hangs_on_its_sibling, {"nested_occurrences": 1}, {}),
    Case(one_is_anothers, {"owner_differs": 1}, {"owner_differs": 1}),
    Case(two_belong_to_nobody, {"owner_missing": 2}, {"owner_missing": 2}),
    Case(one_repeats_weekly, {"repeat_type_differs": 1}, {"repeat_type_differs": 1}),
    Case(its_rule_was_changed, {"repeat_type_differs": 1}, {"repeat_type_differs": 1}),
    Case(its_original_repeats_no_more, {"repeat_type_differs": 3}, {"repeat_type_differs": 3}),
    Case(ids_as_text, {"wrong_id_types": 3}, {}),
    Case(ids_that_nobody_can_tell, {"wrong_id_types": 2}, {"wrong_id_types": 2}),
    Case(a_sub_task_of_nothing, {"subtasks_left_behind": 1}, {"subtasks_left_behind": 1}),
    Case(a_series_that_nothing_is_remembered_of, {"series_memory_missing": 1}, {}),
    Case(a_first_date_that_was_moved, {"first_date_moved": 1}, {"first_date_moved": 1}),
    Case(one_that_older_time_zone_data_placed, {"instants_outdated": 1}, {"instants_outdated": 1}),
    Case(a_sub_task_that_repeats, {"recurring_subtasks": 1}, {"recurring_subtasks": 1}),
    Case(an_original_and_an_occurrence_without_original_date, {"missing_original_due_date": 2}, {}),
    Case(an_occurrence_without_any_date, {"missing_original_due_date": 1}, {"missing_original_due_date": 1}),
    Case(an_original_date_in_words, {"missing_original_due_date": 1}, {"missing_original_due_date": 1}),
    Case(two_on_one_slot, {"slot_clashes": 1}, {"slot_clashes": 1}),
    Case(an_older_series_made_twice, {"slot_clashes": 2}, {"slot_clashes": 2}),
    Case(a_cursor_that_was_lowered, {"cursor_behind": 1}, {}),
    Case(a_slot_far_past_the_cursor, {"cursor_behind": 1}, {"cursor_behind": 1}),
    Case(a_cursor_far_ahead, {"cursor_ahead": 1}, {"cursor_ahead": 1}),
    Case(a_completion_that_nobody_announced, {"series_behind": 1}, {}),
    Case(a_creation_that_nobody_announced, {"series_behind": 1}, {}),
    Case(nothing_left_to_complete, {"series_stopped": 1}, {"series_stopped": 1}),
    Case(an_unknown_zone, {"series_unworkable": 1}, {"series_unworkable": 1}),
    Case(
        a_slot_in_the_far_future_is_completed,
        {"cursor_behind": 1, "series_unworkable": 1},
        {"cursor_behind": 1, "series_unworkable": 1},
    ),
    Case(a_counter_that_was_reset, {"counters_behind": 1}, {}),
    Case(no_counters, {"counters_behind": 2}, {}),
    Case(an_index_that_was_dropped, {"schema": 1}, {}),
    Case(deletions_kept_for_another_time, {"schema": 1}, {}),
    Case(failed_events_that_would_be_thrown_away, {"schema": 1}, {"schema": 1}),
    Case(no_validator, {"schema": 1}, {}),
    Case(an_event_whose_holder_died, {"events_stuck": 1}, {"events_stuck": 1}),
    Case(an_event_held_for_ever, {"events_endless": 1}, {}),
    Case(an_event_dated_in_words, {"events_undated": 1}, {"events_undated": 1}),
    Case(a_lease_of_a_clock_ahead, {"events_ahead": 1}, {}),
    Case(a_retry_of_a_clock_ahead, {"events_ahead": 1}, {}),
    Case(an_event_from_the_future, {"events_ahead": 1}, {"events_ahead": 1}),
    Case(an_event_that_waits_too_long, {"events_waiting": 1}, {"events_waiting": 1}),
]


def test_every_check_has_a_case_that_turns_it_red() -> None:
    assert {name for case in CASES for name in case.found} == {check.name for check in CHECKS}


def test_every_check_says_what_it_means_and_what_to_do(world: World) -> None:
    for finding in world.worker.consistency.run():
        assert (finding.check.explanation[-1], finding.check.hint[-1]) == (".", "."), finding.name
        assert finding.check.repairable is (finding.name in REPAIRABLE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.seed.__name__)
def test_a_defect_turns_its_check_red_and_is_repaired_or_left(world: World, case: Case) -> None:
    a_series(world)
    assert red(world) == {}

    case.seed(world)
    assert red(world) == case.found
    before = everything(world)

    promised = world.worker.consistency.repair()
    assert everything(world) == before, "a dry run writes nothing"
    assert not any(repair.written for repair in promised)
    assert red(world) == case.found

    done = world.worker.consistency.repair(dry_run=False)
    assert [(r.name, r.found, r.repaired, r.changes) for r in done] == [
        (r.name, r.found, r.repaired, r.changes) for r in promised
    ], "what was promised is what was done"
    assert {r.name: r.left for r in done if r.left} == {n: c for n, c in case.left.items() if n in REPAIRABLE}
    if not case.seed.__name__.startswith("an_event"):
        world.work()
    assert red(world) == case.left

    repaired = everything(world)
    world.worker.consistency.repair(dry_run=False)
    assert everything(world) == repaired, "a repair has nothing left to do"
