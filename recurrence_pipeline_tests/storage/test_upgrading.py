"""Databases as they were before this version: prepared once more, they are worked on, and nothing is made twice.

left_by_first_version.jsonl is what the first worker of this project truly left, as commands that bring it back: it was
killed (SIGKILL) once after it had inserted occurrences, and once after it had copied what it was about to delete.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId, json_util
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline.storage.schema import differs, required_indexes
from recurrence_pipeline_tests.commands import WEEKLY
from recurrence_pipeline_tests.world import World, utc

LEFT_BEHIND = Path(__file__).parent / "left_by_first_version.jsonl"
UPGRADED = utc(2024, 1, 1, 14, 0, 30)
"""While the two leases of the killed workers had half a minute to go."""

OF_THE_APPLICATION = [
    "parentTaskId", "parentRecurringId", "userId dueDate", "userId isCompleted", "userId priority", "userId category",
    "userId repeatType",
]  # fmt: skip

Prepare = Callable[[datetime], World]


def read(path: Path) -> list[Document]:
    return [json_util.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_the_original_left_it(db: Database[Document]) -> None:
    """Store the tasks, users and counters of the sample, with the indexes that the application makes, and no more."""
    for name in ("tasks", "users", "counters"):
        db[name].insert_many(read(SAMPLE_DATA / f"{name}.jsonl"))
    db.tasks.create_index("taskId", unique=True)
    for keys in OF_THE_APPLICATION:
        db.tasks.create_index([(key, 1) for key in keys.split()])


def as_our_first_version_left_it(db: Database[Document]) -> None:
    for command in read(LEFT_BEHIND):
        db.command(command)


@pytest.fixture
def prepared(mongodb_url: str) -> Iterator[Prepare]:
    """Return a function that runs init-db on the database at a given time, and opens today's worker on it."""
    worlds: list[World] = []

    def prepare(now: datetime) -> World:
        worlds.append(World(mongodb_url, now=now))
        return worlds[-1]

    yield prepare
    for world in worlds:
        world.close()


@pytest.fixture
def upgraded(db: Database[Document], prepared: Prepare) -> World:
    """Return what our first version left, prepared by this one."""
    as_our_first_version_left_it(db)
    return prepared(UPGRADED)


def stored(world: World) -> dict[str, list[Document]]:
    """Return every document but the one that init-db adds."""
    db = world.worker.mongo.db
    return {name: list(db[name].find().sort("_id", 1)) for name in db.list_collection_names() if name != "worker_state"}


def lacking(world: World) -> list[str]:
    """Return the indexes that the work relies on and that are not there as they should be."""
    there = {
        (name, tuple(info["key"])): info
        for name in world.worker.mongo.db.list_collection_names()
        for info in world.worker.mongo.db[name].index_information().values()
    }
    wanted = required_indexes(world.settings)
    return [i.name for i in wanted if differs(there.get((i.collection, i.keys), {"absent": True}), i)] + [
        i.name for i in wanted if (i.collection, i.keys) not in there
    ]


def assert_prepared(world: World, before: dict[str, list[Document]]) -> None:
    """Nothing that was there has changed, nothing is lacking, and preparing again adds nothing."""
    assert {name: documents for name, documents in stored(world).items() if name in before} == before
    assert lacking(world) == []
    again = world.worker.init_db()
    assert (again.added, again.left_out) == ([], {})


def titled(world: World, title: str) -> ObjectId:
    original = world.worker.mongo.tasks.find_one({"title": title, "parentRecurringId": None})
    assert original is not None, title
    return ObjectId(original["_id"])


def assert_nothing_twice(world: World) -> None:
    """Each slot of a series once, each number once, one activity for each occurrence that was made."""
    ours = [task for task in world.worker.mongo.tasks.find() if "occurrenceNumber" in task]
    slots = Counter((task["parentRecurringId"], task["occurrenceNumber"]) for task in ours)
    numbers = Counter(task["taskId"] for task in world.worker.mongo.tasks.find())
    told = Counter(a["taskId"] for a in world.worker.mongo.activities.find({"action": "RECURRING_TASK_CREATED"}))
    assert [*(slots - Counter(slots.keys())), *(numbers - Counter(numbers.keys()))] == []
    assert {task["_id"] for task in ours} <= told.keys()
    assert set(told.values()) <= {1}


def test_what_the_original_left_is_prepared_and_no_document_changes(db: Database[Document], prepared: Prepare) -> None:
    as_the_original_left_it(db)
    before = {name: list(db[name].find().sort("_id", 1)) for name in db.list_collection_names()}
    counters = before.pop("counters")

    world = prepared(utc(2026, 11, 24))

    assert_prepared(world, before)
    assert [c for c in db.counters.find().sort("_id", 1) if c["_id"] != "useractivities"] == counters
    assert world.worker.context.watermark.read().watermark == world.now


def test_what_the_original_left_goes_on_when_asked_and_only_then(db: Database[Document], prepared: Prepare) -> None:
    as_the_original_left_it(db)
    world = prepared(utc(2026, 11, 24))
    first = world.worker.reconciliation.look()
    second = world.worker.reconciliation.look(first.position)
    assert first.looked_at + second.looked_at >= db.tasks.count_documents({})
    assert (first.asked, second.asked) == (0, 0), "nothing goes on by itself"

    occurrence = db.tasks.find_one({"parentRecurringId": {"$type": "objectId"}, "isCompleted": False})
    assert occurrence is not None
    head = ObjectId(occurrence["parentRecurringId"])
    there = {task["_id"] for task in world.occurrences(head)}
    for task_id in (head, ObjectId(WEEKLY)):
        world.add_event("create", task_id, createdAt=world.task(task_id)["createdAt"])
    assert world.work().numbers()["completed"] == 2

    made = list(db.tasks.find({"occurrenceNumber": {"$type": "number"}}))
    assert {task["parentRecurringId"] for task in made} >= {ObjectId(WEEKLY)}
    assert there <= {task["_id"] for task in world.occurrences(head)}, "what the original made stays"
    dates = world.due_dates(head)
    assert len(set(dates)) == len(dates)
    assert_nothing_twice(world)

    settled = world.everything()
    world.worker.init_db()
    for task_id in (head, ObjectId(WEEKLY)):
        world.add_event("create", task_id, createdAt=world.task(task_id)["createdAt"])
    assert world.work().numbers()["occurrences_created"] == 0
    assert world.everything() == settled


def test_what_our_first_version_left_lacks_what_was_added_since(db: Database[Document]) -> None:
    """Else the tests below show nothing."""
    as_our_first_version_left_it(db)
    assert list(db.tasks.find({"createdByEvent": {"$exists": True}})) == []
    assert list(db.task_events.find({"lease.runId": {"$exists": True}})) == []
    assert "worker_state" not in db.list_collection_names()
    assert "updatedAt_1__id_1" not in db.tasks.index_information()
    assert Counter(event["status"] for event in db.task_events.find()) == {
        "completed": 5, "rejected": 1, "processing": 2, "pending": 2,
    }  # fmt: skip


def test_what_our_first_version_left_is_prepared_and_no_document_changes(
    db: Database[Document], prepared: Prepare
) -> None:
    as_our_first_version_left_it(db)
    before = {name: list(db[name].find().sort("_id", 1)) for name in db.list_collection_names()}
    world = prepared(UPGRADED)
    assert_prepared(world, before)


def test_a_worker_of_our_first_version_keeps_what_it_holds_until_its_lease_runs_out(upgraded: World) -> None:
    upgraded.work()
    held = list(upgraded.worker.mongo.events.find({"status": "processing"}))
    assert [event["lease"]["term"] for event in held] == [1, 1]
    assert upgraded.worker.mongo.events.count_documents({"status": "pending"}) == 0, "the others are processed"


def test_what_our_first_version_had_begun_is_completed_once(upgraded: World) -> None:
    upgraded.pass_time(minutes=1)
    done = upgraded.work().numbers()

    assert (done["events"], done["completed"]) == (4, 4)
    expected = {"Made": {1, 2, 3}, "Completed": {1, 2, 3, 4}, "Begun": {1, 2, 3}, "Waiting": {1, 2, 3}}
    for title, slots in expected.items():
        assert upgraded.occurrences_by_slot(titled(upgraded, title)).keys() == slots
    [half] = upgraded.worker.mongo.events.find({"operation": "delete", "result.deleted": 3, "lease.term": 2})
    assert upgraded.occurrences(half["taskId"]) == []
    assert upgraded.worker.mongo.deleted.count_documents({"deletion": half["_id"]}) == 3
    assert upgraded.worker.mongo.activities.count_documents({"action": "RECURRING_TASKS_DELETED"}) == 2
    assert_nothing_twice(upgraded)


def test_the_events_of_our_first_version_sent_again_change_nothing(upgraded: World) -> None:
    upgraded.pass_time(minutes=1)
    upgraded.work()
    settled = upgraded.everything()

    events = list(upgraded.worker.mongo.events.find({"status": "completed"}))
    for event in events:
        upgraded.add_event(event["operation"], event["taskId"], userId=event["userId"])
    upgraded.worker.init_db()
    while upgraded.worker.queries.unfinished():
        upgraded.pass_time(minutes=1)
        upgraded.work()

    after = upgraded.everything()
    assert after["tasks"] == settled["tasks"]
    refused = {"WORKER_CREATE_FAILED"}  # of a task that is not there any more: said once
    assert [a for a in after["activities"] if a["action"] not in refused] == [
        a for a in settled["activities"] if a["action"] not in refused
    ]


def test_the_data_of_our_first_version_are_found_consistent(upgraded: World) -> None:
    upgraded.pass_time(minutes=1)
    upgraded.work()
    red: dict[str, Any] = {f.name: f.count for f in upgraded.worker.consistency.run() if f.count}
    assert red == {}


def test_what_our_first_version_deleted_can_be_put_back(upgraded: World) -> None:
    [deletion] = upgraded.worker.mongo.events.find({"operation": "delete", "status": "completed"})
    done = upgraded.worker.deletions.restore(str(deletion["_id"]), dry_run=False)
    assert done.restored == 3
    back = [copy["task"]["_id"] for copy in upgraded.worker.mongo.deleted.find({"deletion": deletion["_id"]})]
    assert upgraded.worker.mongo.tasks.count_documents({"_id": {"$in": back}}) == 3
    upgraded.pass_time(minutes=1)
    upgraded.work()
    assert_nothing_twice(upgraded)


def test_under_the_rules_of_our_first_version_today_s_worker_works_and_its_events_can_be_changed(
    db: Database[Document], mongodb_url: str
) -> None:
    """So the older validator, which an older init-db puts back, holds up nothing on the way back."""
    [rules] = [command for command in read(LEFT_BEHIND) if "create" in command]
    with closing(World(mongodb_url)) as world:
        db.command({"collMod": "task_events", "validator": rules["validator"], "validationLevel": "strict"})
        head = world.create(utc(2024, 1, 2, 9), "daily")
        world.add_event("create", head)
        claimed = world.worker.lease(1, run_id="a run of Dagster")
        again = db.task_events.update_many({}, {"$set": {"lease.note": 2}})

        assert len(claimed) == 1
        assert again.matched_count == again.modified_count == 2
        assert len(world.due_dates(head)) == 3
