"""Once into an empty database, and never again by itself: when the sample data are loaded."""

from collections.abc import Iterator

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.local.up import load_sample
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline.storage.sample import HOLDS_DATA, is_empty, wants_sample
from recurrence_pipeline_tests.world import World, utc

IN_THE_SAMPLE = 953


@pytest.fixture
def worker(mongodb_url: str) -> Iterator[Worker]:
    world = World(mongodb_url)
    yield world.worker
    world.close()


def start(worker: Worker, *, ours: bool = True, asked: bool = False) -> list[str]:
    """Do what `recurrence up` does before anything works; return what it says."""
    said: list[str] = []
    load_sample(worker, ours, asked=asked, say=said.append)
    return said


def delete_some(worker: Worker) -> Document:
    """Delete a series with its occurrences, and the event that asked for it, as cascades and retention do."""
    occurrence = worker.mongo.tasks.find_one({"parentRecurringId": {"$ne": None}}) or {}
    worker.mongo.tasks.delete_many({"parentRecurringId": occurrence["parentRecurringId"]})
    worker.mongo.tasks.delete_one({"_id": occurrence["parentRecurringId"]})
    worker.mongo.events.delete_many({})
    return occurrence


def test_the_first_start_loads_the_sample_and_the_next_brings_nothing_back(worker: Worker) -> None:
    """Else what people and cascades delete comes back as orphans, and old events are processed again."""
    assert start(worker) == ["Sample data: 1799 documents imported"]
    deleted = delete_some(worker)
    left = worker.mongo.tasks.count_documents({})

    assert "not loaded again" in start(worker)[0]

    assert worker.mongo.tasks.count_documents({}) == left
    assert worker.mongo.tasks.find_one({"_id": deleted["_id"]}) is None
    assert worker.mongo.events.count_documents({}) == 0


def test_what_is_emptied_by_people_stays_empty(worker: Worker) -> None:
    start(worker)
    for name in HOLDS_DATA:
        worker.mongo.db[name].delete_many({})
    start(worker)
    assert worker.mongo.tasks.count_documents({}) == 0


def test_a_load_that_was_cut_off_is_completed_by_the_next_start(worker: Worker) -> None:
    """Else a crash in the first seconds leaves tasks without their events for ever."""
    assert wants_sample(worker.mongo, utc(2024, 1, 1))
    worker.import_folder(SAMPLE_DATA)
    worker.mongo.tasks.delete_many({"repeatType": "weekly"})  # as if it had not come that far
    worker.mongo.events.delete_many({})

    start(worker)

    assert worker.mongo.tasks.count_documents({}) == IN_THE_SAMPLE
    assert worker.mongo.events.count_documents({"status": "pending"}) == 831
    assert "not loaded again" in start(worker)[0]


@pytest.mark.parametrize("name", HOLDS_DATA)
def test_a_database_that_holds_anything_is_left_alone_also_once_it_is_empty(worker: Worker, name: str) -> None:
    """It may be from before the mark was stored, or hold what somebody imported."""
    now = utc(2024, 1, 1)
    anything = {"operation": "create", "taskId": ObjectId(), "status": "rejected", "createdAt": now, "availableAt": now}
    worker.mongo.db[name].insert_one(anything)
    assert "not loaded again" in start(worker)[0]
    worker.mongo.db[name].delete_many({})
    assert "not loaded again" in start(worker)[0]
    assert is_empty(worker.mongo)


def test_two_that_ask_at_once_get_the_same_answer(worker: Worker) -> None:
    assert [wants_sample(worker.mongo, utc(2024, 1, 1)) for _ in range(2)] == [True, True]


def test_somebody_elses_database_gets_the_sample_only_where_it_is_asked_for(worker: Worker) -> None:
    assert start(worker, ours=False) == []
    assert worker.mongo.tasks.count_documents({}) == 0
    assert start(worker, ours=False, asked=True) == ["Sample data: 1799 documents imported"]
    delete_some(worker)
    assert "documents imported" in start(worker, ours=False, asked=True)[0], "who asks gets back what is missing"
    assert worker.mongo.tasks.count_documents({}) == IN_THE_SAMPLE
