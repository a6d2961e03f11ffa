"""Two or three things happen to one series at once: whatever comes between two commands of one, it ends as in an order.

The first worker stands still at one of its commands, while the second does all of its own, or a person does something;
of three, the second stands still while the third does all of its own. What is compared with is what the same come to
one after the other, in every order; an event more, as reconciliation tells one, may be needed for that.

A third of the pairs is tried, at one command of the first, drawn for it; with RECURRENCE_EXAMPLES=2 all, at every one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import combinations, permutations
from random import Random
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.urls import with_database
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
    "create": (0, {"recurrence": OPTIONS | {"horizon": 5}}),
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
ELSEWHERE = {
    WriteStep.RESTORING, WriteStep.REMEMBERED, WriteStep.ORIGINALS_BACK, WriteStep.OCCURRENCES_BACK, WriteStep.RESTORED,
    WriteStep.MOVED, WriteStep.MOVES_TOLD, WriteStep.MOVES_NOTED, WriteStep.CLOCKS_MOVED, WriteStep.ORIGINALS_MOVED,
    WriteStep.CLOCKS_FOLLOWED,
}  # fmt: skip
"""Of restorations and of moves to another instant, which have suites of their own."""
INTERRUPTED = [WriteStep.REVISIONS, WriteStep.SKIPS, WriteStep.KEEP_RETIRED, WriteStep.RETIRE, WriteStep.CURSORS]
TOLD = {
    "create": Operation.CREATE,
    "complete": Operation.COMPLETE,
    "update": Operation.UPDATE,
    "exclude": Operation.UPDATE,
    "shorten": Operation.UPDATE,
    "stop": Operation.UPDATE,
    "reopen": Operation.REOPEN,
    "skip": Operation.SKIP,
    "skip what comes next": Operation.SKIP,
    "unskip": Operation.SKIP,
    "delete the series": Operation.DELETE,
}
"""What workers are told of."""
EDITS = {"create", "update", "exclude", "shorten", "stop"}
"""Of the same document: two of them at once are one edit."""


def is_one_edit(acts: tuple[str, ...]) -> bool:
    return len(EDITS.intersection(acts)) > 1


EXAMPLES = int(os.environ.get("RECURRENCE_EXAMPLES", "1"))
ALL_PAIRS = [
    (first, second)
    for first in TOLD
    for second in [*TOLD, *BY_A_PERSON]
    if first == second or not is_one_edit((first, second))
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
    ("unskip", "skip"),
    ("complete", "skip what comes next"),
    ("skip", "skip what comes next"),
    ("skip what comes next", "skip"),
    ("unskip", "delete the series"),
    ("exclude", "delete the series"),
]
"""Of which each once lost a slot, made one twice, or left something behind."""
OTHERS = [pair for pair in ALL_PAIRS if pair not in CLOSE_PAIRS]
PAIRS = ALL_PAIRS if EXAMPLES > 1 else [*CLOSE_PAIRS, *Random(6).sample(OTHERS, 20)]
TRIPLES = [
    acts
    for acts in combinations([*TOLD, *BY_A_PERSON], 3)
    if not is_one_edit(acts) and acts[0] in TOLD and acts[1] in TOLD
]
DRAWN = Random(19).sample(TRIPLES, 4 if EXAMPLES == 1 else 40)
COMMANDS = 14
"""So many commands each act has at least, of which one is drawn."""


class Pair:
    """A daily series whose original is done, workers, and what can happen to it."""

    def __init__(self, mongodb_url: str) -> None:
        self.world = World(mongodb_url, now=utc(2024, 1, 1, 8))
        self.world.drop_indexes()
        self.mongo = self.world.worker.mongo
        self.players = [Player(), Player(), Player()]
        self.workers = [self._worker(player) for player in self.players]
        world = self.world
        self.head = world.add_task(MONDAY, "daily", recurrence=OPTIONS)
        world.add_task(MONDAY, "none", title="Pack", parentTaskId=self.head)
        world.worker.process_task_recurrence(str(self.head), "create")
        world.complete(self.head)
        world.worker.process_task_recurrence(str(self.head), "complete")
        self.slots: dict[int, ObjectId] = world.occurrences_by_slot(self.head)
        self.before = {name: list(self.mongo.db[name].find()) for name in COLLECTIONS}
        self.orders: dict[tuple[str, ...], Any] = {}

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
                self.mongo.db[name].insert_many(documents, bypass_document_validation=True)
        self.world.now = utc(2024, 1, 1, 8)

    def store(self, task_id: ObjectId, **fields: Any) -> None:
        self.mongo.tasks.update_one({"_id": task_id}, {"$set": fields})

    # What the application did, before the workers hear of it

    def prepare(self, what: str) -> None:
        if what == "unskip":
            self.world.worker.change(str(self.head), "skip", slot=2, dry_run=False)
        if (done := DONE_BEFORE.get(what)) is not None:
            slot, fields = done
            self.store(self.slots[slot] if slot else self.head, **fields)

    # What is done about it

    def act(self, worker: Worker, what: str) -> None:
        """Tell a worker of it, or do what a person does; what cannot be is refused, or tried again later."""
        with suppress(RecurrenceError):
            self._act(worker, what)

    def _act(self, worker: Worker, what: str) -> None:
        head = str(self.head)
        changing = partial(worker.change, head, dry_run=False)
        told: dict[str, Callable[[], object]] = {
            "create": lambda: worker.process_task_recurrence(head, "create"),
            "complete": lambda: worker.process_task_recurrence(str(self.slots[1]), "complete"),
            "reopen": lambda: changing("reopen"),
            "skip": lambda: worker.change(str(self.slots[2]), "skip", dry_run=False),
            "skip what comes next": lambda: changing("skip", slot=5),
            "unskip": lambda: changing("skip", slot=2, undo=True),
            "delete the series": lambda: self._delete_series(worker),
        }
        if what in BY_A_PERSON:
            BY_A_PERSON[what](self)
        else:
            told.get(what, lambda: changing("update"))()
        if what == "a person completes one":
            worker.process_task_recurrence(str(self.slots[3]), "complete")

    def _delete_series(self, worker: Worker) -> None:
        self.mongo.tasks.delete_many({"$or": [{"_id": self.head}, {"parentTaskId": self.head}]})
        worker.process_task_recurrence(str(self.head), "delete", str(self.world.user))

    def delete(self, slot: int) -> None:
        self.mongo.tasks.delete_many({"$or": [{"_id": self.slots[slot]}, {"parentTaskId": self.slots[slot]}]})

    def settle(self) -> None:
        """Work everything off, and tell of the series once more."""
        for _ in range(6):
            self.world.pass_time(minutes=10)
            self.world.work()
            if not self.mongo.events.find_one({"status": {"$in": ["pending", "processing"]}}):
                break
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

    def in_any_order(self, *acts: str) -> list[Any]:
        """Return what the acts come to one after the other, in every order."""
        return [self.one_after_the_other(*order) for order in permutations(acts)]

    def one_after_the_other(self, *acts: str) -> Any:
        if acts not in self.orders:
            self.begin(acts)
            for what in acts:
                self.act(self.world.worker, what)
                self.world.pass_time(minutes=1)
            self.settle()
            self.orders[acts] = self.outcome()
        return self.orders[acts]

    def begin(self, acts: tuple[str, ...]) -> None:
        self.restore()
        for what in sorted(set(acts), key=lambda each: (each != "unskip", each)):  # a skip, before the rest is edited
            self.prepare(what)

    def at_once(self, *acts: str, place: int, then: int = 400) -> int:
        """Let each do so many commands before the next does all of its own; return how many the first has sent."""
        self.begin(acts)
        last = len(acts) - 1
        turns = Turns([(0, place), *([(1, then)] if last > 1 else []), (last, 400), *((n, 400) for n in range(last))])
        for player in self.players:
            player.join(turns)
        try:
            turns.play({str(n): partial(self.act, self.workers[n], what) for n, what in enumerate(acts)})
        finally:
            for player in self.players:
                player.leave()
        sent = self.players[0].sent
        self.settle()
        return sent


@pytest.fixture(scope="module")
def shared(mongodb_server: str) -> Iterator[Pair]:
    """Return what all tries begin with: each puts it back."""
    found = Pair(with_database(mongodb_server, "changes_at_once"))
    yield found
    found.mongo.client.drop_database(found.mongo.db.name)
    found.close()


@pytest.fixture
def pair(shared: Pair) -> Pair:
    shared.restore()
    return shared


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_whatever_comes_between_two_commands_of_a_change_it_ends_as_in_some_order(
    pair: Pair, first: str, second: str
) -> None:
    if EXAMPLES == 1:
        place = Random(f"{first} {second}").randint(2, COMMANDS)
        pair.at_once(first, second, place=place)
        require_some_order(pair, (first, second), f"{second} before command {place} of {first}")
        return
    place, sent = 1, 1
    while place <= sent:
        sent = pair.at_once(first, second, place=place)
        require_some_order(pair, (first, second), f"{second} before command {place} of {first}")
        place += 1
    assert place > 4, "the worker sends that many commands"


@pytest.mark.parametrize("acts", DRAWN, ids=", ".join)
def test_of_three_things_at_once_it_ends_as_in_some_order(pair: Pair, acts: tuple[str, str, str]) -> None:
    chance = Random(str(acts))
    for _ in range(EXAMPLES):
        place, then = chance.randint(2, COMMANDS), chance.randint(2, COMMANDS)
        pair.at_once(*acts, place=place, then=then)
        require_some_order(pair, acts, f"{acts[1:]} before command {place} of {acts[0]}, {acts[2]} before {then}")


def require_some_order(pair: Pair, acts: tuple[str, ...], told: str) -> None:
    """Compare with what the acts come to one after the other, and look for anything else that is wrong."""
    outcome = pair.outcome()
    assert pair.findings() <= AFTER_A_STOP, told
    assert pair.mongo.events.distinct("status", {"status": {"$nin": ["completed", "rejected"]}}) == []
    if is_seen_by_neither_order(acts):
        assert len({due for due, *_ in outcome}) == len(outcome)
        still_open = sum(not done for _, _, done, _ in outcome)
        assert still_open >= (4 if len(acts) == 2 else "stop" not in acts)
    else:
        assert outcome in pair.in_any_order(*acts), told


def is_seen_by_neither_order(acts: tuple[str, ...]) -> bool:
    """Say whether what is named may be on another slot by then, or completed behind one that has just been retired."""
    named = {"skip", "a person completes one"}.intersection(acts)
    is_apart = "update" in acts or (len(acts) > 2 and bool(EDITS.intersection(acts)))
    return "delete the series" not in acts and bool(named) and is_apart


def test_no_operation_is_missing_from_what_happens_at_once() -> None:
    """Neither as what is interrupted, nor as what comes between."""
    assert (
        {TOLD[first] for first, _ in PAIRS} == {TOLD[second] for _, second in PAIRS if second in TOLD} == set(Operation)
    )
    assert {act for acts in PAIRS for act in acts} == {*TOLD, *BY_A_PERSON}


def test_no_step_of_a_change_is_missing_from_what_happens_at_once(pair: Pair) -> None:
    """A worker that somebody gives another write stands still before that, too."""
    seen = set[WriteStep]()
    with closing(open_worker(pair.world.settings, clock=pair._clock, on_step=seen.add)) as worker:
        for what in TOLD:
            pair.restore()
            pair.prepare(what)
            pair.act(worker, what)
    assert set(WriteStep) - seen == ELSEWHERE


def test_what_stays_because_a_person_touched_it_keeps_its_sub_task_and_leaves_no_copy(pair: Pair) -> None:
    """At whatever command of the worker: a retirement deletes sub-tasks first."""
    place, sent = 1, 1
    while place <= sent:
        sent = pair.at_once("shorten", "a person touches the last", place=place)
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
