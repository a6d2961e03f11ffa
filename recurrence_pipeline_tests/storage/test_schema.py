"""Preparing a database: everything on an empty one, only what is missing on the application's own."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from bson import ObjectId, json_util
from pymongo.errors import WriteError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.schema import ensure_schema, require_schema, required_indexes
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.values import NOW

DAY = 24 * 60 * 60

PROMISED: dict[str, dict[str, Document]] = {
    "tasks": {
        "taskId_1": {"unique": True},
        "parentRecurringId_1": {},
        "parentTaskId_1": {},
        "userId_1_repeatType_1": {},
        "userId_1_dueDate_1": {},
        "updatedAt_1__id_1": {},
    },
    "useractivities": {"activityId_1": {"unique": True}, "userId_1_timestamp_-1": {}},
    "task_events": {
        "status_1_availableAt_1": {},
        "status_1_lease.until_1": {},
        "taskId_1": {},
        "createdAt_1__id_1": {},
        "finishedAt_1": {"expireAfterSeconds": 30 * DAY, "partialFilterExpression": {"status": "completed"}},
    },
    "deleted_tasks": {
        "deletion_1": {},
        "task.parentRecurringId_1": {},
        "deletedAt_1": {"expireAfterSeconds": 30 * DAY},
    },
    "audit_log": {"at_1": {"expireAfterSeconds": 365 * DAY}},
}

OF_THE_APPLICATION = [
    "parentTaskId", "parentRecurringId", "userId dueDate", "userId isCompleted", "userId priority", "userId category",
    "userId repeatType",
]  # fmt: skip

MINIMAL: Document = {
    "operation": "create",
    "taskId": ObjectId(),
    "createdAt": NOW,
    "availableAt": NOW,
    "status": "pending",
}


@pytest.fixture
def settings(mongodb_url: str) -> Settings:
    """Return those of a new installation: how long things are kept is looked at here."""
    return Settings.from_environment({"MONGODB_URL": mongodb_url})


def indexes_of(mongo: Mongo) -> dict[str, dict[str, Document]]:
    """Return {collection: {index: options}} by the usual names, without what every index has."""
    dull = ("key", "v", "ns", "background")
    return {
        name: {
            "_".join(f"{field}_{direction}" for field, direction in info["key"]): {
                option: value for option, value in info.items() if option not in dull
            }
            for index, info in mongo.db[name].index_information().items()
            if index != "_id_"
        }
        for name in PROMISED
    }


def load_the_application(mongo: Mongo) -> None:
    """Store some of the application's tasks, with the indexes that it makes itself."""
    with (SAMPLE_DATA / "tasks.jsonl").open() as lines:
        mongo.tasks.insert_many([json_util.loads(line) for line in islice(lines, 50)])
    mongo.tasks.create_index("taskId", unique=True)
    for keys in OF_THE_APPLICATION:
        mongo.tasks.create_index([(key, 1) for key in keys.split()])


def test_an_empty_database_gets_everything(empty: Mongo, settings: Settings) -> None:
    report = ensure_schema(empty, settings)

    assert indexes_of(empty) == PROMISED
    assert {c["_id"]: c["sequence_value"] for c in empty.counters.find()} == {"tasks": 0, "useractivities": 0}
    assert len(report.added) == 1 + 17 + 2, "validator, indexes, counters"
    assert report.left_out == {}
    require_schema(empty)


class Commands(CommandListener):
    """Counts the commands by name."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Be silent."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Be silent."""


def test_an_empty_database_is_prepared_in_few_commands_and_one_for_all_indexes_of_a_collection(
    mongodb_url: str, settings: Settings
) -> None:
    """An index that is built by itself reads all documents once more."""
    commands = Commands()
    mongo = Mongo(settings, listeners=[commands])
    ensure_schema(mongo, settings)
    mongo.close()
    assert commands.sent["createIndexes"] == len(PROMISED)
    assert commands.sent.total() <= 26


def test_a_second_run_finds_nothing_to_do(mongo: Mongo, settings: Settings) -> None:
    report = ensure_schema(mongo, settings)
    assert (report.added, report.left_out) == ([], {})


def test_several_may_prepare_one_database_at_once(empty: Mongo, settings: Settings) -> None:
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda _: ensure_schema(empty, settings), range(4)))
    assert indexes_of(empty) == PROMISED
    assert [report.left_out for report in reports] == [{}] * 4


class FasterOne(CommandListener):
    """Makes the collection right after another client has looked and seen that it is not there."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._done = False

    def started(self, event: CommandStartedEvent) -> None:
        """Be silent."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        if event.command_name == "listCollections" and not self._done:
            self._done = True
            self._mongo.db.create_collection("task_events")

    def failed(self, event: CommandFailedEvent) -> None:
        """Be silent."""


def test_a_collection_that_another_makes_in_the_same_moment_gets_its_validator(
    empty: Mongo, settings: Settings
) -> None:
    slower = Mongo(settings, listeners=[FasterOne(empty)])
    report = ensure_schema(slower, settings)
    slower.close()
    assert "validator of task_events" in report.added
    with pytest.raises(WriteError):
        empty.events.insert_one({})


def test_a_collection_that_may_not_be_made_is_an_error(empty: Mongo, settings: Settings, fail_point: FailPoint) -> None:
    fail_point("create", errorCode=13)
    with pytest.raises(DatabaseUnavailable):
        ensure_schema(empty, settings)


def test_the_application_s_own_data_stays_as_it_is(empty: Mongo, settings: Settings) -> None:
    load_the_application(empty)
    before = list(empty.tasks.find().sort("_id"))
    its_indexes = set(indexes_of(empty)["tasks"])

    report = ensure_schema(empty, settings)

    assert list(empty.tasks.find().sort("_id")) == before
    assert set(indexes_of(empty)["tasks"]) == its_indexes | {"updatedAt_1__id_1"}, "it has the others that we need"
    assert report.left_out == {}
    counter = empty.counters.find_one({"_id": "tasks"})
    assert counter is not None
    assert counter["sequence_value"] == max(task["taskId"] for task in before)


MONGOOSE_ASKS_FOR = [
    *(("tasks", keys, {}) for keys in OF_THE_APPLICATION),
    ("tasks", "taskId", {"unique": True}),
    ("useractivities", "activityId", {"unique": True}),
    ("useractivities", "userId -timestamp", {}),
]


def mongoose_makes_its_indexes(mongo: Mongo, asked: Mapping[str, bool]) -> None:
    """Ask for each index as Mongoose does when the application starts, whatever is there."""
    for collection, keys, options in MONGOOSE_ASKS_FOR:
        key = {name.lstrip("-"): -1 if name.startswith("-") else 1 for name in keys.split()}
        name = "_".join(f"{field}_{direction}" for field, direction in key.items())
        index = {"name": name, "key": key, **options, **asked}
        mongo.db.command("createIndexes", collection, indexes=[index])


@pytest.mark.parametrize("asked", [{"background": True}, {}], ids=["Mongoose 8", "Mongoose 9"])
@pytest.mark.parametrize("first", ["the worker", "the application"])
def test_the_application_and_the_worker_make_their_indexes_in_any_order(
    empty: Mongo, settings: Settings, first: str, asked: Mapping[str, bool]
) -> None:
    """Else the application does not start on a database that `init-db` prepared, or the worker lacks an index."""
    if first == "the application":
        mongoose_makes_its_indexes(empty, asked)
    report = ensure_schema(empty, settings)
    assert report.left_out == {}
    mongoose_makes_its_indexes(empty, asked)

    found = indexes_of(empty)
    assert all(found[name].items() >= promised.items() for name, promised in PROMISED.items())
    assert (ensure_schema(empty, settings).added, ensure_schema(empty, settings).left_out) == ([], {})


def test_a_counter_that_is_there_is_left_alone(empty: Mongo, settings: Settings) -> None:
    empty.counters.insert_one({"_id": "tasks", "sequence_value": 41, "note": "of the application"})
    ensure_schema(empty, settings)
    assert empty.counters.find_one({"_id": "tasks"}) == {
        "_id": "tasks", "sequence_value": 41, "note": "of the application",
    }  # fmt: skip


def test_two_tasks_with_one_number_cost_the_unique_index_and_nothing_else(empty: Mongo, settings: Settings) -> None:
    """Else old damage keeps the worker from starting."""
    empty.tasks.insert_many([{"taskId": 7}, {"taskId": 7}])
    report = ensure_schema(empty, settings)

    assert list(report.left_out) == ["index tasks taskId_1"]
    assert "duplicate key" in report.left_out["index tasks taskId_1"]
    missing = {name: set(PROMISED[name]) - set(found) for name, found in indexes_of(empty).items()}
    assert missing == {name: {"taskId_1"} if name == "tasks" else set() for name in PROMISED}


def test_an_index_of_the_same_name_on_other_fields_is_reported(empty: Mongo, settings: Settings) -> None:
    empty.db.deleted_tasks.create_index([("owner", 1)], name="deletion_1")
    assert list(ensure_schema(empty, settings).left_out) == ["index deleted_tasks deletion_1"]


def test_an_index_that_should_be_unique_and_is_not_is_reported(empty: Mongo, settings: Settings) -> None:
    empty.tasks.create_index("taskId")
    assert list(ensure_schema(empty, settings).left_out) == ["index tasks taskId_1"]
    assert "unique" not in indexes_of(empty)["tasks"]["taskId_1"]


def test_an_index_that_does_the_work_counts_beside_one_that_does_not(empty: Mongo, settings: Settings) -> None:
    """Else what the application has besides is taken for ours."""
    empty.tasks.create_index("taskId", name="a", unique=True)
    empty.tasks.create_index("taskId")
    report = ensure_schema(empty, settings)
    assert report.left_out == {}
    assert "index tasks taskId_1" not in report.added


@pytest.mark.parametrize("code", [85, 86], ids=["IndexOptionsConflict", "IndexKeySpecsConflict"])
def test_an_index_that_the_server_refuses_is_reported(
    empty: Mongo, settings: Settings, fail_point: FailPoint, code: int
) -> None:
    fail_point("createIndexes", errorCode=code, times=3)  # the first collection has one, of the next all fail and one
    report = ensure_schema(empty, settings)
    assert list(report.left_out) == ["index audit_log at_1", "index deleted_tasks deletion_1"]
    assert set(indexes_of(empty)["deleted_tasks"]) == PROMISED["deleted_tasks"].keys() - {"deletion_1"}


def test_other_retention_days_change_how_long_documents_are_kept(mongo: Mongo) -> None:
    changed = Settings.from_environment({"EVENT_RETENTION_DAYS": "7", "KEEP_DELETED_DAYS": "90"})
    report = ensure_schema(mongo, changed)

    assert indexes_of(mongo)["task_events"]["finishedAt_1"]["expireAfterSeconds"] == 7 * DAY
    assert indexes_of(mongo)["deleted_tasks"]["deletedAt_1"]["expireAfterSeconds"] == 90 * DAY
    assert len(report.added) == 2
    assert ensure_schema(mongo, changed).added == []


def test_an_older_validator_is_replaced(empty: Mongo, settings: Settings) -> None:
    empty.db.create_collection("task_events", validator={"$jsonSchema": {"required": ["something else"]}})
    assert "validator of task_events" in ensure_schema(empty, settings).added
    empty.events.insert_one(dict(MINIMAL))
    with pytest.raises(WriteError):
        empty.events.insert_one({"something else": 1})


def test_a_database_that_was_never_prepared_is_recognised(empty: Mongo) -> None:
    with pytest.raises(DatabaseUnavailable, match="init-db"):
        require_schema(empty)


def test_what_we_ask_for_is_what_the_design_promises(settings: Settings) -> None:
    asked = {(index.collection, index.name): index.options for index in required_indexes(settings)}
    assert asked == {(name, index): options for name, found in PROMISED.items() for index, options in found.items()}


def test_the_least_that_a_producer_writes_is_taken(mongo: Mongo) -> None:
    mongo.events.insert_one(dict(MINIMAL))
    mongo.events.insert_one(MINIMAL | {"operation": "delete", "userId": ObjectId()})


@pytest.mark.parametrize(
    ("wrong", "missing"),
    [
        *[pytest.param({}, name, id=f"no {name}") for name in MINIMAL],
        pytest.param({"operation": "rename"}, None, id="unknown operation"),
        pytest.param({"operation": None}, None, id="operation null"),
        pytest.param({"taskId": str(ObjectId())}, None, id="taskId a string"),
        pytest.param({"taskId": 17}, None, id="taskId the number for people"),
        pytest.param({"createdAt": "2026-03-01T12:00:00Z"}, None, id="createdAt a string"),
        pytest.param({"availableAt": 1772366400000}, None, id="availableAt a number"),
        pytest.param({"operation": "delete"}, None, id="delete without userId"),
        pytest.param({"userId": "someone"}, None, id="userId a string"),
        pytest.param({"status": "new"}, None, id="unknown status"),
        pytest.param({"status": "processing"}, None, id="in work without a lease"),
        pytest.param({"source": "cron"}, None, id="unknown source"),
        pytest.param({"attempts": -1}, None, id="attempts below 0"),
        pytest.param({"attempts": "1"}, None, id="attempts a string"),
        pytest.param({"errors": "none"}, None, id="errors a string"),
        pytest.param({"lease": "mine"}, None, id="lease a string"),
        pytest.param({"lease": {"term": "1"}}, None, id="term a string"),
        pytest.param({"lease": {"until": "soon"}}, None, id="until a string"),
        pytest.param({"_id": "my own"}, None, id="_id a string"),
    ],
)
def test_what_could_not_be_worked_off_is_refused_on_arrival(
    mongo: Mongo, wrong: dict[str, Any], missing: str | None
) -> None:
    document = {name: value for name, value in (MINIMAL | wrong).items() if name != missing}
    with pytest.raises(WriteError) as caught:
        mongo.events.insert_one(document)
    assert caught.value.code == 121
