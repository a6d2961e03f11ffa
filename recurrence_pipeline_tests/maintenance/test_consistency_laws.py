"""On sound data the checks find nothing and a repair touches nothing, whatever history led to them."""

from collections.abc import Callable
from datetime import timedelta

from bson import ObjectId
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule, run_state_machine_as_test
from pymongo import monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.maintenance.scan import FEW
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.worker.test_histories import Histories
from recurrence_pipeline_tests.world import World, utc


def everything(world: World) -> dict[str, list[Document]]:
    db = world.worker.mongo.db
    return {name: list(db[name].find().sort("_id", 1)) for name in sorted(db.list_collection_names())}


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


class SoundHistories(Histories):
    """Histories that end with the checks, and with a repair of everything."""

    indexed = True  # one of the checks looks for the indexes

    @rule(original=Histories.series)
    def tidy_up(self, original: ObjectId) -> None:
        """A person deletes what is done."""
        self.settle()
        self.delete_occurrences(original, completed=True)

    @rule(original=Histories.series)
    def give_up(self, original: ObjectId) -> None:
        """A person is done with it, and deletes all that would come."""
        self.world.complete(original)
        self.model[original].completed.add(0)
        self.announce("complete", original)
        self.settle()
        self.delete_occurrences(original, completed=False)

    def delete_occurrences(self, original: ObjectId, *, completed: bool) -> None:
        known, there = self.model[original], self.there(original)
        for number in known.slots():
            if (number in known.completed) is completed:
                self.world.worker.mongo.tasks.delete_one({"_id": there[number]})
                known.deleted.add(number)
                self.world.add_event("delete", there[number])

    def compare(self) -> None:
        super().compare()
        self.world.worker.init_db()  # the indexes, which these histories do without
        stopped = [
            known for known in self.model.values() if {0, *known.slots()} <= known.completed and not known.has_ended
        ]  # nothing that is there can be completed any more
        assert red(self.world) == ({"series_stopped": len(stopped)} if stopped else {})
        before = everything(self.world)
        repairs = self.world.worker.consistency.repair(dry_run=False)
        assert [repair.name for repair in repairs if repair.found or repair.repaired] == []
        assert everything(self.world) == before
        resumable = [known for known in stopped if known.last_number < max(n for n in known.line if isinstance(n, int))]
        for known in resumable:
            done = self.world.worker.resumption.resume(str(known.original), dry_run=False)
            assert next(new.slot or 0 for new in done.occurrences) > known.last_number
        left = len(stopped) - len(resumable)  # of these only added dates are to come
        assert red(self.world) == ({"series_stopped": left} if left else {})


def test_after_any_history_nothing_is_found_and_a_repair_touches_nothing(mongodb_url: str) -> None:
    """A repair of what is sound would do harm every night. What people stopped is found, and can be resumed."""

    class OnThisDatabase(SoundHistories):
        pass

    OnThisDatabase.mongodb_url = mongodb_url
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_while_work_is_under_way_nothing_is_found(world: World) -> None:
    """Between the writes of a batch a series looks wrong, which is no issue as long as an event is unfinished."""
    head = world.add_task(utc(2024, 1, 15, 9), "daily")
    world.add_event("create", head)
    assert red(world) == {}, "it waits"
    held = world.worker.lease(10)
    assert red(world) == {}, "it is held"
    world.worker.process(held)
    second = world.occurrences(head)[1]["_id"]
    world.complete(second)
    world.add_event("complete", second)
    assert red(world) == {}, "a completion waits"


def test_in_a_long_queue_nothing_is_found_either(world: World) -> None:
    head = world.add_task(utc(2024, 1, 15, 9), "daily")
    world.add_event("create", head)
    event = world.worker.mongo.events.find_one() or {}
    world.worker.mongo.events.insert_many(event | {"_id": ObjectId(), "taskId": ObjectId()} for _ in range(FEW))
    assert red(world) == {}

    world.worker.mongo.events.delete_one({"_id": event["_id"]})
    assert red(world) == {"series_behind": 1}


class WhenLookedFor(monitoring.CommandListener):
    """Does something once, just before the database is asked which events are unfinished."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deeds = [deed]

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command.get("find") == "task_events" and "status" in event.command["filter"] and self._deeds:
            self._deeds.pop()()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_work_that_ends_while_it_is_looked_for_is_seen(world: World) -> None:
    """The series was behind when it was read, and no event says why any more: what is there now counts."""
    head = world.create(utc(2024, 1, 15, 9), "daily")
    second = world.occurrences(head)[1]["_id"]
    world.complete(second)
    world.add_event("complete", second)
    done: list[object] = []
    listener = WhenLookedFor(lambda: done.append(world.work()))

    with open_worker(world.settings, clock=lambda: world.now, listeners=[listener]) as worker:
        found = worker.consistency.run(only=["series_behind"])

    assert (len(done), [check.count for check in found]) == (1, [0])


def test_a_series_that_goes_while_it_is_judged_is_none_to_be_repaired(world: World) -> None:
    head = world.create(utc(2024, 1, 15, 9), "daily")
    world.complete(world.occurrences(head)[1]["_id"])
    listener = WhenLookedFor(lambda: world.worker.mongo.tasks.delete_many({}))

    with open_worker(world.settings, clock=lambda: world.now, listeners=[listener]) as worker:
        found = worker.consistency.run(only=["series_behind"])

    assert [check.count for check in found] == [0]


def test_orphans_that_a_deletion_is_about_to_take_are_none_yet(world: World) -> None:
    head = world.create(utc(2024, 1, 15, 9), "daily")
    world.worker.mongo.tasks.delete_one({"_id": head})
    event = world.add_event("delete", head)
    assert red(world) == {}

    world.worker.mongo.events.delete_one({"_id": event})
    assert red(world) == {"orphans": 3}


def test_a_restored_series_is_sound(world: World) -> None:
    anchor = utc(2024, 1, 31, 9)
    head = world.create(anchor, "monthly")
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.add_event("delete", head)
    world.work()
    (deletion,) = world.worker.deletions.recent(1)
    world.worker.deletions.restore(str(deletion["deletion"]), dry_run=False)

    assert world.worker.mongo.tasks.count_documents({}) == 3
    assert red(world) == {}


def test_a_series_of_the_older_worker_is_sound_before_and_after_it_is_continued(world: World) -> None:
    """It has no cursor and no slot numbers, and began before us: that is no issue."""
    world.worker.mongo.state.update_one({"_id": "reconciliation"}, {"$set": {"watermark": world.now}})
    anchor = world.now - timedelta(days=60)
    head = world.add_task(anchor, "daily", isCompleted=True)
    for days in (1, 2, 3):
        world.add_task(anchor + timedelta(days=days), "daily", parentRecurringId=head, isCompleted=True)
    assert red(world) == {}

    world.add_event("complete", head)
    world.work()
    assert len(world.occurrences(head)) == 7
    assert red(world) == {}

    world.complete(world.occurrences(head)[4]["_id"])
    assert red(world) == {"series_behind": 1}, "now it is ours"
