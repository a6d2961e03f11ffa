"""What goes wrong with the database is counted by what was asked and why it failed."""

import pytest
from pymongo.errors import OperationFailure, PyMongoError

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.command_errors import HEARTBEAT, DatabaseErrors
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.conftest import FailPoint


def test_commands_that_fail_are_counted_by_name_and_cause_and_others_are_not(
    settings: Settings, fail_point: FailPoint
) -> None:
    errors = DatabaseErrors()
    mongo = Mongo(settings, listeners=[errors])
    mongo.tasks.find_one()
    assert errors.counts() == {}

    fail_point("find", times=2, errorCode=13)
    for _ in range(2):
        with pytest.raises(OperationFailure):
            mongo.tasks.find_one()

    [((command, cause), count)] = errors.counts().items()
    mongo.close()
    assert (command, count) == ("find", 2)
    assert cause in {"Unauthorized", "13"}, "servers name it or number it"


def test_a_connection_that_breaks_is_counted_under_the_name_of_the_drivers_error(
    settings: Settings, fail_point: FailPoint
) -> None:
    errors = DatabaseErrors()
    mongo = Mongo(settings, listeners=[errors])
    fail_point("count", closeConnection=True)
    fail_point("aggregate", closeConnection=True)
    with pytest.raises(PyMongoError):
        mongo.db.command("aggregate", "tasks", pipeline=[], cursor={})
    mongo.close()
    assert errors.counts()["aggregate", "AutoReconnect"] == 1


def test_a_server_that_is_not_there_is_counted_though_no_command_was_sent() -> None:
    errors = DatabaseErrors()
    settings = Settings.from_environment({"MONGODB_URL": "mongodb://127.0.0.1:1/x", "WORKER_TIMEOUT": "300"})
    mongo = Mongo(settings, listeners=[errors])
    with pytest.raises(PyMongoError):
        mongo.tasks.find_one()
    mongo.close()
    assert {command for command, _ in errors.counts()} == {HEARTBEAT}
