"""A worker that is frozen (SIGSTOP) past the end of its lease, and then goes on as if nothing had been.

Meanwhile another has taken its events over, and the user went on too. What the frozen one still does must change none
of it: it asks for its lease before each group of writes, and each write on its own can do no harm when it comes late.
No lease can close the gap between a check and the write that follows it. Where no document is left that would say no,
two things remain: an insert brings back what was deleted meanwhile, and a deletion takes again what was put back.
Documents are compared with every field, times and all.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.service import OperationRequest
from recurrence_pipeline_tests.worker.crashing import (
    Trace,
    Work,
    frozen_after_look,
    frozen_after_step,
    frozen_before_write,
    trace,
)
from recurrence_pipeline_tests.worker.scenarios import (
    PAST_THE_LEASE,
    Prepare,
    Scenario,
    completions,
    creations,
    deletions,
    exclusions,
    refused_creations,
    reopenings,
    shortenings,
    skips_undone,
)
from recurrence_pipeline_tests.worker.test_crash_matrix import WRITES_OF
from recurrence_pipeline_tests.world import World

pytestmark = pytest.mark.timeout(300)

A_LITTLE_OF_EVERYTHING: tuple[Prepare, ...] = (creations, refused_creations, completions, deletions)
CHANGES: tuple[Prepare, ...] = (exclusions, shortenings, reopenings, skips_undone)


class Frozen(Scenario):
    """A clock on the wall, and a user who goes on."""

    def __init__(self, world: World, folder: Path, *prepared: Prepare, count: int = 2) -> None:
        super().__init__(world)
        for prepare in prepared:
            prepare(self, count)
        self.asked = self.operations()
        self.wall_clock = folder / "clock"
        done = self.calm()
        self.steps, self.writes, self.looks = done.steps, done.in_order, len(done.looks)

    def put_back(self) -> None:
        super().put_back()
        self.set_clock()

    def set_clock(self, later: timedelta = timedelta()) -> None:
        self.wall_clock.write_text((self.world.now + later).isoformat())

    def at_the_wall_clock(self) -> Work:
        return replace(self.work(), wall_clock=self.wall_clock)

    def taken_over(self) -> None:
        """Let the lease run out, and another worker do the work."""
        self.set_clock(PAST_THE_LEASE)
        trace(self.at_the_wall_clock())

    def place(self, step: WriteStep, write: tuple[str, str]) -> int:
        """Return which write is the first of its kind in a step, counted from 1."""
        return self.writes.index((step, write)) + 1

    def others_go_on(self) -> Document:
        """Have the work taken over; then the user deletes one new occurrence, completes another and renames a third.

        Return what was deleted.
        """
        self.taken_over()
        tasks = self.world.worker.mongo.tasks
        known = self.world.worker.mongo.series.distinct("_id")
        series = tasks.find_one({"parentRecurringId": None, "repeatType": "daily", "_id": {"$in": known}})
        assert series is not None
        slots = self.world.occurrences_by_slot(series["_id"])
        deleted = self.world.task(slots[2])
        tasks.delete_one({"_id": slots[2]})
        self.world.complete(slots[1])
        tasks.update_one({"_id": slots[3]}, {"$set": {"title": "Renamed"}})
        return deleted


class FrozenRequests(Frozen):
    """Callers wait for all of it together, instead of events that wait."""

    requests: Sequence[OperationRequest] = ()

    def calm(self, work: Work | None = None) -> Trace:
        events = self.world.worker.mongo.events
        waiting = list(events.find({"status": "pending"}))
        self.requests = [OperationRequest(str(e["taskId"]), e["operation"], str(e["userId"])) for e in waiting]
        events.delete_many({"_id": {"$in": [event["_id"] for event in waiting]}})
        return super().calm(work)

    def work(self) -> Work:
        return replace(super().work(), asked=self.requests)

    def taken_over(self) -> None:
        self.set_clock(PAST_THE_LEASE)
        trace(replace(self.at_the_wall_clock(), asked=()))


@pytest.fixture
def frozen(world: World, tmp_path: Path) -> Frozen:
    return Frozen(world, tmp_path, *A_LITTLE_OF_EVERYTHING)


def test_a_worker_that_was_frozen_between_two_writes_changes_nothing_and_says_that_it_lost_its_leases(
    frozen: Frozen,
) -> None:
    for place in range(1, len(frozen.steps)):
        frozen.put_back()
        with frozen_after_step(frozen.at_the_wall_clock(), place) as woken:
            frozen.others_go_on()
            expected = frozen.raw()
        assert frozen.raw() == expected, f"frozen after step {place}: {frozen.steps[place - 1].value}"
        assert woken.numbers["leases_lost"] > 0
        frozen.check_numbers()


def test_a_worker_that_was_frozen_between_reading_and_writing_changes_nothing_and_says_that_it_lost_its_leases(
    frozen: Frozen,
) -> None:
    """What it has read is out of date: without a look at its lease, it would bring back what the user has deleted."""
    assert frozen.looks > 0
    for place in range(1, frozen.looks + 1):
        frozen.put_back()
        with frozen_after_look(frozen.at_the_wall_clock(), place) as woken:
            frozen.others_go_on()
            expected = frozen.raw()
        assert frozen.raw() == expected, f"frozen after look {place} of {frozen.looks}"
        assert woken.numbers["leases_lost"] > 0
        frozen.check_numbers()


def test_a_worker_that_was_frozen_while_callers_waited_for_a_group_changes_nothing_when_another_has_done_it(
    world: World, tmp_path: Path
) -> None:
    frozen = FrozenRequests(world, tmp_path, creations, completions, deletions, count=1)
    assert len(frozen.asked) == 3
    for place in range(1, len(frozen.steps)):
        frozen.put_back()
        with frozen_after_step(frozen.at_the_wall_clock(), place):
            frozen.taken_over()
            expected = frozen.raw()
        assert {event["status"] for event in expected["task_events"]} == {"completed"}
        assert frozen.raw() == expected, f"frozen after step {place}: {frozen.steps[place - 1].value}"
        frozen.check_numbers()


def test_a_worker_that_was_frozen_before_it_held_anything_finds_nothing_to_do(frozen: Frozen) -> None:
    frozen.put_back()
    with frozen_before_write(frozen.at_the_wall_clock(), 1) as woken:
        frozen.others_go_on()
        expected = frozen.raw()
    assert frozen.raw() == expected
    assert set(woken.numbers.values()) == {0}


def test_a_write_that_was_frozen_on_its_way_changes_nothing_when_it_arrives(frozen: Frozen) -> None:
    """But for one: an insert of occurrences brings back what the user has deleted in between, if that was among them.

    It comes back as it was first made, under the same id.
    """
    for place, (step, write) in enumerate(frozen.writes[1:], 2):
        frozen.put_back()
        with frozen_before_write(frozen.at_the_wall_clock(), place) as woken:
            deleted = frozen.others_go_on()
            expected = frozen.raw()
        if step is WriteStep.OCCURRENCES:
            back = frozen.world.task(deleted["_id"])
            assert (back["occurrenceNumber"], back["title"]) == (2, deleted["title"])
            frozen.world.worker.mongo.tasks.delete_one({"_id": deleted["_id"]})
        assert frozen.raw() == expected, f"frozen before write {place}: {write}, of step {step}"
        assert woken.numbers["leases_lost"] > 0
        frozen.check_numbers()


@pytest.mark.parametrize("prepare", CHANGES)
def test_a_worker_that_was_frozen_in_a_change_of_a_series_changes_nothing_when_another_has_made_it(
    world: World, tmp_path: Path, prepare: Prepare
) -> None:
    """Between any two steps, and with the first write of each step on its way.

    But for the note on a copy of when its task was put back: that has the time of the latest.
    """
    frozen = Frozen(world, tmp_path, prepare, count=1)

    def raw() -> Document:
        found = frozen.raw()
        for copy in found["deleted_tasks"]:
            copy.pop("restoredAt", None)
        return found

    steps = [(place, frozen_after_step) for place in range(1, len(frozen.steps))]
    first = {step: place for place, (step, _) in reversed(list(enumerate(frozen.writes, 1))) if place > 1}
    for place, freeze in [*steps, *((place, frozen_before_write) for place in first.values())]:
        frozen.put_back()
        with freeze(frozen.at_the_wall_clock(), place) as woken:
            frozen.taken_over()
            expected = raw()
        assert raw() == expected, f"{freeze.__name__} {place}"
        assert woken.numbers["leases_lost"] > 0
        frozen.check_numbers()


def test_no_step_and_no_operation_is_missing_from_where_a_worker_was_frozen(mongodb_url: str, tmp_path: Path) -> None:
    """What somebody adds must be asked for by one of the scenarios above."""
    steps, asked = set[WriteStep](), set[str]()
    for prepared in (A_LITTLE_OF_EVERYTHING, *((prepare,) for prepare in CHANGES)):
        world = World(mongodb_url)
        frozen = Frozen(world, tmp_path, *prepared)
        steps |= {step for step, _ in frozen.writes if step is not None}
        asked |= frozen.asked
        world.worker.mongo.client.drop_database(world.worker.mongo.db.name)
        world.close()
    assert steps == set(WRITES_OF)
    assert asked == {operation.value for operation in Operation}


def test_what_a_late_insert_leaves_of_a_series_that_was_deleted_is_found_by_the_orphan_cleanup(
    world: World, tmp_path: Path
) -> None:
    frozen = Frozen(world, tmp_path, creations, count=1)
    frozen.put_back()
    mongo = world.worker.mongo
    with frozen_before_write(frozen.at_the_wall_clock(), frozen.place(WriteStep.OCCURRENCES, ("insert", "tasks"))):
        frozen.taken_over()
        (original,) = mongo.tasks.find({"parentRecurringId": None})
        mongo.tasks.delete_one({"_id": original["_id"]})
        world.worker.process_task_recurrence(str(original["_id"]), "delete", str(world.user))
        assert tasks_there(world) == []

    assert len(world.occurrences(original["_id"])) == 3
    world.worker.maintenance.clean_orphans(confirm=True)
    assert tasks_there(world) == []


def test_what_a_late_deletion_takes_again_of_what_was_put_back_is_still_kept(world: World, tmp_path: Path) -> None:
    frozen = Frozen(world, tmp_path, deletions, count=1)
    frozen.put_back()
    (event,) = world.worker.mongo.events.find()
    with frozen_before_write(frozen.at_the_wall_clock(), frozen.place(WriteStep.DELETE, ("delete", "tasks"))):
        frozen.taken_over()
        world.worker.deletions.restore(str(event["_id"]), dry_run=False)
        restored = world.occurrences(event["taskId"])
        assert len(restored) == 3

    assert world.occurrences(event["taskId"]) == []
    copies = world.worker.mongo.deleted.find({"task.parentRecurringId": event["taskId"]}).sort("task.dueDate", 1)
    assert [copy["task"] for copy in copies] == restored


def tasks_there(world: World) -> list[Any]:
    return [ObjectId(task["_id"]) for task in world.worker.mongo.tasks.find()]
