"""Any history ends in the documents of a simple model: events come twice, late, out of order, in two workers at once.

The model is a few sets: which slots were ever made, which were deleted, which are completed. Its rule is one line:
every slot up to the highest completed one + 1 + 3 is made once. Slots stand in one line: added dates are among them,
excluded ones are not.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.calendar import slots
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.world import World, utc

START = utc(2024, 1, 31, 9)


Place = int | str
"""A slot's number, or the time of an added date."""

KINDS: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("daily", None),
    ("weekly", {"excluded": ["2024-02-07", "2024-03-06T09:00"], "added": ["2024-02-09", "2024-02-15T18:00"]}),
    ("monthly", None),
    ("custom", {"rule": "FREQ=DAILY;COUNT=6", "added": ["2024-02-02T18:00", "2024-02-20", "2024-02-01"]}),
    ("custom", {"rule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "excluded": ["2024-03-29"]}),
    ("custom", {"rule": "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20240301", "horizon": 2}),
)
LONGEST = 60


def line_of(repeat_type: str, options: dict[str, Any]) -> dict[Place, datetime]:
    """Return the slots of a series in order, each with its time, from the first on."""
    numbered = slots(START, options.get("rule", repeat_type), 0, LONGEST)
    added = {_time(text) for text in options.get("added", [])} - set(numbered)
    excluded = options.get("excluded", [])
    line: dict[Place, datetime] = {
        number: at
        for number, at in enumerate(numbered)
        if not any(f"{at:%Y-%m-%dT%H:%M}".startswith(e) for e in excluded)
    }
    line |= {f"{at:%Y-%m-%dT%H:%M}": at for at in added}
    return dict(sorted(line.items(), key=lambda item: item[1]))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T09:00").replace(tzinfo=START.tzinfo)


@dataclass
class ModelSeries:
    """What should be there of one series. `line` is all that its rule could ever ask for."""

    original: ObjectId
    line: dict[Place, datetime]
    horizon: int
    asked_at: datetime
    made: int = 0
    """How much of the line has been made, the first not counted."""
    completed: set[Place] = field(default_factory=set)
    deleted: set[Place] = field(default_factory=set)

    @property
    def highest(self) -> int:
        """The place in the line of the highest completed slot."""
        return max((place for place, slot in enumerate(self.line) if slot in self.completed), default=-1)

    @property
    def has_ended(self) -> bool:
        """Whether nothing comes behind what is kept ahead."""
        return self.highest + 1 + self.horizon >= len(self.line)

    @property
    def last_number(self) -> int:
        """The highest number that was made."""
        return max((slot for slot in self.ever_made() if isinstance(slot, int)), default=0)

    def expect_ahead(self) -> None:
        """Every slot up to the highest completed one + 1 + 3 has been made."""
        self.made = max(self.made, min(self.highest + 1 + self.horizon, len(self.line) - 1))

    def ever_made(self) -> list[Place]:
        """Which slots were made."""
        return list(self.line)[1 : self.made + 1]

    def slots(self) -> list[Place]:
        """Which slots hold an occurrence."""
        return [slot for slot in self.ever_made() if slot not in self.deleted]


class Histories(RuleBasedStateMachine):
    """The application on one side, two workers on the other, events repeated and delayed in between."""

    mongodb_url: str
    indexed = False

    series = Bundle("series")

    @initialize()
    def begin(self) -> None:
        self.world = World(self.mongodb_url, now=START, WORKER_BATCH_SIZE="7")
        mongo = self.world.worker.mongo
        for collection in (mongo.tasks, mongo.events, mongo.activities, mongo.counters, mongo.deleted, mongo.series):
            collection.delete_many({})
        self.world.worker.init_db()
        if not self.indexed:
            self.world.drop_indexes()
        self.workers: list[Worker] = [self.world.worker, self.world.open_worker()]
        self.held: list[tuple[Worker, list[TaskEvent]]] = []
        self.model: dict[ObjectId, ModelSeries] = {}
        self.announced: list[tuple[str, ObjectId]] = []

    @rule(target=series, kind=st.sampled_from(KINDS), completed=st.booleans())
    def create(self, kind: tuple[str, dict[str, Any] | None], completed: bool) -> ObjectId:  # noqa: FBT001
        repeat_type, options = kind
        fields = {} if options is None else {"recurrence": options}
        original = self.world.add_task(START, repeat_type, isCompleted=completed, **fields)
        line, horizon = line_of(repeat_type, options or {}), (options or {}).get("horizon", 3)
        done: set[Place] = {0} if completed else set()
        self.model[original] = ModelSeries(original, line, horizon, self.world.now, completed=done)
        self.announce("create", original)
        return original

    @rule(original=series, data=st.data())
    def complete(self, original: ObjectId, data: st.DataObject) -> None:
        self.settle()
        known = self.model[original]
        number = data.draw(st.sampled_from([0, *known.slots()]), label="slot")
        task_id = original if number == 0 else self.there(original)[number]
        self.world.complete(task_id)
        known.completed.add(number)
        self.announce("complete", task_id)

    @rule(original=series, data=st.data())
    def delete_one_occurrence(self, original: ObjectId, data: st.DataObject) -> None:
        """The application deletes the task itself, then tells; the siblings stay."""
        self.settle()
        known = self.model[original]
        still_open = [number for number in known.slots() if number not in known.completed]
        if still_open:
            number = data.draw(st.sampled_from(still_open), label="slot")
            task_id = self.there(original)[number]
            self.world.worker.mongo.tasks.delete_one({"_id": task_id})
            known.deleted.add(number)
            self.world.add_event("delete", task_id)

    @rule(original=consumes(series))
    def delete_the_series(self, original: ObjectId) -> None:
        self.world.worker.mongo.tasks.delete_one({"_id": original})
        del self.model[original]
        self.settle()
        self.announce("delete", original)

    @rule(original=series, days=st.integers(-1, 5))
    def move_the_due_date(self, original: ObjectId, days: int) -> None:
        """A person moves a task, no further back than a new one may lie; its series stays where it was anchored."""
        due = max(START + timedelta(days=days), self.model[original].asked_at - timedelta(days=1))
        self.world.worker.mongo.tasks.update_one({"_id": original}, {"$set": {"dueDate": due}})

    @rule(original=series, horizon=st.integers(1, 5))
    def keep_another_number_ahead(self, original: ObjectId, horizon: int) -> None:
        """A lower one takes nothing away, a higher one holds from the next event on."""
        self.settle()
        update = {"$set": {"recurrence.horizon": horizon}}
        self.world.worker.mongo.tasks.update_one({"_id": original}, update)
        self.model[original].horizon = horizon
        self.announce("create", original)

    @precondition(lambda self: self.announced)
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        operation, task_id = data.draw(st.sampled_from(self.announced), label="event")
        self.world.add_event(operation, task_id)

    @rule(data=st.data(), limit=st.integers(1, 10))
    def hold(self, data: st.DataObject, limit: int) -> None:
        """A worker leases some events and is slow to work on them."""
        worker = data.draw(st.sampled_from(self.workers), label="worker")
        self.held.append((worker, worker.lease(limit)))

    @precondition(lambda self: self.held)
    @rule()
    def work_on_what_is_held(self) -> None:
        worker, events = self.held.pop(0)
        worker.process(events)

    @precondition(lambda self: self.held)
    @rule()
    def die_holding(self) -> None:
        self.held.pop()

    @rule()
    def let_leases_run_out(self) -> None:
        self.world.pass_time(seconds=61)

    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.workers), label="worker").process_pending(5)

    @invariant()
    def no_two_tasks_are_on_one_slot(self) -> None:
        if hasattr(self, "world"):
            tasks = list(self.world.worker.mongo.tasks.find({"parentRecurringId": {"$ne": None}}))
            places = [(task["parentRecurringId"], place_of(task)) for task in tasks]
            assert len(set(places)) == len(places)

    def announce(self, operation: str, task_id: ObjectId) -> None:
        self.world.add_event(operation, task_id)
        self.announced.append((operation, task_id))

    def settle(self) -> None:
        """Let the second worker finish what there is, as the application's user would see it after a while."""
        for _ in range(8):
            self.world.pass_time(seconds=70)
            self.workers[1].process_pending()
        for known in self.model.values():
            known.expect_ahead()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.settle()
            self.compare()
        finally:
            for worker in self.workers:
                worker.close()

    def compare(self) -> None:
        mongo = self.world.worker.mongo
        assert mongo.events.count_documents({"status": {"$nin": ["completed", "rejected"]}}) == 0
        for original, known in self.model.items():
            there = self.there(original)
            assert list(there) == known.slots()
            for number, task_id in there.items():
                task = self.world.task(task_id)
                assert task["dueDate"] == known.line[number]
                assert task["isCompleted"] == (number in known.completed)
            assert self.world.cursor(original) == known.last_number
        everything = mongo.tasks.count_documents({})
        assert everything == sum(1 + len(known.slots()) for known in self.model.values()), (
            "nothing of dead series is left"
        )
        self.compare_activities()

    def compare_activities(self) -> None:
        created = list(self.world.worker.mongo.activities.find({"action": "RECURRING_TASK_CREATED"}))
        facts = [activity["taskId"] for activity in created]
        assert len(set(facts)) == len(facts), "one activity for each occurrence"
        for original in self.model:
            assert set(self.there(original).values()) <= set(facts)

    def there(self, original: ObjectId) -> dict[Place, ObjectId]:
        """Return the ids of what hangs on a task, by slot, in order."""
        return {place_of(task): task["_id"] for task in self.world.occurrences(original)}


def place_of(task: Document) -> Place:
    """Return the number of a task's slot, or the time of its added date."""
    place: int | str = task["occurrenceNumber"] if "occurrenceNumber" in task else task["occurrenceAt"]
    return place


def test_any_history_ends_in_the_documents_of_the_model(mongodb_url: str) -> None:
    """No slot lost, none made twice, deleted ones stay deleted, one activity for each occurrence."""

    class OnThisDatabase(Histories):
        pass

    OnThisDatabase.mongodb_url = mongodb_url
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
