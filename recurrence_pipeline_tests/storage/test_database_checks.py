"""Counters, indexes, validators and events: found where they are not as they should be, and repaired."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.counters import HIGHEST
from recurrence_pipeline.storage.database_checks import MAX_SAMPLES, DatabaseChecks, Sampled
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.schema import required_indexes
from recurrence_pipeline_tests.indexes import drop_index_on

NOW = datetime(2024, 2, 1, 9, tzinfo=timezone.utc)
NONE = Sampled(0, [])


@pytest.fixture
def database_checks(mongo: Mongo, settings: Settings) -> DatabaseChecks:
    return DatabaseChecks(mongo, settings)


def add_event(mongo: Mongo, **fields: Any) -> ObjectId:
    event = {"_id": ObjectId(), "operation": "create", "taskId": ObjectId(), "createdAt": NOW, "availableAt": NOW}
    mongo.events.insert_one(event | {"status": "pending"} | fields)
    return ObjectId(str(event["_id"]))


def held(until: object) -> dict[str, Any]:
    return {"status": "processing", "lease": {"owner": "a", "term": 1, "until": until}}


def test_a_prepared_database_stands_well(database_checks: DatabaseChecks) -> None:
    assert (
        database_checks.lagging_counters() == database_checks.schema_faults() == database_checks.held_for_ever() == NONE
    )


# Counters


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (6, 6), ("7", "7"), (None, None), ("", ""), (float("nan"), "nan"), (float("inf"), "inf"),
        (Decimal128("8"), "Decimal128('8')"), (8.5, "8.5"), (-1, -1), (True, True), ([9], "[9]"),
        (2**63 - 1, 2**63 - 1), (2**53 - 1, 2**53 - 1), (HIGHEST + 1, HIGHEST + 1),
    ],
)  # fmt: skip
def test_a_counter_that_is_behind_or_spoiled_is_found_and_mended(
    mongo: Mongo, database_checks: DatabaseChecks, value: object, shown: object
) -> None:
    mongo.tasks.insert_many({"taskId": number} for number in (7, 3, "9", float("inf"), 2**60, [11]))
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": value}})

    assert database_checks.lagging_counters().samples == [{"counter": "tasks", "value": shown, "highest": 7}]
    json.dumps(database_checks.lagging_counters().samples, allow_nan=False)

    database_checks.catch_up()
    assert database_checks.lagging_counters() == NONE


@pytest.mark.parametrize("value", [7, 8, 7.0, HIGHEST])
def test_a_counter_at_or_above_the_highest_number_is_well(
    mongo: Mongo, database_checks: DatabaseChecks, value: object
) -> None:
    mongo.tasks.insert_many([{"taskId": 7}, {"taskId": 3}, {"taskId": "9"}])
    mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": value}})
    assert database_checks.lagging_counters() == NONE


def test_catching_up_raises_counters_and_lowers_none(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    mongo.tasks.insert_one({"taskId": 7})
    mongo.counters.delete_many({})
    mongo.counters.insert_one({"_id": "useractivities", "sequence_value": 40})
    assert database_checks.lagging_counters().count == 1

    database_checks.catch_up()

    assert database_checks.lagging_counters() == NONE
    assert {c["_id"]: c["sequence_value"] for c in mongo.counters.find()} == {"tasks": 7, "useractivities": 40}


# Indexes and validators


def test_each_missing_index_is_named_and_completing_makes_them(
    mongo: Mongo, database_checks: DatabaseChecks, settings: Settings
) -> None:
    for name in {index.collection for index in required_indexes(settings)}:
        mongo.db[name].drop_indexes()

    faults = database_checks.schema_faults()

    assert faults.count == len(required_indexes(settings))
    assert {"what": "index tasks parentRecurringId_1", "fault": "missing"} in faults.samples
    database_checks.complete_schema()
    assert database_checks.schema_faults() == NONE


def test_a_database_that_nobody_prepared_lacks_it_all(empty: Mongo, settings: Settings) -> None:
    faults = DatabaseChecks(empty, settings).schema_faults()
    assert faults.count == 2 + len(required_indexes(settings)), "the validator, and what is known of series"
    assert faults.samples[0] == {"what": "validator of task_events", "fault": "missing"}


def test_a_weaker_validator_is_different(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    mongo.db.command("collMod", "task_events", validator={"$jsonSchema": {"required": ["taskId"]}})
    assert database_checks.schema_faults().samples == [{"what": "validator of task_events", "fault": "different"}]


def test_an_index_that_is_not_unique_is_in_the_way_and_stays(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    drop_index_on(mongo.tasks, "taskId")
    mongo.tasks.create_index("taskId")
    found = [{"what": "index tasks taskId_1", "fault": "another index on the same fields is there"}]

    assert database_checks.schema_faults().samples == found
    database_checks.complete_schema()
    assert database_checks.schema_faults().samples == found


# Events


def test_an_event_is_left_when_its_lease_ran_out_before_then(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    left = add_event(mongo, **held(NOW - timedelta(seconds=1)), attempts=2)
    add_event(mongo, **held(NOW))
    add_event(mongo)

    (sample,) = database_checks.left_since(NOW).samples

    assert (sample["eventId"], sample["since"], sample["attempts"]) == (str(left), NOW - timedelta(seconds=1), 2)


def test_an_event_waits_when_it_was_due_before_then(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    waiting = add_event(mongo, availableAt=NOW - timedelta(seconds=1))
    add_event(mongo)
    add_event(mongo, availableAt=NOW - timedelta(days=1), status="completed")

    assert [sample["eventId"] for sample in database_checks.waiting_since(NOW).samples] == [str(waiting)]


def test_all_events_are_counted_and_the_oldest_20_are_shown(mongo: Mongo, database_checks: DatabaseChecks) -> None:
    for minutes in range(30):
        add_event(mongo, availableAt=NOW - timedelta(minutes=minutes))

    waiting = database_checks.waiting_since(NOW + timedelta(seconds=1))

    assert (waiting.count, len(waiting.samples)) == (30, MAX_SAMPLES)
    assert waiting.samples[0]["since"] == NOW - timedelta(minutes=29)


@pytest.mark.parametrize("lease", [{}, {"owner": "a"}, {"until": None, "owner": "a"}], ids=str)
def test_an_event_held_without_an_end_is_given_back_and_no_other(
    mongo: Mongo, database_checks: DatabaseChecks, lease: dict[str, Any]
) -> None:
    mongo.db.command("collMod", "task_events", validator={})  # such an event came before the validator
    endless = add_event(mongo, status="processing", lease=lease)
    add_event(mongo, **held(NOW))
    assert [sample["eventId"] for sample in database_checks.held_for_ever().samples] == [str(endless)]

    assert database_checks.give_back_endless() == 1

    assert mongo.events.count_documents({"status": "pending"}) == 1
    assert mongo.events.count_documents({"status": "processing"}) == 1
    assert database_checks.held_for_ever() == NONE
