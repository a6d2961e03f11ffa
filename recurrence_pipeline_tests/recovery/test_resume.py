"""A series that stopped because everything open in it was deleted goes on when a person asks, and not before."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import OriginalNotFound, PartialWrite, ResumeRefused
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import Crash, World, utc

ANCHOR = utc(2024, 1, 15, 9)


def day(number: int) -> datetime:
    """Return slot `number` of a daily series."""
    return ANCHOR + timedelta(days=number)


def stopped(world: World) -> ObjectId:
    """Return a daily series of which the original was completed, and the occurrences 1 to 4 deleted."""
    head = world.create(ANCHOR, "daily")
    world.complete(head)
    world.add_event("complete", head)
    world.work()
    world.worker.mongo.tasks.delete_many({"parentRecurringId": head})
    return head


def resume(world: World, task_id: ObjectId) -> list[int | None]:
    done = world.worker.resumption.resume(str(task_id), dry_run=False)
    assert done.written
    return [new.slot for new in done.occurrences]


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def test_a_stopped_series_goes_on_behind_its_cursor(world: World) -> None:
    head = stopped(world)
    assert red(world) == {"series_stopped": 1}

    assert resume(world, head) == [5, 6, 7]

    assert world.due_dates(head) == [day(5), day(6), day(7)]
    assert world.cursor(head) == 7
    assert world.actions().count("RECURRING_TASK_CREATED") == 7
    assert red(world) == {}


def test_what_was_resumed_stays_ahead_as_tasks_are_completed(world: World) -> None:
    head = stopped(world)
    resume(world, head)
    fifth = world.occurrences_by_slot(head)[5]
    world.complete(fifth)
    world.add_event("complete", fifth)
    world.work()

    assert sorted(world.occurrences_by_slot(head)) == [5, 6, 7, 8, 9]
    assert red(world) == {}


def test_slots_in_the_past_are_passed_over(world: World) -> None:
    """A person who takes up running again does not want the runs of last year."""
    head = stopped(world)
    world.now = day(100) + timedelta(hours=1)

    assert resume(world, head) == [101, 102, 103]

    assert world.due_dates(head) == [day(101), day(102), day(103)]
    assert red(world) == {}


def test_a_slot_of_this_very_moment_counts_as_past(world: World) -> None:
    head = stopped(world)
    world.now = day(100)
    assert resume(world, head) == [101, 102, 103]


def test_a_dry_run_names_the_slots_and_writes_nothing(world: World) -> None:
    head = stopped(world)
    before, events = world.everything(), world.worker.mongo.events.count_documents({})

    shown = world.worker.resumption.resume(str(head)).as_json()

    assert (shown["written"], shown["goesOn"]) == (False, False)
    assert [new["slot"] for new in shown["created"]] == [5, 6, 7]
    assert world.everything() == before
    assert world.worker.mongo.events.count_documents({}) == events


def test_asked_again_it_says_that_the_series_goes_on(world: World) -> None:
    head = stopped(world)
    resume(world, head)
    before = world.everything()

    again = world.worker.resumption.resume(str(head), dry_run=False)

    assert (again.goes_on, again.written, again.occurrences) == (True, False, ())
    assert world.everything() == before


def test_an_event_tells_what_was_made(world: World) -> None:
    head = stopped(world)
    resume(world, head)

    (event,) = world.worker.mongo.events.find({"source": "manual"})
    made = world.occurrences_by_slot(head)
    assert (event["operation"], event["taskId"], event["status"]) == ("create", head, "completed")
    assert event["result"]["created"] == [made[5], made[6], made[7]]
    assert {world.task(task_id)["createdByEvent"] for task_id in made.values()} == {event["_id"]}


@pytest.mark.parametrize("step", [WriteStep.CURSORS, WriteStep.OCCURRENCES, WriteStep.ACTIVITIES])
@pytest.mark.parametrize("first_the_worker", [False, True], ids=["at once", "after the worker took over its event"])
def test_a_crash_after_any_step_is_made_up_for_by_asking_again(
    world: World, step: WriteStep, *, first_the_worker: bool
) -> None:
    head = stopped(world)
    world.crash_after = step
    with pytest.raises(Crash):
        resume(world, head)
    if first_the_worker:
        world.pass_time(seconds=61)
        assert world.work().count("completed") == 1

    resume(world, head)

    assert world.due_dates(head) == [day(5), day(6), day(7)]
    assert world.cursor(head) == 7
    assert world.actions().count("RECURRING_TASK_CREATED") == 7
    world.pass_time(seconds=61)
    world.work()
    assert red(world) == {}


def test_a_resumption_cut_off_between_two_inserts_is_completed_without_a_gap_even_much_later(world: World) -> None:
    head = stopped(world)
    world.crash_after = WriteStep.OCCURRENCES
    with pytest.raises(Crash):
        resume(world, head)
    world.worker.mongo.tasks.delete_one({"_id": world.occurrences_by_slot(head)[6]})  # it was not written yet
    world.now = day(50)
    world.work()

    assert resume(world, head) == [6]
    assert world.due_dates(head) == [day(5), day(6), day(7)]


def test_several_who_ask_at_once_make_the_same_3(world: World) -> None:
    head = stopped(world)
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda worker: worker.resumption.resume(str(head), dry_run=False), workers))
    for worker in workers:
        worker.close()

    assert world.due_dates(head) == [day(5), day(6), day(7)]
    assert world.actions().count("RECURRING_TASK_CREATED") == 7


def test_who_looks_while_another_resumes_makes_the_same_3(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    head = stopped(world)
    load, looks = Tasks.load, list[Snapshot]()

    def loads_and_is_overtaken(tasks: Tasks, *asked: Any) -> Snapshot:
        looks.append(found := load(tasks, *asked))
        if len(looks) == 1:
            with closing(world.open_worker()) as other:
                assert len(other.resumption.resume(str(head), dry_run=False).occurrences) == 3
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Tasks, "load", loads_and_is_overtaken)
        resume(world, head)

    assert world.due_dates(head) == [day(5), day(6), day(7)]
    assert red(world) == {}


def test_where_the_original_goes_meanwhile_nothing_is_left_behind(world: World) -> None:
    head = stopped(world)

    def delete_original(step: WriteStep) -> None:
        if step is WriteStep.OCCURRENCES:
            world.worker.mongo.tasks.delete_one({"_id": head})

    worker = open_worker(world.settings, clock=lambda: world.now, on_step=delete_original)
    with closing(worker), pytest.raises(OriginalNotFound):
        worker.resumption.resume(str(head), dry_run=False)

    assert world.occurrences(head) == []


def test_a_crash_while_the_original_goes_is_cleared_up_by_the_worker(world: World) -> None:
    head = stopped(world)
    world.crash_after = WriteStep.OCCURRENCES
    with pytest.raises(Crash):
        resume(world, head)
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.pass_time(seconds=61)
    world.work()

    assert world.occurrences(head) == []


def test_what_the_database_refuses_is_named_and_made_when_asked_again(world: World) -> None:
    head = stopped(world)
    rule = {"$jsonSchema": {"properties": {"occurrenceNumber": {"not": {"enum": [6]}}}}}
    world.worker.mongo.db.command("collMod", "tasks", validator=rule)
    with pytest.raises(PartialWrite, match="1 occurrence could not be written"):
        resume(world, head)
    world.worker.mongo.db.command("collMod", "tasks", validator={})

    assert resume(world, head) == [6]
    assert world.due_dates(head) == [day(5), day(6), day(7)]


def test_a_series_with_an_open_task_is_left_as_it_is(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    world.worker.mongo.tasks.delete_many({"parentRecurringId": head})

    assert world.worker.resumption.resume(str(head), dry_run=False).goes_on, "the original can be completed"
    assert world.occurrences(head) == []


def test_a_series_that_an_event_would_continue_is_refused_with_how_to_ask(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    world.complete(head)
    with pytest.raises(ResumeRefused, match=f"recurrence trigger create {head}"):
        world.worker.resumption.resume(str(head), dry_run=False)


def test_what_is_no_series_is_refused(world: World) -> None:
    with pytest.raises(ResumeRefused, match="does not recur"):
        world.worker.resumption.resume(str(world.add_task(ANCHOR, "none")))
    with pytest.raises(OriginalNotFound):
        world.worker.resumption.resume(str(ObjectId()))


def test_a_series_in_another_zone_is_counted_on_its_wall_clock(world: World) -> None:
    head = world.create(utc(2024, 3, 8, 14), "daily", timezone="America/New_York", createdAt=world.now)
    world.complete(head)
    world.add_event("complete", head)
    world.work()
    world.worker.mongo.tasks.delete_many({"parentRecurringId": head})
    world.now = utc(2024, 3, 20, 13, 30)

    resume(world, head)

    assert world.due_dates(head) == [utc(2024, 3, 21, 13), utc(2024, 3, 22, 13), utc(2024, 3, 23, 13)]
