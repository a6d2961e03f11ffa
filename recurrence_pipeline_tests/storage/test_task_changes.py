"""Walking the tasks in the order of their index, on a real server; which queries that takes is looked up there too."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId, Timestamp
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.scan import KeysetPosition
from recurrence_pipeline.reconciliation.rules import START, ScanState
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.task_changes import TaskChanges
from recurrence_pipeline_tests.storage.values import NOW

INDEX = "updatedAt_1__id_1"


@pytest.fixture
def task_changes(mongo: Mongo) -> TaskChanges:
    return TaskChanges(mongo, read_chunk=3)


def add(mongo: Mongo, *times: object) -> list[str]:
    """Store tasks with these values of `updatedAt`; "missing" is none at all."""
    base = mongo.tasks.count_documents({})
    documents: list[Document] = [
        {"_id": ObjectId(f"{base + n:024x}"), "taskId": base + n, "repeatType": "daily"}
        | ({} if time == "missing" else {"updatedAt": time})
        for n, time in enumerate(times, start=1)
    ]
    mongo.tasks.insert_many(documents)
    return [str(document["_id"]) for document in documents]


def one_pass(task_changes: TaskChanges, limit: int) -> list[list[str]]:
    pieces = []
    position = ScanState.beginning(NOW)
    while True:
        seen = task_changes.after(position.sweep, position.sweep_until(NOW), limit)
        pieces.append([sighting.task.id for sighting in seen.sightings])
        position = position.after_sweep(seen.places, limit, NOW)
        if position.sweep == START:
            return pieces


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
def test_a_sweep_comes_by_every_task_once(mongo: Mongo, task_changes: TaskChanges, limit: int) -> None:
    dates = [NOW - timedelta(days=400), *[NOW] * 9, NOW + timedelta(days=3), *[NOW - timedelta(hours=2)] * 4]
    ids = add(mongo, None, "missing", *dates, None, "missing")

    pieces = one_pass(task_changes, limit)

    assert sorted(task_id for piece in pieces for task_id in piece) == ids
    assert max(map(len, pieces)) <= limit


def test_what_no_application_writes_stops_no_walk(mongo: Mongo, task_changes: TaskChanges) -> None:
    """A text for a date, an id of another type: they are passed by."""
    mongo.tasks.insert_many([{"_id": n, "taskId": -1 - n, "updatedAt": NOW} for n in range(5)])
    add(mongo, "yesterday", 7)
    (known,) = add(mongo, NOW)

    assert [task_id for piece in one_pass(task_changes, 2) for task_id in piece] == [known]


def test_tasks_without_a_date_are_told_apart_by_the_time_in_their_ids(mongo: Mongo, task_changes: TaskChanges) -> None:
    young = ObjectId.from_datetime(NOW)
    mongo.tasks.insert_many([{"_id": young, "taskId": 1}, {"_id": ObjectId("5" + "0" * 23), "taskId": 2}])

    seen = task_changes.after(KeysetPosition.undated_since(NOW - timedelta(minutes=1)), None, 10)

    assert [(sighting.task.id, sighting.updated_at) for sighting in seen.sightings] == [(str(young), None)]


def test_of_some_tasks_it_is_known_which_events_name_them_and_which_wait(
    mongo: Mongo, task_changes: TaskChanges
) -> None:
    def event(task: ObjectId, status: str) -> str:
        lease = {"lease": {"owner": "someone"}} if status == "processing" else {}
        fields = {"operation": "create", "taskId": task, "createdAt": NOW, "availableAt": NOW, "status": status}
        return str(mongo.events.insert_one(fields | lease).inserted_id)

    tasks = [ObjectId() for _ in range(6)]
    statuses = ["pending", "processing", "completed", "rejected", "failed"]
    ids = {event(task, status) for task, status in zip(tasks, statuses, strict=False)}
    event(ObjectId(), "pending")

    found = task_changes.announced(str(task) for task in tasks)

    assert found.event_ids == ids
    assert found.waiting == {str(tasks[0]), str(tasks[1])}


class Finds(CommandListener):
    """Keeps the queries that are sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find":
            self.sent.append({k: v for k, v in event.command.items() if not k.startswith("$") and k != "lsid"})

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield the stages of a query's plan."""
    yield plan
    for inner in [plan[name] for name in ("inputStage", "queryPlan") if name in plan] + plan.get("inputStages", []):
        yield from stages(inner)


def indexes_used(mongo: Mongo, query: dict[str, Any]) -> set[str]:
    """Ask the server which indexes serve a query, by their usual names; none may read the collection."""
    command = {name: value for name, value in query.items() if name != "maxTimeMS"}
    planner = mongo.db.command({"explain": command, "verbosity": "queryPlanner"})["queryPlanner"]
    found = list(stages(planner["winningPlan"]))
    assert "COLLSCAN" not in {stage.get("stage") for stage in found}, planner
    return {stage["indexName"].removeprefix("recurrence_") for stage in found if "indexName" in stage}


def test_every_query_of_a_walk_is_served_by_the_index_on_updated_at(mongo: Mongo, settings: Settings) -> None:
    """A look that reads the whole collection, every 5 s, would be the heaviest user of the application's database."""
    ids = add(mongo, None, *[NOW - timedelta(minutes=n) for n in range(50)])
    finds = Finds()
    listening = Mongo(settings, listeners=[finds])
    walk = TaskChanges(listening, read_chunk=100)
    walk.after(START, None, 10)
    walk.after(KeysetPosition.undated_since(NOW), None, 10)
    walk.after(KeysetPosition.before(NOW - timedelta(minutes=1)), NOW + timedelta(minutes=1), 10)
    walk.after(KeysetPosition(NOW - timedelta(minutes=9), ids[10]), NOW - timedelta(minutes=5), 10)
    walk.announced(ids[:3])
    listening.close()

    served = [(query["find"], indexes_used(mongo, query)) for query in finds.sent]

    assert served == [*[("tasks", {INDEX})] * 5, ("task_events", {"taskId_1"})]


def test_what_lies_outside_a_walk_s_range_is_not_read(mongo: Mongo, settings: Settings) -> None:
    """Served by an index is not enough: the range must have two ends."""
    add(mongo, *[NOW - timedelta(minutes=n) for n in range(200)])
    finds = Finds()
    listening = Mongo(settings, listeners=[finds])
    TaskChanges(listening, read_chunk=100).after(
        KeysetPosition.before(NOW - timedelta(minutes=20)), NOW - timedelta(minutes=11), 100
    )
    listening.close()
    (query,) = ({name: value for name, value in q.items() if name != "maxTimeMS"} for q in finds.sent)

    found = mongo.db.command({"explain": query, "verbosity": "executionStats"})["executionStats"]

    assert found["nReturned"] == 10
    assert found["totalDocsExamined"] == 10


def test_what_is_dated_otherwise_than_by_a_date_is_seen_the_youngest_first(
    mongo: Mongo, task_changes: TaskChanges
) -> None:
    """An application that stores times as text or numbers would have none of its tasks seen."""
    dates = ({"$date": f"{year}-03-01T12:00:00Z"} for year in (2024, 2026))
    odd = add(mongo, "2024-01-01", "2026-03-01", 17.5, 1772366400000, Timestamp(1772366400, 1), *dates)
    add(mongo, NOW, None, "missing")

    assert {seen.task.id for seen in task_changes.oddly_dated(10)} == set(odd[:5])
    assert {seen.task.id for seen in task_changes.oddly_dated(1)} == {odd[1], odd[3], odd[4]}
    assert [[seen.task.id for seen in piece] for piece in task_changes.unswept(10)] == [odd[5:]]
