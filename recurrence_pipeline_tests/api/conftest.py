"""APIs for tests: each on a real socket, over a database of its own or, for what changes nothing, over a shared one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.api.serving import NO_AUTHORITIES, Api, serving
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.world import World

OpenApi = Callable[..., Api]

BUSY = 60.0
"""In seconds: how long a machine at work may take for an answer; a client's own 5 s are a user's."""


@pytest.fixture
def open_api(mongodb_url: str) -> Iterator[OpenApi]:
    """Return a function that opens an API with these environment variables, at noon of New Year's Day 2024."""
    with ExitStack() as stack:

        def opened(headers: dict[str, str] | None = None, **environment: str) -> Api:
            world = World(mongodb_url, now=None, **environment)
            stack.callback(world.close)
            url = stack.enter_context(serving(world.worker))
            client = httpx.Client(base_url=url, headers=headers, trust_env=False, verify=NO_AUTHORITIES, timeout=BUSY)
            return Api(world, stack.enter_context(client))

        yield opened


@pytest.fixture
def api(open_api: OpenApi) -> Api:
    """Return an API with the settings nobody touched: open to loopback."""
    return open_api()


@pytest.fixture(scope="module")
def shared_api(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[Api]:
    """Return an API for requests that change nothing: one for all of a module, and nothing is stored in the end."""
    name = f"test_{uuid4().hex}"
    world = World(with_database(mongodb_server, name))
    with (
        serving(world.worker) as url,
        httpx.Client(base_url=url, trust_env=False, verify=NO_AUTHORITIES, timeout=BUSY) as client,
    ):
        yield Api(world, client)
    stored = {name: len(documents) for name, documents in world.everything().items()}
    events = world.worker.mongo.events.count_documents({})
    world.close()
    mongodb_janitor.drop_database(name)
    assert (stored, events) == ({"tasks": 0, "activities": 0, "series": 0}, 0)
