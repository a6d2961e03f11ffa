"""What the tests of the Dagster layer start from: definitions on a database of their own, and an instance in memory."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline_tests.documents import task_document

NO_SERVER = "mongodb://someone:secret@127.0.0.1:1/tasks?authSource=admin"
"""Nothing listens on port 1, and the password must be seen nowhere."""

AT_ONCE = {"WORKER_IDLE_TIMEOUT": "0", "SENSOR_WATCH": "0"}
"""A run that waits for no more events, a sensor that looks once."""

USER = ObjectId("64b5f8e2a1c9d4e7f0a1b2c3")

Insert = Callable[..., str]


@pytest.fixture(scope="session", autouse=True)
def migrations_are_read_once() -> Iterator[None]:
    """Keep the scripts of Dagster's migrations: each history, and each run's file, would import all of them anew.

    That is two thirds of what it takes to make one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", cache(ScriptDirectory.from_config))
        yield


@pytest.fixture
def settings(mongodb_url: str) -> Settings:
    return Settings.from_environment({"MONGODB_URL": mongodb_url, "WORKER_RUN_MAX_EVENTS": "10", **AT_ONCE})


@pytest.fixture
def resource(settings: Settings) -> Iterator[WorkerResource]:
    resource = WorkerResource(settings)
    resource.open().init_db()
    yield resource
    resource.close()


@pytest.fixture
def worker(resource: WorkerResource) -> Worker:
    return resource.open()


@pytest.fixture
def definitions(settings: Settings, resource: WorkerResource) -> dg.Definitions:
    return build_definitions(settings, worker=resource)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def in_threads() -> Iterator[dg.DagsterInstance]:
    """Return an instance that evaluates sensors in threads, as the dagster.yaml that is shipped has it."""
    with dg.DagsterInstance.ephemeral(settings={"sensors": {"use_threads": True, "num_workers": 2}}) as instance:
        yield instance


@pytest.fixture
def away() -> Iterator[WorkerResource]:
    """Return a worker whose database does not answer."""
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": NO_SERVER, "WORKER_TIMEOUT": "100", **AT_ONCE}))
    yield resource
    resource.close()


@pytest.fixture
def without_database(away: WorkerResource) -> dg.Definitions:
    return build_definitions(away.settings, worker=away)


@pytest.fixture
def insert_task(worker: Worker) -> Insert:
    """Return a function that inserts a task as the application does, and returns its id."""

    def insert(title: str = "water the plants", **fields: Any) -> str:
        due = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
        number = worker.mongo.tasks.count_documents({}) + 1
        document = task_document(USER, number, due, due - timedelta(days=1), title=title) | fields
        return str(worker.mongo.tasks.insert_one(document).inserted_id)

    return insert


@pytest.fixture(scope="session")
def empty_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of a Dagster that has run nothing yet: copied, they need not be made each time."""
    folder = tmp_path_factory.mktemp("dagster")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(folder)):
        pass
    (folder / "dagster.yaml").unlink()
    return folder


@pytest.fixture
def automated(tmp_path: Path, empty_history: Path) -> Iterator[dg.DagsterInstance]:
    """Return an instance that keeps ticks, as one in memory does not."""
    shutil.copytree(empty_history, tmp_path, dirs_exist_ok=True)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance
