"""A worker that is frozen (SIGSTOP) past the end of its lease, and then goes on as if nothing had been.

Meanwhile another has taken its events over, and the user went on too. What the frozen one still does must change none
of it: it asks for its lease before each group of writes, and each write on its own can do no harm when it comes late.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline_tests.worker.crashing import Work, frozen_after_step, frozen_before_write, trace
from recurrence_pipeline_tests.worker.test_crash_matrix import (
    PAST_THE_LEASE,
    Scenario,
    completions,
    creations,
    deletions,
    refused_creations,
)
from recurrence_pipeline_tests.world import World

pytestmark = pytest.mark.timeout(300)


class Frozen(Scenario):
    """A little of everything, a clock on the wall, and a user who goes on."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world)
        for prepare in (creations, refused_creations, completions, deletions):
            prepare(self, 2)
        self.wall_clock = folder / "clock"
        done = self.calm()
        self.steps = len(done.steps)
        self.writes = [*(write for writes in done.writes for write in writes), *done.rest]

    def put_back(self) -> None:
        super().put_back()
        self.set_clock()

    def set_clock(self, later: timedelta = timedelta()) -> None:
        self.wall_clock.write_text((self.world.now + later).isoformat())

    def at_the_wall_clock(self) -> Work:
        return replace(self.work(), wall_clock=self.wall_clock)

    def others_go_on(self) -> ObjectId:
        """Let the lease run out, another worker take over, and the user delete one occurrence and complete another.

        Return what was deleted.
        """
        self.set_clock(PAST_THE_LEASE)
        trace(self.at_the_wall_clock())
        series = self.world.worker.mongo.tasks.find_one({"parentRecurringId": None, "repeatType": "daily"})
        assert series is not None
        slots = self.world.occurrences_by_slot(series["_id"])
        self.world.worker.mongo.tasks.delete_one({"_id": slots[2]})
        self.world.complete(slots[1])
        return slots[2]


@pytest.fixture
def frozen(world: World, tmp_path: Path) -> Frozen:
    return Frozen(world, tmp_path)


def test_a_worker_that_was_frozen_between_two_writes_changes_nothing_when_it_goes_on(frozen: Frozen) -> None:
    for place in range(1, frozen.steps):
        frozen.put_back()
        with frozen_after_step(frozen.at_the_wall_clock(), place):
            frozen.others_go_on()
            expected = frozen.documents()
        assert frozen.documents() == expected, f"frozen after step {place}"
        frozen.check_numbers()


def test_a_write_that_was_frozen_on_its_way_changes_nothing_when_it_arrives(frozen: Frozen) -> None:
    """But for one: an insert of occurrences brings back what the user has deleted in between, if that was among them.

    No lease can close the gap between a check and the write that follows it, and no document is left that would say no.
    """
    last_insert = max(n for n, write in enumerate(frozen.writes, 1) if write == ("insert", "tasks"))
    for place, (command, collection) in enumerate(frozen.writes[1:], 2):
        frozen.put_back()
        with frozen_before_write(frozen.at_the_wall_clock(), place):
            deleted = frozen.others_go_on()
            expected = frozen.documents()
        if place <= last_insert:
            frozen.world.worker.mongo.tasks.delete_one({"_id": deleted})
        assert frozen.documents() == expected, f"frozen before write {place}: {command} {collection}"
        frozen.check_numbers()
