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
                self.world.worker.mongo.db[name].insert_many(documents, bypass_document_validation=True)

    def calm(self, work: Work | None = None) -> Trace:
        """Remember how things stand, do the work without a crash, and say what was done."""
        self.before = {name: list(self.world.worker.mongo.db[name].find()) for name in COLLECTIONS}
        return trace(work or self.work())

    def resume(self) -> None:
        """Process what the killed process left, after its lease has run out."""
        trace(replace(self.work(), now=self.world.now + PAST_THE_LEASE))

    def operations(self) -> set[str]:
        """Return what the events that wait ask for."""
        return set(self.world.worker.mongo.events.distinct("operation", {"status": "pending"}))

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
    """Return what an event says of its outcome, but for what its last try changed: the same may be the first one's."""
    event.get("result", {}).pop("changed", None)
    varying = {"lease", "startedAt", "finishedAt", "availableAt", "durationMs", "errors"}
    errors = [(error["kind"], error["code"], error["message"]) for error in event.get("errors", [])]
    return {name: value for name, value in event.items() if name not in varying} | {"errors": errors}


def kept(copy: Document) -> Document:
    """Return a copy of what was deleted, but for numbers and times."""
    varying = {"taskId", "createdAt", "updatedAt"}
    task = {name: value for name, value in copy["task"].items() if name not in varying}
    rest = {name: value for name, value in copy.items() if name not in {"deletedAt", "restoredAt"}}
    return rest | {"task": task, "is_restored": "restoredAt" in copy}


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


def repeating(scenario: Scenario, count: int, **recurrence: Any) -> list[ObjectId]:
    """Add daily series that give their occurrences a sub-task each; no event is left."""
    world, originals = scenario.world, list[ObjectId]()
    for _ in range(count):
        original = world.add_task(ANCHOR, "daily", recurrence={"subtasks": True, **recurrence})
        world.add_task(ANCHOR, "none", title="Pack", parentTaskId=original)
        world.worker.process_task_recurrence(str(original), "create")
        originals.append(original)
    world.worker.mongo.events.delete_many({"taskId": {"$in": originals}})
    return originals


def edit(scenario: Scenario, task_id: ObjectId, **fields: Any) -> None:
    """Change a task as the application does."""
    tasks = scenario.world.worker.mongo.tasks
    tasks.update_one({"_id": task_id}, {"$set": {**fields, "updatedAt": scenario.world.now}})


def reschedulings(scenario: Scenario, count: int) -> None:
    """Another rule, title and horizon: tasks move, some appear, one is done, one was touched."""
    options = {"rule": "FREQ=WEEKLY;BYDAY=TU,FR", "subtasks": True, "horizon": 6}
    for original in repeating(scenario, count, horizon=4):
        slots = scenario.world.occurrences_by_slot(original)
        scenario.world.complete(slots[1])
        edit(scenario, slots[3], description="mine")
        edit(scenario, original, title="Review", repeatType="custom", recurrence=options)
        scenario.world.add_event("update", original)


def exclusions(scenario: Scenario, count: int) -> None:
    """Two days are not wanted any more, another title: tasks go, some appear, the others are rewritten."""
    options = {"excluded": ["2024-01-16", "2024-01-18"], "subtasks": True}
    for original in repeating(scenario, count):
        edit(scenario, original, title="Review", recurrence=options)
        scenario.world.add_event("update", original)


def later_edits(scenario: Scenario, count: int) -> None:
    """This and all following: another rule from a slot on."""
    for original in repeating(scenario, count, horizon=5):
        edit(scenario, original, repeatType="weekly")
        scenario.world.add_event("update", original, fromSlot=3)


def shortenings(scenario: Scenario, count: int) -> None:
    """Fewer are kept ahead: tasks go, and the cursor goes back behind them."""
    for original in repeating(scenario, count, horizon=6):
        edit(scenario, original, recurrence={"subtasks": True, "horizon": 2})
        scenario.world.add_event("update", original)


def ends(scenario: Scenario, count: int) -> None:
    """It recurs no more."""
    for original in repeating(scenario, count):
        edit(scenario, scenario.world.occurrences_by_slot(original)[2], description="mine")
        edit(scenario, original, repeatType="none")
        scenario.world.add_event("update", original)


def reopenings(scenario: Scenario, count: int) -> None:
    """Two completions are taken back, of which the first made what is ahead."""
    world = scenario.world
    for original in repeating(scenario, count):
        slots = world.occurrences_by_slot(original)
        for task_id in (original, slots[1]):
            world.complete(task_id)
            world.add_event("complete", task_id)
            world.work()
        edit(scenario, slots[1], isCompleted=False)
        world.add_event("reopen", slots[1])


def skips(scenario: Scenario, count: int) -> None:
    """The task of a slot is not wanted, told by its id; and neither is a slot that is still to come, by its number."""
    for original in repeating(scenario, count):
        scenario.world.add_event("skip", scenario.world.occurrences_by_slot(original)[2])
        scenario.world.add_event("skip", original, slot=5)


def skips_undone(scenario: Scenario, count: int) -> None:
    """A skipped task is wanted again, and one whose copy is not kept any more."""
    world = scenario.world
    for original in repeating(scenario, count):
        for slot in (1, 2):
            world.add_event("skip", original, slot=slot)
            world.work()
        world.worker.mongo.deleted.delete_many({"task.occurrenceNumber": 2})
        for slot in (1, 2):
            world.add_event("skip", original, slot=slot, undo=True)


def missed(scenario: Scenario, count: int) -> None:
    """Time went by: what was missed goes, some of it as soon as it is made; a touched one stays."""
    world = scenario.world
    for number in range(count):
        (original,) = repeating(scenario, 1, missed="next" if number % 2 == 0 else "latest")
        edit(scenario, world.occurrences_by_slot(original)[2], description="mine")
        world.add_event("create", original)
    world.now = ANCHOR + timedelta(days=12, hours=1)


def from_completion(scenario: Scenario, count: int) -> None:
    """One completion is taken back, and of another the next one is counted."""
    world, done = scenario.world, {"isCompleted": True, "completedAt": ANCHOR + timedelta(days=2)}
    for original in repeating(scenario, count, **{"from": "completion"}):
        edit(scenario, original, **done)
        world.add_event("complete", original)
        world.work()
        edit(scenario, original, isCompleted=False)
        world.add_event("reopen", original)
    for original in repeating(scenario, count, **{"from": "completion"}):
        edit(scenario, original, **done)
        world.add_event("complete", original)


Prepare = Callable[[Scenario, int], None]

LIFE: list[Prepare] = [
    reschedulings, exclusions, later_edits, shortenings, ends, reopenings, skips, skips_undone, missed, from_completion,
]  # fmt: skip
"""What can happen to a series besides creations, completions and deletions."""


def mixed(world: World, prepared: list[Prepare], count: int) -> Scenario:
    """Put together a scenario of several, with so many events of each."""
    scenario = Scenario(world)
    for prepare in prepared:
        prepare(scenario, count)
    return scenario
