"""The application as it is before the switch, and the steps on its database."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.switch.steps import Switch, Wanted
from recurrence_pipeline_tests.switch.application import Application

MakeSwitch = Callable[..., Switch]


@pytest.fixture
def application(db: Database[Document]) -> Application:
    """Return the application, whose own worker has begun a series, on a database that nobody prepared."""
    application = Application(db)
    for collection in ("tasks", "useractivities"):
        db[collection].create_index("taskId" if collection == "tasks" else "activityId", unique=True)
    application.create("daily")
    return application


@pytest.fixture
def worker(mongodb_url: str) -> Iterator[Worker]:
    """Return a worker on the database of this test."""
    with open_worker(Settings.from_environment({"MONGODB_URL": mongodb_url})) as worker:
        yield worker


@pytest.fixture
def switch(worker: Worker) -> MakeSwitch:
    """Return a function that makes the steps; each stands for a process of its own."""

    def switch(*, wait: Callable[[float], None] = lambda _: None, allow_quiet: bool = False) -> Switch:
        return Switch(worker, Wanted(utc_now() - timedelta(days=7), watch=6, allow_quiet=allow_quiet), wait=wait)

    return switch
