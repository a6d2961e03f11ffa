"""What the processor promises of leases, crashes, refusals and outages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import Crash, World, utc

ANCHOR = utc(2024, 1, 15, 9)
PAST_THE_LEASE: dict[str, float] = {"seconds": 61}
CREATE_STEPS = [
    WriteStep.OCCURRENCES,
    WriteStep.ACTIVITIES,
    WriteStep.LINKS,
    WriteStep.CURSORS,
    WriteStep.FAILURES,
    WriteStep.OUTCOMES,
]
DELETE_STEPS = [
    WriteStep.ANNOUNCE,
    WriteStep.CURSORS_PAST_DELETIONS,
    WriteStep.KEEP_DELETED,
    WriteStep.DELETE,
    WriteStep.OUTCOMES,
]


@contextmanager
def refusing(world: World, fail: dict[str, Any], mode: object = "alwaysOn") -> Iterator[None]:
    """Make the server fail commands on purpose (MongoDB's `failCommand` fail point)."""
    client: MongoClient[Document] = world.worker.mongo.client
    client.admin.command("configureFailPoint", "failCommand", mode=mode, data=fail)
    try:
        yield
    finally:
        client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.mark.parametrize("step", CREATE_STEPS)
def test_a_creation_and_a_completion_that_crash_after_any_step_end_like_calm_ones(
    mongodb_url: str, step: WriteStep
) -> None:
    """The lease runs out, the next worker takes the event, and the same plan is completed."""
    world = World(mongodb_url)
    original = world.add_task(ANCHOR, "daily")
    finished = world.add_task(ANCHOR, "weekly", isCompleted=True)
    events = [world.add_event("create", original), world.add_event("complete", finished)]
    world.crash_after = step
    with pytest.raises(Crash):
        world.work()
    # A process that dies cannot give back what it holds.
    world.worker.mongo.events.update_many(
        {"status": "pending"},
        {"$set": {"status": "processing", "lease.owner": "who died", "lease.until": world.now}},
    )

    world.pass_time(**PAST_THE_LEASE)
    world.work()

    assert [task["occurrenceNumber"] for task in world.occurrences(original)] == [1, 2, 3]
    assert [task["occurrenceNumber"] for task in world.occurrences(finished)] == [1, 2, 3, 4]
    assert world.actions() == ["RECURRING_TASK_CREATED"] * 7 + ["RECURRING_TASK_UPDATED"]
    assert {world.event(event)["status"] for event in events} == {"completed"}
    assert {world.event(event).get("attempts", 0) for event in events} == {0}, "a death is no failure of the event"
    world.close()


@pytest.mark.parametrize("step", DELETE_STEPS)
def test_the_count_of_a_deletion_that_crashed_anywhere_is_the_true_one(mongodb_url: str, step: WriteStep) -> None:
    world = World(mongodb_url)
    original = world.create(ANCHOR, "daily")
    event = world.add_event("delete", original)
    world.crash_after = step
    with pytest.raises(Crash):
        world.work()

    world.pass_time(**PAST_THE_LEASE)
    world.work()

    assert world.event(event)["result"]["deleted"] == 3
    assert world.occurrences(original) == []
    assert world.actions().count("RECURRING_TASKS_DELETED") == 1
    assert world.worker.mongo.deleted.count_documents({"deletion": event}) == 3
    world.close()


def test_an_occurrence_deleted_before_its_making_has_ended_does_not_take_the_others_along(world: World) -> None:
    """The first worker died before it moved the cursor: the second makes the occurrence again, then hears of this."""
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    world.crash_after = WriteStep.OCCURRENCES
    with pytest.raises(Crash):
        world.work()
    deleted = world.occurrences_by_slot(original)[2]
    world.worker.mongo.tasks.delete_one({"_id": deleted})
    deletion = world.add_event("delete", deleted)
    world.pass_time(seconds=1)

    world.work()

    assert sorted(world.occurrences_by_slot(original)) == [1, 3]
    assert {world.event(i)["status"] for i in (event, deletion)} == {"completed"}


def test_what_crashed_is_given_back_by_a_worker_that_can_still_speak(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    world.crash_after = WriteStep.OCCURRENCES
    with pytest.raises(Crash):
        world.work()

    assert world.event(event)["status"] == "pending"
    assert world.work().numbers()["completed"] == 1


def test_a_second_worker_that_took_over_wins_and_the_first_writes_nothing_more(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    held = world.worker.lease(1)
    world.pass_time(**PAST_THE_LEASE)
    other = world.open_worker()
    taken = other.lease(1)

    late = world.worker.process(held)

    assert late.numbers() | {"leases_lost": 0} == dict.fromkeys(late.numbers(), 0)
    assert late.leases_lost == 1
    assert world.occurrences(original) == []
    assert other.process(taken).count("completed") == 1
    assert world.event(event)["lease"]["term"] == 2
    other.close()


def test_a_lease_lost_while_a_failure_is_recorded_is_an_answer_and_fails_nothing(world: World) -> None:
    """Else a bad event and a slow moment together would fail a run."""
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    other = world.open_worker()

    def taken_over_meanwhile() -> float:
        world.pass_time(**PAST_THE_LEASE)
        assert len(other.lease(1)) == 1
        return 0.0

    with (
        refusing(world, {"failCommands": ["insert"], "errorCode": 50}, {"times": 1}),
        open_worker(world.settings, clock=lambda: world.now, chance=taken_over_meanwhile) as slow,
    ):
        summary = slow.process_pending(1)

    assert (summary.events, summary.leases_lost) == (0, 1)
    assert (world.event(event)["status"], world.event(event)["lease"]["term"]) == ("processing", 2)
    other.close()


def test_a_lease_that_ran_out_but_that_nobody_took_is_renewed(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    world.add_event("create", original)
    held = world.worker.lease(1)
    world.pass_time(**PAST_THE_LEASE)

    assert world.worker.process(held).count("completed") == 1


def test_a_claim_that_is_interrupted_midway_is_given_back(mongodb_url: str) -> None:
    """Else what it held would wait for the end of a lease that nobody uses."""
    world = World(mongodb_url, WORKER_BATCH_SIZE="2")
    events = [world.add_event("create", world.add_task(ANCHOR, "daily")) for _ in range(5)]
    ticks = iter([world.now, world.now])

    def clock() -> datetime:
        tick = next(ticks, None)
        if tick is None:
            raise Crash("while the third page is held")
        return tick

    with open_worker(world.settings, clock=clock) as worker, pytest.raises(Crash):
        worker.lease(5)

    assert {world.event(event)["status"] for event in events} == {"pending"}
    assert world.work().count("completed") == 5
    world.close()


def test_an_event_that_killed_five_workers_is_a_dead_letter(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    for _ in range(6):
        assert len(world.worker.lease(1)) == 1
        world.pass_time(**PAST_THE_LEASE)

    world.work()

    stored = world.event(event)
    assert (stored["status"], stored["errors"][-1]["code"]) == ("failed", "HOLDER_DIED")


def test_a_page_of_events_that_fail_does_not_hold_up_those_behind_it(mongodb_url: str) -> None:
    world = World(mongodb_url, WORKER_BATCH_SIZE="5")
    nowhere = [world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1)) for _ in range(7)]
    original = world.add_task(ANCHOR, "daily")
    world.add_event("create", original)

    world.work()

    assert len(world.occurrences(original)) == 3
    assert {world.event(event)["status"] for event in nowhere} == {"rejected"}
    world.close()


def test_a_task_that_comes_a_moment_after_its_event_is_waited_for(world: World) -> None:
    late = ObjectId()
    event = world.add_event("create", late)
    assert world.work().numbers()["retried"] == 1
    assert world.event(event)["availableAt"] == world.now + timedelta(milliseconds=500)

    world.pass_time(seconds=1)
    world.add_task(ANCHOR, "daily", _id=late)
    world.work()

    assert len(world.occurrences(late)) == 3
    assert world.event(event)["attempts"] == 1


def test_a_task_that_never_comes_is_rejected_after_half_a_minute_and_its_user_told(world: World) -> None:
    event = world.add_event("create", ObjectId())
    for _ in range(12):
        world.work()
        world.pass_time(seconds=5)

    stored = world.event(event)
    assert (stored["status"], stored["errors"][-1]["message"]) == ("rejected", "Original task not found")
    assert world.actions() == ["WORKER_CREATE_FAILED"]


def test_one_document_that_the_database_refuses_costs_one_event(world: World) -> None:
    """Its good slots are there, the cursor waits for the missing one, and after the retries it is a dead letter."""
    good = world.add_task(ANCHOR, "daily")
    bad = world.add_task(ANCHOR, "weekly", title="Refuse the second")
    refuse_22nd = {"$nor": [{"title": "Refuse the second", "dueDate": utc(2024, 1, 29, 9)}]}
    world.worker.mongo.db.command("collMod", "tasks", validator=refuse_22nd)
    world.add_event("create", good)
    event = world.add_event("create", bad)

    for _ in range(4):
        world.work()
        world.pass_time(minutes=10)

    stored = world.event(event)
    assert len(world.occurrences(good)) == 3
    assert [task["occurrenceNumber"] for task in world.occurrences(bad)] == [1, 3]
    assert (stored["status"], stored["errors"][-1]["code"], stored["attempts"]) == ("failed", "PARTIAL", 4)
    assert "slot 2 could not be written" in stored["errors"][-1]["message"]
    assert len(stored["result"]["created"]) == 2
    assert world.cursor(bad) is None

    world.worker.mongo.db.command("collMod", "tasks", validator={})
    world.add_event("create", bad)
    world.work()
    assert [task["occurrenceNumber"] for task in world.occurrences(bad)] == [1, 2, 3]


def test_an_original_that_goes_while_its_occurrences_are_written_takes_them_along(mongodb_url: str) -> None:
    world = World(mongodb_url)
    original = world.add_task(ANCHOR, "daily")
    kept = world.add_task(ANCHOR, "daily")
    events = [world.add_event("create", original), world.add_event("create", kept)]

    def delete_meanwhile(step: WriteStep) -> None:
        if step is WriteStep.OCCURRENCES:
            world.worker.mongo.tasks.delete_one({"_id": original})

    with open_worker(world.settings, clock=lambda: world.now, on_step=delete_meanwhile) as worker:
        summary = worker.process_pending()

    assert world.occurrences(original) == []
    assert len(world.occurrences(kept)) == 3
    assert [world.event(event)["status"] for event in events] == ["rejected", "completed"]
    assert (summary.occurrences_created, summary.occurrences_deleted) == (3, 0)
    assert world.worker.mongo.deleted.count_documents({"deletion": events[0], "reason": "original gone"}) == 3
    assert world.actions() == ["RECURRING_TASK_CREATED"] * 3 + ["WORKER_CREATE_FAILED"]
    world.close()


def test_an_outage_stops_the_work_and_uses_up_no_attempt(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    with (
        refusing(world, {"failCommands": ["insert"], "closeConnection": True}),
        pytest.raises(DatabaseUnavailable),
    ):
        world.work()

    stored = world.event(event)
    assert (stored["status"], stored.get("attempts", 0), stored.get("errors", [])) == ("pending", 0, [])
    assert world.work().count("completed") == 1


def test_a_time_limit_costs_an_attempt_and_the_next_one_succeeds(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    event = world.add_event("create", original)
    with refusing(world, {"failCommands": ["insert"], "errorCode": 50}, {"times": 1}):
        assert world.work().numbers()["retried"] == 1

    world.pass_time(seconds=1)
    assert world.work().count("completed") == 1
    stored = world.event(event)
    assert (stored["attempts"], stored["errors"][0]["kind"]) == (1, "transient")


def test_a_lagging_counter_is_moved_past_the_numbers_in_use(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    world.worker.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 0}})
    world.add_event("create", original)

    assert world.work().count("completed") == 1
    numbers = [task["taskId"] for task in world.worker.mongo.tasks.find()]
    assert len(set(numbers)) == len(numbers) == 4


def test_counters_that_are_emptied_meanwhile_start_after_the_highest_number(world: World) -> None:
    world.create(ANCHOR, "daily")
    second = world.add_task(ANCHOR, "daily", taskId=100)
    world.worker.mongo.counters.delete_many({})
    world.add_event("create", second)
    world.work()

    assert sorted(task["taskId"] for task in world.worker.mongo.tasks.find()) == [1, 2, 3, 4, 100, 101, 102, 103]


@pytest.mark.parametrize("odd", [None, "lost", {"number": "three"}, {"number": 2.0, "repeatType": "daily"}])
def test_a_cursor_of_an_odd_shape_that_an_earlier_version_wrote_is_none(world: World, odd: object) -> None:
    original = world.add_task(ANCHOR, "daily", recurrenceCursor=odd)
    world.add_event("create", original)

    assert world.work().count("completed") == 1
    assert world.cursor(original) == 3
    assert world.task(original)["recurrenceCursor"] == odd, "the documents of the application stay as they are"


def test_an_activity_that_the_database_refuses_never_fails_the_work(world: World) -> None:
    world.worker.mongo.db.command("collMod", "useractivities", validator={"action": "never"})

    original = world.create(ANCHOR, "daily")

    assert len(world.occurrences(original)) == 3
    assert world.actions() == []


def test_a_deletion_without_a_user_is_rejected(world: World) -> None:
    held = world.add_event("create", ObjectId())
    world.worker.mongo.events.update_one(
        {"_id": held}, {"$set": {"operation": "delete"}, "$unset": {"userId": ""}}, bypass_document_validation=True
    )

    world.work()

    assert world.event(held)["errors"][-1]["message"] == "userId is required for delete operation"
