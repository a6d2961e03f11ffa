"""What `make cluster-test` compares in the end finds what is wrong: else a run that finds nothing says nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.cluster.backlog import Application
from recurrence_pipeline_tests.cluster.findings import VARYING, findings
from recurrence_pipeline_tests.indexes import drop_index_on
from recurrence_pipeline_tests.urls import with_database

EVENTS = 30


@dataclass(frozen=True)
class Pair:
    """Two databases on which the same was done, each by a worker of its own."""

    alone: Database[Document]
    together: Database[Document]
    worker: Worker

    def found(self) -> list[str]:
        return findings(self.alone, self.together, self.worker)


@pytest.fixture(scope="module")
def pair(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[Pair]:
    names = [f"test_{uuid4().hex}" for _ in range(2)]
    application = Application(Random(7), utc_now() - timedelta(hours=1))
    running = application.tasks(EVENTS // 2)
    backlog = application.backlog(EVENTS, running.created)
    with ExitStack() as stack:
        client = stack.enter_context(MongoClient[Document](with_database(mongodb_server, names[0]), tz_aware=True))
        for name in names:
            url = with_database(mongodb_server, name)
            environment = {"MONGODB_URL": url, "WORKER_RETRY_DELAY": "1"}
            worker = stack.enter_context(open_worker(Settings.from_environment(environment)))
            worker.init_db()
            for written in (running, backlog):
                written.write(client[name], available_at=utc_now())
                worker.drain(until_empty=True)
        yield Pair(client[names[0]], client[names[1]], worker)
    for name in names:
        mongodb_janitor.drop_database(name)


def test_the_work_of_two_workers_on_the_same_documents_differs_in_nothing(pair: Pair) -> None:
    assert pair.found() == []
    kinds = {(event["operation"], event["status"]) for event in pair.together["task_events"].find()}
    assert kinds >= {
        ("create", "completed"),
        ("complete", "completed"),
        ("delete", "completed"),
        ("create", "rejected"),
    }
    assert all(pair.together[name].count_documents({}) for name in VARYING)


def an_occurrence(db: Database[Document]) -> Document:
    found = db["tasks"].find_one({"occurrenceNumber": 3, "isCompleted": False})
    assert found is not None
    return found


def lose_a_task(db: Database[Document]) -> None:
    db["tasks"].delete_one({"_id": an_occurrence(db)["_id"]})


def make_a_task_twice(db: Database[Document]) -> None:
    db["tasks"].insert_one(an_occurrence(db) | {"_id": ObjectId(), "taskId": 10**6})


def move_a_date(db: Database[Document]) -> None:
    task = an_occurrence(db)
    db["tasks"].update_one({"_id": task["_id"]}, {"$set": {"dueDate": task["dueDate"] + timedelta(days=1)}})


def use_a_number_twice(db: Database[Document]) -> None:
    drop_index_on(db["tasks"], "taskId")  # which forbids it
    db["tasks"].update_one({"_id": an_occurrence(db)["_id"]}, {"$set": {"taskId": 10**6}})


def lose_an_activity(db: Database[Document]) -> None:
    db["useractivities"].delete_one({"action": "RECURRING_TASK_CREATED"})


def lose_the_copies(db: Database[Document]) -> None:
    db["deleted_tasks"].delete_many({})


def reject_an_event(db: Database[Document]) -> None:
    db["task_events"].update_one({"operation": "complete"}, {"$set": {"status": "rejected"}})


def lose_an_event(db: Database[Document]) -> None:
    db["task_events"].delete_one({"operation": "create", "status": "rejected"})


def do_an_event_twice(db: Database[Document]) -> None:
    done = db["task_events"].find_one({"operation": "create", "result.created.2": {"$exists": True}})
    assert done is not None
    db["task_events"].update_one({"operation": "delete"}, {"$set": {"result.created": done["result"]["created"]}})


def hold_an_event(db: Database[Document]) -> None:
    db["task_events"].update_one({}, {"$set": {"lease.owner": "somebody"}})


HARMS: Mapping[Callable[[Database[Document]], None], str] = {
    lose_a_task: "tasks: 1 is missing",
    move_a_date: "tasks: 1 differ",
    make_a_task_twice: "tasks: 1 is extra",
    use_a_number_twice: "tasks: 1 numbers are there twice",
    lose_an_activity: "useractivities: 1 is missing",
    lose_the_copies: "deleted_tasks: ",
    reject_an_event: "complete ended rejected and not completed",
    lose_an_event: "1 lost",
    do_an_event_twice: "events say that they made",
    hold_an_event: "1 events are held",
}


def test_all_that_is_wrong_is_found(pair: Pair) -> None:
    """At once, for each look at the data takes its time; the data are not used again."""
    for harm in HARMS:
        harm(pair.together)

    found = pair.found()

    assert [words for words in HARMS.values() if not any(words in text for text in found)] == [], found
    assert any(text.startswith("slot_clashes: 1") for text in found), "the checks of the data are made too"
