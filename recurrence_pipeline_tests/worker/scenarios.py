"""What a worker is killed or frozen over: documents that are put back for each try, and what is asked of them.

The killing is crashing.py's business.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bson import ObjectId

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.worker.crashing import Trace, Work, trace
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
WORKED_ON = ["tasks", "useractivities", "task_events", "deleted_tasks", "task_series"]
COLLECTIONS = [*WORKED_ON, "counters"]
PAST_THE_LEASE = timedelta(hours=1)
EXCEPTIONS = {
    "rule": "FREQ=WEEKLY;BYDAY=MO,TH",
    "excluded": ["2024-01-18"],
    "added": ["2024-01-17", "2024-01-23T18:00"],
}
LAST_WORKING_DAY = "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
MOST_SERIES = 25
"""Of more events than these, each series has several: a producer may tell a thing twice."""


@dataclass(slots=True)
class Scenario:
    """Documents that are put back for each try, and the work on them."""

    world: World
    doomed: list[ObjectId] = field(default_factory=list)
    before: dict[str, list[Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.drop_indexes()

    def work(self) -> Work:
        return Work({"MONGODB_URL": self.world.settings.mongodb_url, **self._chunks()}, self.world.now, self.doomed)

    def _chunks(self) -> dict[str, str]:
        return {"MONGODB_WRITE_CHUNK": str(self.world.settings.write_chunk)}

    def put_back(self) -> None:
        """Have everything as it was when the calm work began."""
        for name, documents in self.before.items():
            self.world.worker.mongo.db[name].delete_many({})
            if documents:
                self.world.worker.mongo.db[name].insert_many(documents)

    def calm(self, work: Work | None = None) -> Trace:
        """Remember how things stand, do the work without a crash, and say what was done."""
        self.before = {name: list(self.world.worker.mongo.db[name].find()) for name in COLLECTIONS}
        return trace(work or self.work())

    def resume(self) -> None:
        """Process what the killed process left, after its lease has run out."""
        trace(replace(self.work(), now=self.world.now + PAST_THE_LEASE))

    def documents(self) -> dict[str, list[Any]]:
        """Return everything, but for numbers, times, and how often it was tried."""
        mongo = self.world.worker.mongo
        return self.world.everything() | {
            "events": [told(event) for event in mongo.events.find().sort("_id", 1)],
            "deleted": [kept(copy) for copy in mongo.deleted.find().sort("_id", 1)],
        }

    def raw(self) -> dict[str, list[Document]]:
        """Return every field of every document, but for the counters: a number may be taken in vain."""
        return {name: list(self.world.worker.mongo.db[name].find().sort("_id", 1)) for name in WORKED_ON}

    def check_numbers(self) -> None:
        """No two tasks and no two activities have the same number, and the counters know it."""
        mongo = self.world.worker.mongo
        for collection, number in ((mongo.tasks, "taskId"), (mongo.activities, "activityId")):
            taken = Counter(document[number] for document in collection.find())
            assert [n for n, times in taken.items() if times > 1] == []
            counter = mongo.counters.find_one({"_id": collection.name})
            assert counter is not None
            assert counter["sequence_value"] >= max(taken, default=0)


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


def running(world: World, count: int, **recurrence: Any) -> list[ObjectId]:
    """Add series with three occurrences each; no event that waits is touched."""
    originals = [world.add_task(ANCHOR, "custom", recurrence=recurrence) for _ in range(min(count, MOST_SERIES))]
    for original in originals:
        world.worker.process_task_recurrence(str(original), "create")
    world.worker.mongo.events.delete_many({"taskId": {"$in": originals}})
    return originals


def tell(world: World, operation: str, tasks: list[ObjectId], count: int) -> None:
    """Add so many events about tasks, over and over."""
    for number in range(count):
        world.add_event(operation, tasks[number % len(tasks)])


def creations(scenario: Scenario, count: int) -> None:
    """New series; of many, one is refused, and the originals of two go meanwhile."""
    rules = ["daily", "custom", "monthly", "custom", "yearly", "custom", "weekly", "hourly"]
    says = {"custom": {"recurrence": EXCEPTIONS}}
    kinds = [rules[n % len(rules)] for n in range(min(count, MOST_SERIES))]
    tasks = [scenario.world.add_task(ANCHOR, kind, **says.get(kind, {})) for kind in kinds]
    scenario.doomed += tasks[8:10]
    tell(scenario.world, "create", tasks, count)


def refused_creations(scenario: Scenario, count: int) -> None:
    """Sub-tasks cannot recur."""
    sub_tasks = [scenario.world.add_task(ANCHOR, "daily", parentTaskId=ObjectId()) for _ in range(count)]
    tell(scenario.world, "create", sub_tasks, count)


def undone_creations(scenario: Scenario, count: int) -> None:
    """Each original goes while its occurrences are inserted."""
    originals = [scenario.world.add_task(ANCHOR, "daily") for _ in range(count)]
    scenario.doomed += originals
    tell(scenario.world, "create", originals, count)


def completions(scenario: Scenario, count: int) -> None:
    """The first occurrence with the second hanging on it instead of on the original, or the original."""
    world, done = scenario.world, []
    for number, original in enumerate(running(world, count, rule=LAST_WORKING_DAY)):
        slots = world.occurrences_by_slot(original)
        if number % 2 == 0:
            world.worker.mongo.tasks.update_one({"_id": slots[2]}, {"$set": {"parentRecurringId": slots[1]}})
        done.append(slots[1] if number % 2 == 0 else original)
        world.complete(done[-1])
    tell(world, "complete", done, count)


def deletions(scenario: Scenario, count: int) -> None:
    """Of a series that goes on, or of one whose original is gone, as the application leaves it; with sub-tasks."""
    originals = running(scenario.world, count, rule="FREQ=DAILY", added=["2024-01-15T18:00"])
    for original in originals:
        first = scenario.world.occurrences(original)[0]["_id"]
        scenario.world.add_task(ANCHOR, "none", parentTaskId=first)
    for number, original in enumerate(originals):
        if number % 2 == 0:  # as the previous worker left it: the deletion has to say how far it was
            scenario.world.worker.mongo.series.delete_one({"_id": original})
        else:
            scenario.world.worker.mongo.tasks.delete_one({"_id": original})
    tell(scenario.world, "delete", originals, count)


Prepare = Callable[[Scenario, int], None]


def mixed(world: World, prepared: list[Prepare], count: int) -> Scenario:
    """Put together a scenario of several, with so many events of each."""
    scenario = Scenario(world)
    for prepare in prepared:
        prepare(scenario, count)
    return scenario
