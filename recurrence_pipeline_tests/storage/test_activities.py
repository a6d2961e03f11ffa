"""The users' activity log: each fact once, numbered, and never a reason for the work to fail."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId
from structlog.testing import capture_logs

from recurrence_pipeline.domain.errors import DatabaseUnavailable, WriteRejected
from recurrence_pipeline.domain.plan import NewActivity
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.activities import Activities
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import at
from recurrence_pipeline_tests.storage.values import USER


@pytest.fixture
def activities(mongo: Mongo) -> Activities:
    return Activities(mongo, read_chunk=2, write_chunk=3)


def created(count: int) -> list[NewActivity]:
    return [NewActivity.of(Action.CREATED, USER, str(ObjectId())) for _ in range(count)]


def test_a_fact_is_written_once_whoever_states_it(activities: Activities, mongo: Mongo) -> None:
    facts = created(5)
    assert activities.write([*facts, facts[0]], at(0)) == 5
    before = list(mongo.activities.find())
    assert activities.write(facts, at(1)) == 0
    assert list(mongo.activities.find()) == before
    assert sorted(activity["activityId"] for activity in before) == [1, 2, 3, 4, 5]
    assert activities.count() == 5


def test_an_activity_reads_as_the_application_writes_it(activities: Activities, mongo: Mongo) -> None:
    task = str(ObjectId())
    failed = NewActivity.of(Action.CREATE_FAILED, USER, task, error="Invalid repeat type: hourly")
    activities.write([failed], at(0))
    assert mongo.activities.find_one() == {
        "_id": ObjectId(failed.id),
        "activityId": 1,
        "userId": ObjectId(USER),
        "action": "WORKER_CREATE_FAILED",
        "taskId": ObjectId(task),
        "timestamp": at(0),
        "error": "Invalid repeat type: hourly",
        "message": f"User attempted WORKER_CREATE_FAILED :: {task} :: ERROR: Invalid repeat type: hourly",
    }


def test_nothing_to_say_says_nothing(activities: Activities, mongo: Mongo) -> None:
    assert activities.write([], at(0)) == 0
    assert activities.count() == 0


def test_an_activity_that_the_database_refuses_is_logged_and_given_up(activities: Activities, mongo: Mongo) -> None:
    facts = created(5)
    refused = facts[1]
    schema = {"not": {"properties": {"taskId": {"enum": [ObjectId(refused.task_id)]}}}}
    mongo.db.command("collMod", "useractivities", validator={"$jsonSchema": schema})
    with capture_logs() as lines:
        assert activities.write(facts, at(0)) == 4

    assert [(line["event"], line["taskId"], line["log_level"]) for line in lines] == [
        ("activity refused", refused.task_id, "warning")
    ]
    assert activities.count() == 4


def test_an_outage_is_no_refusal(activities: Activities, fail_point: FailPoint) -> None:
    """An activity that could not be written now is written on the next try."""
    facts = created(2)
    fail_point("insert", closeConnection=True)
    with pytest.raises(DatabaseUnavailable):
        activities.write(facts, at(0))
    assert activities.write(facts, at(0)) == 2


def test_a_counter_that_was_emptied_starts_after_the_highest_number(activities: Activities, mongo: Mongo) -> None:
    activities.write(created(3), at(0))
    mongo.counters.delete_many({})
    assert activities.write(created(2), at(0)) == 2
    assert sorted(activity["activityId"] for activity in mongo.activities.find()) == [1, 2, 3, 4, 5]


def add_old(mongo: Mongo, *minutes: float) -> list[Document]:
    documents: list[Document] = [
        {"_id": ObjectId(), "activityId": number, "userId": ObjectId(USER), "timestamp": at(minute), "message": "done"}
        for number, minute in enumerate(minutes, 1)
    ]
    mongo.activities.insert_many(documents)
    return documents


def by_id(documents: Iterable[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: str(document["_id"]))


def test_what_is_older_moves_to_the_archive_as_it_is_and_the_rest_stays(activities: Activities, mongo: Mongo) -> None:
    *old, border, young = add_old(mongo, *range(-8, 0), 0, 5)
    undated = {"_id": ObjectId(), "activityId": 99, "timestamp": "long ago"}
    mongo.activities.insert_one(dict(undated))
    told: list[int] = []

    assert activities.archive(at(0), told.append) == 8

    assert by_id(mongo.archive.find()) == by_id(old)
    assert by_id(mongo.activities.find()) == by_id([border, young, undated])
    assert told == [3, 6, 8]
    assert activities.archive(at(0), told.append) == 0


def test_an_archiving_that_died_between_copy_and_deletion_is_completed(activities: Activities, mongo: Mongo) -> None:
    old = add_old(mongo, -3, -2, -1)
    mongo.archive.insert_many(old[:2])

    assert activities.archive(at(0), lambda _: None) == 3

    assert by_id(mongo.archive.find()) == by_id(old)
    assert list(mongo.activities.find()) == []


def test_two_archivings_at_once_move_and_count_each_activity_once(activities: Activities, mongo: Mongo) -> None:
    old = add_old(mongo, *range(-60, 0))
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(lambda _: activities.archive(at(0), lambda _: None), range(3)))
    assert sum(counts) == 60
    assert by_id(mongo.archive.find()) == by_id(old)


def test_what_the_archive_refuses_is_not_deleted(activities: Activities, mongo: Mongo) -> None:
    old = add_old(mongo, -2, -1)
    mongo.db.create_collection("useractivities_archive", validator={"activityId": {"$lt": 2}})
    with pytest.raises(WriteRejected):
        activities.archive(at(0), lambda _: None)
    assert by_id(mongo.activities.find()) == by_id(old)
