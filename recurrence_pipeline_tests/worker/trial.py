"""The same documents, processed again and again: by a worker that faults strike, then by calm ones.

What the faults are, and what is promised of each, is in test_faults.py.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.worker.faults import APPLICATION, Faults
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
COLLECTIONS = ["tasks", "useractivities", "counters", "task_events", "deleted_tasks", "task_series"]
QUEUE_READ = ("find", "task_events")


class Trial:
    """Prepared documents, a worker whose commands can be failed, and calm ones to clear up after it.

    The failing worker's clock goes on by 4 s whenever it is read, so that its leases are renewed on the way: at every
    third step or so. At each of them, renewals would be a third of all commands, which tries of each other only repeat.
    """

    def __init__(self, world: World, server: MongoClient[Document]) -> None:
        self.world = world
        self.server = server
        self.mongo = world.worker.mongo
        self.faults = Faults(server)
        world.drop_indexes()
        self.prepare()
        self.before = {name: list(self.mongo.db[name].find()) for name in COLLECTIONS}
        with self.failing_worker() as worker:
            self.faults.plan({}, lambda _: False)
            worker.process_pending()
            self.commands = list(self.faults.sent)
        self.calm = self.documents()

    def prepare(self) -> None:
        """Events of every kind, so that the work sends every kind of command it knows."""
        world, to_change = self.world, self.running()
        done, nested, gone, kept = (world.create(ANCHOR, "weekly", title=title) for title in ("a", "b", "c", "d"))
        slots = world.occurrences_by_slot(nested)
        self.mongo.tasks.update_many(
            {"_id": {"$in": [slots[2], slots[3]]}}, {"$set": {"parentRecurringId": slots[1]}}
        )  # 3 is to be linked to the original when 2 is completed
        self.good = world.add_task(
            ANCHOR, "custom", title="e", recurrence={"rule": "FREQ=DAILY;COUNT=3", "added": ["2024-01-17T18:00"]}
        )
        world.add_event("create", self.good)
        for task_id in (done, slots[2]):
            world.complete(task_id)
            world.add_event("complete", task_id)
        world.add_task(ANCHOR, "none", parentTaskId=world.occurrences_by_slot(gone)[1])
        self.mongo.tasks.delete_one({"_id": gone})
        world.add_event("delete", gone)
        world.add_event("delete", kept)
        world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1))
        self.change(*to_change)

    def running(self) -> tuple[ObjectId, ObjectId, ObjectId]:
        """Return three series, of which the second has its first task completed."""
        world, due = self.world, self.world.now + timedelta(days=300)  # the clock goes on from trial to trial
        edited, reopened, skipped = (world.create(due, "daily", title=title) for title in ("f", "g", "h"))
        world.complete(reopened)
        world.add_event("complete", reopened)
        world.work()
        return edited, reopened, skipped

    def change(self, edited: ObjectId, reopened: ObjectId, skipped: ObjectId) -> None:
        """Tell of an edit that moves, adds and retires, of a completion taken back, and of a slot not wanted."""
        rule = {"rule": "FREQ=WEEKLY;BYDAY=TU,FR", "horizon": 2}
        self._store(edited, title="F", repeatType="custom", recurrence=rule)
        self._store(reopened, isCompleted=False)
        self.world.add_event("update", edited)
        self.world.add_event("reopen", reopened)
        self.world.add_event("skip", self.world.occurrences_by_slot(skipped)[2])

    def _store(self, task_id: ObjectId, **fields: Any) -> None:
        self.mongo.tasks.update_one({"_id": task_id}, {"$set": fields})

    def failing_worker(self, **environment: str) -> Worker:
        """Open a worker that the faults can strike; reads that the driver would repeat by itself reach us too."""
        place, _, options = self.world.settings.mongodb_url.partition("?")
        ours = {"appName": APPLICATION, "retryReads": "false", "serverMonitoringMode": "poll"}
        url = f"{place}?{urlencode(dict(parse_qsl(options)) | ours)}"
        settings = Settings.from_environment({"MONGODB_URL": url, **environment})
        return open_worker(settings, clock=self.clock, chance=lambda: 0.0, listeners=[self.faults])

    def clock(self) -> datetime:
        self.world.pass_time(seconds=4)
        return self.world.now

    def restore(self) -> None:
        """Put everything back as it was before the work: as it was stored, it need not be looked at once more."""
        for name, documents in self.before.items():
            self.mongo.db[name].delete_many({})
            if documents:
                self.mongo.db[name].insert_many(documents, bypass_document_validation=True)

    def recover(self) -> None:
        """Process everything by a worker that nothing happens to."""
        for _ in range(6):
            self.world.pass_time(minutes=10)
            self.world.work()
            if not self.world.worker.queries.unfinished():
                return

    def events(self) -> list[Document]:
        """Return the events that the work was about."""
        old = [event["_id"] for event in self.before["task_events"] if event["status"] == "completed"]
        return [e for e in self.mongo.events.find().sort("_id", 1) if e["_id"] not in old]

    def documents(self) -> dict[str, list[Any]]:
        """Return everything, but for numbers, times, and how it came about."""
        deleted = [
            {name: value for name, value in kept.items() if name not in {"deletedAt", "task"}}
            | {"of": kept["task"]["_id"]}
            for kept in self.mongo.deleted.find().sort("_id", 1)
        ]
        events = [(e["_id"], e["status"], _told(e.get("result"))) for e in self.events()]
        return self.world.everything() | {"deleted": deleted, "events": events}

    @property
    def commands_to_hold(self) -> int:
        """How many commands go by until the first events are held."""
        first_of_the_batch = next(command for command in self.commands if command.collection == "tasks")
        looks = [c for c in self.commands[: first_of_the_batch.place] if (c.name, c.collection) == QUEUE_READ]
        return looks[-1].place + 1

    def late_writes_have_landed(self) -> bool:
        """Say whether the server has finished whatever the failing worker, now closed, has ever asked of it."""
        running = self.server.admin.command({"currentOp": 1, "$all": True})["inprog"]
        names = [op.get("clientMetadata", {}).get("application", {}).get("name") for op in running]
        return APPLICATION not in names


def _told(result: Document | None) -> Document | None:
    """Return what an event came to; which tasks were changed in place, only the try knows that changed them."""
    return None if result is None else {name: value for name, value in result.items() if name != "changed"}
