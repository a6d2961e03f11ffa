"""Repairs at once, in order, with a guard; and what checking costs. Each single repair is in test_consistency.py."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId

from benchmarks.maintenance import fill
from benchmarks.stage import Database, stage
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput
from recurrence_pipeline.maintenance.checks import Repair
from recurrence_pipeline.maintenance.scan import A_PIECE
from recurrence_pipeline.storage.database_checks import MAX_SAMPLES
from recurrence_pipeline_tests.worker.test_round_trips import counted
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def repair(world: World, *names: str) -> dict[str, Repair]:
    return {done.name: done for done in world.worker.consistency.repair(names or None, dry_run=False)}


def spoil(world: World, count: int = 5) -> None:
    """Prepare `count` of each issue that a repair repairs in the tasks."""
    for _ in range(count):
        for spoiled in ("cursor", "date", "nested", "behind"):
            head = world.create(ANCHOR, "daily")
            slots = world.occurrences_by_slot(head)
            change = world.worker.mongo.tasks.update_one
            match spoiled:
                case "cursor":
                    lowered = {"$set": {"cursor.number": 1}}
                    world.worker.mongo.series.update_one({"_id": head}, lowered)
                case "date":
                    change({"_id": slots[1]}, {"$set": {"originalDueDate": None}})
                case "nested":
                    change({"_id": slots[3]}, {"$set": {"parentRecurringId": slots[2]}})
                case _:
                    world.complete(slots[1])
        world.add_task(ANCHOR, "daily", parentRecurringId=ObjectId())


def test_several_repairs_at_once_do_all_of_it_once(world: World) -> None:
    spoil(world)
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda worker: worker.consistency.repair(dry_run=False), workers))
    for worker in workers:
        worker.close()

    once = {"orphans", "nested_occurrences", "missing_original_due_date", "series_behind"}
    assert {name: sum(r.repaired for rs in done for r in rs if r.name == name) for name in once} == dict.fromkeys(
        once, 5
    )
    world.work()
    assert red(world) == {}
    assert world.worker.mongo.tasks.count_documents({}) == 5 * (4 * 4 + 2)
    assert world.actions().count("ORPHANED_RECURRING_TASK_CLEANED") == 5


def test_a_repair_of_one_name_leaves_the_rest(world: World) -> None:
    spoil(world, 1)
    assert repair(world, "cursor_behind").keys() == {"cursor_behind"}
    assert red(world) == {"orphans": 1, "nested_occurrences": 1, "missing_original_due_date": 1, "series_behind": 1}


def test_a_nested_occurrence_is_hung_up_before_its_series_is_asked_for(world: World) -> None:
    """Asked for without it, its slot would be made again beside it."""
    head = world.create(ANCHOR, "daily")
    second = world.occurrences_by_slot(head)[2]
    older = world.add_task(ANCHOR + timedelta(days=4), "daily", parentRecurringId=second, isCompleted=True)
    world.complete(head)
    assert red(world) == {"nested_occurrences": 1, "series_behind": 1}

    done = repair(world)
    world.work()

    assert done["series_behind"].changes[0]["missing"] == "5, 6, 7, 8", "slot 4 is there, and completed"
    assert world.task(older)["parentRecurringId"] == head
    assert [due.day for due in world.due_dates(head)] == [16, 17, 18, 19, 20, 21, 22, 23]
    assert red(world) == {}


def test_more_orphans_than_may_go_unasked_are_left_with_the_reason(mongodb_url: str) -> None:
    world = World(mongodb_url, ORPHAN_CLEANUP_LIMIT="4")
    for _ in range(5):
        world.add_task(ANCHOR, "daily", parentRecurringId=ObjectId())

    done = repair(world, "orphans")["orphans"]

    assert (done.found, done.repaired, done.left) == (5, 0, 5)
    assert "5 of 5 occurrences have no original" in str(done.refused)
    assert red(world) == {"orphans": 5}
    world.close()


def test_what_was_asked_for_and_refused_is_not_asked_for_again(world: World) -> None:
    """The event says why: a person has to look, and a repair every night would only write more of the same."""
    head = world.create(ANCHOR, "daily")
    world.complete(head)
    assert repair(world, "series_behind")["series_behind"].repaired == 1
    world.worker.mongo.events.update_many({"source": "reconcile"}, {"$set": {"status": "failed"}})

    again = repair(world, "series_behind")["series_behind"]

    assert (again.found, again.repaired, again.left) == (1, 0, 1)
    assert world.worker.mongo.events.count_documents({"source": "reconcile"}) == 1


def test_a_cursor_that_is_ahead_of_what_people_deleted_is_no_defect(world: World) -> None:
    """The activity log knows that slot 9 was made, here from its archive."""
    head = world.create(ANCHOR, "daily")
    fifth = {"occurrenceNumber": 5, "parentRecurringId": head, "isCompleted": True}
    task_id = world.add_task(ANCHOR + timedelta(days=5), "daily", **fifth)
    world.add_event("complete", task_id)
    world.work()
    world.worker.mongo.tasks.delete_many({"occurrenceNumber": {"$gte": 5}})
    world.pass_time(days=100)
    assert world.worker.maintenance.archive_activities() > 0
    assert world.cursor(head) == 9

    assert red(world) == {}


def test_names_that_cannot_be_checked_or_repaired_are_refused_before_anything_is_done(world: World) -> None:
    spoil(world, 1)
    before = world.everything()
    with pytest.raises(InvalidInput, match="only: 'weather' is not one of orphans, "):
        world.worker.consistency.run(only=["orphans", "weather"])
    with pytest.raises(InvalidInput, match="repair: 'slot_clashes' is not one of orphans, "):
        world.worker.consistency.repair(["orphans", "slot_clashes"], dry_run=False)
    assert world.everything() == before


def add_subtasks(world: World, count: int) -> None:
    """Add so many sub-tasks that recur."""
    subtask = world.task(world.add_task(ANCHOR, "daily", parentTaskId=ObjectId()))
    world.worker.mongo.tasks.insert_many(subtask | {"_id": ObjectId(), "taskId": -n} for n in range(1, count))


def test_all_that_is_found_is_counted_and_20_are_shown(world: World) -> None:
    add_subtasks(world, A_PIECE + 30)

    (finding,) = world.worker.consistency.run(only=["recurring_subtasks"])

    assert (finding.count, len(finding.samples)) == (A_PIECE + 30, MAX_SAMPLES)
    assert len({sample["taskId"] for sample in finding.samples}) == MAX_SAMPLES


def test_progress_is_told_up_to_the_last_task(world: World) -> None:
    add_subtasks(world, A_PIECE + 30)
    told: list[int] = []
    world.worker.consistency.run(only=["orphans"], progress=told.append)
    assert told == [A_PIECE, A_PIECE + 30]


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_pass_costs_the_commands_of_its_pieces_whatever_is_wrong(world: World, pieces: int) -> None:
    spoil(world, pieces * 5)
    assert world.worker.mongo.tasks.count_documents({}) == pieces * 85

    with counted(world) as (worker, commands):
        worker.consistency.run()

    assert sum(commands.sent.values()) <= 49 + 12 * pieces, commands.sent


FOUND_IN_MANY = {
    "orphans": 300,
    "series_memory_missing": 100,
    "instants_outdated": 300,
    "series_behind": 900,
}


def test_of_thousands_of_tasks_each_is_read_with_many_others(mongodb_server: str) -> None:
    """A tenth of the originals are gone, and every other series is behind: all that costs looks to make sure of it."""
    with stage(Database(mongodb_server, None)) as at:
        fill(at, 4000)
        at.commands.sent.clear()

        found = {check.name: check.count for check in at.worker.consistency.run() if check.count}

    assert found == FOUND_IN_MANY
    assert at.commands.sent.total() <= 50 + 4000 * 0.03, at.commands.sent


def test_checks_that_need_no_pass_over_the_tasks_make_none(world: World) -> None:
    with counted(world) as (worker, commands):
        worker.consistency.run(only=["events_waiting", "events_stuck", "events_endless"])
    assert not [command for command in commands.sent if command.endswith(" tasks")]


def test_a_database_without_a_watermark_is_an_outage_that_says_what_to_do(world: World) -> None:
    world.worker.mongo.state.delete_many({})
    with pytest.raises(DatabaseUnavailable, match="run `recurrence init-db` first"):
        world.worker.consistency.run()


def test_a_dry_run_promises_all_that_will_be_repaired_also_where_only_some_is_shown(world: World) -> None:
    for _ in range(MAX_SAMPLES + 5):
        world.add_event("create", ObjectId(), status="processing", lease={"owner": "nobody"})
    (promised,) = world.worker.consistency.repair(["events_endless"])
    assert (promised.found, promised.repaired, len(promised.changes)) == (MAX_SAMPLES + 5, MAX_SAMPLES + 5, MAX_SAMPLES)
    assert repair(world, "events_endless")["events_endless"].repaired == MAX_SAMPLES + 5
