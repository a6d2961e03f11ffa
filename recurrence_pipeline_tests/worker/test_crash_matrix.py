"""A worker is killed after each of its writes, in earnest; the next one ends in the documents of a calm run.

The documents are compared field by field, but for numbers, times, and how often it was tried.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.worker.kit import Step
from recurrence_pipeline_tests.worker.crashing import Trace, Work, killed_after_step, killed_after_write, trace
from recurrence_pipeline_tests.world import World, utc

pytestmark = pytest.mark.timeout(300)

ANCHOR = utc(2024, 1, 15, 9)
COLLECTIONS = ["tasks", "useractivities", "counters", "task_events", "deleted_tasks"]
PAST_THE_LEASE = timedelta(minutes=2)

NUMBERED = {("findAndModify", "counters")}
"""Takes numbers for what is inserted next."""

WRITES_OF: dict[Step, set[tuple[str, str]]] = {
    Step.ANNOUNCE: {("update", "task_events")},
    Step.CURSORS_PAST_DELETIONS: {("update", "tasks")},
    Step.OCCURRENCES: {("insert", "tasks")} | NUMBERED,
    Step.ACTIVITIES: {("insert", "useractivities")} | NUMBERED,
    Step.LINKS: {("update", "tasks")},
    Step.KEEP_DELETED: {("insert", "deleted_tasks")},
    Step.DELETE: {("delete", "tasks")},
    Step.CURSORS: {("update", "tasks")},
    Step.FAILURES: {("insert", "useractivities")} | NUMBERED,
    Step.OUTCOMES: {("update", "task_events")},
}
LEASE = ("update", "task_events")
"""The first write of all."""

ELSEWHERE = {Step.RESTORING, Step.ORIGINALS_BACK, Step.OCCURRENCES_BACK, Step.RESTORED}
"""No event asks for these; test_restoring.py crashes after each of them."""


@dataclass(slots=True)
class Scenario:
    """Documents that are put back for each try, and the work on them."""

    world: World
    doomed: list[ObjectId] = field(default_factory=list)
    before: dict[str, list[Document]] = field(default_factory=dict)

    def work(self) -> Work:
        return Work({"MONGODB_URL": self.world.settings.mongodb_url, **self._chunks()}, self.world.now, self.doomed)

    def _chunks(self) -> dict[str, str]:
        return {"MONGODB_WRITE_CHUNK": str(self.world.settings.write_chunk)}

    def remember(self) -> None:
        self.before = {name: list(self.world.worker.mongo.db[name].find()) for name in COLLECTIONS}

    def put_back(self) -> None:
        for name, documents in self.before.items():
            self.world.worker.mongo.db[name].delete_many({})
            if documents:
                self.world.worker.mongo.db[name].insert_many(documents)

    def calm(self) -> Trace:
        """Remember how things stand, do the work without a crash, and say what was done."""
        self.remember()
        return trace(self.work())

    def resume(self) -> None:
        """Work off what the killed process left, after its lease has run out."""
        trace(replace(self.work(), now=self.world.now + PAST_THE_LEASE))

    def documents(self) -> dict[str, list[Any]]:
        mongo = self.world.worker.mongo
        tasks = self.world.everything()
        return tasks | {
            "events": [told(event) for event in mongo.events.find().sort("_id", 1)],
            "deleted": [kept(copy) for copy in mongo.deleted.find().sort("_id", 1)],
        }

    def check_numbers(self) -> None:
        """The numbers themselves vary, but no two tasks and no two activities have the same."""
        mongo = self.world.worker.mongo
        for collection, number in ((mongo.tasks, "taskId"), (mongo.activities, "activityId")):
            taken = Counter(document[number] for document in collection.find())
            assert [n for n, times in taken.items() if times > 1] == []


def told(event: Document) -> Document:
    """Return what an event says of its outcome."""
    varying = {"lease", "startedAt", "finishedAt", "availableAt", "durationMs", "errors"}
    errors = [(error["kind"], error["code"], error["message"]) for error in event.get("errors", [])]
    return {name: value for name, value in event.items() if name not in varying} | {"errors": errors}


def kept(copy: Document) -> Document:
    """Return a copy of what was deleted, but for numbers and times."""
    varying = {"taskId", "createdAt", "updatedAt"}
    task = {name: value for name, value in copy["task"].items() if name not in varying}
    return {name: value for name, value in copy.items() if name != "deletedAt"} | {"task": task}


def running(world: World, repeat_type: str) -> ObjectId:
    """Add a series with three occurrences; no event that waits is touched."""
    original = world.add_task(ANCHOR, repeat_type)
    world.service.process_task_recurrence(str(original), "create")
    return original


def creations(scenario: Scenario, count: int) -> None:
    """New series; of many, one is refused, and the original of one goes meanwhile."""
    world = scenario.world
    for number in range(count):
        repeat_type = ("daily", "weekly", "monthly")[number % 3]
        if number == 7:
            world.add_event("create", world.add_task(ANCHOR, "hourly"))
            continue
        original = world.add_task(ANCHOR, repeat_type)
        world.add_event("create", original)
        if number in {8, 9}:
            scenario.doomed.append(original)


def refused_creations(scenario: Scenario, count: int) -> None:
    """Sub-tasks cannot recur."""
    for _ in range(count):
        sub_task = scenario.world.add_task(ANCHOR, "daily", parentTaskId=ObjectId())
        scenario.world.add_event("create", sub_task)


def undone_creations(scenario: Scenario, count: int) -> None:
    """Each original goes while its occurrences are inserted."""
    for _ in range(count):
        original = scenario.world.add_task(ANCHOR, "daily")
        scenario.world.add_event("create", original)
        scenario.doomed.append(original)


def completions(scenario: Scenario, count: int) -> None:
    """The original, or the first occurrence with the second hanging on it instead of on the original."""
    world = scenario.world
    for number in range(count):
        original = running(world, "weekly")
        slots = world.occurrences_by_slot(original)
        done = slots[1] if number % 2 == 0 else original
        if done == slots[1]:
            world.worker.mongo.tasks.update_one({"_id": slots[2]}, {"$set": {"parentRecurringId": slots[1]}})
        world.complete(done)
        world.add_event("complete", done)


def deletions(scenario: Scenario, count: int) -> None:
    """Of a series whose original is gone, as the application leaves it, or of one that goes on."""
    world = scenario.world
    for number in range(count):
        original = running(world, "daily")
        if number % 2 == 0:  # as the older worker left it: the deletion has to say how far it was
            world.worker.mongo.tasks.update_one({"_id": original}, {"$unset": {"recurrenceCursor": ""}})
        else:
            world.worker.mongo.tasks.delete_one({"_id": original})
        world.add_event("delete", original)


Prepare = Callable[[Scenario, int], None]
ONE: list[Prepare] = [creations, refused_creations, undone_creations, completions, deletions]
MANY: list[Prepare] = [creations, completions, deletions]
CASES = [pytest.param(prepare, 1, id=f"{prepare.__name__}-1") for prepare in ONE]
CASES += [pytest.param(prepare, 100, id=f"{prepare.__name__}-100") for prepare in MANY]


@pytest.fixture
def scenario(mongodb_url: str) -> Iterator[Scenario]:
    world = World(mongodb_url)
    yield Scenario(world)
    world.close()


@pytest.mark.parametrize(("prepare", "count"), CASES)
def test_a_worker_that_is_killed_after_any_step_leaves_work_that_ends_like_calm_work(
    scenario: Scenario, prepare: Prepare, count: int
) -> None:
    prepare(scenario, count)
    done = scenario.calm()
    expected = scenario.documents()
    places = [(place, step) for place, step in enumerate(done.steps, 1) if done.writes[place - 1]]
    assert places

    for place, step in places:
        scenario.put_back()
        killed_after_step(scenario.work(), place)
        scenario.resume()
        assert scenario.documents() == expected, f"killed after step {place}: {step.value}"
        scenario.check_numbers()


def test_a_worker_that_is_killed_between_the_commands_of_a_step_leaves_work_that_ends_like_calm_work(
    mongodb_url: str,
) -> None:
    """A group of writes goes out in chunks, and in commands of several kinds: any of them can be the last."""
    world = World(mongodb_url, MONGODB_WRITE_CHUNK="4")
    scenario = Scenario(world)
    for prepare in (creations, refused_creations, completions, deletions):
        prepare(scenario, 2)
    commands = scenario.calm().commands
    expected = scenario.documents()

    for place in range(1, commands + 1):
        scenario.put_back()
        killed_after_write(scenario.work(), place)
        scenario.resume()
        assert scenario.documents() == expected, f"killed after write {place} of {commands}"
        scenario.check_numbers()
    world.close()


def test_no_step_and_no_write_is_missing_from_the_matrix(mongodb_url: str) -> None:
    """A write that somebody adds must be named above, and belong to a step, after which the worker is killed."""
    seen: set[Step] = set()
    for prepare in ONE:
        world = World(mongodb_url)
        scenario = Scenario(world)
        prepare(scenario, 1)
        done = scenario.calm()
        (lease, *first), *others = done.writes
        assert lease == LEASE
        for step, writes in zip(done.steps, [first, *others], strict=True):
            assert set(writes) <= WRITES_OF[step], f"{prepare.__name__}: {step.value}"
        assert done.rest == []
        seen |= {step for step, writes in zip(done.steps, [first, *others], strict=True) if writes}
        world.close()
    assert seen == set(WRITES_OF) == set(Step) - ELSEWHERE


def test_what_users_see_is_exact_after_a_crash_at_any_step(scenario: Scenario) -> None:
    """The deleted count, the created count, and one activity for each fact."""
    for prepare in ONE:
        prepare(scenario, 3)
    steps = scenario.calm().steps
    mongo = scenario.world.worker.mongo
    for place in range(1, len(steps) + 1):
        scenario.put_back()
        there = mongo.tasks.count_documents({})
        killed_after_step(scenario.work(), place)
        scenario.resume()
        results = [event.get("result", {}) for event in mongo.events.find({"_id": {"$nin": old(scenario)}})]
        created = sum(len(result.get("created", [])) for result in results)
        deleted = sum(result.get("deleted", 0) for result in results)
        assert there + created - deleted - len(scenario.doomed) == mongo.tasks.count_documents({})
        facts = Counter((activity["action"], activity["taskId"]) for activity in mongo.activities.find())
        assert [fact for fact, times in facts.items() if times > 1] == []


def old(scenario: Scenario) -> list[ObjectId]:
    """Return the events that were worked off before the crash."""
    return [event["_id"] for event in scenario.before["task_events"] if event["status"] == "completed"]
