"""The fixtures that every test may use: a real server for each test process, a database of its own for each test."""

import logging
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings
from pymongo import MongoClient

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.embedded import EmbeddedServer
from recurrence_pipeline_tests.urls import with_database

REAL_SERVER = "RECURRENCE_TEST_MONGODB_URL"
"""Names a real MongoDB to test against, started with `--setParameter enableTestCommands=1`."""

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server that takes test commands (`configureFailPoint`): one for each xdist worker."""
    if given := os.environ.get(REAL_SERVER):
        yield given
        return
    folder = tmp_path_factory.mktemp("mongodb")
    server = EmbeddedServer.start(folder, arguments=["--enable-test-commands"])
    yield server.url("")
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
