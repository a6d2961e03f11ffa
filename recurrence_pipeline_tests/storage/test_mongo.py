"""The driver's errors sorted by what to do next, each from a server that really says so; and the connection itself."""

import socket
import time
from typing import Any

import bson
import pytest
from pymongo import InsertOne, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_preferences import ReadPreference

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    RecurrenceError,
    Transient,
    WriteRejected,
)
from recurrence_pipeline.storage.mongo import (
    BARE_DATES,
    Mongo,
    Refusal,
    refusals,
    translated,
    translating,
)
from recurrence_pipeline.storage.validation_errors import validation_reason
from recurrence_pipeline_tests.storage.conftest import FailPoint


@pytest.fixture
def nobody_listens() -> str:
    """Return an address that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def opened(url: str, **environment: str) -> Mongo:
    return Mongo(Settings.from_environment({"MONGODB_URL": url, **environment}))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param({"closeConnection": True}, DatabaseUnavailable, id="the connection breaks"),
        pytest.param({"errorCode": 10107}, DatabaseUnavailable, id="NotWritablePrimary"),
        pytest.param({"errorCode": 91}, DatabaseUnavailable, id="ShutdownInProgress"),
        pytest.param({"errorCode": 11600}, DatabaseUnavailable, id="InterruptedAtShutdown"),
        pytest.param({"errorCode": 189}, DatabaseUnavailable, id="PrimarySteppedDown"),
        pytest.param({"errorCode": 13}, DatabaseUnavailable, id="Unauthorized"),
        pytest.param({"errorCode": 18}, DatabaseUnavailable, id="AuthenticationFailed"),
        pytest.param({"errorCode": 14031}, DatabaseUnavailable, id="OutOfDiskSpace"),
        pytest.param({"errorCode": 462}, DatabaseUnavailable, id="IngressRequestRateLimitExceeded"),
        pytest.param(
            {"errorCode": 1, "errorLabels": ["SystemOverloadedError"]}, DatabaseUnavailable, id="labelled as overload"
        ),
        pytest.param(
            {"writeConcernError": {"code": 64, "errmsg": "timed out"}}, DatabaseUnavailable, id="write concern not met"
        ),
        pytest.param({"errorCode": 50}, Transient, id="MaxTimeMSExpired"),
        pytest.param({"errorCode": 112}, Transient, id="WriteConflict"),
        pytest.param({"errorCode": 24}, Transient, id="LockTimeout"),
        pytest.param({"errorCode": 987654}, Transient, id="a code nobody knows"),
    ],
)
def test_what_the_server_answers_is_sorted(
    empty: Mongo, fail_point: FailPoint, failure: dict[str, Any], expected: type[RecurrenceError]
) -> None:
    fail_point("insert", **failure)
    with pytest.raises(RecurrenceError) as caught, translating():
        empty.tasks.insert_one({})
    assert type(caught.value) is expected


def test_a_command_that_takes_too_long_is_an_outage(mongodb_url: str, fail_point: FailPoint) -> None:
    mongo = opened(mongodb_url, WORKER_TIMEOUT="500")
    mongo.ping()
    fail_point("insert", blockConnection=True, blockTimeMS=3000)
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable), translating():
        mongo.tasks.insert_one({})
    assert time.monotonic() - started < 2.5
    mongo.close()


def test_a_unique_key_that_is_taken_is_a_refusal(empty: Mongo) -> None:
    empty.tasks.insert_one({"_id": 1})
    with pytest.raises(WriteRejected, match="E11000"), translating():
        empty.tasks.insert_one({"_id": 1})


def test_a_document_that_a_validator_refuses_is_a_refusal(empty: Mongo) -> None:
    empty.db.create_collection("tasks", validator={"$jsonSchema": {"required": ["title"]}})
    with pytest.raises(WriteRejected, match="validation"), translating():
        empty.tasks.insert_one({})


def test_a_document_that_is_too_large_is_a_refusal(empty: Mongo) -> None:
    with pytest.raises(WriteRejected), translating():
        empty.tasks.insert_one({"title": "x" * (17 * 2**20)})


@pytest.mark.parametrize("value", [object(), 2**64, "half a character \ud800"], ids=["no type", "too big", "surrogate"])
def test_a_value_that_cannot_be_stored_is_a_refusal(empty: Mongo, value: object) -> None:
    with pytest.raises(WriteRejected, match="a value cannot be stored"), translating():
        empty.tasks.insert_one({"title": value})


def test_a_client_that_is_closed_is_an_outage(mongodb_url: str) -> None:
    mongo = opened(mongodb_url)
    mongo.close()
    with pytest.raises(DatabaseUnavailable):
        mongo.ping()


def test_errors_of_our_own_pass_unchanged() -> None:
    @translated()
    def refuse() -> None:
        raise WriteRejected("ours")

    with pytest.raises(WriteRejected, match="ours"):
        refuse()


def bulk_error(mongo: Mongo, requests: list[Any]) -> BulkWriteError:
    with pytest.raises(BulkWriteError) as caught:
        mongo.tasks.bulk_write(requests, ordered=False)
    return caught.value


def test_a_bulk_says_item_by_item_what_was_refused_and_why(empty: Mongo) -> None:
    empty.db.create_collection("tasks", validator={"$jsonSchema": {"required": ["taskId"]}})
    empty.tasks.create_index("taskId", unique=True)
    empty.tasks.insert_one({"_id": 1, "taskId": 10})
    documents = [{"_id": 1, "taskId": 11}, {"_id": 2, "taskId": 12}, {"_id": 3, "taskId": 10}, {"_id": 4}]
    found = refusals(bulk_error(empty, [InsertOne(document) for document in documents]))

    assert [(refusal.index, refusal.key_value) for refusal in found] == [
        (0, {"_id": 1}),
        (2, {"taskId": 10}),
        (3, None),
    ]
    assert all(isinstance(item, Refusal) and item.message for item in found)
    assert empty.tasks.count_documents({}) == 2


VALIDATOR = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["taskId", "userId"],
        "additionalProperties": False,
        "properties": {
            "_id": {},
            "taskId": {"bsonType": "int"},
            "userId": {},
            "title": {"oneOf": [{"bsonType": "string"}, {"bsonType": "null"}]},
            "priority": {"enum": ["low", "high"]},
        },
    }
}
SAID = {
    "another type": ({"taskId": "x" * 99}, "taskId: type did not match, 'int' is expected (it is 'xxxxxxxx"),
    "none of several types": ({"title": 7}, "title: type did not match, 'string' is expected (it is 7), or title"),
    "a value that is none of a list": ({"priority": "mid"}, "['low', 'high'] is expected (it is 'mid')"),
    "fields nobody knows": ({"occurrenceNumber": 1, "writtenAs": ""}, "allowed, such as occurrenceNumber, writtenAs"),
    "a missing field": ({"_id": 1, "taskId": 1}, "missing: userId"),
}


@pytest.mark.parametrize(("fields", "said"), SAID.values(), ids=SAID.keys())
def test_what_a_validator_refused_is_named_by_field_and_value(empty: Mongo, fields: dict[str, Any], said: str) -> None:
    """The server's own text says only that the document failed: whoever reads that cannot know what to change."""
    empty.db.create_collection("tasks", validator=VALIDATOR)
    document = fields if "_id" in fields else {"taskId": 1, "userId": 1} | fields

    (refusal,) = refusals(bulk_error(empty, [InsertOne(document)]))
    with pytest.raises(WriteRejected, match=r"^Document failed validation.*: ") as alone, translating():
        empty.tasks.insert_one(document)

    assert said in refusal.message
    assert said in str(alone.value)
    assert len(refusal.message) < 400


def test_what_the_author_of_a_validator_wrote_is_said_instead_of_the_rule() -> None:
    """MongoDB's answer, from its manual ("Handle Invalid Documents"); the embedded server leaves descriptions out."""
    year = {"operatorName": "maximum", "reason": "comparison failed", "consideredValue": 2100}
    said = {"propertyName": "year", "description": "'year' must be an integer in [2017, 3017]", "details": [year]}
    rule = {"operatorName": "properties", "propertiesNotSatisfied": [said]}
    details = {"operatorName": "$jsonSchema", "schemaRulesNotSatisfied": [rule]}
    reason = validation_reason({"errInfo": {"failingDocumentId": 1, "details": details}})
    assert reason == "year: 'year' must be an integer in [2017, 3017] (it is 2100)"
    assert (validation_reason(None), validation_reason({"code": 11000})) == ("", "")


def test_a_bulk_that_met_something_passing_is_not_read_as_refused(empty: Mongo) -> None:
    """Else what may work a moment later is given up; and the text is of what matters, not of a duplicate before it."""
    empty.tasks.insert_one({"_id": 1, "title": "text"})
    error = bulk_error(empty, [InsertOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"title.inner": 1}})])
    with pytest.raises(Transient, match="Cannot create field"):
        refusals(error)


def test_a_bulk_whose_write_concern_is_not_met_is_an_outage(empty: Mongo, fail_point: FailPoint) -> None:
    fail_point("insert", writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})
    error = bulk_error(empty, [InsertOne({"_id": 1}), InsertOne({"_id": 2})])
    with pytest.raises(DatabaseUnavailable, match="waiting for replication timed out"):
        refusals(error)


def test_a_server_that_is_away_is_an_outage_within_the_timeout_and_no_secret_is_told(nobody_listens: str) -> None:
    url = f"mongodb://someone:hush-hush@{nobody_listens}/app?authSource=admin"
    mongo = opened(url, WORKER_TIMEOUT="400")
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as caught:
        mongo.ping()
    assert time.monotonic() - started < 3
    assert nobody_listens in str(caught.value), "which server is away is worth telling"
    assert "hush-hush" not in str(caught.value)
    assert "mongodb://" not in str(caught.value)
    mongo.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://someone:hush-hush@host:99999/app",
        "mongodb://someone:hush-hush@/app",
        "mongodb://someone:hush-hush@host/a b",
        "mongodb://someone:hush@-hush@host/app",
        "mongodb://someone:x/hush-hush@host/app",
        "mongodb://someone:1/hush-hush@host/app",
        "mongodb://someone:1?readPreference=hush-hush@host/app",
        "mongodb://someone:hush-hush@host/app?readPreference=nearby",
        "mongodb://someone:hush-hush@host/app?minPoolSize=100",
        "mongodb://someone:hush-hush@host/app?tls=true&tlsCAFile=/not/there.pem",
    ],
)
def test_a_wrong_url_is_named_by_its_variable_and_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MONGODB_URL: ") as caught:
        opened(url)
    assert "hush" not in str(caught.value)


def test_options_in_the_url_win_over_our_defaults(nobody_listens: str) -> None:
    ours = opened(f"mongodb://{nobody_listens}/")
    theirs = opened(f"mongodb://{nobody_listens}/todo?maxpoolsize=3&timeoutms=700&appName=mine")
    options = [mongo.client.options for mongo in (ours, theirs)]

    assert [o.pool_options.max_pool_size for o in options] == [10, 3]
    assert [o.timeout for o in options] == [10, 0.7]
    assert [o.pool_options.appname for o in options] == ["recurrence-pipeline", "mine"]
    assert [mongo.db.name for mongo in (ours, theirs)] == ["task-app", "todo"]
    ours.close()
    theirs.close()


def test_reads_go_to_the_primary_whatever_the_url_says(nobody_listens: str) -> None:
    """Else a worker reads on a lagging secondary that it won nothing, and what it holds lies idle for a lease."""
    mongo = opened(f"mongodb://{nobody_listens}/?readPreference=secondaryPreferred&w=majority")
    assert mongo.events.read_preference == ReadPreference.PRIMARY
    assert mongo.numbered("tasks").read_preference == ReadPreference.PRIMARY
    assert mongo.tasks.write_concern == WriteConcern("majority"), "how safely to write is the operator's choice"
    mongo.close()


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ("journal=true", WriteConcern(j=False)),
        ("journal=true&w=majority&wtimeoutMS=900", WriteConcern("majority", wtimeout=900, j=False)),
        ("w=majority", WriteConcern("majority")),
        ("journal=false", WriteConcern(j=False)),
        ("", WriteConcern()),
    ],
)
def test_what_need_not_be_in_the_journal_yet_is_written_as_the_url_says_in_all_else(
    nobody_listens: str, asked: str, before: WriteConcern
) -> None:
    mongo = opened(f"mongodb://{nobody_listens}/?{asked}")
    assert mongo.before_the_journal().counters.write_concern == before
    assert mongo.before_the_journal().numbered("tasks").write_concern == before
    assert mongo.before_the_journal().counters.read_preference == ReadPreference.PRIMARY
    mongo.close()


def test_text_that_is_no_utf_8_is_read_all_the_same(mongo: Mongo) -> None:
    """Else one title stops reconciliation, and one event every worker: the driver refuses the whole answer."""
    document = bson.encode({"title": "a?b", "at": 1}).replace(b"a?b", b"a\xffb")
    for options in (mongo.tasks.codec_options, mongo.events.codec_options, BARE_DATES):
        assert bson.decode(document, options) == {"title": "a\ufffdb", "at": 1}
