"""The fixtures that every test may use: a real server for each test process, a database of its own for each test."""

import gc
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings
from pymongo import MongoClient
from pymongo.database import Database

from recurrence_pipeline.cli import main
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline_tests.commands import WEEKLY, Ran, Run
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.world import World

REAL_SERVER = "RECURRENCE_TEST_MONGODB_URL"
"""Names a real MongoDB to test against, started with `--setParameter enableTestCommands=1`."""

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take long, so that the others fill the time beside them and none comes last."""
    items.sort(key=lambda item: not (item.get_closest_marker("daemon") or item.get_closest_marker("long")))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep out of garbage collections what stays for good: modules and tests are far more than any test makes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server that takes test commands (`configureFailPoint`): one for each xdist worker.

    A standalone: the least that production may have, and without an oplog, which is a seventh of a server's time.
    """
    yield from _server(tmp_path_factory.mktemp("mongodb"), "--enable-test-commands", "--standalone")


@pytest.fixture(scope="session")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server that is a replica set, for what has something to say of one that is none."""
    yield from _server(tmp_path_factory.mktemp("replica_set"))


@pytest.fixture
def replica_set_url(replica_set: str) -> Iterator[str]:
    """Return the URL of a fresh database in the replica set."""
    url = with_database(replica_set, f"test_{uuid4().hex}")
    yield url
    with MongoClient[Document](url) as client:
        client.drop_database(client.get_default_database())


def _server(folder: Path, *arguments: str) -> Iterator[str]:
    if given := os.environ.get(REAL_SERVER):
        yield given
        return
    server = EmbeddedServer.start(folder, arguments=arguments)
    # Nothing outlives it: why wait for the disk. And nobody needs to hear at once of what becomes of it.
    yield server.url("").replace("journal=true", "serverMonitoringMode=poll")
    server.kill()


@pytest.fixture(scope="session")
def mongodb_janitor(mongodb_server: str) -> Iterator[MongoClient[Document]]:
    """Return the client that drops what tests leave; being a fixture of its own, it closes before the server ends."""
    with MongoClient[Document](with_database(mongodb_server, "admin")) as client:
        yield client


@pytest.fixture
def mongodb_url(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[str]:
    """Return the URL of a fresh database. A test closes the clients it opens."""
    name = f"test_{uuid4().hex}"
    yield with_database(mongodb_server, name)
    mongodb_janitor.drop_database(name)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Undo what `logs.configure` sets up, for the tests that come after."""
    yield
    logger = logging.getLogger("recurrence_pipeline")
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    structlog.reset_defaults()


@pytest.fixture
def db(mongodb_url: str) -> Iterator[Database[Document]]:
    """Return the database of this test, as the application sees it."""
    with MongoClient[Document](mongodb_url, tz_aware=True) as client:
        yield client.get_default_database()


@pytest.fixture
def run(mongodb_url: str, capsys: pytest.CaptureFixture[str], logging_as_before: None) -> Run:
    """Return a function that runs the `recurrence` command in this process, on the database of this test."""

    def run(*arguments: str, **environment: str) -> Ran:
        code = main(arguments, {"MONGODB_URL": mongodb_url} | environment)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Return an export of one weekly task and the trigger that it was created."""
    task = next(line for line in (SAMPLE_DATA / "tasks.jsonl").read_text().splitlines() if WEEKLY in line)
    trigger = next(line for line in (SAMPLE_DATA / "trigger_log.jsonl").read_text().splitlines() if WEEKLY in line)
    (tmp_path / "tasks.jsonl").write_text(task)
    (tmp_path / "trigger_log.jsonl").write_text(trigger)
    return tmp_path


@pytest.fixture
def prepared(run: Run, few: Path) -> Run:
    """Return `run`, on a database with one weekly task whose creation is pending."""
    assert run("init-db").code == 0
    assert run("import", str(few)).code == 0
    return run


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return a worker on a fresh database, at noon of New Year's Day 2024."""
    world = World(mongodb_url)
    yield world
    world.close()
