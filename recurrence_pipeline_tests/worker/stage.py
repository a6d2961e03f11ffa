"""Two workers and an application on one database, and the model of what should be there in the end.

The order in which they come is interleaving.py's business; which histories are played, test_interleavings.py's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.worker.interleaving import Death, Player, Turns
from recurrence_pipeline_tests.world import World, utc

START = utc(2024, 1, 31, 9)
RULES = ["daily", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "monthly"]
"""Words, and a rule whose slots are counted from the last one that is remembered."""
USERS = [ObjectId("a" * 24), ObjectId("b" * 24)]


@dataclass(frozen=True)
class ApplicationAction:
    """Something that happens outside of the workers. `which` and `pick` choose among what is there, modulo."""

    what: str
    which: int
    pick: int
    times: int
    later: int


@dataclass(frozen=True)
class Shift:
    """One worker's share of an episode: how often it looks, how many events it then takes, and where it dies."""

    looks: int
    limit: int
    death: Death | None


@dataclass(frozen=True)
class Scenario:
    """What happens before the workers start, what happens while they work, and who comes when."""

    before: list[ApplicationAction]
    meanwhile: list[ApplicationAction]
    shifts: tuple[Shift, Shift]
    order: list[tuple[int, int]]


@dataclass
class Model:
    """What should be there of one series."""

    original: ObjectId
    user: ObjectId
    rule: str
    completed: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    may_be_back: set[int] = field(default_factory=set)
    moved: dict[int, datetime] = field(default_factory=dict)
    may_be_empty: bool = False
    gone: bool = False

    @property
    def made(self) -> int:
        """The last slot: every one up to the highest completed one + 1 + 3 has been made."""
        return max(self.completed, default=-1) + 1 + 3

    def slots(self) -> set[int]:
        """Which slots hold an occurrence."""
        return set(range(1, self.made + 1)) - self.deleted


class Stage:
    """One database, two workers, and an application that keeps a model of what it did."""

    def __init__(self, mongodb_url: str) -> None:
        self.world = World(mongodb_url, now=START, WORKER_BATCH_SIZE="4")
        self.world.drop_indexes()
        self.mongo = self.world.worker.mongo
        self.players = [Player(), Player()]
        self.workers: list[Worker] = [self._worker(player) for player in self.players]

    def _worker(self, player: Player) -> Worker:
        return open_worker(self.world.settings, clock=self.clock, chance=lambda: 0.0, listeners=[player])

    def clock(self) -> datetime:
        """Return another time whenever it is asked, as a real clock does."""
        self.world.pass_time(milliseconds=1)
        return self.world.now

    def close(self) -> None:
        for worker in (*self.workers, self.world.worker):
            worker.close()

    def clear(self) -> None:
        """Begin a new history."""
        for name in ("tasks", "task_events", "useractivities", "deleted_tasks", "task_series"):
            self.mongo.db[name].delete_many({})
        self.mongo.counters.update_many({}, {"$set": {"sequence_value": 0}})
        self.world.now = START
        self.series: list[Model] = []
        self.told: list[Document] = []
        self.may_leave_orphans = False

    def play(self, episode: Scenario) -> None:
        for deed in episode.before:
            for _ in self.do(deed):
                pass
        turns = Turns(episode.order)
        for player, shift in zip(self.players, episode.shifts, strict=True):
            player.join(turns, shift.death)
        first, second = (
            partial(self.work, worker, shift) for worker, shift in zip(self.workers, episode.shifts, strict=True)
        )
        application = partial(self.live, episode.meanwhile, turns)
        try:
            turns.play({"first worker": first, "second worker": second, "the application": application})
        finally:
            self.may_leave_orphans |= any(player.died_midway for player in self.players)
            for player in self.players:
                player.leave()

    @staticmethod
    def work(worker: Worker, shift: Shift) -> None:
        for _ in range(shift.looks):
            worker.process_pending(shift.limit)

    def live(self, meanwhile: list[ApplicationAction], turns: Turns) -> None:
        """Do things one database call a turn."""
        for deed in meanwhile:
            for _ in self.do(deed):
                turns.pause()
            turns.pause()

    def do(self, deed: ApplicationAction) -> Iterator[None]:
        """Do something; each step is one call of the database."""
        if deed.what == "create":
            yield from self.create(deed)
        elif deed.what == "time passes":
            self.may_leave_orphans |= any(player.has_read_tasks for player in self.players)
            self.world.pass_time(seconds=61)
        elif deed.what == "tell again":
            if self.told:
                again = self.told[deed.which % len(self.told)]
                self.world.add_event(**again, availableAt=self.world.now + timedelta(seconds=deed.later))
        elif alive := [model for model in self.series if not model.gone]:
            model = alive[deed.which % len(alive)]
            steps = {
                "complete": self.complete,
                "delete an occurrence": self.delete_occurrence,
                "delete the series": self.delete_series,
                "move a due date": self.move,
                "store anew": self.store_anew,
            }
            yield from steps[deed.what](deed, model)

    def tell(self, deed: ApplicationAction, operation: str, task_id: ObjectId, user: ObjectId) -> None:
        """Write events, once or twice, due at once or later."""
        now = self.clock()
        event: Document = {"operation": operation, "task_id": task_id, "userId": user, "createdAt": now}
        for _ in range(deed.times):
            self.world.add_event(**event, availableAt=now + timedelta(seconds=deed.later))
        self.told.append(event)

    def create(self, deed: ApplicationAction) -> Iterator[None]:
        rule, user = RULES[deed.pick % 3], USERS[deed.which % 2]
        says = {"repeatType": "custom", "recurrence": {"rule": rule}} if "=" in rule else {}
        original = self.world.add_task(START, rule, userId=user, createdAt=START, **says)
        self.series.append(Model(original, user, rule))
        yield
        self.tell(deed, "create", original, user)

    def complete(self, deed: ApplicationAction, model: Model) -> Iterator[None]:
        number, task_id = self.choose(deed, model, {"isCompleted": False}, with_original=True)
        if task_id is None:
            return
        yield
        done = self.mongo.tasks.update_one({"_id": task_id}, {"$set": {"isCompleted": True}})
        if done.matched_count:
            model.completed.add(number)
            yield
            self.tell(deed, "complete", task_id, model.user)

    def delete_occurrence(self, deed: ApplicationAction, model: Model) -> Iterator[None]:
        number, task_id = self.choose(deed, model, {"isCompleted": False})
        if task_id is None:
            return
        yield
        self.mongo.tasks.delete_one({"_id": task_id})
        if (self.world.cursor(model.original) or 0) < number or any(player.has_read_tasks for player in self.players):
            model.may_be_back.add(number)
        model.deleted.add(number)
        yield
        model.may_be_empty |= self.mongo.tasks.count_documents({"_id": task_id}) > 0
        self.tell(deed, "delete", task_id, model.user)

    def delete_series(self, deed: ApplicationAction, model: Model) -> Iterator[None]:
        self.mongo.tasks.delete_one({"_id": model.original})
        model.gone = True
        yield
        self.tell(deed, "delete", model.original, model.user)

    def move(self, deed: ApplicationAction, model: Model) -> Iterator[None]:
        number, task_id = self.choose(deed, model, {})
        if task_id is not None:
            yield
            due = START + timedelta(days=deed.pick, hours=1)
            self.mongo.tasks.update_one({"_id": task_id}, {"$set": {"dueDate": due}})
            model.moved[number] = due

    def store_anew(self, deed: ApplicationAction, model: Model) -> Iterator[None]:
        """Replace an original as a whole, by what was read of it a moment ago."""
        stored = self.mongo.tasks.find_one({"_id": model.original})
        if stored is not None and not stored["isCompleted"] and 0 not in model.completed:
            yield
            self.mongo.tasks.replace_one({"_id": model.original}, stored | {"title": f"edited {deed.pick}"})

    def choose(
        self, deed: ApplicationAction, model: Model, which: Document, *, with_original: bool = False
    ) -> tuple[int, ObjectId | None]:
        """Return slot and id of a task of the series that a person sees now; no id where there is none."""
        found = {
            t["occurrenceNumber"]: t["_id"]
            for t in self.mongo.tasks.find({"parentRecurringId": model.original} | which)
        }
        if with_original and 0 not in model.completed:
            found[0] = model.original
        if not found:
            return 0, None
        number = sorted(found)[deed.pick % len(found)]
        return number, found[number]

    def calm_down(self) -> None:
        """Let one worker finish everything, undisturbed."""
        for _ in range(12):
            self.world.pass_time(seconds=70)
            self.world.work()
            if not self.world.worker.queries.unfinished():
                return

    def compare(self) -> None:
        statuses = self.mongo.events.distinct("status")
        assert set(statuses) <= {"completed", "rejected"}, "every event has ended, and none as a dead letter"
        alive = [model for model in self.series if not model.gone]
        here = {model.original for model in alive}
        strays = [t for t in self.mongo.tasks.find() if t["_id"] not in here and t["parentRecurringId"] not in here]
        if strays:
            assert self.may_leave_orphans, "nothing is left of deleted series"
            self.world.worker.maintenance.clean_orphans(confirm=True)
        for model in alive:
            self.compare_series(model)
        everything = self.mongo.tasks.count_documents({})
        assert everything == sum(1 + len(self.world.occurrences(model.original)) for model in alive)

    def compare_series(self, model: Model) -> None:
        tasks = self.world.occurrences(model.original)
        numbers = [task["occurrenceNumber"] for task in tasks]
        assert len(set(numbers)) == len(numbers), "no slot is made twice"
        assert set(numbers) <= model.slots() | model.may_be_back, "none is too many"
        assert model.slots() <= set(numbers) or model.may_be_empty, "no slot is lost"
        for task in tasks:
            number = task["occurrenceNumber"]
            due = slot(START, model.rule, number)
            moved = {model.moved[number]} if number in model.moved else {due}
            if number in model.may_be_back:
                moved |= {due}
            assert task["dueDate"] in moved
            assert task["originalDueDate"] == due
            assert task["isCompleted"] == (number in model.completed)
            assert task["userId"] == model.user
        assert self.world.cursor(model.original) == model.made
        created = self.mongo.activities.find({"action": "RECURRING_TASK_CREATED", "userId": model.user})
        assert {task["_id"] for task in tasks} <= {activity["taskId"] for activity in created}
