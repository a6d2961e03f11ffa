"""Two things happen to one series at once: whatever comes between two commands of the one, it ends as in some order.

The first worker stands still at one command after the other, while the second does all of its own, or a person does
something. What is compared with is what the same two come to one after the other, in both orders; an event more, as
reconciliation tells one, may be needed for that.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.worker.interleaving import Player, Turns
from recurrence_pipeline_tests.world import Crash, World, utc

pytestmark = pytest.mark.long

MONDAY = utc(2024, 1, 1, 9)
COLLECTIONS = ("tasks", "task_events", "useractivities", "deleted_tasks", "task_series", "counters")
OPTIONS = {"subtasks": True}
DONE_BEFORE: dict[str, tuple[int, dict[str, Any]]] = {
    "complete": (1, {"isCompleted": True}),
    "update": (
        0,
        {"title": "Review", "repeatType": "custom", "recurrence": OPTIONS | {"rule": "FREQ=WEEKLY;BYDAY=TU,FR"}},
    ),
    "exclude": (0, {"title": "Review", "recurrence": OPTIONS | {"excluded": ["2024-01-03"]}}),
    "shorten": (0, {"recurrence": OPTIONS | {"horizon": 1}}),
    "stop": (0, {"repeatType": "none"}),
    "reopen": (0, {"isCompleted": False}),
}
"""What the application did to which slot, before it told of it."""
BY_A_PERSON: dict[str, Callable[["Pair"], None]] = {
    "a person touches one": lambda pair: pair.store(pair.slots[3], title="mine"),
    "a person touches the last": lambda pair: pair.store(pair.slots[4], title="mine"),
    "a person completes one": lambda pair: pair.store(pair.slots[3], isCompleted=True),
    "a person deletes one": lambda pair: pair.delete(2),
}
AFTER_A_STOP = {"repeat_type_differs"}
"""What was done or touched still says how the series repeated."""
INTERRUPTED = [WriteStep.REVISIONS, WriteStep.SKIPS, WriteStep.KEEP_RETIRED, WriteStep.RETIRE, WriteStep.CURSORS]
TOLD = ["complete", "update", "exclude", "shorten", "stop", "reopen", "skip"]
EDITS = {"update", "exclude", "shorten", "stop"}
"""Of the same document: two of them at once are one edit."""
ALL_PAIRS = [
    (first, second)
    for first in TOLD
    for second in [*TOLD, *BY_A_PERSON]
    if first == second or not {first, second} <= EDITS
]
CLOSE_PAIRS = [
    ("complete", "update"),
    ("update", "complete"),
    ("update", "a person completes one"),
    ("update", "skip"),
    ("reopen", "update"),
    ("reopen", "a person completes one"),
    ("shorten", "skip"),
    ("shorten", "a person touches the last"),
    ("skip", "update"),
]
"""Of which each once lost a slot, or made one twice."""
PAIRS = ALL_PAIRS if int(os.environ.get("RECURRENCE_EXAMPLES", "1")) > 1 else CLOSE_PAIRS


class Pair:
    """A daily series whose original is done, two workers, and what can happen to it."""

    def __init__(self, mongodb_url: str) -> None:
        self.world = World(mongodb_url, now=utc(2024, 1, 1, 8))
        self.world.drop_indexes()
        self.mongo = self.world.worker.mongo
        self.players = [Player(), Player()]
        self.workers = [self._worker(player) for player in self.players]
        world = self.world
        self.head = world.add_task(MONDAY, "daily", recurrence=OPTIONS)
        world.add_task(MONDAY, "none", title="Pack", parentTaskId=self.head)
        world.worker.process_task_recurrence(str(self.head), "create")
        world.complete(self.head)
        world.worker.process_task_recurrence(str(self.head), "complete")
        self.slots: dict[int, ObjectId] = world.occurrences_by_slot(self.head)
        self.before = {name: list(self.mongo.db[name].find()) for name in COLLECTIONS}

    def _worker(self, player: Player) -> Worker:
        return open_worker(self.world.settings, clock=self._clock, chance=lambda: 0.0, listeners=[player])

    def _clock(self) -> Any:
        self.world.pass_time(milliseconds=1)
        return self.world.now

    def close(self) -> None:
        for worker in (*self.workers, self.world.worker):
            worker.close()

    def restore(self) -> None:
        for name, documents in self.before.items():
            self.mongo.db[name].delete_many({})
            if documents:
                self.mongo.db[name].insert_many(documents)
        self.world.now = utc(2024, 1, 1, 8)

    def store(self, task_id: ObjectId, **fields: Any) -> None:
        self.mongo.tasks.update_one({"_id": task_id}, {"$set": fields})

    # What the application did, before the workers hear of it

    def prepare(self, what: str) -> None:
        if (done := DONE_BEFORE.get(what)) is not None:
            slot, fields = done
            self.store(self.slots[slot] if slot else self.head, **fields)

    # What is done about it

    def act(self, worker: Worker, what: str) -> None:
        """Tell a worker of it, or do what a person does; what cannot be is refused, or tried again later."""
        with suppress(RecurrenceError):
            self._act(worker, what)

    def _act(self, worker: Worker, what: str) -> None:
        if what in BY_A_PERSON:
            BY_A_PERSON[what](self)
        elif what == "complete":
            worker.process_task_recurrence(str(self.slots[1]), "complete")
        elif what == "reopen":
            worker.change(str(self.head), "reopen", dry_run=False)
        elif what == "skip":
            worker.change(str(self.slots[2]), "skip", dry_run=False)
        else:
            worker.change(str(self.head), "update", dry_run=False)
        if what == "a person completes one":
            worker.process_task_recurrence(str(self.slots[3]), "complete")

    def delete(self, slot: int) -> None:
        self.mongo.tasks.delete_many({"$or": [{"_id": self.slots[slot]}, {"parentTaskId": self.slots[slot]}]})

    def settle(self) -> None:
        """Work everything off, and tell of the series once more."""
        for _ in range(6):
            self.world.pass_time(minutes=10)
            self.world.work()
        if self.mongo.tasks.find_one({"_id": self.head}):
            self.world.add_event("update", self.head)
            self.world.work()

    def outcome(self) -> Any:
        """Return what a person sees of the series."""
        seen = [
            (t["dueDate"], t["title"], t["isCompleted"], self.mongo.tasks.count_documents({"parentTaskId": t["_id"]}))
            for t in self.world.occurrences(self.head)
        ]
        return sorted(seen)

    def findings(self) -> set[str]:
        """Return what the consistency checks find; the indexes are gone on purpose."""
        return {found.name for found in self.world.worker.consistency.run() if found.count} - {"schema"}

    def one_after_the_other(self, *acts: str) -> Any:
        self.restore()
        for what in acts:
            self.prepare(what)
        for what in acts:
            self.act(self.world.worker, what)
            self.world.pass_time(minutes=1)
        self.settle()
        return self.outcome()

    def at_once(self, first: str, second: str, place: int) -> int:
        self.restore()
        for what in (first, second):
            self.prepare(what)
        turns = Turns([(0, place), (1, 400), (0, 400)])
        for player in self.players:
            player.join(turns)
        try:
            turns.play(
                {"a": partial(self.act, self.workers[0], first), "b": partial(self.act, self.workers[1], second)}
            )
        finally:
            for player in self.players:
                player.leave()
        sent = self.players[0].sent
        self.settle()
        return sent


@pytest.fixture
def pair(mongodb_url: str) -> Iterator[Pair]:
    found = Pair(mongodb_url)
    yield found
    found.close()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_whatever_comes_between_two_commands_of_a_change_it_ends_as_in_some_order(
    pair: Pair, first: str, second: str
) -> None:
    orders = [pair.one_after_the_other(first, second), pair.one_after_the_other(second, first)]
    place, sent = 1, 1
    while place <= sent:
        sent = pair.at_once(first, second, place)
        outcome = pair.outcome()
        if "update" in {first, second} and {first, second} & {"skip", "a person completes one"}:
            # What is named may be on another slot by then, as in neither order: each has one task, and enough are open.
            assert len({due for due, *_ in outcome}) == len(outcome)
            assert sum(not done for _, _, done, _ in outcome) >= 4
        else:
            assert outcome in orders, f"{second} before command {place} of {first}"
        assert pair.findings() <= AFTER_A_STOP, f"{second} before command {place} of {first}"
        assert pair.mongo.events.distinct("status", {"status": {"$nin": ["completed", "rejected"]}}) == []
        place += 1
    assert place > 5, "the worker sends that many commands"


def test_what_stays_because_a_person_touched_it_keeps_its_sub_task_and_leaves_no_copy(pair: Pair) -> None:
    """At whatever command of the worker: a retirement deletes sub-tasks first."""
    place, sent = 1, 1
    while place <= sent:
        sent = pair.at_once("shorten", "a person touches the last", place)
        for task in pair.mongo.tasks.find({"title": "mine"}):
            assert pair.mongo.tasks.count_documents({"parentTaskId": task["_id"]}) == 1, f"before command {place}"
            assert pair.mongo.deleted.count_documents({"task._id": task["_id"]}) == 0, f"before command {place}"
        place += 1


@pytest.mark.parametrize("step", INTERRUPTED)
def test_a_skip_of_a_series_that_nothing_is_remembered_of_is_done_and_noted_wherever_it_is_interrupted(
    mongodb_url: str, step: WriteStep
) -> None:
    world = World(mongodb_url, now=utc(2024, 1, 1, 8))
    head = world.create(MONDAY, "daily")
    slots = world.occurrences_by_slot(head)
    world.worker.mongo.series.delete_many({})
    event = world.add_event("skip", slots[2])
    world.crash_after = step
    with suppress(Crash):
        world.work()
    world.pass_time(hours=1)
    world.work()
    assert world.event(event)["status"] == "completed"
    assert sorted(world.occurrences_by_slot(head)) == [1, 3, 4]
    memory = world.worker.mongo.series.find_one({"_id": head})
    assert memory is not None
    assert memory["skipped"] == {"2": {"by": event, "task": slots[2]}}
    world.close()


def test_a_reopening_does_not_believe_what_its_event_says_it_took_away(pair: Pair) -> None:
    """Else anybody who can write an event brings back what a person deleted."""
    pair.restore()
    pair.prepare("reopen")
    pair.delete(4)
    event = pair.world.add_event("reopen", pair.head)
    forged = {"$set": {"deleting": [pair.slots[4]]}}
    pair.mongo.events.update_one({"_id": event}, forged, bypass_document_validation=True)
    pair.world.work()
    assert pair.world.cursor(pair.head) == 4
    pair.store(pair.head, isCompleted=True)
    pair.world.add_event("complete", pair.head)
    pair.world.work()
    assert pair.slots[4] not in pair.world.occurrences_by_slot(pair.head).values()
