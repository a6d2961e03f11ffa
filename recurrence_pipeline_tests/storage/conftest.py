"""Stores on a database of their own, and a way to make its server fail."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.schema import ensure_schema
from recurrence_pipeline_tests.world import KEPT_LONG

FailPoint = Callable[..., None]


@pytest.fixture
def settings(mongodb_url: str) -> Settings:
    return Settings.from_environment({"MONGODB_URL": mongodb_url, **KEPT_LONG})


@pytest.fixture
def empty(settings: Settings) -> Iterator[Mongo]:
    """Return a database that nobody has prepared."""
    mongo = Mongo(settings)
    yield mongo
    mongo.close()


@pytest.fixture
def mongo(empty: Mongo, settings: Settings) -> Mongo:
    """Return a database that is ready for work."""
    ensure_schema(empty, settings)
    return empty


@pytest.fixture
def fail_point(mongodb_janitor: MongoClient[Document]) -> Iterator[FailPoint]:
    """Return a function that makes our next commands of that name fail; other clients of the server are spared."""

    def arm(command: str, *, times: int = 1, **how: Any) -> None:
        data = {"failCommands": [command], "appName": "recurrence-pipeline", **how}
        mongodb_janitor.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)

    yield arm
    mongodb_janitor.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
def event_queries(mongo: Mongo) -> EventQueries:
    return EventQueries(mongo, read_chunk=3)
